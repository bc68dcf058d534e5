# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox: which container is meant, what is destroyed only when it is said, and what goes wrong."""

from __future__ import annotations

import pytest
from containers import DNS, NEW, TEMPLATE, run, writes  # noqa: F401

ANEW = {**NEW, "vmid": 201, "hostname": "mail", "force": True}


# ------------------------------------------------------------------------------------------------------ who is meant


@pytest.mark.parametrize("state", ["started", "stopped", "restarted", "template"])
@pytest.mark.parametrize("who, message", [
    ({"vmid": 777}, "VM with vmid 777 does not exist in cluster"),
    ({"hostname": "nope"}, "VM with name = nope does not exist in cluster"),
    ({"vmid": 101}, "The specified VM 101 is not an lxc."),
    ({"hostname": "web-old-1"}, "The specified VM web-old-1 (101) is not an lxc."),
])
def test_a_container_that_is_not_there_fails(run, cluster, state, who, message):
    result = run(state=state, **who)
    assert result["failed"] and result["msg"].startswith(message)
    assert writes(cluster) == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_virtual_machine_is_left_alone(run, cluster, state):
    result = run(node="pve1", vmid=101, hostname="web-old-1", state=state, force=True)
    assert result["failed"] and result["msg"] == "The specified VM web-old-1 (101) is not an lxc."
    assert writes(cluster) == []


def test_without_a_source_nothing_is_made(run, cluster):
    result = run(node="pve1", hostname="both")
    assert result["failed"]
    assert result["msg"] == "VM both does not exist but neither clone nor ostemplate were specified!"
    assert writes(cluster) == []


def test_a_container_is_found_on_whichever_node_it_is(run, cluster):
    assert run(node="pve3", vmid=200, state="stopped")["changed"]
    assert run(DNS, node="pve3", memory=600)["changed"]
    assert writes(cluster) == ["POST /nodes/pve1/lxc/200/status/shutdown", "PUT /nodes/pve1/lxc/200/config"]


def test_a_name_is_found_while_another_guest_has_none_yet(run, cluster):
    cluster.patch(stale={"201": {"name": None}})
    assert run(hostname="dns", state="started")["msg"] == "VM dns (200) is already running."
    # And so is the one that is too young for the list of all.
    cluster.patch(stale={"201": {"name": None}})
    assert run(hostname="mail", state="stopped")["msg"] == "VM mail (201) is already stopped."


def test_a_virtual_machine_of_the_same_name_is_no_obstacle(run, cluster):
    cluster.patch(guests=[{"vmid": 101, "name": "dns"}])
    assert run(hostname="dns", state="started")["vmid"] == 200


def test_several_containers_of_one_name_are_told(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "name": "dns"}])
    result = run(hostname="dns", state="stopped")
    assert result["failed"]
    assert result["msg"] == "more than one guest is named `dns`: 200 on pve1, 201 on pve2; use the VMID"
    assert writes(cluster) == []


def test_a_stale_list_does_not_decide(run, cluster):
    cluster.patch(stale={"200": {"status": "stopped"}})
    assert not run(vmid=200, state="started")["changed"]


def test_a_vmid_is_a_number_however_the_container_was_named(run):
    for options in ({"hostname": "dns", "state": "started"}, {"node": "pve1", "hostname": "dns"},
                    {"hostname": "mail", "state": "template"}, {"hostname": "mail", "state": "absent"}):
        assert type(run(options)["vmid"]) is int


# --------------------------------------------------------------------------------------------- what is destroyed, when


def test_a_container_that_runs_is_not_removed_unasked(run, cluster):
    result = run(hostname="dns", state="absent")
    assert not result["changed"] and not result.get("failed")
    assert result["msg"] == "VM dns (200) is running. Stop it before deletion."
    assert result["warnings"] == [
        "the container dns (200) runs and was not removed; force: true removes it all the same"]
    assert writes(cluster) == []
    assert run(hostname="dns", state="absent", force=True)["changed"]
    assert writes(cluster) == ["DELETE /nodes/pve1/lxc/200?force=1"]
    assert cluster.guest(200) is None


def test_force_makes_a_container_anew_and_says_so(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "config": {"tags": "old"}}])
    check = run(ANEW, node="pve2", check=True)
    assert check["changed"] and cluster.guest(201)["config"]["tags"] == "old"
    result = run(ANEW, node="pve2")
    assert result["changed"] and result["msg"] == f"Created VM mail (201) from template {TEMPLATE}"
    assert result["warnings"] == [
        "the container mail (201) on pve2 is removed with its volumes and made anew on pve2 (force: true)"]
    # The first request is held against the schema, and refused for the VMID.
    assert writes(cluster) == ["POST /nodes/pve2/lxc", "DELETE /nodes/pve2/lxc/201", "POST /nodes/pve2/lxc"]
    assert cluster.guest(201)["config"]["tags"] == "infra"


@pytest.mark.parametrize("options, message", [
    ({**ANEW, "vmid": 200, "hostname": "dns"}, "VM dns (200) is running, and only one that is stopped is made anew"),
    ({**ANEW, "ostemplate": None}, "VM mail (201) exists, and with force: true it is made anew of ostemplate"),
    ({**ANEW, "ostemplate": "local:vztmpl/nope.tar.zst"}, "ostemplate local:vztmpl/nope.tar.zst does not exist"),
    ({**ANEW, "disk": "local:4"}, "storage 'local' on pve1 takes no volumes of containers"),
    ({**ANEW, "node": "pve9"}, "node 'pve9' does not exist in cluster"),
])
def test_a_container_that_cannot_be_made_anew_stays(run, cluster, options, message):
    for check in (True, False):
        result = run(options, check=check)
        assert result["failed"] and result["msg"].startswith(message), result["msg"]
    assert writes(cluster) == []


