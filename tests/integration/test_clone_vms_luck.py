# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms against bad luck: locks, failed tasks, lost answers, other clients, hanging servers."""

from __future__ import annotations

import pytest
from clone_vms import clone, guests, only, rows, sent  # noqa: F401

TWENTY = [f"web-{number}" for number in range(1, 21)]
CLONE = r"/nodes/pve1/qemu/9000/clone"
FULL_DISK = {"exitstatus": "clone failed: no space left", "log": ["create full clone", "no space left on device"]}
PROV = {"api_user": "prov@pve"}


def names(cluster):
    """The names of the VMs that a test made, sorted; a second VM of one name shows."""
    return sorted(guest["name"] for guest in guests(cluster))


# -------------------------------------------------------------------------------------------------- locks and tasks


@pytest.mark.parametrize("where", ["request", "task", "both"])
def test_twenty_clones_of_which_five_meet_a_held_lock_all_succeed(clone, cluster, where):
    cluster.help("lock-timeouts", n=5, where=where)
    result = clone(*TWENTY, template="debian-13", parallel=8)
    assert not result.get("failed")
    assert all(row["created"] and row["error"] is None for row in result["vms"])
    assert names(cluster) == sorted(TWENTY)
    assert len(sent(cluster, "/clone")) == 25


def test_a_lock_that_lasts_is_waited_for_until_the_timeout(clone, cluster):
    cluster.fault(method="PUT", path=r".*/config", times=None, status=500,
                  message="can't lock file '/var/lock/qemu-server/lock-106.conf' - got timeout")
    result = clone("web-1", template="debian-13", cores=4, timeout=1)
    assert result["failed"]
    assert result["msg"] == (
        "unable to configure VM `web-1`: it took longer than 1 s; at last: PUT /nodes/pve1/qemu/106/config "
        "answered 500: can't lock file '/var/lock/qemu-server/lock-106.conf' - got timeout"
    )
    assert rows(result)["web-1"]["created"]
    assert names(cluster) == ["web-1"]


def test_a_task_that_fails_is_shown_with_its_log_and_the_others_go_on(clone, cluster):
    cluster.fault(method="POST", path=CLONE, after=2, times=2, task=FULL_DISK)
    result = clone("a", "b", "c", "d", "e", template="debian-13", cores=4, parallel=1)
    assert result["failed"] and result["changed"] and result.rc == 1
    upid = result["failure"]["upid"]
    assert result["msg"] == (
        f"2 of 5 VMs failed: unable to clone VM `c`: task {upid} failed: clone failed: no space left"
    )
    assert result["failure"]["kind"] == "task_failed"
    assert result["failure"]["log"] == [*FULL_DISK["log"], "TASK ERROR: clone failed: no space left"]
    assert [row["name"] for row in result["vms"]] == ["a", "b", "c", "d", "e"]
    failed, well = rows(result)["c"], rows(result)["e"]
    assert (failed["created"], failed["changed"], failed["status"]) == (False, False, None)
    assert failed["error"].endswith("clone failed: no space left")
    assert (well["created"], well["status"], well["error"]) == (True, "stopped", None)
    assert names(cluster) == ["a", "b", "e"]

    again = clone("a", "b", "c", "d", "e", template="debian-13", cores=4)
    assert again["msg"] == "5 VMs: 2 created, 0 changed, 3 as wanted"
    assert names(cluster) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("method, path, verb", [("POST", r".*/start", "start"), ("PUT", r".*/resize", "resize")])
def test_a_vm_that_is_there_but_not_as_wanted_says_so(clone, cluster, method, path, verb):
    cluster.fault(method=method, path=path, task={"exitstatus": "QEMU exited with code 1"})
    settings = {"template": "debian-13", "disks": {"scsi0": {"size": "8G"}}, "state": "started"}
    result = clone("a", **settings)
    assert result["msg"].startswith(f"unable to {verb} VM `a`: task UPID:")
    row = rows(result)["a"]
    assert (row["created"], row["changed"], row["status"], row["vmid"]) == (True, True, "stopped", 106)
    assert rows(clone("a", **settings))["a"]["status"] == "running"


def test_without_quorum_nothing_is_done_and_the_server_is_quoted(clone, cluster):
    cluster.patch(quorate=False)
    result = clone("a", template="debian-13")
    assert result["failed"] and "cluster not ready - no quorum?" in result["msg"]
    assert (rows(result)["a"]["created"], rows(result)["a"]["status"]) == (False, None)


def test_on_error_stop_begins_no_further_vm(clone, cluster):
    cluster.fault(method="POST", path=CLONE, after=1, task=FULL_DISK)
    result = clone("a", "b", "c", "d", template="debian-13", parallel=1, on_error="stop")
    assert result["failed"] and result["msg"].startswith("1 of 4 VMs failed, 2 not begun: unable to clone VM `b`: ")
    assert [row["error"] for row in result["vms"]][2:] == ["not begun", "not begun"]
    assert names(cluster) == ["a"]
    assert len(sent(cluster, "/clone")) == 2


