# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_user: a user with groups, password and tokens, as community.proxmox has it, less its defects."""

from __future__ import annotations

import json
import re

import pytest

ADA = "ada@pve"
READ = f"GET /access/users/{ADA}"
PUT = f"PUT /access/users/{ADA}"
POST = "POST /access/users"
LOGIN = "POST /access/ticket"
TOKENS = f"/access/users/{ADA}/token"
PASSWORD = "analytical-engine"
OTHER = "difference-engine"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def user(ferrox, connection):
    """Runs the module for Ada: user(groups=…, check=True) -> result. `caller` takes the place of the token."""

    def run(userid=ADA, check=False, diff=False, verbosity=0, caller=None, **options):
        return ferrox("proxmox_user", {**(caller or connection), "userid": userid, **options}, check=check, diff=diff,
                      verbosity=verbosity)

    return run


@pytest.fixture
def root(connection):
    """The connection options of one who has logged in with a password."""
    return {key: connection[key] for key in ("api_host", "ca_path")} | {"api_user": "root@pam", "api_password": "secret"}


@pytest.fixture
def groups(cluster):
    cluster.patch(groups={"ops": {"users": []}, "web": {"users": []}})


def of(cluster, userid=ADA):
    """What the server has of a user; None where there is none."""
    return cluster.state()["users"].get(userid)


def groups_of(cluster, userid=ADA):
    return {name for name, group in cluster.state()["groups"].items() if userid in group["users"]}


def with_tokens(cluster, **tokens):
    """Ada is there, with these tokens."""
    secret = "00000000-0000-4000-8000-000000000001"
    cluster.patch(users={ADA: {"tokens": {name: {"secret": secret, **token} for name, token in tokens.items()}}})


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_userid_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_user", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: userid"
    assert cluster.requests() == []


def test_a_token_without_a_name_says_what_is_missing(user, cluster):
    result = user(tokens=[{"comment": "builds"}])
    assert result["failed"] and result["msg"] == "missing required arguments: tokenid found in tokens"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_user_and_writes_nothing(user, cluster, asked):
    result = user(comment="engine", password=PASSWORD, tokens=[{"tokenid": "ci"}], check=True, diff=True)
    assert result["changed"] and "secrets" not in result
    assert (result["userid"], result["msg"]) == (ADA, f"Would create user {ADA} (check mode)")
    assert result["diff"]["before"] == {}
    after = result["diff"]["after"]
    assert (after["comment"], after["groups"], set(after["tokens"])) == ("engine", [], {"ci"})
    assert asked() == [READ]
    assert of(cluster) is None


def test_it_is_created_once(user, cluster, asked, groups):
    fields = {"firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.com", "comment": "engine",
              "expire": 1924988400}
    options = {**fields, "groups": ["web", "ops"], "password": PASSWORD}
    result = user(**options)
    assert result["changed"] and result["msg"] == f"Created user {ADA}" and result["secrets"] == {}
    have = of(cluster)
    assert {key: have[key] for key in fields} == fields
    assert (have["enable"], have["password"], groups_of(cluster)) == (1, PASSWORD, {"ops", "web"})
    assert asked() == [READ, POST]

    del options["password"]
    result = user(**options)
    assert not result["changed"] and result["msg"] == f"User {ADA} already up to date" and "secrets" not in result
    assert asked() == [READ]


