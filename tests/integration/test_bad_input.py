# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad input and bad luck get, for every module: a clear sentence, one JSON object, and no secret in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.parse

import pytest
from conftest import ANSIBLE, REPOSITORY, TIMEOUT, clean_environment

MODULES = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py"))
ROLE = {"name": "Ops", "privs": ["VM.Audit"]}
AUTHENTICATION_HINT = "Check user, realm and password, or the token's name and secret, and that neither has expired"

every_module = pytest.mark.parametrize("module", MODULES)


@pytest.fixture(scope="session")
def spec(executable):
    """The argument spec of a module, as `ferrox spec` prints it."""

    def spec(module):
        return json.loads(subprocess.check_output([executable, "spec", module]))

    return spec


@pytest.fixture
def least(spec):
    """The fewest options that a module's argument check lets pass, beside those of the connection."""

    def value(option):
        if option.get("choices"):
            return option["choices"][0]
        kind = option.get("type", "str")
        if kind == "list":
            return [value({"type": option.get("elements", "str"), "options": option.get("options")})]
        if kind == "dict":
            return options(option.get("options") or {}, option.get("required_one_of"))
        return {"int": 1, "float": 1.0, "bool": True}.get(kind, "x")

    def options(declared, one_of):
        names = {name for name, option in declared.items() if option.get("required")}
        names |= {group[0] for group in one_of or [] if names.isdisjoint(group)}
        return {name: value(declared[name]) for name in names}

    def least(module):
        declared = spec(module)
        return options(declared["argument_spec"], declared.get("required_one_of"))

    return least


