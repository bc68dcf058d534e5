# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_disk: disks and drives of a VM, made, changed, grown, moved and removed."""

from __future__ import annotations

import pytest

# It does not run; scsi0 is on ceph, and ide2 is the drive of cloud-init.
VM = {"vmid": 102}
NEW = {**VM, "disk": "scsi1", "storage": "ceph", "size": "32", "discard": "on"}
IMAGE = "local:iso/debian-13.1.0-amd64-netinst.iso"
CONFIG = "/nodes/pve2/qemu/102/config"


@pytest.fixture
def run(ferrox, connection):
    def run(options, check=False, diff=False, **more):
        return ferrox("proxmox_disk", {**connection, **options, **more}, check=check, diff=diff)

    return run


def writes(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json')}" for r in cluster.requests() if r["method"] != "GET"]


def parts(cluster, disk, vmid=102):
    """A disk's volume and its options."""
    value = cluster.guest(vmid)["config"].get(disk)
    return value and (value.split(",")[0], set(value.split(",")[1:]))


def once(run, options):
    """The result of a task that changes something, and nothing the second time."""
    first, second = run(options), run(options)
    assert first["changed"], first
    assert not second.get("failed") and not second["changed"], second
    assert "warnings" not in second
    return first


# --------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize("options, message", [
    ({"disk": "scsi1"}, "one of the following is required: name, vmid"),
    ({**VM}, "missing required arguments: disk"),
    ({**VM, "disk": "scsi1", "state": "resized"}, "state is resized but all of the following are missing: size"),
    ({**VM, "disk": "scsi1", "create": "forced"}, "create is forced but all of the following are missing: storage"),
    ({**NEW, "mbps_max": 5.0}, "missing parameter(s) required by 'mbps_max': mbps"),
    ({**NEW, "mbps": 5.0, "mbps_rd": 5.0}, "parameters are mutually exclusive: mbps|mbps_rd"),
    ({**VM, "disk": "ide0", "iso_image": IMAGE}, "missing parameter(s) required by 'iso_image': media"),
    ({**VM, "disk": "scsi1", "state": "moved"},
     "state is moved but any of the following are missing: target_storage, target_vmid"),
])
def test_what_is_missing_is_told(run, cluster, options, message):
    result = run(options)
    assert result["failed"] and result["msg"] == message
    assert cluster.requests() == []


@pytest.mark.parametrize("disk", ["scsi31", "net0", "sdb"])
def test_what_is_no_disk_is_told_before_anything_is_asked(run, cluster, disk):
    result = run(VM, disk=disk)
    assert result["failed"] and result["msg"].startswith("disk must be one of ide0 to ide3, ")
    assert cluster.requests() == []


@pytest.mark.parametrize("who, message", [
    ({"vmid": 777}, "VM with vmid 777 does not exist in cluster"),
    ({"name": "nope"}, "VM with name = nope does not exist in cluster"),
    ({"vmid": 200}, "VM with vmid 200 does not exist in cluster"),
])
def test_a_vm_that_is_not_there_fails(run, who, message):
    result = run(who, disk="scsi0", state="absent")
    assert result["failed"] and result["msg"].startswith(message)


# --------------------------------------------------------------------------------------------------------- check mode


@pytest.mark.parametrize("options, before, after", [
    (NEW, {"scsi1": None}, {"scsi1": "ceph:32,discard=on"}),
    ({**VM, "disk": "scsi0", "ssd": True}, {"scsi0": "ceph:vm-102-disk-0,discard=on,size=10G"},
     {"scsi0": "ceph:vm-102-disk-0,discard=on,size=10G,ssd=1"}),
    ({**VM, "disk": "scsi0", "size": "+2G", "state": "resized"}, {"scsi0 size": "10G"}, {"scsi0 size": "12G"}),
    ({**VM, "disk": "scsi0", "target_storage": "nfs", "state": "moved"},
     {"scsi0 storage": "ceph"}, {"scsi0 storage": "nfs"}),
    ({**VM, "disk": "scsi0", "state": "detached"}, {"scsi0": "ceph:vm-102-disk-0,discard=on,size=10G"}, {"scsi0": None}),
    ({**VM, "disk": "scsi0", "state": "absent"}, {"scsi0": "ceph:vm-102-disk-0,discard=on,size=10G"}, {"scsi0": None}),
])
def test_check_mode_with_diff_shows_it_and_writes_nothing(run, cluster, options, before, after):
    result = run(options, check=True, diff=True)
    assert result["changed"] and result["diff"] == {"before": before, "after": after}
    assert writes(cluster) == []


# ------------------------------------------------------------------------------------------------------------ present


