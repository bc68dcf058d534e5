# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_domain: a realm from nothing to nothing, its secrets, and what a realm cannot become."""

from __future__ import annotations

import pytest
from cluster import FakeCluster

LDAP = {"type": "ldap", "ldap_base_dn": "dc=example,dc=org", "ldap_user_attr": "uid", "ldap_primary_server": "ldap.example.org"}
AD = {"type": "ad", "ad_domain": "example.org", "ad_primary_server": "ad.example.org"}
OPENID = {"type": "openid", "openid_issuer_url": "https://sso.example.org", "openid_client_id": "proxmox"}
STORED = {"type": "ldap", "base_dn": "dc=example,dc=org", "user_attr": "uid", "server1": "ldap.example.org"}
READ, CREATE = "GET /access/domains/office", "POST /access/domains"
CHANGE, REMOVE = "PUT /access/domains/office", "DELETE /access/domains/office"


@pytest.fixture
def realm(ferrox, connection):
    """Runs the module for the realm `office`: realm(comment=…, check=True) -> result."""

    def run(check=False, diff=False, **options):
        options = {"realm": "office", "state": "present", **options}
        return ferrox("proxmox_domain", {**connection, **options}, check=check, diff=diff)

    return run


def settings(cluster, name="office"):
    """What the server has; None where there is no such realm."""
    return cluster.state()["realms"].get(name)


# ------------------------------------------------------------------------------------------------ its life, in order


@pytest.mark.parametrize("options, missing", [
    ({"state": "present"}, "missing required arguments: realm"),
    ({"realm": "office"}, "missing required arguments: state"),
    ({"realm": "office", "state": "present"}, "state is present but all of the following are missing: type"),
    ({"realm": "office", "state": "present", "type": "ldap", "ldap_user_attr": "uid"},
     "type is ldap but all of the following are missing: ldap_base_dn"),
    ({"realm": "office", "state": "present", "type": "ad", "ad_domain": "example.org"},
     "type is ad but all of the following are missing: ldap_primary_server"),
    ({"realm": "office", "state": "present", "type": "openid", "openid_issuer_url": "https://sso"},
     "type is openid but all of the following are missing: openid_client_id"),
])
def test_what_is_missing_is_said(ferrox, cluster, connection, options, missing):
    result = ferrox("proxmox_domain", {**connection, **options})
    assert result["failed"] and result["msg"] == missing
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_realm_and_writes_nothing(realm, cluster, asked):
    result = realm(**LDAP, comment="Office", ldap_password="hush-hush", check=True, diff=True)
    assert result["changed"] and result["msg"] == "Domain office would be added."
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == {"realm": "office", **STORED, "comment": "Office", "password": "********"}
    assert asked() == [READ]
    assert settings(cluster) is None


def test_it_is_created_once(realm, cluster, asked):
    result = realm(**LDAP, comment="Office")
    assert result["changed"] and result["msg"] == "Domain office added."
    assert settings(cluster) == {**STORED, "comment": "Office"}
    assert asked() == [READ, CREATE]

    result = realm(**LDAP, comment="Office")
    assert not result["changed"] and result["msg"] == "Domain office already exists."
    assert asked() == [READ]


def test_what_is_stated_is_written_and_the_rest_left_alone(realm, cluster, asked):
    cluster.patch(realms={"office": {**STORED, "comment": "Office", "port": 636, "sync_attributes": "email=mail"}})
    result = realm(**LDAP, comment="Main office", ldap_mode="ldaps")
    assert result["changed"] and result["msg"] == "Domain office edited."
    assert settings(cluster) == {**STORED, "comment": "Main office", "port": 636, "mode": "ldaps",
                                 "sync_attributes": "email=mail"}
    assert asked() == [READ, CHANGE]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(realm, cluster, asked):
    cluster.patch(realms={"office": {**STORED, "comment": "Office"}})
    result = realm(**LDAP, comment="Main office", check=True, diff=True)
    assert result["changed"] and result["msg"] == "Domain office would be edited."
    before, after = result["diff"]["before"], result["diff"]["after"]
    assert (before.pop("comment"), after.pop("comment")) == ("Office", "Main office")
    assert before == after
    assert asked() == [READ]
    assert settings(cluster)["comment"] == "Office"


