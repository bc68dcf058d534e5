# SPDX-License-Identifier: AGPL-3.0-or-later
"""VMs: clones, configuration, disks, cloud-init."""

import urllib.parse

import pytest

from .sha256crypt import sha256_crypt

VM = "/nodes/pve1/qemu/{}"
CLONE = VM.format(9000) + "/clone"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBzGq2Jv5wQ3 me@here"


def config(ask, vmid, **query):
    return ask("GET", VM.format(vmid) + "/config", **query).data


def pending(ask, vmid):
    return {p["key"]: p for p in ask("GET", VM.format(vmid) + "/pending").data if "pending" in p or "delete" in p}


# --------------------------------------------------------------------------------------- clone

def test_a_linked_clone_has_new_addresses_and_its_own_disks(ask):
    assert ask.exit_status(ask("POST", CLONE, newid=300, name="web-1", description="x", pool="web")) == "OK"
    old, new = config(ask, 9000), config(ask, 300)
    assert new["scsi0"] == "ceph:base-9000-disk-0/vm-300-disk-0,discard=on,size=3G"
    assert new["ide2"].startswith("ceph:vm-300-cloudinit,")
    for key in ("net0", "smbios1", "vmgenid"):
        assert new[key] != old[key]
    assert (new["name"], new["description"], new["ciuser"]) == ("web-1", "x", "debian")
    assert "template" not in new and "lock" not in new
    assert 300 in {m["vmid"] for m in ask("GET", "/pools", poolid="web").data[0]["members"] if "vmid" in m}


@pytest.mark.parametrize(("path", "fields", "status", "text"), [
    (CLONE, {"newid": 300, "storage": "ceph"}, 500, "parameter 'storage' not allowed for linked clones"),
    (CLONE, {"newid": 100}, 500, "unable to create VM 100: config file already exists"),
    (CLONE, {"newid": 300, "pool": "nope"}, 403, "Permission check failed (pool 'nope' does not exist)"),
    (CLONE, {"newid": 300, "full": 1, "storage": "nope"}, 500, "storage 'nope' does not exist"),
    (VM.format(999) + "/clone", {"newid": 300}, 500, "unable to find configuration file for VM 999 on node 'pve1'"),
    (VM.format(9001) + "/clone", {"newid": 300, "target": "pve2"}, 500,
     "can't clone VM to node 'pve2' (VM uses local storage)"),
    (VM.format(100) + "/clone", {"newid": 300, "full": 0}, 500,
     "Linked clone feature is not supported for 'ceph:vm-100-disk-0' (scsi0)"),
    ("/nodes/nosuch/qemu/9000/clone", {"newid": 300}, 500,
     "hostname lookup 'nosuch' failed - failed to get address info for: nosuch: Name or service not known"),
])
def test_clones_that_are_refused(ask, path, fields, status, text):
    answer = ask("POST", path, **fields)
    assert (answer.status, answer.reason) == (status, text)
    assert ask("GET", "/cluster/nextid", vmid=300).data == "300"


def test_a_full_clone_goes_to_the_storage_and_node_that_are_asked_for(ask):
    answer = ask("POST", CLONE, newid=300, full=1, storage="nfs", format="qcow2", target="pve2")
    assert ask.exit_status(answer) == "OK"
    now = ask("GET", "/nodes/pve2/qemu/300/config").data
    assert now["scsi0"] == "nfs:300/vm-300-disk-0.qcow2,discard=on,size=3G"
    assert now["name"] == "Copy-of-VM-debian-13"
    refused = ask("POST", CLONE, newid=301, full=1, storage="local-lvm", target="pve2")
    assert refused.reason == "can't clone to non-shared storage 'local-lvm'"


def test_rights_for_a_clone_are_asked_one_after_another(ask):
    def grant(path, *privs):
        ask("POST", "/access/roles", roleid="Step" + path.replace("/", "-"), privs=",".join(privs))
        for kind, who in (("users", "u@pve"), ("tokens", "u@pve!mms")):
            ask("PUT", "/access/acl", **{"path": path, "roles": "Step" + path.replace("/", "-"), kind: who})
    ask("POST", "/access/users", userid="u@pve")
    secret = ask("POST", "/access/users/u@pve/token/mms").data["value"]
    seen = []
    for path, privs in (("/vms/9000", ["VM.Clone"]), ("/vms/300", ["VM.Allocate"]),
                        ("/storage/ceph", ["Datastore.AllocateSpace"]), ("/sdn/zones/localnetwork/vmbr0", ["SDN.Use"])):
        seen.append(ask("POST", CLONE, "u@pve!mms", secret, newid=300).reason)
        grant(path, *privs)
    assert seen == ["Permission check failed (/vms/9000, VM.Clone)", "Permission check failed",
                    "Permission check failed (/storage/ceph, Datastore.AllocateSpace)",
                    "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"]
    assert ask.exit_status(ask("POST", CLONE, "u@pve!mms", secret, newid=300)) == "OK"


