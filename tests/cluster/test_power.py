# SPDX-License-Identifier: AGPL-3.0-or-later
"""Start, stop and their like for VMs and containers, HA, and the guest agent."""

import pytest

from .conftest import until

VM = "/nodes/pve1/qemu/{}"


@pytest.mark.parametrize(("vmid", "action", "ending"), [
    (777, "start", "unable to find configuration file for VM 777 on node 'pve1'"),
    (100, "start", "VM 100 already running"),
    (9000, "start", "you can't start a vm if it's a template"),
    (9000, "stop", "OK"), (9000, "shutdown", "OK"), (100, "shutdown", "OK"), (100, "stop", "OK")])
def test_power_requests_answer_a_task_that_knows(ask, vmid, action, ending):
    assert ask.exit_status(ask("POST", VM.format(vmid) + "/status/" + action)) == ending


def test_suspend_and_shutdown_of_a_paused_guest(ask):
    assert ask("POST", VM.format(9000) + "/status/suspend").reason == "VM 9000 not running"
    suspend = ask("POST", VM.format(100) + "/status/suspend")
    assert suspend.data.split(":")[5] == "qmpause"
    status = ask("GET", VM.format(100) + "/status/current").data
    assert (status["status"], status["qmpstatus"]) == ("running", "paused")
    refused = ask("POST", VM.format(100) + "/status/shutdown")
    assert (refused.status, refused.reason) == (500, "VM is paused - cannot shutdown")


def test_a_guest_that_ignores_shutdown_is_stopped_by_force_or_overruled(ask_slow):
    ask, path = ask_slow, "/nodes/pve3/qemu/104/status/"
    assert ask.exit_status(ask("POST", path + "shutdown", timeout=1)) == "VM quit/powerdown failed - got timeout"
    down = ask("POST", path + "shutdown", timeout=600)
    blocked = ask("POST", path + "stop")
    assert ask.exit_status(blocked) == "can't lock file '/var/lock/qemu-server/lock-104.conf' - got timeout"
    assert ask.exit_status(ask("POST", path + "stop", **{"overrule-shutdown": 1})) == "OK"
    assert ask.exit_status(down) == "interrupted by signal"
    ask.exit_status(ask("POST", path + "start"))
    assert ask.exit_status(ask("POST", path + "shutdown", timeout=1, forceStop=1)) == "OK"


def test_ha_requests_are_done_at_once_and_the_guest_follows(ask_slow):
    ask, path = ask_slow, "/nodes/pve2/qemu/105/status/"
    assert ask("GET", path + "current").data["ha"] == {"managed": 1, "state": "started"}
    assert ask("POST", path + "stop", **{"overrule-shutdown": 1}).errors == {
        "overrule-shutdown": "Not applicable for HA resources."}
    stop = ask("POST", path + "shutdown")
    assert stop.data.split(":")[5] == "hastop"
    assert ask.exit_status(stop) == "OK"
    assert ask("GET", path + "current").data["status"] == "running"
    until(lambda: ask("GET", path + "current").data["status"] == "stopped")


def test_a_guest_is_stopped_while_the_ha_manager_shuts_another_one_down(ask_slow):
    ask, of_ha, stubborn = ask_slow, "/nodes/pve2/qemu/105/status/", "/nodes/pve3/qemu/104/status/"
    assert ask.exit_status(ask("POST", of_ha + "shutdown")) == "OK"
    assert ask("GET", of_ha + "current").data["status"] == "running"
    assert ask.exit_status(ask("POST", stubborn + "stop", **{"overrule-shutdown": 1})) == "OK"


def test_containers_start_stop_and_shut_down(ask, fake):
    path = "/nodes/pve1/lxc/200/status/"
    assert ask("POST", path + "start").reason == "CT 200 already running"
    assert ask.exit_status(ask("POST", path + "shutdown", timeout=30)) == "OK"
    assert ask("POST", path + "shutdown").reason == "CT 200 not running"
    fake.patch(guests=[{"vmid": 201, "config": {"template": 1}}])
    assert ask.exit_status(ask("POST", "/nodes/pve2/lxc/201/status/start")) == "you can't start a CT if it's a template"
    assert ask.exit_status(ask("POST", path + "start")) == "OK"
    assert ask("GET", path + "current").data["status"] == "running"


# --------------------------------------------------------------------------------- guest agent

def test_the_guest_agent_is_missing_late_or_forbidden(ask, fake):
    path = VM.format(101) + "/agent/network-get-interfaces"
    fake.patch(guests=[{"vmid": 101, "agent_asks": 2}])
    assert [ask("GET", path).reason for _ in range(2)] == ["QEMU guest agent is not running"] * 2
    found = ask("GET", path).data["result"]
    addresses = {a["ip-address"] for i in found for a in i["ip-addresses"]}
    assert {"127.0.0.1", "192.0.2.101"} <= addresses
    assert ask("GET", path, "prov@pve!mms").reason == (
        "Permission check failed (/vms/101, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)")
    none = ask("GET", "/nodes/pve2/qemu/103/agent/network-get-interfaces")
    assert (none.status, none.reason) == (500, "No QEMU guest agent configured")


def test_the_guest_agent_comes_some_seconds_after_the_start(ask_slow):
    ask = ask_slow
    ask.exit_status(ask("POST", "/nodes/pve2/qemu/102/status/start"))
    path = "/nodes/pve2/qemu/102/agent/network-get-interfaces"
    assert ask("GET", path).reason == "QEMU guest agent is not running"
    assert until(lambda: ask("GET", path).data)["result"]
