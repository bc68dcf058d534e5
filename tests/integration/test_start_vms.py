# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_start_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess

import pytest
from cluster import FakeCluster
from conftest import clean_environment

MODULE = "proxmox_start_vms"


@pytest.fixture
def start(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def writes(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json')}" for r in cluster.requests() if r["method"] != "GET"]


def asked(cluster):
    return [r["path"].removeprefix("/api2/json") for r in cluster.requests()]


# ------------------------------------------------------------------------------------------------------- arguments


def test_one_way_of_choosing_is_required(start):
    assert start()["msg"] == "one of the following is required: vms, tags, pool, node, all"


def test_two_ways_of_choosing_exclude_each_other(start):
    result = start(vms=["web-old-1"], tags=["web"])
    assert result["msg"] == "parameters are mutually exclusive: vms|tags|pool|node|all"


def test_waiting_for_a_port_needs_the_port(start):
    result = start(vms=["web-old-1"], wait_for="port")
    assert result["msg"] == "wait_for is port but all of the following are missing: port"


@pytest.mark.parametrize("args, message", [
    ({"all": False},
     "all is false, and nothing else chooses guests: state vms, tags, pool or node, or all: true"),
    ({"all": True, "parallel": 0}, "parallel must be at least 1, got: 0"),
    ({"node": "pve9"}, "there is no node `pve9`; there are: pve1, pve2, pve3"),
    ({"pool": "nope"}, "there is no pool `nope` (a pool without Pool.Audit is invisible)"),
    ({"vms": ["web-old-2", "nope", 999]},
     "there is no guest `nope`, `999` (a guest without VM.Audit is invisible to ansible@pam!mms)"),
    ({"vms": ["alma-10"]}, "more than one guest is named `alma-10`: 9002 on pve1, 9003 on pve2; use the VMID"),
    ({"vms": ["web-old-2", "debian-13"]}, "`debian-13 (9000)` is a template: templates cannot be started"),
    ({"vms": [201], "kind": "qemu"},
     "there is no guest `201` (a guest without VM.Audit is invisible to ansible@pam!mms)"),
])
def test_what_cannot_be_meant_fails_before_anything_is_done(start, cluster, args, message):
    result = start(**args)
    assert result["failed"]
    assert result["msg"] == message
    assert writes(cluster) == []


# -------------------------------------------------------------------------------------------------------- starting


def test_check_mode_writes_nothing_and_tells_what_would_be(start, cluster):
    result = start(check=True, diff=True, vms=["web-old-2", "web-old-1"])
    assert result["changed"]
    assert result["msg"] == "1 of 2 guests would be started, 1 ran already"
    assert result["diff"] == {"before": {"web-old-2 (102)": "stopped", "web-old-1 (101)": "running"},
                              "after": {"web-old-2 (102)": "running", "web-old-1 (101)": "running"}}
    assert [(g["name"], g["status"], g["changed"]) for g in result["guests"]] == [
        ("web-old-2", "running", True), ("web-old-1", "running", False)]
    assert writes(cluster) == []


def test_a_second_run_is_unchanged(start, cluster):
    result = start(vms=["web-old-2", 201])
    assert result["changed"]
    assert result["msg"] == "2 of 2 guests started"
    assert rows(result)["web-old-2"] == {
        "vmid": 102, "name": "web-old-2", "node": "pve2", "kind": "qemu", "status_before": "stopped",
        "status": "running", "changed": True, "seconds": rows(result)["web-old-2"]["seconds"], "error": None}
    assert rows(result)["mail"]["kind"] == "lxc"
    assert [cluster.guest(vmid)["status"] for vmid in (102, 201)] == ["running", "running"]

    cluster.control("DELETE", "/requests")
    again = start(vms=["web-old-2", 201])
    assert not again["changed"]
    assert again["msg"] == "0 of 2 guests started, 2 ran already"
    assert writes(cluster) == []


@pytest.mark.parametrize("name", ["web-old-1", 101, "101"])
def test_a_guest_that_runs_costs_two_requests(start, cluster, name):
    assert not start(vms=[name])["changed"]
    assert asked(cluster) == ["/cluster/resources", "/nodes/pve1/qemu/101/status/current"]


def test_a_guest_that_is_named_twice_is_started_once(start, cluster):
    result = start(vms=["web-old-2", 102])
    assert [g["vmid"] for g in result["guests"]] == [102]
    assert writes(cluster) == ["POST /nodes/pve2/qemu/102/status/start"]


@pytest.mark.parametrize("args, names", [
    ({"tags": "web"}, ["web-old-1", "web-old-2"]),
    ({"tags": ["WEB", "infra"]}, ["web-old-1", "web-old-2", "dns"]),
    ({"pool": "web", "exclude": [101]}, ["web-old-2"]),
    ({"node": "pve2", "exclude": "ha-app"}, ["web-old-2", "db", "mail"]),
    ({"all": True, "kind": "lxc"}, ["dns", "mail"]),
    ({"all": True, "kind": "qemu", "exclude": ["gateway", "db", "stubborn", "ha-app"]}, ["web-old-1", "web-old-2"]),
])
def test_guests_are_chosen_by_what_they_have_and_templates_never(start, args, names):
    assert [g["name"] for g in start(check=True, **args)["guests"]] == names


@pytest.mark.parametrize("args, why", [
    ({"pool": "lab"}, "there is none in the pool `lab`"),
    ({"tags": ["nope", "none"]}, "no guest has the tag nope or none"),
    ({"tags": ["infra"], "exclude": ["dns"]}, "no guest has the tag infra, less exclude"),
    ({"node": "pve1", "exclude": [100, 101, 200]}, "there is none on the node pve1, less exclude"),
    ({"vms": []}, "the list vms, less exclude, is empty"),
])
@pytest.mark.parametrize("check", [True, False])
def test_nothing_chosen_is_no_change_and_said(start, args, why, check):
    result = start(check=check, **args)
    assert not result["changed"]
    assert result["msg"] == f"nothing to start: {why}"
    assert result["guests"] == []
    # An empty list was computed; a tag that no guest has may be a slip of the pen.
    assert result.get("warnings", []) == ([] if "vms" in args else [f"no guest was chosen: {why}"])


def test_an_exclude_that_names_nothing_is_a_warning(start):
    assert start(check=True, all=True, exclude=["gatway"])["warnings"] == ["exclude: there is no guest `gatway`"]


def test_a_stale_list_does_not_decide(start, cluster):
    cluster.patch(stale={"101": {"status": "stopped"}, "102": {"status": "running"}})
    assert [g["changed"] for g in start(vms=[101, 102])["guests"]] == [False, True]


def test_a_name_that_a_guest_has_lost_does_not_find_it(start, cluster):
    cluster.patch(stale={"102": {"name": "old-name"}})
    result = start(vms=["old-name"])
    assert result["msg"].startswith("there is no guest `old-name`")
    assert writes(cluster) == []


def test_a_name_that_moved_to_another_guest_finds_that_one(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "name": "web-new"}, {"vmid": 103, "name": "web-old-2"}])
    cluster.patch(stale={"102": {"name": "web-old-2"}, "103": {"name": "db"}})
    assert [g["vmid"] for g in start(vms=["web-old-2"])["guests"]] == [103]


