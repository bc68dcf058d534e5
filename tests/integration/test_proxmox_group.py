# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_group: a group from nothing to nothing, and where it differs from community.proxmox."""

from __future__ import annotations

import pytest
from commented import Commented

NAME = "operators"


class TestGroup(Commented):
    MODULE, KEY, ID = "proxmox_group", "groupid", NAME
    COMMENTS = ("Operators of the cluster", "On call")
    READ, CREATE = "GET /access/groups", "POST /access/groups"
    CHANGE, REMOVE = f"PUT /access/groups/{NAME}", f"DELETE /access/groups/{NAME}"

    @staticmethod
    def comment(state, identifier):
        group = state["groups"].get(identifier)
        return group if group is None else group.get("comment") or ""

    def test_members_stay_when_the_comment_changes(self, run, cluster):
        cluster.patch(groups={NAME: {"users": ["prov@pve"], "comment": "Operators"}})
        assert run(comment="On call")["changed"]
        assert cluster.state()["groups"][NAME]["users"] == ["prov@pve"]

    @pytest.mark.parametrize("check", [True, False])
    def test_what_cannot_be_a_group_is_not_sent(self, run, asked, check):
        result = run("o p s", check=check)
        assert result["failed"]
        assert result["msg"] == "`o p s` cannot be a group's id: letters, digits, `.`, `_` and `-` make one"
        assert asked() == [self.READ]

    def test_without_group_allocate_privilege_and_path_are_named(self, run):
        result = run(api_user="audit@pve")
        assert result["failed"] and not result["changed"]
        assert result["msg"].startswith(
            f"unable to create group `{NAME}`: POST /access/groups answered 403: "
            "Permission check failed (/access/groups, Group.Allocate)."
        )
        assert result["failure"]["privilege"] == "Group.Allocate"
