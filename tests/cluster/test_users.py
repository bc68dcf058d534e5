# SPDX-License-Identifier: AGPL-3.0-or-later
"""Users, groups, tokens and passwords keep what they are told and refuse as the servers do."""

import pytest

from cluster import FakeCluster

from .conftest import ADMIN, Client, said, ticket

UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"


# --------------------------------------------------------------------------------------- users

def test_a_new_user_is_shown_with_what_is_set(ask):
    ask("POST", "/access/users", userid="u@pve")
    assert ask("GET", "/access/users/u@pve").data == {
        "enable": 1, "expire": 0, "email": "", "groups": [], "tokens": None}
    ask("PUT", "/access/users/u@pve", firstname="Ada", email="ada@example.org", comment="first", expire=2000000000)
    assert ask("GET", "/access/users/u@pve").data == {
        "enable": 1, "expire": 2000000000, "email": "ada@example.org", "firstname": "Ada", "comment": "first",
        "groups": [], "tokens": None}
    ask("PUT", "/access/users/u@pve", comment="", enable=0)
    now = ask("GET", "/access/users/u@pve").data
    assert "comment" not in now and (now["enable"], now["firstname"]) == (0, "Ada")


def test_groups_replace_unless_they_are_appended(ask):
    for name in ("a", "b"):
        ask("POST", "/access/groups", groupid=name)
    ask("POST", "/access/users", userid="u@pve", groups="a")
    ask("PUT", "/access/users/u@pve", groups="b", append=1)
    assert ask("GET", "/access/users/u@pve").data["groups"] == ["a", "b"]
    ask("PUT", "/access/users/u@pve", comment="x")
    assert ask("GET", "/access/users/u@pve").data["groups"] == ["a", "b"]
    ask("PUT", "/access/users/u@pve", groups="b")
    assert ask("GET", "/access/users/u@pve").data["groups"] == ["b"]
    ask("PUT", "/access/users/u@pve", groups="")
    assert ask("GET", "/access/users/u@pve").data["groups"] == []
    assert ask("PUT", "/access/users/u@pve", append=1).errors == {"groups": "missing property required by 'append'"}


def test_the_full_list_adds_groups_and_tokens(ask):
    ask("POST", "/access/groups", groupid="a")
    ask("PUT", "/access/users/prov@pve", groups="a")
    short = {u["userid"]: u for u in ask("GET", "/access/users").data}["prov@pve"]
    assert short == {"userid": "prov@pve", "enable": 1, "expire": 0, "email": "", "realm-type": "pve"}
    full = {u["userid"]: u for u in ask("GET", "/access/users", full=1).data}
    assert full["prov@pve"] == {**short, "groups": "a", "tokens": [{"tokenid": "mms", "expire": 0, "privsep": 1}]}
    assert full["tfa@pve"]["groups"] == "" and "tokens" not in full["tfa@pve"]
    ask("POST", "/access/users", userid="u@nope", enable=0)
    disabled = ask("GET", "/access/users", enabled=0).data
    assert [(u["userid"], "realm-type" in u) for u in disabled] == [("u@nope", False)]


def test_without_rights_over_users_only_oneself_is_listed_and_a_token_is_not_its_user(ask):
    assert [u["userid"] for u in ask("GET", "/access/users", headers=ticket(ask, "prov@pve", "provision")).data] == [
        "prov@pve"]
    assert ask("GET", "/access/users", "prov@pve!mms").data == []
    for method, path in (("GET", "/access/users/prov@pve/token"), ("DELETE", "/access/users/prov@pve/token/mms")):
        assert said(ask(method, path, "prov@pve!mms")) == (403, "Permission check failed\n")
    ask("POST", "/access/groups", groupid="a")
    ask("PUT", "/access/users/tfa@pve", groups="a")
    ask("PUT", "/access/acl", path="/access/groups/a", roles="PVEUserAdmin", tokens="prov@pve!mms", users="prov@pve")
    assert [u["userid"] for u in ask("GET", "/access/users", "prov@pve!mms").data] == ["tfa@pve"]


