# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_token: a new secret for a token that is there, in place and, on older servers, by way of a new token."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from cluster import FakeCluster
from conftest import clean_environment

USER, NAME = "audit@pve", "nightly"
FULL = f"{USER}!{NAME}"
READ, WRITE = f"GET /access/users/{USER}/token", f"/access/users/{USER}/token/{NAME}"
WRONG = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b"
TOO_OLD = (
    f"unable to regenerate the secret of token `{FULL}`: this server cannot give a token a new secret in place "
    "(Proxmox VE 9.1 can): with regenerate_fallback the token is removed and made again, with its ACL entries"
)
LINES = (
    f"where the token `{FULL}` has to be removed and made again, its ACL entries go and are put back; they are: "
    f"pveum acl modify /storage/ceph --roles PVEDatastoreUser --tokens '{FULL}' --propagate 0; "
    f"pveum acl modify /vms/100 --roles PVEAuditor,PVEVMUser --tokens '{FULL}' --propagate 1"
)
ENTRIES = {("/vms/100", "PVEVMUser", 1), ("/vms/100", "PVEAuditor", 1), ("/storage/ceph", "PVEDatastoreUser", 0)}


def connecting(server, **more):
    return {"api_host": f"{server.host}:{server.port}", "ca_path": server.ca_path, "api_user": server.api_user,
            "api_token_id": server.api_token_id, "api_token_secret": server.api_token_secret, **more}


def serve(cluster):
    cluster.reset(seed="demo")
    cluster.control("POST", "/time-scale", {"time_scale": 0})
    return cluster


@pytest.fixture(scope="module")
def eight_served():
    with FakeCluster(seed="demo", time_scale=0, major=8) as cluster:
        yield cluster


@pytest.fixture
def eight(eight_served):
    """A cluster of version 8, as new."""
    yield serve(eight_served)
    assert eight_served.schema_violations() == []


@pytest.fixture(scope="module")
def early_nine_served():
    with FakeCluster(seed="demo", time_scale=0, version="9.0.11") as cluster:
        yield cluster


@pytest.fixture
def early_nine(early_nine_served):
    return serve(early_nine_served)


@pytest.fixture
def token(ferrox):
    """Runs the module for the token of the tests: token(cluster, regenerate="always", …) -> result."""

    def run(server, by=None, check=False, diff=False, **options):
        args = {**(by or connecting(server)), "userid": FULL, **options}
        return ferrox("pveum_token", args, check=check, diff=diff, environment={"FERROX_PROGRESS": "always"})

    return run


@pytest.fixture
def made(token):
    """Makes the token with its entries and tells its secret; the log is empty afterwards."""

    def make(server, **options):
        secret = token(server, privsep=False, comment="reads at night", **options).get("secret")
        server.patch(acl=[{"path": path, "ugid": FULL, "type": "token", "roleid": role, "propagate": propagate}
                          for path, role, propagate in ENTRIES])
        server.control("DELETE", "/requests")
        return secret

    return make


@pytest.fixture
def works(ferrox):
    def works(server, secret, full=FULL):
        user, name = full.split("!")
        by = connecting(server, api_user=user, api_token_id=name, api_token_secret=secret)
        return ferrox("proxmox_connectivity", by).get("failed") is not True

    return works


def asked(server):
    seen = [f"{request['method']} {request['path'].removeprefix('/api2/json')}".replace("%40", "@")
            for request in server.requests()]
    server.control("DELETE", "/requests")
    return seen


def written(server):
    return [request["method"] + " " + request["path"].removeprefix("/api2/json").replace("%40", "@")
            for request in server.requests() if request["method"] != "GET"]


def found(server):
    return server.state()["users"][USER]["tokens"].get(NAME)


def entries(server):
    return {(row["path"], row["roleid"], row["propagate"]) for row in server.state()["acl"] if row["ugid"] == FULL}


def whole(server):
    """All of it is there: entries, note, privilege separation, end."""
    have = found(server)
    assert entries(server) == ENTRIES
    assert (have["comment"], have["privsep"], have["expire"]) == ("reads at night", 0, 0)
    return True


