# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox: a container from nothing to nothing, and what its states do."""

from __future__ import annotations

import pytest
from cluster import FakeCluster
from conftest import connection_to
from containers import DNS, NEW, TEMPLATE, run, writes  # noqa: F401

# --------------------------------------------------------------------------------------------- from nothing to nothing


@pytest.mark.parametrize("options, message", [
    ({}, "one of the following is required: vmid, hostname"),
    ({"vmid": 200}, "state is present but all of the following are missing: node, hostname"),
    ({"hostname": "dns"}, "state is present but all of the following are missing: node"),
    ({**NEW, "clone": 200}, "parameters are mutually exclusive: clone|ostemplate"),
    ({**DNS, "clone": 201, "update": True}, "parameters are mutually exclusive: clone|update"),
    ({**DNS, "force": True, "update": True}, "parameters are mutually exclusive: force|update"),
    ({**DNS, "disk_volume": {"storage": "ceph"}},
     "parameters are required together: storage, size found in disk_volume"),
    ({**DNS, "mount_volumes": [{"id": "mp0"}]}, "missing required arguments: mountpoint found in mount_volumes"),
])
def test_what_is_missing_is_named(run, cluster, options, message):
    assert run(options)["msg"] == message
    assert cluster.requests() == []


def test_check_mode_writes_nothing(run, cluster):
    result = run(NEW, check=True, diff=True)
    assert result["changed"] and result["vmid"] == 300
    assert result["msg"] == f"Created VM ns1 (300) from template {TEMPLATE}"
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"]["rootfs"] == "local-lvm:4"
    assert writes(cluster) == []
    assert cluster.guest(300) is None


def test_it_is_made_and_a_second_run_is_unchanged(run, cluster, asked):
    result = run(NEW)
    assert result["changed"] and result["vmid"] == 300
    assert result["msg"] == f"Created VM ns1 (300) from template {TEMPLATE}"
    config = cluster.guest(300)["config"]
    assert (config["hostname"], str(config["memory"]), config["tags"]) == ("ns1", "256", "infra")
    assert config["rootfs"].startswith("local-lvm:vm-300-disk-0") and "hwaddr=" in config["net0"]
    asked()
    again = run(NEW)
    assert not again["changed"] and again["vmid"] == 300
    assert again["msg"] == "Container config is already up to date."
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/lxc/300/config"]


def test_only_what_differs_is_written(run, cluster):
    result = run(DNS, memory=768, cores=1, tags=["INFRA"], netif={"net0": "name=eth0,bridge=vmbr0"})
    assert result["changed"] and result["msg"] == "VM dns (200) has been updated."
    (write,) = [request for request in cluster.requests() if request["method"] == "PUT"]
    assert write["body"] == {"memory": "768"}


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(run, cluster):
    result = run(DNS, check=True, diff=True, memory=768, nameserver="192.0.2.53", delete=["tags"])
    assert result["changed"] and result["msg"] == "VM dns (200) has been updated."
    assert result["diff"] == {"before": {"memory": "512", "nameserver": None, "tags": "infra"},
                              "after": {"memory": "768", "nameserver": "192.0.2.53", "tags": None}}
    assert writes(cluster) == []


def test_it_is_removed_once(run, cluster, asked):
    check = run(vmid=201, state="absent", check=True)
    assert check["changed"] and cluster.guest(201) is not None
    result = run(vmid=201, state="absent", purge=True, destroy_unreferenced_disks=True)
    assert result["changed"] and (result["vmid"], result["msg"]) == (201, "VM 201 removed.")
    assert cluster.guest(201) is None
    assert "DELETE /nodes/pve2/lxc/201?purge=1&destroy-unreferenced-disks=1" in asked()
    again = run(vmid=201, state="absent")
    assert not again["changed"] and again["msg"] == "VM 201 is already absent."
    assert asked() == ["GET /cluster/resources"]


def test_nobody_of_that_name_is_absent_already(run):
    result = run(hostname="nope", state="absent")
    assert not result["changed"]
    assert (result["vmid"], result["msg"]) == (None, "VM nope is already absent.")


@pytest.mark.parametrize("ansible", ["2.17", "2.19", "2.21"])
def test_a_playbook_finds_the_module_whose_name_the_plugin_has(playbook, connection, ansible):
    task = {"ferrox.proxmox.proxmox": {**connection, "vmid": 201, "state": "started"}}
    run = playbook([task, task], ansible=ansible)
    assert [result["changed"] for result in run.results] == [True, False]
    assert run.result["msg"] == "VM mail (201) is already running."


