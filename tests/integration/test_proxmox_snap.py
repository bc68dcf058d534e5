# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_snap: snapshots of guests of both kinds, and containers that lose no mount point by them."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from clone_vms import until
from conftest import clean_environment
from readers import ONLOOKER, lacks

MOUNTS = {"mp0": "local-lvm:vm-200-disk-1,mp=/srv,size=4G", "mp1": "/mnt/data,mp=/data"}


@pytest.fixture
def snap(ferrox, connection):
    def run(check=False, diff=False, **options):
        # Without a guest of its own, a test means this one.
        guest = {} if {"vmid", "hostname"} & options.keys() else {"vmid": 101}
        return ferrox("proxmox_snap", {**connection, **guest, "snapname": "new", **options}, check=check, diff=diff)

    return run


@pytest.fixture
def bound(cluster, connection):
    """A container that runs with a volume and a bind mount, and what it takes to unbind it."""
    cluster.patch(guests=[{"vmid": 200, "config": MOUNTS}])
    password = {key: value for key, value in connection.items() if not key.startswith("api_token")}
    return {**password, "api_user": "root@pam", "api_password": "secret", "vmid": 200, "snapname": "new", "unbind": True}


def names(cluster, vmid=101):
    return list(cluster.guest(vmid)["snapshots"])


def writes(cluster):
    return [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()
            if request["method"] != "GET" and "ticket" not in request["path"]]


def is_whole(cluster):
    """Whether the container is as it was."""
    guest = cluster.guest(200)
    mounts = {key: value for key, value in guest["config"].items() if key.startswith("mp")}
    return (mounts, guest["status"], guest.get("lock")) == (MOUNTS, "running", None)


# ------------------------------------------------------------------------------------------------ one after another


def test_without_a_guest_nothing_is_done(ferrox, connection, cluster):
    result = ferrox("proxmox_snap", connection)
    assert not result["changed"] and not result.get("failed")
    assert result["msg"] == "Vmid could not be fetched for the following action: present"
    result = ferrox("proxmox_snap", {**connection, "vmid": 200, "unbind": True})
    assert result["failed"] and result["msg"] == "unbind is True but all of the following are missing: api_password"
    assert cluster.requests() == []


def test_check_mode_writes_nothing_and_says_what_would_change(snap, cluster):
    cluster.patch(guests=[{"vmid": 101, "snapshots": {"old": {}}}])
    for options, msg, after in [
        ({}, "Snapshot new would be created", ["old", "new"]),
        ({"snapname": "old", "state": "absent"}, "Snapshot old would be removed", []),
        ({"snapname": "old", "state": "rollback"}, "Snapshot old would be rolled back", ["old"]),
    ]:
        result = snap(check=True, diff=True, **options)
        assert (result["changed"], result["msg"]) == (True, msg)
        assert result["diff"]["before"] == {"snapshots": ["old"]} and result["diff"]["after"]["snapshots"] == after
    assert cluster.stats()["writes"] == 0 and names(cluster) == ["old"]


@pytest.mark.parametrize("vmid", [101, 200])
def test_a_snapshot_is_taken_once(snap, cluster, vmid):
    result = snap(vmid=vmid, description="before")
    assert (result["changed"], result["msg"]) == (True, "Snapshot new created")
    assert cluster.guest(vmid)["snapshots"]["new"]["description"].strip() == "before"
    again = snap(vmid=vmid, description="another one")
    assert (again["changed"], again["msg"]) == (False, "Snapshot new is already present")


def test_a_snapshot_takes_three_requests_and_its_tasks_end(snap, asked):
    snap()
    first, second, third, *rest = asked()
    assert [first, second, third] == ["GET /cluster/resources", "GET /nodes/pve1/qemu/101/snapshot",
                                      "POST /nodes/pve1/qemu/101/snapshot"]
    assert all("/tasks/" in request for request in rest)
    snap()
    assert len(asked()) == 2


def test_a_guest_goes_back_to_it(snap, cluster):
    snap(vmid=102)
    cluster.patch(guests=[{"vmid": 102, "config": {"cores": 8}}])
    result = snap(vmid=102, state="rollback")
    assert (result["changed"], result["msg"]) == (True, "Snapshot new rolled back")
    assert cluster.guest(102)["config"]["cores"] == 2


