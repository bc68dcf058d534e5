# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module's EXAMPLES, as they stand in its documentation, against the fake cluster's demo guests."""

from __future__ import annotations

import ast
import json
import socket
import subprocess

import pytest
import yaml
from conftest import ANSIBLE, REPOSITORY, clean_environment

MODULES = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py"))
each_module = pytest.mark.parametrize("module", MODULES)

# Where an example says which cluster is meant, the fake one is.
CONNECTION = {"api_host", "api_port", "api_user", "api_password", "api_otp", "api_token_id", "api_token_secret",
              "ca_path", "validate_certs", "api_fingerprint"}


def constants(module):
    """The texts of a documentation stub: DOCUMENTATION, EXAMPLES, RETURN."""
    tree = ast.parse((REPOSITORY / f"plugins/modules/{module}.py").read_text())
    return {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}


def examples(module, port=None):
    tasks = yaml.safe_load(constants(module)["EXAMPLES"])
    for task in tasks:
        for name, arguments in task.items():
            if name.startswith("ferrox.proxmox."):
                task[name] = {k: port if k == "port" else v for k, v in (arguments or {}).items() if k not in CONNECTION}
    return tasks


@pytest.fixture
def port(cluster):
    """A port that is open on every guest: all of them have this machine's loopback address."""
    guests = [guest for guest in cluster.state()["guests"] if guest["kind"] == "qemu"]
    cluster.patch(guests=[{"vmid": guest["vmid"], "addresses": ["127.0.0.1"], "config": {"ipconfig0": "ip=127.0.0.1/8"}}
                          for guest in guests])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def play_of(module, connection, port):
    return yaml.safe_dump([{
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "module_defaults": {"group/ferrox.proxmox.proxmox": connection},
        # What examples take from a vault.
        "vars": {"vault_proxmox_api_user": "ansible@pam!mms", "vault_proxmox_api_token_secret": "not used",
                 "vault_vm_password": "correct-horse-battery", "vault_user_password": "analytical-engine",
                 "vault_ldap_password": "bind-and-read", "vault_sso_key": "client-of-many",
                 "vault_ssh_keys": ["ssh-ed25519 AAAAC3Nz admin"]},
        "tasks": examples(module, port),
    }], sort_keys=False)


@each_module
def test_examples_do_what_they_say_in_the_order_they_stand(playbook, cluster, connection, port, module):
    run = playbook(play_of(module, connection, port))
    failed = [(task["task"], task["result"].get("msg")) for task in run.tasks if task["status"] not in ("ok", "skipped")]
    assert failed == [] and len(run.tasks) == len(examples(module)), run.stderr


@each_module
def test_examples_write_nothing_in_check_mode(playbook, cluster, connection, port, module):
    before = cluster.state()
    playbook(play_of(module, connection, port), check=True)
    assert cluster.stats()["writes"] == 0
    assert cluster.state() == before


@each_module
def test_examples_use_only_what_is_documented(module):
    options = yaml.safe_load(constants(module)["DOCUMENTATION"])["options"]
    known = {name for option, entry in options.items() for name in (option, *entry.get("aliases", ()))}
    for task in yaml.safe_load(constants(module)["EXAMPLES"]):
        for arguments in (value for name, value in task.items() if name == f"ferrox.proxmox.{module}"):
            assert set(arguments or ()) <= known, task["name"]


@pytest.mark.parametrize("ansible", ANSIBLE)
def test_ansible_doc_shows_every_module_with_the_options_that_it_takes(executable, collections, ansible):
    program = ANSIBLE[ansible] / "ansible-doc"
    if not program.exists():
        pytest.skip(f"there is no ansible-core {ansible}")
    names = [f"ferrox.proxmox.{module}" for module in MODULES]
    done = subprocess.run([program, "--json", *names], capture_output=True, text=True, check=True,
                          env=clean_environment(ANSIBLE_COLLECTIONS_PATH=collections))
    pages = json.loads(done.stdout)
    for module in MODULES:
        spec = json.loads(subprocess.run([executable, "spec", module], capture_output=True, text=True, check=True).stdout)
        page = pages[f"ferrox.proxmox.{module}"]
        assert options_of(page["doc"]["options"], "suboptions") == options_of(spec["argument_spec"], "options")
        assert page["examples"].strip() and page["return"]


def options_of(options, below):
    """Types, defaults, choices and aliases by name, in documentation and argument spec alike."""
    keys = ("type", "elements", "required", "default", "choices", "aliases")
    return {
        name: {key: option[key] for key in keys if option.get(key) not in (None, False, [])}
        | ({"options": options_of(option[below], below)} if option.get(below) else {})
        for name, option in options.items()
    }