# ---------------------------------------------------------------------------------------------------------- in place


def test_always_gives_a_new_secret_each_time(token, made, works, cluster):
    first = made(cluster)
    result = token(cluster, regenerate="always", diff=True)
    assert result["changed"] and not result.get("warnings")
    assert result["diff"]["after"]["secret"] == "(new)" and "secret" not in result["diff"]["before"]
    assert asked(cluster) == [READ, "GET /version", f"PUT {WRITE}"]
    assert works(cluster, result["secret"]) and not works(cluster, first)
    assert whole(cluster)
    assert token(cluster, regenerate="always")["secret"] not in (first, result["secret"])


def test_a_change_and_a_new_secret_are_one_request(token, made, works, cluster):
    made(cluster)
    result = token(cluster, comment="two", regenerate="always")
    assert result["changed"] and result["comment"] == "two"
    [write] = [request for request in cluster.requests() if request["method"] != "GET"]
    assert write["body"] == {"comment": "two", "regenerate": "1"}
    assert works(cluster, result["secret"]) and found(cluster)["comment"] == "two"


@pytest.mark.parametrize("regenerate", ["always", "if_invalid"])
def test_a_token_that_is_only_made_now_is_not_made_twice(token, cluster, works, regenerate):
    result = token(cluster, regenerate=regenerate, secret=WRONG, privsep=False)
    assert result["changed"] and works(cluster, result["secret"])
    assert written(cluster) == [f"POST {WRITE}"]


def test_check_mode_tells_of_it_and_writes_nothing(token, made, works, cluster, tmp_path):
    first = made(cluster)
    file = tmp_path / "secret"
    result = token(cluster, regenerate="always", secret_file=str(file), check=True, diff=True)
    assert result["changed"] and "secret" not in result and "secret_file" not in result
    assert result["diff"]["after"]["secret"] == "(new)"
    assert written(cluster) == [] and works(cluster, first)
    assert list(tmp_path.iterdir()) == []


def test_never_keeps_the_secret(token, made, works, cluster):
    first = made(cluster)
    assert not token(cluster, regenerate="never", secret=WRONG)["changed"]
    assert works(cluster, first)


def test_if_invalid_leaves_the_right_secret_alone(token, made, works, cluster):
    first = made(cluster)
    result = token(cluster, regenerate="if_invalid", secret=first)
    assert not result["changed"] and "secret" not in result
    assert asked(cluster) == [READ, "GET /version"]
    assert works(cluster, first)


@pytest.mark.parametrize("given", [{"secret": WRONG}, {"secret": ""}, {}, {"secret": "no\nsecret"}])
def test_if_invalid_replaces_a_wrong_or_a_missing_one(token, made, works, cluster, given):
    first = made(cluster)
    assert token(cluster, regenerate="if_invalid", **given, check=True)["changed"]
    assert written(cluster) == []
    result = token(cluster, regenerate="if_invalid", **given)
    assert result["changed"] and result["secret"] != first
    assert not token(cluster, regenerate="if_invalid", secret=result["secret"])["changed"]
    assert whole(cluster)


def test_if_invalid_looks_into_the_file(token, made, works, cluster, tmp_path):
    file = tmp_path / "nightly.secret"
    made(cluster, secret_file=str(file))
    first = file.read_text()
    assert not token(cluster, regenerate="if_invalid", secret_file=str(file))["changed"]
    assert file.read_text() == first

    for spoil in (lambda: file.write_text(WRONG), lambda: file.write_text(""), file.unlink):
        spoil()
        result = token(cluster, regenerate="if_invalid", secret_file=str(file))
        assert result["changed"] and result["secret_file"] == str(file) and "secret" not in result
        assert works(cluster, file.read_text().strip())
        assert not token(cluster, regenerate="if_invalid", secret_file=str(file))["changed"]