def test_a_thousand_guests_that_run_cost_two_requests_for_each_node(ferrox):
    with FakeCluster(seed="bench", guests=1000, nodes=3, time_scale=0) as cluster:
        target = {"api_host": f"{cluster.host}:{cluster.port}", "api_user": cluster.api_user, "api_token_id": "mms",
                  "api_token_secret": cluster.api_token_secret, "ca_path": cluster.ca_path}
        for chosen in ({"tags": ["bench"]}, {"vms": [f"vm-{n:04d}" for n in range(1, 1001)]}):
            cluster.control("DELETE", "/requests")
            result = ferrox(MODULE, {**target, **chosen})
            assert (len(result["guests"]), result["changed"]) == (1000, False)
            assert cluster.stats()["requests"] <= 1 + 2 * 3


# ------------------------------------------------------------------------------------------------------ what fails


def test_one_that_fails_does_not_stop_the_others(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "start_error": "kvm: no space left"}, {"vmid": 103, "status": "stopped"}])
    result = start(vms=[102, 103, 201])
    assert result["failed"] and result["changed"]
    assert re.fullmatch(
        r"1 of 3 VMs and containers failed: unable to start VM `web-old-2`: task UPID:pve2:\S+ failed: "
        r"kvm: no space left",
        result["msg"])
    assert result["failure"]["kind"] == "task_failed"
    assert result["failure"]["log"][-1] == "TASK ERROR: kvm: no space left"
    got = rows(result)
    assert [(name, g["status"], g["changed"], g["error"] is None) for name, g in got.items()] == [
        ("web-old-2", "stopped", False, False), ("db", "running", True, True), ("mail", "running", True, True)]
    assert "kvm: no space left" in got["web-old-2"]["error"]


