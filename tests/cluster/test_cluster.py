# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nodes, tasks, staleness, faults and the control port."""

import http.client
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import FakeCluster

from .conftest import Client, until

VM = "/nodes/pve1/qemu/{}"
CLONE = VM.format(9000) + "/clone"


def resources(ask, user="root@pam!ferrox", **query):
    return {g["vmid"]: g for g in ask("GET", "/cluster/resources", user, **query).data if "vmid" in g}


# --------------------------------------------------------------------------------------- nodes

def test_an_offline_node_answers_595_without_a_body(ask, fake):
    fake.help("offline", node="pve2")
    answer = ask("GET", "/nodes/pve2/qemu")
    assert (answer.status, answer.raw) == (595, b"")
    guest = resources(ask)[102]
    assert (guest["node"], guest["status"], "name" in guest) == ("pve2", "unknown", False)
    nodes = {n["node"]: n["status"] for n in ask("GET", "/nodes").data}
    assert nodes == {"pve1": "online", "pve2": "offline", "pve3": "online"}


# --------------------------------------------------------------------------------------- tasks

def test_a_task_belongs_to_its_owner(ask):
    start = ask("POST", "/nodes/pve2/qemu/102/status/start", "prov@pve!mms")
    path = f"/nodes/pve2/tasks/{start.data}/status"
    mine = ask("GET", path, "prov@pve!mms").data
    assert (mine["user"], mine["tokenid"], mine["exitstatus"]) == ("prov@pve", "mms", "OK")
    assert ask("GET", path, "audit@pve!mms").status == 200
    other = ask("POST", "/nodes/pve2/qemu/102/status/stop")
    refused = ask("GET", f"/nodes/pve2/tasks/{other.data}/status", "prov@pve!mms")
    assert refused.reason == "Permission check failed (/nodes/pve2, Sys.Audit)"


def test_unknown_and_malformed_upids_are_400(ask):
    good = ask("POST", VM.format(100) + "/status/stop").data
    assert ask("GET", f"/nodes/pve1/tasks/{good.replace('qmstop', 'qmstart')}/status").errors == {
        "upid": "no such task"}
    assert ask("GET", "/nodes/pve1/tasks/nonsense/status").errors == {"upid": "unable to parse worker upid"}


def test_a_log_ends_with_how_the_task_ended(ask):
    start = ask("POST", VM.format(100) + "/status/start")
    answer = ask("GET", f"/nodes/pve1/tasks/{start.data}/log")
    assert answer.data[-1] == {"n": len(answer.data), "t": "TASK ERROR: VM 100 already running"}
    assert answer.body["total"] == len(answer.data)


# ------------------------------------------------------------------------------------ freshness

def test_the_resources_are_as_old_as_the_last_round(ask):
    ask("POST", CLONE, newid=300, name="web-1")
    ask("POST", VM.format(100) + "/status/stop")
    first, second = resources(ask), resources(ask, type="vm")
    assert (first[300]["node"], first[300]["status"], "name" in first[300]) == ("pve1", "unknown", False)
    assert (first[100]["status"], second[100]["status"]) == ("running", "stopped")
    assert (second[300]["name"], second[300]["status"], second[300]["template"]) == ("web-1", "stopped", 0)
    live = {g["vmid"]: g for g in ask("GET", "/nodes/pve1/qemu").data}
    assert (live[300]["name"], live[100]["status"]) == ("web-1", "stopped")


def test_rounds_can_be_left_to_the_test_and_forged(ask, fake):
    fake.patch(statistics="manual", stale={"101": {"status": "stopped"}})
    ask("POST", VM.format(100) + "/status/stop")
    assert {resources(ask)[100]["status"] for _ in range(3)} == {"running"}
    assert resources(ask)[101]["status"] == "stopped"
    fake.statistics_round()
    assert (resources(ask)[100]["status"], resources(ask)[101]["status"]) == ("stopped", "running")


def test_rounds_come_by_themselves_where_time_passes(ask_slow):
    ask_slow.exit_status(ask_slow("POST", VM.format(100) + "/status/stop"))
    until(lambda: resources(ask_slow)[100]["status"] == "stopped")


def test_only_the_full_list_tells_paused_from_running(ask):
    ask("POST", VM.format(100) + "/status/suspend")
    short = {g["vmid"]: g for g in ask("GET", "/nodes/pve1/qemu").data}[100]
    full = {g["vmid"]: g for g in ask("GET", "/nodes/pve1/qemu", full=1).data}[100]
    assert (short["status"], "qmpstatus" in short, full["qmpstatus"]) == ("running", False, "paused")


def test_lists_come_in_another_order_each_time(ask):
    orders = {tuple(r["id"] for r in ask("GET", "/cluster/resources").data) for _ in range(10)}
    assert len(orders) > 1


# --------------------------------------------------------------------------------------- faults