def test_an_empty_secret_does_not_hide_the_file(token, made, works, cluster, tmp_path):
    """As `default('')` gives it where a vault has no secret yet."""
    file = tmp_path / "nightly.secret"
    made(cluster, secret_file=str(file))
    first = file.read_text()
    result = token(cluster, regenerate="if_invalid", secret="", secret_file=str(file))
    assert not result["changed"] and written(cluster) == []
    assert file.read_text() == first and works(cluster, first.strip())


def test_what_can_be_no_file_leaves_the_secret_as_it_is(token, made, works, cluster, tmp_path):
    first = made(cluster)
    result = token(cluster, regenerate="always", secret_file=str(tmp_path / "missing/secret"))
    assert result["failed"] and not result["changed"]
    assert "No such file or directory" in result["msg"]
    assert written(cluster) == [] and works(cluster, first)


def test_an_expired_token_cannot_be_tested_and_is_left_alone(token, made, cluster):
    first = made(cluster, expire=1000000000)
    result = token(cluster, regenerate="if_invalid", secret=first)
    assert not result["changed"]
    assert result["warnings"] == [
        f"the token `{FULL}` has expired, so whether its secret is the right one cannot be told"
    ]


@pytest.mark.parametrize("closed", [{"enable": 0}, {"expire": 1000000000}])
def test_the_token_of_a_user_who_may_not_log_in_cannot_be_tested_and_is_left_alone(token, made, cluster, closed):
    """The server refuses every secret then, the right one too: run by run a new one would be made."""
    first = made(cluster)
    cluster.patch(users={USER: closed})
    result = token(cluster, regenerate="if_invalid", secret=first)
    assert not result["changed"] and not result.get("failed")
    assert result["warnings"] == [
        f"the user `{USER}` is disabled or has expired, so whether the secret of the token `{FULL}` is the right one "
        "cannot be told"
    ]
    assert written(cluster) == []


@pytest.mark.parametrize("drop", ["before", "after-effect"])
def test_a_new_secret_that_was_lost_on_the_way_is_made_anew(token, made, works, cluster, drop):
    made(cluster)
    cluster.fault(method="PUT", path=WRITE, drop=drop)
    result = token(cluster, regenerate="always")
    assert result["changed"] and not result.get("failed")
    assert written(cluster) == [f"PUT {WRITE}"] * 2
    assert works(cluster, result["secret"]) and whole(cluster)


def test_a_token_renews_itself(token, works, cluster):
    """A token of a user with User.Modify gives itself a new secret with its last request."""
    cluster.patch(users={"ansible@pam": {"tokens": {"own": {"secret": WRONG, "privsep": 0}}}})
    by = connecting(cluster, api_token_id="own", api_token_secret=WRONG)
    result = token(cluster, by=by, userid="ansible@pam!own", regenerate="always")
    assert result["changed"] and not result.get("failed")
    assert works(cluster, result["secret"], "ansible@pam!own") and not works(cluster, WRONG, "ansible@pam!own")


def test_in_place_the_fallback_is_not_needed_and_asks_for_nothing(token, made, works, cluster):
    """Who may change users, but does not see the access control list, is not kept from it."""
    made(cluster)
    cluster.patch(users={"helpdesk@pve": {"password": "help-desk"}}, roles={"Helpdesk": "User.Modify"},
                  acl=[{"path": "/access", "ugid": "helpdesk@pve", "roleid": "Helpdesk"}])
    where = connecting(cluster)
    by = {"api_host": where["api_host"], "ca_path": where["ca_path"], "api_user": "helpdesk@pve",
          "api_password": "help-desk"}
    result = token(cluster, by=by, regenerate="always", regenerate_fallback=True)
    assert result["changed"] and not result.get("failed") and not result.get("warnings")
    assert works(cluster, result["secret"]) and whole(cluster)


