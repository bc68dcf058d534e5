# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms cut off in the middle: by Ctrl-C, SIGTERM, SIGKILL; and clones that others are making meanwhile."""

from __future__ import annotations

import json
import signal
import threading

import pytest
from clone_vms import begun, clone, guests, lines, only, rows, sent, until  # noqa: F401

ABC = ("a", {"name": "b", "vmid": 300}, {"name": "c", "node": "pve3"})
WANTED = {"template": "debian-13", "cores": 4, "disks": {"scsi0": {"size": "8G"}}, "state": "started"}


def clones(cluster):
    """The clone tasks and how each stands."""
    return [task for task in cluster.state()["tasks"] if task["type"] == "qmclone"]


def cloning(cluster, count):
    """Whether so many clones are running."""
    return sum(task["status"] == "running" for task in clones(cluster)) == count


def slowly(cluster, seconds=0.05):
    """Clones take so long that something can happen meanwhile; other tasks are short."""
    cluster.control("POST", "/time-scale", {"time_scale": seconds})
    cluster.patch(guests=[{"vmid": vmid, "clone_secs": 10} for vmid in (9000, 9001)])


# ------------------------------------------------------------------------------------------ in order: SIGINT, SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_order_and_names_what_is_left_running(clone, begun, cluster, number):
    slowly(cluster)
    process = begun(*"abcde", template="debian-13", cores=4, parallel=2)
    until(lambda: cloning(cluster, 2))
    process.send_signal(number)
    out, err = process.communicate()
    result = json.loads(out)
    assert (process.returncode, err) == (1, "")
    assert result["failed"] and result["changed"]
    assert sorted(result["failure"]["running"]) == sorted(task["upid"] for task in clones(cluster))
    assert result["msg"].startswith("interrupted: ") and all(upid in json.dumps(result["vms"])
                                                             for upid in result["failure"]["running"])
    assert len(result["vms"]) == 5
    assert [row["status"] for row in result["vms"]] == [None] * 5, "none of them is made yet"
    assert [row["error"] for row in result["vms"]].count("not begun") == 3

    until(lambda: cloning(cluster, 0))
    assert len(sent(cluster, "/clone")) == 2 and sent(cluster, "/config") == []
    assert clone(*"abcde", template="debian-13", cores=4)["msg"] == "5 VMs: 3 created, 2 changed, 0 as wanted"
    assert sorted(guest["name"] for guest in guests(cluster)) == list("abcde")


def test_a_blocked_plan_waits_no_longer_than_the_timeout(clone, begun, cluster):
    slowly(cluster, 5)
    begun("a", template="debian-13")
    until(lambda: cloning(cluster, 1))
    result = clone("a", template="debian-13", timeout=1)
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to make a plan: waiting (VM 106 on pve1 is being cloned from a wanted "
                                    "template, and may be a wanted VM) took longer than 1 s")


