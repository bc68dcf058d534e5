# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_pool: a pool from nothing to nothing, and where it differs from community.proxmox."""

from __future__ import annotations

import pytest
from cluster import FakeCluster
from commented import Commented
from conftest import connection_to

NAME = "shop"


class TestPool(Commented):
    MODULE, KEY, ID = "proxmox_pool", "poolid", NAME
    COMMENTS = ("The web shop", "Books")
    READ, CREATE = f"GET /pools?poolid={NAME}", "POST /pools"
    CHANGE, REMOVE = "PUT /pools", f"DELETE /pools?poolid={NAME}"

    @staticmethod
    def comment(state, identifier):
        pool = state["pools"].get(identifier)
        return pool if pool is None else pool.get("comment") or ""

    def test_a_pool_may_be_in_a_pool(self, run, there):
        assert run("lab/first", comment="First")["changed"]
        assert there("lab/first") == "First"
        assert not run("lab/first", comment="First")["changed"]
        assert run("lab/first", comment="1")["changed"]
        result = run("lab/first", state="absent")
        assert result["changed"] and result["msg"] == "Pool lab/first successfully deleted"
        assert there("lab/first") is None and there("lab") == ""

    def test_on_8_it_is_the_same(self, ferrox):
        with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
            options = {**connection_to(eight), "poolid": "lab/first"}
            changed = [ferrox("proxmox_pool", {**options, "comment": comment})["changed"] for comment in "aab"]
            assert changed == [True, False, True]
            assert ferrox("proxmox_pool", {**options, "state": "absent"})["changed"]
            assert eight.schema_violations() == []

    def test_members_stay_when_the_comment_goes(self, run, there, cluster):
        assert run("web", comment="")["changed"]
        assert there("web") == ""
        assert cluster.state()["pools"]["web"]["guests"] == [101, 102]

    @pytest.mark.parametrize("check", [True, False])
    def test_a_pool_with_members_is_kept(self, run, there, asked, check):
        result = run("web", state="absent", check=check)
        assert result["failed"]
        assert result["msg"] == "Can't delete pool web with members. Please remove members from pool first."
        assert asked() == ["GET /pools?poolid=web"]
        assert there("web") is not None

    def test_a_pool_with_storages_alone_is_kept(self, run, cluster):
        cluster.patch(pools={"lab": {"storages": ["nfs"]}})
        result = run("lab", state="absent")
        assert result["msg"] == "Can't delete pool lab with members. Please remove members from pool first."

    def test_a_pool_with_pools_in_it_is_kept_and_the_server_says_why(self, run):
        run("lab/first")
        result = run("lab", state="absent")
        assert result["failed"] and not result["changed"]
        assert result["msg"].startswith("unable to remove pool `lab`: DELETE /pools answered 500: delete pool failed: ")
        assert "lab/first" in result["msg"]

    @pytest.mark.parametrize("check", [True, False])
    @pytest.mark.parametrize("poolid", ["o p s", "web/", "a/b/c/d"])
    def test_what_cannot_be_a_pool_is_not_sent(self, run, cluster, poolid, check):
        result = run(poolid, check=check)
        assert result["failed"]
        assert result["msg"].startswith(f"`{poolid}` cannot be a pool's id: ")
        assert cluster.requests() == []

    def test_without_the_right_privilege_and_path_are_named(self, run):
        result = run(api_user="audit@pve")
        assert result["failed"] and not result["changed"]
        assert f"Permission check failed (/pool/{NAME}, Pool.Allocate)" in result["msg"]
        assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("Pool.Allocate", f"/pool/{NAME}")
