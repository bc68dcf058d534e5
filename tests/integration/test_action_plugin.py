# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin: how a task reaches the executable and how its answer comes back.

The executable is a stand-in here. It writes down how it was called and then does what its argument `does` says.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import yaml
from clone_vms import until
from conftest import ANSIBLE, REPOSITORY, clean_environment, stage

VERSIONS = pytest.mark.parametrize("ansible", ANSIBLE)
SECRET = "correct-horse-battery"

# Its second line makes it a binary in Ansible's eyes, as the real one is.
STAND_IN = """\
#!{python}
# \x01
import contextlib, json, os, signal, sys, time
source = sys.argv[-1]
in_place = source == "-"
given = json.loads(sys.stdin.read() if in_place else open(source).read())

def stopped(signum, frame):
    if given["does"] == "ignore":
        return
    if given["does"] == "mend":
        open({record!r} + ".mends", "w").close()
        for _ in range(10):
            # Nobody needs to listen.
            with contextlib.suppress(OSError):
                print("interrupted: still at it", file=sys.stderr, flush=True)
            time.sleep(0.5)
        open({record!r} + ".mended", "w").close()
    print(json.dumps({{"failed": True, "changed": True, "msg": "stopped; UPID:pve1:1 goes on"}}))
    sys.exit(0)

signal.signal(signal.SIGTERM, stopped)
call = json.dumps({{"in_place": in_place, "argv": sys.argv, "given": given, "cwd": os.getcwd(),
                   "environment": dict(os.environ), "pid": os.getpid()}})
with open({record!r}, "a") as f:
    f.write(call + "\\n")
does = given.get("does", "answer")
if does == "crash":
    print("thread 'main' panicked", file=sys.stderr)
    os.abort()
if does == "chatter":
    print("this is no JSON")
    sys.exit(3)
while does in ("hang", "ignore", "mend"):
    signal.pause()
for line in given.get("progress", []):
    print(line, file=sys.stderr, flush=True)
print(json.dumps({{"changed": True, "vms": [{{"name": "web-1"}}], "_ansible_mine": 1,
    "diff": {{"before": {{"name": ""}}, "after": {{"name": "web-1"}}}}, "warnings": ["a word of warning"],
    "deprecations": [{{"msg": "an old option", "version": "2.0.0", "collection_name": "ferrox.proxmox"}}],
    "invocation": {{"module_args": {{"api_password": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}}}}, **given.get("answer", {{}})}}))
"""


@pytest.fixture
def stand_in(tmp_path):
    """A collection with the stand-in for executable; calling it gives what the last call wrote down, `calls` each."""
    record = tmp_path / "record.jsonl"
    program = tmp_path / "stand-in"
    program.write_text(STAND_IN.format(python=sys.executable, record=str(record)))
    program.chmod(0o755)

    class StandIn:
        collections = stage(tmp_path / "collections", program)

        def __call__(self):
            return self.calls[-1]

        @property
        def calls(self):
            return [json.loads(line) for line in record.read_text().splitlines()]

        def started(self):
            return record.exists() and record.stat().st_size > 0

        def mends(self):
            return record.with_name(record.name + ".mends").exists()

        def mended(self):
            return record.with_name(record.name + ".mended").exists()

    return StandIn()


@pytest.fixture
def play(playbook, stand_in):
    """Runs one task of the collection with the stand-in."""

    def run(args=None, ansible="2.19", keywords=None, **options):
        task = {"ferrox.proxmox.pveum_role": args or {}, **(keywords or {})}
        return playbook([task], ansible=ansible, collections=stand_in.collections, **options)

    return run