def test_on_8_it_is_the_same(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {**connection_to(eight), **NEW}
        larger = {"disk": "local-lvm:6", "memory": 300}
        for changed, more in [(True, {}), (False, {}), (True, larger), (False, larger), (True, {"state": "absent"})]:
            result = ferrox("proxmox", {**options, **more})
            assert (result["changed"], result.get("failed")) == (changed, None), result
        assert eight.schema_violations() == []


# ----------------------------------------------------------------------------------------------- started, stopped, …


@pytest.mark.parametrize("vmid, state, changed, msg, status", [
    (200, "started", False, "VM dns (200) is already running.", "running"),
    (201, "started", True, "VM mail (201) started.", "running"),
    (200, "stopped", True, "VM dns (200) stopped.", "stopped"),
    (201, "stopped", False, "VM mail (201) is already stopped.", "stopped"),
    (200, "restarted", True, "VM dns (200) is restarted.", "running"),
    (201, "restarted", False, "VM mail (201) is not running.", "stopped"),
])
def test_a_container_is_switched(run, cluster, vmid, state, changed, msg, status):
    before = cluster.guest(vmid)["status"]
    for check in (True, False):
        result = run(vmid=vmid, state=state, check=check)
        assert (result["changed"], result["msg"], result["vmid"]) == (changed, msg, vmid)
        assert cluster.guest(vmid)["status"] == (before if check else status)


@pytest.mark.parametrize("who", [{"vmid": 200}, {"hostname": "dns"}, {"vmid": 200, "hostname": "dns"}])
def test_what_runs_already_costs_two_requests(run, asked, who):
    result = run(state="started", **who)
    assert result["vmid"] == 200 and result["msg"] == "VM dns (200) is already running."
    assert asked() == ["GET /cluster/resources", "GET /nodes/pve1/lxc/200/status/current"]


def test_a_restart_is_a_shutdown_and_a_start(run, cluster):
    assert run(vmid=200, state="restarted")["changed"]
    assert writes(cluster) == [f"POST /nodes/pve1/lxc/200/status/{action}" for action in ("shutdown", "start")]


def test_force_and_timeout_go_to_the_shutdown(run, cluster):
    run(vmid=200, state="stopped", force=True, timeout=7)
    (write,) = [request for request in cluster.requests() if request["method"] == "POST"]
    assert write["body"] == {"timeout": "7", "forceStop": "1"}


def test_a_template_is_a_template_once(run, cluster):
    first, again = (run(vmid=201, state="template") for _ in range(2))
    assert first["changed"] and first["msg"] == "VM mail (201) converted to template."
    assert not again["changed"] and again["msg"] == "VM mail (201) is already a template."
    assert cluster.guest(201)["template"]


def test_a_template_is_not_started(run, cluster):
    run(vmid=201, state="template")
    for check in (True, False):
        result = run(vmid=201, state="started", check=check)
        assert result["failed"]
        assert result["msg"] == "VM mail (201) is a template: templates cannot be started"
    assert writes(cluster) == ["POST /nodes/pve2/lxc/201/template"]


# ------------------------------------------------------------------------------------------------------------- clones


def test_a_container_is_cloned_once(run, cluster):
    options = {"node": "pve2", "hostname": "mail-2", "clone": 201, "storage": "ceph", "pool": "lab", "description": "x"}
    check = run(options, check=True)
    assert check["changed"] and check["vmid"] is None and check["msg"] == "Cloned VM mail-2 from 201"
    result = run(options)
    assert result["changed"] and type(result["vmid"]) is int
    assert result["msg"] == f"Cloned VM mail-2 ({result['vmid']}) from 201"
    clone = cluster.guest(result["vmid"])
    assert (clone["name"], clone["pool"]) == ("mail-2", "lab")
    assert clone["config"]["rootfs"].startswith("ceph:")
    again = run(options)
    assert not again["changed"]
    assert (again["vmid"], again["msg"]) == (result["vmid"], f"VM mail-2 ({result['vmid']}) already exists.")


@pytest.mark.parametrize("template, clone_type, full", [
    (True, "opportunistic", "0"), (True, "linked", "0"), (True, "full", "1"),
    (False, "opportunistic", "1"), (False, "full", "1"),
])
def test_volumes_are_copied_or_shared(run, cluster, template, clone_type, full):
    if template:
        run(vmid=201, state="template")
    result = run(node="pve2", vmid=300, hostname="mail-2", clone=201, clone_type=clone_type, storage="local-lvm")
    assert result["changed"], result
    (write,) = [request for request in cluster.requests() if request["path"].endswith("/clone")]
    assert write["body"]["full"] == full
    # The server refuses a storage for a linked clone.
    assert ("storage" in write["body"]) == (full == "1")


def test_a_clone_is_made_on_the_node_that_is_stated(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "config": {"rootfs": "ceph:vm-201-disk-0,size=8G"}}])
    assert run(node="pve1", vmid=300, hostname="mail-2", clone=201, storage="ceph")["changed"]
    assert cluster.guest(300)["node"] == "pve1"


def test_only_templates_are_linked(run, cluster):
    result = run(node="pve2", hostname="mail-2", clone=201, clone_type="linked")
    assert result["failed"] and result["msg"] == "Cloning type 'linked' is only supported for template containers."
    assert writes(cluster) == []


def test_what_a_clone_does_not_get_is_told(run, cluster):
    result = run(node="pve2", vmid=300, hostname="mail-2", clone=201, storage="ceph", memory=1024, onboot=True)
    assert result["changed"]
    assert result["warnings"] == [
        "a clone has what its source has; not written: memory, onboot. A task without clone writes them"]
    assert run(node="pve2", vmid=300, hostname="mail-2", memory=1024, onboot=True)["changed"]
    assert str(cluster.guest(300)["config"]["memory"]) == "1024"


@pytest.mark.parametrize("source, message", [
    (999, "VM with vmid 999 does not exist in cluster"), (101, "The specified VM 101 is not an lxc.")])
def test_what_cannot_be_cloned_is_told_before_anything_is_done(run, cluster, source, message):
    result = run(node="pve1", hostname="copy", clone=source)
    assert result["failed"] and result["msg"].startswith(message)
    assert writes(cluster) == []
