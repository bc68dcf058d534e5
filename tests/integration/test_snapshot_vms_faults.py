# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_snapshot_vms against locks, failures, interruptions and lost answers."""

from __future__ import annotations

import signal

import pytest
from clone_vms import until
from snapshot_vms import MODULE, asks, begun, ended, give, names, rows, sent, snapshots  # noqa: F401


# ----------------------------------------------------------------------------------------------------- what is locked


def test_a_lock_that_passes_is_waited_for(begun, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    process = begun(vms=[102], snapshot="new")
    until(lambda: asks(cluster, "/qemu/102/status/current") > 1)
    assert sent(cluster) == []
    cluster.patch(guests=[{"vmid": 102, "lock": None}])
    result = ended(process)
    assert result["changed"] and names(cluster, 102) == ["new"]


@pytest.mark.parametrize("check", [True, False])
def test_a_lock_that_does_not_pass_is_told_at_once(snapshots, cluster, check):
    cluster.patch(guests=[{"vmid": 102, "lock": "suspended"}])
    result = snapshots(vms=[102, 201], snapshot="new", check=check)
    why = ("unable to take a snapshot of VM `web-old-2`: it is hibernated (its lock is `suspended`): "
           "start it first, which takes up its saved memory")
    assert why in (result["warnings"] if check else [rows(result)["web-old-2"]["error"]])
    assert rows(result)["mail"]["action"] == "taken" and bool(result.get("failed")) is not check
    assert (names(cluster, 201) == []) is check
    result = snapshots(vms=[102, 200], snapshot="new", check=check, atomic=True)
    assert result["failed"] and result["msg"].startswith(
        "unable to take a snapshot of all guests, and nothing was done: VM `web-old-2 (102)`: it is hibernated (its lock is ")
    assert names(cluster, 200) == []


def test_a_snapshot_that_another_run_is_taking_is_waited_for(begun, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"snapshot": 100})
    first = begun(vms=[102], snapshot="new")
    until(lambda: names(cluster, 102))
    first.kill()
    again = ended(begun(vms=[102], snapshot="new"))
    assert not again["changed"] and not again.get("failed"), again["msg"]
    assert "snapstate" not in cluster.guest(102)["snapshots"]["new"] and len(sent(cluster)) == 1


# --------------------------------------------------------------------------------------------------- all, some or none


@pytest.mark.parametrize(("on_error", "begins"), [("continue", True), ("stop", False)])
def test_one_that_fails_stops_the_others_only_where_that_is_wanted(snapshots, cluster, on_error, begins):
    cluster.fault(method="POST", path=r".*/102/snapshot", task={"exitstatus": "no space left"})
    args = {"vms": [101, 102, 201], "snapshot": "new", "parallel": 1, "on_error": on_error}
    result = snapshots(**args)
    assert result["failed"] and result["changed"]
    assert result["msg"].startswith("1 of 3 VMs and containers failed") and "no space left" in result["msg"]
    assert [row["action"] for row in result["guests"]] == ["taken", "none", "taken" if begins else "none"]
    assert names(cluster, 101) == ["new"] and (names(cluster, 201) == ["new"]) is begins
    again = snapshots(**args)
    assert not again.get("failed") and [row["snapshots"] for row in again["guests"]] == [["new"]] * 3


def test_all_or_none_takes_back_what_was_taken_and_no_more(snapshots, cluster):
    give(cluster, 101, "new")
    give(cluster, 103, new={"description": "old"})
    cluster.fault(method="POST", path=r".*/102/snapshot", task={"exitstatus": "no space left"})
    args = {"vms": [101, 103, 200, 102, 201], "snapshot": "new", "description": "old", "parallel": 1, "atomic": True}
    cluster.patch(guests=[{"vmid": 101, "snapshots": {"new": {"description": "older", "snaptime": 1790000000}}}])
    result = snapshots(**args)
    assert result["failed"] and not result["changed"]
    assert "no space left" in result["msg"] and result["msg"].endswith("; what was made was taken back")
    assert [(row["name"], row["action"], row["changed"], row["snapshots"]) for row in result["guests"]] == [
        ("web-old-1", "taken_back", False, ["new"]), ("db", "none", False, ["new"]), ("dns", "taken_back", False, []),
        ("web-old-2", "none", False, []), ("mail", "none", False, [])]
    assert rows(result)["mail"]["error"] == "not begun, as another guest failed"
    assert [names(cluster, vmid) for vmid in (101, 103, 200, 102, 201)] == [["new"], ["new"], [], [], []]
    assert cluster.guest(101)["snapshots"]["new"]["description"].strip() == "older"
    again = snapshots(**args)
    assert again["msg"] == "snapshot `new` taken of 3 of 5 guests, 1 described anew"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("atomic", [False, True])
