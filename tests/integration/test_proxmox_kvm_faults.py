# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_kvm: which VM is meant, and what goes wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from vms import NEW, STOPPED, config, run, writes  # noqa: F401

# ------------------------------------------------------------------------------------------------------ who is meant


@pytest.mark.parametrize("state", ["started", "stopped", "restarted", "template", "paused", "hibernated", "current"])
@pytest.mark.parametrize("who, message", [
    ({"vmid": 777}, "VM with vmid 777 does not exist in cluster"),
    ({"name": "nope"}, "VM with name = nope does not exist in cluster"),
    ({"vmid": 200}, "VM with vmid 200 does not exist in cluster"),
])
def test_a_vm_that_is_not_there_fails(run, cluster, state, who, message):
    result = run(state=state, **who)
    assert result["failed"] and result["msg"].startswith(message)
    assert writes(cluster) == []


@pytest.mark.parametrize("options", [{"update": True, "cores": 4}, {"delete": "tags"}, {"revert": "cores"}])
def test_what_changes_a_vm_needs_one(run, cluster, options):
    result = run(node="pve1", name="nope", **options)
    assert result["failed"] and result["msg"].startswith("VM with name = nope does not exist in cluster")
    assert writes(cluster) == []


def test_a_container_is_left_alone(run, cluster):
    result = run(NEW, vmid=200)
    assert result["failed"] and result["msg"] == "VMID 200 is taken by the container `dns`"
    assert not run(vmid=200, state="absent", force=True)["changed"]
    assert writes(cluster) == []


def test_a_vm_is_found_on_whichever_node_it_is(run, cluster):
    assert run(node="pve3", vmid=102, cores=4, update=True)["changed"]
    assert run(node="pve3", vmid=102, delete="tags")["changed"]
    assert writes(cluster) == ["PUT /nodes/pve2/qemu/102/config"] * 2


def test_a_new_vm_needs_a_node_that_is_there(run, cluster):
    result = run(NEW, node="pve9")
    assert result["failed"] and result["msg"] == "node 'pve9' does not exist in cluster"
    assert writes(cluster) == []


def test_a_stale_list_does_not_decide(run, cluster):
    cluster.patch(stale={"101": {"status": "stopped"}})
    assert not run(vmid=101, state="started")["changed"]


# ----------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("options, path, sentence", [
    ({"vmid": 102, "state": "started"}, r".*/status/start", "unable to start VM `web-old-2`: "),
    ({"vmid": 102, "state": "absent"}, r"/nodes/pve2/qemu/102", "unable to remove VM `web-old-2`: "),
    ({"vmid": 102, "state": "template"}, r".*/template", "unable to convert VM `web-old-2`: "),
    ({"vmid": 101, "state": "paused"}, r".*/status/suspend", "unable to pause VM `web-old-1`: "),
    ({**NEW}, r"/nodes/pve1/qemu", "unable to create VM `web-9`: "),
    ({"node": "pve1", "clone": "debian-13", "name": "web-9", "newid": 300}, r".*/clone",
     "unable to clone VM `web-9`: "),
])
def test_a_task_that_fails_is_told_at_once_with_its_cause(run, cluster, options, path, sentence):
    cluster.fault(method="*", path=path, task={"exitstatus": "no space left on device"})
    result = run(options)
    assert result["failed"] and result["msg"].startswith(sentence), result["msg"]
    assert "no space left on device" in result["msg"]
    assert result["failure"]["kind"] == "task_failed"


def test_an_answer_that_was_lost_makes_no_second_vm(run, cluster):
    cluster.fault(method="POST", path=r"/nodes/pve1/qemu", drop="after-effect")
    result = run(NEW)
    assert result["changed"] and result["vmid"] == 300 and result["devices"], result
    assert writes(cluster) == ["POST /nodes/pve1/qemu"]


def test_a_vmid_that_is_taken_meanwhile_is_passed_over(run, cluster):
    cluster.fault(method="POST", path=r"/nodes/pve1/qemu", status=500,
                  message="unable to create VM 106: config file already exists")
    result = run(node="pve1", name="web-9", memory=64)
    assert result["changed"] and result["vmid"] == 107, result


