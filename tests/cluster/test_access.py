# SPDX-License-Identifier: AGPL-3.0-or-later
"""Roles, users, tokens and access lists answer as the measured servers do."""

import pytest

from cluster import FakeCluster

from .conftest import Client

MMS = "VM.Audit,VM.Clone"


def message(answer):
    return answer.status, answer.body.get("message")


def test_roles_are_kept_listed_sorted_and_marked_special(ask):
    assert ask("POST", "/access/roles", roleid="MMS", privs="VM.Clone VM.Audit;VM.PowerMgmt").status == 200
    listed = {r["roleid"]: r for r in ask("GET", "/access/roles").data}
    assert listed["MMS"] == {"roleid": "MMS", "privs": "VM.Audit,VM.Clone,VM.PowerMgmt", "special": 0}
    assert listed["PVETemplateUser"] == {"roleid": "PVETemplateUser", "privs": MMS, "special": 1}
    assert ask("GET", "/access/roles/MMS").data == {"VM.Audit": 1, "VM.Clone": 1, "VM.PowerMgmt": 1}


def test_put_replaces_the_privileges_and_append_adds(ask):
    ask("POST", "/access/roles", roleid="MMS", privs="VM.Clone")
    ask("PUT", "/access/roles/MMS", privs="VM.Audit")
    assert ask("GET", "/access/roles/MMS").data == {"VM.Audit": 1}
    ask("PUT", "/access/roles/MMS", privs="VM.Clone", append=1)
    assert set(ask("GET", "/access/roles/MMS").data) == {"VM.Audit", "VM.Clone"}
    assert ask("PUT", "/access/roles/MMS", append=1).errors == {"privs": "missing property required by 'append'"}


@pytest.mark.parametrize(("method", "path", "fields", "text"), [
    ("POST", "/access/roles", {"roleid": "Provisioner"}, "create role failed: role 'Provisioner' already exists\n"),
    ("POST", "/access/roles", {"roleid": "NoAccess"}, "create role failed: role 'NoAccess' already exists\n"),
    ("PUT", "/access/roles/Nope", {"privs": MMS}, "update role failed: role 'Nope' does not exist\n"),
    ("PUT", "/access/roles/PVEAdmin", {"privs": MMS}, "auto-generated role 'PVEAdmin' cannot be modified\n"),
    ("DELETE", "/access/roles/PVEAdmin", {}, "auto-generated role 'PVEAdmin' cannot be deleted\n"),
    ("DELETE", "/access/roles/Nope", {}, "delete role failed: role 'Nope' does not exist\n"),
    ("GET", "/access/roles/Nope", {}, "role 'Nope' does not exist\n"),
    ("GET", "/access/users/nope@pve", {}, "no such user ('nope@pve')\n"),
    ("GET", "/access/users/prov@pve/token/t9", {}, "no such token 't9' for user 'prov@pve'\n"),
    ("POST", "/access/users", {"userid": "prov@pve"}, "create user failed: user 'prov@pve' already exists\n"),
    ("POST", "/access/users", {"userid": "prov"}, "value 'prov' does not look like a valid user name\n"),
    ("POST", "/access/users", {"userid": "a@pve", "groups": "g"}, "create user failed: no such group 'g'\n"),
    ("POST", "/pools", {"poolid": "web"}, "create pool failed: pool 'web' already exists\n"),
    ("DELETE", "/pools", {"poolid": "web"}, "delete pool failed: pool 'web' is not empty (contains VM 101)\n"),
    ("PUT", "/access/acl", {"path": "/vms", "roles": "Nope", "users": "prov@pve"},
     "ACL update failed: role 'Nope' does not exist\n"),
])
def test_missing_and_existing_objects_answer_500_with_the_text(ask, method, path, fields, text):
    answer = ask(method, path, **fields)
    assert message(answer) == (500, text)
    assert answer.reason == text.strip()


