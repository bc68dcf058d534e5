# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module's EXAMPLES, as they stand in its documentation, against the fake cluster's demo guests."""

from __future__ import annotations

import ast
import contextlib
import json
import socket
import subprocess

import pytest
import yaml
from conftest import ANSIBLE, MODULES, REPOSITORY, clean_environment, connection_to, every_module

from cluster import FakeCluster

# One ansible-playbook runs the examples of so many modules: its start takes longer than they do.
AT_A_TIME = 8
some_modules = pytest.mark.parametrize(
    "modules", [pytest.param(MODULES[n:n + AT_A_TIME], id="+".join(MODULES[n:n + AT_A_TIME]))
                for n in range(0, len(MODULES), AT_A_TIME)],
)

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


# What examples take for granted, beside the demo's guests; the form is told in tests/cluster/state.py.
START = {
    "proxmox": {"guests": [{"vmid": 9100, "kind": "lxc", "name": "debian-ct", "node": "pve1", "template": True,
                            "config": {"memory": 512, "rootfs": "local-lvm:base-9100-disk-0,size=8G"}}]},
    "proxmox_access_acl": {"users": {"ops@pve": {}, "monitoring@pve": {"tokens": {"metrics": {}}}}},
    "proxmox_backup_info": {"backup_jobs": {"nightly": {"vmid": "101", "schedule": "02:30", "storage": "nfs"}}},
    "proxmox_backup_schedule": {
        "backup_jobs": {"backup-83831498-c631": {"vmid": "100,103", "schedule": "02:30", "storage": "nfs"}}},
    "proxmox_cloud_template": {"urls": {
        "https://mirror.example.org/debian/debian-13-genericcloud-amd64.qcow2": {
            "sha512": "1882f2d0debfb52254db0b0fc850d222fa68470a644a914d181f744ac1511a6c"
                      "aa1835368362db6dee88504a13c726b3ee9de0e43648353f62e90e075f497026"},
        "https://mirror.example.org/ubuntu/noble-server-cloudimg-amd64.img": {
            "sha256": "12f0a0e6bd4e1ea20ee1cfa9e6b3e6c3bdd8de8d71d9d2e4b1f2c9a4c5a2ab17"},
    }},
    "proxmox_template": {
        "appliances": {"debian-12-standard_12.7-1_amd64.tar.zst": {"size": 125 << 20}},
        "urls": {
            "https://mirror.example.org/debian/debian-13.1.0-amd64-netinst.iso": {
                "sha256": "658b28e209b578fe788ec5867deebae57b6aac5fce3692bbb116bab9c65568b3"},
            "https://mirror.example.org/ubuntu/noble-server-cloudimg-amd64.img": {"size": 600 << 20},
        },
        "storages": {"local": {"volumes": {"iso/debian-13.1.0-amd64-netinst.iso": None}},
                     "nfs": {"content": "images,iso,vztmpl,backup,snippets,import"}},
    },
    "pveum_acl": {"users": {"ansible@pve": {"tokens": {"mms": {}}}, "monitoring@pve": {}, "ops@pve": {}},
                  "groups": {"auditors": {}}, "roles": {"MMS-Provisioner": "VM.Clone"}},
    "pveum_token": {"users": {"backup@pve": {}}},
}