def test_a_refusal_is_counted_down_and_lets_others_pass_first(ask, fake):
    fake.fault(method="GET", path="/version", status=500, message="boom", times=2, after=1)
    assert [ask("GET", "/version").reason for _ in range(4)] == ["OK", "boom", "boom", "OK"]
    fake.fault(path="/version", status=502, html="<html>proxy</html>")
    assert ask("GET", "/version").raw == b"<html>proxy</html>"
    fake.fault(path="/version", status=596, reason="Connection timed out")
    assert (ask("GET", "/version").raw, fake.control("GET", "/faults")) == (b"", [])


@pytest.mark.parametrize(("drop", "made"), [("before", False), ("during", True), ("after-effect", True)])
def test_an_answer_is_lost_before_or_after_its_effect(ask, fake, drop, made):
    fake.fault(method="POST", path=r".*/clone", drop=drop)
    with pytest.raises((OSError, http.client.HTTPException)):
        ask("POST", CLONE, newid=300, name="web-1")
    assert (fake.guest(300) is not None) is made


def test_a_task_fails_inside_warns_or_is_misread(ask, fake):
    fake.fault(path=r".*/clone", task={"exitstatus": "no space left", "log": ["copying"]})
    clone = ask("POST", CLONE, newid=300)
    assert ask.exit_status(clone) == "no space left"
    assert ask.log_of(clone) == ["copying", "TASK ERROR: no space left"]
    assert fake.guest(300) is None
    fake.fault(path=r".*/clone", task={"exitstatus": "WARNINGS: 1", "log": ["WARN: careful"]})
    clone = ask("POST", CLONE, newid=300)
    assert (ask.exit_status(clone), ask.log_of(clone)[-1]) == ("WARNINGS: 1", "TASK WARNINGS: 1")
    assert fake.guest(300)["lock"] is None
    fake.fault(path=r".*/clone", task={"misread": 1})
    clone = ask("POST", CLONE, newid=301)
    assert [ask.exit_status(clone) for _ in range(2)] == ["unexpected status", "OK"]


def test_lock_timeouts_meet_clones_in_the_request_and_in_the_task(ask, fake):
    text = "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout"
    fake.help("lock-timeouts", n=2)
    refused, failed, good = (ask("POST", CLONE, newid=300) for _ in range(3))
    assert (refused.status, refused.reason) == (500, text)
    assert (ask.exit_status(failed), ask.exit_status(good)) == (text, "OK")


def test_another_client_takes_the_vmid(ask, fake):
    fake.help("steal-vmid")
    answer = ask("POST", CLONE, newid=300, name="web-1")
    assert answer.reason == "unable to create VM 300: config file already exists"
    assert fake.guest(300)["name"] == "stolen-300"
    assert ask("POST", CLONE, newid=301, name="web-1").status == 200
    fake.help("steal-vmid", where="task")
    raced = ask("POST", CLONE, newid=302, name="web-1")
    assert ask.exit_status(raced) == "unable to create VM 302: config file already exists"
    assert fake.guest(302)["name"] == "stolen-302"
    fake.help("steal-vmid", drop="after-effect")
    with pytest.raises((OSError, http.client.HTTPException)):
        ask("POST", CLONE, newid=303, name="web-1")
    assert fake.guest(303)["name"] == "stolen-303"


def test_a_hanging_request_does_not_hold_others_up(ask, fake):
    fake.help("hang", path="/version")
    waiting = http.client.HTTPSConnection(fake.host, fake.port, context=ask.context, timeout=0.2)
    with pytest.raises(TimeoutError):
        waiting.request("GET", "/api2/json/version",
                        headers={"Authorization": f"PVEAPIToken=ansible@pam!mms={fake.api_token_secret}"})
        waiting.getresponse()
    waiting.close()
    assert ask("GET", "/version").status == 200


def test_a_held_config_lock_is_waited_for_in_vain(ask, fake):
    fake.help("hold-lock", vmid=100)
    text = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout"
    assert ask("PUT", VM.format(100) + "/config", tags="x").reason == text
    fake.help("hold-lock", vmid=100, held=False)
    assert ask("PUT", VM.format(100) + "/config", tags="x").status == 200


def test_without_quorum_nothing_is_written(ask, fake):
    fake.patch(quorate=False)
    for path, fields in (("/access/roles", {"roleid": "MMS"}), ("/pools", {"poolid": "p"}),
                         ("/access/domains", {"realm": "r", "type": "openid", "issuer-url": "x", "client-id": "y"})):
        assert ask("POST", path, **fields).reason == "cluster not ready - no quorum?"
    assert ask("POST", VM.format(100) + "/status/stop").status == 500
    assert [e["quorate"] for e in ask("GET", "/cluster/status").data if e["type"] == "cluster"] == [0]


def test_revoked_tickets_are_refused(ask, fake):
    cookie = {"Cookie": f"PVEAuthCookie={ask.login('root@pam', 'secret').data['ticket']}"}
    assert ask("GET", "/version", headers=cookie).status == 200
    fake.help("revoke-tickets")
    assert ask("GET", "/version", headers=cookie).reason == "permission denied - invalid PVE ticket"