def test_warnings_of_a_task_are_warnings(clone, cluster):
    cluster.fault(method="POST", path=CLONE, task={"exitstatus": "WARNINGS: 1",
                                                   "log": ["WARN: volume deactivation failed"]})
    result = clone("web-1", template="debian-13")
    assert not result.get("failed") and rows(result)["web-1"]["created"]
    assert result["warnings"] == ["web-1: WARN: volume deactivation failed"]


def test_a_task_whose_last_line_is_not_written_yet_is_asked_again(clone, cluster):
    cluster.fault(method="POST", path=CLONE, task={"misread": 1})
    assert not clone("web-1", template="debian-13").get("failed")


def test_a_vm_killed_between_clone_and_configuration_is_finished_by_the_next_run(clone, cluster):
    cluster.fault(method="PUT", path=r".*/config", status=500, message="no space left on device")
    settings = {"template": "debian-13", "cores": 4, "cipassword": "correct horse", "disks": {"scsi0": {"size": "8G"}},
                "state": "started"}
    assert clone("web-1", **settings)["failed"]
    result = clone("web-1", **settings)
    assert not result.get("failed") and result["changed"] and not rows(result)["web-1"]["created"]
    guest = only(cluster, "web-1")
    assert (guest["config"]["cores"], guest["status"]) == (4, "running")
    assert "cipassword" in guest["config"] and "size=8G" in guest["config"]["scsi0"]
    assert not clone("web-1", **settings)["changed"]


# ----------------------------------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("time_scale", [0, 0.02])
@pytest.mark.parametrize("drop", ["during", "after-effect"])
def test_a_clone_whose_answer_is_lost_is_not_made_twice(clone, cluster, drop, time_scale):
    cluster.control("POST", "/time-scale", {"time_scale": time_scale})
    cluster.fault(method="POST", path=CLONE, drop=drop, times=2)
    result = clone("a", "b", "c", template="debian-13", cores=4)
    assert not result.get("failed")
    assert all(row["created"] for row in result["vms"])
    assert names(cluster) == ["a", "b", "c"]
    assert len(sent(cluster, "/clone")) == 3
    assert not clone("a", "b", "c", template="debian-13", cores=4)["changed"]


def test_a_clone_that_never_reached_the_server_is_sent_again(clone, cluster):
    # Nothing of it may be seen for 10 s before it counts as not begun; all three wait at the same time.
    cluster.fault(method="POST", path=CLONE, drop="before", times=3)
    result = clone("a", "b", {"name": "c", "vmid": 300}, template="debian-13")
    assert not result.get("failed")
    assert all(row["created"] for row in result["vms"])
    assert names(cluster) == ["a", "b", "c"]
    assert len(sent(cluster, "/clone")) == 6


@pytest.mark.parametrize("path", [r".*/config", r".*/resize", r".*/status/start"])
@pytest.mark.parametrize("drop", ["during", "after-effect"])
def test_lost_answers_of_the_later_steps_do_no_harm(clone, cluster, path, drop):
    cluster.fault(method="*" if "start" in path else "PUT", path=path, drop=drop)
    settings = {"template": "debian-13", "cores": 4, "disks": {"scsi0": {"size": "8G"}}, "state": "started"}
    result = clone("web-1", **settings)
    assert not result.get("failed")
    assert rows(result)["web-1"]["status"] == "running" == only(cluster, "web-1")["status"]
    assert not clone("web-1", **settings)["changed"]


@pytest.mark.parametrize("path", [r"/cluster/resources", r"/nodes/[^/]+/qemu", r"/cluster/nextid", r".*/tasks/.*"])
def test_lost_answers_to_questions_are_asked_again(clone, cluster, path):
    cluster.fault(method="GET", path=path, drop="after-effect")
    assert not clone("web-1", template="debian-13").get("failed")
    assert names(cluster) == ["web-1"]


# ---------------------------------------------------------------------------------------------------- other clients


@pytest.mark.parametrize("where", ["request", "task"])
@pytest.mark.parametrize("drop", [None, "after-effect"])
def test_where_another_client_takes_the_vmid_the_next_one_is_taken(clone, cluster, where, drop):
    cluster.help("steal-vmid", times=2, where=where, drop=drop)
    result = clone("web-1", template="debian-13", cores=4)
    assert not result.get("failed")
    assert rows(result)["web-1"]["vmid"] == 108 == only(cluster, "web-1")["vmid"]
    assert names(cluster) == ["stolen-106", "stolen-107", "web-1"]
    assert "cores" not in cluster.guest(106)["config"] or cluster.guest(106)["config"]["cores"] != 4


