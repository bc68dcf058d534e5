# SPDX-License-Identifier: AGPL-3.0-or-later
"""VMs come and go: created, imported, restored, made a template, destroyed."""

import pytest

QEMU = "/nodes/pve1/qemu"
IMAGE = {"import/debian-13.qcow2": {"content": "import", "format": "qcow2", "size": 400 << 20, "virtual_size": 3 << 30}}


def config(ask, vmid, **query):
    return ask("GET", f"{QEMU}/{vmid}/config", **query).data


def made(ask, vmid=300, **fields):
    assert ask.exit_status(ask("POST", QEMU, vmid=vmid, **fields)) == "OK"
    return config(ask, vmid)


def volumes(fake, storage):
    return set(fake.state()["storages"][storage]["volumes"])


def test_a_new_vm_has_what_the_server_adds(ask):
    now = made(ask, name="new", net0="virtio,bridge=vmbr0,firewall=on", scsi0="local-lvm:4,ssd=on", tags="b,A,b")
    assert now["scsi0"] == "local-lvm:vm-300-disk-0,size=4G,ssd=1"
    assert now["net0"].startswith("virtio=BC:24:11:") and now["net0"].endswith(",bridge=vmbr0,firewall=1")
    assert (now["boot"], now["tags"]) == ("order=scsi0;net0", "a;b")
    assert {"meta", "smbios1", "vmgenid", "digest"} <= now.keys()
    assert ask("GET", "/nodes/pve1/qemu/300/status/current").data["status"] == "stopped"


def test_drives_of_all_kinds_are_allocated(ask, fake):
    fake.patch(storages={"local": {"content": "images,iso,vztmpl,backup,snippets,import"}})
    now = made(
        ask, bios="ovmf", scsi0="nfs:2,format=qcow2", sata0="local:1", ide2="local-lvm:cloudinit",
        efidisk0="local-lvm:1,efitype=4m,pre-enrolled-keys=True", tpmstate0="local-lvm:1,version=v2.0",
        ide0="local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom")
    assert now["scsi0"] == "nfs:300/vm-300-disk-0.qcow2,size=2G"
    assert now["sata0"] == "local:300/vm-300-disk-0.raw,size=1G"
    assert now["ide2"] == "local-lvm:vm-300-cloudinit,media=cdrom,size=4M"
    assert now["efidisk0"] == ("local-lvm:vm-300-disk-0,efitype=4m,ms-cert=2023k,pre-enrolled-keys=1,size=4M")
    assert now["tpmstate0"] == "local-lvm:vm-300-disk-1,size=4M,version=v2.0"
    assert now["ide0"] == "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom,size=783M"


def test_an_image_becomes_a_disk_of_its_virtual_size(ask, fake):
    fake.patch(storages={"local": {"volumes": IMAGE}})
    assert made(ask, scsi0="ceph:0,import-from=local:import/debian-13.qcow2")["scsi0"] == (
        "ceph:vm-300-disk-0,size=3G")
    of_another = made(ask, 301, scsi0="nfs:0,import-from=ceph:base-9000-disk-0")
    assert of_another["scsi0"] == "nfs:301/vm-301-disk-0.raw,size=3G"
    missing = ask("POST", QEMU, vmid=302, scsi0="ceph:0,import-from=local:import/no.qcow2")
    assert ask.exit_status(missing) == "unable to create VM 302 - failed to stat '/var/lib/vz/import/no.qcow2'"
    assert ask("GET", "/cluster/nextid", vmid=302).status == 200
    wrong = ask("POST", QEMU, vmid=302, scsi0="ceph:4,import-from=local:import/debian-13.qcow2")
    assert wrong.errors["scsi0"].startswith("'import-from' requires special syntax")


def test_a_storage_that_is_not_there_on_the_node_fails_the_task(ask, fake):
    fake.patch(storages={"local-lvm": {"nodes": "pve2"}})
    answer = ask("POST", QEMU, vmid=300, scsi0="local-lvm:1")
    assert ask.exit_status(answer) == "unable to create VM 300 - storage 'local-lvm' is not available on node 'pve1'"


