# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_role: a role from nothing to nothing, and where it differs from community.proxmox."""

from __future__ import annotations

import pytest

NAME = "Helpdesk"
PRIVILEGES = ["VM.Console", "VM.Audit"]
READ = "GET /access/roles"


@pytest.fixture
def role(ferrox, connection):
    """Runs the module for one role: role(privs=…, check=True) -> result."""

    def run(roleid=NAME, check=False, diff=False, **options):
        return ferrox("proxmox_role", {**connection, "roleid": roleid, **options}, check=check, diff=diff)

    return run


def privileges(cluster, roleid=NAME):
    """What the server has; None where there is no such role."""
    privs = cluster.state()["roles"].get(roleid)
    return privs if privs is None else set(privs)


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_role_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_role", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: roleid"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_role_and_writes_nothing(role, cluster, asked):
    result = role(privs=PRIVILEGES, check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Role {NAME} would be created"
    assert (result["roleid"], result["privs"]) == (NAME, sorted(PRIVILEGES))
    assert result["diff"] == {"before": {}, "after": {"name": NAME, "privs": sorted(PRIVILEGES)}}
    assert asked() == [READ]
    assert privileges(cluster) is None


def test_it_is_created_once(role, cluster, asked):
    result = role(privs=PRIVILEGES)
    assert result["changed"] and result["msg"] == f"Role {NAME} successfully created"
    assert (result["roleid"], result["privs"]) == (NAME, sorted(PRIVILEGES))
    assert privileges(cluster) == set(PRIVILEGES)
    assert asked() == [READ, "POST /access/roles"]

    result = role(privs=PRIVILEGES[::-1])
    assert not result["changed"] and result["msg"] == f"Role {NAME} already exists with desired configuration"
    assert result["privs"] == sorted(PRIVILEGES)
    assert asked() == [READ]


def test_other_privileges_replace_those_it_has(role, cluster, asked):
    role(privs=PRIVILEGES)
    result = role(privs=["VM.Backup"], check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Role {NAME} would be updated"
    assert result["diff"]["before"] == {"name": NAME, "privs": sorted(PRIVILEGES)}
    assert result["diff"]["after"] == {"name": NAME, "privs": ["VM.Backup"]}
    assert privileges(cluster) == set(PRIVILEGES)

    asked()
    result = role(privs=["VM.Backup"])
    assert result["changed"] and result["msg"] == f"Role {NAME} successfully updated"
    assert result["privs"] == ["VM.Backup"]
    assert privileges(cluster) == {"VM.Backup"}
    assert asked() == [READ, f"PUT /access/roles/{NAME}"]


def test_without_privs_a_role_keeps_its_own(role):
    role(privs=PRIVILEGES)
    result = role()
    assert not result["changed"] and result["privs"] == sorted(PRIVILEGES)


def test_it_is_removed_once(role, cluster, asked):
    role(privs=PRIVILEGES)
    result = role(state="absent", check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Role {NAME} would be deleted"
    assert result["diff"]["after"] == {} and "privs" not in result
    assert privileges(cluster) == set(PRIVILEGES)

    asked()
    result = role(state="absent")
    assert result["changed"] and result["msg"] == f"Role {NAME} successfully deleted"
    assert "privs" not in result and privileges(cluster) is None
    assert asked() == [READ, f"DELETE /access/roles/{NAME}"]

    result = role(state="absent")
    assert not result["changed"] and result["msg"] == f"Role {NAME} does not exist"
    assert asked() == [READ]


# -------------------------------------------------------------------------- what community.proxmox does otherwise


def test_an_empty_list_empties_the_role(role, cluster):
    role(privs=PRIVILEGES)
    result = role(privs=[])
    assert result["changed"] and result["privs"] == []
    assert privileges(cluster) == set()
    assert not role(privs=[])["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_an_unknown_privilege_is_refused_before_anything_is_written(role, cluster, asked, check):
    result = role(privs=["VM.Audit", "vm.console"], check=check)
    assert result["failed"]
    assert result["msg"] == "this server knows no privilege `vm.console`; did you mean VM.Console?"
    assert asked() == [READ]
    assert privileges(cluster) is None


def test_a_privilege_that_is_stated_twice_is_no_difference(role):
    role(privs=["VM.Audit"])
    assert not role(privs=["VM.Audit", "VM.Audit"])["changed"]


# ------------------------------------------------------------------------------------------------ what it does not do


def test_a_built_in_role_may_be_asked_for_as_it_is(role):
    result = role("PVEPoolUser", privs=["Pool.Audit"])
    assert not result["changed"] and not result.get("failed")
    assert result["msg"] == "Role PVEPoolUser already exists with desired configuration"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "roleid, options, verb",
    [
        ("PVEPoolUser", {"privs": ["VM.Audit"]}, "changed"),
        ("PVEPoolUser", {"state": "absent"}, "removed"),
        ("PVEMine", {"privs": ["VM.Audit"]}, "changed"),
    ],
)
def test_a_built_in_role_cannot_be_another(role, cluster, roleid, options, verb, check):
    before = cluster.state()["roles"]
    result = role(roleid, check=check, **options)
    assert result["failed"]
    assert result["msg"].startswith(f"the role `{roleid}` is built into Proxmox VE and cannot be {verb}")
    assert cluster.state()["roles"] == before


def test_without_sys_modify_privilege_and_path_are_named(ferrox, connection):
    result = ferrox("proxmox_role", {**connection, "api_user": "audit@pve", "roleid": NAME, "privs": PRIVILEGES})
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith(
        f"unable to create role `{NAME}`: POST /access/roles answered 403: "
        "Permission check failed (/access, Sys.Modify). The caller lacks Sys.Modify on /access"
    )
    assert result["roleid"] == NAME and "privs" not in result


def test_a_write_whose_answer_was_lost_is_not_done_twice(role, cluster):
    cluster.fault(method="POST", path="/access/roles", drop="after-effect")
    result = role(privs=PRIVILEGES)
    assert result["changed"] and result["msg"] == f"Role {NAME} successfully created"
    assert privileges(cluster) == set(PRIVILEGES)


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_role": {**connection, "name": NAME, "privileges": PRIVILEGES}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
