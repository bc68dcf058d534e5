# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_kvm: what an update writes and what it leaves, settings that go, and cloud-init."""

from __future__ import annotations

import pytest
from vms import NEW, RUNNING, STOPPED, bodies, config, run, writes  # noqa: F401

# ---------------------------------------------------------------------------------------------------------- update


def test_a_vm_that_is_there_is_left_alone_without_update(run, cluster):
    result = run(STOPPED, cores=8)
    assert not result["changed"] and result["msg"] == "VM with vmid <102> already exists"
    assert writes(cluster) == []


def test_an_update_writes_only_what_differs(run, cluster, asked):
    result = run(STOPPED, cores=4, memory=2048, tags=["WEB"], agent="yes", update=True)
    assert result["changed"] and (result["vmid"], result["msg"]) == (102, "VM web-old-2 with vmid 102 updated")
    assert bodies(cluster) == [{"cores": "4"}]
    asked()
    again = run(STOPPED, cores=4, memory=2048, tags=["WEB"], agent="yes", update=True)
    assert not again["changed"] and again["msg"] == "VM web-old-2 with vmid 102 is up to date"
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve2/qemu/102/config"]


def test_check_mode_with_diff_shows_an_update_and_writes_nothing(run, cluster):
    result = run(STOPPED, cores=4, description="Web", update=True, check=True, diff=True)
    assert result["changed"] and result["msg"] == "VM web-old-2 with vmid 102 updated"
    assert result["diff"] == {"before": {"cores": "2", "description": None},
                              "after": {"cores": "4", "description": "Web"}}
    assert writes(cluster) == []


def test_what_waits_for_the_next_start_is_told_once_and_is_no_difference(run, cluster):
    result = run(RUNNING, cores=8, update=True)
    assert result["changed"] and result["warnings"] == ["cores will have an effect after the next start only"]
    again = run(RUNNING, cores=8, update=True)
    assert not again["changed"] and "warnings" not in again
    assert "warnings" not in run(STOPPED, cores=8, update=True)


def test_with_a_vmid_the_name_is_the_new_name(run, cluster):
    assert run(node="pve2", vmid=102, name="web-new-2", update=True)["changed"]
    assert cluster.guest(102)["name"] == "web-new-2"
    assert not run(node="pve2", vmid=102, name="web-new-2", update=True)["changed"]


def test_a_description_is_compared_without_the_line_end_that_the_server_adds(run):
    for changed in (True, False):
        assert run(STOPPED, description="One\nTwo", update=True)["changed"] == changed


def test_an_empty_text_takes_a_setting_away(run, cluster):
    for changed in (True, False):
        assert run(STOPPED, startup="", update=True)["changed"] == changed
    assert "startup" not in config(cluster, 102)


def test_another_pool_is_a_warning(run, cluster):
    result = run(STOPPED, pool="lab", update=True)
    assert not result["changed"]
    assert result["warnings"] == ["pool is not changed by an update: VM `web-old-2` is in the pool web; "
                                  "proxmox_pool_member moves it to lab"]
    assert "warnings" not in run(STOPPED, pool="web", update=True)


def test_a_digest_that_is_not_the_configurations_refuses_the_write(run, cluster):
    result = run(STOPPED, cores=4, digest="0" * 40, update=True)
    assert result["failed"] and result["msg"].startswith("unable to update VM `web-old-2`: ")
    assert config(cluster, 102)["cores"] == 2


def test_a_digest_goes_with_the_first_write_which_makes_another_one(run, cluster):
    """Each write changes the digest: stated with a later one, it would leave the update half done."""
    assert run(STOPPED, scsi={"scsi1": "ceph:4"}, update=True, update_unsafe=True)["changed"]
    larger = {"scsi": {"scsi0": "ceph:20", "scsi1": "ceph:8"}, "cores": 4, "update": True, "update_unsafe": True}
    refused = run(STOPPED, **larger, digest="0" * 40)
    assert refused["failed"]
    digest = refused["msg"].split("the digest ")[1].split(",")[0]
    cluster.control("DELETE", "/requests")
    assert run(STOPPED, **larger, digest=digest, check=True)["changed"]
    assert run(STOPPED, **larger, digest=digest)["changed"]
    sent = [body.get("digest") for body in bodies(cluster)]
    assert sent == [digest, None, None] and writes(cluster)[0] == "PUT /nodes/pve2/qemu/102/config"
    now = config(cluster, 102)
    assert now["cores"] == 4 and "size=20G" in now["scsi0"] and "size=8G" in now["scsi1"]
    assert not run(STOPPED, **larger, digest=digest)["changed"]


