# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_access: the whole picture in one task, in the order that works."""

from __future__ import annotations

import pytest

WHOLE = {
    "roles": [{"name": "Cloner", "privs": ["VM.Clone", "VM.Audit", "VM.Allocate"]}],
    "groups": [{"groupid": "ops", "comment": "Operators"}],
    "users": [{"userid": "ansible@pve", "groups": ["ops"], "comment": "automation", "password": "hunter22-ferrox"}],
    "tokens": [{"userid": "ansible@pve", "tokenid": "mms", "privsep": False, "comment": "clones"}],
    "acls": [
        {"path": "/vms", "groups": ["ops"], "roles": ["Cloner"]},
        {"path": "/storage/ceph", "groups": ["ops"], "roles": ["PVEDatastoreUser"], "propagate": False},
    ],
}
GONE = {
    "roles": [{"name": "Cloner", "state": "absent"}],
    "groups": [{"groupid": "ops", "state": "absent"}],
    "users": [{"userid": "ansible@pve", "state": "absent"}],
    "acls": [{"path": "/vms", "groups": ["ops"], "state": "absent"},
             {"path": "/storage/ceph", "groups": ["ops"], "state": "absent"}],
}
# In the order in which the task writes.
MADE = [("role", "Cloner"), ("group", "ops"), ("user", "ansible@pve"), ("token", "ansible@pve!mms"),
        ("ACL path", "/storage/ceph"), ("ACL path", "/vms")]


@pytest.fixture
def access(ferrox, connection):
    """Runs the module: access(**WHOLE, check=True) -> result."""

    def run(check=False, diff=False, **options):
        return ferrox("pveum_access", {**connection, **options}, check=check, diff=diff)

    return run


@pytest.fixture
def asked(asked):
    """The same, reads and writes apart: asked() -> (reads, writes)."""

    def requests():
        seen = asked()
        return sorted(line for line in seen if line.startswith("GET ")), \
            [line for line in seen if not line.startswith("GET ")]

    return requests


def test_it_wants_something_to_do(access, cluster):
    result = access()
    assert result["failed"]
    assert result["msg"] == "one of the following is required: roles, groups, users, tokens, acls"
    result = access(users=[{"comment": "nobody"}])
    assert result["failed"] and result["msg"] == "missing required arguments: userid found in users"
    assert cluster.requests() == []


def test_check_mode_shows_all_of_it_and_writes_nothing(access, cluster, asked):
    before = cluster.state()
    result = access(**WHOLE, check=True, diff=True)
    assert result["changed"] and result["secrets"] == {}
    assert [(row["thing"], row["id"]) for row in result["changes"]] == MADE
    assert result["diff"]["before"]["users"] == {"ansible@pve": None}
    assert result["diff"]["after"]["acls"] == {
        "/storage/ceph": ["group ops: PVEDatastoreUser (this path only)"], "/vms": ["group ops: Cloner"],
    }
    reads, writes = asked()
    assert writes == []
    assert reads == ["GET /access/acl", "GET /access/groups", "GET /access/permissions?path=/access",
                     "GET /access/roles", "GET /access/users?full=1"]
    assert cluster.state() == before


def test_all_of_it_is_made_once_and_goes_once(access, cluster, asked, ferrox, connection):
    result = access(**WHOLE)
    assert result["changed"] and not result.get("failed")
    assert asked()[1] == [
        "POST /access/roles", "POST /access/groups", "POST /access/users", "POST /access/users/ansible@pve/token/mms",
        "PUT /access/acl", "PUT /access/acl",
    ]
    # The secret is the right one: the token may do what its group may.
    token = {**connection, "api_user": "ansible@pve", "api_token_id": "mms",
             "api_token_secret": result["secrets"]["ansible@pve!mms"]}
    told = ferrox("proxmox_connectivity", {**token, "privileges": {"/vms": ["VM.Clone"]}})
    assert not told.get("failed"), told["msg"]
    asked()

    result = access(**WHOLE)
    assert not result["changed"] and result["secrets"] == {} and result["changes"] == []
    assert asked() == (["GET /access/acl", "GET /access/groups", "GET /access/roles", "GET /access/users?full=1"], [])

    result = access(**GONE, check=True)
    assert result["changed"] and asked()[1] == []
    result = access(**GONE)
    assert result["changed"] and not result.get("failed")
    assert asked()[1] == ["PUT /access/acl", "PUT /access/acl", "DELETE /access/users/ansible@pve",
                          "DELETE /access/groups/ops", "DELETE /access/roles/Cloner"]
    state = cluster.state()
    assert "ansible@pve" not in state["users"] and "ops" not in state["groups"] and "Cloner" not in state["roles"]
    assert not [row for row in state["acl"] if row["path"] in ("/vms", "/storage/ceph")]
    assert not access(**GONE)["changed"]


def test_one_difference_is_one_write_and_the_diff_shows_it(access, asked):
    access(**WHOLE)
    asked()
    options = {**WHOLE, "groups": [{"groupid": "ops", "comment": "On call"}]}
    result = access(**options, check=True, diff=True)
    assert result["diff"]["before"]["groups"] == {"ops": {"groupid": "ops", "comment": "Operators"}}
    assert result["diff"]["after"]["groups"] == {"ops": {"groupid": "ops", "comment": "On call"}}
    result = access(**options)
    assert result["changes"] == [{"thing": "group", "id": "ops", "actions": ["changed"]}]
    assert asked()[1] == ["PUT /access/groups/ops"]


