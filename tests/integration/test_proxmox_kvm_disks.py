# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_kvm, update_unsafe: disks are made once whatever becomes of an answer, and what a volume is it stays."""

from __future__ import annotations

import pytest

from vms import RUNNING, STOPPED, config, run, writes  # noqa: F401

UNSAFE = {"update": True, "update_unsafe": True}


def made(cluster, vmid):
    """The disks, drives and left-over volumes of a VM."""
    return {key: value for key, value in config(cluster, vmid).items()
            if key.rstrip("0123456789") in ("scsi", "virtio", "ide", "efidisk", "tpmstate", "unused")}


# ----------------------------------------------------------------------------------------------- answers that are lost


@pytest.mark.parametrize("options", [
    {"virtio": {"virtio3": "ceph:2"}, "cores": 4},
    {"virtio": {"virtio3": "ceph:0,import-from=ceph:vm-101-disk-0"}},
    {"bios": "ovmf", "efidisk0": {"storage": "ceph"}, "tpmstate0": {"storage": "ceph"}},
    {"ide": {"ide0": "ceph:cloudinit"}},
])
def test_a_lost_answer_makes_no_second_disk(run, cluster, options):  # noqa: F811
    run(STOPPED, delete="ide2")
    cluster.control("DELETE", "/requests")
    for method in ("PUT", "POST"):
        cluster.fault(method=method, path=r".*/config", drop="after-effect")
    result = run(STOPPED, **options, **UNSAFE)
    assert result["changed"], result
    assert len(writes(cluster)) == 1
    assert not [key for key in made(cluster, 102) if key.startswith("unused")]
    assert not run(STOPPED, **options, **UNSAFE)["changed"]


def test_what_never_arrived_is_sent_again(run, cluster):  # noqa: F811
    cluster.fault(method="POST", path=r".*/config", drop="before")
    assert run(STOPPED, virtio={"virtio3": "ceph:2"}, **UNSAFE)["changed"]
    assert not [key for key in made(cluster, 102) if key.startswith("unused")]


def test_a_lost_answer_to_a_growth_is_no_failure(run, cluster):  # noqa: F811
    cluster.fault(method="PUT", path=r".*/resize", drop="after-effect")
    assert run(STOPPED, scsi={"scsi0": "ceph:20"}, **UNSAFE)["changed"]
    assert len(writes(cluster)) == 1 and "size=20G" in config(cluster, 102)["scsi0"]


# -------------------------------------------------------------------------------------------------- what grows and is


def test_size_and_an_option_of_a_disk_that_is_in_use_come_together(run, cluster):  # noqa: F811
    both = {"scsi": {"scsi0": "ceph:20,iothread=1"}, **UNSAFE}
    check = run(RUNNING, **both, check=True, diff=True)
    assert run(RUNNING, **both)["changed"]
    assert writes(cluster) == ["PUT /nodes/pve1/qemu/101/resize", "PUT /nodes/pve1/qemu/101/config"]
    assert "size=20G" in config(cluster, 101)["scsi0"]
    again = run(RUNNING, **both)
    assert not again["changed"], again
    assert check["diff"]["after"]["scsi0 size"] == "20G" and "size=20G" in check["diff"]["after"]["scsi0"]


def test_no_disk_has_grown_where_the_rest_is_refused(run, cluster):  # noqa: F811
    cluster.fault(method="PUT", path=r".*/config", status=400, message="Parameter verification failed.")
    result = run(STOPPED, scsi={"scsi0": "ceph:20"}, cores=4, **UNSAFE)
    assert result["failed"] and not result["changed"], result
    assert writes(cluster) == ["PUT /nodes/pve2/qemu/102/config"] and "size=10G" in config(cluster, 102)["scsi0"]


def test_a_value_that_waits_says_nothing_of_the_size(run, cluster):  # noqa: F811
    """The option waits for the next boot with the size that the disk had."""
    assert run(RUNNING, scsi={"scsi0": "ceph:10,iothread=1"}, **UNSAFE)["changed"]
    assert run(RUNNING, scsi={"scsi0": "ceph:20,iothread=1"}, **UNSAFE)["changed"]
    assert not run(RUNNING, scsi={"scsi0": "ceph:20,iothread=1"}, **UNSAFE)["changed"]


@pytest.mark.parametrize("disk, warning", [
    ("ceph:5", "scsi0 is left as it is: it is 10G, and disks cannot shrink to 5G"),
    ("ceph:vm-102-disk-0,size=5G", "scsi0 is left as it is: it is 10G, and disks cannot shrink to 5G"),
    ("ceph:10,format=qcow2", "scsi0 is left as it is: its format is raw, and not qcow2: proxmox_disk with state: moved "
                             "converts it"),
    ("ceph:vm-102-disk-0,format=raw", None),
    ("ceph:0,import-from=local:import/a.qcow2", None),
])
def test_what_a_volume_cannot_become_is_a_warning(run, cluster, disk, warning):  # noqa: F811
    result = run(STOPPED, scsi={"scsi0": disk}, **UNSAFE)
    assert not result["changed"] and result.get("warnings") == (warning and [warning])
    assert writes(cluster) == []
    left = run(STOPPED, scsi={"scsi0": disk}, update=True).get("warnings")
    assert bool(left) == bool(warning) and not run(STOPPED, scsi={"scsi0": "ceph:10"}, update=True).get("warnings")


