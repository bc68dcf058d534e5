# SPDX-License-Identifier: AGPL-3.0-or-later
"""Disks are detached, freed, moved and migrated; snapshots hold them; a guest is suspended to disk."""

import pytest

VM = "/nodes/pve1/qemu/{}"


def config(ask, vmid, node="pve1", **query):
    return ask("GET", f"/nodes/{node}/qemu/{vmid}/config", **query).data


def volumes(fake, storage):
    return set(fake.state()["storages"][storage]["volumes"])


def pending(ask, vmid):
    return {p["key"]: p for p in ask("GET", VM.format(vmid) + "/pending").data if "pending" in p or "delete" in p}


def test_a_detached_disk_is_unused_until_it_is_freed(ask, fake):
    ask("PUT", VM.format(100) + "/config", scsi1="ceph:2")
    assert ask("PUT", VM.format(100) + "/unlink", idlist="scsi1", force=0).data is None
    assert config(ask, 100)["unused0"] == "ceph:vm-100-disk-1" and "scsi1" not in config(ask, 100)
    ask("PUT", VM.format(100) + "/config", virtio3="ceph:vm-100-disk-1,cache=none")
    now = config(ask, 100)
    assert now["virtio3"] == "ceph:vm-100-disk-1,cache=none,size=2G" and "unused0" not in now
    ask("PUT", VM.format(100) + "/unlink", idlist="virtio3", force=1)
    assert "vm-100-disk-1" not in volumes(fake, "ceph")
    assert not {"unused0", "virtio3"} & config(ask, 100).keys()


def test_a_disk_that_a_snapshot_holds_is_not_freed(ask):
    ask.exit_status(ask("POST", VM.format(100) + "/snapshot", snapname="snap"))
    ask("PUT", VM.format(100) + "/config", delete="scsi0")
    refused = ask("PUT", VM.format(100) + "/config", delete="unused0")
    assert refused.reason == "unable to delete 'ceph:vm-100-disk-0' - volume is still in use (snapshot?)"
    assert config(ask, 100)["boot"] in ("order=", "order=net0")


def test_a_running_guest_keeps_slow_buses_and_options_for_later(ask):
    path = VM.format(100) + "/config"
    ask("PUT", path, sata1="ceph:1", scsi0="ceph:vm-100-disk-0,discard=ignore")
    assert pending(ask, 100)["sata1"]["pending"] == "ceph:vm-100-disk-1,size=1G"
    assert config(ask, 100, current=1)["scsi0"] == "ceph:vm-100-disk-0,discard=on,size=10G"
    ask("PUT", path, revert="scsi0")
    assert set(pending(ask, 100)) == {"sata1"}
    ask.exit_status(ask("POST", VM.format(100) + "/status/reboot"))
    assert config(ask, 100, current=1)["sata1"] == "ceph:vm-100-disk-1,size=1G"
    ask("PUT", path, delete="sata1", force=1)
    assert pending(ask, 100)["sata1"]["delete"] == 2


@pytest.mark.parametrize(("fields", "reason"), [
    ({"delete": "nope0"}, "Parameter verification failed."),
    ({}, "no options specified"),
    ({"boot": "order=scsi7"}, "invalid bootorder: device 'scsi7' does not exist'"),
    ({"balloon": 9000}, "balloon value too large (must be smaller than assigned memory)"),
    ({"args": "-x"}, "only root can set 'args' config"),
    ({"ide0": "ceph:cloudinit"}, "ide0 - cloud-init drive is already attached at 'ide2'")])
def test_changes_that_are_refused(ask, fields, reason):
    assert ask("PUT", VM.format(100) + "/config", **fields).reason == reason


def test_a_disk_goes_to_another_storage(ask, fake):
    path = VM.format(100) + "/move_disk"
    same = ask("POST", path, disk="scsi0", storage="ceph")
    assert same.reason == "you can't move to the same storage with same format"
    assert ask("POST", path, disk="scsi9", storage="nfs").reason == "disk 'scsi9' does not exist"
    assert ask("POST", path, disk="ide2", storage="nfs").reason == "you can't move a cdrom"
    assert ask.exit_status(ask("POST", path, disk="scsi0", storage="nfs", format="qcow2")) == "OK"
    now = config(ask, 100)
    assert now["scsi0"] == "nfs:100/vm-100-disk-0.qcow2,discard=on,size=10G"
    assert now["unused0"] == "ceph:vm-100-disk-0"
    assert ask.exit_status(ask("POST", path, disk="scsi0", storage="local-lvm", delete=1)) == "OK"
    assert "100/vm-100-disk-0.qcow2" not in volumes(fake, "nfs")


def test_a_disk_goes_to_another_vm(ask):
    ask("PUT", VM.format(100) + "/config", scsi1="ceph:2")
    fields = {"disk": "scsi1", "target-vmid": 101, "target-disk": "scsi4"}
    refused = ask("POST", VM.format(100) + "/move_disk", **fields)
    assert refused.reason == "Cannot move disk to another VM while the source VM is running - detach first"
    ask.exit_status(ask("POST", VM.format(100) + "/status/stop"))
    assert ask.exit_status(ask("POST", VM.format(100) + "/move_disk", **fields)) == "OK"
    assert config(ask, 101)["scsi4"] == "ceph:vm-101-disk-1,size=2G" and "scsi1" not in config(ask, 100)