def test_a_template_is_made_of_what_runs_only_by_force(run, cluster):
    result = run(vmid=200, state="template")
    assert result["failed"] and "is running, and only one that is stopped becomes a template" in result["msg"]
    assert writes(cluster) == []
    assert run(vmid=200, state="template", force=True)["changed"]
    assert cluster.guest(200)["template"]


# --------------------------------------------------------------------------------------------------- what goes wrong


def test_a_task_that_fails_is_told_at_once_with_its_cause(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "start_error": "no space left on device"}])
    result = run(vmid=201, state="started")
    assert result["failed"] and not result["changed"]
    assert "no space left on device" in result["msg"]
    assert result["failure"]["kind"] == "task_failed"


def test_a_container_that_does_not_shut_down_is_not_stopped_the_hard_way_unasked(run, cluster):
    cluster.fault(method="POST", path=r".*/lxc/200/status/shutdown",
                  task={"exitstatus": "command 'lxc-stop -n 200 --nokill --timeout 3' failed: exit code 1"})
    result = run(vmid=200, state="restarted", timeout=3)
    assert result["failed"] and "with force: true" in result["msg"]
    assert writes(cluster) == ["POST /nodes/pve1/lxc/200/status/shutdown"]
    assert cluster.guest(200)["status"] == "running"


@pytest.mark.parametrize("options", [{"state": "started"}, {"state": "restarted"}])
def test_the_ha_manager_starts_what_it_manages(run, cluster, options):
    cluster.patch(guests=[{"vmid": 201, "ha": "stopped"}, {"vmid": 200, "ha": "started"}])
    vmid = 201 if options["state"] == "started" else 200
    assert run(vmid=vmid, **options)["changed"]
    assert cluster.guest(vmid)["status"] == "running"


def test_a_container_under_ha_goes_with_purge_only(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "ha": "stopped"}])
    result = run(vmid=201, state="absent")
    assert result["failed"] and "the HA manager manages it, and only purge: true takes it from there" in result["msg"]
    assert run(vmid=201, state="absent", purge=True)["changed"]


def test_a_timeout_that_is_stated_is_kept_to(run, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 1})
    cluster.fault(method="POST", path=r".*/lxc", task={"delay": 600})
    result = run(NEW, timeout=1)
    assert result["failed"] and result["failure"]["kind"] == "deadline"
    assert "vzcreate:300" in result["failure"]["upid"]


@pytest.mark.parametrize("path, options", [
    (r".*/lxc", NEW),
    (r".*/lxc/201/clone", {"node": "pve2", "vmid": 300, "hostname": "copy", "clone": 201, "storage": "local-lvm"}),
    (r".*/lxc/201/status/start", {"vmid": 201, "state": "started"}),
    (r".*/lxc/200/status/shutdown", {"vmid": 200, "state": "stopped"}),
    (r".*/lxc/201/template", {"vmid": 201, "state": "template"}),
    (r".*/lxc/201", {"vmid": 201, "state": "absent"}),
])
def test_a_lost_answer_is_looked_up_and_nothing_is_done_twice(run, cluster, path, options):
    cluster.fault(method="DELETE" if options.get("state") == "absent" else "POST", path=path, drop="after-effect")
    result = run(options)
    assert result["changed"] and not result.get("failed"), result
    assert len(writes(cluster)) == 1


def test_a_vmid_that_another_client_takes_is_no_obstacle(run, cluster):
    options = {key: value for key, value in NEW.items() if key != "vmid"}
    assert run(options)["vmid"] == 106
    cluster.fault(method="POST", path=r".*/lxc", status=500,
                  message="unable to create CT 107 - CT 107 already exists on node 'pve1'\n")
    result = run({**options, "hostname": "ns2"})
    assert result["changed"] and result["vmid"] == 108


def test_a_missing_privilege_is_named(ferrox, connection, cluster):
    onlooker = {**connection, "api_user": "audit@pve"}
    for options, privilege in [({"vmid": 201, "state": "started"}, "VM.PowerMgmt"),
                               ({"vmid": 201, "state": "absent"}, "VM.Allocate"),
                               ({**DNS, "memory": 600}, "VM.Config.Memory")]:
        result = ferrox("proxmox", {**onlooker, **options})
        assert result["failed"] and privilege in result["failure"]["privilege"].split("|")


@pytest.mark.parametrize("options", [{"features": ["keyctl=1"]}, {"hookscript": "local:snippets/hook.pl"}])
def test_what_only_root_may_is_refused_in_the_servers_words(run, cluster, options):
    result = run(DNS, **options)
    assert result["failed"] and "only allowed for root@pam" in result["msg"]


def test_a_locked_container_is_told_to_be_so(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "lock": "backup"}])
    result = run(vmid=201, state="started")
    assert result["failed"] and "CT is locked (backup)" in result["msg"]


def test_what_has_snapshots_is_not_stopped_to_become_a_template(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "snapshots": {"before": {}}}])
    for check in (True, False):
        result = run(vmid=200, state="template", force=True, check=check)
        assert result["failed"] and "it has snapshots (before)" in result["msg"]
    assert cluster.guest(200)["status"] == "running"
