# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_kvm: a VM from nothing to nothing, and what its states do."""

from __future__ import annotations

import pytest
from cluster import FakeCluster
from conftest import connection_to
from vms import NEW, config, run, writes  # noqa: F401

# --------------------------------------------------------------------------------------------- from nothing to nothing


@pytest.mark.parametrize("options, message", [
    ({}, "one of the following is required: name, vmid"),
    ({"vmid": 300}, "state is present but all of the following are missing: node"),
    ({**NEW, "update": True, "delete": "tags"}, "parameters are mutually exclusive: delete|update"),
    ({**NEW, "update": True, "clone": "x"}, "parameters are mutually exclusive: clone|update"),
    ({**NEW, "tpmstate0": {}}, "missing required arguments: storage found in tpmstate0"),
    ({"vmid": 101, "migrate": True, "state": "current"},
     "migrate is true but all of the following are missing: node"),
])
def test_what_is_missing_is_named(run, cluster, options, message):
    assert run(options)["msg"] == message
    assert cluster.requests() == []


def test_check_mode_writes_nothing(run, cluster):
    result = run(NEW, check=True, diff=True)
    assert result["changed"] and (result["vmid"], result["msg"]) == (300, "VM web-9 with vmid 300 deployed")
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == {
        "name": "web-9", "node": "pve1", "vmid": 300, "cores": "2", "memory": "1024", "scsi0": "local-lvm:4",
        "net0": "virtio,bridge=vmbr0,tag=20", "tags": "web"}
    assert writes(cluster) == []
    assert cluster.guest(300) is None


def test_it_is_made_and_a_second_run_is_unchanged(run, cluster, asked):
    result = run(NEW)
    assert result["changed"] and (result["vmid"], result["msg"]) == (300, "VM web-9 with vmid 300 deployed")
    assert result["devices"] == {"scsi0": "local-lvm:vm-300-disk-0"}
    assert result["mac"]["net0"] in config(cluster, 300)["net0"]
    assert cluster.guest(300)["name"] == "web-9"
    asked()
    again = run(NEW)
    assert not again["changed"] and (again["vmid"], again["msg"]) == (300, "VM with vmid <300> already exists")
    assert asked() == ["GET /cluster/resources"]


def test_the_next_free_vmid_is_taken_and_a_name_that_is_there_is_enough(run, cluster):
    options = {"node": "pve1", "name": "web-9", "memory": 64}
    check = run(options, check=True)
    assert check["changed"] and check["vmid"] is None
    assert check["msg"] == "VM web-9 with vmid the next free one deployed"
    made = run(options)
    assert made["changed"] and made["vmid"] == 106
    again = run(options)
    assert not again["changed"] and (again["vmid"], again["msg"]) == (106, "VM with vmid <106> already exists")
    # A name is there before the list of all knows it.
    cluster.patch(stale={"106": {"name": None}})
    assert not run(options)["changed"]


def test_it_is_removed_once(run, cluster, asked):
    check = run(vmid=102, state="absent", check=True)
    assert check["changed"] and cluster.guest(102) is not None
    result = run(vmid=102, state="absent", purge=True, destroy_unreferenced_disks=True)
    assert result["changed"] and (result["vmid"], result["msg"]) == (102, "VM 102 removed")
    assert cluster.guest(102) is None
    assert "DELETE /nodes/pve2/qemu/102?purge=1&destroy-unreferenced-disks=1" in asked()
    again = run(vmid=102, state="absent")
    assert not again["changed"] and again["vmid"] == 102
    assert asked() == ["GET /cluster/resources"]
    assert run(name="web-old-2", state="absent")["msg"] == "VM with name = web-old-2 is already absent"


def test_a_playbook_runs_it(playbook, connection):
    task = {"ferrox.proxmox.proxmox_kvm": {**connection, "vmid": 102, "state": "started"}}
    run = playbook([task, task])
    assert [result["changed"] for result in run.results] == [True, False]
    assert run.result["msg"] == "VM 102 is already running"