def test_a_guest_moves_to_another_node_with_what_it_needs(ask):
    here = VM.format(100) + "/migrate"
    assert ask("POST", here, target="pve2").reason == "can't migrate running VM without --online"
    assert ask("POST", here, target="pve9").reason == "no such cluster node 'pve9'"
    assert ask.exit_status(ask("POST", here, target="pve2", online=1)) == "OK"
    assert ask("GET", "/nodes/pve2/qemu/100/status/current").data["status"] == "running"
    assert ask("GET", VM.format(100) + "/config").status == 500
    local = "/nodes/pve2/qemu/103/migrate"
    assert ask.exit_status(ask("POST", local, target="pve1", online=1)) == (
        "can't live migrate attached local disks without with-local-disks option")
    assert ask.exit_status(ask("POST", local, target="pve1", online=1, **{"with-local-disks": 1})) == "OK"
    assert config(ask, 103)["scsi0"].startswith("local-lvm:vm-103-disk-0")


# ----------------------------------------------------------------------------------- snapshots

def test_snapshots_are_a_tree_and_the_way_back(ask):
    path = VM.format(100) + "/snapshot"
    for name, more in (("one", {"description": "first"}), ("two", {"vmstate": 1})):
        assert ask.exit_status(ask("POST", path, snapname=name, **more)) == "OK"
    again = ask("POST", path, snapname="two")
    assert ask.exit_status(again) == "snapshot name 'two' already used"
    listed = {s["name"]: s for s in ask("GET", path).data}
    assert (listed["one"]["description"], listed["two"]["parent"], listed["current"]["parent"]) == (
        "first", "one", "two")
    assert (listed["one"]["vmstate"], listed["two"]["vmstate"]) == (0, 1)
    ask("PUT", VM.format(100) + "/config", name="changed", scsi1="ceph:1")
    assert ask.exit_status(ask("POST", path + "/one/rollback")) == "OK"
    now = config(ask, 100)
    assert now["name"] == "gateway" and now["unused0"] == "ceph:vm-100-disk-1"
    assert ask("GET", VM.format(100) + "/status/current").data["status"] == "stopped"
    assert ask.exit_status(ask("POST", path + "/two/rollback")) == "OK"
    assert ask("GET", VM.format(100) + "/status/current").data["status"] == "running"
    assert ask.exit_status(ask("DELETE", path + "/one")) == "OK"
    assert "parent" not in {s["name"]: s for s in ask("GET", path).data}["two"]
    missing = ask("POST", path + "/nope/rollback")
    assert ask.exit_status(missing) == "snapshot 'nope' does not exist"
    assert ask("GET", path + "/nope/config").reason == "snapshot 'nope' does not exist"


def test_a_storage_may_refuse_snapshots(ask, fake):
    asked = VM.format(100) + "/feature"
    assert ask("GET", asked, feature="snapshot").data["hasFeature"] == 1
    fake.patch(no_snapshots=["ceph"])
    assert ask("GET", asked, feature="snapshot").data["hasFeature"] == 0
    assert ask.exit_status(ask("POST", VM.format(100) + "/snapshot", snapname="snap")) == (
        "snapshot feature is not available")


def test_a_guest_suspended_to_disk_is_locked_and_resumes(ask, fake):
    path = VM.format(100) + "/status/"
    suspend = ask("POST", path + "suspend", todisk=1)
    assert ask.exit_status(suspend) == "OK" and suspend.data.split(":")[5] == "qmsuspend"
    now = ask("GET", path + "current").data
    assert (now["status"], now["lock"]) == ("stopped", "suspended")
    assert config(ask, 100)["vmstate"].startswith("ceph:vm-100-state-suspend-")
    assert ask.exit_status(ask("POST", path + "start")) == "OK"
    assert not {"vmstate", "lock"} & config(ask, 100).keys()
    assert not [name for name in volumes(fake, "ceph") if "state" in name]


def test_a_guest_that_is_not_there_is_missed_by_the_request_or_by_its_worker(ask):
    missing = "Configuration file 'nodes/pve1/qemu-server/777.conf' does not exist"
    for answer in (ask("PUT", VM.format(777) + "/resize", disk="scsi0", size="1G"),
                   ask("POST", VM.format(777) + "/snapshot/one1/rollback"),
                   ask("DELETE", VM.format(777) + "/snapshot/one1")):
        assert ask.exit_status(answer) == missing
    for answer in (ask("POST", VM.format(777) + "/snapshot", snapname="one1"), ask("DELETE", VM.format(777)),
                   ask("PUT", VM.format(777) + "/config", cores=1), ask("POST", VM.format(777) + "/template")):
        assert (answer.status, answer.reason) == (500, missing)
    assert ask("POST", VM.format(777) + "/status/suspend").reason == (
        "unable to find configuration file for VM 777 on node 'pve1'")


def test_keys_are_pressed_in_a_running_guest(ask, fake):
    for key in ("shift-a", "ret"):
        assert ask("PUT", VM.format(100) + "/sendkey", key=key).status == 200
    assert fake.guest(100)["keys"] == "shift-a ret"
    assert ask("PUT", VM.format(100) + "/sendkey", key="A").reason == "invalid parameter: A"
    assert ask("PUT", "/nodes/pve2/qemu/102/sendkey", key="a").reason == "VM 102 not running"
