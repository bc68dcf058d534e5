# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_connectivity: which stage fails, what is said of it, and what is found behind the login."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest
from cluster import FakeCluster
from conftest import TIMEOUT, clean_environment
from test_bad_input import free_port

MODULE = "proxmox_connectivity"
WAY = ["lookup", "tcp", "tls", "http", "login", "version", "clock"]
BEHIND = ["permissions", "nodes", "quorum"]


@pytest.fixture
def look(ferrox, connection):
    """Runs the module: look(nodes=["pve1"], …) -> result; an option that is None is left out."""

    def run(check=False, verbosity=0, **options):
        wanted = {name: value for name, value in {**connection, **options}.items() if value is not None}
        return ferrox(MODULE, wanted, check=check, verbosity=verbosity)

    return run


def oks(result):
    return {check["name"]: check["ok"] for check in result["checks"]}


def check(result, name):
    return next(check for check in result["checks"] if check["name"] == name)


def failed_at(result, stage):
    """The check that failed, every one before it passed and every one after it skipped."""
    names = [each["name"] for each in result["checks"]]
    at = names.index(stage)
    assert [each["ok"] for each in result["checks"]] == [True] * at + [False] + [None] * (len(names) - at - 1)
    assert all(each["detail"] == f"skipped, as `{stage}` failed" for each in result["checks"][at + 1:])
    assert result["failed"] and not result["passed"] and not result["changed"]
    assert result["msg"].startswith(f"{stage} failed: ")
    assert check(result, stage)["hint"]
    return check(result, stage)


# ------------------------------------------------------------------------------------------------------- all is well


def test_a_clear_way_is_told_in_one_sentence_with_all_that_was_found(look, cluster):
    result = look(min_version="8.4", nodes=["pve1", "pve2", "pve3"], storages=["ceph", "local-lvm"],
                  privileges={"/vms": ["VM.Clone"], "/": "Sys.Audit, Sys.Modify"})
    assert oks(result) == dict.fromkeys(
        [*WAY, "min_version", "permissions", "privileges", "nodes", "quorum", "storages"], True
    )
    assert result["passed"] and not result["changed"] and not result.get("failed")
    assert result["msg"] == f"Proxmox VE 9.2.11 answers ansible@pam!mms at {cluster.host}:{cluster.port}"
    assert result["version"] == "9.2.11"
    assert result["host"] == f"{cluster.host}:{cluster.port}"
    assert result["auth"] == {"method": "token", "user": "ansible@pam", "token": "mms", "privilege_separation": False}
    certificate = result["certificate"]
    assert (certificate["fingerprint"], certificate["subject"]) == (cluster.fingerprint, "CN=cluster")
    assert certificate["trusted"] and certificate["expires"] > "2026"
    assert result["nodes"] == [{"node": name, "online": True} for name in ("pve1", "pve2", "pve3")]
    assert result["quorate"] is True and result["missing_privileges"] == []
    assert "VM.Clone" in result["permissions"]["/vms"]
    assert result["latency_ms"] > 0 and abs(result["clock_skew"]) < 30
    assert all(each["ms"] >= 0 for each in result["checks"])


def test_it_writes_nothing_and_check_mode_is_no_different(look, cluster):
    assert oks(look()) == oks(look(check=True)) == dict.fromkeys([*WAY, *BEHIND], True)
    assert cluster.stats()["writes"] == 0


def test_a_password_logs_in_once(look, cluster):
    result = look(api_user="root@pam", api_password="secret", api_token_id=None, api_token_secret=None)
    assert result["auth"] == {"method": "password", "user": "root@pam", "token": None, "privilege_separation": None}
    assert cluster.stats()["logins"] == 1


def test_a_code_of_a_second_factor_is_used_once(look, cluster):
    result = look(api_user="tfa@pve", api_password="two-factors", api_otp="123456", api_token_id=None,
                  api_token_secret=None)
    assert check(result, "login")["ok"]
    # The password, then the code.
    assert cluster.stats()["logins"] == 2


