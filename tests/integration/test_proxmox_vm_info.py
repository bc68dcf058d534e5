# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_vm_info: guests of both kinds, many at a time, whatever state they and their nodes are in."""

from __future__ import annotations

import pytest
from readers import NOBODY, ONLOOKER, lacks


@pytest.fixture
def guests(ferrox, connection):
    def run(check=False, diff=False, **options):
        return ferrox("proxmox_vm_info", {**connection, **options}, check=check, diff=diff)

    return run


def by_vmid(result):
    return {guest["vmid"]: guest for guest in result["proxmox_vms"]}


def vmids(result):
    return [guest["vmid"] for guest in result["proxmox_vms"]]


def test_an_option_that_it_does_not_know_is_named(guests, cluster):
    result = guests(type="bhyve")
    assert result["failed"] and result["msg"] == "value of type must be one of: lxc, qemu, all, got: bhyve"
    assert cluster.requests() == []


# ------------------------------------------------------------------------------------------------- what is told


def test_all_guests_are_told_in_the_order_of_their_vmids(guests):
    result = guests()
    assert not result["changed"] and "warnings" not in result
    assert vmids(result) == [100, 101, 102, 103, 104, 105, 200, 201, 9000, 9001, 9002, 9003]
    web = by_vmid(result)[101]
    assert (web["name"], web["node"], web["type"], web["status"]) == ("web-old-1", "pve1", "qemu", "running")
    assert (web["id"], web["pool"], web["tags"], web["template"], web["cpus"]) == ("qemu/101", "web", "web", False, 2)
    assert by_vmid(result)[9000]["template"] is True
    assert web.keys().isdisjoint({"config", "network"})


def test_all_guests_take_one_request_for_each_node_and_kind(guests, asked):
    guests()
    # The only one of its kind on a node is asked itself.
    assert sorted(asked()) == [
        "GET /cluster/resources", "GET /nodes/pve1/lxc/200/status/current", "GET /nodes/pve1/qemu",
        "GET /nodes/pve2/lxc/201/status/current", "GET /nodes/pve2/qemu", "GET /nodes/pve3/qemu/104/status/current",
    ]


@pytest.mark.parametrize("options", [{"vmid": 101}, {"name": "web-old-1"}, {"vmid": 101, "node": "pve1"}])
def test_one_guest_takes_two_requests(guests, asked, options):
    assert vmids(guests(**options)) == [101]
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/qemu/101/status/current"]


@pytest.mark.parametrize("vmid", [101, 200, 9000])
def test_one_guest_looks_as_it_does_among_all(guests, vmid):
    assert guests(vmid=vmid)["proxmox_vms"] == [by_vmid(guests())[vmid]]


@pytest.mark.parametrize(("options", "expected"), [
    ({"type": "lxc"}, [200, 201]),
    ({"node": "pve2"}, [102, 103, 105, 201, 9003]),
    ({"name": "alma-10"}, [9002, 9003]),
    ({"name": "alma-10", "node": "pve2"}, [9003]),
    ({"vmid": 101, "type": "lxc"}, []),
    ({"vmid": 777}, []),
    ({"name": "nobody"}, []),
    ({"name": ""}, []),
])
def test_guests_are_chosen_by_what_they_are(guests, options, expected):
    assert vmids(guests(**options)) == expected


def test_a_node_that_is_not_there_is_a_failure(guests, cluster):
    result = guests(node="pve9")
    assert result["failed"] and result["msg"] == "Node pve9 doesn't exist in PVE cluster"
    assert len(cluster.requests()) == 1


def test_check_mode_reads_as_well_and_there_is_no_diff(guests, cluster):
    checked = guests(check=True, diff=True, vmid=101, config="current")
    assert checked == guests(vmid=101, config="current")
    assert not checked["changed"] and "diff" not in checked
    assert cluster.stats()["writes"] == 0


# -------------------------------------------------------------------------------------- configuration and network


def test_the_configuration_is_told_with_or_without_what_waits_for_the_next_boot(guests, cluster):
    cluster.patch(guests=[{"vmid": 101, "pending": {"cores": 8}}])
    for config, cores in [("current", 2), ("pending", 8)]:
        web = by_vmid(guests(vmid=101, config=config))[101]
        assert web["config"]["cores"] == cores
        assert web["config"]["net0"] == "virtio=BC:24:11:00:00:65,bridge=vmbr0"


def test_the_network_is_told_by_the_agent_of_a_vm_and_by_a_container_itself(guests):
    told = {vmid: by_vmid(guests(vmid=vmid, network=True))[vmid]["network"] for vmid in (101, 200)}
    for vmid, mac in [(101, "bc:24:11:00:00:65"), (200, "bc:24:11:00:00:c8")]:
        (card,) = [card for card in told[vmid] if card["name"] == "eth0"]
        assert card["hardware-address"] == mac
    assert {"ip-address": "192.0.2.101", "ip-address-type": "ipv4", "prefix": 24} in told[101][1]["ip-addresses"]


