# SPDX-License-Identifier: AGPL-3.0-or-later
"""Realms: their settings, their passwords, and the synchronisation with a directory."""

import pytest

from cluster import FakeCluster

from .conftest import ADMIN, Client, said, ticket

LDAP = {"realm": "corp", "type": "ldap", "server1": "ldap.example.org", "base_dn": "dc=example,dc=org",
        "user_attr": "uid"}
AD = {"realm": "win", "type": "ad", "server1": "ad.example.org", "domain": "example.org"}
OPENID = {"realm": "sso", "type": "openid", "issuer-url": "https://id.example.org", "client-id": "pve"}


def make(ask, realm=LDAP, **more):
    answer = ask("POST", "/access/domains", **{**realm, **more})
    assert answer.status == 200, answer.body


def read(ask, name="corp"):
    data = ask("GET", f"/access/domains/{name}").data
    return {key: value for key, value in data.items() if key != "digest"}


# ------------------------------------------------------------------------------------- settings

def test_the_own_realms_are_there_and_anybody_may_list_them(ask):
    listed = ask("GET", "/access/domains", headers={}).data
    assert sorted(realm["realm"] for realm in listed) == ["pam", "pve"]
    assert read(ask, "pve") == {"type": "pve", "comment": "Proxmox VE authentication server"}
    assert read(ask, "pam") == {"type": "pam", "comment": "Linux PAM standard authentication",
                                "plugin": "PVE::Auth::PAM"}


@pytest.mark.parametrize("realm", [LDAP, AD, OPENID], ids=["ldap", "ad", "openid"])
def test_a_realm_of_each_type_is_made_and_read_without_its_password(ask, fake, realm):
    make(ask, realm, comment="x", password="sesame")
    assert read(ask, realm["realm"]) == {**{k: v for k, v in realm.items() if k != "realm"}, "comment": "x"}
    kept = fake.state()["realms"][realm["realm"]]
    assert kept.get("password") == (None if realm is OPENID else "sesame")


def test_the_list_shows_type_comment_default_and_second_factor(ask):
    make(ask, LDAP, default=1, tfa="type=oath,digits=6", port=389, verify=0)
    make(ask, AD, default=1)
    listed = {realm.pop("realm"): realm for realm in ask("GET", "/access/domains").data}
    # There is one default at most.
    assert listed["corp"] == {"type": "ldap", "tfa": "oath"}
    assert listed["win"] == {"type": "ad", "default": 1}
    assert read(ask)["port"] == 389 and read(ask)["verify"] == 0


@pytest.mark.parametrize(("realm", "change", "text"), [
    (LDAP, {"server1": None}, "missing value for required option 'server1'"),
    (LDAP, {"base_dn": None}, "missing value for required option 'base_dn'"),
    (AD, {"domain": None}, "missing value for required option 'domain'"),
    (OPENID, {"client-id": None}, "missing value for required option 'client-id'"),
    (LDAP, {"issuer-url": "x"}, "unexpected property 'issuer-url'"),
    (LDAP, {"realm": "pve"}, "domain 'pve' already exists"),
    ({"realm": "two", "type": "pve"}, {}, "unable to create builtin type 'pve'"),
    (OPENID, {"check-connection": 1},
     "'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'"),
    (LDAP, {"check-connection": 1, "server1": "nowhere.example.org"}, "Name or service not known"),
])
def test_a_realm_that_cannot_be_made(ask, realm, change, text):
    fields = {key: value for key, value in {**realm, **change}.items() if value is not None}
    assert said(ask("POST", "/access/domains", **fields)) == (500, f"add auth server failed: {text}\n")


def test_bad_values_answer_400(ask):
    bad = {"port": 0, "mode": "x", "sync-defaults-options": "scope=all"}
    assert ask("POST", "/access/domains", **LDAP, **bad).errors.keys() == bad.keys()
    assert ask("POST", "/access/domains", **{**LDAP, "type": "kerberos"}).errors.keys() == {"type"}
    assert ask("PUT", "/access/domains/pve", type="ldap").errors.keys() == {"type"}


def test_version_8_knows_no_audiences():
    with FakeCluster(seed="empty", time_scale=0, major=8) as old:
        assert Client(old)("POST", "/access/domains", **OPENID, audiences="a").errors.keys() == {"audiences"}


def test_a_realm_is_changed_and_its_settings_removed(ask, fake):
    make(ask, comment="x", password="sesame", filter="(a=b)")
    ask("PUT", "/access/domains/corp", server2="ad.example.org", delete="comment,filter")
    assert read(ask) == {**{k: v for k, v in LDAP.items() if k != "realm"}, "server2": "ad.example.org"}
    ask("PUT", "/access/domains/corp", password="new-one")
    assert fake.state()["realms"]["corp"]["password"] == "new-one"
    ask("PUT", "/access/domains/corp", delete="password")
    assert "password" not in fake.state()["realms"]["corp"]
    ask("PUT", "/access/domains/pve", default=1, comment="")
    assert read(ask, "pve") == {"type": "pve", "comment": "Proxmox VE authentication server", "default": 1}