@VERSIONS
def test_local_task_runs_in_place_with_its_arguments_on_standard_input(playbook, stand_in, tmp_path, ansible):
    args = {"name": "Ops", "privs": ["VM.Audit"], "api_password": SECRET, "count": 3, "nested": {"on": True, "off": None}}
    run = playbook([{"ferrox.proxmox.pveum_role": args},
                    {"ferrox.proxmox.pveum_role": {}, "environment": {"PROXMOX_HOST": "pve.example", "NUMBER": 5}}],
                   ansible, collections=stand_in.collections)
    assert run.rc == 0, run.stderr
    call, with_environment = stand_in.calls
    assert call["in_place"]
    assert {k: v for k, v in call["given"].items() if not k.startswith("_")} == args
    assert call["given"]["_ferrox_module"] == "pveum_role"
    assert call["given"]["_ansible_module_name"] == "ferrox.proxmox.pveum_role"
    assert call["given"]["_ansible_check_mode"] is False
    assert SECRET not in json.dumps(call["argv"])
    assert call["cwd"] == str(tmp_path), "relative paths are those of the playbook"
    for result in run.results:
        assert result["changed"] and result["vms"] == [{"name": "web-1"}]
        assert not [key for key in result if key.startswith("_ansible_mine")], "what is Ansible's own is stripped"
    environment = with_environment["environment"]
    assert environment["PROXMOX_HOST"] == "pve.example" and environment["NUMBER"] == "5"
    assert environment["PATH"] == os.environ["PATH"]


@VERSIONS
def test_check_and_diff_mode_reach_the_module_and_its_warnings_are_shown(play, stand_in, ansible):
    run = play(ansible=ansible, check=True, diff=True, callback="default")
    given = stand_in()["given"]
    assert given["_ansible_check_mode"] is True and given["_ansible_diff"] is True
    assert "changed=1" in run.stdout and "+name: web-1" in run.stdout.replace('"', "").replace("+    ", "+")
    shown = run.stdout + run.stderr
    assert "a word of warning" in shown
    assert "an old option" in shown


@VERSIONS
def test_async_task_is_transferred_and_polled(play, stand_in, ansible):
    run = play({"name": "Ops"}, ansible, keywords={"async": 30, "poll": 1})
    assert run.rc == 0, run.stdout
    call = stand_in()
    assert not call["in_place"]
    assert call["given"]["_ferrox_module"] == "pveum_role" and call["given"]["name"] == "Ops"
    assert run.result["vms"] == [{"name": "web-1"}]


@VERSIONS
def test_become_is_left_to_ansible(play, stand_in, tmp_path, ansible):
    # A stand-in for sudo that drops its own options and runs the rest, so that no rights are needed.
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n')
    sudo.chmod(0o755)
    run = play({"name": "Ops"}, ansible, keywords={"become": True}, environment={"ANSIBLE_BECOME_EXE": sudo})
    assert run.rc == 0, run.stdout
    assert not stand_in()["in_place"]
    assert run.result["vms"] == [{"name": "web-1"}]


@VERSIONS
def test_vaulted_values_and_dates_arrive_as_plain_text(playbook, stand_in, tmp_path, ansible):
    (tmp_path / "password").write_text("vault password")
    vault = ANSIBLE[ansible] / "ansible-vault"
    vaulted = subprocess.run([vault, "encrypt_string", "--vault-password-file", tmp_path / "password", SECRET],
                             capture_output=True, text=True, check=True, env=clean_environment()).stdout
    text = textwrap.dedent("""\
        - hosts: localhost
          connection: local
          gather_facts: false
          vars:
            in_vars: {vaulted}
            day: 2026-02-01
          tasks:
            - ferrox.proxmox.pveum_role:
                direct: {vaulted}
                indirect: "{{{{ in_vars }}}}"
                until: "{{{{ day }}}}"
                when_made: 2026-02-01
        """).format(vaulted=vaulted.replace("\n", "\n" + " " * 20))
    run = playbook(text, ansible, collections=stand_in.collections,
                   arguments=["--vault-password-file", tmp_path / "password"])
    assert run.rc == 0, run.stdout
    given = stand_in()["given"]
    assert given["direct"] == SECRET and given["indirect"] == SECRET
    assert given["until"] == "2026-02-01" and given["when_made"] == "2026-02-01"


