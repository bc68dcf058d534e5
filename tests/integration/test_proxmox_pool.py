# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_pool: a pool from nothing to nothing, and where it differs from community.proxmox."""

from __future__ import annotations

import pytest
from cluster import FakeCluster

NAME = "shop"
COMMENT = "The web shop"
READ = f"GET /pools?poolid={NAME}"


@pytest.fixture
def pool(ferrox, connection):
    """Runs the module for one pool: pool(comment=…, check=True) -> result."""

    def run(poolid=NAME, check=False, diff=False, **options):
        return ferrox("proxmox_pool", {**connection, "poolid": poolid, **options}, check=check, diff=diff)

    return run


@pytest.fixture
def asked(cluster):
    """What was sent since it was last called: asked() -> ["GET /pools?poolid=shop", …]."""

    def requests():
        seen = [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()]
        cluster.control("DELETE", "/requests")
        return seen

    return requests


def comment_of(cluster, poolid=NAME):
    """What the server has; None where there is no such pool."""
    pool = cluster.state()["pools"].get(poolid)
    return pool if pool is None else pool.get("comment") or ""


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_pool_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_pool", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: poolid"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_pool_and_writes_nothing(pool, cluster, asked):
    result = pool(comment=COMMENT, check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Pool {NAME} successfully created"
    assert result["diff"] == {"before": {}, "after": {"poolid": NAME, "comment": COMMENT}}
    assert asked() == [READ]
    assert comment_of(cluster) is None


def test_it_is_created_once(pool, cluster, asked):
    result = pool(comment=COMMENT)
    assert result["changed"] and result["poolid"] == NAME
    assert result["msg"] == f"Pool {NAME} successfully created"
    assert comment_of(cluster) == COMMENT
    assert asked() == [READ, "POST /pools"]

    result = pool(comment=COMMENT)
    assert not result["changed"] and result["msg"] == f"Pool {NAME} already exists"
    assert asked() == [READ]


def test_it_may_be_made_without_a_comment(pool, cluster):
    assert pool()["changed"]
    assert comment_of(cluster) == ""
    assert not pool()["changed"]


def test_it_is_removed_once(pool, cluster, asked):
    pool(comment=COMMENT)
    result = pool(state="absent", check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Pool {NAME} successfully deleted"
    assert result["diff"] == {"before": {"poolid": NAME, "comment": COMMENT}, "after": {}}
    assert comment_of(cluster) == COMMENT

    asked()
    result = pool(state="absent")
    assert result["changed"] and result["msg"] == f"Pool {NAME} successfully deleted"
    assert comment_of(cluster) is None
    assert asked() == [READ, f"DELETE /pools?poolid={NAME}"]

    result = pool(state="absent")
    assert not result["changed"] and result["msg"] == f"Pool {NAME} doesn't exist"
    assert asked() == [READ]


def test_a_pool_may_be_in_a_pool(pool, cluster):
    assert pool("lab/first", comment="First")["changed"]
    assert comment_of(cluster, "lab/first") == "First"
    assert not pool("lab/first", comment="First")["changed"]
    assert pool("lab/first", comment="1")["changed"]
    result = pool("lab/first", state="absent")
    assert result["changed"] and result["msg"] == "Pool lab/first successfully deleted"
    assert comment_of(cluster, "lab/first") is None and comment_of(cluster, "lab") == ""


def test_on_8_it_is_the_same(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {
            "api_host": f"{eight.host}:{eight.port}",
            "ca_path": eight.ca_path,
            "api_user": eight.api_user,
            "api_token_id": eight.api_token_id,
            "api_token_secret": eight.api_token_secret,
            "poolid": "lab/first",
        }
        changed = [ferrox("proxmox_pool", {**options, "comment": comment})["changed"] for comment in ("a", "a", "b")]
        assert changed == [True, False, True]
        assert ferrox("proxmox_pool", {**options, "state": "absent"})["changed"]
        assert eight.schema_violations() == []


# -------------------------------------------------------------------------- what community.proxmox does otherwise


def test_the_comment_of_a_pool_that_exists_is_managed(pool, cluster, asked):
    pool(comment=COMMENT)
    result = pool(comment="Books", check=True, diff=True)
    assert result["changed"]
    assert (result["diff"]["before"]["comment"], result["diff"]["after"]["comment"]) == (COMMENT, "Books")
    assert comment_of(cluster) == COMMENT

    asked()
    result = pool(comment="Books")
    assert result["changed"] and result["msg"] == f"Pool {NAME} successfully updated"
    assert comment_of(cluster) == "Books"
    assert asked() == [READ, "PUT /pools"]
    assert not pool(comment="Books")["changed"]


def test_a_comment_that_is_not_stated_is_left_alone(pool, cluster):
    pool(comment=COMMENT)
    assert not pool()["changed"]
    assert comment_of(cluster) == COMMENT


def test_an_empty_comment_takes_it_away_and_members_stay(pool, cluster):
    assert pool("web", comment="")["changed"]
    assert comment_of(cluster, "web") == ""
    assert cluster.state()["pools"]["web"]["guests"] == [101, 102]
    assert not pool("web", comment="")["changed"]


# ------------------------------------------------------------------------------------------------ what it does not do


@pytest.mark.parametrize("check", [True, False])
def test_a_pool_with_members_is_kept(pool, cluster, asked, check):
    result = pool("web", state="absent", check=check)
    assert result["failed"]
    assert result["msg"] == "Can't delete pool web with members. Please remove members from pool first."
    assert asked() == ["GET /pools?poolid=web"]
    assert comment_of(cluster, "web") is not None


def test_a_pool_with_storages_alone_is_kept(pool, cluster):
    cluster.patch(pools={"lab": {"storages": ["nfs"]}})
    result = pool("lab", state="absent")
    assert result["msg"] == "Can't delete pool lab with members. Please remove members from pool first."


def test_a_pool_with_pools_in_it_is_kept_and_the_server_says_why(pool):
    pool("lab/first")
    result = pool("lab", state="absent")
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to remove pool `lab`: DELETE /pools answered 500: delete pool failed: ")
    assert "lab/first" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("poolid", ["o p s", "web/", "a/b/c/d"])
def test_what_cannot_be_a_pool_is_not_sent(pool, cluster, poolid, check):
    result = pool(poolid, check=check)
    assert result["failed"]
    assert result["msg"].startswith(f"`{poolid}` cannot be a pool's id: ")
    assert cluster.requests() == []


def test_without_the_right_privilege_and_path_are_named(pool):
    result = pool(api_user="audit@pve")
    assert result["failed"] and not result["changed"]
    assert f"Permission check failed (/pool/{NAME}, Pool.Allocate)" in result["msg"]
    assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("Pool.Allocate", f"/pool/{NAME}")


def test_a_write_whose_answer_was_lost_is_not_done_twice(pool, cluster):
    cluster.fault(method="POST", path="/pools", drop="after-effect")
    assert pool(comment=COMMENT)["msg"] == f"Pool {NAME} successfully created"
    cluster.fault(method="DELETE", path="/pools", drop="after-effect")
    assert pool(state="absent")["msg"] == f"Pool {NAME} successfully deleted"
    assert comment_of(cluster) is None


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_pool": {**connection, "name": NAME, "comment": COMMENT}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
