# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_cluster_status_info: quorum, and the nodes."""

from __future__ import annotations

import pytest
from readers import ONLOOKER, PROVISIONER, asked, lacks


@pytest.fixture
def status(ferrox, connection):
    def run(**options):
        return ferrox("proxmox_cluster_status_info", {**connection, **options})

    return run


def nodes(result):
    return {row["name"]: row for row in result["cluster_status"] if row["type"] == "node"}


def test_an_option_that_it_does_not_have_is_named(status, cluster):
    result = status(node="pve1")
    assert result["failed"]
    assert result["msg"].startswith("Unsupported parameters for (proxmox_cluster_status_info) module: node.")
    assert cluster.requests() == []


def test_the_cluster_comes_first_and_then_the_nodes_by_name(status, cluster):
    result = status()
    assert not result["changed"]
    assert [row["id"] for row in result["cluster_status"]] == ["cluster", "node/pve1", "node/pve2", "node/pve3"]
    first = result["cluster_status"][0]
    assert (first["name"], first["quorate"], first["nodes"]) == ("fakecluster", True, 3)
    assert asked(cluster) == ["GET /cluster/status"]


def test_switches_are_true_or_false(status):
    pve1, pve2, _ = nodes(status()).values()
    assert pve1 == {
        "id": "node/pve1", "type": "node", "name": "pve1", "nodeid": 1, "level": "", "ip": "192.0.2.11",
        "online": True, "local": True,
    }
    assert pve2["local"] is False


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, status):
    result = ferrox("proxmox_cluster_status_info", connection, check=True, diff=True)
    assert result["cluster_status"] == status()["cluster_status"]
    assert not result["changed"] and "diff" not in result


def test_a_node_that_is_offline_is_told_as_such(status, cluster):
    cluster.help("offline", node="pve3")
    assert [node["online"] for node in nodes(status()).values()] == [True, True, False]


def test_a_cluster_without_quorum_says_so(status, cluster):
    cluster.patch(quorate=False)
    assert status()["cluster_status"][0]["quorate"] is False


def test_an_onlooker_may_ask_and_others_are_told_which_privilege_they_lack(status):
    assert status(**ONLOOKER)["cluster_status"][0]["quorate"]
    result = status(**PROVISIONER)
    assert lacks(result, "Sys.Audit", "/")
    assert result["msg"].startswith("unable to read the status of the cluster: GET /cluster/status answered 403")