def test_it_is_removed_once(snap, cluster):
    snap()
    result = snap(state="absent")
    assert (result["changed"], result["msg"]) == (True, "Snapshot new removed") and names(cluster) == []
    again = snap(state="absent")
    assert (again["changed"], again["msg"]) == (False, "Snapshot new does not exist")


def test_memory_is_kept_where_it_is_asked_for(snap, cluster):
    snap(vmstate=True)
    assert cluster.guest(101)["snapshots"]["new"]["vmstate"]
    result = snap(vmid=200, vmstate=True)
    assert result["changed"] and result["warnings"] == ["vmstate has no meaning for a container"]


# ------------------------------------------------------------------------------------------------------- retention


def test_the_oldest_go_one_after_the_other(snap, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.01})
    old = {name: {"snaptime": 1790000000 + age} for age, name in enumerate(["one", "two", "three"])}
    cluster.patch(guests=[{"vmid": 101, "snapshots": old}])
    assert snap(retention=2)["changed"]
    assert names(cluster) == ["three", "new"]
    assert not snap(retention=1)["changed"] and names(cluster) == ["three", "new"], "nothing new was taken"


# --------------------------------------------------------------------------------------------------- mount points


def test_mount_points_are_off_while_the_snapshot_is_taken(ferrox, cluster, bound):
    result = ferrox("proxmox_snap", bound, environment={"FERROX_PROGRESS": "always"})
    assert result["changed"] and result["msg"] == "Snapshot new created" and "warnings" not in result
    assert is_whole(cluster)
    assert not any(key.startswith("mp") for key in cluster.guest(200)["snapshots"]["new"])
    base = "/nodes/pve1/lxc/200"
    assert writes(cluster) == [f"POST {base}/status/shutdown", f"PUT {base}/config", f"POST {base}/snapshot",
                               f"PUT {base}/config", f"PUT {base}/config", f"POST {base}/status/start"]
    assert result.stderr.splitlines()[0].endswith(
        "dns: its mount points are taken off for the snapshot and put back after it: "
        f"mp0: {MOUNTS['mp0']}; mp1: {MOUNTS['mp1']}"
    )


def test_mount_points_are_back_after_a_failure(ferrox, cluster, bound):
    cluster.fault(method="POST", path=r".*/snapshot", task={"exitstatus": "no space left"})
    result = ferrox("proxmox_snap", bound)
    assert result["failed"] and "no space left" in result["msg"]
    assert "mount point" not in result["msg"], "what is back is not missed"
    assert is_whole(cluster) and names(cluster, 200) == []


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("source", ["/mnt/data", "/dev/sdb1", "volume=/mnt/data"])
def test_nothing_is_taken_off_that_the_caller_may_not_put_back(ferrox, cluster, bound, check, source):
    cluster.patch(guests=[{"vmid": 200, "config": {"mp1": f"{source},mp=/data"}}])
    before = cluster.guest(200)
    result = ferrox("proxmox_snap", {**bound, "api_user": "prov@pve", "api_password": "provision"}, check=check)
    assert result["failed"] and result["msg"] == (
        "mp1: only root@pam may set this, logged in with its password; the server takes us for prov@pve")
    assert writes(cluster) == [] and cluster.guest(200) == before


@pytest.mark.parametrize(("refused", "kept"), [(2, "mp1"), (None, None)])
def test_a_container_is_not_started_without_its_mount_points(ferrox, cluster, bound, refused, kept):
    # The first PUT takes them off; those that put mp0 back are refused, then and after the failure, or all.
    cluster.fault(method="PUT", path=r".*/lxc/200/config", after=1, times=refused, status=500, message="no space left")
    result = ferrox("proxmox_snap", bound)
    guest = cluster.guest(200)
    assert {key for key in guest["config"] if key.startswith("mp")} == ({kept} if kept else set())
    assert guest["status"] == "stopped" and not any(line.endswith("/start") for line in writes(cluster))
    off = "; ".join(f"{key}: {line}" for key, line in MOUNTS.items() if key != kept)
    assert result["failed"] and result["msg"].endswith(
        f"no space left; these mount points are off, and have to be put back before it starts: {off}")