def test_sync_defaults_come_back_sorted_and_in_todays_words(ask):
    make(ask, **{"sync-defaults-options": "scope=both,enable-new=no,full=1,purge=1"})
    assert read(ask)["sync-defaults-options"] == "enable-new=0,remove-vanished=entry;properties;acl,scope=both"


def test_a_digest_guards_a_change(ask):
    make(ask)
    digest = ask("GET", "/access/domains/corp").data["digest"]
    ask("PUT", "/access/domains/pve", comment="x")
    assert ask("PUT", "/access/domains/corp", comment="y", digest=digest).reason == (
        "update auth server failed: detected modified configuration - file changed by other user? Try again.")


@pytest.mark.parametrize(("method", "name", "fields", "text"), [
    ("GET", "nope", {}, "domain 'nope' does not exist"),
    ("PUT", "corp", {}, "update auth server failed: no options specified"),
    ("PUT", "corp", {"issuer-url": "x"}, "update auth server failed: unexpected property 'issuer-url'"),
    ("DELETE", "nope", {}, "delete auth server failed: authentication domain 'nope' does not exist"),
])
def test_refusals_are_500_with_the_text(ask, method, name, fields, text):
    make(ask)
    assert said(ask(method, f"/access/domains/{name}", **fields)) == (500, text + "\n")


def test_changing_an_unknown_realm_is_a_fault_of_the_server(ask):
    answer = ask("PUT", "/access/domains/nope", comment="x")
    assert answer.status == 500 and answer.reason.startswith("update auth server failed: cannot lookup undefined type!")


def test_a_deleted_realm_leaves_its_users_who_cannot_log_in(ask, fake):
    make(ask, password="sesame")
    ask("POST", "/access/users", userid="ada@corp")
    assert ask.login("ada@corp", "analytical").status == 200
    assert ask("DELETE", "/access/domains/corp").status == 200
    assert ask.login("ada@corp", "analytical").status == 401
    assert "corp" not in fake.state()["realms"]
    assert {u["userid"]: u.get("realm-type") for u in ask("GET", "/access/users").data}["ada@corp"] is None
    # The server's own come back as they were.
    ask("PUT", "/access/domains/pam", comment="x")
    assert ask("DELETE", "/access/domains/pam").status == 200
    assert read(ask, "pam")["comment"] == "Linux PAM standard authentication"


def test_rights_over_realms(ask):
    prov = "prov@pve!mms"
    for request, why in ((("POST", "/access/domains", LDAP), "/access/realm, Realm.Allocate"),
                         (("GET", "/access/domains/pve", {}), "/access/realm, Realm.Allocate|Sys.Audit"),
                         (("POST", "/access/domains/pve/sync", {}), "/access/realm/pve, Realm.AllocateUser")):
        answer = ask(*request[:2], prov, **request[2])
        assert (answer.status, answer.reason) == (403, f"Permission check failed ({why})")
    assert ask("GET", "/access/domains/pve", "audit@pve!mms").status == 200


def test_a_realm_that_does_not_tell_cases_apart(ask):
    make(ask, **{"case-sensitive": 0})
    ask("POST", "/access/users", userid="Ada@corp")
    assert ask("POST", "/access/users", userid="ada@corp").reason == (
        "create user failed: user 'Ada@corp' already exists")
    assert ask.login("ada@corp", "analytical").status == 401


def test_passwords_of_a_directory_are_not_set_here(ask):
    make(ask)
    assert ask("POST", "/access/users", userid="ada@corp", password="long-enough").reason == (
        "create user failed: can't set password on auth type 'ldap'")
    ask("POST", "/access/users", userid="ada@corp")
    root = ticket(ask, "root@pam", "secret")
    assert ask("PUT", "/access/password", headers=root, userid="ada@corp", password="long-enough").reason == (
        "can't set password on auth type 'ldap'")


# ----------------------------------------------------------------------------------------- sync

def sync(ask, name="corp", **options):
    """The exit status of a synchronisation, and what it logged."""
    answer = ask("POST", f"/access/domains/{name}/sync", **options)
    return ask.exit_status(answer), ask.log_of(answer)


def in_realm(fake, area):
    return {name: entry for name, entry in fake.state()[area].items() if name.endswith("corp")}


def test_a_sync_brings_the_users_and_groups_of_the_directory(ask, fake):
    make(ask)
    answer = ask("POST", "/access/domains/corp/sync", ADMIN, scope="both")
    assert answer.data.split(":")[5:7] == ["auth-realm-sync", "corp"]
    assert ask.exit_status(answer) == "OK"
    ada = ask("GET", "/access/users/ada@corp").data
    assert ada == {"enable": 1, "expire": 0, "email": "ada@example.org", "firstname": "Ada", "lastname": "Lovelace",
                   "groups": ["ops-corp"], "tokens": None}
    assert in_realm(fake, "groups").keys() == {"ops-corp", "dev-corp"}
    assert ask.login("ada@corp", "analytical").status == 200