def test_it_is_removed_once(realm, cluster, asked):
    cluster.patch(realms={"office": STORED})
    result = realm(state="absent", check=True, diff=True)
    assert result["changed"] and result["msg"] == "Domain office would be deleted."
    assert result["diff"]["after"] == {}
    assert asked() == [READ]

    result = realm(state="absent")
    assert result["changed"] and result["msg"] == "Domain office deleted."
    assert settings(cluster) is None
    assert asked() == [READ, REMOVE]

    result = realm(state="absent")
    assert not result["changed"] and result["msg"] == "Domain office not present."
    assert asked() == [READ]


# ----------------------------------------------------------------------------------------------- types and settings


@pytest.mark.parametrize("kind, stored", [
    (AD, {"type": "ad", "domain": "example.org", "server1": "ad.example.org", "case-sensitive": 1}),
    (OPENID, {"type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox"}),
])
def test_each_type_is_made_and_then_unchanged(realm, cluster, kind, stored):
    assert realm(**kind)["changed"]
    assert settings(cluster) == stored
    assert not realm(**kind)["changed"]
    assert realm(**kind, state="absent")["changed"]
    assert settings(cluster) is None


def test_everything_that_can_be_said_is_said_once(realm, cluster):
    options = {
        **LDAP, "comment": "Office", "default": True, "ad_port": 636, "ad_mode": "ldaps", "ad_validate_certs": False,
        "ad_secondary_server": "ldap2.example.org", "ad_bind_dn": "cn=reader,dc=example,dc=org", "ad_password": "hush-hush",
        "ad_filter": "(a=b)", "ad_user_classes": "person, user", "ad_group_filter": "(c=d)", "ad_group_classes": "group",
        "ad_group_name_attr": "cn",
        "ad_sync_defaults_options": {"scope": "both", "enable_new": False, "remove_vanished": "entry;acl"},
    }
    assert realm(**options)["changed"]
    assert settings(cluster) == {
        **STORED, "comment": "Office", "default": 1, "port": 636, "mode": "ldaps", "verify": 0, "server2": "ldap2.example.org",
        "bind_dn": "cn=reader,dc=example,dc=org", "password": "hush-hush", "filter": "(a=b)",
        "user_classes": "person, user", "group_filter": "(c=d)", "group_classes": "group", "group_name_attr": "cn",
        "sync-defaults-options": "enable-new=0,remove-vanished=entry;acl,scope=both",
    }
    assert not realm(**options)["changed"]


def test_an_openid_realm_has_all_its_settings(realm, cluster):
    switches = ["autocreate", "query-userinfo", "groups-autocreate", "groups-overwrite"]
    texts = {"username-claim": "email", "scopes": "email profile", "prompt": "login", "acr-values": "a",
             "audiences": "other", "groups-claim": "groups"}
    options = {**OPENID, "openid_client_key": "hush-hush"}
    options |= {f"openid_{name.replace('-', '_')}": True for name in switches}
    options |= {f"openid_{name.replace('-', '_')}": value for name, value in texts.items()}
    assert realm(**options)["changed"]
    assert settings(cluster) == {
        "type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox", "client-key": "hush-hush",
        **dict.fromkeys(switches, 1), **texts,
    }
    assert not realm(**options)["changed"]


def test_options_of_a_synchronisation_are_no_ordered_text(realm, cluster, asked):
    cluster.patch(realms={"office": {**STORED, "sync-defaults-options": "scope=both,remove-vanished=acl;entry,enable-new=1"}})
    same = {"scope": "both", "enable_new": True, "remove_vanished": "entry,acl"}
    assert not realm(**LDAP, ldap_sync_defaults_options=same)["changed"]
    assert asked() == [READ]

    assert realm(**LDAP, ldap_sync_defaults_options={**same, "enable_new": False})["changed"]
    assert "enable-new=0" in settings(cluster)["sync-defaults-options"]


