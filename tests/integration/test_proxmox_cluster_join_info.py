# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_cluster_join_info: what a node needs to join, and the node that is in no cluster."""

from __future__ import annotations

import pytest
from readers import ONLOOKER, PROVISIONER, asked, lacks

SENTENCE = "Node is not part of a cluster and does not have any join information."


@pytest.fixture
def join(ferrox, connection):
    def run(**options):
        return ferrox("proxmox_cluster_join_info", {**connection, **options})

    return run


def test_an_option_that_it_does_not_have_is_named(join, cluster):
    result = join(node="pve1")
    assert result["failed"]
    assert result["msg"].startswith("Unsupported parameters for (proxmox_cluster_join_info) module: node.")
    assert cluster.requests() == []


def test_what_a_node_needs_is_told(join, cluster):
    result = join()
    assert not result["changed"]
    told = result["cluster_join"]
    assert told.keys() == {"config_digest", "preferred_node", "totem", "nodelist"}
    assert [node["name"] for node in told["nodelist"]] == ["pve1", "pve2", "pve3"]
    assert told["nodelist"][0]["pve_addr"] == "192.0.2.11"
    assert asked(cluster) == ["GET /cluster/config/join"]


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, join):
    result = ferrox("proxmox_cluster_join_info", connection, check=True, diff=True)
    assert result["cluster_join"] == join()["cluster_join"]
    assert not result["changed"] and "diff" not in result


def test_a_node_in_no_cluster_is_told_in_the_known_sentence(join, cluster):
    cluster.fault(path="/cluster/config/join", status=424, message="node is not in a cluster, no join info available!\n")
    result = join()
    assert result["failed"] and result["msg"] == SENTENCE


def test_another_error_is_told_as_it_is(join, cluster):
    cluster.fault(path="/cluster/config/join", status=500, message="unable to read corosync.conf\n")
    result = join()
    assert result["failed"]
    assert result["msg"] == (
        "unable to read what a node needs to join: GET /cluster/config/join answered 500: unable to read corosync.conf"
    )


def test_an_onlooker_may_ask_and_others_are_told_which_privilege_they_lack(join):
    assert join(**ONLOOKER)["cluster_join"]["preferred_node"] == "pve1"
    assert lacks(join(**PROVISIONER), "Sys.Audit", "/")
