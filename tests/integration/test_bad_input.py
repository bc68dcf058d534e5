# SPDX-License-Identifier: GPL-3.0-or-later
"""What bad input and bad luck get, whatever the module: a clear sentence."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time

import pytest
from conftest import ROLE, TIMEOUT, clean_environment, each_kind, every_module

AUTHENTICATION_HINT = "Check user, realm and password, or the token's name and secret, and that neither has expired"


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


@each_kind
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


@each_kind
def test_half_a_token_is_told(ferrox, spec, least, connection, module):
    del connection["api_token_secret"]
    result = ferrox(module, {**connection, **least(module)})
    assert result["failed"]
    # A drop-in module has the rule of the one whose place it takes.
    rule = ["api_token_id", "api_token_secret"] in spec(module).get("required_together", [])
    assert result["msg"].endswith(
        "parameters are required together: api_token_id, api_token_secret" if rule
        else "was given without its secret: set api_token_secret"
    )


@each_kind
@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"api_host": None},
            "no Proxmox VE host was given: set api_host or the environment variable PROXMOX_HOST, or leave api_token_secret "
            "out to ask pvesh on this node, as root@pam",
        ),
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


def test_a_playbook_shows_the_same_words(playbook, connection):
    tasks = [
        {"ferrox.proxmox.pveum_role": {**connection, **ROLE, **wrong}, "ignore_errors": True}
        for wrong in ({"state": "gone"}, {"append": "perhaps"}, {"nmae": "Ops"})
    ]
    messages = [result["msg"] for result in playbook(tasks).results]
    assert messages[0] == "value of state must be one of: present, absent, got: gone"
    assert messages[1].startswith("argument 'append' is of type str and we were unable to convert to bool: ")
    assert messages[2].startswith("Unsupported parameters for (ferrox.proxmox.pveum_role) module: nmae. ")


# -------------------------------------------------------------------------------------------- who asks, and may he ask


def by_password(connection, user, password, **more):
    return {"api_host": connection["api_host"], "ca_path": connection["ca_path"], "api_user": user,
            "api_password": password, **more}


@each_kind
def test_a_wrong_password_is_said_once(ferrox, cluster, least, connection, module):
    result = ferrox(module, {**by_password(connection, "root@pam", "wrong-horse"), **least(module)})
    assert result["failed"]
    assert "401: authentication failure" in json.dumps(result) and AUTHENTICATION_HINT in json.dumps(result)
    # Each refusal takes three seconds, and a realm may lock the user out.
    assert cluster.stats()["logins"] == 1


@every_module
def test_a_refusal_ends_a_module_and_nothing_is_written(ferrox, cluster, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "api_token_id": "unknown"})
    assert result["failed"] and result.rc == 1
    assert "401: Authentication failed!" in json.dumps(result) and AUTHENTICATION_HINT in json.dumps(result)
    assert cluster.requests() and cluster.stats()["writes"] == 0


@each_kind
@pytest.mark.parametrize(
    "caller",
    [
        {"api_token_id": "expired"},
        {"api_token_secret": "00000000-0000-4000-8000-000000000000"},
        {"api_user": "gone@pve"},
        {"api_user": "nobody@pve"},
    ],
    ids=["expired token", "wrong secret", "expired user", "unknown user"],
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


@each_kind
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


@each_kind
def test_a_host_that_does_not_resolve_is_named(ferrox, least, connection, module):
    result = ferrox(module, {**connection, **least(module), "api_host": "no-such-host.invalid"})
    assert result["failed"]
    assert "host name `no-such-host.invalid` does not resolve" in json.dumps(result)


@each_kind
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


@each_kind
def test_a_server_that_never_greets_is_given_up(ferrox, least, connection, module):
    # That it ends at all is the point: ferrox() gives up much later.
    with silent_server() as port:
        result = ferrox(module, {**connection, **least(module), "api_host": f"127.0.0.1:{port}", "api_timeout": 1})
    assert result["failed"]
    assert f"127.0.0.1:{port}" in result["msg"] and "in time" in json.dumps(result)


@each_kind
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
