# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/drop_in.yml: a role as people wrote it for community.proxmox, by Ferrox and the overlay, with few rights.

From a template to a running VM, a snapshot before a change, the change, and back.
"""

from __future__ import annotations

import json
import re
import subprocess
from urllib.parse import unquote

import pytest
import yaml
from conftest import REPOSITORY, TARGET
from conftest import MODULES as OURS

PLAYBOOKS = REPOSITORY / "playbooks"
ROLE = PLAYBOOKS / "roles/proxmox_vm"
PLAY = yaml.safe_load((PLAYBOOKS / "drop_in.yml").read_text())[0]
WANTED = PLAY["roles"][0]["vars"]
MODULES = ["proxmox_vm_info", "proxmox_kvm", "proxmox_disk", "proxmox_nic", "proxmox_snap"]
# The role MMS-Provisioner, as api_access.yml makes it.
PRIVILEGES = yaml.safe_load((PLAYBOOKS / "api_access.yml").read_text())[0]["vars"]["access_privileges"]
PATHS = ["/vms", "/storage/ceph", "/sdn/zones/localnetwork/vmbr0"]


@pytest.fixture(scope="session")
def path(tmp_path_factory, collections):
    """A collections path with the overlay, no original, and Ferrox."""
    if lacking := [name for name in MODULES if name not in OURS]:
        pytest.skip(f"Ferrox does not have {', '.join(lacking)}")
    overlay = tmp_path_factory.mktemp("overlay")
    subprocess.run([TARGET / "debug/xtask", "overlay", overlay, "none"], check=True, capture_output=True)
    general = overlay / "ansible_collections/community/general"
    (general / "meta").mkdir(parents=True)
    (general / "galaxy.yml").write_text("{namespace: community, name: general, version: 11.0.0}")
    routes = {name: {"redirect": f"community.proxmox.{name}"} for name in MODULES}
    (general / "meta/runtime.yml").write_text(yaml.safe_dump({"plugin_routing": {"modules": routes}}))
    return f"{overlay}:{collections}"


@pytest.fixture
def run(playbook, path, cluster, tmp_path):
    """Runs the playbook as the token of api_access.yml, whose rights are those of MMS-Provisioner and no more."""
    cluster.patch(
        roles={"MMS-Provisioner": sum(PRIVILEGES.values(), [])},
        acl=[{"path": "/", "ugid": "ansible@pam", "roleid": "Administrator", "absent": True},
             *({"path": place, "ugid": "ansible@pam", "roleid": "MMS-Provisioner"} for place in PATHS)],
    )
    variables = {
        "proxmox_api_host": f"{cluster.host}:{cluster.port}",
        "proxmox_ca_path": cluster.ca_path,
        "vault_proxmox_api_user": "ansible@pam!mms",
        "vault_proxmox_api_token_secret": cluster.api_token_secret,
    }

    def run(ansible="2.19", prefix="community.proxmox.", tags=(), more=None, **options):
        for file in ROLE.rglob("*.yml"):
            place = tmp_path / "roles/proxmox_vm" / file.relative_to(ROLE)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(file.read_text().replace("community.proxmox.", prefix))
        if not prefix:
            # A role does not search what its play searches.
            (tmp_path / "roles/proxmox_vm/meta").mkdir(exist_ok=True)
            (tmp_path / "roles/proxmox_vm/meta/main.yml").write_text("collections: [community.proxmox]\n")
        text = (PLAYBOOKS / "drop_in.yml").read_text()
        (tmp_path / "variables.json").write_text(json.dumps({**variables, **(more or {})}))
        words = [word for tag in tags for word in ("--tags", tag)]
        return playbook(text, ansible, collections=path, arguments=["-e", "@variables.json", *words], **options)

    return run


def made(cluster):
    [guest] = [guest for guest in cluster.state()["guests"] if guest["name"] == "web-7"]
    return guest


def changed(run):
    assert run.rc == 0, [result.get("msg") for result in run.results]
    return [task["task"].removeprefix("proxmox_vm : ") for task in run.tasks if task["result"].get("changed")]


def assert_as_stated(guest):
    assert guest["status"] == "running"
    config = guest["config"]
    assert (int(config["cores"]), int(config["memory"]), int(config["onboot"])) == (4, 4096, 1)
    assert set(config["tags"].split(";")) == {"web", "production"}
    assert config["description"] == WANTED["proxmox_vm_description"]
    assert config["scsi0"].endswith("size=40G") and "base-9000-disk-0" in config["scsi0"], "a linked clone, resized"
    for card, vlan in (("net0", "tag=20"), ("net1", "tag=30")):
        assert re.match("virtio=BC:24:11(:[0-9A-F]{2}){3},", config[card])
        assert {"bridge=vmbr0", vlan} <= set(config[card].split(","))
    assert config["ciuser"] == "admin" and config["ipconfig0"] == "ip=192.0.2.17/24,gw=192.0.2.1"
    assert unquote(config["sshkeys"]).split("\n") == WANTED["proxmox_vm_ssh_keys"]
    assert config["nameserver"].split() == WANTED["proxmox_vm_nameservers"] and config["searchdomain"] == "example.com"
    assert list(guest["snapshots"]) == ["before_second_card"]


STEPS = [
    "Clone it from the template, unless it is there", "Set the hardware", "Set the network card",
    "Set what cloud-init is told", "Resize the disk", "Start it", "Keep how it is before the change",
    "The change, a second network card",
]


# However the token is written: its name twice, the full name twice, its name once. To ansible-core it is all the same.
@pytest.mark.parametrize(("ansible", "api_user", "api_token_id"), [
    ("2.17", "ansible@pam!mms", "mms"), ("2.19", "ansible@pam!mms", "ansible@pam!mms"), ("2.21", "ansible@pam", "mms"),
])
def test_the_first_run_changes_and_the_second_changes_nothing(run, cluster, ansible, api_user, api_token_id):
    token = {"vault_proxmox_api_user": api_user, "vault_proxmox_api_token_id": api_token_id}
    assert changed(run(ansible, more=token)) == STEPS
    guest, writes = made(cluster), cluster.stats()["writes"]
    assert_as_stated(guest)
    for check in (False, True):
        assert changed(run(ansible, more=token, check=check)) == []
    assert made(cluster) == guest and cluster.stats()["writes"] == writes


@pytest.mark.parametrize("prefix", ["community.general.", ""], ids=["general", "short names"])
def test_the_other_ways_of_naming_lead_to_the_same_vm(run, cluster, prefix):
    assert changed(run(prefix=prefix)) == STEPS
    assert_as_stated(made(cluster))
    assert changed(run(prefix=prefix)) == []


def test_a_roll_back_takes_the_change_back_and_the_next_run_makes_it_again(run, cluster):
    run()
    before = made(cluster)["config"]
    assert changed(run(tags=["rollback"])) == ["Roll the change back", "Start it again"]
    back = made(cluster)
    assert back["status"] == "running" and "net1" not in back["config"]
    assert back["config"]["net0"] == before["net0"] and back["config"]["scsi0"] == before["scsi0"]
    assert changed(run()) == ["The change, a second network card"]
    assert changed(run()) == []


def test_a_dry_run_tells_of_the_clone_and_writes_nothing(run, cluster):
    guests = cluster.state()["guests"]
    assert changed(run(check=True, diff=True)) == STEPS[:1]
    assert cluster.state()["guests"] == guests and cluster.stats()["writes"] == 0


def test_a_dry_run_of_a_change_tells_of_it_alone(run, cluster):
    run()
    writes = cluster.stats()["writes"]
    cluster.patch(guests=[{"vmid": made(cluster)["vmid"], "config": {"cores": 1}}])
    dry = run(check=True, diff=True)
    assert changed(dry) == ["Set the hardware"]
    [shown] = [task["result"]["diff"] for task in dry.tasks if task["result"].get("changed")]
    assert shown["before"] != shown["after"] and cluster.stats()["writes"] == writes


def test_a_right_that_is_missing_is_named(run, cluster):
    cluster.patch(roles={"MMS-Provisioner": [name for names in PRIVILEGES.values() for name in names
                                             if name != "VM.Snapshot"]})
    refused = run()
    assert refused.rc == 2 and refused.tasks[-1]["task"] == "proxmox_vm : Keep how it is before the change"
    assert "VM.Snapshot" in refused.result["msg"]
    assert not made(cluster)["snapshots"]


def test_no_secret_is_shown_at_any_verbosity(run, cluster):
    shown = run(verbosity=4, callback="default", diff=True)
    assert shown.rc == 0
    assert cluster.api_token_secret not in shown.stdout + shown.stderr