def test_two_hundred_entries_are_twenty_writes_and_then_one_read(access, cluster, asked):
    users = [f"user{number}@pve" for number in range(10)]
    access(users=[{"userid": user} for user in users])
    asked()
    acls = [{"path": f"/vms/{vmid}", "users": [user], "roles": ["PVEVMUser"]}
            for vmid in range(100, 120) for user in users]
    assert len(acls) == 200
    result = access(acls=acls)
    assert result["changed"] and not result.get("failed")
    reads, writes = asked()
    assert len(writes) == 20 and len(reads) <= 3
    assert len([row for row in cluster.state()["acl"] if row["roleid"] == "PVEVMUser"]) == 200
    result = access(acls=acls)
    assert not result["changed"]
    assert asked() == (["GET /access/acl"], [])


def test_a_write_that_fails_ends_what_would_follow_and_a_second_run_goes_on(access, cluster):
    cluster.fault(method="POST", path="/access/users", status=500, message="create user failed: out of luck\n")
    result = access(**WHOLE)
    assert result["failed"] and result["changed"]
    assert "1 of 6 " in result["msg"] and "3 not begun" in result["msg"]
    assert "unable to create user `ansible@pve`" in result["msg"] and "out of luck" in result["msg"]
    assert [row["thing"] for row in result["changes"]] == ["role", "group"]
    state = cluster.state()
    assert "ops" in state["groups"] and "ansible@pve" not in state["users"]

    result = access(**WHOLE)
    assert result["changed"] and not result.get("failed")
    assert [(row["thing"], row["id"]) for row in result["changes"]] == MADE[2:]


# A write that makes something is looked for as long as the server may still be at it, so one that never came stands for all.
@pytest.mark.parametrize("method, path, drop", [
    ("POST", "/access/roles", "after-effect"),
    ("POST", "/access/groups", "after-effect"),
    ("POST", "/access/users", "after-effect"),
    ("POST", "/access/users/ansible@pve/token/mms", "after-effect"),
    ("PUT", "/access/acl", "after-effect"),
    ("PUT", "/access/acl", "before"),
    ("POST", "/access/users", "before"),
])
def test_a_lost_answer_is_no_failure(access, cluster, method, path, drop):
    cluster.fault(method=method, path=path, drop=drop)
    result = access(**WHOLE)
    assert result["changed"] and not result.get("failed"), result["msg"]
    assert not access(**WHOLE)["changed"]


def test_a_secret_is_told_though_a_later_write_fails(access, cluster, ferrox, connection):
    cluster.fault(method="PUT", path="/access/acl", status=500, message="ACL update failed: out of luck\n")
    result = access(**WHOLE)
    assert result["failed"] and "out of luck" in result["msg"]
    token = {**connection, "api_user": "ansible@pve!mms", "api_token_id": "mms",
             "api_token_secret": result["secrets"]["ansible@pve!mms"]}
    assert not ferrox("proxmox_connectivity", token).get("failed")


def test_a_role_that_will_not_be_there_is_named_before_anything_is_written(access, cluster):
    result = access(**{**WHOLE, "roles": [{"name": "Other"}]})
    assert result["failed"]
    assert result["msg"] == "the role `Cloner` that acls names is not there, and roles does not make it"
    assert cluster.stats()["writes"] == 0


def test_what_another_task_may_make_is_a_warning_in_check_mode(access, cluster):
    options = {"tokens": [{"userid": "new@pve!mms"}], "users": [],
               "acls": [{"path": "/vms", "users": "new@pve", "roles": "Later"}]}
    missing = [
        "the user `new@pve` of the token `new@pve!mms` is not there, and users does not make it",
        "the role `Later` that acls names is not there, and roles does not make it",
        "the user `new@pve` that acls names is not there, and users does not make it",
    ]
    result = access(**options, check=True)
    assert result["changed"] and result["warnings"] == missing
    result = access(**options)
    assert result["failed"] and result["msg"] == missing[0]
    assert cluster.stats()["writes"] == 0


def test_what_moves_is_given_before_it_is_taken_away(access, cluster):
    move = [{"path": "/", "users": "audit@pve", "state": "absent"},
            {"path": "/vms", "users": "audit@pve", "roles": "PVEAuditor"}]
    cluster.fault(method="PUT", path="/access/acl", status=500, message="ACL update failed: out of luck\n")
    assert access(acls=move)["failed"]
    entries = [row["path"] for row in cluster.state()["acl"] if row["ugid"] == "audit@pve"]
    assert entries == ["/"]
    result = access(acls=move)
    assert [(row["id"], row["actions"]) for row in result["changes"]] == [
        ("/vms", ["roles given"]), ("/", ["roles taken away"]),
    ]


def test_no_secret_is_told_where_it_need_not_be(access):
    result = access(**WHOLE, diff=True)
    text = str({key: value for key, value in result.items() if key != "secrets"})
    assert result["secrets"]["ansible@pve!mms"] not in text
    assert "hunter22-ferrox" not in str(result)


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.pveum_access": {**connection, **WHOLE}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