def test_missing_executable_tells_how_to_build_one(playbook, tmp_path):
    run = playbook([{"ferrox.proxmox.pveum_role": {}}], collections=stage(tmp_path / "empty", None))
    assert run.rc == 2
    assert "no executable for linux on" in run.result["msg"] and "make build" in run.result["msg"]


@VERSIONS
def test_an_executable_that_does_not_answer_fails_with_what_it_said(playbook, stand_in, ansible):
    run = playbook([{"ferrox.proxmox.pveum_role": {"does": does}, "ignore_errors": True} for does in ("crash", "chatter")],
                   ansible, collections=stand_in.collections)
    crash, chatter = run.results
    assert [task["status"] for task in run.tasks] == ["ignored", "ignored"]
    assert "signal 6" in crash["msg"] and "panicked" in crash["module_stderr"]
    assert "exit status 3" in chatter["msg"] and "this is no JSON" in chatter["module_stdout"]


@VERSIONS
def test_progress_is_shown_on_standard_error_and_json_output_stays_whole(play, ansible):
    lines = ["web-1 (101): cloned in 4.1 s [1/2]", "wéb-2 (102): cloned in 4.3 s [2/2]"]
    run = play({"progress": lines}, ansible)
    assert [line for line in run.stderr.splitlines() if "cloned" in line] == lines
    assert run.result["changed"]  # Standard output was one JSON document.
    assert "cloned" not in json.dumps(run.results)


def test_progress_can_be_turned_off_and_is_off_where_the_task_hides_its_result(playbook, stand_in):
    ways = [{"environment": {"FERROX_PROGRESS": "never"}}, {"no_log": True}]
    run = playbook([{"ferrox.proxmox.pveum_role": {"progress": ["web-1 (101): cloned"]}, **way} for way in ways],
                   collections=stand_in.collections)
    assert run.rc == 0 and "cloned" not in run.stderr
    assert [call["environment"]["FERROX_PROGRESS"] for call in stand_in.calls] == ["never", "never"]


@VERSIONS
def test_task_timeout_ends_the_executable_and_keeps_its_last_words(play, stand_in, ansible):
    run = play({"does": "hang"}, ansible, keywords={"timeout": 3})
    assert run.rc == 2
    assert "timeout of 3 s" in run.result["msg"] and "UPID:pve1:1 goes on" in run.result["msg"]
    with pytest.raises(ProcessLookupError):
        os.kill(stand_in()["pid"], 0)


@pytest.fixture
def impatient(stand_in):
    """The plugin that waits for last words for 3 s only."""
    place = stand_in.collections / "ansible_collections/ferrox/proxmox/plugins/action"
    plugins = {path.name: path.read_text() for path in place.glob("*.py")}
    place.unlink()
    place.mkdir()
    for name, text in plugins.items():
        (place / name).write_text(text.replace("LAST_WORDS_SECONDS = 40", "LAST_WORDS_SECONDS = 3"))


def test_executable_that_does_not_end_in_order_is_killed(play, stand_in, impatient):
    run = play({"does": "ignore"}, keywords={"timeout": 2})
    assert run.rc == 2 and "timed out" in run.result["msg"].lower()
    with pytest.raises(ProcessLookupError):
        os.kill(stand_in()["pid"], 0)


@VERSIONS
def test_executable_that_puts_things_back_is_given_its_time(play, stand_in, impatient, ansible):
    run = play({"does": "mend"}, ansible, keywords={"timeout": 2})
    assert stand_in.mended() and "timeout of 2 s" in run.result["msg"] and "UPID:pve1:1 goes on" in run.result["msg"]
    assert "interrupted: still at it" in run.stderr


