# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_group: a group from nothing to nothing, and where it differs from community.proxmox."""

from __future__ import annotations

import pytest

NAME = "operators"
COMMENT = "Operators of the cluster"
READ = "GET /access/groups"


@pytest.fixture
def group(ferrox, connection):
    """Runs the module for one group: group(comment=…, check=True) -> result."""

    def run(groupid=NAME, check=False, diff=False, **options):
        return ferrox("proxmox_group", {**connection, "groupid": groupid, **options}, check=check, diff=diff)

    return run


@pytest.fixture
def asked(cluster):
    """What was sent since it was last called: asked() -> ["GET /access/groups", …]."""

    def requests():
        seen = [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()]
        cluster.control("DELETE", "/requests")
        return seen

    return requests


def comment_of(cluster, groupid=NAME):
    """What the server has; None where there is no such group."""
    group = cluster.state()["groups"].get(groupid)
    return group if group is None else group.get("comment") or ""


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_group_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_group", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: groupid"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_group_and_writes_nothing(group, cluster, asked):
    result = group(comment=COMMENT, check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Group {NAME} successfully created"
    assert result["diff"] == {"before": {}, "after": {"groupid": NAME, "comment": COMMENT}}
    assert asked() == [READ]
    assert comment_of(cluster) is None


def test_it_is_created_once(group, cluster, asked):
    result = group(comment=COMMENT)
    assert result["changed"] and result["groupid"] == NAME
    assert result["msg"] == f"Group {NAME} successfully created"
    assert comment_of(cluster) == COMMENT
    assert asked() == [READ, "POST /access/groups"]

    result = group(comment=COMMENT)
    assert not result["changed"] and result["msg"] == f"Group {NAME} already exists"
    assert asked() == [READ]


def test_it_may_be_made_without_a_comment(group, cluster):
    assert group()["changed"]
    assert comment_of(cluster) == ""
    assert not group()["changed"]


def test_it_is_removed_once(group, cluster, asked):
    group(comment=COMMENT)
    result = group(state="absent", check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Group {NAME} successfully deleted"
    assert result["diff"] == {"before": {"groupid": NAME, "comment": COMMENT}, "after": {}}
    assert comment_of(cluster) == COMMENT

    asked()
    result = group(state="absent")
    assert result["changed"] and result["msg"] == f"Group {NAME} successfully deleted"
    assert comment_of(cluster) is None
    assert asked() == [READ, f"DELETE /access/groups/{NAME}"]

    result = group(state="absent")
    assert not result["changed"] and result["msg"] == f"Group {NAME} doesn't exist"
    assert asked() == [READ]


# -------------------------------------------------------------------------- what community.proxmox does otherwise


def test_the_comment_of_a_group_that_exists_is_managed(group, cluster, asked):
    group(comment=COMMENT)
    result = group(comment="On call", check=True, diff=True)
    assert result["changed"]
    assert (result["diff"]["before"]["comment"], result["diff"]["after"]["comment"]) == (COMMENT, "On call")
    assert comment_of(cluster) == COMMENT

    asked()
    result = group(comment="On call")
    assert result["changed"] and result["msg"] == f"Group {NAME} successfully updated"
    assert comment_of(cluster) == "On call"
    assert asked() == [READ, f"PUT /access/groups/{NAME}"]
    assert not group(comment="On call")["changed"]


def test_a_comment_that_is_not_stated_is_left_alone(group, cluster):
    group(comment=COMMENT)
    assert not group()["changed"]
    assert comment_of(cluster) == COMMENT


def test_an_empty_comment_takes_it_away(group, cluster):
    group(comment=COMMENT)
    assert group(comment="")["changed"]
    assert comment_of(cluster) == ""
    assert not group(comment="")["changed"]


def test_members_stay_when_the_comment_changes(group, cluster):
    cluster.patch(groups={NAME: {"users": ["prov@pve"], "comment": COMMENT}})
    assert group(comment="On call")["changed"]
    assert cluster.state()["groups"][NAME]["users"] == ["prov@pve"]


# ------------------------------------------------------------------------------------------------ what it does not do


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_a_group_is_not_sent(group, asked, check):
    result = group("o p s", check=check)
    assert result["failed"]
    assert result["msg"] == "`o p s` cannot be a group's id: letters, digits, `.`, `_` and `-` make one"
    assert asked() == [READ]


def test_without_group_allocate_privilege_and_path_are_named(ferrox, connection):
    result = ferrox("proxmox_group", {**connection, "api_user": "audit@pve", "groupid": NAME})
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith(
        f"unable to create group `{NAME}`: POST /access/groups answered 403: "
        "Permission check failed (/access/groups, Group.Allocate)."
    )
    assert result["failure"]["privilege"] == "Group.Allocate"


def test_a_write_whose_answer_was_lost_is_not_done_twice(group, cluster):
    cluster.fault(method="POST", path="/access/groups", drop="after-effect")
    assert group(comment=COMMENT)["msg"] == f"Group {NAME} successfully created"
    cluster.fault(method="DELETE", path=f"/access/groups/{NAME}", drop="after-effect")
    assert group(state="absent")["msg"] == f"Group {NAME} successfully deleted"
    assert comment_of(cluster) is None


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_group": {**connection, "name": NAME, "comment": COMMENT}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