@pytest.mark.parametrize(("fields", "status", "text"), [
    ({"vmid": 100}, 500, "unable to create VM 100 - VM 100 already exists on node 'pve1'"),
    ({"vmid": 200}, 500, "unable to create VM 200 - CT 200 already exists on node 'pve1'"),
    ({"vmid": 300, "args": "-device x"}, 500, "only root can set 'args' config"),
    ({"vmid": 300, "hostpci0": "0000:01:00"}, 500, "only root can set 'hostpci0' config for non-mapped devices"),
    ({"vmid": 300, "scsi0": "nope:4"}, 500, "storage 'nope' does not exist"),
    ({"vmid": 300, "pool": "nope"}, 403, "Permission check failed (pool 'nope' does not exist)"),
])
def test_creates_that_are_refused(ask, fields, status, text):
    answer = ask("POST", QEMU, "ansible@pam!mms", **fields)
    assert (answer.status, answer.reason) == (status, text)
    assert ask("GET", "/cluster/nextid", vmid=300).data == "300"


def test_who_may_allocate_may_give_drives_and_not_every_hardware(ask):
    drives = {"scsi0": "ceph:1", "ide2": "ceph:cloudinit", "agent": "1", "memory": 512}
    answer = ask("POST", QEMU, "prov@pve!mms", vmid=300, **drives)
    assert ask.exit_status(answer) == "OK"
    refused = ask("POST", QEMU, "prov@pve!mms", vmid=301, serial0="socket", **drives)
    assert refused.reason == "Permission check failed (/vms/301, VM.Config.HWType)"
    refused = ask("PUT", f"{QEMU}/300/config", "prov@pve!mms", ide0="none,media=cdrom")
    assert refused.reason == "Permission check failed (/vms/300, VM.Config.CDROM)"


def test_a_restored_vm_has_what_its_archive_tells(ask, fake):
    name = "backup/vzdump-qemu-101-2026_10_31-02_00_00.vma.zst"
    kept = {"name": "web", "scsi0": "ceph:vm-101-disk-0,size=7G", "net0": "virtio=BC:24:11:00:00:65,bridge=vmbr0"}
    fake.patch(storages={"nfs": {"volumes": {name: {"content": "backup", "size": 1, "ctime": 1, "config": kept}}}})
    now = made(ask, archive="nfs:" + name, storage="local-lvm", unique=1)
    assert (now["name"], now["scsi0"]) == ("web", "local-lvm:vm-300-disk-0,size=7G")
    assert "00:00:65" not in now["net0"]
    taken = ask("POST", QEMU, vmid=100, archive="nfs:" + name)
    assert taken.reason == "unable to restore VM 100 - VM 100 already exists on node 'pve1'"


def test_a_template_is_made_once_and_without_snapshots(ask):
    made(ask, scsi0="ceph:4")
    assert ask.exit_status(ask("POST", f"{QEMU}/300/snapshot", snapname="snap")) == "OK"
    refused = ask("POST", f"{QEMU}/300/template")
    assert refused.reason == "unable to create template, because VM contains snapshots"
    ask.exit_status(ask("DELETE", f"{QEMU}/300/snapshot/snap"))
    assert ask.exit_status(ask("POST", f"{QEMU}/300/template")) == "OK"
    assert (config(ask, 300)["template"], config(ask, 300)["scsi0"]) == (1, "ceph:base-300-disk-0,size=4G")
    assert ask("POST", f"{QEMU}/300/template").reason == "you can't convert a template to a template"


def test_destroying_frees_the_disks_and_respects_protection(ask, fake):
    made(ask, scsi0="ceph:4", protection=1)
    fake.patch(storages={"nfs": {"volumes": {"300/vm-300-disk-9.raw": {
        "content": "images", "format": "raw", "size": 1, "vmid": 300, "ctime": 0}}}})
    refused = ask("DELETE", f"{QEMU}/300")
    assert (refused.status, refused.reason) == (500, "can't remove VM 300 - protection mode enabled")
    ask("PUT", f"{QEMU}/300/config", delete="protection")
    assert ask("DELETE", f"{QEMU}/100", purge=1).reason == "VM 100 is running - destroy failed"
    assert ask.exit_status(ask("DELETE", f"{QEMU}/300", **{"destroy-unreferenced-disks": 1})) == "OK"
    assert not [name for sid in ("ceph", "nfs") for name in volumes(fake, sid) if "-300-" in name]