def test_a_disk_is_made_once(run, cluster, asked):
    result = once(run, NEW)
    assert (result["vmid"], result["msg"]) == (102, "Disk scsi1 created in VM 102")
    assert parts(cluster, "scsi1") == ("ceph:vm-102-disk-1", {"discard=on", "size=32G"})
    assert writes(cluster) == [f"POST {CONFIG}"]
    asked()
    assert run(NEW)["msg"] == "Disk scsi1 is up to date in VM 102"
    assert asked() == ["GET /cluster/resources", f"GET {CONFIG}"]


def test_a_disk_of_a_vm_that_is_named(run, cluster):
    once(run, {"name": "web-old-2", "disk": "virtio3", "storage": "local-lvm", "size": "512M"})
    assert parts(cluster, "virtio3") == ("local-lvm:vm-102-disk-0", {"size=512M"})


def test_only_what_is_stated_changes(run, cluster):
    run(NEW, ssd=True, cache="writeback")
    assert once(run, {**VM, "disk": "scsi1", "cache": "none"})["msg"] == "Disk scsi1 updated in VM 102"
    assert parts(cluster, "scsi1") == ("ceph:vm-102-disk-1", {"cache=none", "discard=on", "size=32G", "ssd=1"})


@pytest.mark.parametrize("same", [
    {}, {"size": "32G"}, {"size": "32768M"}, {"backup": True}, {"ssd": False}, {"mbps": 10.0}, {"media": "disk"},
    {"format": "raw"}, {"create": "disabled"},
])
def test_spelling_is_no_difference(run, cluster, same):
    run(NEW, mbps=10)
    result = run({**NEW, **same})
    assert not result["changed"] and "warnings" not in result, result
    assert writes(cluster) == [f"POST {CONFIG}"]


def test_another_size_and_storage_are_warnings(run, cluster):
    result = run(VM, disk="scsi0", storage="local-lvm", size="20")
    assert not result["changed"]
    assert result["warnings"] == ["scsi0 has 10G and not 20G; state: resized grows it",
                                  "scsi0 is on ceph and not on local-lvm; state: moved moves it"]
    assert writes(cluster) == []


def test_a_disk_is_not_made_where_creation_is_disabled(run, cluster):
    result = run(NEW, create="disabled")
    assert not result["changed"]
    assert result["msg"] == "Disk scsi1 not found in VM 102 and creation was disabled in parameters."
    assert parts(cluster, "scsi1") is None


def test_a_forced_disk_is_a_new_one_each_time_and_the_old_one_is_kept(run, cluster):
    for volume, unused in (("ceph:vm-102-disk-1", None), ("ceph:vm-102-disk-2", "ceph:vm-102-disk-1")):
        assert run(NEW, create="forced")["changed"]
        assert parts(cluster, "scsi1")[0] == volume
        assert (parts(cluster, "unused0") or [None])[0] == unused


def test_an_image_is_imported_once(run, cluster):
    cluster.patch(storages={"local": {"volumes": {"import/debian-13.qcow2": {"size": 3 << 30, "format": "qcow2"}}}})
    result = once(run, {**VM, "disk": "scsi1", "storage": "ceph", "import_from": "local:import/debian-13.qcow2"})
    assert result["msg"] == "Disk scsi1 imported into VM 102"
    assert parts(cluster, "scsi1") == ("ceph:vm-102-disk-1", {"size=3G"})


def test_a_drive_comes_changes_its_medium_and_goes(run, cluster):
    drive = {**VM, "disk": "ide0", "media": "cdrom"}
    assert once(run, {**drive, "iso_image": "none"})["msg"] == "CD-ROM was created on ide0 bus in VM 102"
    assert once(run, {**drive, "iso_image": IMAGE})["msg"] == "Disk ide0 updated in VM 102"
    assert parts(cluster, "ide0")[0] == IMAGE
    once(run, {**drive, "iso_image": "none"})
    assert parts(cluster, "ide0") == ("none", {"media=cdrom"})
    once(run, {**VM, "disk": "ide0", "state": "absent"})
    assert parts(cluster, "ide0") is None


def test_a_disk_does_not_become_a_drive(run, cluster):
    result = run(VM, disk="scsi0", media="cdrom", iso_image=IMAGE)
    assert result["failed"]
    assert result["msg"] == "unable to update disk `scsi0`: it is a disk (ceph:vm-102-disk-0) and no CD-ROM drive"
    assert writes(cluster) == []


# ------------------------------------------------------------------------------------------------------------ resized


