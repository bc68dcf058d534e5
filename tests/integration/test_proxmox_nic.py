# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_nic: a card comes, changes and goes, and keeps what is not stated of it.

In the demo 102 (web-old-2) is stopped and 103 (db) runs; each has net0 on vmbr0.
"""

from __future__ import annotations

import pytest

from readers import ONLOOKER

RESOURCES = "GET /cluster/resources"


def config(vmid, node="pve2"):
    return f"GET /nodes/{node}/qemu/{vmid}/config"


def write(vmid, node="pve2"):
    return f"PUT /nodes/{node}/qemu/{vmid}/config"


@pytest.fixture
def nic(ferrox, connection):
    """Runs the module for a card of web-old-2: nic("net1", bridge="vmbr0", check=True) -> result."""

    def run(interface, check=False, diff=False, **options):
        named = {} if {"vmid", "name"} & set(options) else {"name": "web-old-2"}
        return ferrox("proxmox_nic", {**connection, **named, "interface": interface, **options}, check=check, diff=diff)

    return run


@pytest.fixture
def card(cluster):
    """A card as the server has it: card("net0", vmid=102) -> {"virtio": MAC, "bridge": "vmbr0"}, or None."""

    def read(interface, vmid=102):
        guest = next(guest for guest in cluster.state()["guests"] if guest["vmid"] == vmid)
        text = guest["config"].get(interface)
        return text and dict(part.split("=", 1) for part in text.split(","))

    return read


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_vm_and_an_interface_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_nic", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: interface"
    result = ferrox("proxmox_nic", {**connection, "interface": "net0"})
    assert result["failed"] and result["msg"] == "one of the following is required: name, vmid"
    assert cluster.requests() == []


def test_check_mode_tells_of_a_new_card_and_writes_nothing(nic, card, asked):
    result = nic("net1", bridge="vmbr0", tag=30, check=True, diff=True)
    assert result["changed"] and result["vmid"] == 102
    assert result["msg"] == "Nic net1 updated on VM with vmid 102"
    assert result["diff"] == {"before": {"net1": None}, "after": {"net1": "virtio,bridge=vmbr0,tag=30"}}
    assert asked() == [RESOURCES, config(102)]
    assert card("net1") is None


def test_a_card_is_added_once(nic, card, asked):
    assert nic("net1", bridge="vmbr0", tag=30)["changed"]
    assert asked() == [RESOURCES, config(102), write(102)]
    there = card("net1")
    assert there["bridge"] == "vmbr0" and there["tag"] == "30" and there["virtio"]

    again = nic("net1", bridge="vmbr0", tag=30)
    assert not again["changed"] and again["msg"] == "Nic net1 unchanged on VM with vmid 102"
    assert asked() == [RESOURCES, config(102)]


def test_what_is_not_stated_is_kept_and_a_zero_takes_away(nic, card):
    nic("net1", bridge="vmbr0", tag=30, firewall=True, rate=12.5, trunks=[5, 6])
    mac = card("net1")["virtio"]
    assert nic("net1", tag=31)["changed"]
    assert card("net1") == {"virtio": mac, "bridge": "vmbr0", "firewall": "1", "rate": "12.5", "tag": "31",
                            "trunks": "5;6"}
    assert nic("net1", tag=0, rate=0, trunks=[])["changed"]
    assert card("net1") == {"virtio": mac, "bridge": "vmbr0", "firewall": "1"}
    assert not nic("net1", tag=0, rate=0, trunks=[])["changed"]
    assert nic("net1", firewall=False)["changed"]
    assert card("net1")["firewall"] == "0"


def test_check_mode_and_diff_of_a_change(nic, card, asked):
    before = card("net0")
    result = nic("net0", tag=20, check=True, diff=True)
    assert result["changed"]
    mac = before["virtio"]
    assert result["diff"] == {"before": {"net0": f"virtio={mac},bridge=vmbr0"},
                              "after": {"net0": f"virtio={mac},bridge=vmbr0,tag=20"}}
    assert card("net0") == before and write(102) not in asked()


def test_a_card_is_removed_once(nic, card, asked):
    nic("net1", bridge="vmbr0")
    assert nic("net1", state="absent", check=True)["changed"] and card("net1")
    result = nic("net1", state="absent")
    assert result["changed"] and result["msg"] == "Nic net1 deleted on VM with vmid 102"
    assert card("net1") is None
    asked()
    again = nic("net1", state="absent")
    assert not again["changed"] and again["msg"] == "Nic net1 does not exist on VM with vmid 102"
    assert asked() == [RESOURCES, config(102)]


# ------------------------------------------------------------------------------- where community.proxmox does otherwise


def test_a_running_vm_gets_its_vlan_and_keeps_its_mac(nic, card):
    mac = card("net0", 103)["virtio"]
    assert nic("net0", vmid=103, tag=20)["changed"]
    assert card("net0", 103) == {"virtio": mac, "bridge": "vmbr0", "tag": "20"}


def test_spelling_is_no_difference(nic):
    nic("net1", bridge="vmbr0", mac="BC:24:11:00:AA:01", rate=10, trunks=[5, 6])
    assert not nic("net1", mac="bc:24:11:00:aa:01", rate=10.0, trunks=[6, 5])["changed"]


def test_an_mtu_that_the_model_does_not_have_is_told_and_not_sent(nic, card):
    result = nic("net1", bridge="vmbr0", model="e1000", mtu=1400)
    assert result["changed"] and "mtu" not in card("net1")
    assert result["warnings"] == ["net1: the mtu is not set, as only the model virtio has one; this card is e1000"]


def test_what_is_not_there_is_told_in_the_words_that_playbooks_know(nic, cluster):
    for options, says in [
        ({"vmid": 999}, "VM with vmid 999 does not exist in cluster"),
        ({"name": "nobody"}, "VM with name = nobody does not exist in cluster"),
        ({"vmid": 200}, "VM with vmid 200 does not exist in cluster"),
    ]:
        result = nic("net0", **options)
        assert result["failed"] and says in result["msg"]
    assert not [request for request in cluster.requests() if request["method"] != "GET"]


def test_a_card_that_no_vm_has_is_told_before_anything_is_asked(nic, cluster):
    result = nic("eth0", bridge="vmbr0")
    assert result["failed"] and result["msg"] == "interface must be one of net0 to net31, got: eth0"
    assert cluster.requests() == []


def test_a_missing_right_is_named(nic):
    result = nic("net0", tag=20, **ONLOOKER)
    assert result["failed"] and "VM.Config.Network" in result["failure"]["privilege"].split("|")
