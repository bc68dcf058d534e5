# SPDX-License-Identifier: AGPL-3.0-or-later
"""Containers: created, changed, cloned, snapshotted, moved, destroyed."""

import re

import pytest

from .conftest import ticket

LXC = "/nodes/pve1/lxc"
TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
ARCHIVE = "nfs:backup/vzdump-lxc-200-2026_10_31-02_10_00.tar.zst"


def config(ask, vmid, node="pve1"):
    return ask("GET", f"/nodes/{node}/lxc/{vmid}/config").data


def made(ask, vmid=300, **fields):
    answer = ask("POST", LXC, **{"vmid": vmid, "ostemplate": TEMPLATE, "storage": "local-lvm", **fields})
    assert ask.exit_status(answer) == "OK"
    return config(ask, vmid)


def volumes(fake, storage):
    return set(fake.state()["storages"][storage]["volumes"])


def test_a_new_container_has_what_the_server_adds(ask):
    now = made(
        ask, hostname="new", rootfs="local-lvm:8", mp0="local-lvm:2,mp=/srv,backup=yes", password="sesame",
        net0="name=eth0,bridge=vmbr0,ip=dhcp", features="nesting=1", description="first", tags="b,a")
    assert now["rootfs"] == "local-lvm:vm-300-disk-0,size=8G"
    assert now["mp0"] == "local-lvm:vm-300-disk-1,backup=1,mp=/srv,size=2G"
    assert re.fullmatch(r"name=eth0,bridge=vmbr0,hwaddr=BC:24:11:[0-9A-F:]{8},ip=dhcp,type=veth", now["net0"])
    assert (now["description"], now["tags"], now["unprivileged"], now["ostype"]) == ("first\n", "a;b", 1, "debian")
    assert (now["memory"], now["swap"], "password" in now) == (512, 512, False)


@pytest.mark.parametrize(("fields", "status", "text"), [
    ({"vmid": 200}, 500, "CT 200 already exists on node 'pve1'"),
    ({"vmid": 200, "force": 1}, 500, "CT 200 already exists on node 'pve1'"),
    ({"vmid": 100}, 500, "VM 100 already exists on node 'pve1'"),
    ({"storage": "local"}, 400, "Parameter verification failed."),
    ({"mp0": "local-lvm:1,mp=/srv"}, 500, "mount points configured, but 'rootfs' not set - aborting"),
    ({"rootfs": "local-lvm:1", "mp0": "/host,mp=/srv"}, 403,
     "Permission check failed (mount point type bind is only allowed for root@pam)"),
    ({"cmode": "default"}, 400, "Parameter verification failed."),
    ({"pool": "nope"}, 403, "Permission check failed (pool 'nope' does not exist)")])
def test_creates_that_are_refused(ask, fields, status, text):
    answer = ask("POST", LXC, **{"vmid": 300, "ostemplate": TEMPLATE, "storage": "local-lvm", **fields})
    assert (answer.status, answer.reason) == (status, text)
    assert ask("GET", "/cluster/nextid", vmid=300).status == 200


def test_a_template_that_is_not_there_fails_the_task(ask, fake):
    answer = ask("POST", LXC, vmid=300, ostemplate="local:vztmpl/no.tar.zst", storage="local-lvm")
    assert ask.exit_status(answer) == (
        "unable to create CT 300 - volume 'local:vztmpl/no.tar.zst' does not exist")
    assert ask("GET", "/cluster/nextid", vmid=300).status == 200
    assert "vm-300-disk-0" not in volumes(fake, "local-lvm")