@pytest.mark.parametrize(("method", "path", "fields", "text"), [
    ("PUT", "/access/users/nope@pve", {"comment": "x"}, "no such user ('nope@pve')\n"),
    ("DELETE", "/access/users/nope@pve", {}, "no such user ('nope@pve')\n"),
    ("PUT", "/access/users/prov@pve", {"groups": "g"}, "update user failed: no such group 'g'\n"),
    ("POST", "/access/users", {"userid": "a"}, "user name 'a' is too short\n"),
    ("POST", "/access/users", {"userid": "a@nope", "password": "long-enough"},
     "create user failed: auth domain 'nope' does not exist\n"),
    ("POST", "/access/users", {"userid": "a@pam", "password": "long-enough"},
     "create user failed: change password failed: usermod: user 'a' does not exist\n"),
    ("GET", "/access/groups/nope", {}, "group 'nope' does not exist\n"),
    ("PUT", "/access/groups/nope", {"comment": "x"}, "update group failed: group 'nope' does not exist\n"),
    ("DELETE", "/access/groups/nope", {}, "delete group failed: group 'nope' does not exist\n"),
    ("PUT", "/access/users/prov@pve/token/nope", {"comment": "x"}, "no such token 'nope' for user 'prov@pve'\n"),
    ("DELETE", "/access/users/prov@pve/token/nope", {}, "no such token 'nope' for user 'prov@pve'\n"),
    ("PUT", "/access/users/prov@pve/token/mms", {"delete": "expire"},
     "updating token info failed: 400 Parameter verification failed.\ndelete: unknown option 'expire'\n"),
])
def test_what_is_not_there_answers_500(ask, method, path, fields, text):
    assert said(ask(method, path, ADMIN, **fields)) == (500, text)


def test_root_himself_passes_the_rules_and_meets_the_handlers(ask):
    root = ticket(ask, "root@pam", "secret")
    assert said(ask("PUT", "/access/users/nope@pve", headers=root, comment="x")) == (
        500, "update user failed: no such user ('nope@pve')\n")
    assert ask("POST", "/access/users", headers=root, userid="prov").errors == {
        "userid": "invalid format - value 'prov' does not look like a valid user name\n"}
    assert ask("DELETE", "/access/users/nope@pve", headers=root).status == 200


def test_rights_over_users_come_from_realm_and_groups(ask):
    prov = "prov@pve!mms"

    def refused(*request, **fields):
        answer = ask(*request[:2], prov, **fields)
        assert answer.status == 403
        return answer.body["message"].removeprefix("Permission check failed").strip()
    ask("POST", "/access/groups", groupid="a")
    assert refused("POST", "/access/users", userid="u@pve") == "(/access/realm/pve, Realm.AllocateUser)"
    for whom in ({"users": "prov@pve"}, {"tokens": prov}):
        ask("PUT", "/access/acl", path="/access/realm/pve", roles="PVEUserAdmin", **whom)
        ask("PUT", "/access/acl", path="/access/groups/a", roles="PVEUserAdmin", **whom)
    assert refused("POST", "/access/users", userid="u@pve") == "(/access/groups, User.Modify)"
    ask("POST", "/access/groups", groupid="b")
    assert refused("POST", "/access/users", userid="u@pve", groups="a,b") == "(/access/groups/b, User.Modify)"
    assert ask("POST", "/access/users", prov, userid="u@pve", groups="a").status == 200
    assert refused("GET", "/access/users/audit@pve") == ""
    assert ask("GET", "/access/users/u@pve", prov).status == 200
    assert refused("PUT", "/access/users/u@pve", comment="x") == "(/access/groups, User.Modify)"
    assert refused("POST", "/access/groups", groupid="c") == "(/access/groups, Group.Allocate)"
    assert refused("GET", "/access/groups/b") == "(/access/groups, Sys.Audit|Group.Allocate)"


