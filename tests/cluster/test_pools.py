# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pools: their members, their nesting, and what they give rights to."""

import pytest

PROV = "prov@pve!mms"


def pool(ask, name, **more):
    (found,) = ask("GET", "/pools", poolid=name, **more).data
    return found


def member_ids(ask, name, **more):
    return {member["id"] for member in pool(ask, name, **more)["members"]}


def test_a_pool_is_made_listed_changed_and_removed(ask, fake):
    assert ask("POST", "/pools", poolid="db", comment="Databases").status == 200
    assert {"poolid": "db", "comment": "Databases"} in ask("GET", "/pools").data
    assert pool(ask, "db") == {"poolid": "db", "comment": "Databases", "members": []}
    ask("PUT", "/pools", poolid="db", comment="")
    assert pool(ask, "db") == {"poolid": "db", "members": []}
    ask("PUT", "/pools", poolid="db", vms="103,200", storage="ceph")
    assert fake.state()["pools"]["db"] == {"comment": None, "guests": [103, 200], "storages": ["ceph"]}
    ask("PUT", "/pools", poolid="db", vms="103 200", storage="ceph", delete=1)
    assert ask("DELETE", "/pools", poolid="db").status == 200
    assert "db" not in fake.state()["pools"]


def test_members_are_told_with_their_statistics(ask):
    ask("PUT", "/pools", poolid="web", vms=200, storage="nfs")
    assert member_ids(ask, "web") == {"qemu/101", "qemu/102", "lxc/200", "storage/pve1/nfs"}
    assert member_ids(ask, "web", type="lxc") == {"lxc/200"}
    members = {m["id"]: m for m in pool(ask, "web")["members"]}
    assert members["qemu/101"].items() >= {
        "vmid": 101, "node": "pve1", "type": "qemu", "name": "web-old-1", "status": "running", "template": 0}.items()
    assert members["storage/pve1/nfs"].items() >= {
        "storage": "nfs", "type": "storage", "plugintype": "nfs", "shared": 1, "status": "available"}.items()
    assert ask("GET", "/pools", type="lxc").errors == {"poolid": "missing property required by 'type'"}


@pytest.mark.parametrize(("method", "fields", "text"), [
    ("POST", {"poolid": "web"}, "create pool failed: pool 'web' already exists"),
    ("POST", {"poolid": "a/b"}, "create pool failed: parent 'a' of pool 'a/b' does not exist"),
    ("POST", {"poolid": "1st"}, "create pool failed: pool name must start with a letter"),
    ("GET", {"poolid": "nope"}, "pool 'nope' does not exist"),
    ("PUT", {"poolid": "nope", "comment": "x"}, "update pools failed: pool 'nope' does not exist"),
    ("DELETE", {"poolid": "nope"}, "delete pool failed: pool 'nope' does not exist"),
    ("DELETE", {"poolid": "web"}, "delete pool failed: pool 'web' is not empty (contains VM 101)"),
    ("PUT", {"poolid": "web", "vms": 101}, "update pools failed: VM 101 is already a pool member"),
    ("PUT", {"poolid": "web", "vms": 100, "delete": 1}, "update pools failed: VM 100 is not a pool member"),
    ("PUT", {"poolid": "lab", "vms": 101},
     "update pools failed: VM 101 belongs already to pool 'web' and 'allow-move' is not set"),
    ("PUT", {"poolid": "lab", "storage": "ceph", "delete": 1},
     "update pools failed: Storage 'ceph' is not a pool member"),
])
def test_refusals_are_500_with_the_text(ask, method, fields, text):
    answer = ask(method, "/pools", **fields)
    assert (answer.status, answer.body["message"]) == (500, text + "\n")


def test_a_pool_with_a_storage_is_not_empty_and_a_storage_may_be_in_several(ask):
    ask("PUT", "/pools", poolid="lab", storage="ceph")
    assert ask("PUT", "/pools", poolid="lab", storage="ceph").reason == (
        "update pools failed: Storage 'ceph' is already a pool member")
    assert ask("PUT", "/pools", poolid="web", storage="ceph").status == 200
    assert ask("DELETE", "/pools", poolid="lab").reason == (
        "delete pool failed: pool 'lab' is not empty (contains storage 'ceph')")


def test_a_refused_member_leaves_all_as_it_was(ask, fake):
    before = fake.state()["pools"]
    assert ask("PUT", "/pools", poolid="web", comment="x", vms="100,101").status == 500
    assert fake.state()["pools"] == before


def test_a_guest_moves_only_when_that_is_allowed(ask):
    assert ask("PUT", "/pools", poolid="lab", vms=101, **{"allow-move": 1}).status == 200
    assert (member_ids(ask, "lab"), member_ids(ask, "web")) == ({"qemu/101"}, {"qemu/102"})
    ask("GET", "/cluster/resources")
    assert {g["vmid"]: g.get("pool") for g in ask("GET", "/cluster/resources", type="vm").data}[101] == "lab"