def test_an_interruption_leaves_what_is_taken_or_takes_it_back(begun, snapshots, cluster, number, atomic):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"snapshot": 100})
    args = {"vms": [102, 201, 200], "snapshot": "new", "parallel": 1, "atomic": atomic}
    process = begun(**args)
    # The first one is whole, the second one is being taken.
    until(lambda: names(cluster, 201))
    process.send_signal(number)
    result = ended(process)
    assert result["failed"] and result["msg"].startswith("interrupted: ")
    assert rows(result)["dns"]["error"] == "interrupted before its turn came"
    assert not any("/200/" in line for line in sent(cluster))
    if atomic:
        assert not result["changed"] and "running" not in result.get("failure", {})
        assert result["msg"] == ("interrupted: 1 of 3 VMs and containers broken off, 1 not begun; "
                                 "what was made was taken back")
        assert [row["action"] for row in result["guests"]] == ["taken_back", "taken_back", "none"]
        assert names(cluster, 102) == names(cluster, 201) == []
    else:
        assert result["changed"] and ":vzsnapshot:201:" in result["failure"]["running"][0]
        assert [row["action"] for row in result["guests"]] == ["taken", "taken", "none"]
    again = snapshots(**args)
    assert not again.get("failed") and [row["snapshots"] for row in again["guests"]] == [["new"]] * 3
    assert not snapshots(**args)["changed"]


def test_all_or_none_waits_for_what_a_timeout_left_and_takes_it_back(snapshots, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"snapshot": 100})
    result = snapshots(vms=[102, 201], snapshot="new", atomic=True, timeout=1)
    assert result["failed"] and not result["changed"]
    assert [row["action"] for row in result["guests"]] == ["taken_back", "taken_back"]
    assert names(cluster, 102) == names(cluster, 201) == []


def test_all_or_none_takes_back_what_was_made_unheard(snapshots, cluster):
    cluster.fault(method="POST", path=r".*/101/snapshot", drop="after-effect")
    cluster.fault(method="POST", path=r".*/102/snapshot", task={"exitstatus": "no space left"})
    result = snapshots(vms=[101, 102], snapshot="new", atomic=True, parallel=1)
    assert result["failed"] and "no space left" in result["msg"]
    assert names(cluster, 101) == names(cluster, 102) == []


def test_what_cannot_be_taken_back_is_told(snapshots, cluster):
    cluster.fault(method="POST", path=r".*/102/snapshot", task={"exitstatus": "no space left"})
    cluster.fault(method="DELETE", path=r".*", times=None, task={"exitstatus": "rbd is busy"})
    result = snapshots(vms=[101, 102], snapshot="new", atomic=True, parallel=1)
    assert result["failed"] and result["changed"]
    assert result["msg"].endswith("; not all that was made could be taken back")
    assert any("unable to take back VM `web-old-1`: " in line and "rbd is busy" in line for line in result["warnings"])
    assert [(row["action"], row["snapshots"]) for row in result["guests"]] == [("taken", ["new"]), ("none", [])]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_roll_back_names_its_task_and_begins_no_other(begun, snapshots, cluster, number):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"rollback": 50})
    for vmid in (102, 201):
        give(cluster, vmid, "old")
    args = {"vms": [102, 201], "snapshot": "old", "state": "rollback", "parallel": 1}
    process = begun(**args)
    until(lambda: any("/tasks/" in request["path"] for request in cluster.requests()))
    process.send_signal(number)
    result = ended(process)
    assert result["failed"] and ":qmrollback:102:" in result["failure"]["running"][0]
    assert rows(result)["mail"]["error"] == "interrupted before its turn came"
    again = snapshots(**args)
    assert not again.get("failed") and again["msg"] == "2 of 2 guests rolled back to the snapshot `old`"


def test_a_run_that_is_killed_converges(begun, snapshots, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"snapshot": 50})
    args = {"vms": [102, 201, 200], "snapshot": "new", "parallel": 1, "atomic": True}
    process = begun(**args)
    until(lambda: names(cluster, 201))
    process.kill()
    process.wait()
    again = snapshots(**args)
    assert not again.get("failed"), again["msg"]
    assert again["msg"] == "snapshot `new` taken of 1 of 3 guests"
    assert [names(cluster, vmid) for vmid in (102, 201, 200)] == [["new"]] * 3
    assert len([line for line in sent(cluster) if line.startswith("POST")]) == 3


# -------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("drop", ["before", "after-effect"])
@pytest.mark.parametrize(("method", "path", "args"), [
    ("POST", r".*/snapshot", {"snapshot": "new"}),
    ("POST", r".*/snapshot", {"snapshot": "new", "atomic": True}),
    ("PUT", r".*/config", {"snapshot": "old", "description": "anew"}),
    ("DELETE", r".*", {"snapshot": "old", "state": "absent"}),
])
def test_a_lost_answer_is_looked_up_and_no_guest_is_worked_on_twice(snapshots, cluster, method, path, args, drop):
    for vmid in (102, 201):
        give(cluster, vmid, "old")
    cluster.fault(method=method, path=path, drop=drop)
    result = snapshots(vms=[102, 201], parallel=1, **args)
    assert result["changed"] and not result.get("failed"), result["msg"]
    assert [row["changed"] for row in result["guests"]] == [True, True]
    twice = drop == "before" or method == "PUT"
    assert len(sent(cluster)) == (3 if twice else 2)
    expected = {"POST": ["old", "new"], "PUT": ["old"], "DELETE": []}[method]
    assert [names(cluster, vmid) for vmid in (102, 201)] == [expected] * 2


