# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is in any output, whatever happens and however much is asked for."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from conftest import ANSIBLE, ROLE, every_module
from options import with_secrets

# What a URL, JSON and YAML would each write otherwise.
PASSWORD = "p\\ss w=rd&\"ü/+%7E"
TOKEN_SECRET = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
OTP = "otp-918273"
# One that the server takes for any option: PASSWORD is no second factor's key.
OWN_SECRET = "CorrectHorseBattery9"


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


def assert_hidden(*outputs, secrets=(PASSWORD, TOKEN_SECRET, OTP)):
    for output in outputs:
        for secret in secrets:
            for form in forms(secret):
                assert form not in output, output


def repeat(cluster, path, *secrets):
    """From now on the server's answers tell the secrets."""
    echo = " ".join(form for secret in secrets for form in (secret, urllib.parse.quote(secret, safe="")))
    errors = {"privs": f"not {echo}", secrets[0]: "unknown"}
    cluster.fault(path=path, times=None, status=500, message=f"no {echo}\n", errors=errors)


@every_module
def test_a_module_shows_none_of_its_secrets_however_it_ends(ferrox, spec, least, cluster, connection, module):
    options = with_secrets(spec(module)["argument_spec"], OWN_SECRET, least(module))
    # Those of the connection stay as they are: the module is to get further than the login.
    options = {name: value for name, value in options.items() if name not in spec("proxmox_connectivity")["argument_spec"]}
    secrets = [cluster.api_token_secret, *([OWN_SECRET] if OWN_SECRET in json.dumps(options) else [])]
    for server_repeats in (False, True):
        if server_repeats:
            repeat(cluster, ".*", *secrets)
        result = ferrox(module, {**connection, **options}, diff=True, verbosity=4)
        assert_hidden(json.dumps(result), json.dumps(result, ensure_ascii=False), result.stderr, secrets=secrets)
    assert result["failed"] and "answered 500: no" in json.dumps(result)


@pytest.fixture
def faults(cluster, connection):
    """Ways to fail, each with the connection options that hold a secret: name -> (prepare, options)."""
    password = {"api_token_id": None, "api_token_secret": None, "api_user": "root@pam", "api_password": PASSWORD,
                "api_otp": OTP}
    token = {"api_token_secret": TOKEN_SECRET}

    def server_repeats(*secrets):
        return lambda: repeat(cluster, "/access/.*", *secrets)

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


# What the server repeats is the executable's business, and the same to every ansible-core.
@pytest.mark.parametrize(("cases", "ansible"), [
    *(([case], "2.19") for case in CASES if case.startswith("the server")),
    *(([case for case in CASES if not case.startswith("the server")], ansible) for ansible in ANSIBLE),
], ids=lambda value: value if isinstance(value, str) else ", ".join(value))
def test_ansible_playbook_shows_no_secret_at_vvvv(playbook, connection, faults, cases, ansible, tmp_path):
    # Ansible itself quotes the playbook where a task fails, so the secrets stand elsewhere, as they do in a vault.
    names = {PASSWORD: "password", TOKEN_SECRET: "token_secret", OTP: "otp"}
    vault = tmp_path / "vault.json"
    vault.write_text(json.dumps({name: secret for secret, name in names.items()}))
    tasks = []
    for case in cases:
        prepare, options = faults[case]
        if prepare:
            prepare()
        options = {option: f"{{{{ {names[x]} }}}}" if x in names else x for option, x in options.items()}
        tasks.append({"ferrox.proxmox.pveum_role": {**connection, **ROLE, **options}, "ignore_errors": True})
    run = playbook(tasks, ansible=ansible, diff=True, verbosity=4, callback="default", arguments=["-e", f"@{vault}"])
    assert run.stdout.count("fatal: [localhost]: FAILED!") == len(cases)
    assert_hidden(run.stdout, run.stderr)


FREE = [
    ("proxmox_cloud_template", {"name": "t", "node": "pve1", "storage": "ceph", "config": {"cipassword": OWN_SECRET},
                                "image": {"url": "https://example.org/a.qcow2", "checksum": "md5:" + 32 * "0"}}),
    ("proxmox_cloud_template", {"name": "t", "node": "pve1", "storage": "ceph", "config": f"cipassword={OWN_SECRET}",
                                "image": {"url": "https://example.org/a.qcow2", "checksum": "md5:" + 32 * "0"}}),
    ("proxmox_cloud_template", {"name": "t", "node": "pve1", "storage": "ceph", "image": {
        "url": f"https://me:{OWN_SECRET}@example.org/a.qcow2", "checksum": "md5:" + 32 * "0"}}),
    ("proxmox_clone_vms", {"vms": [{"name": "web-9", "template": "debian-13", "config": {"cipassword": OWN_SECRET}}]}),
    ("proxmox_clone_vms", {"vms": [{"name": "web-9", "template": "debian-13", "cipasswd": OWN_SECRET}]}),
    ("proxmox_kvm", {"vmid": 102, "node": "pve2", "update": True, "args": f"-spice port=5900,password={OWN_SECRET}"}),
    ("proxmox_kvm", {"vmid": 102, "node": "pve2", "update": True, "net": {"net0": {"model": "virtio", "password": OWN_SECRET}}}),
    ("proxmox", {"vmid": 201, "node": "pve2", "hostname": "mail", "cipassword": OWN_SECRET}),
    ("proxmox", {"vmid": 201, "node": "pve2", "hostname": "mail", "mounts": {"mp0": f"local,mp=/x,password={OWN_SECRET}"}}),
    ("proxmox_template", {"node": "pve1", "url": f"https://me:{OWN_SECRET}@example.org/a.tar.gz"}),
]


@pytest.mark.parametrize(("module", "options"), FREE)
def test_a_secret_where_none_belongs_is_hidden_all_the_same(ferrox, cluster, connection, module, options):
    for check in (True, False):
        result = ferrox(module, {**connection, **options}, check=check, diff=True, verbosity=4)
        assert result["msg"]
        assert_hidden(json.dumps(result), result.stderr, secrets=(OWN_SECRET,))


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