def test_it_asks_little(look, cluster):
    look()
    # Twice for HTTP and latency; version, token, permissions, resources, quorum.
    assert cluster.stats()["requests"] == 7


def test_a_playbook_can_go_on_after_what_it_found(playbook, connection):
    look = {**connection, "min_version": 99, "fail": False}
    failed = "{{ found.checks | rejectattr('ok', 'equalto', true) | map(attribute='name') }}"
    tasks = [
        {"ferrox.proxmox.proxmox_connectivity": look, "register": "found"},
        {"ansible.builtin.debug": {"msg": failed}},
    ]
    run = playbook(tasks)
    assert run.rc == 0 and not run.results[0]["changed"]
    assert run.result["msg"] == ["min_version"]


# -------------------------------------------------------------------------------------------------- the way to the API


def test_a_name_that_does_not_resolve_stops_at_lookup(look):
    failed = failed_at(look(api_host="no-such-host.invalid", min_version="9"), "lookup")
    assert "no-such-host.invalid" in failed["detail"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1"])
def test_who_reached_no_host_has_asked_for_nothing(look, host):
    assert look(api_host=host, api_port=free_port())["failure"].keys() == {"kind"}


def test_a_closed_port_stops_at_tcp(look):
    port = free_port()
    failed = failed_at(look(api_host=f"127.0.0.1:{port}", storages=["ceph"]), "tcp")
    assert failed["detail"] == f"no connection to 127.0.0.1:{port}: Connection refused"


def test_of_several_hosts_each_check_names_its_own(look):
    hosts = [f"127.0.0.1:{free_port()}", "no-such-host.invalid:8006"]
    result = look(api_host=",".join(hosts))
    ran = [(each["name"], each["detail"]) for each in result["checks"] if "skipped" not in each["detail"]]
    assert [name for name, _ in ran] == ["lookup", "tcp", "lookup"]
    for (_, detail), host in zip(ran, [hosts[0], hosts[0], hosts[1]], strict=True):
        assert host in detail
    assert all(host in result["msg"] for host in hosts)


def test_a_port_without_tls_stops_at_tls(look, cluster):
    failed = failed_at(look(api_host=cluster.control_url.removeprefix("http://")), "tls")
    assert "8006" in failed["hint"]


def test_an_untrusted_certificate_stops_at_tls_and_is_shown(look, cluster):
    result = look(ca_path=None)
    failed = failed_at(result, "tls")
    assert cluster.fingerprint in failed["detail"]
    for word in ("pvenode cert info", "api_fingerprint", "ca_path"):
        assert word in failed["hint"]
    certificate = result["certificate"]
    assert certificate["fingerprint"] == cluster.fingerprint
    assert not certificate["trusted"] and certificate["distrust"]
    assert cluster.requests() == []

    trusted = look(ca_path=None, api_fingerprint=certificate["fingerprint"])
    assert trusted["passed"] and trusted["certificate"]["trusted"]


def test_a_certificate_in_the_place_of_a_pinned_one_is_told_as_that(look):
    hint = failed_at(look(ca_path=None, api_fingerprint="AB" * 32), "tls")["hint"]
    assert hint == (
        "It was renewed, or somebody answers in its place: compare with `pvenode cert info` on the node before "
        "changing api_fingerprint"
    )


def test_a_ca_path_is_looked_for_where_the_module_runs(look, tmp_path):
    result = look(ca_path=str(tmp_path / "missing.pem"))
    assert "machine that runs the module, where ca_path is read" in failed_at(result, "tls")["hint"]


def test_without_validation_it_says_that_nothing_vouches_for_the_certificate(look):
    result = look(ca_path=None, validate_certs=False)
    assert result["passed"] and not result["certificate"]["trusted"]
    assert "not trusted" in check(result, "tls")["detail"]


def test_a_server_that_is_no_proxmox_ve_stops_at_http(look, cluster):
    cluster.fault(method="GET", path="/access/domains", times=None, status=200, html="<h1>It works!</h1>")
    failed_at(look(), "http")


def test_a_server_that_hangs_stops_at_http(look, cluster):
    cluster.help("hang", path="/access/domains", times=None)
    assert "in time" in failed_at(look(api_timeout=1), "http")["detail"]


@pytest.mark.parametrize(
    "caller",
    [
        {"api_token_id": "expired"},
        {"api_token_secret": "00000000-0000-4000-8000-000000000000"},
        {"api_user": "root@pam", "api_password": "wrong-horse", "api_token_id": None, "api_token_secret": None},
    ],
    ids=["expired token", "wrong secret", "wrong password"],
)
def test_a_caller_that_is_not_known_stops_at_login(look, caller):
    result = look(**caller)
    assert "401" in failed_at(result, "login")["detail"]
    assert result["failure"]["status"] == 401
    # What came before is told all the same.
    assert result["certificate"]["trusted"] and result["latency_ms"] > 0
    assert result["version"] is None and result["auth"] is None and result["permissions"] is None


def test_without_fail_a_failure_is_a_result(look):
    result = look(api_host=f"127.0.0.1:{free_port()}", fail=False)
    assert not result.get("failed") and not result["passed"]
    assert result.rc == 0 and result["msg"].startswith("tcp failed: ")


def test_a_host_that_was_passed_over_is_no_failure(look, cluster):
    port = free_port()
    result = look(api_host=f"127.0.0.1:{port},{cluster.host}:{cluster.port}")
    assert result["passed"] and result["host"] == f"{cluster.host}:{cluster.port}"
    passed_over = [each for each in result["checks"] if f"127.0.0.1:{port}" in each["detail"]]
    assert [(each["name"], each["ok"]) for each in passed_over] == [("lookup", True), ("tcp", None)]


# ------------------------------------------------------------------------------------------------------------- waiting


def test_an_api_that_comes_up_is_waited_for(executable):
    port = free_port()
    options = {"api_user": "ansible@pam", "api_token_id": "mms", "wait": 60, "validate_certs": False,
               "api_host": f"127.0.0.1:{port}", "api_token_secret": "5f8c1f1e-3f0a-4c55-9d5e-0c9c8a4d7b21"}
    process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    process.stdin.write(json.dumps(options))
    process.stdin.close()
    process.stdin = None
    with FakeCluster(seed="empty", time_scale=0, port=port) as late:
        result = json.loads(process.communicate(timeout=TIMEOUT)[0])
        assert late.stats()["requests"] > 0
    assert result["passed"] and result["version"] == "9.2.11"


def test_a_signal_ends_the_wait_with_what_was_found(executable, connection):
    with socket.create_server(("127.0.0.1", 0)) as hangs_up:
        options = {**connection, "wait": 3600, "api_host": f"127.0.0.1:{hangs_up.getsockname()[1]}"}
        process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=clean_environment())
        process.stdin.write(json.dumps(options))
        process.stdin.close()
        process.stdin = None
        hangs_up.settimeout(TIMEOUT)
        # It has come once, found nobody, and comes again: so it waits.
        for _ in range(2):
            hangs_up.accept()[0].close()
        process.terminate()
        result = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert result["failed"] and check(result, "tls")["ok"] is False


