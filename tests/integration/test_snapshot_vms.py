# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_snapshot_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import pytest
from snapshot_vms import give, names, rows, sent, snapshots  # noqa: F401


# ------------------------------------------------------------------------------------------------------- arguments


def test_what_is_missing_is_told(snapshots, cluster):
    assert snapshots(snapshot="new")["msg"] == "one of the following is required: vms, tags, pool, node, all"
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
    ({"state": "absent", "snapshot": "new", "keep": 1, "prefix": "x"},
     "keep has a meaning with state: present or pruned only, got: absent"),
    ({"state": "pruned", "snapshot": "new", "keep": 1, "prefix": "x"},
     "snapshot has a meaning with state: present or absent or rollback only, got: pruned"),
    ({"state": "rollback", "snapshot": "new", "atomic": True},
     "atomic has a meaning with state: present only, got: rollback"),
    ({"snapshot": "new", "start": False}, "start has a meaning with state: rollback only, got: present"),
    ({"state": "rollback", "snapshot": "old", "description": "x"},
     "description has a meaning with state: present only, got: rollback"),
    ({"state": "absent", "snapshot": "old", "vmstate": True},
     "vmstate has a meaning with state: present only, got: absent"),
    ({"snapshot": "x"}, "snapshot: `x` cannot name a snapshot: it begins with a letter, goes on with letters, digits, `_` "
                        "and `-`, and has 2 to 40 characters"),
    ({"snapshot": "current"}, "snapshot: `current` is the guest as it is, and no snapshot can be called so"),
    ({"snapshot": "1st"}, "snapshot: `1st` cannot name a snapshot: it begins with a letter, goes on with letters, digits, "
                          "`_` and `-`, and has 2 to 40 characters"),
    ({"state": "pruned", "keep": 1, "prefix": "n*"}, "prefix: no snapshot has a name that begins with `n*`"),
    ({"state": "pruned", "keep": 0, "prefix": ""}, "prefix must not be empty: keep would count and remove snapshots of any "
                                                   "name, those made by hand too"),
    ({"snapshot": "n-1", "keep": 3, "prefix": ""}, "prefix must not be empty: keep would count and remove snapshots of any "
                                                   "name, those made by hand too"),
    ({"snapshot": "n-1", "keep": 0, "prefix": "n-"}, "keep must be at least 1 with state: present, got: 0"),
    ({"snapshot": "n-1", "keep": 1, "prefix": "n-", "atomic": True},
     "atomic: true goes without keep: a snapshot that was removed cannot be taken back"),
    ({"snapshot": "x-1", "keep": 1, "prefix": "n-"},
     "the snapshot `x-1` does not begin with the prefix `n-`, so keep would never count it"),
    ({"state": "absent", "snapshot": ""}, "snapshot: `` cannot name a snapshot: it begins with a letter, goes on with "
                                          "letters, digits, `_` and `-`, and has 2 to 40 characters"),
    ({"state": "pruned", "prefix": "n-", "keep": None}, "state: pruned wants prefix and keep, got: null"),
    ({"snapshot": "new", "parallel": 0}, "parallel must be at least 1, got: 0"),
])
def test_what_cannot_be_meant_is_told_before_anything_is_asked(snapshots, cluster, args, msg, check):
    result = snapshots(vms=[101], check=check, **args)
    assert result["failed"] and result["msg"] == msg
    assert cluster.requests() == []


@pytest.mark.parametrize("where", [{"all": True}, {"node": "pve1"}, {"pool": "web"}])
def test_only_guests_that_are_pointed_at_are_rolled_back(snapshots, cluster, where):
    result = snapshots(state="rollback", snapshot="new", **where)
    assert result["msg"] == f"state: rollback takes guests by vms or tags only, got: {next(iter(where))}"
    assert cluster.requests() == []


@pytest.mark.parametrize("check", [True, False])
def test_nothing_chosen_is_no_change_and_said(snapshots, check):
    for state, verb in [("present", "take a snapshot of"), ("absent", "remove a snapshot of"), ("rollback", "roll back")]:
        result = snapshots(tags=["nope"], snapshot="new", state=state, check=check)
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
    args = {"vms": [101], "snapshot": "n-4", "prefix": "n", "keep": 2}
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