def test_a_disk_grows_once_to_a_size(run, cluster):
    grown = {**VM, "disk": "scsi0", "size": "20480M", "state": "resized"}
    assert once(run, grown)["msg"] == "Disk scsi0 resized in VM 102"
    assert "size=20G" in parts(cluster, "scsi0")[1]
    assert run(grown, size="20G")["msg"] == "Disk scsi0 is already 20G size"


def test_a_disk_grows_by_so_much_each_time(run, cluster):
    for size in ("size=11G", "size=12G"):
        assert run(VM, disk="scsi0", size="+1G", state="resized")["changed"]
        assert size in parts(cluster, "scsi0")[1]


def test_a_disk_does_not_shrink(run, cluster):
    result = run(VM, disk="scsi0", size="4G", state="resized")
    assert result["failed"]
    assert result["msg"] == "unable to resize disk `scsi0`: scsi0 is 10G, and disks cannot shrink to 4G"
    assert writes(cluster) == []


@pytest.mark.parametrize("more", [{"state": "resized", "size": "8G"}, {"state": "moved", "target_storage": "nfs"},
                                  {"state": "moved", "target_vmid": 105}])
def test_a_disk_that_is_missing_is_neither_grown_nor_moved(run, cluster, more):
    result = run(VM, disk="scsi7", **more)
    assert result["failed"] and result["msg"] == "Unable to process missing disk scsi7 in VM 102"
    assert writes(cluster) == []


# -------------------------------------------------------------------------------------------------- detached and absent


def test_a_disk_is_detached_once_and_its_volume_stays(run, cluster):
    assert once(run, {**VM, "disk": "scsi0", "state": "detached"})["msg"] == "Disk scsi0 detached from VM 102"
    assert parts(cluster, "scsi0") is None and parts(cluster, "unused0")[0] == "ceph:vm-102-disk-0"
    assert run(VM, disk="scsi0", state="detached")["msg"] == "Disk scsi0 not present in VM 102 config"
    assert run(VM, disk="unused0", state="detached")["msg"] == "Disk unused0 already detached in VM 102"


def test_a_disk_is_removed_once_with_its_volume(run, cluster):
    assert once(run, {**VM, "disk": "scsi0", "state": "absent"})["msg"] == "Disk scsi0 removed from VM 102"
    assert parts(cluster, "scsi0") is None and parts(cluster, "unused0") is None
    assert run(VM, disk="scsi0", state="absent")["msg"] == "Disk scsi0 is already absent in VM 102"


def test_a_detached_volume_is_removed(run, cluster):
    run(VM, disk="scsi0", state="detached")
    once(run, {**VM, "disk": "unused0", "state": "absent"})
    assert parts(cluster, "unused0") is None


# -------------------------------------------------------------------------------------------------------------- moved


@pytest.mark.parametrize("delete, left", [(True, None), (False, "ceph:vm-102-disk-0")])
def test_a_disk_is_moved_to_a_storage_once(run, cluster, delete, left):
    moved = {**VM, "disk": "scsi0", "target_storage": "nfs", "format": "qcow2", "delete_moved": delete, "state": "moved"}
    assert once(run, moved)["msg"] == "Disk scsi0 moved from VM 102 storage ceph"
    volume, options = parts(cluster, "scsi0")
    assert volume.startswith("nfs:102/vm-102-disk-") and volume.endswith(".qcow2")
    assert options == {"discard=on", "size=10G"}
    assert (parts(cluster, "unused0") or [None])[0] == left
    assert run(moved)["msg"] == "Disk scsi0 already at nfs storage"


def test_a_disk_gets_another_format_on_its_storage(run, cluster):
    run(VM, disk="scsi0", target_storage="nfs", format="raw", delete_moved=True, state="moved")
    other = {**VM, "disk": "scsi0", "target_storage": "nfs", "format": "qcow2", "delete_moved": True, "state": "moved"}
    check = run(other, check=True, diff=True)
    assert check["diff"] == {"before": {"scsi0 format": "raw"}, "after": {"scsi0 format": "qcow2"}}
    once(run, other)
    assert parts(cluster, "scsi0")[0].endswith(".qcow2") and parts(cluster, "unused0") is None


@pytest.mark.parametrize("form, refused", [("qcow2", True), ("raw", False)])
def test_a_disk_whose_storage_has_no_formats_gets_none(run, cluster, form, refused):
    result = run(VM, disk="scsi0", target_storage="ceph", format=form, state="moved")
    assert bool(result.get("failed")) == refused and not result["changed"] and writes(cluster) == []
    if refused:
        assert "ceph:vm-102-disk-0 is not converted there to qcow2" in result["msg"]


