# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_pool_member: members come and go, and where it differs from community.proxmox.

In the demo the pool web has VMs 101 (web-old-1) and 102 (web-old-2); lab is empty.
"""

from __future__ import annotations

import pytest

POOL = "GET /pools?poolid=lab"
RESOURCES = "GET /cluster/resources"
STORAGES = "GET /storage"
WRITE = "PUT /pools"


@pytest.fixture
def member(ferrox, connection):
    """Runs the module for the pool lab: member({"vm": 103}, {"storage": "nfs"}, check=True) -> result."""

    def run(*members, poolid="lab", check=False, diff=False, **options):
        args = {**connection, "poolid": poolid, "members": list(members), **options}
        return ferrox("proxmox_pool_member", args, check=check, diff=diff)

    return run


def members(cluster, poolid="lab"):
    """What the server has, in the form of the module's result."""
    pool = cluster.state()["pools"][poolid]
    return [{"vm": str(vmid)} for vmid in sorted(pool.get("guests", ()))] + \
        [{"storage": storage} for storage in sorted(pool.get("storages", ()))]


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_pool_and_members_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_pool_member", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: members, poolid"
    assert cluster.requests() == []


def test_check_mode_tells_of_new_members_and_writes_nothing(member, cluster, asked):
    result = member({"vm": 103}, {"storage": "nfs"}, check=True, diff=True)
    assert result["changed"] and result["msg"] == "Pool lab membership updated"
    assert result["members"] == [{"vm": "103"}, {"storage": "nfs"}]
    assert result["diff"] == {
        "before": {"poolid": "lab", "members": []},
        "after": {"poolid": "lab", "members": [{"vm": "103"}, {"storage": "nfs"}]},
    }
    assert asked() == [POOL, RESOURCES]
    assert members(cluster) == []


def test_members_are_added_once(member, cluster, asked):
    given = [{"vm": 103}, {"vm": "gateway"}, {"vm": "dns"}, {"storage": "nfs"}, {"storage": "ceph"}]
    there = [{"vm": "100"}, {"vm": "103"}, {"vm": "200"}, {"storage": "ceph"}, {"storage": "nfs"}]
    result = member(*given)
    assert result["changed"] and result["msg"] == "Pool lab membership updated"
    assert result["poolid"] == "lab" and result["members"] == there
    assert members(cluster) == there
    assert asked() == [POOL, RESOURCES, WRITE]

    result = member(*given)
    assert not result["changed"] and result["msg"] == "Pool lab membership already up-to-date"
    assert result["members"] == there
    assert asked() == [POOL, RESOURCES]


def test_further_members_leave_the_others_alone(member, cluster):
    member({"vm": 103})
    result = member({"vm": 104})
    assert result["changed"] and result["members"] == [{"vm": "103"}, {"vm": "104"}]
    assert members(cluster) == [{"vm": "103"}, {"vm": "104"}]


def test_members_are_removed_once(member, cluster, asked):
    member({"vm": 100}, {"vm": 103}, {"storage": "nfs"})
    going = [{"vm": 103}, {"storage": "nfs"}]
    result = member(*going, state="absent", check=True, diff=True)
    assert result["changed"] and result["diff"]["after"]["members"] == [{"vm": "100"}]
    assert members(cluster) == [{"vm": "100"}, {"vm": "103"}, {"storage": "nfs"}]

    asked()
    result = member(*going, state="absent")
    assert result["changed"] and result["msg"] == "Pool lab membership updated"
    assert result["members"] == [{"vm": "100"}]
    assert members(cluster) == [{"vm": "100"}]
    assert asked() == [POOL, WRITE]

    result = member(*going, state="absent")
    assert not result["changed"] and result["msg"] == "Pool lab membership already up-to-date"
    assert asked() == [POOL]


def test_a_member_goes_by_its_name(member, cluster):
    member({"vm": "db"})
    assert member({"vm": "db"}, state="absent")["changed"]
    assert members(cluster) == []


def test_pools_in_pools_have_members_too(ferrox, connection, member, cluster):
    ferrox("proxmox_pool", {**connection, "poolid": "lab/first"})
    assert member({"vm": 103}, poolid="lab/first")["changed"]
    assert not member({"vm": 103}, poolid="lab/first")["changed"]
    assert members(cluster, "lab/first") == [{"vm": "103"}] and members(cluster) == []


# -------------------------------------------------------------------------- what community.proxmox does otherwise


@pytest.mark.parametrize("vm", [101, "101", " 101", "web-old-1"])
def test_a_member_that_is_one_is_no_difference(member, asked, vm):
    result = member({"vm": vm}, poolid="web")
    assert not result["changed"] and not result.get("failed")
    assert result["members"] == [{"vm": "101"}, {"vm": "102"}]
    assert not any(request.startswith("PUT") for request in asked())


def test_exclusive_adds_and_removes_in_one_run(member, cluster, asked):
    member({"vm": 103}, {"vm": 104}, {"storage": "nfs"})
    wanted = [{"vm": 100}, {"vm": 104}, {"storage": "ceph"}]
    there = [{"vm": "100"}, {"vm": "104"}, {"storage": "ceph"}]
    result = member(*wanted, exclusive=True, check=True, diff=True)
    assert result["changed"] and result["members"] == there
    assert members(cluster) == [{"vm": "103"}, {"vm": "104"}, {"storage": "nfs"}]

    asked()
    result = member(*wanted, exclusive=True)
    assert result["changed"] and result["members"] == there
    assert members(cluster) == there
    assert asked() == [POOL, RESOURCES, WRITE, WRITE]

    result = member(*wanted, exclusive=True)
    assert not result["changed"] and result["msg"] == "Pool lab membership already up-to-date"
    assert asked() == [POOL]


