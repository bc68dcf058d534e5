# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server is known to refuse is told before anything is written, in check mode as in the run."""

from __future__ import annotations

import pytest

PROTECTED = {"guests": [{"vmid": vmid, "config": {"protection": 1}} for vmid in (102, 201)]}
HA = {"guests": [{"vmid": vmid, "ha": "stopped"} for vmid in (102, 201)]}
SNAPSHOT = {"guests": [{"vmid": 102, "snapshots": {"before": {}}}]}
NOTHING = {}
TAKEN = "it has snapshots (before), and nothing was done to it; remove them before"
KVM = {"vmid": 102, "node": "pve2"}
LXC = {"vmid": 201, "node": "pve2", "hostname": "mail"}
BY_HA = "the HA manager manages it, and only purge: true takes it from there"


def protected(tool, vmid):
    return f"it is protected, and nothing was done to it. `{tool} set {vmid} --protection 0` on pve2 lifts that"


def kept(key, tool, vmid):
    return f"it is protected, so that {key} cannot be taken from it. `{tool} set {vmid} --protection 0` on pve2 lifts that"


@pytest.mark.parametrize(("module", "options", "patch", "message"), [
    ("proxmox_kvm", {"vmid": 102, "state": "absent"}, PROTECTED,
     "unable to remove VM `web-old-2`: " + protected("qm", 102)),
    ("proxmox_kvm", {"vmid": 102, "state": "absent"}, HA, "unable to remove VM `web-old-2`: " + BY_HA),
    ("proxmox", {"vmid": 201, "state": "absent"}, PROTECTED,
     "unable to remove container `201`: " + protected("pct", 201)),
    ("proxmox", {"vmid": 201, "state": "absent"}, HA, "unable to remove container `201`: " + BY_HA),
    ("proxmox_kvm", {**KVM, "delete": "scsi0"}, PROTECTED,
     "unable to delete settings of VM `web-old-2`: " + kept("scsi0", "qm", 102)),
    ("proxmox_disk", {"vmid": 102, "disk": "scsi0", "state": "detached"}, PROTECTED,
     "unable to remove disk `scsi0`: " + kept("scsi0", "qm", 102)),
    ("proxmox_disk", {"vmid": 102, "disk": "scsi0", "state": "absent"}, PROTECTED,
     "unable to remove disk `scsi0`: " + kept("scsi0", "qm", 102)),
    ("proxmox", {**LXC, "delete": ["mp0"]},
     {"guests": [{"vmid": 201, "config": {"protection": 1, "mp0": "local-lvm:vm-201-disk-1,mp=/srv,size=1G"}}]},
     "unable to update container `mail (201)`: " + kept("mp0", "pct", 201)),
    ("proxmox", {**LXC, "delete": ["rootfs"]}, NOTHING,
     "unable to update container `mail (201)`: rootfs cannot be taken from it"),
    ("proxmox_kvm", {**KVM, "update": True, "cores": 4, "digest": 40 * "0"}, NOTHING,
     "unable to update VM `web-old-2`: its configuration has the digest "),
    ("proxmox_kvm", {**KVM, "delete": "cores", "digest": 40 * "0"}, NOTHING,
     "unable to update VM `web-old-2`: its configuration has the digest "),
    ("proxmox_kvm", {"clone": "web-old-2", "name": "copy", "node": "pve2", "snapname": "nope"}, SNAPSHOT,
     "unable to clone VM `web-old-2`: it has no snapshot `nope`"),
    ("proxmox_kvm", {"clone": "web-old-2", "name": "copy", "node": "pve2", "full": False}, NOTHING,
     "unable to clone VM `web-old-2`: it is no template, and its disk scsi0 on the storage `ceph` (rbd) cannot be shared "
     "with a linked clone: full: true copies it"),
    ("proxmox_snap", {"vmid": 9000, "snapname": "before"}, NOTHING,
     "unable to take a snapshot of VM `debian-13`: it is a template, and templates have none"),
    ("proxmox_kvm", {"vmid": 102, "state": "template"}, SNAPSHOT, "unable to convert VM `web-old-2` to a template: " + TAKEN),
    ("proxmox", {"vmid": 201, "state": "template"}, {"guests": [{"vmid": 201, "snapshots": {"before": {}}}]},
     "unable to convert container `mail (201)` to a template: " + TAKEN),
    ("proxmox_clone_vms", {"vms": [{"name": "web-old-2", "template": "debian-13", "config": {"scsi0": ""}}]}, PROTECTED,
     "nothing was done: VM `web-old-2`: " + kept("scsi0", "qm", 102)),
    ("proxmox_backup", {"mode": "include", "vmids": [101], "storage": "ceph"}, NOTHING,
     "Storage ceph takes no backups, only images, rootdir"),
])
def test_it_fails_before_anything_is_written(ferrox, cluster, connection, module, options, patch, message):
    cluster.patch(**patch)
    for check in (True, False):
        result = ferrox(module, {**connection, **options}, check=check)
        assert result.get("failed") and not result.get("changed"), result
        assert result["msg"].startswith(message), result["msg"]
    assert [r["path"] for r in cluster.requests() if r["method"] != "GET"] == []


@pytest.mark.parametrize(("module", "options"), [
    ("proxmox_kvm", {"name": "debian-13", "state": "absent"}),
    ("proxmox_remove_vms", {"vms": ["debian-13"]}),
])
def test_a_template_stays_while_linked_clones_stand_on_it(ferrox, cluster, connection, module, options):
    clone = {"clone": "debian-13", "name": "linked", "newid": 300, "full": False, "node": "pve1"}
    assert ferrox("proxmox_kvm", {**connection, **clone})["changed"]
    cluster.control("DELETE", "/requests")
    for check in (True, False):
        result = ferrox(module, {**connection, **options}, check=check)
        assert not result["changed"] and "linked clones of it stand on its volumes (300)" in str(result), result
    assert [r["path"] for r in cluster.requests() if r["method"] != "GET"] == []
    assert ferrox("proxmox_kvm", {**connection, "vmid": 300, "state": "absent"})["changed"]
    assert ferrox(module, {**connection, **options})["changed"]
    assert cluster.guest(9000) is None


def test_a_digest_guards_what_is_reverted(ferrox, cluster, connection):
    cluster.patch(guests=[{"vmid": 101, "pending": {"cores": 4}}])
    revert = {**connection, "vmid": 101, "node": "pve1", "revert": "cores"}
    for check in (True, False):
        result = ferrox("proxmox_kvm", {**revert, "digest": 40 * "0"}, check=check)
        assert result["failed"] and "has the digest" in result["msg"], result
    digest = result["msg"].split("the digest ")[1].split(",")[0]
    assert ferrox("proxmox_kvm", {**revert, "digest": digest})["changed"]


def test_a_linked_clone_of_a_snapshot_is_the_storages_to_refuse(ferrox, cluster, connection):
    """RBD has them, and this one does not: the plan cannot know."""
    cluster.patch(**SNAPSHOT)
    clone = {"clone": "web-old-2", "name": "copy", "node": "pve2", "full": False, "snapname": "before"}
    assert ferrox("proxmox_kvm", {**connection, **clone}, check=True)["changed"]