def test_a_clone_in_the_making_is_locked_and_has_no_name(ask_slow, slow):
    ask = ask_slow
    # Long enough for all that is asked meanwhile, and shorter than the start waits for the lock.
    slow.patch(guests=[{"vmid": 9000, "clone_secs": 9}])
    clone = ask("POST", CLONE, newid=300, name="web-1")
    assert clone.data.split(":")[5:7] == ["qmclone", "9000"]
    listed = {g["vmid"]: g for g in ask("GET", "/nodes/pve1/qemu").data}[300]
    assert (listed["name"], listed["lock"]) == ("VM 300", "clone")
    known = {g["vmid"]: g for g in ask("GET", "/cluster/resources", type="vm").data}[300]
    assert (known["status"], known["lock"], "name" in known) == ("unknown", "clone", False)
    put = ask("PUT", VM.format(300) + "/config", cores=4)
    assert (put.status, put.reason) == (500, "VM is locked (clone)")
    active = ask("GET", "/nodes/pve1/tasks", source="active", typefilter="qmclone").data
    assert [(t["type"], t["id"], t["status"]) for t in active] == [("qmclone", "9000", "RUNNING")]
    start = ask("POST", VM.format(300) + "/status/start")
    assert ask.exit_status(clone) == "OK"
    assert ask.exit_status(start) == "OK"
    assert config(ask, 300)["name"] == "web-1"


def test_a_lasting_clone_lock_fails_start_and_stop_in_the_task(ask, fake):
    fake.patch(guests=[{"vmid": 100, "lock": "clone"}])
    for action in ("start", "stop"):
        assert ask.exit_status(ask("POST", VM.format(100) + "/status/" + action)) == "VM is locked (clone)"


def test_clones_of_a_template_go_together_and_those_of_a_running_vm_do_not(ask_slow, slow):
    ask = ask_slow
    # Longer than the second clone waits for the lock, however late it is asked for.
    slow.patch(guests=[{"vmid": 100, "clone_secs": 20}])
    clones = [ask("POST", CLONE, newid=300 + n) for n in range(4)]
    assert [ask.exit_status(c) for c in clones] == ["OK"] * 4
    clones = [ask("POST", VM.format(100) + "/clone", newid=310 + n) for n in range(2)]
    assert [ask.exit_status(c) for c in clones] == [
        "OK", "clone failed: can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"]
    assert ask("GET", "/cluster/nextid", vmid=311).status == 200


def test_a_template_with_linked_clones_cannot_be_destroyed(ask):
    ask("POST", CLONE, newid=300)
    answer = ask("DELETE", VM.format(9000))
    assert ask.exit_status(answer) == "base volume 'ceph:base-9000-disk-0' is still in use by linked cloned"
    assert ask.exit_status(ask("DELETE", VM.format(300))) == "OK"
    assert ask.exit_status(ask("DELETE", VM.format(9000))) == "OK"


# ------------------------------------------------------------------------------- configuration

def test_new_disks_are_allocated_and_new_cards_get_an_address(ask):
    ask("PUT", VM.format(102).replace("pve1", "pve2") + "/config", scsi5="local-lvm:4", net1="virtio,bridge=vmbr0")
    now = ask("GET", "/nodes/pve2/qemu/102/config").data
    assert now["scsi5"] == "local-lvm:vm-102-disk-0,size=4G"
    assert now["net1"].startswith("virtio=BC:24:11:") and now["net1"].endswith(",bridge=vmbr0")
    ask("PUT", "/nodes/pve2/qemu/102/config", delete="scsi5")
    now = ask("GET", "/nodes/pve2/qemu/102/config").data
    assert "scsi5" not in now and now["unused0"] == "local-lvm:vm-102-disk-0"


def test_an_option_of_a_linked_disk_can_be_changed(ask):
    ask("POST", CLONE, newid=300)
    disk = "ceph:base-9000-disk-0/vm-300-disk-0"
    assert ask("PUT", VM.format(300) + "/config", "prov@pve!mms", scsi0=f"{disk},ssd=1").status == 200
    assert config(ask, 300)["scsi0"] == f"{disk},size=3G,ssd=1"


def test_a_running_guest_takes_some_keys_at_once_and_keeps_others_pending(ask):
    path = VM.format(101) + "/config"
    assert ask("PUT", path, cores=4, memory=2048, name="web-old-1", tags="b a", ciuser="me").data is None
    assert pending(ask, 101) == {"cores": {"key": "cores", "value": 2, "pending": 4}}
    assert (config(ask, 101)["cores"], config(ask, 101, current=1)["cores"]) == (4, 2)
    assert (config(ask, 101)["tags"], config(ask, 101)["ciuser"]) == ("a;b", "me")
    ask("PUT", path, cores=2)
    assert pending(ask, 101) == {}
    ask("PUT", path, cores=4)
    assert ask.exit_status(ask("POST", VM.format(101) + "/status/reboot")) == "OK"
    assert (pending(ask, 101), config(ask, 101, current=1)["cores"]) == ({}, 4)


