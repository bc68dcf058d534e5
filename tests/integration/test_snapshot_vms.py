# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_snapshot_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from clone_vms import until
from conftest import clean_environment

MODULE = "proxmox_snapshot_vms"


@pytest.fixture
def snapshots(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


@pytest.fixture
def begun(executable, connection):
    """Runs the module without waiting for its end."""
    processes = []

    def begin(**args):
        process = subprocess.Popen([executable, MODULE, "-"], env=clean_environment(), text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        process.stdin.write(json.dumps({**connection, **args}))
        process.stdin.close()
        process.stdin = None
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def ended(process):
    """The result of a module that was begun."""
    out, _ = process.communicate()
    return json.loads(out)


def asks(cluster, ending):
    return sum(request["path"].endswith(ending) for request in cluster.requests())


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def sent(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json').split('?')[0]}" for r in cluster.requests()
            if r["method"] != "GET"]


def names(cluster, vmid):
    return list(cluster.guest(vmid)["snapshots"])


def give(cluster, vmid, *snapshots, **described):
    """Gives a guest snapshots of whole seconds, the oldest first."""
    cluster.patch(guests=[{"vmid": vmid, "snapshots": {
        name: {"snaptime": 1790000000 + age, **described.get(name, {})}
        for age, name in enumerate([*snapshots, *described])}}])


# ------------------------------------------------------------------------------------------------------- arguments


def test_what_is_missing_is_told(snapshots, cluster):
    assert snapshots(snapshot="x")["msg"] == "one of the following is required: vms, tags, pool, node, all"
    for state in ("present", "absent", "rollback"):
        assert snapshots(vms=[101], state=state)["msg"] == (
            f"state is {state} but all of the following are missing: snapshot")
    assert snapshots(vms=[101], state="pruned", prefix="x")["msg"] == (
        "parameters are required together: prefix, keep")
    assert snapshots(vms=[101], state="pruned")["msg"] == (
        "state is pruned but all of the following are missing: prefix, keep")
    assert cluster.requests() == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("args", "msg"), [
    ({"state": "absent", "snapshot": "x", "keep": 1, "prefix": "x"},
     "keep has a meaning with state: present or pruned only, got: absent"),
    ({"state": "pruned", "snapshot": "x", "keep": 1, "prefix": "x"},
     "snapshot has a meaning with state: present or absent or rollback only, got: pruned"),
    ({"state": "rollback", "snapshot": "x", "atomic": True},
     "atomic has a meaning with state: present only, got: rollback"),
    ({"snapshot": "x", "start": False}, "start has a meaning with state: rollback only, got: present"),
    ({"snapshot": "current"}, "snapshot: `current` is the guest as it is, and no snapshot can be called so"),
    ({"snapshot": "1st"}, "snapshot: `1st` cannot name a snapshot: it begins with a letter, goes on with letters, digits, "
                          "`_` and `-`, and has 40 characters at most"),
    ({"state": "pruned", "keep": 1, "prefix": "n*"}, "prefix: no snapshot has a name that begins with `n*`"),
    ({"snapshot": "n-1", "keep": 0, "prefix": "n-"}, "keep must be at least 1 with state: present, got: 0"),
    ({"snapshot": "n-1", "keep": 1, "prefix": "n-", "atomic": True},
     "atomic: true goes without keep: a snapshot that was removed cannot be taken back"),
    ({"snapshot": "x-1", "keep": 1, "prefix": "n-"},
     "the snapshot `x-1` does not begin with the prefix `n-`, so keep would never count it"),
    ({"state": "absent", "snapshot": ""}, "snapshot: `` cannot name a snapshot: it begins with a letter, goes on with "
                                          "letters, digits, `_` and `-`, and has 40 characters at most"),
    ({"state": "pruned", "prefix": "n-", "keep": None}, "state: pruned wants prefix and keep, got: null"),
    ({"snapshot": "x", "parallel": 0}, "parallel must be at least 1, got: 0"),
])
def test_what_cannot_be_meant_is_told_before_anything_is_asked(snapshots, cluster, args, msg, check):
    result = snapshots(vms=[101], check=check, **args)
    assert result["failed"] and result["msg"] == msg
    assert cluster.requests() == []


@pytest.mark.parametrize("where", [{"all": True}, {"node": "pve1"}, {"pool": "web"}])
def test_only_guests_that_are_pointed_at_are_rolled_back(snapshots, cluster, where):
    result = snapshots(state="rollback", snapshot="x", **where)
    assert result["msg"] == f"state: rollback takes guests by vms or tags only, got: {next(iter(where))}"
    assert cluster.requests() == []


@pytest.mark.parametrize("check", [True, False])
def test_nothing_chosen_is_no_change_and_said(snapshots, check):
    for state, verb in [("present", "take a snapshot of"), ("absent", "remove a snapshot of"), ("rollback", "roll back")]:
        result = snapshots(tags=["nope"], snapshot="x", state=state, check=check)
        assert not result["changed"] and not result.get("failed")
        assert result["msg"] == f"no guest to {verb}: no guest has the tag nope"
        assert result["warnings"] == ["no guest was chosen: no guest has the tag nope"]


# ---------------------------------------------------------------------------------------------------------- taking


def test_check_mode_writes_nothing_and_shows_what_would_be(snapshots, cluster):
    give(cluster, 201, "new")
    result = snapshots(check=True, diff=True, vms=["web-old-1", 201], snapshot="new", description="before")
    assert result["changed"]
    assert result["msg"] == "snapshot `new` would be taken of 1 of 2 guests, 1 would be described anew"
    assert result["diff"] == {
        "before": {"web-old-1 (101)": {"snapshots": {}}, "mail (201)": {"snapshots": {"new": ""}}},
        "after": {"web-old-1 (101)": {"snapshots": {"new": "before"}},
                  "mail (201)": {"snapshots": {"new": "before"}}}}
    assert [(g["vmid"], g["action"], g["snapshots"]) for g in result["guests"]] == [
        (101, "taken", ["new"]), (201, "described", ["new"])]
    assert sent(cluster) == []


def test_a_second_run_is_unchanged(snapshots, cluster):
    result = snapshots(vms=["web-old-1", "mail"], snapshot="new", description="before")
    assert result["changed"] and not result.get("failed")
    assert result["msg"] == "snapshot `new` taken of 2 of 2 guests" and "warnings" not in result
    assert rows(result)["web-old-1"] == {
        "vmid": 101, "name": "web-old-1", "node": "pve1", "kind": "qemu", "status_before": "running",
        "status": "running", "changed": True, "action": "taken", "removed": [], "snapshots": ["new"],
        "seconds": rows(result)["web-old-1"]["seconds"], "error": None}
    assert [cluster.guest(vmid)["snapshots"]["new"]["description"].strip() for vmid in (101, 201)] == ["before"] * 2

    cluster.control("DELETE", "/requests")
    again = snapshots(diff=True, vms=["web-old-1", "mail"], snapshot="new", description="before")
    assert not again["changed"] and not again.get("failed")
    assert again["msg"] == "snapshot `new` taken of 0 of 2 guests"
    assert [(g["action"], g["changed"], g["snapshots"]) for g in again["guests"]] == [("none", False, ["new"])] * 2
    assert again["diff"]["before"] == again["diff"]["after"]
    assert sent(cluster) == []


def test_only_what_is_missing_is_taken(snapshots, cluster):
    give(cluster, 101, "new")
    result = snapshots(vms=[101, 102], snapshot="new")
    assert result["msg"] == "snapshot `new` taken of 1 of 2 guests"
    assert sent(cluster) == ["POST /nodes/pve2/qemu/102/snapshot"]


@pytest.mark.parametrize(("vmid", "path"), [(101, "pve1/qemu/101"), (200, "pve1/lxc/200")])
def test_one_that_is_there_is_described_anew_only_where_that_is_stated(snapshots, cluster, vmid, path):
    give(cluster, vmid, new={"description": "old\n"})
    for description in ({}, {"description": "old"}):
        assert not snapshots(vms=[vmid], snapshot="new", **description)["changed"]
    result = snapshots(vms=[vmid], snapshot="new", description="anew")
    assert result["changed"] and result["msg"] == "snapshot `new` taken of 0 of 1 guest, 1 described anew"
    assert sent(cluster) == [f"PUT /nodes/{path}/snapshot/new/config"]
    assert not snapshots(vms=[vmid], snapshot="new", description="anew")["changed"]


def test_memory_is_kept_of_vms_and_containers_have_none(snapshots, cluster):
    result = snapshots(vms=[101, 200], snapshot="new", vmstate=True)
    assert not result.get("failed") and cluster.guest(101)["snapshots"]["new"]["vmstate"]
    assert result["warnings"] == [
        "vmstate has no meaning for a container, and their snapshots are without it: dns (200)"]
    assert "warnings" not in snapshots(vms=[101, 200], snapshot="new", vmstate=True), "nothing is taken"


@pytest.mark.parametrize("choice", [{"tags": ["web"]}, {"pool": "web"}, {"node": "pve1"}, {"all": True}])
def test_any_choice_has_its_snapshots_taken_and_removed(snapshots, cluster, choice):
    taken = snapshots(snapshot="new", exclude=["web-old-2"], **choice)
    assert taken["changed"] and not taken.get("failed"), taken["msg"]
    assert "web-old-2" not in rows(taken) and names(cluster, 102) == [] and names(cluster, 101) == ["new"]
    assert not any(guest["template"] for guest in cluster.state()["guests"] if guest["vmid"] in
                   [row["vmid"] for row in taken["guests"]])
    gone = snapshots(snapshot="new", state="absent", **choice)
    assert len([row for row in gone["guests"] if row["changed"]]) == len(taken["guests"])
    assert names(cluster, 101) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_template_is_told_before_anything_is_done(snapshots, cluster, check):
    result = snapshots(vms=[101, "debian-13"], snapshot="new", check=check)
    assert result["failed"] and result["msg"] == (
        "`debian-13 (9000)` is a template: templates cannot be snapshotted")
    assert sent(cluster) == []


def test_twenty_guests_take_one_question_each(snapshots, cluster):
    cluster.reset(seed="bench")
    vms = [guest["vmid"] for guest in cluster.state()["guests"] if not guest["template"]][:20]
    for taken in (20, 0):
        cluster.control("DELETE", "/requests")
        assert not snapshots(vms=vms, snapshot="new").get("failed")
        requests = [r for r in cluster.requests() if "/tasks/" not in r["path"] and "ticket" not in r["path"]]
        nodes = {guest["node"] for guest in cluster.state()["guests"] if guest["vmid"] in vms}
        lists = [r for r in requests if r["method"] == "GET" and not r["path"].endswith("/snapshot")]
        assert len(requests) - len(lists) == 20 + taken
        assert len(lists) <= 1 + 2 * len(nodes)


# ----------------------------------------------------------------------------------------------- removing, pruning


def test_a_snapshot_is_removed_where_it_is(snapshots, cluster):
    for vmid in (101, 201):
        give(cluster, vmid, "old", "kept")
    args = {"vms": [101, 102, 201], "snapshot": "old", "state": "absent"}
    check = snapshots(check=True, diff=True, **args)
    assert check["msg"] == "snapshot `old` would be removed from 2 of 3 guests" and sent(cluster) == []
    assert check["diff"]["after"]["mail (201)"] == {"snapshots": {"kept": ""}}
    result = snapshots(**args)
    assert result["msg"] == "snapshot `old` removed from 2 of 3 guests"
    assert [(g["action"], g["removed"], g["snapshots"]) for g in result["guests"]] == [
        ("removed", ["old"], ["kept"]), ("none", [], []), ("removed", ["old"], ["kept"])]
    assert names(cluster, 101) == names(cluster, 201) == ["kept"]
    again = snapshots(**args)
    assert not again["changed"] and again["msg"] == "snapshot `old` removed from 0 of 3 guests"


def test_the_oldest_of_a_prefix_go_and_those_made_by_hand_stay(snapshots, cluster):
    give(cluster, 101, "n-1", "before-upgrade", "n-2", "n-3")
    give(cluster, 200, "n-1")
    args = {"vms": [101, 200], "state": "pruned", "prefix": "n-", "keep": 2}
    check = snapshots(check=True, **args)
    assert check["msg"] == "1 snapshot would be removed from 1 of 2 guests" and sent(cluster) == []
    result = snapshots(**args)
    assert result["changed"] and result["msg"] == "1 snapshot removed from 1 of 2 guests"
    assert names(cluster, 101) == ["before-upgrade", "n-2", "n-3"] and names(cluster, 200) == ["n-1"]
    assert not snapshots(**args)["changed"]
    assert snapshots(**{**args, "keep": 0})["msg"] == "3 snapshots removed from 2 of 2 guests"
    assert names(cluster, 101) == ["before-upgrade"]


def test_age_counts_and_not_the_name(snapshots, cluster):
    give(cluster, 101, "n-9", "n-1")
    snapshots(vms=[101], state="pruned", prefix="n-", keep=1)
    assert names(cluster, 101) == ["n-1"]


def test_one_is_taken_each_night_and_so_many_are_kept(snapshots, cluster):
    give(cluster, 101, "n-1", "n-2", "by-hand", "n-3")
    args = {"vms": [101], "snapshot": "n-4", "prefix": "n-", "keep": 2}
    result = snapshots(**args)
    assert result["msg"] == "snapshot `n-4` taken of 1 of 1 guest, 2 snapshots removed"
    assert rows(result)["web-old-1"]["removed"] == ["n-1", "n-2"]
    assert names(cluster, 101) == ["by-hand", "n-3", "n-4"]
    assert not snapshots(**args)["changed"]


def test_nothing_is_pruned_where_none_was_taken(snapshots, cluster):
    give(cluster, 101, "n-1", "n-2")
    cluster.fault(method="POST", path=r".*/snapshot", task={"exitstatus": "no space left"})
    result = snapshots(vms=[101], snapshot="n-3", prefix="n-", keep=1)
    assert "no space left" in result["msg"] and names(cluster, 101) == ["n-1", "n-2"]
    assert not result["changed"] and result["guests"][0]["removed"] == []


# ------------------------------------------------------------------------------------------------------ rolling back


def test_guests_go_back_and_those_that_ran_run_again(snapshots, cluster):
    for vmid in (101, 102, 200):
        give(cluster, vmid, "old")
        cluster.patch(guests=[{"vmid": vmid, "config": {"cores": 8}}])
    args = {"vms": [101, 102, 200], "snapshot": "old", "state": "rollback"}
    check = snapshots(check=True, diff=True, **args)
    assert check["changed"] and check["msg"] == "3 of 3 guests would be rolled back to the snapshot `old`"
    assert check["diff"]["after"]["web-old-1 (101)"] == {
        "snapshots": {"old": ""}, "status": "running", "rolled_back_to": "old"}
    assert sent(cluster) == []
    result = snapshots(**args)
    assert result["changed"] and result["msg"] == "3 of 3 guests rolled back to the snapshot `old`"
    statuses = [cluster.guest(vmid)["status"] for vmid in (101, 102, 200)]
    assert statuses == [row["status"] for row in result["guests"]] == ["running", "stopped", "running"]
    assert [cluster.guest(vmid)["config"].get("cores") for vmid in (101, 102, 200)] != [8, 8, 8]
    assert snapshots(**args)["changed"], "what it has become since is not known"


@pytest.mark.parametrize(("start", "status"), [(True, "running"), (False, "stopped")])
def test_whether_they_run_then_can_be_said(snapshots, cluster, start, status):
    for vmid in (101, 102):
        give(cluster, vmid, "old")
    result = snapshots(vms=[101, 102], snapshot="old", state="rollback", start=start)
    assert [row["status"] for row in result["guests"]] == [status] * 2
    assert [cluster.guest(vmid)["status"] for vmid in (101, 102)] == [status] * 2


def test_a_vm_whose_memory_was_kept_runs_in_any_case(snapshots, cluster):
    snapshots(vms=[101], snapshot="new", vmstate=True)
    result = snapshots(vms=[101], snapshot="new", state="rollback", start=False)
    assert rows(result)["web-old-1"]["status"] == cluster.guest(101)["status"] == "running"


@pytest.mark.parametrize(("vmid", "kind"), [(101, "VM"), (200, "container")])
def test_one_that_does_not_run_again_is_a_failure(snapshots, cluster, vmid, kind):
    give(cluster, vmid, "old")
    cluster.patch(guests=[{"vmid": vmid, "start_error": "no bridge vmbr9"}])
    result = snapshots(vms=[vmid], snapshot="old", state="rollback", timeout=1)
    assert result["failed"] and result["changed"] and result["msg"].startswith(f"unable to start {kind} `")
    assert [(row["action"], row["status"]) for row in result["guests"]] == [("rolled_back", "stopped")]


def test_an_ha_managed_guest_goes_back_too(snapshots, cluster):
    cluster.patch(guests=[{"vmid": 105, "status": "running"}])
    give(cluster, 105, "old")
    result = snapshots(vms=["ha-app"], snapshot="old", state="rollback")
    assert not result.get("failed") and rows(result)["ha-app"]["status"] == "running", result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_none_goes_back_unless_all_can(snapshots, cluster, check):
    give(cluster, 101, "old")
    result = snapshots(vms=[101, 102, "dns"], snapshot="old", state="rollback", check=check)
    assert result["failed"] and result["msg"] == (
        "unable to roll back all guests, and nothing was done: VM `web-old-2 (102)`: it has no snapshot `old`; "
        "container `dns (200)`: it has no snapshot `old`")
    assert sent(cluster) == []


def test_a_tag_that_a_guest_has_lost_does_not_choose_it(snapshots, cluster):
    for vmid in (101, 102):
        give(cluster, vmid, "old")
    cluster.patch(guests=[{"vmid": 102, "config": {"tags": "kept"}}], stale={"102": {"tags": "web"}})
    result = snapshots(tags=["web"], snapshot="old", state="rollback")
    assert list(rows(result)) == ["web-old-1"]


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
    why = ("unable to take a snapshot of VM `web-old-2`: it is locked (suspended): another operation is at work on it. "
           "Should that have been cut off, `qm unlock 102` on pve2 takes the lock away")
    assert why in (result["warnings"] if check else [rows(result)["web-old-2"]["error"]])
    assert rows(result)["mail"]["action"] == "taken" and bool(result.get("failed")) is not check
    assert (names(cluster, 201) == []) is check
    result = snapshots(vms=[102, 200], snapshot="new", check=check, atomic=True)
    assert result["failed"] and result["msg"].startswith(
        "unable to take a snapshot of all guests, and nothing was done: VM `web-old-2 (102)`: it is locked (suspended)")
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
