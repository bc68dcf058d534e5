# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_reboot_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess

import pytest
from conftest import clean_environment

MODULE = "proxmox_reboot_vms"


@pytest.fixture
def reboot(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


@pytest.fixture
def in_time(cluster):
    """Tasks take their time, fifty times faster than on a real server."""
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def asked(cluster):
    return [r["path"].removeprefix("/api2/json") for r in cluster.requests()]


def sent(cluster):
    return [(r["path"].removeprefix("/api2/json"), r["body"]) for r in cluster.requests() if r["method"] != "GET"]


def tasks(cluster, kind="qmreboot"):
    return [task for task in cluster.state()["tasks"] if task["type"] == kind]


def let_wait(ferrox, connection, node="pve1", vmid=101):
    """Changes a guest that runs, so that the value waits for its next boot."""
    result = ferrox("proxmox_kvm", {**connection, "node": node, "vmid": vmid, "cores": 4, "update": True})
    assert result["changed"] and not result.get("failed"), result


# ------------------------------------------------------------------------------------------------------- arguments


def test_one_way_of_choosing_is_required(reboot):
    assert reboot()["msg"] == "one of the following is required: vms, tags, pool, node, all"


def test_waiting_for_a_port_needs_the_port(reboot):
    result = reboot(vms=["web-old-1"], wait_for="port")
    assert result["msg"] == "wait_for is port but all of the following are missing: port"


@pytest.mark.parametrize("args, message", [
    ({"vms": ["web-old-1", "nope"]}, "there is no guest `nope` (a guest without VM.Audit is invisible to ansible@pam!mms)"),
    ({"vms": ["web-old-1", "debian-13"]}, "`debian-13 (9000)` is a template: templates cannot be rebooted"),
    ({"vms": ["db"], "wait_for": "agent"},
     "unable to wait for VM `db (103)`: its configuration has no guest agent (set agent: 1 and install the agent in the "
     "guest)"),
    ({"all": True, "parallel": 0}, "parallel must be at least 1, got: 0"),
])
def test_what_cannot_be_meant_fails_before_anything_is_done(reboot, cluster, args, message):
    assert reboot(**args)["msg"] == message
    assert sent(cluster) == []


# -------------------------------------------------------------------------------------------------------- rebooting


def test_check_mode_writes_nothing_and_tells_what_would_be(reboot, cluster):
    result = reboot(check=True, diff=True, vms=["web-old-1", "web-old-2"])
    assert result["changed"]
    assert result["msg"] == "1 of 2 guests would be rebooted, 1 not running"
    assert result["diff"] == {"before": {"web-old-1 (101)": "running", "web-old-2 (102)": "stopped"},
                              "after": {"web-old-1 (101)": "rebooted", "web-old-2 (102)": "stopped"}}
    assert [(g["name"], g["status"], g["method"]) for g in result["guests"]] == [
        ("web-old-1", "running", "reboot"), ("web-old-2", "stopped", "none")]
    assert sent(cluster) == []


def test_guests_that_run_are_rebooted_and_run_again(reboot, cluster, in_time):
    result = reboot(vms=["web-old-1", "dns", "web-old-2"])
    assert result["changed"] and not result.get("failed"), result["msg"]
    assert result["msg"] == "2 of 3 guests rebooted, 1 not running"
    row = rows(result)["web-old-1"]
    assert row == {
        "vmid": 101, "name": "web-old-1", "node": "pve1", "kind": "qemu", "status_before": "running",
        "status": "running", "changed": True, "method": "reboot", "uptime_before": row["uptime_before"],
        "seconds": row["seconds"], "error": None}
    assert row["uptime_before"] >= 86400
    assert [cluster.guest(vmid)["status"] for vmid in (101, 200, 102)] == ["running", "running", "stopped"]
    assert sorted(sent(cluster)) == [("/nodes/pve1/lxc/200/status/reboot", {"timeout": "180"}),
                                     ("/nodes/pve1/qemu/101/status/reboot", {"timeout": "180"})]


def test_only_what_waits_for_a_boot_is_rebooted_and_a_second_run_is_unchanged(reboot, ferrox, connection, cluster):
    let_wait(ferrox, connection)
    cluster.control("DELETE", "/requests")
    chosen = {"vms": ["web-old-1", "gateway", "dns"], "only_pending": True}
    foretold = reboot(check=True, **chosen)
    assert foretold["msg"] == "1 of 3 guests would be rebooted, 2 with nothing pending" and sent(cluster) == []
    result = reboot(**chosen)
    assert result["msg"] == "1 of 3 guests rebooted, 2 with nothing pending"
    assert [(g["name"], g["changed"], g["pending"]) for g in result["guests"]] == [
        ("web-old-1", True, ["cores"]), ("gateway", False, []), ("dns", False, [])]
    assert result.get("warnings", []) == []

    again = reboot(**chosen)
    assert not again["changed"] and len(sent(cluster)) == 1
    assert again["msg"] == "0 of 3 guests rebooted, 3 with nothing pending"


def test_what_a_boot_does_not_take_over_is_a_warning(reboot, cluster):
    cluster.patch(guests=[{"vmid": 101, "pending": {"cores": 4}}])
    cluster.fault(method="POST", path=r".*/101/status/reboot", task={"exitstatus": "OK"})
    result = reboot(vms=[101], only_pending=True)
    assert result["changed"]
    assert result["warnings"] == ["web-old-1 (101): it was rebooted, and still waits to take over: cores"]


def test_a_port_is_waited_for(reboot, cluster):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster.patch(guests=[{"vmid": 101, "config": {"ipconfig0": "ip=127.0.0.1/8"}}])
        result = reboot(vms=[101], wait_for="port", port=port)
    assert not result.get("failed"), result["msg"]
    assert rows(result)["web-old-1"]["ip_addresses"] == ["127.0.0.1"]


def test_the_agent_may_come_late(reboot, cluster):
    cluster.patch(guests=[{"vmid": 101, "agent_asks": 2}])
    assert reboot(vms=[101], wait_for="agent")["changed"]
    assert asked(cluster).count("/nodes/pve1/qemu/101/agent/info") == 3


def test_the_start_up_order_is_kept(reboot, cluster):
    cluster.patch(guests=[{"vmid": 101, "config": {"startup": "order=2,up=0"}}])
    assert not reboot(vms=["db", "web-old-1", "gateway"], order="startup").get("failed")
    assert [path.split("/")[4] for path, _ in sent(cluster)] == ["100", "101", "103"]


# ------------------------------------------------------------------------------------------------ who does not listen


def test_by_default_who_does_not_listen_is_a_failure_and_goes_on_running(reboot, cluster, in_time):
    result = reboot(vms=["stubborn", "web-old-1"], timeout=5)
    assert re.match(r"1 of 2 VMs failed: unable to reboot VM `stubborn`: task UPID:pve3:\S+ failed: "
                    r"VM quit/powerdown failed - got timeout", result["msg"])
    assert [(g["name"], g["status"], g["changed"], g["method"]) for g in result["guests"]] == [
        ("stubborn", "running", False, "none"), ("web-old-1", "running", True, "reboot")]
    assert cluster.guest(104)["status"] == "running"


def test_it_is_stopped_and_started_where_that_is_wanted(reboot, cluster, in_time):
    result = reboot(vms=["stubborn"], timeout=5, on_timeout="stop")
    assert not result.get("failed"), result["msg"]
    assert (rows(result)["stubborn"]["status"], rows(result)["stubborn"]["method"]) == ("running", "stop")
    assert [path.rsplit("/", 1)[1] for path, _ in sent(cluster)] == ["reboot", "stop", "start"]


def test_a_guest_that_does_not_come_back_is_a_failure(reboot, cluster):
    cluster.patch(guests=[{"vmid": 101, "start_secs": 36000}])
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    result = reboot(vms=[101], boot_timeout=1)
    assert result["msg"].startswith("unable to wait for VM `web-old-1`: it took longer than 1 s")
    assert result["changed"] and rows(result)["web-old-1"]["status"] == "stopped"


# -------------------------------------------------------------------------------------------- paused, locked, managed


def test_a_paused_vm_is_said_to_be_paused(reboot, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = reboot(vms=[101], on_timeout="stop")
    assert result["msg"] == ("unable to reboot VM `web-old-1`: it is paused and cannot reboot: resume it "
                             "(`qm resume 101` on pve1)")
    assert sent(cluster) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_locked_guest_is_left_alone_and_foretold(reboot, cluster, check):
    cluster.patch(guests=[{"vmid": 101, "lock": "backup"}])
    result = reboot(vms=[101, 200], check=check)
    told = result["warnings"][0] if check else result["msg"]
    assert ("unable to reboot VM `web-old-1`: it is locked (backup): another operation is at work on it. Should that "
            "have been cut off, `qm unlock 101` on pve1 takes the lock away") in told
    assert not any("/101/" in path for path, _ in sent(cluster))


def test_an_ha_managed_guest_runs_again(reboot, cluster, in_time):
    assert rows(reboot(vms=["ha-app"]))["ha-app"]["status"] == "running"
    assert cluster.guest(105)["status"] == "running"


# ------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("on_error, begun", [("continue", 2), ("stop", 1)])
def test_one_that_fails_stops_the_others_only_where_that_is_wanted(reboot, cluster, on_error, begun):
    cluster.fault(method="POST", path=r".*/101/status/reboot", task={"exitstatus": "VM quit/powerdown failed"})
    result = reboot(vms=[101, 103], parallel=1, on_error=on_error)
    assert result["failed"] and "VM quit/powerdown failed" in result["msg"]
    assert len(sent(cluster)) == begun
    assert rows(result)["db"]["error"] == (None if begun == 2 else "not begun, as another guest failed")


@pytest.mark.parametrize("scale", [0, 0.02])
@pytest.mark.parametrize("vmid, kind", [(101, "qmreboot"), (200, "vzreboot")])
def test_a_reboot_whose_answer_was_lost_is_not_sent_twice(reboot, cluster, vmid, kind, scale):
    cluster.control("POST", "/time-scale", {"time_scale": scale})
    cluster.patch(guests=[{"vmid": vmid, "shutdown_secs": 50}])
    cluster.fault(method="POST", path=rf".*/{vmid}/status/reboot", drop="after-effect")
    result = reboot(vms=[vmid])
    assert result["changed"] and not result.get("failed"), result.get("msg")
    assert len(sent(cluster)) == 1 and len(tasks(cluster, kind)) == 1
    assert cluster.guest(vmid)["status"] == "running"


def test_a_missing_privilege_is_named(ferrox, connection):
    result = ferrox(MODULE, {**connection, "api_user": "audit@pve", "vms": [101]})
    assert "The caller lacks VM.PowerMgmt on /vms/101" in result["msg"]


def test_an_interruption_names_the_task_that_goes_on(executable, connection, cluster, in_time):
    cluster.patch(guests=[{"vmid": 103, "shutdown_secs": 3000}])
    process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    process.stdin.write(json.dumps({**connection, "vms": ["db", "web-old-1"], "parallel": 1, "timeout": 3600}))
    process.stdin.close()
    while not any("/tasks/" in path for path in asked(cluster)):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    result = json.loads(process.stdout.read())
    process.wait(30)
    (upid,) = result["failure"]["running"]
    assert ":qmreboot:103:" in upid and upid in rows(result)["db"]["error"]
    assert rows(result)["web-old-1"]["error"] == "interrupted before its turn came"
    assert not any("/101/" in path for path, _ in sent(cluster))