def test_a_new_secret_that_cannot_be_kept_is_told_to_be_lost(executable, made, works, cluster, tmp_path):
    """The folder goes away while the server makes the secret: nothing brings the old one back."""
    first = made(cluster)
    folder = tmp_path / "folder"
    folder.mkdir()
    cluster.fault(method="PUT", path=WRITE, seconds=2)
    args = {**connecting(cluster), "userid": FULL, "regenerate": "always", "secret_file": str(folder / "secret")}
    with subprocess.Popen([executable, "pveum_token", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=clean_environment()) as run:
        run.stdin.write(json.dumps(args))
        run.stdin.close()
        deadline = time.monotonic() + 30
        while not list(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        shutil.rmtree(folder)
        result = json.loads(run.stdout.read())
    assert result["failed"] and result["changed"]
    assert result["msg"].startswith(f"unable to regenerate the secret of token `{FULL}`: unable to write `{folder}/secret`")
    assert result["msg"].endswith("; the old secret holds no more, and the new one is lost: regenerate it once more")
    assert not works(cluster, first) and whole(cluster)


# ------------------------------------------------------------------------------------- where it cannot be in place


@pytest.mark.parametrize("check", [False, True])
def test_on_8_it_fails_unless_the_fallback_is_allowed(token, made, works, eight, check):
    first = made(eight)
    result = token(eight, regenerate="always", check=check)
    assert result["failed"] and not result["changed"] and result["msg"] == TOO_OLD
    assert written(eight) == [] and works(eight, first) and whole(eight)


def test_on_early_9_it_fails_unless_the_fallback_is_allowed(token, made, works, early_nine):
    first = made(early_nine)
    result = token(early_nine, regenerate="always")
    assert result["failed"] and result["msg"] == TOO_OLD
    assert works(early_nine, first) and whole(early_nine)


def test_where_9_1_is_without_it_the_fallback_steps_in(token, made, works, cluster):
    """The packages of 9.1 came before the one that can: only the request tells."""
    made(cluster)
    unknown = {"method": "PUT", "path": WRITE, "status": 400, "message": "Parameter verification failed.\n",
               "errors": {"regenerate": "property is not defined in schema and the schema does not allow additional "
                                        "properties"}}
    cluster.fault(**unknown)
    result = token(cluster, regenerate="always")
    assert result["failed"] and not result["changed"] and result["msg"] == TOO_OLD
    assert whole(cluster)
    cluster.control("DELETE", "/requests")
    cluster.fault(**unknown)
    result = token(cluster, regenerate="always", regenerate_fallback=True)
    assert result["changed"] and not result.get("failed")
    assert written(cluster) == [f"PUT {WRITE}", f"DELETE {WRITE}", f"POST {WRITE}"] + ["PUT /access/acl"] * 2
    assert LINES in result.stderr
    assert works(cluster, result["secret"]) and whole(cluster)


@pytest.mark.parametrize("check", [False, True])
def test_with_the_fallback_the_token_comes_back_as_it_was(token, made, works, eight, check):
    first = made(eight)
    result = token(eight, regenerate="always", regenerate_fallback=True, check=check, diff=True)
    assert result["changed"] and not result.get("failed")
    assert result["warnings"] == [LINES]
    assert result["diff"]["after"]["secret"] == "(new)"
    if check:
        assert written(eight) == [] and works(eight, first) and "secret" not in result
    else:
        assert written(eight) == [f"DELETE {WRITE}", f"POST {WRITE}"] + ["PUT /access/acl"] * 2
        assert result.stderr.index(LINES) < result.stderr.index("removed")
        assert works(eight, result["secret"]) and not works(eight, first)
    assert whole(eight)


def test_the_fallback_brings_what_is_stated_beside(token, made, works, eight):
    made(eight)
    result = token(eight, regenerate="always", regenerate_fallback=True, comment="two", expire=4000000000)
    have = found(eight)
    assert (have["comment"], have["expire"], have["privsep"]) == ("two", 4000000000, 0)
    assert works(eight, result["secret"]) and entries(eight) == ENTRIES


def test_the_fallback_writes_the_file(token, made, works, eight, tmp_path):
    file = tmp_path / "nightly.secret"
    made(eight, secret_file=str(file))
    first = file.read_text()
    result = token(eight, regenerate="always", regenerate_fallback=True, secret_file=str(file))
    assert result["secret_file"] == str(file) and "secret" not in result
    assert file.read_text() != first and works(eight, file.read_text().strip()) and whole(eight)


def test_the_fallback_removes_nothing_where_the_secret_could_go_nowhere(token, made, works, eight, tmp_path):
    first = made(eight)
    result = token(eight, regenerate="always", regenerate_fallback=True, secret_file=str(tmp_path / "missing/secret"))
    assert result["failed"] and not result["changed"]
    assert "No such file or directory" in result["msg"]
    assert written(eight) == []
    assert works(eight, first) and whole(eight)


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_the_fallback_makes_up_for_a_lost_answer(token, made, works, eight, method):
    made(eight)
    eight.fault(method=method, path=WRITE, drop="after-effect")
    result = token(eight, regenerate="always", regenerate_fallback=True)
    assert result["changed"] and not result.get("failed")
    assert works(eight, result["secret"]) and whole(eight)


def test_a_token_does_not_remove_itself_by_the_fallback(token, works, eight):
    eight.patch(users={"ansible@pam": {"tokens": {"own": {"secret": WRONG, "privsep": 0}}}})
    by = connecting(eight, api_token_id="own", api_token_secret=WRONG)
    result = token(eight, by=by, userid="ansible@pam!own", regenerate="always", regenerate_fallback=True)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        "unable to regenerate the secret of token `ansible@pam!own`: the task runs with this token, which could not be "
        "made again once it is removed: do it as another user"
    )
    assert works(eight, WRONG, "ansible@pam!own")


def helpdesk(server, *roles):
    server.patch(users={"helpdesk@pve": {"password": "help-desk"}}, roles={"Helpdesk": "User.Modify Sys.Audit"},
                 acl=[{"path": "/access", "ugid": "helpdesk@pve", "roleid": role} for role in roles])
    where = connecting(server)
    return {"api_host": where["api_host"], "ca_path": where["ca_path"], "api_user": "helpdesk@pve",
            "api_password": "help-desk"}


def test_the_fallback_removes_nothing_that_the_caller_could_not_give_back(token, made, works, eight):
    first = made(eight)
    result = token(eight, by=helpdesk(eight, "Helpdesk"), regenerate="always", regenerate_fallback=True)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"unable to regenerate the secret of token `{FULL}`: its ACL entries could not be put back: the caller lacks "
        "Permissions.Modify on /storage/ceph"
    )
    assert written(eight) == ["POST /access/ticket"]
    assert works(eight, first) and whole(eight)


