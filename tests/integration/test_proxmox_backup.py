# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_backup: backups of guests now, each node its own.

In the demo 100, 101 and 200 are on pve1, 102 and 103 on pve2, 104 on pve3; the storage nfs takes backups.
"""

from __future__ import annotations

import re

import pytest

RESOURCES = "GET /cluster/resources"
RIGHTS = "GET /access/permissions"
SEPARATE = "ansible@pam!separate"


@pytest.fixture
def backup(ferrox, connection):
    """Runs the module: backup(101, 102, wait=True, check=True) -> result."""

    def run(*vmids, check=False, diff=False, as_token=None, **options):
        args = {**connection, "storage": "nfs", **options}
        if vmids:
            args = {"mode": "include", "vmids": list(vmids), **args}
        if as_token:
            args["api_token_id"] = as_token
        return ferrox("proxmox_backup", args, check=check, diff=diff)

    return run


def archives(cluster):
    """The VMIDs of the backups that were made."""
    seeded = {"backup/vzdump-qemu-101-2026_10_31-02_00_00.vma.zst", "backup/vzdump-lxc-200-2026_10_31-02_10_00.tar.zst"}
    volumes = set(cluster.state()["storages"]["nfs"]["volumes"]) - seeded
    return sorted(int(name.split("-")[2]) for name in volumes if name.startswith("backup/"))


def rows(result):
    return {row["node"]: row for row in result["backups"]}


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_mode_and_storage_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_backup", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: mode, storage"
    assert cluster.requests() == []


def test_check_mode_begins_nothing(backup, cluster, asked):
    result = backup(101, 102, check=True, diff=True)
    assert result["changed"] and result["msg"] == "Backups would be created"
    assert result["backups"] == []
    assert result["diff"] == {"before": {}, "after": {"backups": {"pve1": [101], "pve2": [102]}}}
    assert asked() == [RESOURCES, RIGHTS]
    nothing = backup(102, node="pve1", check=True)
    assert not nothing["changed"] and nothing["msg"] == "No backups would be created"
    assert archives(cluster) == []


def test_each_node_backs_up_its_own_guests(backup, cluster, asked):
    result = backup(101, 102, wait=True)
    assert result["changed"] and result["msg"] == "Backups succeeded"
    told = rows(result)
    assert {node: row["status"] for node, row in told.items()} == {
        "pve1": "success", "pve2": "success", "pve3": "unknown"}
    assert told["pve3"] == {"node": "pve3", "upid": "OK", "status": "unknown", "log": ""}
    assert told["pve2"]["upid"].startswith("UPID:pve2:")
    assert "INFO: Starting Backup of VM 102 (qemu), " in told["pve2"]["log"]
    assert told["pve2"]["log"].endswith(", TASK OK")
    requests = asked()
    assert requests[:2] == [RESOURCES, RIGHTS] and len(requests) == 8
    assert sum(request.startswith("POST ") for request in requests) == 2
    assert archives(cluster) == [101, 102]


def test_every_run_makes_another_backup(backup, cluster):
    assert backup(101, wait=True)["changed"] and backup(101, wait=True)["changed"]
    assert archives(cluster) == [101, 101]


def test_without_waiting_the_tasks_are_named(backup, cluster, asked):
    cluster.control("POST", "/time-scale", {"time_scale": 0.5})
    result = backup(101)
    assert result["changed"] and result["msg"] == "Backup tasks created"
    row = rows(result)["pve1"]
    assert (row["status"], row["log"]) == ("unknown", "")
    assert row["upid"] in [task["upid"] for task in cluster.state()["tasks"] if task["status"] == "running"]
    assert len(asked()) == 3


def test_where_nothing_is_to_be_done_nothing_is_begun(backup, cluster, asked):
    result = backup(101, node="pve2")
    assert not result["changed"] and result["msg"] == "Backup request sent to proxmox, no tasks created"
    assert result["backups"] == [{"node": "pve2", "upid": "OK", "status": "unknown", "log": ""}]
    assert result["warnings"] == ["not backed up, as they are on node `pve1` and not on `pve2`: 101"]
    assert asked() == [RESOURCES, RIGHTS]


def test_a_pool_and_all_guests(backup, cluster):
    assert backup(mode="pool", pool="web", wait=True)["msg"] == "Backups succeeded"
    assert archives(cluster) == [101, 102]
    assert backup(mode="pool", pool="lab", wait=True)["changed"] is False
    backup(mode="all", node="pve3", wait=True)
    assert archives(cluster) == [101, 102, 104]


# --------------------------------------------------------------------------------------------------- how tasks end


def test_warnings_are_a_success(backup, cluster):
    cluster.patch(guests=[{"vmid": 101, "backup_warning": "a volume is left out"}])
    result = backup(101, wait=True)
    assert result["changed"] and not result.get("failed") and result["msg"] == "Backups succeeded"
    assert rows(result)["pve1"]["status"] == "success"
    assert result["warnings"] == ["pve1: WARN: a volume is left out"]


def test_one_node_that_fails_is_told_beside_the_others(backup, cluster):
    cluster.patch(guests=[{"vmid": 101, "backup_error": "job failed: Input/output error"}])
    result = backup(101, 102, 200, wait=True)
    assert result["failed"] and result["changed"]
    assert result["msg"].startswith("1 of 2 nodes failed: unable to back up the guests of node `pve1`: task UPID:pve1:")
    assert result["msg"].endswith("failed: job errors")
    assert {node: row["status"] for node, row in rows(result).items()} == {
        "pve1": "failed", "pve2": "success", "pve3": "unknown"}
    assert "ERROR: Backup of VM 101 failed" in rows(result)["pve1"]["log"]
    assert result["warnings"] == ["node pve1: Backup of VM 101 failed - job failed: Input/output error"]
    assert result["failure"]["kind"] == "task_failed" and result["failure"]["log"][-1] == "TASK ERROR: job errors"
    assert archives(cluster) == [102, 200]


@pytest.mark.parametrize("ending", ["interrupted by signal", "can't acquire lock '/var/run/vzdump.lock' - got timeout"])
def test_any_other_end_is_told_at_once(backup, cluster, ending):
    cluster.fault(method="POST", path="/nodes/pve1/vzdump", task={"exitstatus": ending})
    result = backup(101, wait=True)
    assert result["failed"] and result["msg"].endswith(f"failed: {ending}")
    assert rows(result)["pve1"]["status"] == "failed"


def test_a_node_that_refuses_is_told_beside_the_others(backup, cluster):
    cluster.fault(method="POST", path="/nodes/pve2/vzdump", status=500, message="no")
    result = backup(101, 102, wait=True)
    assert result["failed"] and result["changed"]
    assert rows(result)["pve2"] == {"node": "pve2", "upid": "", "status": "failed", "log": ""}
    assert rows(result)["pve1"]["status"] == "success"


def test_a_time_that_is_stated_is_kept_to(backup, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 1})
    cluster.patch(guests=[{"vmid": 101, "backup_secs": 60}])
    result = backup(101, wait=True, wait_timeout=1)
    assert result["failed"] and result["changed"]
    row = rows(result)["pve1"]
    assert row["status"] == "unknown"
    # What stood against the end at last may be told in between: a question that had no answer in time, say.
    said = rf"took longer than 1 s(; at last: [^;]+)?; task {re.escape(row['upid'])} is left running"
    assert re.search(said, result["msg"])


def test_a_task_whose_answer_comes_after_the_time_that_is_stated_is_named(backup, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 1})
    cluster.patch(guests=[{"vmid": 101, "backup_secs": 60}])
    cluster.fault(method="POST", path="/nodes/pve1/vzdump", seconds=2)
    result = backup(101, wait=True, wait_timeout=1)
    assert result["failed"] and result["changed"]
    row = rows(result)["pve1"]
    assert row["status"] == "unknown"
    assert row["upid"] in [task["upid"] for task in cluster.state()["tasks"] if task["status"] == "running"]
    assert result["msg"].endswith(f"took longer than 1 s; task {row['upid']} is left running")
    assert result["failure"]["running"] == [row["upid"]]


@pytest.mark.parametrize("wait", [True, False])
def test_a_backup_whose_answer_is_lost_is_not_made_twice(backup, cluster, wait):
    cluster.fault(method="POST", path="/nodes/pve1/vzdump", drop="after-effect")
    result = backup(101, wait=wait)
    assert result["changed"] and not result.get("failed")
    assert rows(result)["pve1"]["upid"].startswith("UPID:pve1:")
    assert archives(cluster) == [101]


# ---------------------------------------------------------------------------------------------- who may, what is not


def test_missing_privileges_are_told_before_anything_is_begun(backup, cluster, asked):
    cluster.patch(
        roles={"Storing": ["Datastore.AllocateSpace"], "Backing": ["VM.Backup"]},
        acl=[{"path": "/storage", "ugid": SEPARATE, "roleid": "Storing"},
             {"path": "/vms/101", "ugid": SEPARATE, "roleid": "Backing"}])
    result = backup(101, 103, as_token="separate", wait=True)
    assert result["failed"]
    assert result["msg"] == "Insufficient permissions: You dont have the VM.Backup permission for VMID 103"
    assert not [request for request in asked() if request.startswith("POST")]
    # It is enough to be allowed to back up: the caller sees neither the guest nor the storage in the list of all.
    assert backup(101, as_token="separate", wait=True)["msg"] == "Backups succeeded"
    assert archives(cluster) == [101]


def test_a_guest_on_an_offline_node_does_not_keep_the_others(backup, cluster):
    cluster.help("offline", node="pve2")
    result = backup(101, 102, wait=True)
    assert result["failed"]
    assert "unable to back up the guests of node `pve2`: the node is offline" in result["msg"]
    assert {node: row["status"] for node, row in rows(result).items()} == {
        "pve1": "success", "pve2": "failed", "pve3": "unknown"}
    assert archives(cluster) == [101]


def test_a_vmid_that_no_guest_has_fails_before_anything_is_begun(backup, cluster):
    result = backup(101, 999)
    assert result["failed"] and result["msg"].startswith("VM with vmid 999 does not exist in cluster")
    assert archives(cluster) == []