def test_a_guest_that_cannot_tell_its_network_does_not_keep_the_others_from_it(guests, cluster, asked):
    cluster.patch(guests=[
        {"vmid": 104, "status": "stopped"},
        {"vmid": 105, "agent_secs": -1},
    ])
    asked()
    result = guests(type="qemu", network=True)
    assert not result.get("failed")
    told = by_vmid(result)
    assert {vmid for vmid, guest in told.items() if guest["network"] is not None} == {100, 101}
    assert result["warnings"] == [
        "no network is told where it does not run: "
        "web-old-2 (102), stubborn (104), debian-13 (9000), debian-13-local (9001), alma-10 (9002), alma-10 (9003)",
        "no network is told where its guest agent does not answer: ha-app (105)",
        "no network is told where its guest agent is not enabled: db (103)",
    ]
    # Nor is one asked that does not run.
    assert sum("/agent/" in request for request in asked()) == 4


def test_a_right_that_is_missing_is_named(guests, cluster):
    cluster.fault(path="/nodes/pve1/qemu/101/config", status=403, message="Permission check failed (/vms/101, VM.Audit)\n")
    result = guests(node="pve1", type="qemu", config="current")
    assert by_vmid(result)[101]["config"] is None and by_vmid(result)[100]["config"]["cores"] == 2
    (warning,) = result["warnings"]
    assert warning.startswith("unable to read the config of VM `web-old-1 (101)`: ")
    assert "The caller lacks VM.Audit on /vms/101;" in warning


# ------------------------------------------------------------------------------------------------------ freshness


def test_a_guest_that_is_too_young_for_the_list_of_all_is_found_by_its_name(guests, cluster):
    cluster.patch(stale={"103": {"name": None}})
    assert vmids(guests(name="db")) == [103]


def test_a_guest_that_has_another_name_by_now_is_not_told(guests, cluster):
    cluster.patch(stale={"102": {"name": "web-old-2"}, "103": {"name": "db"}},
                  guests=[{"vmid": 102, "name": "db"}, {"vmid": 103, "name": "old-db"}])
    assert vmids(guests(name="db")) == [102]


def test_what_a_guest_does_is_not_taken_from_the_list_of_all(guests, cluster):
    cluster.patch(stale={"101": {"status": "stopped"}})
    assert by_vmid(guests(vmid=101))[101]["status"] == "running"


# ------------------------------------------------------------------------------------------- nodes and privileges


def test_a_node_that_is_offline_is_a_warning_and_is_not_asked(guests, cluster, asked):
    cluster.patch(nodes={"pve2": {"online": False}})
    asked()
    result = guests(config="current", network=True)
    told = by_vmid(result)
    assert not result.get("failed") and len(told) == 12
    assert (told[103]["status"], told[103]["config"], told[103]["network"]) == ("unknown", None, None)
    assert told[101]["config"]["cores"] == 2 and told[101]["network"]
    assert result["warnings"][0] == (
        "node `pve2` is offline: of its guests no more is told than the cluster remembers: 102, 103, 105, 201, 9003"
    )
    assert not any("/nodes/pve2/" in request for request in asked())


def test_a_name_that_may_be_that_of_a_guest_on_an_offline_node_is_a_warning(guests, cluster):
    cluster.patch(nodes={"pve2": {"online": False}})
    result = guests(name="db", type="qemu")
    assert vmids(result) == []
    assert result["warnings"] == [
        "node `pve2` is offline: nobody knows whether a guest there has the name `db`: 102, 103, 105, 9003"
    ]


def test_a_node_that_goes_down_in_between_is_a_warning(guests, cluster, asked):
    cluster.fault(path="/nodes/pve2/qemu", status=595, reason="No route to host", empty=True, times=None)
    result = guests(type="qemu", config="current")
    assert not result.get("failed") and by_vmid(result)[103]["config"] is None
    assert by_vmid(result)[101]["config"]["cores"] == 2
    assert result["warnings"] == [
        "unable to read the status of the VMs of node `pve2`: GET /nodes/pve2/qemu answered 595: No route to host. "
        "The node is offline or unreachable from the one that was asked"
    ]
    assert not any("/nodes/pve2/qemu/" in request for request in asked())


def test_an_onlooker_is_told_all_and_a_caller_without_rights_nothing(guests):
    assert len(vmids(guests(**ONLOOKER))) == 12
    assert vmids(guests(**NOBODY)) == []


def test_in_a_playbook_it_is_unchanged(playbook, connection):
    run = playbook([{"ferrox.proxmox.proxmox_vm_info": {**connection, "vmid": 101}}])
    assert run.rc == 0 and not run.result["changed"]
    assert vmids(run.result) == [101]