def test_guests_and_storages_that_are_not_there_are_taken_and_never_shown(ask):
    assert ask("PUT", "/pools", poolid="lab", vms=999, storage="nope").status == 200
    assert pool(ask, "lab")["members"] == []
    assert ask("PUT", "/pools", poolid="lab", vms=999).reason == "update pools failed: VM 999 is already a pool member"
    assert ask("DELETE", "/pools", poolid="lab").status == 200


def test_nested_pools_stand_below_their_parent_and_not_in_a_url(ask):
    assert ask("POST", "/pools", poolid="web/front").status == 200
    ask("PUT", "/pools", poolid="web", vms="101,102", delete=1)
    assert ask("DELETE", "/pools", poolid="web").reason == (
        "delete pool failed: pool 'web' is not empty (contains pool 'web/front')")
    assert pool(ask, "web/front")["members"] == []
    for method in ("GET", "PUT", "DELETE"):
        assert ask(method, "/pools/web%2Ffront").status == 501
        assert ask(method, "/pools/web/front").reason == f"Method '{method} /pools/web/front' not implemented"
    assert ask("POST", "/pools", poolid="web/front/a/b").errors == {
        "poolid": "invalid format - pool name 'web/front/a/b' nested too deeply (max levels = 3)\n"}
    assert ask("DELETE", "/pools", poolid="web/front").status == 200


def test_the_old_paths_answer_for_pools_that_are_not_nested(ask):
    assert ask("GET", "/pools/web").data.keys() == {"poolid", "comment", "members"}
    assert ask("PUT", "/pools/web", comment="x").status == 200
    assert pool(ask, "web")["comment"] == "x"
    assert ask("DELETE", "/pools/lab").status == 200
    answer = ask("GET", "/pools/web", PROV)
    assert (answer.status, answer.reason) == (403, "Permission check failed (/pool/web, Pool.Audit)")


def test_rights_over_pools(ask):
    assert ask("GET", "/pools", PROV).data == []
    assert ask("GET", "/pools", PROV, poolid="web").data[0]["poolid"] == "web"
    assert "pool" not in {g["vmid"]: g for g in ask("GET", "/cluster/resources", PROV).data if "vmid" in g}[101]
    answer = ask("PUT", "/pools", PROV, poolid="lab", vms=100)
    assert (answer.status, answer.reason) == (403, "Permission check failed (/pool/lab, Pool.Allocate)")
    for whom in ({"users": "prov@pve"}, {"tokens": PROV}):
        ask("PUT", "/access/acl", path="/pool/lab", roles="PVEPoolAdmin", **whom)
        ask("PUT", "/access/acl", path="/vms/100", roles="PVEVMUser", **whom)
    assert ask("PUT", "/pools", PROV, poolid="lab", vms=103).status == 200
    for fields, why in (({"vms": 100}, "/vms/100, Permissions.Modify|VM.Allocate"),
                        ({"vms": 101, "allow-move": 1}, "/pool/web, Pool.Allocate"),
                        ({"storage": "ceph"}, "/storage/ceph, Permissions.Modify|Datastore.Allocate")):
        answer = ask("PUT", "/pools", PROV, poolid="lab", **fields)
        assert (answer.status, answer.reason) == (500, f"update pools failed: 403 Permission check failed ({why})")


def test_rights_on_a_pool_reach_its_guests_and_storages_and_go_with_it(ask):
    ask("POST", "/access/users", userid="u@pve")
    ask("PUT", "/pools", poolid="web", storage="nfs")
    ask("PUT", "/access/acl", path="/pool/web", roles="PVEVMUser,PVEDatastoreUser", users="u@pve")
    held = ask("GET", "/access/permissions", userid="u@pve").data
    assert held["/vms/101"]["VM.PowerMgmt"] == 0 and held["/storage/nfs"]["Datastore.AllocateSpace"] == 0
    ask("PUT", "/pools", poolid="web", vms="101,102", storage="nfs", delete=1)
    ask("DELETE", "/pools", poolid="web")
    ask("POST", "/pools", poolid="web")
    assert ask("GET", "/access/permissions", userid="u@pve").data == {}


def test_patches_make_fill_and_remove_pools(ask, fake):
    fake.patch(pools={"new": {"comment": "n", "guests": [103], "storages": ["nfs"]}, "lab": None})
    fake.patch(pools={"new": {"guests": [104]}})
    assert fake.state()["pools"]["new"] == {"comment": "n", "guests": [103, 104], "storages": ["nfs"]}
    assert "lab" not in fake.state()["pools"]
    fake.patch(guests=[{"vmid": 103, "pool": None}])
    assert member_ids(ask, "new") == {"qemu/104", "storage/pve1/nfs"}