@pytest.mark.parametrize(("fields", "errors"), [
    ({"roleid": "pveMine"}, {"roleid": "cannot use role ID starting with the (case-insensitive) 'PVE' namespace"}),
    ({"roleid": "X", "privs": "VM.Nope"}, {"privs": "invalid format - invalid privilege 'VM.Nope'\n"}),
    ({"roleid": "X", "privs": "VM.Monitor"}, {"privs": "invalid format - invalid privilege 'VM.Monitor'\n"}),
    ({"roleid": "X", "foo": 1}, {"foo": "property is not defined in schema and the schema does not allow additional "
                                        "properties"}),
    ({}, {"roleid": "property is missing and it is not optional"}),
])
def test_bad_role_parameters_answer_400_with_errors(ask, fields, errors):
    answer = ask("POST", "/access/roles", **fields)
    assert (answer.status, answer.reason, answer.errors) == (400, "Parameter verification failed.", errors)


def test_version_8_knows_vm_monitor_and_not_the_agent_privileges():
    with FakeCluster(seed="demo", time_scale=0, major=8) as old:
        ask = Client(old)
        assert ask("GET", "/version").data["version"].startswith("8.4.")
        assert ask("POST", "/access/roles", roleid="Eight", privs="VM.Monitor").status == 200
        assert ask("POST", "/access/roles", roleid="Nine", privs="VM.GuestAgent.Audit").status == 400
        assert ask("PUT", "/access/roles/Eight", append=1).errors == {
            "privs": "missing property - 'append' requires this property"}
        assert len(ask("GET", "/access/roles/Administrator").data) == 42
        agent = ask("GET", "/nodes/pve1/qemu/101/agent/network-get-interfaces", "prov@pve!mms")
        assert agent.reason == "Permission check failed (/vms/101, VM.Monitor)"


def test_administrator_of_version_9_has_47_privileges(ask):
    assert len(ask("GET", "/access/roles/Administrator").data) == 47


def test_deleting_a_role_drops_its_entries_for_good(ask):
    ask("POST", "/access/roles", roleid="MMS", privs=MMS)
    ask("PUT", "/access/acl", path="/vms/100/", roles="MMS", users="prov@pve")
    listed = [e for e in ask("GET", "/access/acl").data if e["roleid"] == "MMS"]
    assert listed == [{"path": "/vms/100", "type": "user", "ugid": "prov@pve", "roleid": "MMS", "propagate": 1}]
    ask("DELETE", "/access/roles/MMS")
    ask("POST", "/access/roles", roleid="MMS", privs=MMS)
    assert not [e for e in ask("GET", "/access/acl").data if e["roleid"] == "MMS"]


def test_a_separated_token_has_what_both_it_and_its_user_have(ask):
    def held(who):
        return ask("GET", "/access/permissions", "ansible@pam!mms", userid=who, path="/vms/100").data["/vms/100"]
    assert held("ansible@pam!separate") == {}
    ask("PUT", "/access/acl", path="/vms", roles="PVETemplateUser", tokens="ansible@pam!separate")
    assert held("ansible@pam!separate") == {"VM.Audit": 1, "VM.Clone": 1}
    assert len(held("ansible@pam!mms")) == 47
    ask("PUT", "/access/acl", path="/", roles="PVEAuditor", tokens="prov@pve!mms")
    assert "Sys.Audit" not in held("prov@pve!mms")


def test_propagation_and_no_access_decide_below_a_path(ask):
    ask("POST", "/access/users", userid="u@pve", password="long-enough")
    ask("PUT", "/access/acl", path="/vms", roles="PVETemplateUser", users="u@pve")
    ask("PUT", "/access/acl", path="/vms/101", roles="NoAccess", users="u@pve")
    ask("PUT", "/access/acl", path="/storage", roles="PVEDatastoreUser", users="u@pve", propagate=0)
    held = ask("GET", "/access/permissions", userid="u@pve").data
    assert held["/vms"] == {"VM.Audit": 1, "VM.Clone": 1}
    assert "/vms/101" not in held
    assert held["/storage"] == {"Datastore.AllocateSpace": 0, "Datastore.Audit": 0}
    assert ask("GET", "/access/permissions", userid="u@pve", path="/storage/ceph").data == {"/storage/ceph": {}}


