# SPDX-License-Identifier: AGPL-3.0-or-later
"""The access list: its paths, who sees and changes it, and what follows from it."""

import pytest

from cluster import FakeCluster

from .conftest import Client

PROV = "prov@pve!mms"


def entries(ask, **wanted):
    return [e for e in ask("GET", "/access/acl").data if wanted.items() <= e.items()]


@pytest.mark.parametrize("path", [
    "/", "/access", "/access/groups/ops", "/access/realm/pve", "/nodes/pve1", "/pool/a/b/c", "/sdn", "/sdn/zones/z",
    "/sdn/zones/localnetwork/vmbr0", "/sdn/zones/localnetwork/vmbr0/42", "/sdn/controllers/a-b", "/sdn/fabrics/f",
    "/storage/ceph", "/vms/100", "/mapping/pci/gpu"])
def test_the_paths_of_the_fixed_list_are_taken(ask, path):
    assert ask("PUT", "/access/acl", path=path, roles="PVEAuditor", users="prov@pve").status == 200
    assert entries(ask, path=path, roleid="PVEAuditor", ugid="prov@pve")


@pytest.mark.parametrize("path", [
    "/bogus", "/vms/99", "/vms/100/disk", "/nodes/pve1/qemu", "/pool/a/b/c/d", "/sdn/zones/z/vmbr0/0", "/access/users",
    "/sdn/fabrics/f-1", "/storage/a/b", "/vms/a b", "/mapping/a/b/c"])
def test_other_paths_are_refused_but_may_be_cleared(ask, path):
    entry = {"path": path, "roles": "PVEAuditor", "users": "prov@pve"}
    answer = ask("PUT", "/access/acl", "ansible@pam!mms", **entry)
    assert (answer.status, answer.errors) == (400, {"path": f"invalid ACL path '{path}'"})
    assert ask("PUT", "/access/acl", delete=1, **entry).status == (400 if " " in path else 200)


def test_paths_are_normalised_and_the_same_entry_is_overwritten(ask):
    ask("PUT", "/access/acl", path="vms//100/", roles="PVEVMUser", users="prov@pve")
    ask("PUT", "/access/acl", path="/vms/100", roles="PVEVMUser", users="prov@pve", propagate=0)
    assert entries(ask, path="/vms/100") == [
        {"path": "/vms/100", "type": "user", "ugid": "prov@pve", "roleid": "PVEVMUser", "propagate": 0}]
    ask("PUT", "/access/acl", path="/vms/100", roles="PVEVMUser", users="prov@pve")
    assert entries(ask, path="/vms/100")[0]["propagate"] == 1


def test_one_put_is_a_cross_product_and_delete_ignores_propagate(ask):
    ask("POST", "/access/groups", groupid="ops")
    whom = {"users": "prov@pve audit@pve", "groups": "ops", "tokens": PROV, "roles": "PVEVMUser,PVEAuditor"}
    ask("PUT", "/access/acl", path="/vms", **whom)
    assert len(entries(ask, path="/vms")) == 8
    assert ask("PUT", "/access/acl", path="/vms", delete=1, propagate=0, **whom).status == 200
    assert entries(ask, path="/vms") == []
    assert ask("PUT", "/access/acl", path="/vms", delete=1, **whom).status == 200


def test_an_entry_for_root_is_taken_and_not_kept(ask):
    assert ask("PUT", "/access/acl", path="/vms", roles="PVEVMUser", users="root@pam,prov@pve").status == 200
    assert [e["ugid"] for e in entries(ask, path="/vms")] == ["prov@pve"]


@pytest.mark.parametrize(("fields", "text"), [
    ({"users": "nope@pve"}, "user 'nope@pve' does not exist"), ({"groups": "nope"}, "group 'nope' does not exist"),
    ({"tokens": "prov@pve!nope"}, "no such token 'nope' for user 'prov@pve'"),
    ({"tokens": "nope@pve!mms"}, "no such user ('nope@pve')"),
    ({"users": "prov@pve", "roles": "Nope"}, "role 'Nope' does not exist")])
def test_unknown_names_answer_500(ask, fields, text):
    answer = ask("PUT", "/access/acl", **{"path": "/vms", "roles": "PVEVMUser", **fields})
    assert (answer.status, answer.body["message"]) == (500, f"ACL update failed: {text}\n")


def test_roles_and_somebody_to_hold_them_are_required(ask):
    assert ask("PUT", "/access/acl", path="/", users="prov@pve").errors == {
        "roles": "property is missing and it is not optional"}
    text = "either 'users', 'groups' or 'tokens' is required."
    assert ask("PUT", "/access/acl", path="/", roles="PVEAdmin").errors == {
        "users": text, "groups": text, "tokens": text}


