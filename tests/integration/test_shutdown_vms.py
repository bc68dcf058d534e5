# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_shutdown_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest
from conftest import clean_environment

MODULE = "proxmox_shutdown_vms"


@pytest.fixture
def shutdown(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


@pytest.fixture
def in_time(cluster):
    """Tasks take their time, fifty times faster than on a real server."""
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def sent(cluster):
    """Method, path and form of the writes."""
    return [(r["path"].removeprefix("/api2/json"), r["body"]) for r in cluster.requests() if r["method"] != "GET"]


def asked(cluster):
    return [r["path"].removeprefix("/api2/json") for r in cluster.requests()]


# ------------------------------------------------------------------------------------------------------- arguments


def test_one_way_of_choosing_is_required(shutdown):
    assert shutdown()["msg"] == "one of the following is required: vms, tags, pool, node, all"


def test_the_choices_of_on_timeout_are_told(shutdown):
    result = shutdown(all=True, on_timeout="kill")
    assert result["msg"] == "value of on_timeout must be one of: fail, stop, leave, got: kill"


def test_unknown_guests_fail_before_anything_is_done(shutdown, cluster):
    result = shutdown(vms=["web-old-1", "nope", "never"])
    assert result["msg"] == ("there is no guest `nope`, `never` "
                             "(a guest without VM.Audit is invisible to ansible@pam!mms)")
    assert sent(cluster) == []


def test_a_tag_that_no_guest_has_is_a_warning(shutdown):
    result = shutdown(tags=["nope"])
    assert not result["changed"] and not result.get("failed")
    assert result["warnings"] == ["no guest was chosen: no guest has the tag nope"]


# --------------------------------------------------------------------------------------------------- shutting down


def test_check_mode_writes_nothing_and_tells_what_would_be(shutdown, cluster):
    result = shutdown(check=True, diff=True, vms=["web-old-1", "web-old-2"])
    assert result["changed"]
    assert result["msg"] == "1 of 2 guests would be shut down, 1 had stopped already"
    assert result["diff"] == {"before": {"web-old-1 (101)": "running", "web-old-2 (102)": "stopped"},
                              "after": {"web-old-1 (101)": "stopped", "web-old-2 (102)": "stopped"}}
    assert [(g["name"], g["status"], g["method"]) for g in result["guests"]] == [
        ("web-old-1", "stopped", "shutdown"), ("web-old-2", "stopped", "none")]
    assert sent(cluster) == []


def test_a_second_run_is_unchanged(shutdown, cluster):
    result = shutdown(vms=["web-old-1", "dns"])
    assert result["changed"]
    assert result["msg"] == "2 of 2 guests shut down"
    assert rows(result)["web-old-1"] == {
        "vmid": 101, "name": "web-old-1", "node": "pve1", "kind": "qemu", "status_before": "running",
        "status": "stopped", "changed": True, "method": "shutdown",
        "seconds": rows(result)["web-old-1"]["seconds"], "error": None}
    assert [cluster.guest(vmid)["status"] for vmid in (101, 200)] == ["stopped", "stopped"]

    cluster.control("DELETE", "/requests")
    again = shutdown(vms=["web-old-1", "dns"])
    assert not again["changed"]
    assert [g["method"] for g in again["guests"]] == ["none", "none"]
    assert sent(cluster) == []


def test_a_guest_that_is_stopped_costs_two_requests(shutdown, cluster):
    assert not shutdown(vms=["web-old-2"], on_timeout="stop")["changed"]
    assert asked(cluster) == ["/cluster/resources", "/nodes/pve2/qemu/102/status/current"]


def test_the_server_is_given_the_timeout(shutdown, cluster):
    shutdown(vms=["web-old-1"])
    shutdown(vms=["db"], timeout=20)
    assert [body["timeout"] for _, body in sent(cluster)] == ["180", "20"]


def test_who_was_shut_down_by_another_meanwhile_is_no_failure(shutdown, cluster):
    cluster.fault(method="POST", path=r".*/200/status/shutdown", status=500, message="CT 200 not running")
    result = shutdown(vms=["dns"])
    assert not result["changed"] and not result.get("failed")
    assert rows(result)["dns"]["status"] == "stopped"


def test_a_lost_answer_is_looked_up_and_not_sent_twice(shutdown, cluster):
    cluster.fault(method="POST", path=r".*/101/status/shutdown", drop="after-effect")
    assert shutdown(vms=[101])["changed"]
    assert len(sent(cluster)) == 1


# ------------------------------------------------------------------------------------------------ who does not listen


def test_by_default_who_does_not_listen_is_a_failure(shutdown, cluster, in_time):
    result = shutdown(vms=["stubborn", "web-old-1"], timeout=5)
    assert re.fullmatch(r"1 of 2 VMs failed: unable to shut down VM `stubborn`: task UPID:pve3:\S+ failed: "
                        r"VM quit/powerdown failed - got timeout\. The guest did not shut down in the time it was given; "
                        r"with force: true or on_timeout: stop, whichever the module has, its power is cut", result["msg"])
    assert result["failure"]["log"][-1] == "TASK ERROR: VM quit/powerdown failed - got timeout"
    assert [(g["name"], g["status"], g["changed"], g["method"]) for g in result["guests"]] == [
        ("stubborn", "running", False, "none"), ("web-old-1", "stopped", True, "shutdown")]


def test_it_is_stopped_where_that_is_wanted(shutdown, cluster, in_time):
    result = shutdown(vms=["stubborn", "web-old-1"], timeout=5, on_timeout="stop")
    assert not result.get("failed")
    assert [(g["name"], g["status"], g["method"]) for g in result["guests"]] == [
        ("stubborn", "stopped", "stop"), ("web-old-1", "stopped", "shutdown")]
    assert ("/nodes/pve3/qemu/104/status/stop", {"overrule-shutdown": "1"}) in sent(cluster)


def test_it_is_left_running_where_that_is_wanted(shutdown, cluster, in_time):
    result = shutdown(vms=["stubborn"], timeout=5, on_timeout="leave")
    assert not result.get("failed") and not result["changed"]
    assert result["warnings"] == ["stubborn (104): it did not shut down within 5 s and was left running"]
    assert (rows(result)["stubborn"]["status"], rows(result)["stubborn"]["method"]) == ("running", "none")
    assert cluster.guest(104)["status"] == "running"


def test_a_container_that_does_not_listen_is_stopped(shutdown, cluster):
    cluster.patch(guests=[{"vmid": 200, "shutdown_secs": 600}])
    assert rows(shutdown(vms=["dns"], timeout=5, on_timeout="stop"))["dns"]["method"] == "stop"


# -------------------------------------------------------------------------------------------------- paused and locked


def test_a_paused_vm_is_said_to_be_paused(shutdown, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = shutdown(vms=[101])
    assert result["msg"] == ("unable to shut down VM `web-old-1`: it is paused and cannot shut down: resume it "
                             "(`qm resume 101` on pve1), or use on_timeout: stop")
    assert rows(result)["web-old-1"]["status"] == "paused"
    assert sent(cluster) == []


def test_a_paused_vm_is_stopped_where_that_is_wanted(shutdown, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = shutdown(vms=[101], on_timeout="stop")
    assert [path for path, _ in sent(cluster)] == ["/nodes/pve1/qemu/101/status/stop"]
    assert (rows(result)["web-old-1"]["status"], rows(result)["web-old-1"]["method"]) == ("stopped", "stop")


@pytest.mark.parametrize("check", [True, False])
def test_a_paused_vm_is_left_where_that_is_wanted(shutdown, cluster, check):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = shutdown(vms=[101], on_timeout="leave", check=check)
    assert not result.get("failed") and not result["changed"]
    assert rows(result)["web-old-1"]["status"] == "paused"
    assert result.get("warnings", []) == (
        [] if check else ["web-old-1 (101): it is paused and cannot shut down"])


def test_a_locked_guest_is_left_alone(shutdown, cluster):
    cluster.patch(guests=[{"vmid": 101, "lock": "backup"}])
    result = shutdown(vms=[101, 103], on_timeout="stop")
    assert result["msg"] == (
        "1 of 2 VMs failed: unable to shut down VM `web-old-1`: it is locked (backup): another operation is at work "
        "on it. Should that have been cut off, `qm unlock 101` on pve1 takes the lock away")
    assert [path for path, _ in sent(cluster)] == ["/nodes/pve2/qemu/103/status/shutdown"]


# ------------------------------------------------------------------------------------------------------- nodes and HA


def test_an_ha_managed_guest_is_followed_until_it_is_stopped(shutdown, cluster, in_time):
    result = shutdown(vms=["ha-app"], on_timeout="stop")
    assert (rows(result)["ha-app"]["status"], rows(result)["ha-app"]["method"]) == ("stopped", "shutdown")
    assert cluster.guest(105)["status"] == "stopped"
    assert "/nodes/pve2/version" not in asked(cluster), "a stop of it would overrule nothing"


def test_guests_on_an_offline_node_are_a_warning(shutdown, cluster):
    cluster.help("offline", node="pve3")
    result = shutdown(all=True)
    assert not result.get("failed")
    assert result["warnings"] == ["the node pve3 is offline; its guests are left as they are: 104"]


def test_a_missing_privilege_is_named(ferrox, connection):
    result = ferrox(MODULE, {**connection, "api_user": "audit@pve", "vms": [101]})
    assert "The caller lacks VM.PowerMgmt on /vms/101" in result["msg"]


# -------------------------------------------------------------------------------------------------------------- order


def test_the_order_is_the_reverse_of_the_start_up(shutdown, cluster):
    result = shutdown(vms=["gateway", "web-old-1", "db"], order="startup")
    assert not result.get("failed")
    # The default gives way to a guest's own `down`.
    assert [(path.split("/")[4], body["timeout"]) for path, body in sent(cluster)] == [
        ("103", "180"), ("101", "30"), ("100", "180")]


def test_a_timeout_that_is_stated_comes_before_a_guests_own(shutdown, cluster):
    shutdown(vms=["web-old-1"], order="startup", timeout=180)
    assert [body["timeout"] for _, body in sent(cluster)] == ["180"]


# ------------------------------------------------------------------------------------------------------------- Ctrl-C


def test_an_interruption_names_the_task_that_goes_on(executable, connection, cluster, in_time):
    cluster.patch(guests=[{"vmid": 103, "shutdown_secs": 3000}])
    process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    process.stdin.write(json.dumps({**connection, "vms": ["db", "web-old-1"], "parallel": 1, "timeout": 3600}))
    process.stdin.close()
    while not any(path.endswith("/status") for path in asked(cluster)):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    result = json.loads(process.stdout.read())
    process.wait(30)
    (upid,) = result["failure"]["running"]
    assert upid.startswith("UPID:pve2:") and ":qmshutdown:103:" in upid
    assert upid in rows(result)["db"]["error"]
    assert rows(result)["web-old-1"]["error"] == "interrupted before its turn came"
    assert not any("/101/" in path for path, _ in sent(cluster))
