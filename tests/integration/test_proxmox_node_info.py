# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_node_info: the nodes, whatever state they are in."""

from __future__ import annotations

import pytest
from readers import NOBODY, asked


@pytest.fixture
def nodes(ferrox, connection):
    def run(**options):
        return ferrox("proxmox_node_info", {**connection, **options})

    return run


def by_name(result):
    return {node["node"]: node for node in result["proxmox_nodes"]}


def test_an_option_that_it_does_not_have_is_named(nodes, cluster):
    result = nodes(node="pve1")
    assert result["failed"]
    assert result["msg"].startswith("Unsupported parameters for (proxmox_node_info) module: node.")
    assert cluster.requests() == []


def test_every_node_is_told_with_its_network_and_version(nodes):
    result = nodes()
    assert not result["changed"] and "warnings" not in result
    assert [node["node"] for node in result["proxmox_nodes"]] == ["pve1", "pve2", "pve3"]
    pve1 = result["proxmox_nodes"][0]
    assert pve1["version"] == {"version": "9.2.11", "release": "9.2", "repoid": "3c7d5a2f9b1e4d60"}
    assert [interface["iface"] for interface in pve1["network"]] == ["eno1", "vmbr0"]
    assert pve1["network"][1]["cidr"] == "192.0.2.11/24"
    assert (pve1["id"], pve1["type"], pve1["status"], pve1["maxcpu"]) == ("node/pve1", "node", "online", 4)


def test_it_asks_for_the_nodes_and_each_of_them_twice(nodes, cluster):
    nodes()
    assert sorted(asked(cluster)) == sorted(
        ["GET /nodes", *(f"GET /nodes/pve{n}/{what}" for n in (1, 2, 3) for what in ("network", "version"))]
    )


def test_two_runs_say_the_same(nodes):
    assert nodes() == nodes()


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, nodes, cluster):
    result = ferrox("proxmox_node_info", connection, check=True, diff=True)
    assert result["proxmox_nodes"] == nodes()["proxmox_nodes"]
    assert not result["changed"] and "diff" not in result
    assert cluster.stats()["writes"] == 0


def test_a_node_that_is_offline_is_a_warning_and_is_not_asked(nodes, cluster):
    cluster.patch(nodes={"pve3": {"online": False}})
    result = nodes()
    assert not result.get("failed")
    pve3 = by_name(result)["pve3"]
    assert pve3["status"] == "offline" and pve3.keys().isdisjoint({"network", "version"})
    assert "version" in by_name(result)["pve2"]
    assert result["warnings"] == ["node `pve3` is offline: its network and version are not known"]
    assert not any("/nodes/pve3/" in request for request in asked(cluster))


def test_a_node_that_goes_down_in_between_is_a_warning(nodes, cluster):
    cluster.fault(path="/nodes/pve2/.*", status=595, reason="No route to host", empty=True, times=None)
    result = nodes()
    assert not result.get("failed")
    assert by_name(result)["pve2"].keys().isdisjoint({"network", "version"})
    assert by_name(result)["pve1"].keys() > {"network", "version"}
    assert result["warnings"] == [
        "unable to read network and version of node `pve2`: GET /nodes/pve2/network answered 595: No route to host. "
        "The node is offline or unreachable from the one that was asked"
    ]


def test_what_one_question_does_not_tell_the_other_does(nodes, cluster):
    cluster.fault(path="/nodes/pve2/network", status=500, message="can't open '/etc/network/interfaces'\n", times=None)
    result = nodes()
    pve2 = by_name(result)["pve2"]
    assert "network" not in pve2 and pve2["version"]["release"] == "9.2"
    assert result["warnings"] == [
        "unable to read network of node `pve2`: GET /nodes/pve2/network answered 500: "
        "can't open '/etc/network/interfaces'"
    ]


def test_a_caller_without_privileges_is_told_the_nodes(nodes):
    assert list(by_name(nodes(**NOBODY))) == ["pve1", "pve2", "pve3"]


def test_in_a_playbook_it_is_unchanged(playbook, connection):
    run = playbook([{"ferrox.proxmox.proxmox_node_info": connection}])
    assert run.rc == 0 and not run.result["changed"]
    assert len(run.result["proxmox_nodes"]) == 3