@pytest.mark.parametrize("where", ["request", "task"])
def test_a_given_vmid_that_another_client_takes_fails(clone, cluster, where):
    cluster.help("steal-vmid", where=where)
    result = clone({"name": "web-1", "vmid": 300}, template="debian-13", cores=4)
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to clone VM `web-1`: ")
    assert "unable to create VM 300: config file already exists" in result["msg"]
    assert names(cluster) == ["stolen-300"]


# --------------------------------------------------------------------------------------------------- missing rights


def test_a_missing_privilege_is_named_with_its_path(clone, cluster):
    result = clone("web-1", template="debian-13", api_user="audit@pve")
    assert result["failed"] and not result["changed"]
    failure = result["failure"]
    assert (failure["status"], failure["privilege"], failure["acl_path"]) == (403, "VM.Clone", "/vms/9000")
    assert "The caller lacks VM.Clone on /vms/9000; a token with privilege separation needs it itself" in result["msg"]


def test_a_bare_403_to_a_free_vmid_is_a_missing_vm_allocate(clone, cluster):
    cluster.patch(roles={"Provisioner": "VM.Clone VM.Audit Datastore.AllocateSpace Datastore.Audit SDN.Use"})
    result = clone("web-1", template="debian-13", **PROV)
    assert result["failed"]
    assert (result["failure"]["status"], result["failure"]["privilege"]) == (403, "VM.Allocate")
    assert len(sent(cluster, "/clone")) == 1


def test_the_seed_case_role_is_enough(clone, cluster):
    result = clone("web-1", template="debian-13", cores=4, memory=4096, ciuser="admin", net={"net0": {"vlan": 20}},
                   disks={"scsi0": {"size": "8G"}}, state="started", onboot=True, **PROV)
    assert not result.get("failed")
    assert only(cluster, "web-1")["status"] == "running"


def test_a_caller_with_rights_on_a_pool_alone_can_do_it_all(clone, cluster):
    cluster.patch(
        users={"pool@pve": {"tokens": {"mms": {"secret": cluster.api_token_secret, "privsep": 0}}}},
        roles={"Source": "VM.Clone VM.Audit", "Space": "Datastore.AllocateSpace Datastore.Audit", "Net": "SDN.Use"},
        acl=[{"path": path, "ugid": "pool@pve", "roleid": role} for path, role in (
            ("/pool/lab", "PVEVMAdmin"), ("/vms/9000", "Source"), ("/storage/ceph", "Space"),
            ("/sdn/zones/localnetwork/vmbr0", "Net"))],
    )
    settings = {"template": "debian-13", "pool": "lab", "cores": 4, "disks": {"scsi0": {"size": "8G"}},
                "state": "started", "wait_for": "ip", "api_user": "pool@pve"}
    result = clone("a", "b", **settings)
    assert not result.get("failed") and all(row["ip_addresses"] for row in result["vms"])
    assert not clone("a", "b", **settings)["changed"]


# -------------------------------------------------------------------------------------------------- hanging servers


def test_what_was_sent_in_vain_is_not_sent_again_after_the_timeout(clone, cluster):
    cluster.fault(method="POST", path=CLONE, seconds=2, drop="before")
    result = clone({"name": "a", "vmid": 300}, template="debian-13", timeout=1)
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith(
        "unable to clone VM `a`: it took longer than 1 s; at last: POST /nodes/pve1/qemu/9000/clone: the answer was lost: "
    )
    assert result["failure"]["kind"] == "deadline"
    assert sum(request["method"] == "POST" for request in cluster.requests()) == 1
    assert names(cluster) == []


def test_a_task_that_takes_too_long_is_left_running_and_named(clone, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.05})
    cluster.patch(guests=[{"vmid": 9000, "clone_secs": 60}])
    result = clone("web-1", template="debian-13", timeout=1)
    assert result["failed"]
    upid = result["failure"]["upid"]
    assert result["failure"]["running"] == [upid] and f"task {upid} is left running" in result["msg"]
    row = rows(result)["web-1"]
    assert (row["created"], row["status"]) == (True, None) and f"task {upid} is left running" in row["error"]
    again = clone("web-1", template="debian-13")
    assert not again.get("failed") and not again["changed"]
    assert names(cluster) == ["web-1"]


def test_a_node_that_goes_away_in_the_middle_is_named(clone, cluster):
    cluster.fault(method="PUT", path=r".*/config", times=None, status=595, reason="No route to host")
    result = clone("web-1", template="debian-13", cores=4, timeout=1)
    assert result["failed"] and rows(result)["web-1"]["created"]
    assert "at last: PUT /nodes/pve1/qemu/106/config answered 595: No route to host" in result["msg"]
