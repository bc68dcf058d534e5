# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is in any output, whatever happens and however much is asked for."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from conftest import ANSIBLE, ROLE

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