def test_what_differs_is_written_in_one_request_and_what_is_not_stated_stays(user, cluster, asked, groups):
    user(comment="engine", firstname="Ada", groups=["ops"], keys="x!yubico", expire=1924988400, enable=False)
    asked()
    result = user(comment="engines", check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Would update {ADA} (check mode)"
    assert asked() == [READ]
    assert of(cluster)["comment"] == "engine"

    result = user(comment="engines")
    assert result["changed"] and result["msg"] == f"User {ADA} updated" and result["secrets"] == {}
    have = of(cluster)
    assert (have["comment"], have["firstname"], have["keys"], groups_of(cluster)) == ("engines", "Ada", "x!yubico", {"ops"})
    # As in community.proxmox, who does not say otherwise means a user who may log in for ever.
    assert (have["enable"], have["expire"]) == (1, 0)
    assert asked() == [READ, PUT]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(user, cluster, asked, groups):
    user(comment="engine", groups=["ops"], tokens=[{"tokenid": "ci"}, {"tokenid": "old"}])
    before = cluster.state()
    asked()
    result = user(comment="engines", groups=["web"], tokens=[{"tokenid": "ci", "privsep": False}], check=True, diff=True)
    assert result["changed"]
    sides = result["diff"]["before"], result["diff"]["after"]
    assert [(side["comment"], side["groups"]) for side in sides] == [("engine", ["ops"]), ("engines", ["web"])]
    assert [{name: token["privsep"] for name, token in side["tokens"].items()} for side in sides] == [
        {"ci": True, "old": True}, {"ci": False}]
    assert asked() == [READ]
    assert cluster.state() == before


def test_it_is_removed_once(user, cluster, asked):
    user()
    asked()
    result = user(state="absent", check=True, diff=True)
    assert result["changed"] and result["msg"] == f"Would deleted user with ID {ADA} (check mode)"
    assert result["diff"]["after"] == {} and result["diff"]["before"]["userid"] == ADA
    assert asked() == [READ]

    result = user(state="absent")
    assert result["changed"] and result["msg"] == f"Deleted user with ID {ADA}" and "secrets" not in result
    assert of(cluster) is None
    assert asked() == [READ, f"DELETE /access/users/{ADA}"]

    result = user(state="absent")
    assert not result["changed"] and result["msg"] == f"User {ADA} doesn't exist"
    assert asked() == [READ]


def test_name_is_another_word_for_userid(ferrox, cluster, connection):
    assert ferrox("proxmox_user", {**connection, "name": ADA})["changed"]
    assert of(cluster)


# ---------------------------------------------------------------------------------------------------------- its groups


def test_the_order_of_groups_is_no_difference(user, groups):
    user(groups=["web", "ops"])
    assert not user(groups=["ops", "web"])["changed"]
    assert not user(groups=["web", "ops"])["changed"]


def test_an_empty_list_takes_the_user_out_of_all_groups(user, cluster, groups):
    user(groups=["ops", "web"])
    assert user(groups=[])["changed"]
    assert groups_of(cluster) == set()
    assert not user(groups=[])["changed"]


def test_an_unknown_group_is_named_and_nothing_is_written(user, cluster, groups):
    user(tokens=[{"tokenid": "ci"}])
    before = cluster.state()
    result = user(comment="engine", groups=["ops", "nope"], tokens=[{"tokenid": "other"}])
    assert result["failed"] and not result["changed"]
    assert "no such group 'nope'" in result["msg"]
    assert cluster.state() == before


# -------------------------------------------------------------------------------------------------------- its password


def test_a_password_is_compared_and_written_where_it_differs(user, cluster, root, asked):
    user(password=PASSWORD, caller=root)
    asked()
    result = user(password=PASSWORD, caller=root)
    assert not result["changed"] and result["msg"] == f"User {ADA} already up to date"
    assert asked() == [LOGIN, READ, LOGIN]

    assert user(password=OTHER, caller=root, check=True)["changed"]
    assert of(cluster)["password"] == PASSWORD
    asked()

    result = user(password=OTHER, caller=root)
    assert result["changed"] and result["msg"] == f"User {ADA} updated"
    assert of(cluster)["password"] == OTHER
    assert asked() == [LOGIN, READ, LOGIN, "PUT /access/password"]
    assert not user(password=OTHER, caller=root)["changed"]


def test_other_changes_and_a_password_are_written_in_one_run(user, cluster, root):
    user(password=PASSWORD)
    result = user(password=OTHER, comment="engine", tokens=[{"tokenid": "ci"}], caller=root)
    assert result["changed"] and set(result["secrets"]) == {"ci"}
    have = of(cluster)
    assert (have["password"], have["comment"], set(have["tokens"])) == (OTHER, "engine", {"ci"})


def test_a_token_leaves_another_password_as_it_is_and_says_so(user, cluster, asked):
    user(password=PASSWORD)
    asked()
    result = user(password=OTHER, comment="engine")
    assert result["changed"] and not result.get("failed")
    assert result["warnings"] == [
        f"the password of user `{ADA}` is not the one that is stated, and stays as it is: the server lets nobody change "
        "passwords but a user who has logged in with one, and the caller is the token `ansible@pam!mms`"
    ]
    assert (of(cluster)["password"], of(cluster)["comment"]) == (PASSWORD, "engine")
    assert asked() == [READ, LOGIN, PUT]

    result = user(password=OTHER, comment="engine")
    assert not result["changed"] and len(result["warnings"]) == 1


def test_a_token_may_state_the_password_that_the_user_has(user):
    user(password=PASSWORD)
    result = user(password=PASSWORD)
    assert not result["changed"] and "warnings" not in result


def test_the_password_of_one_who_is_disabled_is_written_each_time(user, cluster, root):
    user(password=PASSWORD, enable=False)
    for _ in range(2):
        result = user(password=OTHER, enable=False, caller=root)
        assert result["changed"] and "it is written each time" in result["warnings"][0]
        assert of(cluster)["password"] == OTHER
    result = user(password=OTHER, enable=False)
    assert not result["changed"] and "cannot be compared" in result["warnings"][0]


def test_an_empty_password_is_none_for_a_user_who_is_there(user, cluster, root):
    user(password=PASSWORD)
    assert not user(password="", caller=root)["changed"]
    assert of(cluster)["password"] == PASSWORD
    result = user("john@pve", password="")
    assert result["failed"] and result["msg"] == "the password of user `john@pve` must have 8 to 64 characters"


# ---------------------------------------------------------------------------------------------------------- its tokens


def test_a_token_is_made_once_and_its_secret_told(user, cluster, asked):
    tokens = [{"tokenid": "ci", "comment": "builds", "privilege_separation": False}, {"name": "deploy", "expire": 1924988400}]
    result = user(tokens=tokens)
    assert result["changed"] and set(result["secrets"]) == {"ci", "deploy"}
    have = of(cluster)["tokens"]
    assert result["secrets"] == {name: token["secret"] for name, token in have.items()}
    assert (have["ci"]["comment"], have["ci"]["privsep"], have["ci"]["expire"]) == ("builds", 0, 0)
    assert (have["deploy"]["privsep"], have["deploy"]["expire"]) == (1, 1924988400)
    assert sorted(asked()) == sorted([READ, POST, f"POST {TOKENS}/ci", f"POST {TOKENS}/deploy"])

    result = user(tokens=tokens[::-1])
    assert not result["changed"] and "secrets" not in result
    assert asked() == [READ]
    assert of(cluster)["tokens"] == have


def test_a_secret_stands_nowhere_but_in_secrets(user):
    result = user(tokens=[{"tokenid": "ci"}], diff=True, verbosity=4)
    secret = result["secrets"].pop("ci")
    assert UUID.fullmatch(secret)
    assert secret not in json.dumps(result) and secret not in result.stderr


def test_a_token_is_changed_in_place(user, cluster, asked):
    user(tokens=[{"tokenid": "ci"}])
    secret = of(cluster)["tokens"]["ci"]["secret"]
    asked()
    result = user(tokens=[{"tokenid": "ci", "comment": "builds", "privsep": False, "expire": 1924988400}])
    assert result["changed"] and result["msg"] == f"User {ADA} updated" and result["secrets"] == {}
    assert of(cluster)["tokens"]["ci"] == {"comment": "builds", "privsep": 0, "expire": 1924988400, "secret": secret}
    assert asked() == [READ, f"PUT {TOKENS}/ci"]


def test_without_tokens_the_tokens_of_the_user_stay(user, cluster, asked):
    with_tokens(cluster, ci={}, deploy={"privsep": 0})
    before = of(cluster)["tokens"]
    assert not user()["changed"]
    assert user(comment="engine")["changed"]
    assert of(cluster)["tokens"] == before
    assert asked() == [READ, READ, PUT]


def test_tokens_that_are_not_in_the_list_are_removed_and_named(user, cluster, asked):
    with_tokens(cluster, ci={}, old={}, older={})
    for check in (True, False):
        result = user(tokens=[{"tokenid": "ci"}], check=check)
        assert result["changed"]
        assert result["warnings"] == [f"the tokens of user `{ADA}` that are not in the list are removed: old,older"]
    assert set(of(cluster)["tokens"]) == {"ci"}
    asked()
    assert user(tokens=[])["changed"]
    assert of(cluster)["tokens"] == {}
    assert asked() == [READ, f"DELETE {TOKENS}/ci"]
    assert not user(tokens=[])["changed"]


def test_the_note_on_a_token_stays_where_it_is_not_stated(user, cluster):
    with_tokens(cluster, ci={"comment": "builds"})
    assert not user(tokens=[{"tokenid": "ci"}])["changed"]
    assert user(tokens=[{"tokenid": "ci", "comment": ""}])["changed"]
    assert not of(cluster)["tokens"]["ci"].get("comment")


@pytest.mark.parametrize(
    "tokens, why",
    [
        ([{"tokenid": "ci"}, {"tokenid": "ci"}], f"the token `{ADA}!ci` is stated twice"),
        ([{"tokenid": "c"}], "`c` is no name of a token"),
        ([{"tokenid": "john@pve!ci"}], "is the token of another user than userid"),
    ],
)
def test_tokens_that_cannot_be_are_refused_before_anything_is_written(user, cluster, tokens, why):
    result = user(comment="engine", tokens=tokens)
    assert result["failed"] and why in result["msg"]
    assert cluster.stats()["writes"] == 0


def test_the_secret_of_a_token_is_told_though_another_write_fails(user, cluster):
    cluster.fault(method="POST", path=f"{TOKENS}/deploy", status=500, message="update failed\n")
    user()
    result = user(tokens=[{"tokenid": "ci"}, {"tokenid": "deploy"}])
    assert result["failed"] and "deploy" in result["msg"]
    made = of(cluster)["tokens"]
    assert result["secrets"] == {name: token["secret"] for name, token in made.items()}


def test_the_tokens_that_go_with_a_user_are_told(user, cluster):
    with_tokens(cluster, ci={}, deploy={})
    for check in (True, False):
        result = user(state="absent", check=check)
        assert result["changed"]
        assert result["warnings"] == [f"with the user `{ADA}` its 2 tokens are removed: ci,deploy"]
    assert of(cluster) is None


# ------------------------------------------------------------------------------------------------ what it does not do


@pytest.mark.parametrize("check", [False, True])
def test_root_cannot_be_removed(user, cluster, check):
    before = cluster.state()
    result = user("root@pam", state="absent", check=check)
    assert result["failed"]
    assert result["msg"] == "the user `root@pam` cannot be removed: the server would keep it and remove its tokens"
    assert cluster.state() == before


@pytest.mark.parametrize("userid", ["ada", "ada@pve!ci", "ada lovelace@pve"])
def test_what_is_no_user_is_refused_before_anything_is_asked(user, cluster, userid):
    result = user(userid)
    assert result["failed"] and f"userid `{userid}` is not of the form name@realm" in result["msg"]
    assert cluster.requests() == []


def test_without_the_right_the_server_s_text_is_told(user, connection, cluster):
    audit = {**connection, "api_user": "audit@pve"}
    result = user("prov@pve", comment="x", caller=audit)
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to change user `prov@pve`: PUT /access/users/prov@pve answered 403: ")
    assert result["failure"]["privilege"] == "User.Modify"
    result = user("prov@pve", comment="x", caller={**connection, "api_token_id": "separate"})
    assert result["msg"].startswith("unable to read user `prov@pve`: GET /access/users/prov@pve answered 403: ")


def test_a_write_whose_answer_was_lost_is_not_done_twice(user, cluster, groups):
    cluster.fault(method="POST", path="/access/users", drop="after-effect")
    result = user(comment="engine", groups=["ops"])
    assert result["changed"] and not result.get("failed")
    assert groups_of(cluster) == {"ops"}
    cluster.fault(method="DELETE", path=f"/access/users/{ADA}", drop="after-effect")
    result = user(state="absent")
    assert result["changed"] and not result.get("failed")
    assert of(cluster) is None


def test_password_and_keys_are_shown_nowhere(user, root):
    told = []
    for options in ({"password": PASSWORD, "keys": "vvccccdevice"}, {"password": OTHER, "keys": "vvccccanother"}):
        result = user(**options, caller=root, diff=True, verbosity=4)
        assert result["changed"]
        told += [json.dumps(result), result.stderr]
    for secret in (PASSWORD, OTHER, "vvccccdevice", "vvccccanother"):
        assert not [text for text in told if secret in text]


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.proxmox_user": {**connection, "name": ADA, "password": PASSWORD, "tokens": [{"tokenid": "ci"}]}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
    assert UUID.fullmatch(run.results[0]["secrets"]["ci"])
