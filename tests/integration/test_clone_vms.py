# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms: VMs from nothing to what is wanted of them, and what of that is written."""

from __future__ import annotations

import urllib.parse

import pytest
from clone_vms import MODULE, asked, clone, guests, lines, only, rows, sent, writes  # noqa: F401
from conftest import ANSIBLE

WEB = ("web-1", "web-2", "web-3")
KEYS = {"name", "vmid", "node", "source_vmid", "created", "changed", "status", "pending", "seconds", "error"}
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3f7Vd9cYf1m9E7mXHq1k5c3b1x2w4z6y8u0t2r4q6p admin@example"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 second key+more"
LISTS = ["GET /cluster/resources", *(f"GET /nodes/pve{node}/qemu?full=1" for node in (1, 2, 3))]


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_vms_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox(MODULE, connection)
    assert result["failed"] and result["msg"] == "missing required arguments: vms"
    assert cluster.requests() == []


def test_a_vm_without_a_name_is_named_by_its_place(clone, cluster):
    result = clone({"vmid": 300}, template="debian-13")
    assert result["failed"] and result["msg"] == "missing required arguments: name found in vms"
    assert cluster.requests() == []


def test_an_unknown_key_of_a_vm_is_named(clone, cluster):
    result = clone({"name": "web-1", "memroy": 4096}, template="debian-13")
    assert result["failed"]
    assert "Unsupported parameters" in result["msg"] and "vms.memroy" in result["msg"]
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_vms_and_writes_nothing(clone, cluster):
    result = clone(*WEB, template="debian-13", cores=4, state="started", check=True, diff=True)
    assert result["changed"] and result["msg"] == "3 VMs: 3 created, 0 changed, 0 as wanted"
    new = {"template": 9000, "node": "pve1", "vmid": "allocated", "cores": "4", "status": "running"}
    assert result["diff"] == {"before": {}, "after": dict.fromkeys(WEB, new)}
    for row in result["vms"]:
        assert row.keys() == KEYS
        assert (row["created"], row["changed"], row["error"]) == (True, True, None)
        assert (row["vmid"], row["node"], row["source_vmid"], row["status"]) == (None, "pve1", 9000, "running")
    assert asked(cluster) == [*LISTS[:1], "GET /nodes/pve1/qemu/9000/config", *LISTS[1:]]
    assert guests(cluster) == []


def test_they_are_created_once(clone, cluster):
    result = clone(*WEB, template="debian-13", cores=4)
    assert result["changed"] and not result.get("failed")
    assert [row["name"] for row in result["vms"]] == list(WEB)
    assert sorted(row["vmid"] for row in result["vms"]) == [106, 107, 108]
    for name, row in rows(result).items():
        assert row.keys() == KEYS
        assert (row["created"], row["changed"], row["status"], row["error"]) == (True, True, "stopped", None)
        guest = only(cluster, name)
        assert (guest["vmid"], guest["node"], guest["config"]["cores"]) == (row["vmid"], "pve1", 4)
    cluster.control("DELETE", "/requests")

    result = clone(*WEB, template="debian-13", cores=4)
    assert not result["changed"] and result["msg"] == "3 VMs: 0 created, 0 changed, 3 as wanted"
    for name, row in rows(result).items():
        assert (row["created"], row["changed"], row["source_vmid"]) == (False, False, None)
        assert row["vmid"] == only(cluster, name)["vmid"]
    assert lines(cluster) == []


def test_only_what_differs_is_written(clone, cluster):
    clone(*WEB, template="debian-13", cores=4, memory=4096, tags=["web", "prod"])
    cluster.control("DELETE", "/requests")
    result = clone("web-1", {"name": "web-2", "cores": 8}, "web-3",
                   template="debian-13", cores=4, memory=4096, tags=["prod", "web"])
    assert result["changed"] and result["msg"] == "3 VMs: 0 created, 1 changed, 2 as wanted"
    vmid = only(cluster, "web-2")["vmid"]
    assert writes(cluster) == [(f"PUT /nodes/pve1/qemu/{vmid}/config", {"cores": "8"})]
    assert [row["changed"] for row in result["vms"]] == [False, True, False]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(clone, cluster):
    clone("web-1", template="debian-13", cores=4, description="first")
    cluster.control("DELETE", "/requests")
    result = clone("web-1", template="debian-13", cores=2, description="", disks={"scsi0": {"size": "5G"}}, pool="lab",
                   check=True, diff=True)
    assert result["changed"]
    assert result["diff"] == {
        "before": {"web-1": {"cores": "4", "description": "first", "scsi0": {"size": "3G"}, "pool": None}},
        "after": {"web-1": {"cores": "2", "description": None, "scsi0": {"size": "5G"}, "pool": "lab"}},
    }
    [row] = result["vms"]
    assert (row["created"], row["changed"]) == (False, True)
    assert lines(cluster) == []