def test_exclusive_with_no_members_empties_the_pool_whatever_the_state(member, cluster, asked):
    member({"vm": 103}, {"storage": "nfs"})
    asked()
    assert member(exclusive=True, state="absent")["members"] == []
    assert members(cluster) == []
    assert asked() == [POOL, WRITE]
    assert not member(exclusive=True)["changed"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "wanted, msg",
    [
        ({"vm": 999}, "VM with vmid 999 does not exist in cluster"),
        ({"vm": "nobody"}, "No VM with name nobody found (a guest without VM.Audit is invisible to ansible@pam!mms)"),
        ({"vm": "alma-10"}, "Multiple VMs with name alma-10 found, provide vmid instead: 9002 on pve1, 9003 on pve2"),
        ({"storage": "nowhere"}, "Storage(s) not found in the cluster: nowhere "
         "(a storage without Datastore.Audit is invisible to ansible@pam!mms)"),
        ({}, "members[1] names neither a vm nor a storage"),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_written(member, cluster, wanted, msg, check):
    result = member({"vm": 103}, wanted, check=check)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == msg
    assert members(cluster) == [] and cluster.stats()["writes"] == 0


def test_an_entry_may_name_a_vm_and_a_storage(member):
    assert member({"vm": 103, "storage": "nfs"})["members"] == [{"vm": "103"}, {"storage": "nfs"}]


@pytest.mark.parametrize("check", [True, False])
def test_a_guest_leaves_another_pool_only_where_that_is_allowed(member, cluster, check):
    result = member({"vm": 101}, check=check)
    assert result["failed"]
    assert result["msg"] == (
        "unable to add VM 101 to pool `lab`: it is in pool `web`; with allow_move: true it is taken from there"
    )
    assert members(cluster, "web") == [{"vm": "101"}, {"vm": "102"}]

    result = member({"vm": 101}, allow_move=True, check=check, diff=True)
    assert result["changed"] and result["members"] == [{"vm": "101"}]
    assert result["diff"]["before"]["pools"] == {"101": "web"}
    assert result["diff"]["after"]["pools"] == {"101": "lab"}
    assert members(cluster) == ([] if check else [{"vm": "101"}])
    assert members(cluster, "web") == ([{"vm": "101"}] if check else []) + [{"vm": "102"}]


# ------------------------------------------------------------------------------------------------ what it asks for


def test_names_are_looked_up_by_one_request_for_all(member, asked):
    member({"vm": "gateway"}, {"vm": "db"}, {"vm": "stubborn"}, {"vm": "mail"})
    assert asked() == [POOL, RESOURCES, WRITE]


def test_a_storage_alone_needs_no_look_at_the_guests(member, asked):
    member({"storage": "nfs"})
    assert asked() == [POOL, STORAGES, WRITE]
    member({"storage": "nfs"})
    assert asked() == [POOL]


def test_a_guest_that_is_too_young_for_the_list_of_all_is_found_by_name_on_its_node(member, cluster, asked):
    cluster.patch(stale={"103": {"name": None}})
    assert member({"vm": "db"})["members"] == [{"vm": "103"}]
    assert "GET /nodes/pve2/qemu?full=1" in asked()


# ------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_pool_that_is_not_there_fails(member, state):
    result = member({"vm": 103}, poolid="nowhere", state=state)
    assert result["failed"] and result["msg"] == "unable to read pool `nowhere`: there is no such pool"


def test_what_cannot_be_a_pool_is_not_sent(member, cluster):
    result = member({"vm": 103}, poolid="o p s")
    assert result["failed"] and result["msg"].startswith("`o p s` cannot be a pool's id: ")
    assert cluster.requests() == []


def test_without_pool_allocate_privilege_and_path_are_named(member):
    result = member({"vm": 103}, api_user="audit@pve")
    assert result["failed"] and not result["changed"] and "members" not in result
    assert result["msg"].startswith(
        "unable to add members to pool `lab`: PUT /pools answered 403: Permission check failed (/pool/lab, Pool.Allocate)"
    )


def test_a_guest_that_the_caller_may_not_see_is_said_by_the_server_to_be_out_of_reach(member, cluster):
    cluster.patch(acl=[{"path": "/pool/lab", "ugid": "tfa@pve", "roleid": "PVEPoolAdmin"}],
                  users={"tfa@pve": {"tokens": {"mms": {"secret": "5f8c1f1e-3f0a-4c55-9d5e-0c9c8a4d7b21", "privsep": 0}}}})
    result = member({"vm": 103}, api_user="tfa@pve")
    assert result["failed"]
    assert "does not exist" not in result["msg"] and "/vms/103" in result["msg"]


def test_a_write_whose_answer_was_lost_is_not_done_twice(member, cluster):
    cluster.fault(method="PUT", path="/pools", drop="after-effect")
    assert member({"vm": 103}, {"storage": "nfs"})["changed"]
    assert members(cluster) == [{"vm": "103"}, {"storage": "nfs"}]
    cluster.fault(method="PUT", path="/pools", drop="after-effect")
    assert member({"vm": 103}, state="absent")["changed"]
    assert members(cluster) == [{"storage": "nfs"}]


def test_when_the_second_write_fails_the_members_are_not_told(member, cluster):
    member({"vm": 103})
    cluster.fault(method="PUT", path="/pools", after=1, status=500, message="update pools failed: out of luck\n")
    result = member({"vm": 104}, exclusive=True)
    assert result["failed"] and result["changed"] and "members" not in result
    assert result["msg"].startswith("unable to remove members from pool `lab`: ")
    assert members(cluster) == [{"vm": "103"}, {"vm": "104"}]


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_pool_member": {**connection, "name": "lab", "members": [{"vm": "db"}]}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