def test_the_list_shows_what_the_caller_may_change_or_all_to_an_auditor_of_access(ask):
    ask("PUT", "/access/acl", path="/vms/100", roles="PVEVMUser", users="audit@pve")
    ask("PUT", "/access/acl", path="/storage/ceph", roles="PVEAuditor", users="audit@pve")
    # VM.Allocate lets its holder change the entries of guests, and of nothing else.
    assert {e["path"] for e in ask("GET", "/access/acl", PROV).data} == {"/vms/100"}
    assert ask("GET", "/access/acl", "ansible@pam!separate").data == []
    assert len(ask("GET", "/access/acl", "audit@pve!mms").data) == len(ask("GET", "/access/acl").data)


def test_changing_an_entry_needs_the_right_to(ask):
    change = {"roles": "PVETemplateUser", "users": "audit@pve"}

    def refused(path):
        answer = ask("PUT", "/access/acl", PROV, path=path, **change)
        return answer.status, answer.body["message"]
    assert refused("/vms") == (403, "Permission check failed (/vms, Permissions.Modify)\n")
    assert refused("/storage/ceph") == (
        403, "Permission check failed (/storage/ceph, Permissions.Modify|Datastore.Allocate)\n")
    assert refused("pool/web/") == (403, "Permission check failed (/pool/web, Permissions.Modify|Pool.Allocate)\n")


def test_a_holder_without_permissions_modify_moves_only_what_he_holds(ask):
    def asked(**fields):
        answer = ask("PUT", "/access/acl", PROV, path="/vms/100", users="audit@pve", **fields)
        return answer.body.get("message", "").rpartition("role: ")[2].strip()
    ask("PUT", "/access/acl", path="/vms/100", roles="PVEVMAdmin", users="audit@pve")
    assert asked(roles="PVEVMAdmin", delete=1) == (
        "Cannot remove role 'PVEVMAdmin' - requires 'Permissions.Modify' or superset of privileges.")
    assert asked(roles="NoAccess") == "Cannot add role 'NoAccess' - requires 'Permissions.Modify'"
    assert asked(roles="PVETemplateUser") == ""
    for whom in ({"users": "prov@pve"}, {"tokens": PROV}):
        ask("PUT", "/access/acl", path="/vms/100", roles="Provisioner", propagate=0, **whom)
    assert asked(roles="PVETemplateUser") == (
        "Cannot add role 'PVETemplateUser' with propagation - requires 'Permissions.Modify' or propagated superset of "
        "privileges.")
    assert asked(roles="PVETemplateUser", propagate=0) == ""


def test_effective_permissions_are_told_to_oneself_and_to_auditors(ask):
    own = ask("GET", "/access/permissions", PROV)
    assert own.data["/"]["VM.Clone"] == 1 and "/vms" in own.data and "/mapping" not in own.data
    assert ask("GET", "/access/permissions", PROV, path="/vms/100/").data.keys() == {"/vms/100/"}
    for who in ("audit@pve", "prov@pve"):
        # A token is not its user.
        answer = ask("GET", "/access/permissions", PROV, userid=who)
        assert (answer.status, answer.reason) == (403, "Permission check failed (/access, Sys.Audit)")
    assert "VM.Audit" in ask("GET", "/access/permissions", "audit@pve!mms", userid=PROV).data["/"]
    assert ask("GET", "/access/permissions", userid="nobody@pve", path="/").data == {"/": {}}
    ask("PUT", "/access/acl", path="/sdn/zones/localnetwork/vmbr0", roles="PVESDNUser", users="audit@pve")
    seen = ask("GET", "/access/permissions", userid="audit@pve").data
    assert {"/sdn/zones", "/sdn/zones/localnetwork", "/sdn/zones/localnetwork/vmbr0"} <= seen.keys()


def test_what_comes_from_a_pool_does_not_propagate_and_no_access_of_a_pool_wins(ask):
    ask("POST", "/access/users", userid="u@pve")
    ask("PUT", "/access/acl", path="/pool/web", roles="PVEVMUser", users="u@pve")
    ask("PUT", "/access/acl", path="/vms/101", roles="PVETemplateUser", users="u@pve")
    held = ask("GET", "/access/permissions", userid="u@pve", path="/vms/101").data["/vms/101"]
    assert (held["VM.Clone"], held["VM.PowerMgmt"], held["VM.Audit"]) == (1, 0, 1)
    ask("PUT", "/access/acl", path="/pool/web", roles="NoAccess", users="u@pve")
    assert ask("GET", "/access/permissions", userid="u@pve", path="/vms/101").data == {"/vms/101": {}}


def test_version_8_has_no_paths_for_fabrics():
    with FakeCluster(seed="empty", time_scale=0, major=8) as old:
        answer = Client(old)("PUT", "/access/acl", path="/sdn/fabrics", roles="PVEAuditor", users="prov@pve")
        assert answer.errors == {"path": "invalid ACL path '/sdn/fabrics'"}