def test_scope_and_enable_new_choose_what_comes(ask, fake):
    make(ask, **{"sync-defaults-options": "scope=users,enable-new=0"})
    assert sync(ask)[0] == "OK"
    assert {user["enable"] for user in in_realm(fake, "users").values()} == {0}
    assert in_realm(fake, "groups") == {}
    sync(ask, scope="groups")
    assert in_realm(fake, "groups")["dev-corp"]["users"] == ["grace@corp"]
    fake.patch(users={"ada@corp": None})
    # What is asked for goes before what the realm has as its own.
    sync(ask, **{"enable-new": 1})
    assert {name: user["enable"] for name, user in in_realm(fake, "users").items()} == {"ada@corp": 1, "grace@corp": 0}


@pytest.mark.parametrize(("remove", "users", "entries", "comment"), [
    ("none", {"ada@corp", "grace@corp", "old@corp"}, 2, "kept"),
    ("entry", {"ada@corp", "grace@corp"}, 2, "kept"), ("acl", {"ada@corp", "grace@corp", "old@corp"}, 0, "kept"),
    ("properties", {"ada@corp", "grace@corp", "old@corp"}, 2, None),
    ("acl;entry", {"ada@corp", "grace@corp"}, 0, "kept")])
def test_what_vanished_is_removed_as_far_as_it_is_asked_for(ask, fake, remove, users, entries, comment):
    make(ask)
    fake.patch(users={"old@corp": {}, "ada@corp": {"comment": "kept", "enable": 0}}, groups={"old-corp": {}},
               acl=[{"path": "/vms", "ugid": "old@corp", "roleid": "PVEVMUser"},
                    {"path": "/vms", "ugid": "old-corp", "type": "group", "roleid": "PVEVMUser"}])
    assert sync(ask, scope="both", **{"remove-vanished": remove})[0] == "OK"
    assert in_realm(fake, "users").keys() == users
    assert ("old-corp" in in_realm(fake, "groups")) is ("old@corp" in users)
    assert len([e for e in fake.state()["acl"] if e["ugid"].startswith("old")]) == entries
    ada = ask("GET", "/access/users/ada@corp").data
    assert (ada.get("comment"), ada["enable"], ada["email"]) == (comment, 0, "ada@example.org")


def test_a_dry_run_tells_and_changes_nothing(ask, fake):
    make(ask)
    before = fake.state()
    answer = ask("POST", "/access/domains/corp/sync", scope="both", **{"dry-run": 1})
    assert ask.exit_status(answer) == "OK" and ":auth-realm-sync-test:corp:" in answer.data
    assert "adding user 'ada@corp'" in ask.log_of(answer)
    after = fake.state()
    assert all(after[area] == before[area] for area in ("users", "groups", "acl"))


def test_a_sync_that_cannot_start_is_refused_and_one_that_fails_is_a_failed_task(ask, fake):
    make(ask, LDAP, server1="nowhere.example.org")
    assert sync(ask, scope="both") == ("Name or service not known", [
        "starting sync for realm corp", "TASK ERROR: Name or service not known"])
    assert ask("POST", "/access/domains/corp/sync").errors == {
        "scope": "Not passed as parameter and not defined in realm default sync options."}
    assert ask("POST", "/access/domains/nope/sync", scope="both").errors.keys() == {"realm"}
    assert ask("POST", "/access/domains/pve/sync", scope="both").reason == (
        "Cannot sync realm type 'pve'! Only LDAP/AD realms can be synced.")
    fake.patch(directories={"nowhere.example.org": {"users": ["bob"], "password": "sesame"}})
    ask("PUT", "/access/domains/corp", bind_dn="cn=pve")
    assert sync(ask, scope="both")[0] == "missing password for realm corp"
    ask("PUT", "/access/domains/corp", password="wrong")
    assert sync(ask, scope="both")[0] == "ldap bind failed: Invalid credentials"
    ask("PUT", "/access/domains/corp", password="sesame")
    assert sync(ask, scope="both")[0] == "OK"
    fake.patch(directories={"nowhere.example.org": {"error": "the directory is on fire"}})
    assert sync(ask, scope="both")[0] == "the directory is on fire"
    fake.patch(directories={"nowhere.example.org": {"users": []}})
    fake.fault(method="POST", path=".*/sync", task={"exitstatus": "WARNINGS: 1"})
    assert sync(ask, scope="both")[0] == "WARNINGS: 1"


def test_patches_make_and_remove_realms_with_their_directory(ask, fake):
    fake.patch(realms={"corp": {"type": "ad", "domain": "x", "password": "p", "directory": {"users": ["bob"]}}})
    assert sync(ask, scope="users")[0] == "OK"
    assert in_realm(fake, "users").keys() == {"bob@corp"}
    fake.patch(realms={"corp": None})
    assert ask("GET", "/access/domains/corp").status == 500