def test_what_is_not_stated_is_left_alone(clone, cluster):
    before = cluster.guest(100)
    result = clone("gateway", template="debian-13")
    assert not result["changed"]
    assert cluster.guest(100) == before


def test_a_vm_that_is_there_is_brought_to_what_is_stated(clone, cluster):
    result = clone({"name": "web-old-2", "pool": "lab", "disks": {"scsi0": {"size": "12G"}}, "state": "started"})
    assert result["changed"] and not result.get("failed")
    guest = cluster.guest(102)
    assert (guest["pool"], guest["status"]) == ("lab", "running")
    assert "size=12G" in guest["config"]["scsi0"]
    assert not clone({"name": "web-old-2", "pool": "lab", "disks": {"scsi0": {"size": "12G"}},
                      "state": "started"})["changed"]


@pytest.mark.parametrize("ansible", ANSIBLE)
def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection, ansible):
    task = {f"ferrox.proxmox.{MODULE}": {
        **connection,
        "defaults": {"template": "debian-13", "tags": ["web"], "state": "started", "wait_for": "ip"},
        "vms": [{"name": "web-1"}, {"name": "web-2", "memory": 4096}],
    }}
    run = playbook([task, task], ansible=ansible)
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
    assert all(row["ip_addresses"] for row in run.result["vms"])


# -------------------------------------------------------------------------------------------- what reaches the API