def test_warnings_of_a_task_are_warnings(start, cluster):
    cluster.fault(method="POST", path=r".*/102/status/start",
                  task={"exitstatus": "WARNINGS: 1", "log": ["WARN: old machine version"]})
    result = start(vms=["web-old-2"])
    assert result["changed"] and not result.get("failed")
    assert result["warnings"] == ["web-old-2: WARN: old machine version"]


def test_a_paused_vm_is_said_to_be_paused(start, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = start(vms=[101, 102])
    assert result["msg"] == ("1 of 2 VMs failed: unable to start VM `web-old-1`: it is paused: resume it "
                             "(`qm resume 101` on pve1)")
    assert (rows(result)["web-old-1"]["status"], rows(result)["web-old-2"]["status"]) == ("paused", "running")


def test_a_paused_vm_is_found_among_many(start, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    assert rows(start(check=True, all=True))["web-old-1"]["status_before"] == "paused"


def test_a_locked_guest_is_left_alone(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    message = ("unable to start VM `web-old-2`: it is locked (backup): another operation is at work on it. Should "
               "that have been cut off, `qm unlock 102` on pve2 takes the lock away")
    check = start(check=True, vms=[102])
    assert not check["changed"]
    assert check["warnings"] == [message]
    assert start(vms=[102])["msg"] == message
    assert writes(cluster) == []


def test_a_vm_that_sleeps_on_disk_is_started(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "suspended"}])
    assert start(vms=[102])["changed"]
    assert cluster.guest(102)["lock"] is None


def test_who_was_started_by_another_meanwhile_is_no_change(start, cluster):
    cluster.fault(method="POST", path=r".*/102/status/start", task={"exitstatus": "VM 102 already running"})
    result = start(vms=[102])
    assert not result["changed"] and not result.get("failed")
    assert rows(result)["web-old-2"]["status"] == "running"


def test_a_lock_that_passes_is_waited_for(start, cluster):
    cluster.fault(method="POST", path=r".*/102/status/start",
                  task={"exitstatus": "can't lock file '/var/lock/qemu-server/lock-102.conf' - got timeout"})
    result = start(vms=[102])
    assert result["changed"] and not result.get("failed")
    assert writes(cluster) == ["POST /nodes/pve2/qemu/102/status/start"] * 2


def test_a_lost_answer_is_looked_up_and_not_sent_twice(start, cluster):
    cluster.fault(method="POST", path=r".*/102/status/start", drop="after-effect")
    result = start(vms=[102])
    assert result["changed"]
    assert writes(cluster) == ["POST /nodes/pve2/qemu/102/status/start"]


def test_a_missing_privilege_is_named(ferrox, connection, cluster):
    onlooker = {**connection, "api_user": "audit@pve"}
    result = ferrox(MODULE, {**onlooker, "vms": [102]})
    assert "The caller lacks VM.PowerMgmt on /vms/102" in result["msg"]
    assert result["failure"]["privilege"] == "VM.PowerMgmt"


# -------------------------------------------------------------------------------------------------- nodes and HA


def test_guests_on_an_offline_node_are_a_warning(start, cluster):
    cluster.help("offline", node="pve3")
    result = start(all=True)
    assert result["changed"]
    assert result["warnings"] == ["the node pve3 is offline; its guests are left as they are: 104"]
    assert "stubborn" not in rows(result)


def test_a_node_that_has_just_gone_is_a_warning_too(start, cluster):
    cluster.fault(method="GET", path="/nodes/pve3/qemu", status=595, reason="Connection refused", times=None)
    result = start(all=True)
    assert result["changed"] and not result.get("failed")
    assert result["warnings"] == ["the node pve3 is offline; its guests are left as they are: 104"]


@pytest.mark.parametrize("args, message", [
    ({"vms": [104]}, "the guest `104` is on the node pve3, which is offline"),
    ({"vms": ["stubborn"]}, "there is no guest `stubborn` on the nodes that are online (offline: pve3) "
                            "(a guest without VM.Audit is invisible to ansible@pam!mms)"),
    ({"node": "pve3"}, "the node pve3 is offline"),
])
def test_what_is_named_on_an_offline_node_fails(start, cluster, args, message):
    cluster.help("offline", node="pve3")
    assert start(**args)["msg"] == message


def test_an_ha_managed_guest_is_followed_until_it_runs(start, cluster):
    cluster.patch(guests=[{"vmid": 105, "status": "stopped", "ha": "stopped"}], secs={"ha": 10})
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    result = start(vms=["ha-app"])
    assert rows(result)["ha-app"]["status"] == "running"
    assert cluster.guest(105)["status"] == "running"


# --------------------------------------------------------------------------------------------------------- waiting


def test_the_agent_may_come_late(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "agent_asks": 2}])
    result = start(vms=[102], wait_for="agent")
    assert result["changed"] and not result.get("failed")
    assert asked(cluster).count("/nodes/pve2/qemu/102/agent/info") == 3