def test_an_empty_value_takes_a_setting_away(realm, cluster):
    cluster.patch(realms={"office": {**STORED, "comment": "Office", "filter": "(a=b)", "sync-defaults-options": "scope=both"}})
    assert realm(**LDAP, comment="", ldap_filter="", ldap_sync_defaults_options={})["changed"]
    assert settings(cluster) == STORED
    assert not realm(**LDAP, comment="", ldap_filter="", ldap_sync_defaults_options={})["changed"]


def test_a_switch_that_is_as_the_server_has_it_is_no_change(realm, cluster, asked):
    cluster.patch(realms={"office": {"type": "ad", "domain": "example.org", "server1": "ad.example.org"}})
    assert not realm(**AD, ad_case_sensitive=True, ad_validate_certs=False, default=False)["changed"]
    assert asked() == [READ]


def test_another_default_realm_takes_the_place_of_the_first(realm, cluster):
    cluster.patch(realms={"office": {**STORED, "default": 1}})
    assert realm(**OPENID, realm="sso", default=True)["changed"]
    assert "default" not in settings(cluster)
    assert settings(cluster, "sso")["default"] == 1


# ------------------------------------------------------------------------------------------------------------ secrets


def test_a_bind_password_goes_with_another_change_or_when_it_is_said(realm, cluster, asked):
    cluster.patch(realms={"office": {**STORED, "password": "first-secret"}})
    result = realm(**LDAP, ldap_password="second-secret")
    assert not result["changed"] and asked() == [READ]
    assert settings(cluster)["password"] == "first-secret"

    result = realm(**LDAP, ldap_password="second-secret", comment="Office", diff=True)
    assert result["changed"] and asked() == [READ, CHANGE]
    assert settings(cluster)["password"] == "second-secret"
    assert "second-secret" not in str(result)

    for _ in range(2):
        result = realm(**LDAP, ldap_password="third-secret", update_password="always", diff=True)
        assert result["changed"] and result["msg"] == "Domain office edited."
        assert result["diff"]["after"]["password"] == "********"
        assert asked() == [READ, CHANGE]
    assert settings(cluster)["password"] == "third-secret"


def test_check_mode_writes_no_password(realm, cluster, asked):
    cluster.patch(realms={"office": {**STORED, "password": "first-secret"}})
    result = realm(**LDAP, ldap_password="second-secret", update_password="always", check=True)
    assert result["changed"] and result["msg"] == "Domain office would be edited."
    assert asked() == [READ]


def test_a_client_key_is_compared_and_never_shown(realm, cluster, asked):
    cluster.patch(realms={"office": {"type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox",
                                     "client-key": "first-secret"}})
    assert not realm(**OPENID, openid_client_key="first-secret")["changed"]
    assert asked() == [READ]
    result = realm(**OPENID, openid_client_key="second-secret", diff=True)
    assert result["changed"] and result["msg"] == "Domain office edited."
    assert "first-secret" not in str(result) and "second-secret" not in str(result)
    assert settings(cluster)["client-key"] == "second-secret"
    assert not realm(**OPENID, openid_client_key="second-secret")["changed"]


# -------------------------------------------------------------------------------------------------- what it does not do


def test_a_realm_keeps_its_type(realm, cluster, asked):
    sso = {"type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox"}
    cluster.patch(realms={"office": sso})
    result = realm(**LDAP)
    assert not result["changed"] and result["msg"] == "Domain office already exists."
    assert result["warnings"] == [
        "the realm `office` is of type openid, and a realm keeps its type: settings that only a realm of type ldap has "
        "are not written"
    ]
    result = realm(**LDAP, comment="Office")
    assert result["changed"] and len(result["warnings"]) == 1
    assert settings(cluster) == {**sso, "comment": "Office"}


def test_a_realm_keeps_its_username_claim(realm, cluster, asked):
    sso = {"type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox", "username-claim": "email"}
    cluster.patch(realms={"office": sso})
    result = realm(**OPENID, openid_username_claim="upn", openid_autocreate=True)
    assert result["changed"]
    assert result["warnings"] == ["the realm `office` keeps the username claim that it was made with, `email`"]
    assert settings(cluster) == {**sso, "autocreate": 1}
    assert asked() == [READ, CHANGE]