def test_only_roles_within_ones_own_privileges_may_be_granted(ask):
    answer = ask("PUT", "/access/acl", "prov@pve!mms", path="/vms/100", roles="PVEVMAdmin", users="audit@pve")
    assert answer.status == 500
    assert answer.body["message"] == (
        "ACL update failed: 400 Parameter verification failed.\nrole: Cannot add role 'PVEVMAdmin' - requires "
        "'Permissions.Modify' or superset of privileges.\n")
    assert ask("PUT", "/access/acl", "prov@pve!mms", path="/vms/100", roles="PVETemplateUser",
               users="audit@pve").status == 200
    assert ask("PUT", "/access/acl", path="/bogus", roles="PVEAdmin", users="audit@pve").errors == {
        "path": "invalid ACL path '/bogus'"}
    assert set(ask("PUT", "/access/acl", path="/", roles="PVEAdmin").errors) == {"users", "groups", "tokens"}


def test_token_secrets_are_told_once_and_info_echoes_text(ask):
    made = ask("POST", "/access/users/prov@pve/token/new", privsep=0, comment="x").data
    assert made["full-tokenid"] == "prov@pve!new"
    assert made["info"] == {"privsep": "0", "comment": "x"}
    assert ask("GET", "/access/users/prov@pve/token/new").data == {"privsep": 0, "comment": "x", "expire": 0}
    assert ask("GET", "/version", "prov@pve!new", made["value"]).status == 200
    again = ask("POST", "/access/users/prov@pve/token/new")
    assert (again.status, again.errors) == (400, {"tokenid": "Token already exists."})
    assert ask("POST", "/access/users/prov@pve/token/x").status == 400
    unknown = ask("POST", "/access/users/nope@pve/token/new", "ansible@pam!mms")
    assert message(unknown) == (403, "Permission check failed\n")


def test_deleting_a_user_takes_tokens_and_entries_along(ask):
    assert ask("DELETE", "/access/users/prov@pve").status == 200
    assert not [e for e in ask("GET", "/access/acl").data if e["ugid"].startswith("prov@pve")]
    assert ask("GET", "/version", "prov@pve!mms").status == 401
    assert ask("DELETE", "/access/users/root@pam").status == 200
    assert ask("GET", "/version").status == 401
    assert ask.login("root@pam", "secret").status == 200


@pytest.mark.parametrize("token", ["nobody@pve!mms", "prov@pve!nope", "ansible@pam!expired", "gone@pve!mms",
                                   "ansible@pam!mms!mms"])
def test_every_fault_of_a_token_is_the_same_empty_401(ask, token):
    answer = ask("GET", "/version", token)
    assert (answer.status, answer.reason, answer.raw) == (401, "Authentication failed!", b"")


def test_requests_without_login_and_without_csrf_token_are_refused(ask):
    assert ask("GET", "/version", headers={}).reason == "No ticket"
    ticket = ask.login("root@pam", "secret").data
    cookie = {"Cookie": f"PVEAuthCookie={ticket['ticket']}"}
    assert ask("GET", "/version", headers=cookie).status == 200
    refused = ask("POST", "/access/roles", headers=cookie, roleid="X")
    assert (refused.status, refused.reason) == (401, "Permission denied - invalid csrf token")
    assert ask("POST", "/access/roles", headers={**cookie, "CSRFPreventionToken": ticket["CSRFPreventionToken"]},
               roleid="X").status == 200


def test_a_wrong_password_is_the_401_with_a_body(ask):
    for user, password in (("root@pam", "wrong"), ("gone@pve", "expired-user"), ("ansible@pam", "")):
        assert message(ask.login(user, password)) == (401, "authentication failure\n")