@pytest.fixture
def interrupt(stand_in, tmp_path):
    """Sends Ctrl-C to ansible-playbook while the executable works, and perhaps again while it puts things back."""

    def run(does, ansible, again=False):
        if not ANSIBLE[ansible].exists():
            pytest.skip(f"there is no ansible-core {ansible}")
        file = tmp_path / "playbook.yml"
        file.write_text("[{hosts: localhost, connection: local, gather_facts: false,"
                        f" tasks: [{{ferrox.proxmox.pveum_role: {{does: {does}}}}}]}}]")
        process = subprocess.Popen([ANSIBLE[ansible] / "ansible-playbook", file], start_new_session=True,
                                   env=clean_environment(ANSIBLE_COLLECTIONS_PATH=stand_in.collections),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for is_time in [stand_in.started, *[stand_in.mends] * again]:
            until(is_time)
            # As a terminal does it: to the whole foreground group.
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)

    return run


@VERSIONS
def test_interrupt_ends_the_executable_before_ansible_returns(interrupt, stand_in, ansible):
    interrupt("hang", ansible)
    with pytest.raises(ProcessLookupError):
        os.kill(stand_in()["pid"], 0)


@VERSIONS
def test_an_interrupt_lets_the_executable_put_things_back_before_ansible_returns(interrupt, stand_in, impatient, ansible):
    interrupt("mend", ansible)
    assert stand_in.mended()


@VERSIONS
def test_a_second_interrupt_ends_ansible_and_not_what_puts_things_back(interrupt, stand_in, impatient, ansible):
    interrupt("mend", ansible, again=True)
    until(stand_in.mended)


@VERSIONS
def test_no_secret_is_shown_at_any_verbosity(play, ansible):
    run = play({"name": "Ops", "api_password": SECRET}, ansible, verbosity=4, callback="default")
    assert run.rc == 0
    assert SECRET not in run.stdout + run.stderr


def test_every_module_is_routed_and_in_the_action_group():
    runtime = yaml.safe_load((REPOSITORY / "meta/runtime.yml").read_text())
    stubs = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py"))
    assert sorted(runtime["plugin_routing"]["modules"]) == stubs
    assert sorted(runtime["action_groups"]["proxmox"]) == stubs


@VERSIONS
def test_defaults_reach_a_module_however_it_is_named(playbook, stand_in, ansible):
    names = ["pveum_role", "its_older_name"]
    other = stand_in.collections / "ansible_collections/other/proxmox"
    (other / "meta").mkdir(parents=True)
    (other / "galaxy.yml").write_text("{namespace: other, name: proxmox, version: 1.0.0}")
    (other / "meta/runtime.yml").write_text(yaml.safe_dump({
        "requires_ansible": ">=2.17.0", "action_groups": {"proxmox": names},
        "plugin_routing": {"modules": {name: {"redirect": "ferrox.proxmox.pveum_role"} for name in names}},
    }))
    ways = [
        ("group/ferrox.proxmox.proxmox", [], "ferrox.proxmox.pveum_role"),
        ("ferrox.proxmox.pveum_role", [], "ferrox.proxmox.pveum_role"),
        ("group/ferrox.proxmox.proxmox", ["ferrox.proxmox"], "pveum_role"),
        *(("group/other.proxmox.proxmox", [], f"other.proxmox.{name}") for name in names),
    ]
    plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "collections": searched,
              "module_defaults": {defaults: {"api_host": f"pve{number}"}}, "tasks": [{module: {"name": "Ops"}}]}
             for number, (defaults, searched, module) in enumerate(ways)]
    run = playbook(json.dumps(plays), ansible, collections=stand_in.collections)
    assert run.rc == 0, run.stdout
    assert [call["given"]["api_host"] for call in stand_in.calls] == [f"pve{number}" for number in range(len(ways))]
    assert all(call["in_place"] and call["given"]["_ferrox_module"] == "pveum_role" for call in stand_in.calls)