def test_a_roll_back_whose_answer_was_lost_is_waited_for_and_not_sent_again(snapshots, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"rollback": 50})
    give(cluster, 102, "old")
    cluster.fault(method="POST", path=r".*/rollback", drop="after-effect")
    result = snapshots(vms=[102], snapshot="old", state="rollback")
    assert result["changed"] and not result.get("failed"), result["msg"]
    assert sent(cluster) == ["POST /nodes/pve2/qemu/102/snapshot/old/rollback"]


def test_what_the_server_refuses_is_told_in_its_words(snapshots, cluster):
    cluster.patch(no_snapshots=["ceph"])
    result = snapshots(vms=[102], snapshot="new")
    assert result["failed"] and result["msg"].startswith("unable to take a snapshot of VM `web-old-2`: task UPID:pve2:")
    assert "snapshot feature is not available" in result["msg"]
    cluster.patch(storages={"tank": {"type": "zfspool", "content": "images", "pool": "tank"}},
                  guests=[{"vmid": 102, "config": {"scsi0": "tank:vm-102-disk-0,size=10G"}}])
    give(cluster, 102, "old", "newer")
    result = snapshots(vms=[102], snapshot="old", state="rollback")
    assert result["failed"] and "can't rollback, 'old' is not most recent snapshot on" in result["msg"]
    assert not result["changed"] and result["guests"][0]["action"] == "none"


def test_a_node_that_is_offline_is_a_warning_unless_its_guest_is_named(snapshots, cluster):
    cluster.help("offline", node="pve2")
    result = snapshots(pool="web", snapshot="new")
    assert not result.get("failed") and list(rows(result)) == ["web-old-1"]
    assert result["warnings"] == ["the node pve2 is offline; its guests are left as they are: 102"]
    result = snapshots(vms=[101, 102], snapshot="new")
    assert result["msg"] == "the guest `102` is on the node pve2, which is offline"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("chosen", "args", "verb"), [
    *[(chosen, {"snapshot": "new", "atomic": True}, "take a snapshot of")
      for chosen in ({"tags": ["web"]}, {"pool": "web"}, {"all": True})],
    ({"tags": ["web"]}, {"snapshot": "old", "state": "rollback"}, "roll back")])
def test_all_or_none_is_not_begun_without_the_guests_of_an_offline_node(snapshots, cluster, chosen, args, verb, check):
    give(cluster, 101, "old")
    cluster.help("offline", node="pve2")
    result = snapshots(check=check, **chosen, **args)
    assert result["failed"] and result["msg"].startswith(
        f"unable to {verb} all guests, and nothing was done: the guest `102` is on the node pve2, which is offline")
    assert sent(cluster) == []
    if "all" not in chosen:
        assert snapshots(check=check, exclude=[102], **chosen, **args)["changed"], "all that are left"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("role", "lacks"), [("PVEVMUser", True), ("PVEVMAdmin", False)])
@pytest.mark.parametrize(("args", "verb"), [({"snapshot": "new", "atomic": True}, "take a snapshot of"),
                                            ({"snapshot": "old", "state": "rollback"}, "roll back")])
def test_all_or_none_is_not_begun_without_the_privilege_on_each(ferrox, connection, cluster, args, verb, role, lacks, check):
    for vmid in (101, 102):
        give(cluster, vmid, "old")
    cluster.patch(acl=[{"path": "/vms/101", "ugid": "audit@pve", "roleid": role}])
    result = ferrox(MODULE, {**connection, "api_user": "audit@pve", "vms": [101, 102], **args}, check=check)
    assert result["failed"] and result["msg"].endswith("VM `web-old-2 (102)`: the caller lacks VM.Snapshot on /vms/102")
    assert result["msg"].startswith(f"unable to {verb} all guests, and nothing was done: ")
    assert ("VM.Snapshot on /vms/101" in result["msg"]) is lacks
    assert sent(cluster) == []


@pytest.mark.parametrize(("state", "privilege"), [("present", "VM.Snapshot"), ("absent", "VM.Snapshot")])
def test_a_missing_privilege_is_named(ferrox, connection, cluster, state, privilege):
    give(cluster, 102, "old")
    snapshot = "new" if state == "present" else "old"
    result = ferrox(MODULE, {**connection, "api_user": "audit@pve", "vms": [102], "snapshot": snapshot, "state": state})
    assert f"The caller lacks {privilege} on /vms/102" in result["msg"]


def test_a_timeout_names_the_task_that_goes_on(snapshots, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.1})
    cluster.patch(secs={"snapshot": 100})
    result = snapshots(vms=[102], snapshot="new", timeout=1)
    assert result["failed"] and result["failure"]["kind"] == "deadline"
    assert "qmsnapshot" in result["failure"]["upid"]