def test_the_fallback_removes_nothing_whose_entries_it_cannot_see(token, made, works, eight):
    first = made(eight)
    result = token(eight, by=helpdesk(eight, "PVEUserAdmin"), regenerate="always", regenerate_fallback=True)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"unable to regenerate the secret of token `{FULL}`: the caller does not see all of the access control list: it "
        "needs Sys.Audit on /access"
    )
    assert works(eight, first) and whole(eight)


def test_who_is_killed_in_between_has_been_told_how_to_go_on(executable, made, eight):
    made(eight)
    eight.fault(method="POST", path=WRITE, hang=True)
    args = {**connecting(eight), "userid": FULL, "regenerate": "always", "regenerate_fallback": True}
    with subprocess.Popen([executable, "pveum_token", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=clean_environment(FERROX_PROGRESS="always")) as run:
        run.stdin.write(json.dumps(args))
        run.stdin.close()
        deadline = time.monotonic() + 30
        while f"POST {WRITE}" not in written(eight) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(run.pid, signal.SIGKILL)
        progress = run.stderr.read()
    assert written(eight) == [f"DELETE {WRITE}", f"POST {WRITE}"]
    assert LINES in progress
    # Neither token nor entries are there; what was told brings the entries back, once the token is.
    assert found(eight) is None and entries(eight) == set()
    assert "pveum acl modify /vms/100" in progress