def test_an_efi_disk_and_a_tpm_are_what_they_were_made_as(run, cluster):  # noqa: F811
    small = {"bios": "ovmf", "efidisk0": {"storage": "ceph", "efitype": "2m"},
             "tpmstate0": {"storage": "ceph", "version": "1.2"}}
    assert run(STOPPED, **small, **UNSAFE)["changed"]
    assert not run(STOPPED, **small, **UNSAFE).get("warnings")
    before, sent = config(cluster, 102), len(writes(cluster))
    other = {"efidisk0": {"storage": "ceph", "efitype": "4m", "pre_enrolled_keys": True},
             "tpmstate0": {"storage": "ceph"}}
    result = run(STOPPED, **other, **UNSAFE)
    assert not result["changed"] and result["warnings"] == [
        "efidisk0 is left as it is: its efitype is 2m, which is chosen when it is made, and not 4m",
        "efidisk0 is left as it is: its pre-enrolled-keys is 0, which is chosen when it is made, and not 1",
        "tpmstate0 is left as it is: its version is v1.2, which is chosen when it is made, and not v2.0"]
    assert config(cluster, 102) == before and len(writes(cluster)) == sent
    assert run(STOPPED, **other, update=True)["warnings"]


def test_a_drive_without_a_medium_has_no_size(run, cluster):  # noqa: F811
    image = "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom"
    for medium in (image, "none,media=cdrom"):
        assert run(STOPPED, ide={"ide0": medium}, **UNSAFE)["changed"]
        assert not run(STOPPED, ide={"ide0": medium}, **UNSAFE)["changed"]
    sent = [request["body"] for request in cluster.requests() if request["method"] == "PUT"]
    assert sent[-1] == {"ide0": "none,media=cdrom"}


@pytest.mark.parametrize("option, key", [("net", "scsi0"), ("serial", "scsi0"), ("scsi", "virtio0"), ("ide", "ide"),
                                         ("ipconfig", "net0"), ("usb", "usb01"), ("virtio", "virtiofs0")])
def test_an_option_takes_its_own_keys_alone(run, cluster, option, key):  # noqa: F811
    for options in ({"node": "pve1", "name": "new"}, {**STOPPED, **UNSAFE}):
        result = run(options, **{option: {key: "socket"}})
        assert result["failed"]
        assert result["msg"].endswith(f"{option}: `{key}` is none of its keys, which are {option}0, {option}1 and so on")
    assert writes(cluster) == []


# --------------------------------------------------------------------------------------------------------- the others


def test_a_lost_answer_to_a_disk_of_many_vms_makes_one(ferrox, connection, cluster):
    task = {**connection, "vms": [{"name": "web-old-2", "template": "debian-13", "config": {"scsi1": "ceph:2"}},
                                  {"name": "web-new", "template": "debian-13", "config": {"scsi1": "ceph:2",
                                                                                        "ide2": "ceph:cloudinit"}}]}
    cluster.fault(method="POST", path=r".*/config", drop="after-effect", times=2)
    result = ferrox("proxmox_clone_vms", task)
    assert result["changed"], result
    for guest in cluster.state()["guests"]:
        assert not [key for key in guest["config"] if key.startswith("unused")], guest
    assert not ferrox("proxmox_clone_vms", task)["changed"]


def test_a_clone_bears_the_name_of_its_source_where_the_task_says_so(run, cluster):  # noqa: F811
    task = {"node": "pve1", "vmid": 9000, "clone": "template", "name": "debian-13"}
    first = run(task)
    assert first["changed"] and first["vmid"] != 9000
    again = run(task)
    assert not again["changed"] and again["vmid"] == first["vmid"]
    # By its name alone, the source is found as long as it is the only one of that name.
    task = {"node": "pve1", "clone": "debian-13-local", "name": "debian-13-local", "full": False}
    assert run(task)["changed"] and not run(task)["changed"]


def test_a_stated_time_is_the_most_that_a_lock_is_waited_for(run, cluster):  # noqa: F811
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    result = run(STOPPED, cores=4, update=True, timeout=1)
    assert result["failed"] and "is locked (backup)" in result["msg"] and "1 s" in result["msg"]


def test_a_lost_answer_to_a_network_card_gives_it_one_mac(ferrox, connection, cluster):
    cluster.fault(method="PUT", path=r".*/config", drop="after-effect")
    card = {**connection, "vmid": 103, "interface": "net3", "bridge": "vmbr0"}
    assert ferrox("proxmox_nic", card)["changed"]
    assert len(writes(cluster)) == 1
    assert not ferrox("proxmox_nic", card)["changed"]