def test_a_lock_is_waited_for(run, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup", "config": {"lock": "backup"}}])
    check = run(STOPPED, cores=4, update=True, check=True)
    assert not check["changed"]
    assert check["warnings"] == ["VM `web-old-2`: it is locked (backup): another operation is at work on it. Should "
                                 "that have been cut off, `qm unlock 102` on pve2 takes the lock away"]
    # What is as it should be waits for nothing.
    assert not run(STOPPED, cores=2, update=True)["changed"]
    assert writes(cluster) == []


def test_a_lock_that_goes_lets_the_task_go_on(run, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup", "config": {"lock": "backup"}}])
    ended = threading.Event()

    def unlock():
        # When the lock has been met twice, it is waited for.
        while len(cluster.requests()) < 3 and not ended.wait(0.01):
            pass
        cluster.patch(guests=[{"vmid": 102, "lock": None, "config": {"lock": None}}])

    with ThreadPoolExecutor(1) as other:
        unlocked = other.submit(unlock)
        result = run(STOPPED, cores=4, update=True)
        ended.set()
        unlocked.result()
    assert result["changed"], result
    assert config(cluster, 102)["cores"] == 4


@pytest.mark.parametrize("options, keys", [
    ({**NEW, "args": "-no-hpet"}, "args"),
    ({**NEW, "lock": "backup"}, "lock"),
    ({**STOPPED, "cores": 4, "update": True, "skiplock": True}, "skiplock"),
])
def test_what_only_root_may_set_is_told_before_anything_is_written(run, cluster, options, keys):
    result = run(options)
    assert result["failed"]
    assert result["msg"] == (f"{keys}: only root@pam may set this, logged in with its password; the server takes us "
                             "for ansible@pam!mms")
    assert writes(cluster) == []


def test_root_may_set_arguments(ferrox, cluster, connection):
    root = {key: value for key, value in connection.items() if not key.startswith("api_token")}
    root |= {"api_user": "root@pam", "api_password": "secret"}
    result = ferrox("proxmox_kvm", {**root, **NEW, "args": "-no-hpet"})
    assert result["changed"], result
    assert config(cluster, 300)["args"] == "-no-hpet"


def test_a_caller_without_the_right_is_told_which_one(ferrox, cluster, connection):
    onlooker = {**connection, "api_user": "audit@pve"}
    result = ferrox("proxmox_kvm", {**onlooker, "vmid": 102, "state": "started"})
    assert result["failed"] and "VM.PowerMgmt" in result["msg"]
    assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("VM.PowerMgmt", "/vms/102")


@pytest.mark.parametrize("options, message", [
    ({"tags": ["-x"]}, "unable to create VM `web-9`: tags: `-x` is not a tag: letters, digits and _ - + . are allowed, "
                       "the first a letter, a digit or _"),
    ({"serial": {"serial0": ["socket"]}}, "unable to create VM `web-9`: serial0: must be a text such as the API takes"),
])
def test_what_cannot_be_is_told_before_anything_is_sent(run, cluster, options, message):
    result = run(NEW, **options)
    assert result["failed"] and result["msg"] == message
    assert writes(cluster) == []


# ---------------------------------------------------------------------- no outage for what cannot be done in the end


@pytest.mark.parametrize(("vmid", "state", "why"), [
    (101, "absent", "it is protected"),
    (105, "absent", "the HA manager manages it, and only purge: true takes it from there"),
    (101, "template", "it has snapshots (before)"),
])
@pytest.mark.parametrize("check", [True, False])
def test_nothing_is_stopped_for_what_cannot_be_done(run, cluster, vmid, state, why, check):
    if state == "absent" and vmid == 101:
        assert run(vmid=101, node="pve1", update=True, protection=True)["changed"]
    elif state == "template":
        cluster.patch(guests=[{"vmid": 101, "snapshots": {"before": {}}}])
    written = len(writes(cluster))
    result = run(vmid=vmid, state=state, force=True, check=check)
    assert result["failed"] and why in result["msg"]
    assert len(writes(cluster)) == written and cluster.guest(vmid)["status"] == "running"