def free_port():
    """A port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@contextlib.contextmanager
def silent_server():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# ----------------------------------------------------------------------------------------------------- wrong options


@every_module
def test_an_unknown_option_is_named_with_those_that_are_known(ferrox, spec, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "wanted": 1, "api_hots": "x"})
    assert result["failed"] and result.rc == 1
    start, _, known = result["msg"].partition(". Supported parameters include: ")
    assert start == f"Unsupported parameters for ({module}) module: api_hots, wanted"
    names, _, aliases = known.rstrip(".").partition(" (")
    assert names.split(", ") == sorted(spec(module)["argument_spec"])


@every_module
@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"validate_certs": "perhaps"},
            "argument 'validate_certs' is of type str and we were unable to convert to bool: The value 'perhaps' is "
            "not a valid boolean. ",
        ),
        (
            {"api_timeout": "soon"},
            "argument 'api_timeout' is of type str and we were unable to convert to int: \"'soon'\" cannot be "
            "converted to an int",
        ),
        ({"api_port": 70000}, "value of api_port must be between 0 and 65535, got: 70000"),
    ],
)
def test_a_wrong_type_is_told_in_ansibles_words(ferrox, cluster, least, connection, module, options, message):
    result = ferrox(module, {**connection, **least(module), **options})
    assert result["failed"] and result["msg"].startswith(message)
    assert cluster.requests() == []


@pytest.mark.parametrize("module", ["proxmox_clone_vms", "proxmox_start_vms", "proxmox_shutdown_vms"])
def test_nothing_at_a_time_is_refused(ferrox, cluster, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "parallel": 0})
    assert result["failed"] and result["msg"] == "parallel must be at least 1, got: 0"
    assert cluster.requests() == []


@every_module
def test_half_a_token_is_told(ferrox, least, connection, module):
    del connection["api_token_secret"]
    result = ferrox(module, {**connection, **least(module)})
    assert result["failed"]
    assert result["msg"].endswith("was given without its secret: set api_token_secret")


@every_module
@pytest.mark.parametrize(
    "options, message",
    [
        ({"api_host": None}, "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST"),
        (
            {"api_token_id": None, "api_token_secret": None},
            "no credentials were given: set api_password, or api_token_id and api_token_secret",
        ),
        ({"api_user": "ansible"}, "api_user `ansible` has no realm: write `ansible@pam` or `ansible@pve`"),
        ({"api_host": "https://pve1"}, "api_host `https://pve1` is not a host: give the host alone, not a URL"),
        ({"api_timeout": 0}, "api_timeout must be at least 1 second, not 0"),
        (
            {"api_fingerprint": "AB:CD"},
            "api_fingerprint `AB:CD` is not a SHA-256 fingerprint: 64 hexadecimal digits, colons optional",
        ),
    ],
)
def test_options_that_make_no_connection_are_told_apart(ferrox, cluster, least, connection, module, options, message):
    result = ferrox(module, {**connection, **least(module), **options})
    assert result["failed"] and result["msg"] == message
    assert cluster.requests() == []


@pytest.mark.parametrize("ansible", ANSIBLE)
def test_a_playbook_shows_the_same_words(playbook, connection, ansible):
    tasks = [
        {"ferrox.proxmox.pveum_role": {**connection, **ROLE, **wrong}, "ignore_errors": True}
        for wrong in ({"state": "gone"}, {"append": "perhaps"}, {"nmae": "Ops"})
    ]
    messages = [result["msg"] for result in playbook(tasks, ansible=ansible).results]
    assert messages[0] == "value of state must be one of: present, absent, got: gone"
    assert messages[1].startswith("argument 'append' is of type str and we were unable to convert to bool: ")
    assert messages[2].startswith("Unsupported parameters for (ferrox.proxmox.pveum_role) module: nmae. ")


# -------------------------------------------------------------------------------------------- who asks, and may he ask


def by_password(connection, user, password, **more):
    return {"api_host": connection["api_host"], "ca_path": connection["ca_path"], "api_user": user,
            "api_password": password, **more}


@every_module
def test_a_wrong_password_is_said_once(ferrox, cluster, least, connection, module):
    result = ferrox(module, {**by_password(connection, "root@pam", "wrong-horse"), **least(module)})
    assert result["failed"]
    assert "401: authentication failure" in json.dumps(result) and AUTHENTICATION_HINT in json.dumps(result)
    # Each refusal takes three seconds, and a realm may lock the user out.
    assert cluster.stats()["logins"] == 1


@every_module
@pytest.mark.parametrize(
    "caller",
    [
        {"api_token_id": "expired"},
        {"api_token_id": "unknown"},
        {"api_token_secret": "00000000-0000-4000-8000-000000000000"},
        {"api_user": "gone@pve"},
        {"api_user": "nobody@pve"},
    ],
    ids=["expired token", "unknown token", "wrong secret", "expired user", "unknown user"],
)
def test_a_token_that_is_not_taken_is_told(ferrox, cluster, least, connection, module, caller):
    result = ferrox(module, {**connection, **least(module), **caller})
    assert result["failed"]
    assert "401: Authentication failed!" in json.dumps(result) and AUTHENTICATION_HINT in json.dumps(result)
    assert cluster.stats()["writes"] == 0


def test_a_second_factor_that_is_missing_or_wrong_is_told(ferrox, connection):
    of_user = by_password(connection, "tfa@pve", "two-factors", **ROLE)
    assert "tfa@pve needs a second factor: set api_otp" in ferrox("pveum_role", of_user)["msg"]
    assert "401: authentication failure" in ferrox("pveum_role", {**of_user, "api_otp": "000000"})["msg"]
    # The right one is let in; what it may not do is another matter.
    assert ferrox("pveum_role", {**of_user, "api_otp": "123456"})["failure"]["status"] == 403


def test_a_token_without_privileges_learns_which_one_is_missing_and_where(ferrox, cluster, connection):
    result = ferrox("pveum_role", {**connection, **ROLE, "api_token_id": "separate"})
    assert result["failed"]
    assert result["msg"] == (
        "unable to create role `Ops`: POST /access/roles answered 403: Permission check failed (/access, Sys.Modify). "
        "The caller lacks Sys.Modify on /access; a token with privilege separation needs it itself, beside its user"
    )
    assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("Sys.Modify", "/access")
    assert "Ops" not in cluster.state()["roles"]


# --------------------------------------------------------------------------------------------------------- certificates


@every_module
def test_an_untrusted_certificate_is_shown_with_both_ways_to_trust_it(ferrox, cluster, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "ca_path": None})
    said = json.dumps(result)
    assert result["failed"]
    for word in (cluster.fingerprint, "CN=cluster", "api_fingerprint", "ca_path", "pvenode cert info"):
        assert word in said
    assert cluster.requests() == []


def test_either_way_makes_the_certificate_trusted(ferrox, cluster, connection):
    unknown = {**connection, **ROLE, "ca_path": None}
    message = ferrox("pveum_role", unknown)["msg"]
    shown = message.partition("SHA-256 fingerprint ")[2][:95]
    assert ferrox("pveum_role", {**unknown, "api_fingerprint": shown})["changed"]
    for trust in (
        {"api_fingerprint": shown.replace(":", "").lower()},
        {"ca_path": cluster.ca_path},
        {"validate_certs": False},
    ):
        assert not ferrox("pveum_role", {**unknown, **trust}).get("failed")


def test_another_fingerprint_is_not_trusted_even_without_validation(ferrox, cluster, connection):
    wrong = {**connection, **ROLE, "ca_path": None, "api_fingerprint": "AB" * 32}
    for validate in (True, False):
        result = ferrox("pveum_role", {**wrong, "validate_certs": validate})
        assert result["failed"]
        assert "it has another fingerprint than api_fingerprint says" in result["msg"]
        assert "compare with `pvenode cert info` on the node before changing api_fingerprint" in result["msg"]
        assert "rust it with" not in result["msg"]
    assert cluster.requests() == []


def test_a_ca_path_that_cannot_be_read_is_named(ferrox, connection, tmp_path):
    result = ferrox("pveum_role", {**connection, **ROLE, "ca_path": str(tmp_path / "missing.pem")})
    assert result["failed"]
    assert result["msg"].endswith(
        f"ca_path `{tmp_path / 'missing.pem'}`: No such file or directory. "
        "Put the certificate on the machine that runs the module, where ca_path is read"
    )


# ------------------------------------------------------------------------------------------------- no way to the server


@every_module
def test_a_host_that_does_not_resolve_is_named(ferrox, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "api_host": "no-such-host.invalid"})
    assert result["failed"]
    assert "host name `no-such-host.invalid` does not resolve" in json.dumps(result)


@every_module
def test_a_closed_port_is_named(ferrox, least, connection, module):
    port = free_port()
    result = ferrox(module, {**connection, **least(module), "api_host": f"127.0.0.1:{port}"})
    assert result["failed"]
    assert f"127.0.0.1:{port}" in result["msg"] and "refused" in json.dumps(result)


def test_the_next_host_is_asked_where_one_is_down(ferrox, cluster, connection):
    hosts = f"127.0.0.1:{free_port()}, {connection['api_host']}"
    assert ferrox("pveum_role", {**connection, **ROLE, "api_host": hosts})["changed"]


def test_all_hosts_are_named_where_none_answers(ferrox, connection):
    first, second = free_port(), free_port()
    result = ferrox("pveum_role", {**connection, **ROLE, "api_host": f"127.0.0.1:{first},127.0.0.1:{second}"})
    assert result["failed"]
    assert f"127.0.0.1:{first}" in result["msg"] and f"127.0.0.1:{second}" in result["msg"]


def test_a_port_without_tls_is_told(ferrox, cluster, connection):
    plain_http = cluster.control_url.removeprefix("http://")
    result = ferrox("pveum_role", {**connection, **ROLE, "api_host": plain_http})
    assert result["failed"] and "is this port one that speaks TLS?" in result["msg"]


@every_module
def test_a_server_that_never_greets_is_given_up(ferrox, least, connection, module):
    # That it ends at all is the point: ferrox() gives up much later.
    with silent_server() as port:
        result = ferrox(module, {**connection, **least(module), "api_host": f"127.0.0.1:{port}", "api_timeout": 1})
    assert result["failed"]
    assert f"127.0.0.1:{port}" in result["msg"] and "in time" in json.dumps(result)


@every_module
def test_a_server_that_hangs_is_given_up(ferrox, cluster, least, connection, module):
    cluster.help("hang", path=".*", times=None)
    result = ferrox(module, {**connection, **least(module), "api_timeout": 1})
    assert result["failed"] and "in time" in json.dumps(result)
    assert cluster.stats()["writes"] == 0


def test_a_signal_ends_a_run_that_hangs_with_one_answer(executable, cluster, connection):
    cluster.help("hang", path="/access/roles", times=None)
    process = subprocess.Popen([executable, "pveum_role", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_environment(), text=True)
    process.stdin.write(json.dumps({**connection, **ROLE}))
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + TIMEOUT
    while not cluster.requests():
        assert time.monotonic() < deadline and process.poll() is None
    process.terminate()
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    result = json.loads(stdout)
    assert result["failed"] and "interrupted" in result["msg"]
    assert process.returncode == 1 and stderr == ""


def test_a_signal_while_the_server_hangs_still_names_the_tasks_that_go_on(executable, cluster, connection):
    cluster.control("POST", "/time-scale", {"time_scale": 1})
    cluster.help("hang", path=".*/tasks/.*/status", times=None)
    arguments = {**connection, "vms": [{"name": "web-1"}, {"name": "web-2"}], "defaults": {"template": "debian-13"}}
    process = subprocess.Popen([executable, "proxmox_clone_vms", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=clean_environment(), text=True)
    process.stdin.write(json.dumps(arguments))
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + TIMEOUT
    while sum("/status" in request["path"] for request in cluster.requests()) < 2:
        assert time.monotonic() < deadline and process.poll() is None
    process.terminate()
    result = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert result["failed"] and result["changed"] and result["msg"].startswith("interrupted")
    running = result["failure"]["running"]
    assert len(running) == 2 and all(":qmclone:9000:" in upid and upid in result["msg"] for upid in running)


# ---------------------------------------------------------------------------------------------- one JSON object, always


@pytest.fixture
def say(executable):
    """Runs the executable on a command line and some standard input: say("list", given="") -> finished process."""

    def say(*words, given=""):
        return subprocess.run([executable, *words], input=given.encode(), env=clean_environment(), timeout=TIMEOUT,
                              capture_output=True)

    return say


NO_ARGUMENTS = ["", "{", "[]", "null", "12", '"pveum_role"', '{"name": "Ops"} {"name": "Ops"}', "name=Ops", "\0"]


@pytest.mark.parametrize("given", NO_ARGUMENTS)
@pytest.mark.parametrize("words", [["pveum_role", "-"], ["pveum_role"], ["-"]])
def test_what_is_no_json_object_is_answered_with_one(say, words, given):
    done = say(*words, given=given)
    result = json.loads(done.stdout)
    assert done.returncode == 1 and done.stderr == b""
    assert result["failed"] and result["msg"].startswith("unable to read arguments from standard input: ")


def test_broken_json_is_not_repeated_in_the_answer(say):
    done = say("pveum_role", "-", given='{"api_password": "correct-horse", "name": "Ops",,}')
    assert json.loads(done.stdout)["failed"]
    assert b"correct-horse" not in done.stdout + done.stderr


def test_bytes_that_are_no_text_are_answered(executable):
    done = subprocess.run([executable, "pveum_role", "-"], input=b"\xff\xfe{}", capture_output=True, timeout=TIMEOUT)
    assert json.loads(done.stdout)["failed"] and done.returncode == 1


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "usage: ferrox MODULE [FILE|-] | FILE | list | spec MODULE | --version"),
        (["proxmox_nonsense"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["proxmox_nonsense", "-"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["spec", "proxmox_nonsense"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["pveum_role", "a", "b"], "usage: ferrox MODULE [FILE|-] | FILE | list | spec MODULE | --version"),
    ],
)
def test_a_command_line_that_means_nothing_is_answered(say, words, message):
    done = say(*words)
    assert json.loads(done.stdout) == {"failed": True, "changed": False, "msg": message}
    assert done.returncode == 1 and done.stderr == b""


def test_a_file_that_is_missing_is_named(say, tmp_path):
    done = say("pveum_role", str(tmp_path / "arguments"))
    assert json.loads(done.stdout)["msg"].startswith(
        f"unable to read arguments from `{tmp_path / 'arguments'}`: No such file or directory"
    )


def test_an_unknown_module_among_the_arguments_is_answered(say):
    done = say("-", given='{"_ferrox_module": "proxmox_nonsense"}')
    assert json.loads(done.stdout)["msg"] == "no module `proxmox_nonsense`; `ferrox list` names them all"


@pytest.mark.parametrize("words", [["list"], ["spec", "pveum_role"], ["pveum_role", "-"], ["--version"]])
def test_a_closed_pipe_is_no_crash(executable, words):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([executable, *words], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                              timeout=TIMEOUT)
    finally:
        os.close(writer)
    assert done.returncode == 1 and done.stderr == b""


def test_list_names_the_modules_that_are_documented(say):
    assert say("list").stdout.decode().split() == MODULES


@every_module
def test_spec_prints_the_argument_spec(say, module):
    done = say("spec", module)
    printed = json.loads(done.stdout)
    assert done.returncode == 0
    assert printed["supports_check_mode"] is True
    assert printed["argument_spec"]["api_password"]["no_log"] is True
    assert printed["argument_spec"]["api_user"]["default"] == "root@pam"


def test_version_is_that_of_the_collection(say):
    galaxy = (REPOSITORY / "galaxy.yml").read_text().splitlines()
    version = next(line.split()[1] for line in galaxy if line.startswith("version:"))
    assert say("--version").stdout.decode() == f"ferrox {version}\n"


@pytest.mark.parametrize("program", ["pveum_role", "AnsiballZ_pveum_role", "AnsiballZ_pveum_role.py"])
def test_a_link_under_a_modules_name_is_that_module(executable, connection, tmp_path, program):
    (tmp_path / program).symlink_to(executable)
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({**connection, **ROLE, "_ansible_never_heard_of": [1]}))
    done = subprocess.run([tmp_path / program, arguments], env=clean_environment(), capture_output=True,
                          timeout=TIMEOUT)
    assert json.loads(done.stdout)["changed"] and done.returncode == 0


# -------------------------------------------------------------------------------------------------------------- secrets

# What a URL, JSON and YAML would each write otherwise.
PASSWORD = "p\\ss w=rd&\"ü/+%7E"
TOKEN_SECRET = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
OTP = "otp-918273"


def forms(secret):
    """A secret as it may turn up: plain, in JSON, percent-encoded in either way, in base64."""
    encoded = secret.encode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        base64.b64encode(encoded).decode().rstrip("="),
    }


def assert_hidden(*outputs):
    for output in outputs:
        for secret in (PASSWORD, TOKEN_SECRET, OTP):
            for form in forms(secret):
                assert form not in output, output


@pytest.fixture
def faults(cluster, connection):
    """Ways to fail, each with the connection options that hold a secret: name -> (prepare, options)."""
    password = {"api_token_id": None, "api_token_secret": None, "api_user": "root@pam", "api_password": PASSWORD,
                "api_otp": OTP}
    token = {"api_token_secret": TOKEN_SECRET}

    def server_repeats(*secrets):
        echo = " ".join(form for secret in secrets for form in (secret, urllib.parse.quote(secret, safe="")))
        errors = {"privs": f"not {echo}", secrets[0]: "unknown"}
        return lambda: cluster.fault(path="/access/.*", times=None, status=500, message=f"no {echo}\n", errors=errors)

    return {
        "wrong password": (None, password),
        "wrong token": (None, token),
        "the server repeats the password": (server_repeats(PASSWORD, OTP), password),
        "the server repeats the token's secret": (server_repeats(TOKEN_SECRET), token),
        "bad argument": (None, {**password, "append": "perhaps"}),
        "unknown option": (None, {**password, **token, "api_token_id": "mms", "surprise": True}),
        "secret where it does not belong": (None, {**password, "api_user": PASSWORD}),
        "no way to the server": (None, {**password, "api_host": "no-such-host.invalid"}),
    }


CASES = [
    "wrong password",
    "wrong token",
    "the server repeats the password",
    "the server repeats the token's secret",
    "bad argument",
    "unknown option",
    "secret where it does not belong",
    "no way to the server",
]


@pytest.mark.parametrize("case", CASES)
def test_the_executable_shows_no_secret_at_any_verbosity(ferrox, connection, faults, case):
    prepare, options = faults[case]
    if prepare:
        prepare()
    for verbosity in (0, 4):
        result = ferrox("pveum_role", {**connection, **ROLE, **options}, diff=True, verbosity=verbosity)
        assert result["failed"]
        assert_hidden(json.dumps(result), json.dumps(result, ensure_ascii=False), result.stderr)
        assert result["msg"]


@pytest.mark.parametrize("ansible", ANSIBLE)
@pytest.mark.parametrize("case", CASES)
def test_ansible_playbook_shows_no_secret_at_vvvv(playbook, connection, faults, case, ansible):
    prepare, options = faults[case]
    if prepare:
        prepare()
    task = {"ferrox.proxmox.pveum_role": {**connection, **ROLE, **options}}
    run = playbook([task], ansible=ansible, diff=True, verbosity=4, callback="default")
    assert run.rc == 2 and "fatal: [localhost]: FAILED!" in run.stdout
    assert_hidden(run.stdout, run.stderr)


def test_secrets_from_the_environment_are_hidden_too(ferrox, cluster, connection, faults):
    faults["the server repeats the token's secret"][0]()
    options = {name: value for name, value in connection.items() if name not in ("api_token_id", "api_token_secret")}
    result = ferrox("pveum_role", {**options, **ROLE}, verbosity=4,
                    environment={"PROXMOX_TOKEN_ID": "mms", "PROXMOX_TOKEN_SECRET": TOKEN_SECRET})
    assert result["failed"] and TOKEN_SECRET not in json.dumps(result)
    assert result["invocation"]["module_args"]["api_token_secret"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def test_a_run_that_ends_well_shows_no_secret_at_vvvv(playbook, cluster, connection):
    task = {"ferrox.proxmox.pveum_role": {**connection, **ROLE}}
    run = playbook([task], diff=True, verbosity=4, callback="default")
    assert run.rc == 0 and "changed: [localhost]" in run.stdout
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in run.stdout
    assert cluster.api_token_secret not in run.stdout + run.stderr


def test_an_asynchronous_task_shows_no_secret_at_vvvv(playbook, cluster, connection):
    # Ansible itself transfers the executable and its arguments then.
    task = {"ferrox.proxmox.pveum_role": {**connection, **ROLE}, "async": 60, "poll": 1}
    run = playbook([task], verbosity=4, callback="default")
    assert run.rc == 0 and "changed: [localhost]" in run.stdout
    assert cluster.api_token_secret not in run.stdout + run.stderr