def test_addresses_come_from_configuration_or_agent_and_on_each_run(start, cluster):
    cluster.patch(guests=[{"vmid": 102, "addresses": ["2001:db8::7/64", "192.0.2.102/24"]}])
    for changed in (True, False):
        result = start(vms=["web-old-1", "web-old-2"], wait_for="ip")
        assert result["changed"] is changed
        assert [g["ip_addresses"] for g in result["guests"]] == [["192.0.2.101"], ["192.0.2.102", "2001:db8::7"]]
    assert "/nodes/pve1/qemu/101/agent/network-get-interfaces" not in asked(cluster)


def test_a_container_tells_its_address_without_an_agent(start, cluster):
    net = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:C9,ip=192.0.2.201/24,type=veth"
    cluster.patch(guests=[{"vmid": 201, "config": {"net0": net}}])
    assert rows(start(vms=["mail"], wait_for="ip"))["mail"]["ip_addresses"] == ["192.0.2.201"]


def test_a_port_is_waited_for(start, cluster):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster.patch(guests=[{"vmid": 102, "config": {"ipconfig0": "ip=127.0.0.1/8"}}])
        result = start(vms=[102], wait_for="port", port=port)
    assert rows(result)["web-old-2"]["ip_addresses"] == ["127.0.0.1"]


