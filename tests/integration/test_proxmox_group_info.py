# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_group_info: what groups there are, and why one may not be shown."""

from __future__ import annotations

import pytest

OPERATORS = {"groupid": "operators", "comment": "Operators of the cluster", "users": ["ansible@pam", "audit@pve"]}
NOBODY = {"groupid": "nobody", "users": []}


@pytest.fixture
def groups(ferrox, cluster, connection):
    """Runs the module: groups(group=…) -> result. Two groups are there."""
    cluster.patch(groups={"operators": {"comment": OPERATORS["comment"], "users": OPERATORS["users"][::-1]},
                          "nobody": {}})

    def run(check=False, **options):
        return ferrox("proxmox_group_info", {**connection, **options}, check=check)

    return run


def requests(cluster):
    return [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()]


@pytest.mark.parametrize("check", [False, True])
def test_all_groups_are_listed_by_one_request(groups, cluster, check):
    result = groups(check=check)
    assert not result["changed"]
    assert result["proxmox_groups"] == [NOBODY, OPERATORS]
    assert requests(cluster) == ["GET /access/groups"]


def test_a_text_that_is_empty_asks_for_all(groups):
    assert groups(group="")["proxmox_groups"] == [NOBODY, OPERATORS]


@pytest.mark.parametrize("option", ["group", "groupid", "name"])
def test_one_group_looks_as_it_does_in_the_list(groups, cluster, option):
    assert groups(**{option: "operators"})["proxmox_groups"] == [OPERATORS]
    assert groups(**{option: "nobody"})["proxmox_groups"] == [NOBODY]
    assert requests(cluster) == ["GET /access/groups/operators", "GET /access/groups/nobody"]


def test_a_group_that_is_not_there_fails(groups):
    result = groups(group="other")
    assert result["failed"] and result["msg"] == "Group 'other' does not exist"


def test_a_group_that_may_not_be_seen_is_not_said_to_be_absent(groups):
    result = groups(group="operators", api_user="prov@pve")
    assert result["failed"]
    assert result["msg"].startswith("unable to read group `operators`: GET /access/groups/operators answered 403")
    assert result["failure"]["acl_path"] == "/access/groups"


def test_a_login_that_fails_is_not_said_to_be_an_absent_group(groups):
    result = groups(group="operators", api_token_secret="00000000-0000-4000-8000-000000000000")
    assert result["failed"] and result["failure"]["status"] == 401
    assert "does not exist" not in result["msg"]