def test_a_ticket_renews_itself_and_a_second_factor_is_asked_for(ask):
    first = ask.login("root@pam", "secret").data["ticket"]
    assert ask.login("root@pam", first).data["ticket"] != first
    challenge = ask.login("tfa@pve", "two-factors").data
    assert challenge["NeedTFA"] == 1
    assert ask("GET", "/version", headers={"Cookie": f"PVEAuthCookie={challenge['ticket']}"}).status == 401
    answer = ask.login("tfa@pve", "totp:123456", **{"tfa-challenge": challenge["ticket"]})
    assert "NeedTFA" not in answer.data
    assert ask.login("tfa@pve", "two-factors", otp="000000").status == 401


def test_a_token_may_not_change_passwords(ask):
    answer = ask("PUT", "/access/password", userid="prov@pve", password="new-password")
    assert message(answer) == (403, "Permission check failed (URI '/access/password' not available with API token, "
                                    "need proper ticket.\n)\n")


def test_a_403_names_path_and_privilege(ask):
    for method, path, fields, text in (
            ("POST", "/access/roles", {"roleid": "X"}, "/access, Sys.Modify"),
            ("POST", "/nodes/pve1/qemu/100/status/start", {}, "/vms/100, VM.PowerMgmt"),
            ("POST", "/nodes/pve1/qemu/9000/clone", {"newid": 300}, "/vms/9000, VM.Clone")):
        answer = ask(method, path, "audit@pve!mms", **fields)
        assert message(answer) == (403, f"Permission check failed ({text})\n")


def test_guests_without_audit_are_invisible_but_their_vmids_are_taken(ask):
    ask("PUT", "/access/acl", path="/vms/100", roles="NoAccess", users="prov@pve")
    seen = {g["vmid"] for g in ask("GET", "/cluster/resources", "prov@pve!mms", type="vm").data}
    assert 101 in seen and 100 not in seen
    assert 100 not in {g["vmid"] for g in ask("GET", "/nodes/pve1/qemu", "prov@pve!mms").data}
    clone = ask("POST", "/nodes/pve1/qemu/9000/clone", "prov@pve!mms", newid=100)
    assert message(clone) == (403, "Permission check failed\n")
    taken = ask("GET", "/cluster/nextid", "prov@pve!mms", vmid=100)
    assert (taken.status, taken.errors) == (400, {"vmid": "VM 100 already exists"})
    assert ask("GET", "/cluster/nextid", "prov@pve!mms", vmid=333).data == "333"
    assert ask("GET", "/cluster/nextid").data == "106"


def test_options_for_root_only_are_refused_to_tokens(ask):
    answer = ask("POST", "/nodes/pve1/qemu/100/status/stop", skiplock=1)
    assert (answer.status, answer.errors) == (400, {"skiplock": "Only root may use this option."})
    assert message(ask("PUT", "/nodes/pve1/qemu/100/config", args="-x")) == (500, "only root can set 'args' config\n")


def test_a_group_holds_what_the_access_list_gives_it(ask):
    assert ask("POST", "/access/groups", groupid="ops").status == 200
    assert ask("POST", "/access/groups", groupid="ops").reason == "create group failed: group 'ops' already exists"
    ask("POST", "/access/users", userid="u@pve", groups="ops")
    ask("PUT", "/access/acl", path="/vms", roles="PVETemplateUser", groups="ops")
    held = ask("GET", "/access/permissions", userid="u@pve").data
    assert held["/vms"] == {"VM.Audit": 1, "VM.Clone": 1}
    assert ask("GET", "/access/groups/ops").data["members"] == ["u@pve"]
    assert ask("DELETE", "/access/groups/ops").status == 200
    assert ask("GET", "/access/permissions", userid="u@pve").data == {}


def test_pool_privileges_reach_its_members(ask):
    ask("POST", "/access/users", userid="u@pve")
    ask("PUT", "/access/acl", path="/pool/web", roles="PVEVMUser", users="u@pve")
    held = ask("GET", "/access/permissions", userid="u@pve").data
    assert "VM.PowerMgmt" in held["/vms/101"] and "/vms/100" not in held