def test_a_port_that_stays_closed_ends_with_the_timeout(start, cluster):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cluster.patch(guests=[{"vmid": 102, "config": {"ipconfig0": "ip=127.0.0.1/8"}}])
        port = unused.getsockname()[1]
        result = start(vms=[102], wait_for="port", port=port, timeout=1)
    assert result["msg"] == ("unable to wait for the port of VM `web-old-2`: it took longer than 1 s; "
                             f"at last: port {port} is closed")
    assert result["changed"]
    assert rows(result)["web-old-2"]["status"] == "running"


def test_waiting_without_agent_and_address_fails_before_anything_is_started(start, cluster):
    cluster.patch(guests=[{"vmid": 103, "status": "stopped"}])
    result = start(vms=[102, 103], wait_for="ip")
    assert result["msg"] == ("unable to wait for VM `db (103)`: its configuration has neither a guest agent (agent: 1) "
                             "nor a static address (ipconfig0) that could tell its address")
    assert writes(cluster) == []


@pytest.mark.parametrize("major", [8, 9])
def test_a_caller_who_may_not_ask_the_agent_starts_nothing(ferrox, major):
    with FakeCluster(seed="demo", time_scale=0, major=major) as cluster:
        provisioner = {"api_host": f"{cluster.host}:{cluster.port}", "api_user": "prov@pve", "api_token_id": "mms",
                       "api_token_secret": cluster.api_token_secret, "ca_path": cluster.ca_path}
        result = ferrox(MODULE, {**provisioner, "vms": ["web-old-2"], "wait_for": "agent"})
        assert result["msg"].startswith(
            "unable to ask the guest agent of `web-old-2`: prov@pve!mms lacks VM.GuestAgent.Audit "
            "(VM.Monitor up to Proxmox VE 8) on /vms/102")
        assert writes(cluster) == []
        privilege = "VM.Monitor" if major == 8 else "VM.GuestAgent.Audit"
        cluster.patch(roles={"Provisioner": f"VM.Audit VM.PowerMgmt {privilege}"})
        assert ferrox(MODULE, {**provisioner, "vms": ["web-old-2"], "wait_for": "agent"})["changed"]


# ------------------------------------------------------------------------------------------------------------ order


def test_the_start_up_order_is_kept(start, cluster):
    cluster.patch(guests=[
        {"vmid": 100, "status": "stopped"}, {"vmid": 101, "status": "stopped", "config": {"startup": "order=2,up=0"}},
        {"vmid": 102, "config": {"startup": "order=2"}}, {"vmid": 103, "status": "stopped"}])
    cluster.control("DELETE", "/requests")
    result = start(all=True, kind="qemu", order="startup")
    assert not result.get("failed")
    order = [int(re.search(r"/qemu/(\d+)/", w)[1]) for w in writes(cluster)]
    assert order[0] == 100 and set(order[1:3]) == {101, 102} and order[3] == 103
    assert sorted(path for path in asked(cluster) if path.endswith("/config")) == [
        f"/nodes/{node}/qemu/{vmid}/config" for node, vmid in
        [("pve1", 100), ("pve1", 101), ("pve2", 102), ("pve2", 103)]], "only of guests that change"


# ------------------------------------------------------------------------------------------------------ Ctrl-C


def test_an_interruption_names_the_task_that_goes_on(executable, connection, cluster):
    cluster.patch(guests=[{"vmid": 102, "start_secs": 3000}])
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    process.stdin.write(json.dumps({**connection, "vms": [102, 201], "parallel": 1}))
    process.stdin.close()
    while not any(path.endswith("/status") for path in asked(cluster)):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    result = json.loads(process.stdout.read())
    process.wait(30)
    assert result["failed"]
    (upid,) = result["failure"]["running"]
    assert result["msg"] == f"interrupted: 1 of 2 VMs and containers left unfinished, 1 not begun; left running: {upid}"
    assert upid.startswith("UPID:pve2:") and ":qmstart:102:" in upid
    assert upid in rows(result)["web-old-2"]["error"]
    assert rows(result)["mail"]["error"] == "interrupted before its turn came"
    assert not any("/201/" in path for path in writes(cluster))