def test_deleting_root_leaves_him_without_tokens_and_fields(ask):
    ask("PUT", "/access/users/root@pam", comment="the boss")
    root = ticket(ask, "root@pam", "secret")
    assert ask("DELETE", "/access/users/root@pam", headers=root).status == 200
    assert ask("GET", "/access/users/root@pam", headers=root).data == {
        "enable": 1, "expire": 0, "email": "", "groups": [], "tokens": None}


# -------------------------------------------------------------------------------------- groups

def test_groups_keep_a_comment_and_list_their_users(ask):
    ask("POST", "/access/groups", groupid="ops", comment="Operators")
    ask("PUT", "/access/users/prov@pve", groups="ops")
    assert ask("GET", "/access/groups").data == [{"groupid": "ops", "comment": "Operators", "users": "prov@pve"}]
    assert ask("GET", "/access/groups/ops").data == {"comment": "Operators", "members": ["prov@pve"]}
    ask("PUT", "/access/groups/ops", comment="")
    assert ask("GET", "/access/groups/ops").data == {"members": ["prov@pve"]}


def test_deleting_a_group_takes_its_entries_and_leaves_its_users(ask):
    ask("POST", "/access/groups", groupid="ops")
    ask("PUT", "/access/users/prov@pve", groups="ops")
    ask("PUT", "/access/acl", path="/vms", roles="PVEVMUser", groups="ops")
    ask("DELETE", "/access/groups/ops")
    assert ask("GET", "/access/users/prov@pve").data["groups"] == []
    ask("POST", "/access/groups", groupid="ops")
    assert not [e for e in ask("GET", "/access/acl").data if e["ugid"] == "ops"]


# -------------------------------------------------------------------------------------- tokens

def test_a_token_is_changed_in_place_and_its_fields_come_back_as_text(ask):
    path = "/access/users/prov@pve/token/mms"
    assert ask("PUT", path, comment="x", privsep=0).data == {"comment": "x", "privsep": "0", "expire": 0}
    assert ask("GET", path).data == {"comment": "x", "privsep": 0, "expire": 0}
    assert ask("PUT", path, delete="comment").data == {"privsep": 0, "expire": 0}
    entries = ask("GET", "/access/acl").data
    made = ask("PUT", path, regenerate=1).data
    assert (made["full-tokenid"], made["privsep"]) == ("prov@pve!mms", 0)
    assert ask("GET", "/version", "prov@pve!mms").status == 401
    assert ask("GET", "/version", "prov@pve!mms", made["value"]).status == 200
    assert sorted(map(str, ask("GET", "/access/acl").data)) == sorted(map(str, entries))


def test_deleting_a_token_takes_its_entries(ask):
    ask("DELETE", "/access/users/prov@pve/token/mms")
    ask("POST", "/access/users/prov@pve/token/mms")
    assert not [e for e in ask("GET", "/access/acl").data if e["type"] == "token"]


@pytest.mark.parametrize(("options", "version", "refused"), [
    ({"major": 8}, "8.4.21", {"regenerate", "delete"}), ({"version": "9.0.11"}, "9.0.11", {"regenerate"}),
    ({"seed": {"version": "9.0.11"}}, "9.0.11", {"regenerate"})])
def test_a_server_before_9_1_does_not_know_regenerate(options, version, refused):
    with FakeCluster(**{"seed": "demo", "time_scale": 0, **options}) as old:
        old.patch(users={"root@pam": {"tokens": {"ferrox": {"secret": "c2f4b7a6-92d3-4b19-8f0e-6a1d3e5b7c90",
                                                            "privsep": 0}}}})
        ask = Client(old)
        assert ask("GET", "/version").data["version"] == version
        answer = ask("PUT", "/access/users/root@pam/token/ferrox", regenerate=1, delete="comment")
        assert (answer.status, answer.errors) == (400, dict.fromkeys(refused, UNKNOWN))


