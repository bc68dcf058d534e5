# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_user: a user from nothing to nothing, and who may give a password to whom."""

from __future__ import annotations

import json

import pytest

ADA = "ada@pve"
READ = f"GET /access/users/{ADA}"
PUT = f"PUT /access/users/{ADA}"
PASSWORD = "analytical-engine"
OTHER = "difference-engine"


@pytest.fixture
def user(ferrox, connection):
    """Runs the module for Ada: user(groups=…, check=True) -> result. `caller` takes the place of the token."""

    def run(userid=ADA, check=False, diff=False, verbosity=0, caller=None, **options):
        return ferrox("pveum_user", {**(caller or connection), "userid": userid, **options}, check=check, diff=diff,
                      verbosity=verbosity)

    return run


@pytest.fixture
def root(connection):
    """The connection options of one who has logged in with a password."""
    return {key: connection[key] for key in ("api_host", "ca_path")} | {"api_user": "root@pam", "api_password": "secret"}


@pytest.fixture
def groups(cluster):
    cluster.patch(groups={"ops": {"users": []}, "web": {"users": []}, "lab": {"users": []}})


def of(cluster, userid=ADA):
    """What the server has of a user; None where there is none."""
    return cluster.state()["users"].get(userid)


def groups_of(cluster, userid=ADA):
    return {name for name, group in cluster.state()["groups"].items() if userid in group["users"]}


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_userid_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("pveum_user", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: userid"
    assert cluster.requests() == []


def test_append_without_groups_says_what_is_missing(user, cluster):
    result = user(append=True)
    assert result["failed"] and result["msg"] == "append is True but all of the following are missing: groups"
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_user_and_writes_nothing(user, cluster, asked):
    result = user(comment="engine", password=PASSWORD, check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"] == {}
    after = result["diff"]["after"]
    assert (after["userid"], after["enable"], after["comment"], after["groups"]) == (ADA, True, "engine", [])
    assert after["password"] == "******** (written)"
    assert asked() == [READ]
    assert of(cluster) is None


def test_it_is_created_once(user, cluster, asked, groups):
    fields = {"firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.com", "comment": "engine",
              "expire": 1924988400, "groups": ["web", "ops"]}
    result = user(**fields)
    assert result["changed"] and not result.get("failed")
    assert result["user"] == {"userid": ADA, "enable": True, **fields, "groups": ["ops", "web"]}
    have = of(cluster)
    assert all(have[key] == value for key, value in fields.items() if key != "groups")
    assert have["password"] is None and groups_of(cluster) == {"ops", "web"}
    assert asked() == [READ, "POST /access/users"]

    result = user(**fields)
    assert not result["changed"] and result["user"]["groups"] == ["ops", "web"]
    assert asked() == [READ]


def test_what_is_not_stated_stays(user, cluster, asked, groups):
    user(comment="engine", groups=["ops"], enable=False, expire=1924988400, keys="abcdef")
    before = of(cluster)
    asked()
    assert not user()["changed"]
    assert user(email="ada@example.com")["changed"]
    assert of(cluster) == {**before, "email": "ada@example.com"} and groups_of(cluster) == {"ops"}
    assert asked() == [READ, READ, PUT]


def test_what_differs_is_written_in_one_request(user, cluster, asked, groups):
    user(comment="engine", groups=["ops"])
    asked()
    result = user(comment="", enable=False, expire=1924988400, groups=["web"])
    assert result["changed"]
    assert (result["user"]["comment"], result["user"]["enable"], result["user"]["groups"]) == ("", False, ["web"])
    have = of(cluster)
    assert (have["enable"], have["expire"], have.get("comment", "")) == (0, 1924988400, "")
    assert groups_of(cluster) == {"web"}
    assert asked() == [READ, PUT]
    assert not user(comment="", enable=False, expire=1924988400, groups=["web"])["changed"]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(user, cluster, asked, groups):
    user(comment="engine", groups=["ops"])
    before = cluster.state()
    asked()
    result = user(comment="engines", groups=["web"], check=True, diff=True)
    assert result["changed"]
    told = [(side["comment"], side["groups"]) for side in (result["diff"]["before"], result["diff"]["after"])]
    assert told == [("engine", ["ops"]), ("engines", ["web"])]
    assert asked() == [READ]
    assert cluster.state() == before


def test_it_is_removed_once(user, cluster, asked):
    user()
    asked()
    result = user(state="absent", check=True, diff=True)
    assert result["changed"] and result["diff"]["after"] == {} and result["diff"]["before"]["userid"] == ADA
    assert asked() == [READ]

    result = user(state="absent")
    assert result["changed"] and result["user"] is None and "warnings" not in result
    assert of(cluster) is None
    assert asked() == [READ, f"DELETE /access/users/{ADA}"]

    result = user(state="absent")
    assert not result["changed"] and result["user"] is None
    assert asked() == [READ]


# ---------------------------------------------------------------------------------------------------------- its groups


def test_the_order_of_groups_is_no_difference(user, groups):
    user(groups=["ops", "web"])
    assert not user(groups=["web", "ops"])["changed"]
    assert not user(groups="web,ops")["changed"]


def test_append_adds_to_the_groups_and_takes_nothing_back(user, cluster, asked, groups):
    user(groups=["ops"])
    asked()
    result = user(groups=["web"], append=True)
    assert result["changed"] and result["user"]["groups"] == ["ops", "web"]
    assert groups_of(cluster) == {"ops", "web"}
    assert cluster.requests()[-1]["body"] == {"groups": "web", "append": "1"}
    assert not user(groups=["web"], append=True)["changed"]


def test_an_empty_list_takes_the_user_out_of_all_groups(user, cluster, groups):
    user(groups=["ops", "web"])
    assert user(groups=[])["changed"]
    assert groups_of(cluster) == set()
    assert not user(groups=[])["changed"]


@pytest.mark.parametrize("there", [False, True])
def test_an_unknown_group_is_named_and_nothing_is_written(user, cluster, root, groups, there):
    if there:
        user()
    before = cluster.state()
    result = user(comment="engine", groups=["ops", "nope"], password=PASSWORD, update_password="always", caller=root)
    assert result["failed"] and not result["changed"]
    verb = "change" if there else "create"
    assert result["msg"].startswith(f"unable to {verb} user `{ADA}`: ")
    assert "no such group 'nope'" in result["msg"]
    assert "user" not in result
    assert cluster.state() == before


# -------------------------------------------------------------------------------------------------------- its password


def test_a_token_gives_a_password_to_a_new_user(user, cluster, asked):
    assert user(password=PASSWORD)["changed"]
    assert of(cluster)["password"] == PASSWORD
    asked()
    assert not user(password=OTHER)["changed"]
    assert of(cluster)["password"] == PASSWORD
    assert asked() == [READ]


def test_update_password_writes_it_once(user, cluster, root, asked):
    user(password=PASSWORD, comment="engine")
    asked()
    always = {"password": OTHER, "update_password": "always", "caller": root}
    result = user(**always, check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"]["password"] != result["diff"]["after"]["password"]
    assert OTHER not in json.dumps(result)
    assert of(cluster)["password"] == PASSWORD
    login = "POST /access/ticket"
    assert asked() == [login, READ, login]

    assert user(**always)["changed"]
    assert of(cluster)["password"] == OTHER
    assert asked() == [login, READ, login, "PUT /access/password"]

    assert not user(**always)["changed"]
    assert asked() == [login, READ, login]


def test_other_fields_and_the_password_are_written_in_one_run(user, cluster, root, asked):
    user(password=PASSWORD)
    asked()
    assert user(password=OTHER, update_password="always", comment="engine", caller=root)["changed"]
    have = of(cluster)
    assert (have["password"], have["comment"]) == (OTHER, "engine")
    assert asked()[-2:] == [PUT, "PUT /access/password"]


def test_one_who_is_not_root_confirms_with_his_own_password(user, cluster, root):
    cluster.patch(users={"admin@pve": {"password": "administrator"}}, acl=[
        *cluster.state()["acl"],
        {"path": "/", "type": "user", "ugid": "admin@pve", "roleid": "Administrator", "propagate": 1},
    ])
    user(password=PASSWORD)
    admin = {**root, "api_user": "admin@pve", "api_password": "administrator"}
    assert user(password=OTHER, update_password="always", caller=admin)["changed"]
    assert of(cluster)["password"] == OTHER


@pytest.mark.parametrize("check", [False, True])
def test_a_token_cannot_change_a_password_and_says_so_before_anything_is_written(user, cluster, check):
    user(password=PASSWORD)
    before = cluster.state()
    result = user(password=OTHER, update_password="always", comment="engine", check=check)
    assert result["failed"]
    assert result["msg"] == (
        f"unable to change the password of user `{ADA}`: the server lets nobody change passwords but a user who has "
        "logged in with one, and the caller is the token `ansible@pam!mms`. Set api_password in place of the token"
    )
    assert cluster.state() == before


def test_a_token_may_state_the_password_that_the_user_has(user):
    user(password=PASSWORD)
    assert not user(password=PASSWORD, update_password="always")["changed"]


@pytest.mark.parametrize("state", [{"enable": False}, {"expire": 1000000000}])
def test_the_password_of_one_who_cannot_log_in_is_written_each_time(user, cluster, root, asked, state):
    user(password=PASSWORD, **state)
    asked()
    for _ in range(2):
        result = user(password=PASSWORD, update_password="always", caller=root)
        assert result["changed"]
        assert [warning for warning in result["warnings"] if "it is written each time" in warning]
        assert asked() == ["POST /access/ticket", READ, "PUT /access/password"]


def test_a_second_factor_does_not_hide_the_password(user, root, cluster):
    assert not user("tfa@pve", password="two-factors", update_password="always", caller=root)["changed"]
    assert user("tfa@pve", password=OTHER, update_password="always", caller=root)["changed"]
    assert of(cluster, "tfa@pve")["password"] == OTHER


@pytest.mark.parametrize("password", ["", "1234567", "x" * 65])
@pytest.mark.parametrize("check", [False, True])
def test_a_password_of_a_wrong_length_is_refused_before_anything_is_written(user, cluster, password, check):
    result = user(password=password, check=check)
    assert result["failed"] and result["msg"] == f"the password of user `{ADA}` must have 8 to 64 characters"
    assert cluster.stats()["writes"] == 0


def test_password_and_keys_are_shown_nowhere(user, root):
    secrets = {"password": PASSWORD, "keys": "vvccccdevice"}
    told = []
    for options in (secrets, {**secrets, "password": OTHER, "update_password": "always", "keys": "vvccccanother"}):
        result = user(**options, caller=root, check=True, diff=True, verbosity=4)
        told += [json.dumps(result), result.stderr]
        result = user(**options, caller=root, diff=True, verbosity=4)
        assert result["changed"]
        told += [json.dumps(result), result.stderr]
    for secret in (PASSWORD, OTHER, "vvccccdevice", "vvccccanother"):
        assert not [text for text in told if secret in text]


# -------------------------------------------------------------------------------------------------- what goes with it


def test_the_tokens_that_go_with_a_user_are_told(user, cluster):
    cluster.patch(users={ADA: {"tokens": {"mms": {"secret": "x", "privsep": 0}, "t2": {"secret": "y", "privsep": 1}}}})
    for check in (True, False):
        result = user(state="absent", check=check, diff=True)
        assert result["changed"]
        assert result["warnings"] == [f"with the user `{ADA}` its 2 tokens are removed: mms,t2"]
        assert result["diff"]["before"]["tokens"] == ["mms", "t2"]
    assert of(cluster) is None


def test_a_change_leaves_tokens_alone(user, cluster):
    user("prov@pve", comment="provisioner")
    assert set(of(cluster, "prov@pve")["tokens"]) == {"mms"}


@pytest.mark.parametrize("check", [False, True])
def test_root_cannot_be_removed(user, cluster, check):
    result = user("root@pam", state="absent", check=check)
    assert result["failed"]
    assert result["msg"] == (
        "the user `root@pam` cannot be removed: the server would keep it and remove its tokens"
    )
    assert cluster.requests() == []


def test_root_can_be_described(user, cluster):
    assert user("root@pam", email="root@example.com")["changed"]
    assert of(cluster, "root@pam")["email"] == "root@example.com"


# ------------------------------------------------------------------------------------------------ what it does not do


@pytest.mark.parametrize("userid", ["ada", "@pve", "ada@", "ada lovelace@pve", "ada:x@pve"])
def test_what_is_no_user_is_refused_before_anything_is_asked(user, cluster, userid):
    result = user(userid)
    assert result["failed"] and result["msg"] == f"userid `{userid}` is not of the form name@realm"
    assert cluster.requests() == []


def test_a_token_is_no_user(user, cluster):
    result = user("ada@pve!mms", state="absent")
    assert result["failed"] and "leave out what follows `ada@pve`" in result["msg"]
    assert cluster.requests() == []


def test_a_time_before_1970_is_refused(user, cluster):
    assert user(expire=-1)["msg"] == "expire must be 0 (never) or a time in seconds since 1970"
    assert cluster.requests() == []


def test_names_may_hold_what_a_url_reserves(user, cluster):
    name = "ada+b%l@pve"
    assert user(name)["changed"]
    assert user(name, comment="engine")["changed"]
    assert of(cluster, name)["comment"] == "engine"
    assert user(name, state="absent")["changed"]


def test_without_the_right_privilege_and_path_are_named(user, connection, cluster):
    result = user("prov@pve", comment="x", caller={**connection, "api_user": "audit@pve"})
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to change user `prov@pve`: PUT /access/users/prov@pve answered 403: ")
    assert (result["failure"]["status"], result["failure"]["privilege"]) == (403, "User.Modify")
    result = user(caller={**connection, "api_user": "audit@pve"})
    assert result["msg"].startswith(f"unable to create user `{ADA}`: POST /access/users answered 403: ")


def test_a_write_whose_answer_was_lost_is_not_done_twice(user, cluster, groups):
    cluster.fault(method="POST", path="/access/users", drop="after-effect")
    result = user(comment="engine", groups=["ops"])
    assert result["changed"] and not result.get("failed")
    assert groups_of(cluster) == {"ops"}
    assert not user(comment="engine", groups=["ops"])["changed"]

    cluster.fault(method="DELETE", path=f"/access/users/{ADA}", drop="after-effect")
    result = user(state="absent")
    assert result["changed"] and not result.get("failed")
    assert of(cluster) is None


def test_another_client_that_was_faster_is_named(user, cluster):
    cluster.fault(method="POST", path="/access/users", status=500,
                  message=f"create user failed: user '{ADA}' already exists\n")
    result = user(comment="engine")
    assert result["failed"] and "already exists" in result["msg"]
    assert "user" not in result


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.pveum_user": {**connection, "userid": ADA, "comment": "engine", "password": PASSWORD}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
