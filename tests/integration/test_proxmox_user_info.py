# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_user_info: who there is, in one request, and why one may not be shown."""

from __future__ import annotations

import pytest

TOKEN = {"secret": "00000000-0000-4000-8000-000000000001"}
ADA = {
    "userid": "ada@pve", "user": "ada", "domain": "pve", "enabled": True, "expire": 0, "email": "ada@example.com",
    "comment": "engine", "firstname": "Ada", "lastname": "Lovelace", "keys": "x!yubico", "groups": ["ops", "web"],
    "tokens": [
        {"tokenid": "ci", "comment": "builds", "expire": 0, "privsep": True},
        {"tokenid": "deploy", "expire": 1924988400, "privsep": False},
    ],
}
NAMESAKE = {"userid": "ada@pam", "user": "ada", "domain": "pam", "enabled": False, "expire": 1924988400, "email": "",
            "groups": [], "tokens": []}
LIST, ONE = "GET /access/users?full=1", "GET /access/users/ada@pve"


@pytest.fixture
def users(ferrox, cluster, connection):
    """Runs the module: users(userid=…) -> result. Two of one name are there, beside those of the seed."""
    cluster.patch(
        groups={"web": {"users": ["ada@pve"]}, "ops": {"users": ["prov@pve", "ada@pve"]}},
        users={
            "ada@pve": {
                "email": "ada@example.com", "comment": "engine", "firstname": "Ada", "lastname": "Lovelace",
                "keys": "x!yubico",
                "tokens": {"deploy": {**TOKEN, "privsep": 0, "expire": 1924988400}, "ci": {**TOKEN, "comment": "builds"}},
            },
            "ada@pam": {"enable": 0, "expire": 1924988400},
        },
    )

    def run(check=False, **options):
        return ferrox("proxmox_user_info", {**connection, **options}, check=check)

    return run


def told(result):
    """The users of a result, without what only the list says of them."""
    assert not result.get("failed") and not result["changed"]
    return [{key: value for key, value in user.items() if key != "realm-type"} for user in result["proxmox_users"]]


def ids(result):
    return [user["userid"] for user in told(result)]


def requests(cluster):
    return [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()]


@pytest.mark.parametrize("check", [False, True])
def test_all_users_are_listed_by_one_request(users, cluster, check):
    result = users(check=check)
    everybody = sorted(cluster.state()["users"])
    assert ids(result) == everybody and len(everybody) > 5
    assert told(result)[everybody.index("ada@pve")] == ADA
    assert told(result)[everybody.index("ada@pam")] == NAMESAKE
    assert requests(cluster) == [LIST]


@pytest.mark.parametrize("option", ["domain", "realm"])
def test_the_users_of_a_realm(users, cluster, option):
    assert ids(users(**{option: "pam"})) == ["ada@pam", "ansible@pam", "root@pam"]
    assert ids(users(**{option: "nowhere"})) == []
    assert requests(cluster) == [LIST, LIST]


@pytest.mark.parametrize("options", [{"userid": "ada@pve"}, {"user": "ada", "domain": "pve"}, {"name": "ada", "realm": "pve"}])
def test_one_user_looks_as_in_the_list(users, cluster, options):
    assert told(users(**options)) == [ADA]
    assert requests(cluster) == [ONE]


def test_a_name_without_a_realm_is_looked_for_in_all_realms(users, cluster):
    assert told(users(user="ada")) == [NAMESAKE, ADA]
    assert told(users(user="nobody")) == []
    assert requests(cluster) == [LIST, LIST]


def test_a_text_that_is_empty_asks_for_all(users):
    assert len(ids(users(user="", domain=""))) > 5
    assert len(ids(users(userid=""))) > 5


@pytest.mark.parametrize("options", [{"userid": "nobody@pve"}, {"user": "nobody", "domain": "pve"}])
def test_a_user_who_does_not_exist_is_an_empty_list(users, options):
    assert told(users(**options)) == []


@pytest.mark.parametrize("options", [{"userid": "ada@pve"}, {"user": "ada", "domain": "pve"}])
def test_a_user_who_may_not_be_seen_is_not_said_to_be_absent(users, connection, options):
    result = users(api_user="prov@pve", **options)
    assert result["failed"] and "proxmox_users" not in result
    assert result["msg"].startswith("unable to read user `ada@pve`: GET /access/users/ada@pve answered 403")
    assert result["failure"]["status"] == 403


@pytest.mark.parametrize("options", [{}, {"userid": "ada@pve"}])
def test_a_login_that_fails_is_not_an_empty_list(users, options):
    result = users(api_token_secret="00000000-0000-4000-8000-000000000000", **options)
    assert result["failed"] and "401" in result["msg"]


def test_what_is_no_user_is_told_before_anything_is_asked(users, cluster):
    result = users(userid="ada")
    assert result["failed"] and result["msg"] == "userid `ada` is not of the form name@realm"
    assert cluster.requests() == []


def test_a_lost_answer_is_asked_for_again(users, cluster):
    cluster.fault(method="GET", path="/access/users", drop="after-effect")
    assert "ada@pve" in ids(users())


@pytest.mark.parametrize(
    "options, pair",
    [({"user": "ada", "userid": "ada@pve"}, "user|userid"), ({"domain": "pve", "userid": "ada@pve"}, "domain|userid")],
)
def test_name_and_realm_stand_in_userid_already(users, cluster, options, pair):
    result = users(**options)
    assert result["failed"] and result["msg"] == f"parameters are mutually exclusive: {pair}"
    assert cluster.requests() == []