# A module has 10 s after a signal, but not one that has something to put back.
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGINT, 1), (signal.SIGTERM, 12)])
def test_mount_points_are_back_after_an_interruption(executable, cluster, bound, number, seconds):
    cluster.control("POST", "/time-scale", {"time_scale": 0.05})
    cluster.patch(secs={"snapshot": 20 * seconds})
    process = subprocess.Popen([executable, "proxmox_snap", "-"], env=clean_environment(), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(json.dumps(bound))
    process.stdin.close()
    process.stdin = None
    until(lambda: any(line.endswith("/snapshot") for line in writes(cluster)))
    process.send_signal(number)
    out, said = process.communicate()
    result = json.loads(out)
    assert result["failed"] and result["msg"] == "interrupted: container `dns` left unfinished", "no task is left running"
    assert said.startswith("interrupted: what is half done is brought to an end or taken back")
    assert is_whole(cluster)


def test_a_container_that_does_not_run_is_not_started(ferrox, cluster, bound):
    cluster.patch(guests=[{"vmid": 200, "status": "stopped"}])
    assert ferrox("proxmox_snap", bound)["changed"]
    assert cluster.guest(200)["status"] == "stopped" and not any("/status/" in line for line in writes(cluster))


def test_what_is_there_is_not_taken_apart_again(ferrox, cluster, bound):
    cluster.patch(guests=[{"vmid": 200, "snapshots": {"new": {}}}])
    assert not ferrox("proxmox_snap", bound)["changed"] and writes(cluster) == []


# ------------------------------------------------------------------------------------------------ what goes wrong


def test_a_snapshot_that_the_storage_refuses_is_told_with_its_cause(snap, cluster):
    cluster.patch(no_snapshots=["ceph"])
    result = snap()
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to take a snapshot of VM `web-old-1`: ")
    assert "snapshot feature is not available" in result["msg"]


def test_a_timeout_counts_when_it_is_stated(snap, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.1})
    cluster.patch(secs={"snapshot": 100})
    result = snap(timeout=1)
    assert result["failed"] and result["failure"]["kind"] == "deadline"
    assert "qmsnapshot" in result["failure"]["upid"]


def test_nothing_to_go_back_to_is_a_failure(snap):
    result = snap(state="rollback")
    assert result["failed"] and result["msg"] == "Snapshot new does not exist"


def test_the_guest_as_it_is_is_no_snapshot(snap):
    result = snap(snapname="current")
    assert result["failed"]
    assert result["msg"] == "snapname: `current` is the guest as it is, and no snapshot can be called so"
    assert not snap(snapname="current", state="absent")["changed"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", ["", "a", "1st", "_x", "be fore", "a.b", "é1", "x" * 41])
def test_what_cannot_name_a_snapshot_is_refused_before_anything_is_asked(snap, cluster, name, check):
    result = snap(snapname=name, check=check)
    assert result["failed"] and result["msg"].startswith(f"snapname: `{name}` cannot name a snapshot: ")
    assert cluster.requests() == []


def test_the_longest_name_is_taken(snap, cluster):
    name = "a" + "-_9" * 13
    assert snap(snapname=name)["changed"] and names(cluster) == [name]


def test_a_guest_that_is_not_there_is_a_failure(snap):
    for options, which in [({"vmid": 777}, "vmid 777"), ({"hostname": "nobody"}, "name = nobody")]:
        result = snap(**options)
        assert result["failed"] and result["msg"].startswith(f"VM with {which} does not exist in cluster")


def test_a_guest_that_has_another_name_by_now_is_left_alone(snap, cluster):
    cluster.patch(stale={"102": {"name": "web-old-2"}, "103": {"name": "db"}},
                  guests=[{"vmid": 102, "name": "db"}, {"vmid": 103, "name": "old-db"}])
    assert snap(hostname="db")["changed"]
    assert (names(cluster, 102), names(cluster, 103)) == (["new"], [])


def test_a_lost_answer_is_looked_up(snap, cluster):
    cluster.fault(method="POST", path=".*/snapshot", drop="after-effect")
    result = snap()
    assert result["changed"] and names(cluster) == ["new"]
    assert len([line for line in writes(cluster) if line.endswith("/snapshot")]) == 1


def test_the_right_that_is_missing_is_named(snap):
    assert lacks(snap(**ONLOOKER), "VM.Snapshot", "/vms/101")


def test_in_a_playbook_the_second_run_is_unchanged(playbook, connection):
    task = {"ferrox.proxmox.proxmox_snap": {**connection, "vmid": 101}}
    run = playbook([task, task])
    assert run.rc == 0 and [result["changed"] for result in run.results] == [True, False]