def test_a_signal_ends_the_wait_of_a_blocked_plan(begun, cluster):
    slowly(cluster, 5)
    first = begun("a", template="debian-13")
    until(lambda: cloning(cluster, 1))
    first.kill()
    process = begun("a", template="debian-13")
    # It asks for the clone's end again and again.
    until(lambda: sum("/qemu/106/config" in request["path"] for request in cluster.requests()) > 2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    result = json.loads(out)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == "unable to make a plan: interrupted"


# --------------------------------------------------------------------------------------------------- at once: SIGKILL


def test_a_run_that_was_killed_at_any_request_is_finished_by_the_next_one(clone, begun, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    clone(*ABC, parallel=2, **WANTED)
    whole = len(cluster.requests())
    waited = 0
    for count in range(1, whole + 1):
        cluster.reset(seed="demo")
        process = begun(*ABC, parallel=2, **WANTED)
        until(lambda count=count: len(cluster.requests()) >= count or process.poll() is not None)
        process.kill()
        process.wait()
        killed_while_cloning = any(task["status"] == "running" for task in clones(cluster))
        result = clone(*ABC, parallel=2, **WANTED)
        waited += killed_while_cloning
        assert not result.get("failed"), (count, result["msg"])
        made = guests(cluster)
        assert sorted(guest["name"] for guest in made) == ["a", "b", "c"], count
        for guest in made:
            assert (guest["status"], guest["lock"], guest["config"]["cores"]) == ("running", None, 4), count
            assert "size=8G" in guest["config"]["scsi0"], count
        assert len([task for task in clones(cluster) if task["exitstatus"] == "OK"]) == 3, count
        assert not clone(*ABC, parallel=2, **WANTED)["changed"], count
        assert cluster.schema_violations() == []
    assert waited > 0


def test_killed_while_cloning_the_next_run_waits_for_the_names(clone, begun, cluster):
    slowly(cluster)
    process = begun("a", "b", template="debian-13")
    until(lambda: cloning(cluster, 2))
    process.kill()
    process.wait()

    foretold = clone("a", "b", "c", template="debian-13", check=True)
    assert not foretold.get("failed") and not foretold["changed"]
    assert foretold["msg"] == (
        "nothing can be planned yet: VMs 106 on pve1, 107 on pve1 are being cloned from wanted templates, "
        "and may be wanted VMs"
    )

    result = clone("a", "b", "c", template="debian-13", environment={"FERROX_PROGRESS": "always"})
    assert result["msg"] == "3 VMs: 1 created, 0 changed, 2 as wanted"
    assert "waiting: VMs 106 on pve1, 107 on pve1 are being cloned" in result.stderr
    assert sorted(guest["name"] for guest in guests(cluster)) == ["a", "b", "c"]
    assert len(sent(cluster, "/clone")) == 3


def test_killed_while_cloning_to_a_given_vmid_the_next_run_waits_too(clone, begun, cluster):
    slowly(cluster)
    process = begun({"name": "a", "vmid": 300}, template="debian-13")
    until(lambda: cloning(cluster, 1))
    process.kill()
    process.wait()
    result = clone({"name": "a", "vmid": 300}, "b", template="debian-13")
    assert result["msg"] == "2 VMs: 1 created, 0 changed, 1 as wanted"
    assert rows(result)["a"]["vmid"] == 300
    assert len(sent(cluster, "/clone")) == 2


def test_a_given_vmid_to_which_another_vm_is_being_cloned_is_refused(clone, begun, cluster):
    slowly(cluster, 1)
    begun({"name": "theirs", "vmid": 300}, template="debian-13-local")
    until(lambda: cloning(cluster, 1))
    result = clone({"name": "ours", "vmid": 300}, template="debian-13")
    assert result["failed"]
    assert result["msg"] == (
        "nothing was done: VM `ours`: VMID 300 is taken by a VM that another client is cloning"
    )
    assert len(sent(cluster, "/clone")) == 1


def test_a_given_vmid_that_gets_another_name_is_refused(clone, begun, cluster):
    slowly(cluster)
    begun({"name": "theirs", "vmid": 300}, template="debian-13")
    until(lambda: cloning(cluster, 1))
    result = clone({"name": "ours", "vmid": 300}, template="debian-13")
    assert result["failed"]
    assert result["msg"] == "nothing was done: VM `ours`: VMID 300 is taken by `theirs` on pve1"


def test_a_clone_lock_without_a_task_fails_and_names_the_way_out(clone, cluster):
    cluster.patch(guests=[{"vmid": 300, "kind": "qemu", "node": "pve1", "lock": "clone"}])
    for check in (True, False):
        result = clone("a", template="debian-13", check=check)
        assert result["failed"]
        assert result["msg"] == (
            "VM 300 on pve1 is locked by a clone that no longer runs, so it has no name and may be one of the "
            "wanted VMs: look at it, then remove it, or unlock it with `qm unlock 300`"
        )
    assert lines(cluster) == []
    given = clone({"name": "a", "vmid": 300}, template="debian-13")
    assert given["msg"] == result["msg"]
    # Where no wanted name is missing, it is nobody's concern.
    assert not clone("gateway", template="debian-13").get("failed")


def test_a_clone_that_ends_while_the_plan_is_made_is_not_taken_for_left_over(clone, cluster):
    cluster.patch(guests=[{"vmid": 300, "kind": "qemu", "node": "pve1", "lock": "clone"}])
    # Between the list of VMs and that of tasks the clone ends, and has its name.
    cluster.fault(method="GET", path="/nodes/pve1/tasks", seconds=0.5)
    ended = {"vmid": 300, "lock": None, "name": "a"}
    def end():
        until(lambda: any("/tasks?" in request["path"] for request in cluster.requests()))
        cluster.patch(guests=[ended])

    other = threading.Thread(target=end)
    other.start()
    result = clone("a", template="debian-13")
    other.join()
    assert not result.get("failed") and not result["changed"]
    assert rows(result)["a"]["vmid"] == 300
    assert lines(cluster) == []


# ------------------------------------------------------------------------------------------------------ other clients


def test_a_foreign_clone_of_another_template_is_not_waited_for(clone, begun, cluster):
    slowly(cluster, 1)
    other = begun("theirs", template="debian-13-local")
    until(lambda: cloning(cluster, 1))
    cluster.patch(guests=[{"vmid": 9000, "clone_secs": 0}])
    result = clone("ours", template="debian-13", environment={"FERROX_PROGRESS": "always"})
    assert not result.get("failed") and rows(result)["ours"]["created"]
    assert "waiting" not in result.stderr
    assert cloning(cluster, 1) and other.poll() is None


def test_a_foreign_clone_that_the_caller_cannot_see_is_a_warning(clone, begun, cluster):
    slowly(cluster, 1)
    begun("theirs", template="debian-13")
    until(lambda: cloning(cluster, 1))
    cluster.patch(guests=[{"vmid": 9000, "clone_secs": 0}])
    result = clone("ours", template="debian-13", api_user="prov@pve")
    assert not result.get("failed") and rows(result)["ours"]["vmid"] == 107
    assert result["warnings"] == [
        "VM 106 on pve1 is locked by a clone that is not one of prov@pve!mms's running tasks: another client makes "
        "it, or it was left over (then remove it, or unlock it with `qm unlock 106`). Which of both, only a caller "
        "with Sys.Audit on /nodes/pve1 can see"
    ]


@pytest.mark.parametrize("ours", [{"vmid": 300}, {"vmid_range": "300-309"}])
def test_a_clone_lock_on_a_stated_vmid_fails_whatever_the_caller_can_see(clone, cluster, ours):
    cluster.patch(guests=[{"vmid": 300, "kind": "qemu", "node": "pve1", "lock": "clone"}])
    result = clone({"name": "a", **ours}, template="debian-13", api_user="prov@pve")
    assert result["failed"]
    assert result["msg"].startswith("VM 300 on pve1 is locked by a clone that is not one of prov@pve!mms's running "
                                    "tasks, and has a VMID that is stated for `a`: another client makes it, or ")
    assert lines(cluster) == []


def test_clients_with_one_template_wait_for_each_other_once_at_most(clone, begun, cluster):
    slowly(cluster, 0.02)
    other = begun(*(f"theirs-{number}" for number in range(40)), template="debian-13", parallel=2)
    until(lambda: cloning(cluster, 2))
    result = clone("ours", template="debian-13", environment={"FERROX_PROGRESS": "always"})
    assert not result.get("failed") and rows(result)["ours"]["created"]
    assert result.stderr.count("waiting: ") == 1
    assert other.poll() is None
    other.terminate()
    other.wait()
    until(lambda: cloning(cluster, 0))
    assert len(guests(cluster, "ours")) == 1
