# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_tasks_info: what a node has done; one task among many; and what counts as failed."""

from __future__ import annotations

import pytest
from readers import ONLOOKER, PROVISIONER, asked, lacks, post

UNKNOWN = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:qmclone:9000:root@pam:"
ARCHIVE = "GET /nodes/pve1/tasks?source=archive"


@pytest.fixture
def tasks(ferrox, connection):
    def run(node="pve1", **options):
        return ferrox("proxmox_tasks_info", {**connection, "node": node, **options})

    return run


@pytest.fixture
def start(cluster):
    """Starts VM 100, which runs already, so that the task fails: start() -> UPID."""
    return lambda: post(cluster, "/nodes/pve1/qemu/100/status/start")


@pytest.fixture
def begun(cluster):
    """Makes tasks that go on until the test's end: begun() -> UPID."""

    def run():
        cluster.control("POST", "/time-scale", {"time_scale": 1})
        cluster.fault(method="POST", path=".*/status/shutdown", task={"delay": 3600})
        return post(cluster, "/nodes/pve1/qemu/101/status/shutdown")

    return run


def sentence(upid, node="pve1"):
    return f"Task: {upid} does not exist on node: {node}."


def test_without_a_node_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_tasks_info", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: node"
    assert cluster.requests() == []


def test_what_a_node_has_done_is_told_newest_first(tasks, start, cluster):
    first, second = start(), start()
    result = tasks()
    assert not result["changed"]
    assert [task["upid"] for task in result["proxmox_tasks"]] == [second, first]
    task = result["proxmox_tasks"][0]
    assert (task["node"], task["type"], task["id"]) == ("pve1", "qmstart", "100")
    assert (task["user"], task["tokenid"]) == ("ansible@pam", "mms")
    assert task["endtime"] >= task["starttime"]
    assert asked(cluster) == [ARCHIVE]
    assert tasks(node="pve2")["proxmox_tasks"] == []


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, tasks, start):
    start()
    result = ferrox("proxmox_tasks_info", {**connection, "node": "pve1"}, check=True, diff=True)
    assert result["proxmox_tasks"] == tasks()["proxmox_tasks"] != []
    assert not result["changed"] and "diff" not in result


# --------------------------------------------------------------------------------------------------- one task by name


@pytest.mark.parametrize("option", ["task", "upid", "name"])
def test_one_task_is_told_as_in_the_list(tasks, start, cluster, option):
    upid = start()
    listed = tasks()["proxmox_tasks"]
    cluster.control("DELETE", "/requests")
    assert tasks(**{option: upid})["proxmox_tasks"] == listed
    (request,) = asked(cluster)
    assert request.startswith(f"{ARCHIVE}&typefilter=qmstart&limit=1000&since=")


def test_a_task_is_found_behind_those_that_came_later(tasks, start):
    upid = start()
    for _ in range(60):
        start()
    assert upid not in [task["upid"] for task in tasks()["proxmox_tasks"]]
    (task,) = tasks(task=upid)["proxmox_tasks"]
    assert task["upid"] == upid and "endtime" in task


@pytest.mark.parametrize("source", ["archive", "active", "all"])
def test_a_task_that_is_not_there_is_told_in_the_known_sentence(tasks, cluster, source):
    result = tasks(task=UNKNOWN, source=source)
    assert result["failed"] and result["msg"] == sentence(UNKNOWN)
    assert len(asked(cluster)) == 2


def test_a_name_that_is_none_and_one_of_another_node_need_no_question(tasks, cluster):
    assert tasks(task="backup")["msg"] == f"{sentence('backup')} That is not a UPID."
    assert tasks(node="pve2", task=UNKNOWN)["msg"] == f"{sentence(UNKNOWN, 'pve2')} It is one of node `pve1`."
    assert cluster.requests() == []


def test_a_task_that_runs_is_not_in_the_archive(tasks, begun):
    upid = begun()
    result = tasks(task=upid)
    assert result["failed"]
    assert result["msg"] == f"{sentence(upid)} It is still running: source `active` or `all` shows it."
    for source in ("active", "all"):
        (task,) = tasks(task=upid, source=source)["proxmox_tasks"]
        assert (task["upid"], task["status"]) == (upid, "RUNNING")


def test_a_task_that_has_ended_is_not_active(tasks, start):
    upid = start()
    result = tasks(task=upid, source="active")
    assert result["failed"]
    assert result["msg"] == f"{sentence(upid)} It has ended: source `archive` or `all` shows it."
    assert tasks(task=upid, source="all")["proxmox_tasks"][0]["upid"] == upid


# --------------------------------------------------------------------------------------------------- what has failed


def test_only_a_task_that_ended_with_an_error_has_failed(tasks, start, begun, cluster):
    start()
    cluster.fault(method="POST", path=".*/status/stop", task={"exitstatus": "WARNINGS: 1", "log": ["WARN: no agent"]})
    post(cluster, "/nodes/pve1/qemu/100/status/stop")
    start()
    begun()
    ends = {task["status"]: task.get("failed") for task in tasks(source="all")["proxmox_tasks"]}
    assert ends == {"RUNNING": False, "OK": None, "VM 100 already running": True, "WARNINGS: 1": False}


def test_a_running_task_has_no_end(tasks, begun):
    begun()
    (task,) = tasks(source="active")["proxmox_tasks"]
    assert task["status"] == "RUNNING" and "endtime" not in task


# ------------------------------------------------------------------------------------------------ what it cannot tell


def test_a_node_that_is_not_there_is_told(tasks):
    result = tasks(node="nope")
    assert result["failed"]
    assert result["msg"].startswith("unable to read the tasks of node `nope`: GET /nodes/nope/tasks answered 500: ")


def test_a_node_that_is_offline_is_told(tasks, cluster):
    cluster.help("offline", node="pve3")
    result = tasks(node="pve3")
    assert result["failed"] and "The node is offline or unreachable" in result["msg"]


def test_tasks_of_others_are_for_those_who_may_audit_the_node(tasks, start):
    upid = start()
    assert tasks(task=upid, **ONLOOKER)["proxmox_tasks"][0]["upid"] == upid
    assert tasks(**PROVISIONER)["proxmox_tasks"] == []
    result = tasks(task=upid, **PROVISIONER)
    assert lacks(result, "Sys.Audit", "/nodes/pve1")
    assert "does not exist" not in result["msg"]