def test_an_archive_is_restored_over_its_container_by_force(ask, fake):
    told = {"hostname": "dns", "rootfs": "local-lvm:vm-200-disk-0,size=8G", "memory": 777, "unprivileged": 1}
    name = ARCHIVE.removeprefix("nfs:")
    fake.patch(storages={"nfs": {"volumes": {name: {"content": "backup", "size": 1, "ctime": 1, "config": told}}}})
    fields = {"vmid": 200, "ostemplate": ARCHIVE, "restore": 1, "storage": "ceph"}
    assert ask("POST", LXC, **fields).reason == "CT 200 already exists on node 'pve1'"
    assert ask("POST", LXC, **fields, force=1).reason == "can't overwrite running container"
    ask.exit_status(ask("POST", f"{LXC}/200/status/stop"))
    assert ask.exit_status(ask("POST", LXC, **fields, force=1)) == "OK"
    now = config(ask, 200)
    assert (now["memory"], now["rootfs"]) == (777, "ceph:vm-200-disk-0,size=8G")
    assert "vm-200-disk-0" not in volumes(fake, "local-lvm")


def test_a_running_container_takes_some_keys_at_once_and_keeps_others(ask):
    path = f"{LXC}/200/config"
    ask("PUT", path, memory=1024, mp0="local-lvm:1,mp=/a", nameserver="192.0.2.1", description="text")
    ask("PUT", path, delete="mp0")
    pending = {p["key"]: p for p in ask("GET", f"{LXC}/200/pending").data if "pending" in p or "delete" in p}
    assert set(pending) == {"nameserver", "mp0"}
    ask.exit_status(ask("POST", f"{LXC}/200/status/reboot"))
    now = config(ask, 200)
    assert (now["nameserver"], now["unused0"], now["description"]) == ("192.0.2.1", "local-lvm:vm-200-disk-1", "text\n")
    ask("PUT", path, delete="unused0,description")
    assert not {"unused0", "description"} & config(ask, 200).keys()


def test_a_detached_volume_is_freed_when_it_is_forgotten(ask, fake):
    path = "/nodes/pve2/lxc/201/config"
    ask("PUT", path, mp0="local-lvm:1,mp=/a")
    ask("PUT", path, delete="mp0")
    assert config(ask, 201, "pve2")["unused0"] == "local-lvm:vm-201-disk-1"
    ask("PUT", path, mp3="local-lvm:vm-201-disk-1,mp=/b")
    assert config(ask, 201, "pve2")["mp3"] == "local-lvm:vm-201-disk-1,mp=/b,size=1G"
    ask("PUT", path, delete="mp3")
    ask("PUT", path, delete="unused0")
    assert "vm-201-disk-1" not in volumes(fake, "local-lvm")


def test_clones_are_full_or_linked_to_a_template(ask):
    path = "/nodes/pve2/lxc/201"
    assert ask("POST", path + "/clone", newid=300, full=0).reason == (
        "Linked clone feature for 'local-lvm:vm-201-disk-0' is not available")
    assert ask.exit_status(ask("POST", path + "/clone", newid=300, hostname="copy", description="d")) == "OK"
    now = config(ask, 300, "pve2")
    assert (now["hostname"], now["description"], now["rootfs"]) == ("copy", "d\n", "local-lvm:vm-300-disk-0,size=8G")
    wrong = ask("POST", path + "/clone", newid=301, full=1, storage="local")
    assert ask.exit_status(wrong) == (
        "clone failed: content type 'rootdir' is not available or configured on storage 'local'")
    assert ask("GET", "/cluster/nextid", vmid=301).status == 200 and "lock" not in config(ask, 201, "pve2")
    running = ask("POST", f"{LXC}/200/clone", newid=301)
    assert running.reason == "Full clone of a running container is only possible from a snapshot"
    assert ask.exit_status(ask("POST", path + "/template")) == "OK"
    assert config(ask, 201, "pve2")["rootfs"] == "local-lvm:base-201-disk-0,size=8G"
    assert ask.exit_status(ask("POST", path + "/clone", newid=302)) == "OK"
    gone = ask("DELETE", path)
    assert ask.exit_status(gone) == "base volume 'local-lvm:base-201-disk-0' is still in use by linked cloned"


def test_a_source_is_locked_while_it_is_cloned(ask_slow, slow):
    ask, path = ask_slow, "/nodes/pve2/lxc/201"
    slow.patch(guests=[{"vmid": 201, "clone_secs": 20}])
    clone = ask("POST", path + "/clone", newid=300)
    assert ask("POST", path + "/clone", newid=301).reason == "CT is locked (disk)"
    assert ask("GET", "/nodes/pve2/lxc/300/config").data["lock"] == "create"
    assert ask.exit_status(clone) == "OK"
    assert "lock" not in config(ask, 201, "pve2")