# ------------------------------------------------------------------------------------ passwords

def test_a_changed_password_is_taken_at_the_next_login(ask):
    root = ticket(ask, "root@pam", "secret")
    assert ask("PUT", "/access/password", headers=root, userid="prov@pve", password="brand-new").status == 200
    assert ask.login("prov@pve", "provision").status == 401
    assert ask.login("prov@pve", "brand-new").status == 200
    assert ask("PUT", "/access/password", headers=root, userid="prov@pve", password="short").errors == {
        "password": "value must be at least 8 characters long"}
    assert said(ask("PUT", "/access/password", headers=root, userid="nope@pve", password="long-enough")) == (
        500, "no such user ('nope@pve')\n")
    assert said(ask("PUT", "/access/password", headers=root, userid="ansible@pam", password="long-enough")) == (
        500, "change password failed: usermod: user 'ansible' does not exist\n")


def test_ones_own_password_is_changed_with_the_old_one_and_others_need_rights(ask):
    prov = ticket(ask, "prov@pve", "provision")

    def change(userid, **more):
        return ask("PUT", "/access/password", headers=prov, userid=userid, password="brand-new", **more)
    assert change("prov@pve").errors == {"confirmation-password": "password is required to modify user"}
    assert said(change("prov@pve", **{"confirmation-password": "wrong-one"})) == (500, "invalid credentials\n")
    assert change("prov@pve", **{"confirmation-password": "provision"}).status == 200
    assert ask.login("prov@pve", "brand-new").status == 200
    assert said(change("audit@pve"))[1] == "Permission check failed (/access/realm/pve, Realm.AllocateUser)\n"
    ask("PUT", "/access/acl", path="/access", roles="PVEUserAdmin", users="prov@pve")
    assert change("audit@pve", **{"confirmation-password": "brand-new"}).status == 200
    assert said(change("root@pam", **{"confirmation-password": "brand-new"})) == (403, "Permission check failed\n")
    assert said(change("nope@pve")) == (500, "no such user ('nope@pve')\n")


def test_disabled_and_expired_users_cannot_log_in(ask):
    ask("PUT", "/access/users/prov@pve", enable=0)
    assert said(ask.login("prov@pve", "provision")) == (401, "authentication failure\n")
    assert ask("GET", "/version", "prov@pve!mms").status == 401
    ask("PUT", "/access/users/prov@pve", enable=1, expire=1000000000)
    assert ask.login("prov@pve", "provision").status == 401
    ask("PUT", "/access/users/prov@pve", expire=0)
    assert ask.login("prov", "provision", realm="pve").status == 200
    assert ask.login("prov", "provision").status == 401


# --------------------------------------------------------------------------------- state, patches

def test_patches_add_change_and_remove_users_groups_and_entries(ask, fake):
    fake.patch(groups={"ops": {"users": ["prov@pve"], "comment": "x"}}, roles={"Provisioner": None},
               users={"audit@pve": None, "prov@pve": {"enable": False, "tokens": {"mms": None, "new": {}}}},
               acl=[{"path": "/", "ugid": "ansible@pam", "roleid": "Administrator", "absent": True},
                    {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEVMUser", "propagate": False}])
    fake.patch(groups={"ops": {"comment": "y"}})
    assert ask("GET", "/access/groups/ops").data == {"members": ["prov@pve"], "comment": "y"}
    assert ask("GET", "/access/users/audit@pve").status == 500
    now = ask("GET", "/access/users/prov@pve").data
    assert (now["enable"], now["tokens"]) == (0, {"new": {"privsep": 1, "expire": 0}})
    assert {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEVMUser", "propagate": 0} in ask(
        "GET", "/access/acl").data
    assert "Provisioner" not in fake.state()["roles"]
    assert not [e for e in fake.state()["acl"] if e["ugid"] == "ansible@pam"]
