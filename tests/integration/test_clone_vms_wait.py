# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms and time: what it waits for, what waits for the next boot, and the cloud-init password."""

from __future__ import annotations

import socket
import threading

import pytest
from clone_vms import asked, clone, guests, lines, only, rows, sent, until  # noqa: F401
from cluster import FakeCluster

STARTED = {"template": "debian-13", "state": "started"}
STATIC = {"ipconfig": {"ipconfig0": "ip=127.0.0.1/8"}, "agent": False}
PROV = {"api_user": "prov@pve"}


@pytest.fixture
def port():
    """A port on which somebody listens, as on a VM that has booted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def asked_the_agent(cluster):
    return [line for line in asked(cluster) if "/agent/" in line]


# --------------------------------------------------------------------------------------------------------- wait_for


def test_running_asks_for_the_status_alone(clone, cluster):
    result = clone("web-1", wait_for="running", **STARTED)
    assert not result.get("failed") and rows(result)["web-1"]["status"] == "running"
    assert "GET /nodes/pve1/qemu/106/status/current" in asked(cluster)
    assert asked_the_agent(cluster) == []
    assert "ip_addresses" not in rows(result)["web-1"]


@pytest.mark.parametrize("wait_for", ["agent", "ip"])
def test_an_agent_that_comes_late_is_waited_for(clone, cluster, wait_for):
    cluster.control("POST", "/time-scale", {"time_scale": 0.04})
    result = clone("web-1", "web-2", wait_for=wait_for, **STARTED)
    assert not result.get("failed")
    # The agents answer 5 s after the start, in the cluster's time.
    assert len(asked_the_agent(cluster)) > 2
    if wait_for == "ip":
        assert [row["ip_addresses"] for row in result["vms"]] == [
            [f"198.51.0.{only(cluster, name)['vmid'] + 1}"] for name in ("web-1", "web-2")
        ]


def test_the_address_of_a_vm_that_runs_already_is_told_too(clone, cluster):
    clone("web-1", **STARTED)
    result = clone("web-1", wait_for="ip", **STARTED)
    assert not result["changed"] and rows(result)["web-1"]["ip_addresses"] == ["198.51.0.107"]


def test_an_agent_that_never_answers_fails_at_the_timeout_and_says_so(clone, cluster):
    cluster.patch(secs={"agent": -1})
    result = clone("web-1", wait_for="agent", timeout=1, **STARTED)
    assert result["failed"] and result["changed"]
    assert result["msg"] == (
        "unable to wait for the guest agent of VM `web-1`: it took longer than 1 s; at last: "
        "GET /nodes/pve1/qemu/106/agent/info answered 500: QEMU guest agent is not running"
    )
    row = rows(result)["web-1"]
    assert (row["created"], row["status"]) == (True, "running")


def test_vms_that_wait_for_their_guests_do_not_keep_others_from_beginning(clone, cluster):
    cluster.patch(secs={"agent": -1})
    result = clone("web-1", {"name": "web-2", "wait_for": "none"}, wait_for="agent", parallel=1, timeout=1, **STARTED)
    assert result["msg"].startswith("1 of 2 VMs failed: unable to wait for the guest agent of VM `web-1`")
    assert only(cluster, "web-2")["status"] == "running"


def test_a_static_address_needs_no_agent(clone, cluster):
    result = clone("web-1", wait_for="ip", **STATIC, **STARTED)
    assert not result.get("failed") and rows(result)["web-1"]["ip_addresses"] == ["127.0.0.1"]
    assert asked_the_agent(cluster) == []


def test_a_port_is_waited_for(clone, cluster, port):
    result = clone("web-1", wait_for="port", port=port, **STATIC, **STARTED)
    assert not result.get("failed") and rows(result)["web-1"]["ip_addresses"] == ["127.0.0.1"]


def test_a_closed_port_fails_at_the_timeout_and_says_so(clone, cluster):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
        result = clone("web-1", wait_for="port", port=closed, timeout=1, **STATIC, **STARTED)
    assert result["failed"] and f"at last: port {closed} is closed" in result["msg"]
    assert "unable to wait for the port of VM `web-1`" in result["msg"]


@pytest.mark.parametrize(
    "wait_for, why",
    [
        ("agent", "its configuration has no guest agent (set agent: 1 and install the agent in the guest)"),
        (
            "ip",
            "its configuration has neither a guest agent (agent: 1) nor a static address (ipconfig0) that could tell "
            "its address",
        ),
    ],
)
def test_what_can_never_answer_is_refused_before_anything_is_cloned(clone, cluster, wait_for, why):
    result = clone("web-1", wait_for=wait_for, agent=False, **STARTED)
    assert result["failed"] and result["msg"] == f"nothing was done: VM `web-1`: cannot be waited for: {why}"
    assert lines(cluster) == []


@pytest.mark.parametrize("check", [False, True])
def test_a_missing_agent_privilege_is_told_before_anything_is_cloned(clone, cluster, check):
    result = clone("web-1", "web-2", wait_for="agent", check=check, **STARTED, **PROV)
    assert result["failed"]
    assert result["msg"] == (
        "unable to ask the guest agent of `web-1` and 1 more: prov@pve!mms lacks VM.GuestAgent.Audit (VM.Monitor up "
        "to Proxmox VE 8) on /vms; a token with privilege separation needs it itself, beside its user. Nothing has "
        "been done"
    )
    assert lines(cluster) == []
    # Without the agent the privilege is not needed.
    assert not clone("web-3", wait_for="ip", **STATIC, **STARTED, **PROV).get("failed")


def test_on_8_the_privilege_is_vm_monitor(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        task = {
            "api_host": f"{eight.host}:{eight.port}", "ca_path": eight.ca_path, "api_user": "prov@pve",
            "api_token_id": "mms", "api_token_secret": eight.api_token_secret,
            "vms": [{"name": "web-1", "wait_for": "ip", **STARTED}],
        }
        assert "lacks VM.GuestAgent.Audit (VM.Monitor up to Proxmox VE 8) on /vms" in (
            ferrox("proxmox_clone_vms", task)["msg"])
        roles = " ".join(eight.state()["roles"]["Provisioner"])
        eight.patch(roles={"Provisioner": f"{roles} VM.Monitor"})
        result = ferrox("proxmox_clone_vms", task)
        assert not result.get("failed") and result["vms"][0]["ip_addresses"]
        assert eight.schema_violations() == []


def test_a_vm_of_the_ha_manager_is_started_when_it_runs(clone, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(guests=[{"vmid": 105, "status": "stopped", "ha": "stopped"}])
    result = clone({"name": "ha-app", "state": "started"})
    assert not result.get("failed") and rows(result)["ha-app"]["status"] == "running"
    assert cluster.guest(105)["status"] == "running"


def test_a_vm_that_the_ha_manager_starts_elsewhere_is_found_there(clone, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(secs={"ha": 1000}, guests=[{"vmid": 105, "status": "stopped", "ha": "stopped"}])

    def move():
        until(lambda: lines(cluster))
        cluster.patch(guests=[{"vmid": 105, "node": "pve3", "status": "running"}])

    manager = threading.Thread(target=move)
    manager.start()
    result = clone({"name": "ha-app", "state": "started", "wait_for": "ip"})
    manager.join()
    assert not result.get("failed")
    row = rows(result)["ha-app"]
    assert (row["node"], row["status"], row["ip_addresses"]) == ("pve3", "running", ["198.51.0.106"])


def test_a_paused_vm_is_neither_resumed_nor_started(clone, cluster):
    cluster.patch(guests=[{"vmid": 100, "qmpstatus": "paused"}])
    result = clone({"name": "gateway", "state": "started", "wait_for": "agent"})
    assert not result["changed"] and rows(result)["gateway"]["status"] == "paused"
    assert result["warnings"] == ["gateway (100) is paused: it is neither resumed nor started"]


# ---------------------------------------------------------------------------------------- values that wait for a boot


def test_what_a_running_vm_does_not_have_yet_is_named_each_time(clone, cluster):
    for changed in (True, False):
        result = clone({"name": "gateway", "cores": 8, "memory": 4096, "description": "at once"})
        assert result["changed"] is changed and rows(result)["gateway"]["pending"] == ["cores", "memory"]
        assert result["warnings"] == [
            "gateway: cores, memory will have an effect after the next boot only (on_pending: reboot does it)"
        ]
    assert len(lines(cluster)) == 1


def test_on_pending_reboot_reboots_and_waits_until_it_runs_anew(clone, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.05})
    cluster.patch(guests=[{"vmid": 100, "start_secs": 5, "shutdown_secs": 2}])
    result = clone({"name": "gateway", "cores": 8}, on_pending="reboot", timeout=60)
    assert not result.get("failed") and "warnings" not in result
    assert (rows(result)["gateway"]["pending"], rows(result)["gateway"]["status"]) == ([], "running")
    guest = cluster.guest(100)
    assert (guest["status"], guest["config"]["cores"], guest["pending"]) == ("running", 8, {})
    assert lines(cluster) == ["PUT /nodes/pve1/qemu/100/config", "POST /nodes/pve1/qemu/100/status/reboot"]
    assert not clone({"name": "gateway", "cores": 8}, on_pending="reboot")["changed"]


def test_values_that_wait_from_before_are_foretold_to_go(clone, cluster):
    clone({"name": "gateway", "cores": 8})
    result = clone({"name": "gateway", "cores": 8}, on_pending="reboot", check=True, diff=True)
    assert result["changed"] and rows(result)["gateway"]["pending"] == []
    assert result["diff"] == {"before": {"gateway": {"pending": ["cores"]}}, "after": {"gateway": {"pending": []}}}
    assert "warnings" not in result
    assert len(lines(cluster)) == 1
    assert clone({"name": "gateway", "cores": 8}, on_pending="reboot")["changed"]
    assert cluster.guest(100)["config"]["cores"] == 8


def test_what_takes_effect_at_once_needs_no_reboot(clone, cluster):
    result = clone({"name": "gateway", "description": "at once"}, on_pending="reboot")
    assert result["changed"] and rows(result)["gateway"]["pending"] == []
    assert lines(cluster) == ["PUT /nodes/pve1/qemu/100/config"]


# -------------------------------------------------------------------------------------------- the cloud-init password


def test_a_password_is_written_when_it_differs_from_the_stored_hash(clone, cluster):
    for password, changed in (("correct horse", True), ("correct horse", False), ("battery staple", True),
                              ("battery staple", False)):
        result = clone("web-1", template="debian-13", cipassword=password)
        assert result["changed"] is changed and "warnings" not in result
    assert len(sent(cluster, "/config")) == 2
    assert only(cluster, "web-1")["config"]["cipassword"].startswith("$5$")


def test_with_user_data_of_ones_own_the_password_is_set_once_with_a_warning(clone, cluster):
    settings = {"template": "debian-13", "cicustom": "user=local:snippets/web.yml", "cipassword": "correct horse"}
    assert clone("web-1", **settings)["changed"]
    assert "cipassword" in only(cluster, "web-1")["config"]
    result = clone("web-1", **{**settings, "cipassword": "battery staple"})
    assert not result["changed"]
    assert result["warnings"] == [
        "web-1 (106): cipassword cannot be compared with what is stored, and is set on creation only"
    ]


def test_with_user_data_of_ones_own_a_password_that_was_never_set_is_set(clone, cluster):
    cluster.patch(guests=[{"vmid": 102, "config": {"cicustom": "user=local:snippets/web.yml"}}])
    assert clone({"name": "web-old-2", "cipassword": "correct horse"})["changed"]
    assert "cipassword" in cluster.guest(102)["config"]


def test_cloud_init_settings_without_a_drive_are_a_warning(clone, cluster):
    cluster.patch(guests=[{"vmid": 9000, "config": {"ide2": None}}])
    result = clone("web-1", template="debian-13", ciuser="admin")
    assert result["changed"] and len(guests(cluster)) == 1
    assert result["warnings"] == [
        "web-1: there is no cloud-init drive, so ciuser and the like do not reach the guest; give the template one, "
        'or add one with config: {ide2: "STORAGE:cloudinit"}'
    ]