def test_on_8_it_is_the_same(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {**connection_to(eight), **NEW}
        more_cores = {"cores": 4, "update": True}
        gone = {"state": "absent"}
        for changed, more in [(True, {}), (False, {}), (True, more_cores), (False, more_cores), (True, gone)]:
            result = ferrox("proxmox_kvm", {**options, **more})
            assert (result["changed"], result.get("failed")) == (changed, None), result
        assert eight.schema_violations() == []


# ----------------------------------------------------------------------------------------------- started, stopped, …


@pytest.mark.parametrize("vmid, state, changed, msg, before, after", [
    (101, "started", False, "VM 101 is already running", "running", "running"),
    (102, "started", True, "VM 102 started", "stopped", "running"),
    (101, "stopped", True, "VM 101 is shutting down", "running", "stopped"),
    (102, "stopped", False, "VM 102 is already stopped", "stopped", "stopped"),
    (101, "restarted", True, "VM 101 is restarted", "running", "running"),
    (102, "restarted", False, "VM 102 is not running", "stopped", "stopped"),
    (101, "hibernated", True, "VM 101 is suspending", "running", "stopped"),
    (102, "hibernated", False, "VM 102 is not running", "stopped", "stopped"),
    (102, "paused", False, "VM 102 is not running", "stopped", "stopped"),
    (101, "current", False, "VM web-old-1 with vmid = 101 is running", "running", "running"),
    (102, "current", False, "VM web-old-2 with vmid = 102 is stopped", "stopped", "stopped"),
])
def test_a_vm_is_switched(run, cluster, vmid, state, changed, msg, before, after):
    for check in (True, False):
        result = run(vmid=vmid, state=state, check=check, diff=True)
        assert (result["changed"], result["msg"], result["vmid"]) == (changed, msg, vmid), result
        assert result["status"] == before
        assert (result.get("diff", {}).get("before") != result.get("diff", {}).get("after")) == changed
        if check:
            assert writes(cluster) == []
    assert cluster.guest(vmid)["status"] == after


def test_started_on_a_running_vm_takes_two_requests(run, asked):
    run(name="web-old-1", state="started")
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/qemu/101/status/current"]


def test_a_paused_vm_goes_on_when_it_is_started(run, cluster):
    assert run(vmid=101, state="paused")["msg"] == "VM 101 is suspending"
    assert cluster.guest(101)["qmpstatus"] == "paused"
    again = run(vmid=101, state="paused")
    assert (again["changed"], again["msg"]) == (False, "VM 101 is already paused")
    result = run(vmid=101, state="started")
    assert (result["changed"], result["msg"], result["status"]) == (True, "VM 101 started", "running")
    assert cluster.guest(101)["qmpstatus"] == "running"


def test_a_paused_vm_hears_of_no_shutdown(run, cluster):
    run(vmid=101, state="paused")
    result = run(vmid=101, state="stopped")
    assert result["failed"]
    assert result["msg"] == ("unable to shut down VM `web-old-1`: it is paused; let it go on (state=started) or use "
                             "force=true")
    assert run(vmid=101, state="stopped", force=True)["changed"]
    assert cluster.guest(101)["status"] == "stopped"


def test_a_hibernated_vm_is_woken(run, cluster):
    run(vmid=101, state="hibernated")
    assert cluster.guest(101)["status"] == "stopped"
    assert run(vmid=101, state="started")["changed"]
    assert cluster.guest(101)["status"] == "running"


def test_force_is_the_hard_way(run, cluster):
    assert run(vmid=101, state="restarted", force=True)["msg"] == "VM 101 is restarted"
    assert run(vmid=104, state="stopped", force=True, timeout=1)["changed"]
    assert writes(cluster) == ["POST /nodes/pve1/qemu/101/status/reset", "POST /nodes/pve3/qemu/104/status/shutdown"]
    assert cluster.guest(104)["status"] == "stopped"


def test_a_guest_that_does_not_shut_down_in_time_fails(run, cluster):
    result = run(vmid=104, state="stopped", timeout=1)
    assert result["failed"] and "got timeout" in result["msg"]
    assert result["msg"].startswith("unable to shut down VM `stubborn`: ")
    assert cluster.guest(104)["status"] == "running"


def test_what_the_ha_manager_manages_is_waited_for(run, cluster):
    assert run(vmid=105, state="stopped")["changed"]
    assert cluster.guest(105)["status"] == "stopped"
    assert run(vmid=105, state="started")["changed"]
    assert cluster.guest(105)["status"] == "running"


# -------------------------------------------------------------------------------------------------- template, absent


def test_a_vm_becomes_a_template_once(run, cluster):
    for check in (True, False):
        result = run(vmid=102, state="template", check=check)
        assert (result["changed"], result["msg"]) == (True, "VM 102 is converting to template")
    assert cluster.guest(102)["template"]
    again = run(vmid=102, state="template")
    assert (again["changed"], again["msg"], again["vmid"]) == (False, "VM 102 is already a template", 102)


def test_what_runs_becomes_a_template_only_by_force(run, cluster):
    result = run(vmid=101, state="template")
    assert result["failed"]
    assert result["msg"] == "unable to convert VM `web-old-1` to a template: it runs; stop it before, or use force=true"
    assert writes(cluster) == []
    assert run(vmid=101, state="template", force=True)["changed"]
    assert cluster.guest(101)["template"] and cluster.guest(101)["status"] == "stopped"


def test_a_young_vm_becomes_a_template(run):
    run(NEW)
    assert run(vmid=300, state="template")["changed"]


def test_what_runs_is_removed_only_by_force(run, cluster):
    result = run(name="web-old-1", state="absent")
    assert not result["changed"] and result["vmid"] == 101
    assert result["msg"] == "VM 101 is running. Stop it before deletion or use force=true."
    assert result["warnings"] == ["VM `web-old-1` runs and was not removed; force: true stops it and removes it"]
    assert writes(cluster) == []
    assert run(name="web-old-1", state="absent", force=True)["msg"] == "VM 101 removed"
    assert cluster.guest(101) is None


def test_a_template_is_not_started(run, cluster):
    result = run(vmid=9000, state="started")
    assert result["failed"]
    assert result["msg"] == "unable to start VM `debian-13`: it is a template, and templates cannot be started"
    assert writes(cluster) == []