def test_a_card_without_its_address_is_a_hotplug_problem_on_a_running_guest(ask):
    before = config(ask, 101, current=1)["net0"]
    answer = ask("PUT", VM.format(101) + "/config", net0="virtio,bridge=vmbr1")
    assert (answer.status, answer.errors) == (
        400, {"net0": "hotplug problem - error on hot-unplugging device 'net0'"})
    assert "net0" in pending(ask, 101)
    assert ask("PUT", VM.format(101) + "/config", net0=before.replace("vmbr0", "vmbr1")).status == 200
    assert "net0" not in pending(ask, 101)


def test_a_wrong_digest_is_refused_and_memory_is_text(ask):
    now = config(ask, 100)
    assert now["memory"] == "2048" and now["cores"] == 2
    path = VM.format(100) + "/config"
    assert ask("PUT", path, tags="x", digest=now["digest"]).status == 200
    assert ask("PUT", path, tags="y", digest=now["digest"]).reason == "checksum mismatch (file change by other user?)"


def test_cloud_init_keys_need_one_of_two_privileges(ask):
    path = VM.format(100) + "/config"
    assert ask("PUT", path, "prov@pve!mms", ciuser="x", ipconfig0="ip=dhcp", nameserver="192.0.2.1").status == 200
    ask("POST", "/access/roles", roleid="Few", privs="VM.Config.Options")
    for kind, who in (("users", "prov@pve"), ("tokens", "prov@pve!mms")):
        ask("PUT", "/access/acl", **{"path": "/vms/100", "roles": "Few", kind: who})
    answer = ask("PUT", path, "prov@pve!mms", ciuser="x")
    assert answer.reason == "Permission check failed (/vms/100, VM.Config.Cloudinit|VM.Config.Network)"


def test_the_password_is_stored_hashed_by_put_and_clear_by_create(ask):
    ask("PUT", VM.format(100) + "/config", cipassword="sesame open")
    assert config(ask, 100)["cipassword"] == "**********"

    def dumped(vmid):
        lines = ask("GET", VM.format(vmid) + "/cloudinit/dump", type="user").data.splitlines()
        return [line.removeprefix("password: ") for line in lines if line.startswith("password: ")]
    stored = dumped(100)[0]
    assert stored == sha256_crypt("sesame open", stored.split("$")[2])
    ask("POST", "/nodes/pve1/qemu", vmid=300, cipassword="sesame open", scsi0="ceph:4")
    assert dumped(300) == ["sesame open"]
    seen = ask("GET", VM.format(300) + "/cloudinit/dump", "audit@pve!mms", type="user").data
    assert "password: **********" in seen
    ask("PUT", VM.format(100) + "/config", cicustom="user=nfs:snippets/user.yaml")
    assert dumped(100) == []


def test_changed_settings_of_a_running_guest_are_told_apart_until_its_drive_is_made_anew(ask):
    path = "/nodes/pve2/qemu/102"
    ask.exit_status(ask("POST", path + "/status/start"))
    ask("PUT", path + "/config", ciuser="me", nameserver="192.0.2.1")
    told = {item["key"]: item for item in ask("GET", path + "/cloudinit").data}
    assert told["nameserver"] == {"key": "nameserver", "pending": "192.0.2.1"}
    ask("PUT", path + "/cloudinit")
    told = {item["key"]: item for item in ask("GET", path + "/cloudinit").data}
    assert told["nameserver"] == {"key": "nameserver", "value": "192.0.2.1"}


def test_the_hash_is_sha_256_crypt():
    # As `openssl passwd -5 -salt saltstring` and the C library have it.
    assert sha256_crypt("Hello world!", "saltstring") == "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"


def test_ssh_keys_are_percent_encoded_twice(ask):
    path = VM.format(100) + "/config"
    once = urllib.parse.quote(KEY, safe="")
    assert ask("PUT", path, sshkeys=once).status == 200
    assert config(ask, 100)["sshkeys"] == once
    plain = ask("PUT", path, sshkeys=KEY)
    assert plain.errors == {"sshkeys": f"invalid format - invalid urlencoded string: {KEY}\n"}
    assert ask("PUT", path, sshkeys="no%20key").reason == "SSH public key validation error"


# -------------------------------------------------------------------------------------- resize

def test_resize_finds_out_everything_in_the_task(ask):
    path = VM.format(100) + "/resize"
    for size, ending, after in (("20G", "OK", "20G"), ("20G", "OK", "20G"), ("+1G", "OK", "21G"),
                                ("10G", "shrinking disks is not supported", "21G")):
        assert ask.exit_status(ask("PUT", path, disk="scsi0", size=size)) == ending
        assert config(ask, 100)["scsi0"].endswith(f"size={after}")
    assert ask.exit_status(ask("PUT", path, disk="scsi9", size="1G")) == "disk 'scsi9' does not exist"
    ask("PUT", "/access/acl", path="/storage/ceph", roles="NoAccess", users="prov@pve")
    answer = ask("PUT", path, "prov@pve!mms", disk="scsi0", size="30G")
    assert ask.exit_status(answer) == "403 Permission check failed (/storage/ceph, Datastore.AllocateSpace)"
    assert ask("PUT", path, disk="scsi0", size="big").errors == {"size": "value does not match the regex pattern"}
