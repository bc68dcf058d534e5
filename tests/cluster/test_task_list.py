# SPDX-License-Identifier: AGPL-3.0-or-later
"""The lists of tasks and their filters."""

import pytest

PROV = "prov@pve!mms"
OLD = [
    {"node": "pve1", "type": "vzdump", "id": "101", "starttime": 1000, "endtime": 1500, "log": ["done"]},
    {"node": "pve1", "type": "qmstart", "id": "100", "user": PROV, "starttime": 2000,
     "status": "VM 100 already running"},
    {"node": "pve1", "type": "vzdump", "id": "102", "starttime": 3000, "status": "WARNINGS: 2"},
    {"node": "pve1", "type": "qmclone", "id": "9000", "user": "ansible@pam", "starttime": 4000,
     "status": "unexpected status"},
    {"node": "pve2", "type": "qmstop", "id": "103", "starttime": 5000},
    {"node": "pve1", "type": "vncproxy", "id": "100", "starttime": 6000, "status": "running"},
]


@pytest.fixture
def listed(ask, fake):
    """Asks for the tasks of pve1 by their start times, newest first."""
    fake.patch(tasks=OLD)

    def look(user="root@pam!ferrox", **query):
        answer = ask("GET", "/nodes/pve1/tasks", user, **query)
        assert answer.status == 200, answer.errors
        return [task["starttime"] for task in answer.data]
    return look


@pytest.mark.parametrize(("query", "found"), [
    ({}, [4000, 3000, 2000, 1000]), ({"source": "active"}, [6000]), ({"source": "all"}, [6000, 4000, 3000, 2000, 1000]),
    ({"errors": 1}, [4000, 3000, 2000]), ({"statusfilter": "ok"}, [1000]),
    ({"statusfilter": "error,warning"}, [3000, 2000]),
    ({"statusfilter": "unknown", "source": "all"}, [6000, 4000]), ({"typefilter": "vzdump"}, [3000, 1000]),
    ({"typefilter": "vz"}, []), ({"userfilter": "PROV"}, [2000]), ({"vmid": 101}, [1000]),
    ({"since": 2000, "until": 3000}, [3000, 2000]), ({"start": 1, "limit": 2}, [3000, 2000]), ({"limit": 0}, [])])
def test_tasks_are_filtered(listed, query, found):
    assert listed(**query) == found


def test_fifty_tasks_are_listed_unless_more_are_asked_for(ask, fake):
    fake.patch(tasks=[{"node": "pve1", "type": "vzdump", "starttime": n} for n in range(60)])
    answer = ask("GET", "/nodes/pve1/tasks")
    assert (len(answer.data), answer.body["total"]) == (50, 60)
    assert len(ask("GET", "/nodes/pve1/tasks", limit=100).data) == 60


def test_without_audit_of_the_node_only_ones_own_tasks_are_listed(listed):
    assert listed(PROV, source="all") == [2000]
    assert listed("audit@pve!mms") == listed()


def test_an_entry_tells_owner_times_and_ending(ask, listed):
    assert listed("root@pam!ferrox", vmid=100) == [2000]
    (entry,) = ask("GET", "/nodes/pve1/tasks", typefilter="qmstart").data
    assert entry.pop("upid").split(":")[4:] == ["000007D0", "qmstart", "100", PROV, ""]
    assert (entry.pop("pid") > 0, entry.pop("pstart") > 0) == (True, True)
    assert entry == {"node": "pve1", "type": "qmstart", "id": "100", "user": "prov@pve", "tokenid": "mms",
                     "starttime": 2000, "endtime": 2060, "status": "VM 100 already running"}
    (running,) = ask("GET", "/nodes/pve1/tasks", source="active").data
    assert running["status"] == "RUNNING" and "endtime" not in running


def test_tasks_that_ran_and_tasks_of_before_stand_in_one_list(ask, listed):
    made = ask("POST", "/nodes/pve1/qemu/9000/clone", newid=300)
    newest = ask("GET", "/nodes/pve1/tasks").data[0]
    assert (newest["upid"], newest["status"]) == (made.data, "OK")
    old = next(t for t in ask("GET", "/nodes/pve1/tasks").data if t["starttime"] == 1000)
    assert ask("GET", f"/nodes/pve1/tasks/{old['upid']}/status").data["exitstatus"] == "OK"
    assert [line["t"] for line in ask("GET", f"/nodes/pve1/tasks/{old['upid']}/log").data] == ["done"]
    assert {t["node"] for t in ask("GET", "/cluster/tasks").data} == {"pve1", "pve2"}


def test_a_state_told_is_a_state_taken(ask, fake, listed):
    before = fake.state()["tasks"]
    fake.patch(tasks=before)
    assert fake.state()["tasks"] == before
    running = next(task for task in before if task["status"] == "running")
    fake.patch(tasks=[{**running, "status": "OK"}])
    assert listed(source="active") == []
