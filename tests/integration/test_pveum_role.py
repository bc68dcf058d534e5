# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_role: a role from nothing to nothing, and what it says on the way."""

from __future__ import annotations

import pytest
from cluster import FakeCluster

NAME = "MMS-Provisioner"
PRIVILEGES = [
    "VM.Allocate", "VM.Clone", "VM.Config.Cloudinit", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory",
    "VM.Config.Network", "VM.Config.Options", "VM.Audit", "VM.PowerMgmt", "Datastore.AllocateSpace",
    "Datastore.Audit", "VM.Snapshot", "VM.Snapshot.Rollback", "SDN.Use",
]
READ = "GET /access/roles"


@pytest.fixture
def role(ferrox, connection):
    """Runs the module for the role of the seed case: role(privs=…, check=True) -> result."""

    def run(name=NAME, check=False, diff=False, **options):
        return ferrox("pveum_role", {**connection, "name": name, **options}, check=check, diff=diff)

    return run


def privileges(cluster, name=NAME):
    """What the server has; None where there is no such role."""
    privs = cluster.state()["roles"].get(name)
    return privs if privs is None else set(privs)


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_name_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("pveum_role", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: name"
    assert cluster.requests() == []


def test_append_without_privs_says_what_is_missing(role, cluster):
    result = role(append=True)
    assert result["failed"] and result["msg"] == "append is True but all of the following are missing: privs"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_role_and_writes_nothing(role, cluster, asked):
    result = role(privs=PRIVILEGES, check=True, diff=True)
    assert result["changed"]
    assert result["diff"] == {"before": {}, "after": {"name": NAME, "privs": sorted(PRIVILEGES)}}
    assert asked() == [READ]
    assert privileges(cluster) is None


def test_it_is_created_once(role, cluster, asked):
    result = role(privs=PRIVILEGES)
    assert result["changed"] and not result.get("failed")
    assert (result["name"], result["privs"]) == (NAME, sorted(PRIVILEGES))
    assert privileges(cluster) == set(PRIVILEGES)
    assert asked() == [READ, "POST /access/roles"]

    result = role(privs=PRIVILEGES)
    assert not result["changed"]
    assert result["privs"] == sorted(PRIVILEGES)
    assert asked() == [READ]


def test_the_order_of_privileges_is_no_difference(role):
    role(privs=PRIVILEGES)
    assert not role(privs=PRIVILEGES[::-1])["changed"]


def test_other_privileges_replace_those_it_has(role, cluster, asked):
    role(privs=PRIVILEGES)
    asked()
    result = role(privs=["VM.Audit", "VM.Backup"])
    assert result["changed"] and result["privs"] == ["VM.Audit", "VM.Backup"]
    assert privileges(cluster) == {"VM.Audit", "VM.Backup"}
    assert asked() == [READ, f"PUT /access/roles/{NAME}"]


def test_append_adds_to_those_it_has(role, cluster):
    role(privs=["VM.Audit"])
    result = role(privs=["VM.Backup"], append=True)
    assert result["changed"] and result["privs"] == ["VM.Audit", "VM.Backup"]
    assert privileges(cluster) == {"VM.Audit", "VM.Backup"}
    assert not role(privs=["VM.Backup"], append=True)["changed"]


def test_without_privs_a_role_keeps_its_own(role, cluster, asked):
    role(privs=["VM.Audit"])
    asked()
    result = role()
    assert not result["changed"] and result["privs"] == ["VM.Audit"]
    assert asked() == [READ]


def test_an_empty_list_empties_it(role, cluster):
    role(privs=PRIVILEGES)
    result = role(privs=[])
    assert result["changed"] and result["privs"] == []
    assert privileges(cluster) == set()
    assert not role(privs=[])["changed"]


def test_a_role_may_be_made_without_privileges(role, cluster):
    assert role()["changed"]
    assert privileges(cluster) == set()
    assert not role()["changed"]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(role, cluster, asked):
    role(privs=["VM.Audit", "VM.Clone"])
    asked()
    result = role(privs=["VM.Audit", "VM.Backup"], check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"] == {"name": NAME, "privs": ["VM.Audit", "VM.Clone"]}
    assert result["diff"]["after"] == {"name": NAME, "privs": ["VM.Audit", "VM.Backup"]}
    assert asked() == [READ]
    assert privileges(cluster) == {"VM.Audit", "VM.Clone"}


def test_it_is_removed_once(role, cluster, asked):
    role(privs=PRIVILEGES)
    asked()
    result = role(state="absent", check=True, diff=True)
    assert result["changed"] and result["diff"]["after"] == {}
    assert asked() == [READ]

    result = role(state="absent")
    assert result["changed"] and result["privs"] is None
    assert privileges(cluster) is None
    assert asked() == [READ, f"DELETE /access/roles/{NAME}"]

    assert not role(state="absent")["changed"]
    assert asked() == [READ]


# ----------------------------------------------------------------------------------------------------- how it is said


@pytest.mark.parametrize("text", ["VM.Audit,VM.Clone", "VM.Audit VM.Clone", "VM.Audit, VM.Clone", "VM.Clone;VM.Audit"])
def test_privileges_may_be_a_text_as_pveum_takes_it(role, cluster, text):
    result = role(privs=text)
    assert result["changed"] and result["privs"] == ["VM.Audit", "VM.Clone"]
    assert privileges(cluster) == {"VM.Audit", "VM.Clone"}


def test_roleid_is_another_word_for_name(ferrox, cluster, connection):
    assert ferrox("pveum_role", {**connection, "roleid": "Ops", "privs": ["VM.Audit"]})["changed"]
    assert privileges(cluster, "Ops") == {"VM.Audit"}


def test_names_may_hold_what_a_url_reserves(role, cluster):
    name = "ops.web_1-a"
    assert role(name, privs=["VM.Audit"])["changed"]
    assert role(name, privs=["VM.Clone"])["changed"]
    assert privileges(cluster, name) == {"VM.Clone"}
    assert role(name, state="absent")["changed"]


def test_a_password_serves_as_well_as_a_token(ferrox, cluster, connection):
    by_password = {
        "api_host": connection["api_host"],
        "ca_path": connection["ca_path"],
        "api_user": "root@pam",
        "api_password": "secret",
        "name": NAME,
        "privs": PRIVILEGES,
    }
    assert ferrox("pveum_role", by_password)["changed"]
    stats = cluster.stats()
    assert (stats["logins"], stats["requests"], stats["connections"]) == (1, 2, 1)
    assert not ferrox("pveum_role", by_password)["changed"]
    assert privileges(cluster) == set(PRIVILEGES)


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.pveum_role": {**connection, "name": NAME, "privs": PRIVILEGES}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]


# ------------------------------------------------------------------------------------------------ what it does not do

SUCCESSORS = (
    "Sys.Audit, VM.GuestAgent.Audit, VM.GuestAgent.FileRead, VM.GuestAgent.FileWrite, VM.GuestAgent.FileSystemMgmt, "
    "VM.GuestAgent.Unrestricted"
)


@pytest.mark.parametrize("check", [False, True])
def test_on_9_the_successors_of_vm_monitor_are_named(role, cluster, asked, check):
    result = role(privs=[*PRIVILEGES, "VM.Monitor"], check=check)
    assert result["failed"]
    assert result["msg"] == (
        f"this server knows no privilege `VM.Monitor`; what it allowed is now split: use {SUCCESSORS}"
    )
    assert asked() == [READ]
    assert privileges(cluster) is None


def test_a_privilege_in_other_letters_is_guessed(role):
    assert role(privs=["vm.audit"])["msg"] == "this server knows no privilege `vm.audit`; did you mean VM.Audit?"


def test_every_unknown_privilege_is_named(role):
    result = role(privs=["VM.Audit", "VM.Nope", "SDN.Nope"])
    assert result["msg"] == (
        "this server knows no privilege `SDN.Nope`; this server knows no privilege `VM.Nope`"
    )


def test_on_8_vm_monitor_is_valid_and_stands_for_its_successors(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {
            "api_host": f"{eight.host}:{eight.port}",
            "ca_path": eight.ca_path,
            "api_user": eight.api_user,
            "api_token_id": eight.api_token_id,
            "api_token_secret": eight.api_token_secret,
            "name": NAME,
        }
        result = ferrox("pveum_role", {**options, "privs": ["VM.GuestAgent.Audit"]})
        assert result["failed"]
        assert result["msg"] == (
            "this server knows no privilege `VM.GuestAgent.Audit`; on this version it is VM.Monitor"
        )
        assert ferrox("pveum_role", {**options, "privs": [*PRIVILEGES, "VM.Monitor"]})["changed"]
        assert privileges(eight) == {*PRIVILEGES, "VM.Monitor"}
        assert eight.schema_violations() == []


@pytest.mark.parametrize("name", ["Administrator", "NoAccess", "PVEVMAdmin", "pvemine"])
@pytest.mark.parametrize("state, verb", [("present", "changed"), ("absent", "removed")])
def test_built_in_and_reserved_names_are_refused(role, cluster, name, state, verb):
    before = cluster.state()["roles"]
    result = role(name, state=state)
    assert result["failed"]
    assert result["msg"] == (
        f"the role `{name}` is built into Proxmox VE and cannot be {verb}; make a role of another name "
        "(names that begin with PVE are reserved)"
    )
    assert cluster.state()["roles"] == before
    assert cluster.stats()["writes"] == 0


def test_without_sys_modify_privilege_and_path_are_named(ferrox, cluster, connection):
    result = ferrox("pveum_role", {**connection, "api_user": "audit@pve", "name": NAME, "privs": PRIVILEGES})
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"unable to create role `{NAME}`: POST /access/roles answered 403: "
        "Permission check failed (/access, Sys.Modify). The caller lacks Sys.Modify on /access; "
        "a token with privilege separation needs it itself, beside its user"
    )
    failure = result["failure"]
    assert (failure["status"], failure["privilege"], failure["acl_path"]) == (403, "Sys.Modify", "/access")
    assert privileges(cluster) is None


def test_a_write_whose_answer_was_lost_is_not_done_twice(role, cluster):
    cluster.fault(method="POST", path="/access/roles", drop="after-effect")
    result = role(privs=PRIVILEGES)
    assert result["changed"] and not result.get("failed")
    assert privileges(cluster) == set(PRIVILEGES)
    assert not role(privs=PRIVILEGES)["changed"]

    cluster.fault(method="DELETE", path=f"/access/roles/{NAME}", drop="after-effect")
    result = role(state="absent")
    assert result["changed"] and not result.get("failed")
    assert privileges(cluster) is None


def test_another_client_that_was_faster_is_named(role, cluster):
    cluster.fault(method="POST", path="/access/roles", status=500,
                  message=f"create role failed: role '{NAME}' already exists\n")
    result = role(privs=PRIVILEGES)
    assert result["failed"]
    assert "already exists" in result["msg"]
    assert "privs" not in result