def test_the_date_can_be_wrong(ask, fake):
    now = ask("GET", "/nodes/pve1/time").data["time"]
    fake.patch(clock_skew=3600)
    assert ask("GET", "/nodes/pve1/time").data["time"] - now >= 3600


# --------------------------------------------------------------------------------- control port

def test_the_log_tells_paths_bodies_users_and_connections_but_no_secrets(ask, fake):
    ask.login("root@pam", "secret")
    ask("PUT", VM.format(100) + "/config", cipassword="sesame", cores=2)
    ask("GET", "/cluster/resources", type="vm")
    Client(fake)("GET", "/version")
    log, stats = fake.requests(), fake.stats()
    assert [(e["method"], e["path"]) for e in log[1:3]] == [
        ("PUT", "/api2/json/nodes/pve1/qemu/100/config"), ("GET", "/api2/json/cluster/resources?type=vm")]
    assert log[1]["body"] == {"cipassword": "********", "cores": "2"}
    assert log[1]["user"] == "root@pam!ferrox"
    assert "sesame" not in json.dumps(log) and '"secret"' not in json.dumps(log)
    assert (stats["requests"], stats["logins"], stats["writes"], stats["connections"]) == (3, 1, 1, 2)
    assert stats["by_kind"]["GET /cluster/resources"] == 1


def test_the_log_is_held_against_the_schema(ask, fake):
    ask("PUT", VM.format(100) + "/config", cores=2, net0="virtio=BC:24:11:00:00:64,bridge=vmbr0")
    assert fake.schema_violations() == []
    ask("PUT", VM.format(100) + "/config", coars=2, net0="virtio,brigde=vmbr0", cores="two")
    found = fake.schema_violations()
    assert [set(v["errors"]) for v in found] == [{"coars", "net0", "cores"}]


def test_reset_forgets_everything_and_takes_another_seed(ask, fake):
    ask("POST", CLONE, newid=300)
    ask("POST", "/access/roles", roleid="MMS")
    fake.fault(path=".*", status=500)
    fake.reset()
    assert fake.guest(300) is None and "MMS" not in fake.state()["roles"]
    assert (fake.requests(), fake.control("GET", "/faults")) == ([], [])
    assert ask("GET", "/version").status == 200
    fake.reset(seed="bench", guests=7, nodes=2)
    assert len(resources(ask)) == 9
    fake.reset(seed="demo")


def test_a_state_that_was_told_is_a_seed(ask, fake):
    ask("POST", CLONE, newid=300, name="web-1", pool="lab")
    ask("POST", "/access/groups", groupid="ops")
    before = fake.state()
    # The volumes of no guest are told by their names alone.
    forgotten = {"storages", "time_scale"}
    fake.reset(seed=before)
    after = fake.state()
    fake.reset(seed="demo")
    assert {k: v for k, v in after.items() if k not in forgotten} == {
        k: v for k, v in before.items() if k not in forgotten}


def test_a_patch_changes_adds_and_removes(ask, fake):
    fake.patch(guests=[{"vmid": 100, "config": {"tags": "x", "onboot": None}, "status": "stopped"},
                       {"vmid": 400, "name": "new", "node": "pve3", "pool": "web"}, {"vmid": 105, "absent": True}],
               roles={"Mine": "VM.Audit"}, nodes={"pve3": {"online": False}})
    assert ask("GET", VM.format(100) + "/status/current").data["status"] == "stopped"
    now = ask("GET", VM.format(100) + "/config").data
    assert now["tags"] == "x" and "onboot" not in now
    seen = resources(ask)
    assert seen[400]["pool"] == "web" and 105 not in seen
    assert fake.state()["roles"]["Mine"] == ["VM.Audit"]


def test_the_command_line_serves_until_it_is_told_to_end(tmp_path):
    seed, ready = tmp_path / "seed.json", tmp_path / "ready"
    seed.write_text(json.dumps({"nodes": {"only": {}}, "guests": [{"vmid": 100, "name": "a", "node": "only"}]}))
    tests = Path(__file__).resolve().parent.parent
    process = subprocess.Popen([sys.executable, "-m", "cluster", "--seed", str(seed), "--ready-file", str(ready),
                                "--time-scale", "0"], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(tests)})
    try:
        facts = json.loads(process.stdout.readline())
        until(ready.exists)
        assert json.loads(ready.read_text()) == facts
        assert facts["url"] == f"https://{facts['host']}:{facts['port']}"
        assert len(facts["fingerprint"].split(":")) == 32
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()


def test_two_clusters_stand_side_by_side():
    with FakeCluster(seed="empty") as one, FakeCluster(seed="bench", guests=3) as two:
        assert len(resources(Client(one))) == 0
        assert len(resources(Client(two))) == 5