@pytest.mark.parametrize(
    "stated, written",
    [
        ({"description": "A web server"}, {"description": "A web server"}),
        ({"tags": ["web", "prod"]}, {"tags": "web;prod"}),
        ({"cores": 4}, {"cores": "4"}),
        ({"sockets": 2}, {"sockets": "2"}),
        ({"cpu": "host,flags=+aes"}, {"cpu": "host,flags=+aes"}),
        ({"memory": 8192}, {"memory": "8192"}),
        ({"balloon": 0}, {"balloon": "0"}),
        ({"onboot": True}, {"onboot": "1"}),
        ({"agent": False}, {"agent": "0"}),
        ({"agent": "enabled=1,fstrim_cloned_disks=1"}, {"agent": "1,fstrim_cloned_disks=1"}),
        ({"startup": "order=2,up=30"}, {"startup": "order=2,up=30"}),
        ({"net": {"net0": "virtio,bridge=vmbr1"}}, {"net0": "virtio,bridge=vmbr1"}),
        (
            {"net": {"net1": {"model": "e1000", "bridge": "vmbr0", "vlan": 20, "mac": "BC:24:11:00:00:77",
                              "firewall": True, "rate": 10, "mtu": 1400}}},
            {"net1": "e1000=BC:24:11:00:00:77,bridge=vmbr0,firewall=1,mtu=1400,rate=10,tag=20"},
        ),
        ({"ciuser": "admin"}, {"ciuser": "admin"}),
        ({"cipassword": "correct horse"}, {"cipassword": "********"}),
        ({"ipconfig": {"ipconfig0": "ip=192.0.2.10/24,gw=192.0.2.1"}}, {"ipconfig0": "ip=192.0.2.10/24,gw=192.0.2.1"}),
        ({"nameservers": ["192.0.2.53", "192.0.2.54"]}, {"nameserver": "192.0.2.53 192.0.2.54"}),
        ({"searchdomains": ["example.org", "example.net"]}, {"searchdomain": "example.org example.net"}),
        ({"cicustom": "user=local:snippets/web.yml"}, {"cicustom": "user=local:snippets/web.yml"}),
        ({"ciupgrade": False}, {"ciupgrade": "0"}),
        ({"config": {"numa": True, "vga": "std", "cpulimit": 1.5}}, {"numa": "1", "vga": "std", "cpulimit": "1.5"}),
        ({"config": {"serial0": "", "vga": "std"}}, {"delete": "serial0", "vga": "std"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_each_option_reaches_the_api_once(clone, cluster, stated, written):
    result = clone("web-1", template="debian-13", **stated)
    assert result["changed"] and not result.get("failed")
    assert sent(cluster, "/qemu/106/config") == [written]

    result = clone("web-1", template="debian-13", **stated)
    assert not result["changed"]
    assert len(sent(cluster, "/config")) == 1


@pytest.mark.parametrize("keys", [[ED25519, RSA], f"{ED25519}\n{RSA}\n"], ids=["list", "text"])
def test_ssh_keys_are_a_list_or_a_text(clone, cluster, keys):
    assert clone("web-1", template="debian-13", sshkeys=keys)["changed"]
    assert urllib.parse.unquote(only(cluster, "web-1")["config"]["sshkeys"]).split("\n") == [ED25519, RSA]
    assert not clone("web-1", template="debian-13", sshkeys=[ED25519, RSA])["changed"]
    assert not clone("web-1", template="debian-13", sshkeys=f"{ED25519}\n{RSA}")["changed"]
    assert clone("web-1", template="debian-13", sshkeys=[RSA])["changed"]


def test_disks_grow_and_do_so_once(clone, cluster):
    for _ in range(2):
        result = clone("web-1", template="debian-13", disks={"scsi0": {"size": "40G"}})
        assert not result.get("failed")
    assert not result["changed"]
    assert sent(cluster, "/resize") == [{"disk": "scsi0", "size": "40G"}]
    assert "size=40G" in only(cluster, "web-1")["config"]["scsi0"]


def test_a_network_card_keeps_its_mac_address(clone, cluster):
    clone("web-1", template="debian-13", net={"net0": {"bridge": "vmbr0"}}, state="started")
    before = only(cluster, "web-1")["config"]["net0"]
    assert sent(cluster, "/config") == []
    result = clone("web-1", template="debian-13", net={"net0": {"bridge": "vmbr1", "vlan": 20}})
    assert result["changed"] and not result.get("failed")
    after = only(cluster, "web-1")["config"]["net0"]
    assert after.split(",")[0] == before.split(",")[0]
    assert set(after.split(",")[1:]) == {"bridge=vmbr1", "tag=20"}


def test_a_clone_does_not_get_the_mac_address_of_its_template(clone, cluster):
    template = cluster.guest(9000)["config"]["net0"].split(",")[0].partition("=")[2]
    clone("web-1", template="debian-13", net={"net0": {"bridge": "vmbr1"}})
    assert template not in only(cluster, "web-1")["config"]["net0"]


def test_linked_clones_never_send_storage_and_format_and_full_ones_do(clone, cluster):
    settings = {"template": "debian-13", "storage": "nfs", "format": "qcow2"}
    result = clone({"name": "linked", **settings, "clone_type": "linked"}, {"name": "auto", **settings},
                   {"name": "full", **settings, "clone_type": "full"}, {"name": "copy", "template": "web-old-2"},
                   parallel=1)
    assert not result.get("failed")
    assert result["warnings"] == [
        f"{name}: storage and format are for full clones; this one is linked and lies where its template lies"
        for name in ("linked", "auto")
    ]
    assert [{key: value for key, value in body.items() if key != "newid"} for body in sent(cluster, "/clone")] == [
        {"name": "linked", "full": "0"},
        {"name": "auto", "full": "0"},
        {"name": "full", "full": "1", "storage": "nfs", "format": "qcow2"},
        {"name": "copy", "full": "1"},
    ]
    assert only(cluster, "full")["config"]["scsi0"].startswith("nfs:")


def test_a_clone_may_be_made_on_another_node_and_in_a_pool(clone, cluster):
    result = clone("web-1", template="debian-13", node="pve3", pool="lab", description="there", cores=4)
    assert not result.get("failed")
    [(request, body), *_] = writes(cluster)
    assert request == "POST /nodes/pve1/qemu/9000/clone"
    assert (body["target"], body["pool"]) == ("pve3", "lab")
    guest = only(cluster, "web-1")
    assert (guest["node"], guest["pool"], guest["config"]["cores"]) == ("pve3", "lab", 4)
    assert rows(result)["web-1"]["node"] == "pve3"
    assert not clone("web-1", template="debian-13", node="pve3", pool="lab", description="there", cores=4)["changed"]


def test_defaults_merge_under_each_vm(clone, cluster):
    result = clone(
        {"name": "web-1", "net": {"net0": {"vlan": 20}}, "tags": ["db"], "config": {"numa": True}, "memory": None},
        "web-2",
        template="debian-13", memory=1024, tags=["web", "prod"], config={"vga": "std"},
        net={"net0": {"bridge": "vmbr1"}, "net1": "virtio,bridge=vmbr0"}, disks={"scsi0": {"size": "8G"}},
    )
    assert not result.get("failed")
    one, two = only(cluster, "web-1")["config"], only(cluster, "web-2")["config"]
    assert {"bridge=vmbr1", "tag=20"} <= set(one["net0"].split(",")) and "tag=" not in two["net0"]
    assert (one["tags"], two["tags"]) == ("db", "prod;web")
    assert (one["vga"], one["numa"], two["vga"]) == ("std", 1, "std") and "numa" not in two
    assert one["memory"] == two["memory"] == "1024"
    assert "net1" in one and "net1" in two and "size=8G" in one["scsi0"] and "size=8G" in two["scsi0"]


def test_started_means_running(clone, cluster):
    assert clone("web-1", template="debian-13", state="started")["vms"][0]["status"] == "running"
    assert only(cluster, "web-1")["status"] == "running"
    assert not clone("web-1", template="debian-13", state="started")["changed"]
    assert not clone("web-1", template="debian-13", state="present")["changed"]
    assert only(cluster, "web-1")["status"] == "running"