def test_a_wrong_secret_is_not_waited_for(look, cluster):
    result = look(api_token_secret="00000000-0000-4000-8000-000000000000", wait=3600)
    assert result["failed"]
    assert sum(each["path"].endswith("/version") for each in cluster.requests()) == 1


# --------------------------------------------------------------------------------------------------- behind the login


@pytest.mark.parametrize("wanted, ok", [("9", True), ("9.2.11", True), (9.2, True), ("9.2.12", False), ("10", False)])
def test_the_version_is_compared_by_number(look, wanted, ok):
    result = look(min_version=wanted)
    assert check(result, "min_version")["ok"] is ok and result["passed"] is ok


def test_on_8_all_of_it_works_too(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {"api_host": f"{eight.host}:{eight.port}", "ca_path": eight.ca_path, "api_user": eight.api_user,
                   "api_token_id": eight.api_token_id, "api_token_secret": eight.api_token_secret,
                   "storages": ["ceph"], "privileges": {"/vms": "VM.Monitor"}}
        result = ferrox(MODULE, {**options, "min_version": "8.4"})
        assert result["passed"] and result["version"].startswith("8.4.")
        assert check(ferrox(MODULE, {**options, "min_version": "9"}), "min_version")["ok"] is False
        assert eight.schema_violations() == []


def test_an_offline_node_fails_only_where_it_is_wanted(look, cluster):
    cluster.help("offline", node="pve3")
    result = look()
    assert result["passed"] and check(result, "nodes")["ok"] is None
    assert check(result, "nodes")["detail"] == "online: pve1, pve2; offline: pve3"
    assert {"node": "pve3", "online": False} in result["nodes"]
    assert look(nodes=["pve1"])["passed"]

    result = look(nodes=["pve1", "pve3"], storages=["ceph"])
    assert result["failed"] and result["msg"].startswith("nodes failed: offline: pve3")
    assert check(result, "storages")["ok"]


def test_a_node_that_does_not_exist_is_named_with_those_that_do(look):
    assert "no such node: pve9 (there are pve1, pve2, pve3)" in look(nodes=["pve9"])["msg"]


def test_a_cluster_without_quorum_fails(look, cluster):
    cluster.patch(quorate=False)
    result = look()
    assert result["failed"] and result["quorate"] is False
    assert "has no quorum: nothing can be changed" in result["msg"]


def test_a_storage_that_is_missing_is_named(look):
    result = look(storages=["ceph", "nope"])
    assert result["msg"].startswith("storages failed: `nope` is not there, or the caller may not see it")


def test_everything_that_fails_is_told_at_once(look):
    result = look(min_version="99", nodes=["pve9"], storages=["nope"])
    assert [name for name, ok in oks(result).items() if ok is False] == ["min_version", "nodes", "storages"]
    assert result["msg"].startswith("3 checks failed: min_version: 9.2.11 is older than 99; nodes: no such node: pve9")


# -------------------------------------------------------------------------------------------------------- privileges


def test_a_missing_privilege_is_named_with_the_command_that_grants_it(look):
    # By password: of a token that may not read itself nobody can tell whether it is separate, and it gets two commands.
    by = {"api_user": "audit@pve", "api_password": "onlooker"}
    result = look(**by, privileges={"/vms/": ["VM.Audit", "VM.Clone"], "/storage": "Datastore.Audit"})
    assert result["failed"]
    assert "privileges failed: the caller lacks VM.Clone on /vms" in result["msg"]
    (missing,) = result["missing_privileges"]
    assert (missing["path"], missing["privileges"]) == ("/vms", ["VM.Clone"])
    (command,) = missing["commands"]
    held = sorted({*result["permissions"]["/vms"], "VM.Clone"})
    privileges = f'--privs "{" ".join(held)}"'
    # Whether the role is there already or not.
    assert command == (
        f"{{ pveum role modify Ferrox-vms-audit_pve {privileges} --append 1 || "
        f"pveum role add Ferrox-vms-audit_pve {privileges}; }} && "
        "pveum acl modify /vms --roles Ferrox-vms-audit_pve --users 'audit@pve'"
    )
    assert command in result["msg"]


def test_a_token_with_privilege_separation_needs_it_beside_its_user(look):
    result = look(api_token_id="separate", privileges={"/vms": ["VM.Clone"]})
    assert result["auth"]["privilege_separation"] in (True, None)
    of_user, of_token = result["missing_privileges"][0]["commands"]
    assert of_user.endswith("--users 'ansible@pam'")
    assert of_token == (
        '{ pveum role modify Ferrox-vms-ansible_pam_separate --privs "VM.Clone" --append 1 || '
        'pveum role add Ferrox-vms-ansible_pam_separate --privs "VM.Clone"; } && '
        "pveum acl modify /vms --roles Ferrox-vms-ansible_pam_separate --tokens 'ansible@pam!separate'"
    )
    # What its user has is hidden from it, and a grant must not take that away.
    assert "pveum user permissions ansible@pam --path /vms" in result["msg"]


def test_what_the_commands_grant_is_enough(look, ferrox, connection, cluster):
    """The commands' effect, by the API: afterwards the check passes."""
    wanted = {"api_user": "audit@pve", "privileges": {"/vms": ["VM.Clone", "VM.Audit"]}}
    (missing,) = look(**wanted)["missing_privileges"]
    privileges = missing["commands"][0].split('"')[1]
    assert ferrox("pveum_role", {**connection, "name": "Ferrox-vms-audit_pve", "privs": privileges})["changed"]
    cluster.patch(acl=[{"path": "/vms", "ugid": "audit@pve", "roleid": "Ferrox-vms-audit_pve"}])
    result = look(**wanted)
    assert result["passed"] and result["missing_privileges"] == []


@pytest.mark.parametrize("there", [True, False], ids=["a role that is there", "a new role"])
def test_a_shell_runs_the_commands_to_their_end(look, tmp_path, there):
    result = look(api_user="audit@pve", api_password="onlooker", privileges={"/vms": ["VM.Clone"]})
    (command,) = result["missing_privileges"][0]["commands"]
    pveum, log = tmp_path / "pveum", tmp_path / "log"
    pveum.write_text(f'#!/bin/sh\n[ "$1 $2" != "role {"add" if there else "modify"}" ] && echo "$1 $2" >> {log}\n')
    pveum.chmod(0o755)
    subprocess.run(["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, check=True)
    assert log.read_text().splitlines() == ["role modify" if there else "role add", "acl modify"]


def test_permissions_are_told_for_the_paths_that_are_asked_about(look):
    wanted = {"/vms/101": ["VM.Audit"]}
    assert look()["permissions"] == {}
    asked = look(privileges=wanted)["permissions"]
    assert asked.keys() == wanted.keys() and "VM.Audit" in asked["/vms/101"]
    everything = look(privileges=wanted, verbosity=2)["permissions"]
    assert everything["/vms/101"] == asked["/vms/101"] and "VM.Audit" in everything["/"]


def test_a_privilege_of_another_version_is_told_and_not_granted(look):
    result = look(privileges={"/vms": ["VM.Monitor"]})
    assert "this server knows no privilege `VM.Monitor`" in result["msg"]
    assert result["missing_privileges"] == [{"path": "/vms", "privileges": ["VM.Monitor"], "commands": []}]


def test_a_caller_without_any_right_is_let_in_and_told(look):
    result = look(api_token_id="separate")
    assert result["passed"]
    assert check(result, "permissions")["ok"] is None
    assert check(result, "permissions")["detail"] == "the caller has no privilege at all"
    assert check(result, "quorum")["ok"] is None and result["quorate"] is None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"min_version": "new"}, "min_version `new` is not a version"),
        ({"privileges": {"vms": ["VM.Clone"]}}, "privileges: `vms` is not an ACL path, which begins with a slash"),
        (
            {"privileges": {"/vms": {"VM.Clone": True}}},
            "privileges: what `/vms` holds is neither a list of privileges nor a text",
        ),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_sent(look, cluster, options, message):
    result = look(**options)
    assert result["failed"] and result["msg"] == message
    assert cluster.requests() == []
