# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_snap_info: the snapshots of one guest."""

from __future__ import annotations

import pytest
from readers import NOBODY, ONLOOKER


@pytest.fixture
def snapshots(ferrox, connection, cluster, asked):
    cluster.patch(guests=[
        {"vmid": 101, "snapshots": {"young": {"snaptime": 1790000100}, "old": {"snaptime": 1790000000, "description": "x"}}},
        {"vmid": 200, "snapshots": {"old": {}}},
    ])
    asked()

    def run(check=False, **options):
        return ferrox("proxmox_snap_info", {**connection, **options}, check=check)

    return run


def names(result):
    return [snapshot["name"] for snapshot in result["snapshots"]]


def test_without_a_guest_there_is_nothing_to_tell(snapshots, cluster):
    result = snapshots()
    assert not result["changed"] and not result.get("failed")
    assert result["msg"] == "Vmid could not be fetched (vmid or hostname required)"
    assert cluster.requests() == []


def test_snapshots_are_told_the_oldest_first(snapshots, asked):
    result = snapshots(vmid=101)
    assert not result["changed"] and names(result) == ["old", "young", "current"]
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/qemu/101/snapshot"]


def test_a_container_has_them_too(snapshots):
    assert names(snapshots(hostname="dns")) == ["old", "current"]


def test_one_is_told_by_its_name(snapshots):
    result = snapshots(vmid=101, snapname="old")
    assert (result["snapshot"]["name"], result["snapshot"]["description"]) == ("old", "x")
    assert "snapshots" not in result and "msg" not in result


def test_one_that_is_not_there_is_no_failure(snapshots):
    result = snapshots(vmid=101, snapname="never")
    assert not result.get("failed") and result["snapshots"] == []
    assert result["msg"] == "Snapshot 'never' not found"


def test_check_mode_reads_as_well(snapshots, cluster):
    assert snapshots(check=True, vmid=101) == snapshots(vmid=101)
    assert cluster.stats()["writes"] == 0


def test_a_guest_of_this_name_says_itself_that_it_bears_it(snapshots, cluster, asked):
    assert names(snapshots(hostname="web-old-1")) == ["old", "young", "current"]
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/qemu/101/status/current",
                       "GET /nodes/pve1/qemu/101/snapshot"]


def test_a_guest_that_is_not_there_is_a_failure(snapshots):
    for options, which in [({"vmid": 777}, "vmid 777"), ({"hostname": "nobody"}, "name = nobody")]:
        result = snapshots(**options)
        assert result["failed"] and result["msg"].startswith(f"VM with {which} does not exist in cluster")
    assert snapshots(vmid="web")["msg"] == "vmid must be a number, got: web"


def test_an_onlooker_is_told_them_and_a_caller_without_rights_is_not(snapshots):
    assert names(snapshots(vmid=101, **ONLOOKER)) == ["old", "young", "current"]
    assert snapshots(vmid=101, **NOBODY)["failed"]


def test_in_a_playbook_it_is_unchanged(playbook, connection):
    run = playbook([{"ferrox.proxmox.proxmox_snap_info": {**connection, "vmid": 101}}])
    assert run.rc == 0 and not run.result["changed"] and names(run.result) == ["current"]
