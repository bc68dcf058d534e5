# SPDX-License-Identifier: GPL-3.0-or-later
"""The harness notices what it is there to notice."""

import time
from types import SimpleNamespace

import pytest

from .cases import ABSENT, REMOVED, Difference, Malformed, Task, expanded
from .compare import verdict
from .plain import effect, plain
from .sides import Did

DONE = {"failed": False, "skipped": False, "changed": True}


def did(requests=2, effect=None, **result):
    return Did({**DONE, **result}, effect or {}, requests)


def faults(peer, ours, *differs, name="create", says=None, adds=()):
    task = Task(name, {}, False, False, says)
    case = SimpleNamespace(tasks=[task], differs=[Difference(name, *listed, "why") for listed in differs], adds=set(adds))
    return verdict(case, {name: peer}, {name: ours}).faults


def test_what_is_equal_has_no_fault():
    assert faults(did(msg="made"), did(msg="made", requests=1)) == []


def test_a_difference_is_a_fault_unless_it_is_listed():
    peer, ours = did(changed=False), did()
    assert len(faults(peer, ours)) == 1
    assert faults(peer, ours, ("changed", True)) == []


def test_a_listed_difference_is_a_fault_with_another_value_or_where_it_is_gone():
    assert len(faults(did(msg="a"), did(msg="b"), ("msg", "c"))) == 1
    assert len(faults(did(msg="a"), did(msg="a"), ("msg", "a"))) == 1


def test_one_and_true_are_different_values():
    assert len(faults(did(users=[{"enabled": 1}]), did(users=[{"enabled": True}]))) == 1


def test_a_key_of_ours_is_a_fault_unless_the_module_adds_it():
    assert len(faults(did(), did(pending=[]))) == 1
    assert faults(did(), did(pending=[]), adds=["pending"]) == []


def test_a_key_that_ours_lacks_can_be_listed():
    assert len(faults(did(secrets={}), did())) == 1
    assert faults(did(secrets={}), did(), ("secrets", ABSENT)) == []


def test_a_failure_of_one_side_is_one_difference():
    peer, ours = did(failed=True, msg="raw"), did(msg="made", groupid="ops")
    assert len(faults(peer, ours)) == 1
    assert faults(peer, ours, ("failed", {"groupid": "ops"})) == []
    assert len(faults(peer, ours, ("failed", {"groupid": "devs"}))) == 1


def test_messages_of_failures_count_where_the_case_says_so():
    peer, ours = did(failed=True, msg="Group 'x' does not exist"), did(failed=True, msg="no such thing")
    assert faults(peer, ours) == []
    assert len(faults(peer, ours, says="Group 'x' does not exist")) == 1


def test_another_effect_on_the_cluster_is_a_fault():
    assert len(faults(did(effect={"groups.ops": {"comment": "a"}}), did(effect={"groups.ops": {"comment": "b"}}))) == 1
    assert len(faults(did(effect={"groups.ops": {}}), did())) == 1


def test_what_one_side_removes_and_the_other_leaves_alone_is_a_fault():
    state = {"guests": [], "acl": [], "groups": {"ops": {"comment": "a"}}}
    removed, left = (did(effect=effect(state, {**state, "groups": after})) for after in ({}, state["groups"]))
    assert len(faults(removed, left)) == len(faults(left, removed)) == 1
    assert faults(removed, left, ("state.groups.ops", ABSENT)) == faults(left, removed, ("state.groups.ops", REMOVED)) == []


def test_more_requests_are_a_fault():
    assert len(faults(did(requests=1), did(requests=2))) == 1


def test_check_mode_that_writes_or_promises_wrongly_is_a_fault():
    tasks = [Task("create, check mode", {}, True, False, None), Task("create", {}, False, False, None)]
    case = SimpleNamespace(tasks=tasks, differs=[], adds=set())

    def both(checked, done):
        outcome = {"create, check mode": checked, "create": done}
        return verdict(case, outcome, outcome).faults

    assert both(did(), did()) == []
    assert len(both(did(changed=False), did())) == 1
    assert len(both(did(effect={"groups.ops": {}}), did())) == 1


def test_what_differs_from_run_to_run_is_taken_out():
    first, second = "UPID:pve1:0001:00AB:66:vzdump:100:root@pam:", "UPID:pve1:0002:00CD:67:vzdump:100:root@pam:"
    now = int(time.time())
    assert plain({"upid": first, "pid": 1, "starttime": now, "nodes": ["b", "a"]}) == plain(
        {"upid": second, "pid": 2, "starttime": now + 1, "nodes": ["a", "b"]})
    name, log = "backup/vzdump-qemu-101-%Y_%m_%d-%H_%M_%S.vma", "INFO: Backup started at %Y-%m-%d %H:%M:%S"
    for text in (name, log):
        assert plain(time.strftime(text, time.gmtime(now))) == plain(time.strftime(text, time.gmtime(now + 1)))


def test_what_says_something_is_left_in():
    assert plain("vzdump-qemu-101-2026_10_31-02_00_00.vma") != plain("vzdump-qemu-101-2026_10_31-02_00_01.vma")
    assert plain("UPID:pve1:0001:00AB:66:vzdump:100:root@pam:") != plain("UPID:pve1:0001:00AB:66:qmstart:100:root@pam:")
    assert plain({"starttime": 1793400000}) != plain({"starttime": 1793400001})
    assert plain({"pid": 1}) != plain({"pid": "1"})


def test_the_effect_is_what_changed():
    state = {"guests": [], "acl": [], "groups": {"ops": {"comment": "a", "users": []}, "devs": {}}, "tasks": []}
    later = {"guests": [], "acl": [{"path": "/", "type": "user", "ugid": "u@pve", "roleid": "R", "propagate": 1}],
             "groups": {"ops": {"comment": "b", "users": []}}, "tasks": [1]}
    assert effect(state, later) == {
        "acl./ user u@pve R": {"path": "/", "type": "user", "ugid": "u@pve", "roleid": "R", "propagate": 1},
        "groups.devs": REMOVED,
        "groups.ops.comment": "b",
    }


def test_a_case_file_says_much_in_few_words():
    entry = {"case": "a group", "login": ["token", "password"], "tasks": [{"create": {"groupid": "ops"}}, {"remove": None}],
             "differs": [{"task": "create*", "ours": {"changed": True, "msg": "made"}, "why": "a defect", "login": "token"}]}
    token, password = expanded("proxmox_group", {"runs": ["check", "real"]}, entry)
    assert [task.name for task in token.tasks] == ["create, check mode", "create", "remove, check mode", "remove"]
    assert [task.check for task in token.tasks] == [True, False, True, False]
    assert {(d.task, d.key, d.ours) for d in token.differs} == {
        ("create, check mode", "changed", True), ("create, check mode", "msg", "made"),
        ("create", "changed", True), ("create", "msg", "made")}
    assert password.differs == [] and password.given != token.given


def test_a_case_file_that_names_no_task_of_its_own_is_refused():
    entry = {"case": "a group", "tasks": [{"create": {}}], "differs": [{"task": "made", "key": "msg", "why": "a defect"}]}
    with pytest.raises(Malformed):
        list(expanded("proxmox_group", {}, entry))