@pytest.fixture
def port():
    """A port that is open on every guest: all of them have this machine's loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def clusters(modules):
    """A fake cluster for each of the modules, by name, with what its examples take for granted."""
    with contextlib.ExitStack() as stack:
        started = {module: stack.enter_context(FakeCluster(seed="demo", time_scale=0)) for module in modules}
        for module, cluster in started.items():
            guests = [guest["vmid"] for guest in cluster.state()["guests"] if guest["kind"] == "qemu"]
            cluster.patch(guests=[{"vmid": vmid, "addresses": ["127.0.0.1"], "config": {"ipconfig0": "ip=127.0.0.1/8"}}
                                  for vmid in guests])
            cluster.patch(**START.get(module, {}))
        yield started


@pytest.fixture
def run(playbook, port, tmp_path):
    """Runs the examples of some modules, each against its own cluster: run(clusters) -> [(module, task)]."""
    (tmp_path / ".config/pve").mkdir(parents=True)
    # What an example uploads.
    (tmp_path / "build").mkdir()
    (tmp_path / "build/rescue.iso").write_bytes(b"bootable")

    def run(started, **options):
        plays = [{
            "name": module,
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            # What fails is told below; the next module's examples are tried all the same.
            "ignore_errors": True,
            "module_defaults": {"group/ferrox.proxmox.proxmox": connection_to(cluster)},
            # What examples take from a vault.
            "vars": {"vault_proxmox_api_user": "ansible@pam!mms",
                     "vault_proxmox_api_token_secret": cluster.api_token_secret, "vault_ldap_password": "bind-me-up",
                     "vault_sso_key": "one-key-for-all", "vault_vm_password": "correct-horse-battery",
                     "vault_user_password": "analytical-engine", "vault_ssh_keys": ["ssh-ed25519 AAAAC3Nz admin"]},
            "tasks": examples(module, port),
        } for module, cluster in started.items()]
        done = playbook(yaml.safe_dump(plays, sort_keys=False), environment={"HOME": tmp_path}, **options)
        stand = [(module, task["name"]) for module in started for task in examples(module)]
        assert [task["task"] for task in done.tasks] == [name for _, name in stand], done.stderr
        return [(module, task) for (module, _), task in zip(stand, done.tasks)]

    return run


@some_modules
def test_examples_do_what_they_say_in_the_order_they_stand(run, modules):
    with clusters(modules) as started:
        failed = [(module, task["task"], task["result"].get("msg")) for module, task in run(started)
                  if task["status"] not in ("ok", "skipped")]
        assert failed == []
        assert {module: cluster.schema_violations() for module, cluster in started.items()} == dict.fromkeys(modules, [])


@some_modules
def test_examples_write_nothing_in_check_mode(run, modules):
    with clusters(modules) as started:
        before = {module: cluster.state() for module, cluster in started.items()}
        run(started, check=True)
        for module, cluster in started.items():
            assert cluster.stats()["writes"] == 0, module
            assert cluster.state() == before[module], module


@every_module
def test_examples_use_only_what_is_documented(module):
    options = yaml.safe_load(constants(module)["DOCUMENTATION"])["options"]
    known = {name for option, entry in options.items() for name in (option, *entry.get("aliases", ()))}
    for task in yaml.safe_load(constants(module)["EXAMPLES"]):
        for arguments in (value for name, value in task.items() if name == f"ferrox.proxmox.{module}"):
            assert set(arguments or ()) <= known, task["name"]


@pytest.mark.parametrize("ansible", ANSIBLE)
def test_ansible_doc_shows_every_module_with_the_options_that_it_takes(spec, collections, ansible):
    program = ANSIBLE[ansible] / "ansible-doc"
    if not program.exists():
        pytest.skip(f"there is no ansible-core {ansible}")
    names = [f"ferrox.proxmox.{module}" for module in MODULES]
    done = subprocess.run([program, "--json", *names], capture_output=True, text=True, check=True,
                          env=clean_environment(ANSIBLE_COLLECTIONS_PATH=collections))
    pages = json.loads(done.stdout)
    for module in MODULES:
        page = pages[f"ferrox.proxmox.{module}"]
        assert options_of(page["doc"]["options"], "suboptions") == options_of(spec(module)["argument_spec"], "options")
        assert page["examples"].strip() and page["return"]


def options_of(options, below):
    """Types, defaults, choices and aliases by name, in documentation and argument spec alike."""
    keys = ("type", "elements", "required", "default", "choices", "aliases")
    return {
        name: {key: option[key] for key in keys if option.get(key) not in (None, False, [])}
        | ({"options": options_of(option[below], below)} if option.get(below) else {})
        for name, option in options.items()
    }