def test_snapshots_need_volumes_that_can_be_snapshotted(ask):
    root = ticket(ask, "root@pam", "secret")
    path = f"{LXC}/200"
    assert ask("PUT", path + "/config", mp1="/host,mp=/srv", headers=root).status == 200
    refused = ask("POST", path + "/snapshot", snapname="before")
    assert ask.exit_status(refused) == "snapshot feature is not available"
    ask.exit_status(ask("POST", path + "/status/stop"))
    ask("PUT", path + "/config", delete="mp1", headers=root)
    assert ask.exit_status(ask("POST", path + "/snapshot", snapname="before", description="d")) == "OK"
    assert {s["name"]: s["description"] for s in ask("GET", path + "/snapshot").data}["before"] == "d\n"
    ask("PUT", path + "/config", memory=2048, mp2="local-lvm:1,mp=/x")
    assert ask.exit_status(ask("POST", path + "/snapshot/before/rollback", start=1)) == "OK"
    now = config(ask, 200)
    assert (now["memory"], now["unused0"], "mp2" in now) == (512, "local-lvm:vm-200-disk-1", False)
    assert ask("GET", path + "/status/current").data["status"] == "running"
    assert ask.exit_status(ask("DELETE", path + "/snapshot/before")) == "OK"
    assert "parent" not in config(ask, 200)


def test_volumes_grow_and_move(ask, fake):
    path = "/nodes/pve2/lxc/201"
    assert ask("PUT", path + "/resize", disk="rootfs", size="1G").reason == "unable to shrink disk size"
    assert ask("PUT", path + "/resize", disk="rootfs", size="8G").reason == "disk is already at specified size"
    assert ask.exit_status(ask("PUT", path + "/resize", disk="rootfs", size="+1G")) == "OK"
    assert ask.exit_status(ask("POST", path + "/move_volume", volume="rootfs", storage="ceph")) == "OK"
    now = config(ask, 201, "pve2")
    assert (now["rootfs"], now["unused0"]) == ("ceph:vm-201-disk-0,size=9G", "local-lvm:vm-201-disk-0")
    assert ask("POST", f"{LXC}/200/move_volume", volume="rootfs", storage="ceph").reason == (
        "cannot move volumes of a running container")
    ask("PUT", path + "/config", mp0="ceph:1,mp=/a")
    made(ask, 300, rootfs="ceph:1")
    fake.patch(guests=[{"vmid": 300, "node": "pve2"}])
    assert ask.exit_status(ask("POST", path + "/move_volume", volume="mp0", **{"target-vmid": 300})) == "OK"
    assert config(ask, 300, "pve2")["mp0"] == "ceph:vm-300-disk-1,mp=/a,size=1G"


def test_a_container_is_destroyed_stopped_or_by_force(ask, fake):
    path = f"{LXC}/200"
    ask("PUT", path + "/config", protection=1)
    assert ask("DELETE", path, force=1).reason == "can't remove CT 200 - protection mode enabled"
    ask("PUT", path + "/config", protection=0)
    assert ask("DELETE", path).reason == "unable to destroy CT 200 - container is running"
    assert ask.exit_status(ask("DELETE", path, force=1, purge=1)) == "OK"
    assert "vm-200-disk-0" not in volumes(fake, "local-lvm")


def test_a_running_container_tells_its_addresses(ask, fake):
    fake.patch(guests=[{"vmid": 200, "addresses": ["192.0.2.9/24"]}])
    eth0 = {i["name"]: i for i in ask("GET", f"{LXC}/200/interfaces").data}["eth0"]
    assert (eth0["inet"], eth0["ip-addresses"][0]["ip-address"]) == ("192.0.2.9/24", "192.0.2.9")
    assert ask("GET", "/nodes/pve2/lxc/201/interfaces").data is None