@pytest.mark.parametrize("name", ["pam", "pve"])
@pytest.mark.parametrize("options, verb", [({**LDAP}, "changed"), ({"state": "absent"}, "removed")])
@pytest.mark.parametrize("check", [False, True])
def test_the_servers_own_realms_are_refused(realm, cluster, name, options, verb, check):
    result = realm(realm=name, check=check, **options)
    assert result["failed"]
    assert result["msg"] == f"the realm `{name}` is built into Proxmox VE and cannot be {verb}"
    assert cluster.requests() == []


@pytest.mark.parametrize("options, message", [
    ({**LDAP, "ldap_base_dn": ""}, "ldap_base_dn is empty, and a realm of type ldap needs it"),
    ({**LDAP, "ldap_sync_defaults_options": {"remove_vanished": "all"}},
     "remove_vanished: `all` is none of acl, properties, entry, none"),
])
def test_what_cannot_be_is_refused_before_the_server_is_asked(realm, cluster, options, message):
    result = realm(**options)
    assert result["failed"] and result["msg"] == message
    assert cluster.requests() == []


@pytest.mark.parametrize("kind", ["ad", "ldap", "openid"])
def test_a_realm_is_removed_without_the_options_of_its_type(realm, cluster, kind):
    cluster.patch(realms={"office": STORED})
    assert realm(state="absent", type=kind)["changed"]
    assert settings(cluster) is None


def test_without_the_privilege_it_is_named_with_its_path(ferrox, cluster, connection):
    result = ferrox("proxmox_domain", {**connection, "api_user": "audit@pve", "realm": "office", "state": "present", **LDAP})
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        "unable to create realm `office`: POST /access/domains answered 403: "
        "Permission check failed (/access/realm, Realm.Allocate). The caller lacks Realm.Allocate on /access/realm; "
        "a token with privilege separation needs it itself, beside its user"
    )
    assert settings(cluster) is None


def test_what_the_server_says_of_a_value_is_told(realm, cluster):
    cluster.fault(method="POST", path="/access/domains", status=400, message="Parameter verification failed.\n",
                  errors={"server1": "invalid format - value does not look like a valid address\n"})
    result = realm(**LDAP)
    assert result["failed"] and not result["changed"]
    assert "server1: invalid format" in result["msg"]
    assert list(result["failure"]["errors"]) == ["server1"]


def test_a_write_whose_answer_was_lost_is_not_done_twice(realm, cluster):
    cluster.fault(method="POST", path="/access/domains", drop="after-effect")
    result = realm(**LDAP)
    assert result["changed"] and result["msg"] == "Domain office added."
    assert settings(cluster) == STORED

    cluster.fault(method="DELETE", path="/access/domains/office", drop="after-effect")
    result = realm(state="absent")
    assert result["changed"] and not result.get("failed")
    assert settings(cluster) is None


def test_a_password_serves_as_well_as_a_token(ferrox, cluster, connection):
    by_password = {key: connection[key] for key in ("api_host", "ca_path")}
    by_password |= {"api_user": "root@pam", "api_password": "secret", "realm": "office", "state": "present", **LDAP}
    assert ferrox("proxmox_domain", by_password)["changed"]
    assert not ferrox("proxmox_domain", by_password)["changed"]


def test_on_8_a_setting_that_is_new_is_refused_by_its_name(ferrox):
    with FakeCluster(seed="demo", time_scale=0, major=8) as eight:
        options = {
            "api_host": f"{eight.host}:{eight.port}", "ca_path": eight.ca_path, "api_user": eight.api_user,
            "api_token_id": eight.api_token_id, "api_token_secret": eight.api_token_secret,
            "realm": "office", "state": "present", **OPENID,
        }
        result = ferrox("proxmox_domain", {**options, "openid_audiences": "other"})
        assert result["failed"] and "audiences" in result["failure"]["errors"]
        assert ferrox("proxmox_domain", options)["changed"]


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_domain": {**connection, "realm": "office", "state": "present", **LDAP, "ad_port": 389}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