def test_skiplock_lets_a_disk_of_a_locked_vm_grow_too(ferrox, connection, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    root = {key: value for key, value in connection.items() if not key.startswith("api_token")}
    root |= {"api_user": "root@pam", "api_password": "secret"}
    result = ferrox("proxmox_kvm", {**root, **STOPPED, "scsi": {"scsi0": "ceph:20"}, "cores": 4, "skiplock": True,
                                    "update": True, "update_unsafe": True})
    assert result.get("changed"), result
    assert config(cluster, 102)["cores"] == 4 and "size=20G" in config(cluster, 102)["scsi0"]


# --------------------------------------------------------------------------------------------------------- network


@pytest.mark.parametrize("vm, vmid", [(STOPPED, 102), (RUNNING, 101)])
def test_a_network_card_keeps_its_mac_without_update_unsafe(run, cluster, vm, vmid):
    mac = config(cluster, vmid)["net0"].split(",")[0].removeprefix("virtio=")
    net = {"net0": "virtio,bridge=vmbr0,tag=20"}
    assert run(vm, net=net, update=True)["changed"]
    assert config(cluster, vmid)["net0"] == f"virtio={mac},bridge=vmbr0,tag=20"
    assert not run(vm, net=net, update=True)["changed"]
    # Neither order nor case is a difference, and what is not stated stays.
    assert not run(vm, net={"net0": f"bridge=vmbr0,virtio={mac.lower()}"}, update=True)["changed"]


def test_a_network_card_comes_and_goes(run, cluster):
    assert run(STOPPED, net={"net1": {"model": "virtio", "bridge": "vmbr0", "vlan": 30}}, update=True)["changed"]
    assert config(cluster, 102)["net1"].endswith(",bridge=vmbr0,tag=30")
    assert run(STOPPED, delete="net1")["changed"]
    assert "net1" not in config(cluster, 102)


# ----------------------------------------------------------------------------------------------------------- disks


def test_disks_without_update_unsafe_are_warned_about_where_they_differ(run, cluster):
    result = run(STOPPED, cores=4, scsi={"scsi0": "ceph:20", "scsi1": "ceph:4"}, update=True)
    assert result["changed"]
    assert bodies(cluster) == [{"cores": "4"}]
    assert result["warnings"] == [
        "update_unsafe is false, so that these are left as they are: scsi0 is "
        "`ceph:vm-102-disk-0,discard=on,size=10G`, `ceph:20` is wanted; there is no scsi1, `ceph:4` is wanted"]
    as_they_are = {"scsi": {"scsi0": "ceph:10,discard=on"}, "ide": {"ide2": "ceph:cloudinit"}}
    assert "warnings" not in run(STOPPED, update=True, **as_they_are)


def test_a_disk_grows_and_keeps_its_volume_and_what_is_not_stated(run, cluster):
    larger = {"scsi": {"scsi0": "ceph:20,ssd=1"}, "update": True, "update_unsafe": True}
    check = run({**STOPPED, **larger}, check=True, diff=True)
    assert check["diff"]["after"]["scsi0 size"] == "20G"
    assert run(STOPPED, **larger)["changed"]
    assert writes(cluster) == ["PUT /nodes/pve2/qemu/102/resize", "PUT /nodes/pve2/qemu/102/config"]
    parts = config(cluster, 102)["scsi0"].split(",")
    assert parts[0] == "ceph:vm-102-disk-0" and set(parts[1:]) == {"discard=on", "ssd=1", "size=20G"}
    assert not run(STOPPED, **larger)["changed"]
    # Another unit, and a size that it has outgrown.
    for disk in ("ceph:vm-102-disk-0,size=20480M", "ceph:10"):
        assert not run(STOPPED, scsi={"scsi0": disk}, update=True, update_unsafe=True)["changed"]


def test_a_new_disk_is_made_once(run, cluster):
    for changed in (True, False):
        result = run(STOPPED, scsi={"scsi1": "ceph:4,discard=on"}, update=True, update_unsafe=True)
        assert result["changed"] == changed
    assert config(cluster, 102)["scsi1"].startswith("ceph:vm-102-disk-1,")
    assert not [key for key in config(cluster, 102) if key.startswith("unused")]


@pytest.mark.parametrize("disk", ["local-lvm:20", "ceph:vm-102-disk-7"])
def test_a_disk_is_never_replaced(run, cluster, disk):
    result = run(STOPPED, cores=4, scsi={"scsi0": disk}, update=True, update_unsafe=True)
    assert result["failed"]
    assert result["msg"] == ("unable to update VM `web-old-2`: scsi0: there is a disk already (ceph:vm-102-disk-0); it "
                             "would be replaced by another")
    assert writes(cluster) == []


def test_the_medium_of_a_drive_is_changed(run, cluster):
    image = {"ide": {"ide2": "local:iso/debian-13.1.0-amd64-netinst.iso,media=cdrom"}, "update": True,
             "update_unsafe": True}
    for changed in (True, False):
        assert run(STOPPED, **image)["changed"] == changed
    assert "netinst.iso" in config(cluster, 102)["ide2"]


def test_an_efi_disk_needs_its_firmware_and_no_further_words(run, cluster):
    result = run(node="pve1", name="efi", efidisk0={"storage": "ceph"})
    assert result["failed"]
    assert result["msg"] == "unable to create VM `efi`: efidisk0 cannot be used if bios is not set to ovmf"
    assert run(node="pve1", vmid=300, name="efi", bios="ovmf", efidisk0={"storage": "ceph"},
               tpmstate0={"storage": "ceph"})["changed"]
    assert config(cluster, 300)["tpmstate0"].startswith("ceph:vm-300-disk-")
    again = run(node="pve1", name="efi", efidisk0={"storage": "ceph"}, update=True, update_unsafe=True)
    assert not again["changed"]


# ------------------------------------------------------------------------------------------------- settings that go


def test_settings_are_deleted_once(run, cluster):
    check = run(STOPPED, delete="tags, startup", check=True, diff=True)
    assert check["changed"] and check["diff"]["after"] == {"startup": None, "tags": None}
    result = run(STOPPED, delete="tags, startup,vcpus")
    assert result["changed"] and result["msg"] == "Settings has deleted on VM web-old-2 with vmid 102"
    assert bodies(cluster) == [{"delete": "tags,startup"}]
    again = run(STOPPED, delete="tags, startup,vcpus")
    assert not again["changed"]
    assert again["msg"] == "VM web-old-2 with vmid 102 has no such settings: tags, startup,vcpus"


def test_pending_values_are_dropped_once(run, cluster):
    run(RUNNING, cores=8, update=True)
    check = run(RUNNING, revert="cores", check=True, diff=True)
    assert check["changed"] and check["diff"] == {"before": {"pending": ["cores"]}, "after": {"pending": []}}
    result = run(RUNNING, revert="cores")
    assert result["changed"] and result["msg"] == "Settings has reverted on VM web-old-1 with vmid 101"
    assert not run(RUNNING, revert="cores")["changed"]
    assert not run(RUNNING, cores=2, update=True)["changed"]


# ------------------------------------------------------------------------------------------------------ cloud-init


def test_a_password_is_a_hash_from_the_start_and_is_compared(run, cluster):
    new = {**NEW, "ide": {"ide2": "local-lvm:cloudinit"}, "ciuser": "admin", "cipassword": "correct-horse"}
    result = run(new)
    assert result["changed"]
    assert config(cluster, 300)["cipassword"].startswith("$5$")
    assert "correct-horse" not in str(result)
    for password, changed in [("correct-horse", False), ("battery-staple", True), ("battery-staple", False)]:
        assert run(node="pve1", vmid=300, cipassword=password, update=True)["changed"] == changed
    assert "battery-staple" not in str(cluster.guest(300))


def test_a_password_that_cannot_be_compared_is_a_warning(run, cluster):
    run(STOPPED, cipassword="one", cicustom="user=local:snippets/user.yml", update=True)
    result = run(STOPPED, cipassword="two", update=True)
    assert not result["changed"]
    assert result["warnings"] == ["cipassword cannot be compared with what is stored, and is set on creation only"]


def test_ssh_keys_and_names_of_servers_are_compared(run, cluster):
    keys = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlcGxhY2UgbWUgYnkgeW91ciBvd24ga2V5IDopISE= one@example.org\n"
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJlcGxhY2UgbWUgYnkgeW91ciBvd24ga2V5IDopIS0= two@example.org\n")
    for changed in (True, False):
        result = run(STOPPED, sshkeys=keys, nameservers=["192.0.2.1", "192.0.2.2"], searchdomains=["example.org"],
                     ipconfig={"ipconfig0": "ip=192.0.2.9/24,gw=192.0.2.1"}, update=True)
        assert result["changed"] == changed
    assert config(cluster, 102)["nameserver"] == "192.0.2.1 192.0.2.2"