def test_another_format_of_a_disk_that_is_there_is_a_warning(run, cluster):
    result = run(VM, disk="scsi0", format="qcow2")
    assert not result["changed"]
    assert result["warnings"] == ["scsi0 has the format raw and not qcow2; state: moved converts it"]
    assert "warnings" not in run(VM, disk="scsi0", format="raw")


def test_a_value_that_waits_says_nothing_of_the_size(run, cluster):
    """The option of a disk in use waits for the next start, with the size that the disk had."""
    running = {"vmid": 101, "disk": "scsi0"}
    once(run, {**running, "iothread": True})
    once(run, {**running, "state": "resized", "size": "20G"})
    assert not run(running, iothread=True)["changed"]


def test_a_disk_is_handed_over_to_another_vm_once(run, cluster):
    run(NEW)
    given = {**VM, "disk": "scsi1", "target_vmid": 105, "target_disk": "scsi5", "state": "moved"}
    assert once(run, given)["msg"] == "Disk scsi1 moved from VM 102 storage ceph"
    assert parts(cluster, "scsi1") is None and "size=32G" in parts(cluster, "scsi5", 105)[1]
    assert run(given)["msg"] == "Disk scsi1 already at VM 105 as scsi5"


def test_a_disk_goes_to_no_vm_that_is_not_there(run, cluster):
    result = run(VM, disk="scsi0", target_vmid=777, state="moved")
    assert result["failed"] and result["msg"].startswith("VM with vmid 777 does not exist in cluster")
    assert writes(cluster) == []


def test_a_drive_is_not_moved(run, cluster):
    result = run(VM, disk="ide2", target_storage="nfs", state="moved")
    assert result["failed"] and result["msg"] == "unable to move disk `ide2`: it is a CD-ROM drive"


# ------------------------------------------------------------------------------------------------------- what goes wrong


def test_a_running_vm_takes_and_gives_disks(run, cluster):
    running = {"vmid": 103, "disk": "scsi1"}
    once(run, {**running, "storage": "local-lvm", "size": "8"})
    once(run, {**running, "state": "detached"})


# What each step sends, and where to.
MOVE = {**VM, "disk": "scsi0", "target_storage": "nfs", "state": "moved"}
GIVE = {**VM, "disk": "scsi0", "target_vmid": 105, "target_disk": "scsi5", "state": "moved"}
DETACH = {**VM, "disk": "scsi0", "state": "detached"}
GROW = {**VM, "disk": "scsi0", "size": "+2G", "state": "resized"}


@pytest.mark.parametrize("options, method, path, disk, after", [
    (NEW, "POST", CONFIG, "scsi1", ("ceph:vm-102-disk-1", {"discard=on", "size=32G"})),
    (MOVE, "POST", r".*/move_disk", "unused0", ("ceph:vm-102-disk-0", set())),
    (GIVE, "POST", r".*/move_disk", "scsi0", None),
    (DETACH, "PUT", r".*/unlink", "unused0", ("ceph:vm-102-disk-0", set())),
    (GROW, "PUT", r".*/resize", "scsi0", ("ceph:vm-102-disk-0", {"discard=on", "size=12G"})),
])
def test_an_answer_that_was_lost_does_nothing_twice(run, cluster, options, method, path, disk, after):
    cluster.fault(method=method, path=path, drop="after-effect")
    result = run(options)
    assert result["changed"], result
    assert parts(cluster, disk) == after
    assert parts(cluster, "unused1") is None


@pytest.mark.parametrize("options, method, path, sentence", [
    (NEW, "POST", CONFIG, "unable to create disk `scsi1`: "),
    (GROW, "PUT", r".*/resize", "unable to resize disk `scsi0`: "),
    (MOVE, "POST", r".*/move_disk", "unable to move disk `scsi0`: "),
])
def test_a_task_that_fails_is_told_with_its_cause(run, cluster, options, method, path, sentence):
    cluster.fault(method=method, path=path, task={"exitstatus": "no space left on device"})
    result = run(options)
    assert result["failed"] and result["msg"].startswith(sentence), result["msg"]
    assert "no space left on device" in result["msg"]


def test_warnings_of_a_task_are_warnings(run, cluster):
    cluster.fault(method="POST", path=CONFIG, task={"exitstatus": "WARNINGS: 1", "log": ["WARN: thin pool is filling up"]})
    result = run(NEW)
    assert not result.get("failed") and result["changed"], result
    assert result["warnings"]


def test_a_caller_without_the_right_is_told_which_one(run, cluster):
    result = run({**VM, "api_user": "audit@pve"}, disk="scsi0", state="detached")
    assert result["failed"] and result["failure"]["privilege"] == "VM.Config.Disk"
    assert result["msg"].startswith("unable to detach disk `scsi0`: ")
