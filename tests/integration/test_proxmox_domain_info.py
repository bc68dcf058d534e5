# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_domain_info: all realms in short, or one with its settings."""

from __future__ import annotations

import pytest

PAM = {"realm": "pam", "type": "pam", "comment": "Linux PAM standard authentication"}


@pytest.fixture
def info(ferrox, connection):
    """Runs the module: info(domain="pve") -> result."""

    def run(check=False, diff=False, **options):
        return ferrox("proxmox_domain_info", {**connection, **options}, check=check, diff=diff)

    return run


def test_a_token_without_its_secret_says_what_is_missing(ferrox, cluster, connection):
    del connection["api_token_secret"]
    result = ferrox("proxmox_domain_info", connection)
    assert result["failed"]
    assert result["msg"] == "parameters are required together: api_token_id, api_token_secret"
    assert cluster.requests() == []


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("domain", [{}, {"domain": ""}])
def test_all_realms_are_one_request(info, asked, check, domain):
    result = info(check=check, diff=True, **domain)
    assert not result["changed"] and "diff" not in result
    assert [realm["realm"] for realm in result["proxmox_domains"]] == ["pam", "pve"]
    assert PAM in result["proxmox_domains"]
    assert asked() == ["GET /access/domains"]


@pytest.mark.parametrize("option", ["domain", "realm", "name"])
def test_a_realm_that_is_missing_is_said_to_be(info, cluster, asked, option):
    cluster.fault(method="GET", path="/access/domains/nowhere", status=500, message="domain 'nowhere' does not exist\n")
    result = info(**{option: "nowhere"})
    assert result["failed"] and result["msg"] == "Domain 'nowhere' does not exist"
    assert asked() == ["GET /access/domains/nowhere"]


def test_what_may_not_be_read_is_not_said_to_be_missing(info, cluster):
    cluster.fault(method="GET", path="/access/domains/pve", status=403,
                  message="Permission check failed (/access/realm, Realm.Allocate|Sys.Audit)\n")
    result = info(domain="pve")
    assert result["failed"]
    assert result["msg"] == (
        "unable to read realm `pve`: GET /access/domains/pve answered 403: Permission check failed "
        "(/access/realm, Realm.Allocate|Sys.Audit). The caller lacks Realm.Allocate or Sys.Audit on /access/realm; "
        "a token with privilege separation needs it itself, beside its user"
    )
    assert result["failure"]["status"] == 403


def test_a_realm_is_shown_without_its_secret(info, cluster, asked):
    cluster.patch(realms={"sso": {"type": "openid", "issuer-url": "https://sso.example.org", "client-id": "proxmox",
                                   "client-key": "hush", "comment": "Single sign-on"}})
    result = info(domain="sso")
    assert not result["changed"]
    (realm,) = result["proxmox_domains"]
    assert realm.pop("digest", "")
    assert realm == {"realm": "sso", "type": "openid", "issuer-url": "https://sso.example.org",
                     "client-id": "proxmox", "comment": "Single sign-on"}
    assert asked() == ["GET /access/domains/sso"]


def test_the_list_is_told_to_anyone_and_settings_are_not(info, asked):
    wrong = {"api_token_secret": "00000000-0000-4000-8000-000000000000"}
    assert len(info(**wrong)["proxmox_domains"]) == 2
    assert asked() == ["GET /access/domains"]
    result = info(**wrong, domain="pve")
    assert result["failed"] and result["failure"]["status"] == 401
