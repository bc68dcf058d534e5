# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_token: a token from nothing to nothing, where its secret is and where it is not."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import time

import pytest
from conftest import clean_environment

USER, NAME = "audit@pve", "nightly"
FULL = f"{USER}!{NAME}"
READ = f"GET /access/users/{USER}/token"
WRITE = f"/access/users/{USER}/token/{NAME}"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def token(ferrox, connection):
    """Runs the module for the token of the tests: token(comment=…, by={connection options}, check=True) -> result."""

    def run(by=None, check=False, diff=False, verbosity=0, **options):
        args = {**(connection if by is None else by), "userid": USER, "tokenid": NAME, **options}
        return ferrox("pveum_token", args, check=check, diff=diff, verbosity=verbosity)

    return run


@pytest.fixture
def works(ferrox, connection):
    """Whether a secret is the token's: works(secret)."""

    def works(secret, full=FULL, where=connection):
        user, name = full.split("!")
        by = {**where, "api_user": user, "api_token_id": name, "api_token_secret": secret}
        return ferrox("proxmox_connectivity", by).get("failed") is not True

    return works


def found(cluster, full=FULL):
    """The token as the server has it; None where there is none."""
    user, name = full.split("!")
    return cluster.state()["users"][user]["tokens"].get(name)


def body(cluster):
    """The one write."""
    [write] = [request for request in cluster.requests() if request["method"] != "GET"]
    return write["body"] or {}


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_user_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("pveum_token", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: userid"
    assert cluster.requests() == []


@pytest.mark.parametrize("userid, tokenid, msg", [
    (USER, None, f"`{USER}` names no token: write `user@realm!tokenid`, or state tokenid"),
    (FULL, "other", "`other` is another token than that of userid"),
    (USER, "prov@pve!mms", "`prov@pve!mms` is the token of another user than userid"),
    ("audit", NAME, "`audit` has no realm: write `user@realm`"),
    (USER, "n", "`n` is no name of a token: a letter first, then letters, digits, `.`, `-` or `_`, two characters "
                "at least"),
])
def test_what_names_no_token_is_refused_before_anything_is_asked(ferrox, cluster, connection, userid, tokenid, msg):
    options = {"userid": userid, **({"tokenid": tokenid} if tokenid else {})}
    result = ferrox("pveum_token", {**connection, **options})
    assert result["failed"] and result["msg"] == msg
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_token_and_writes_nothing(token, cluster, asked, tmp_path):
    file = tmp_path / "secret"
    result = token(comment="reads at night", secret_file=str(file), check=True, diff=True)
    assert result["changed"] and "secret" not in result and "secret_file" not in result
    assert result["diff"]["before"] == {}
    assert result["diff"]["after"] == {"tokenid": FULL, "comment": "reads at night", "privsep": True}
    assert asked() == [READ]
    assert found(cluster) is None
    assert list(tmp_path.iterdir()) == []


def test_it_is_created_once_and_told_its_secret_once(token, cluster, asked, works):
    result = token(comment="reads at night", privsep=False, expire=0)
    assert result["changed"] and not result.get("failed") and not result.get("warnings")
    assert (result["userid"], result["tokenid"], result["full_tokenid"]) == (USER, NAME, FULL)
    assert (result["comment"], result["privsep"], result["expire"]) == ("reads at night", False, 0)
    assert asked() == [READ, f"POST {WRITE}"]
    assert UUID.fullmatch(result["secret"]) and works(result["secret"])
    have = found(cluster)
    assert (have["comment"], have["privsep"], have["expire"]) == ("reads at night", 0, 0)

    asked()
    again = token(comment="reads at night", privsep=False, expire=0)
    assert not again["changed"] and "secret" not in again and not again.get("warnings")
    assert (again["comment"], again["privsep"], again["expire"]) == ("reads at night", False, 0)
    assert asked() == [READ]
    assert works(result["secret"])


def test_a_token_is_separate_unless_it_is_said_otherwise(token, cluster):
    result = token()
    assert result["privsep"] is True
    assert found(cluster)["privsep"] == 1
    assert not token()["changed"] and not token(privsep=True)["changed"]


@pytest.mark.parametrize("options", [{"userid": FULL, "tokenid": None}, {"tokenid": FULL}, {"userid": FULL}])
def test_it_may_be_named_whole(token, cluster, options):
    assert token(**options)["full_tokenid"] == FULL
    assert found(cluster) is not None
    assert not token()["changed"]


def test_what_is_not_stated_is_not_touched(token, cluster, asked):
    token(comment="one", privsep=False, expire=4000000000)
    asked()
    result = token(comment="two")
    assert result["changed"] and "secret" not in result
    assert body(cluster) == {"comment": "two"}
    assert asked() == [READ, f"PUT {WRITE}"]
    have = found(cluster)
    assert (have["comment"], have["privsep"], have["expire"]) == ("two", 0, 4000000000)


def test_a_note_is_emptied_and_an_end_is_taken_back(token, cluster):
    token(comment="one", expire=4000000000)
    result = token(comment="", expire=0)
    assert result["changed"] and (result["comment"], result["expire"]) == ("", 0)
    have = found(cluster)
    assert (have.get("comment"), have["expire"]) == (None, 0)
    assert not token(comment="", expire=0)["changed"]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(token, cluster, asked):
    token(comment="one")
    before = found(cluster)
    asked()
    result = token(comment="two", check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"] == {"tokenid": FULL, "comment": "one", "privsep": True, "expire": 0}
    assert result["diff"]["after"] == {"tokenid": FULL, "comment": "two", "privsep": True, "expire": 0}
    assert asked() == [READ]
    assert found(cluster) == before


@pytest.mark.parametrize("check", [True, False])
def test_who_loses_separation_is_told_what_is_gained(token, cluster, check):
    token()
    cluster.patch(acl=[{"path": "/vms/100", "ugid": FULL, "roleid": "PVEVMUser"}])
    result = token(privsep=False, check=check)
    assert result["changed"]
    assert result["warnings"] == [
        f"without privilege separation the token `{FULL}` gains every right that `{USER}` has; so far it had only what "
        "its own ACL entries give it: PVEVMUser on /vms/100"
    ]
    assert found(cluster)["privsep"] == int(check)


def test_who_becomes_separate_is_told_what_is_lost(token, cluster):
    token(privsep=False)
    result = token(privsep=True)
    assert result["warnings"] == [
        f"with privilege separation the token `{FULL}` loses every right of `{USER}` that its own ACL entries do not "
        "give it; they are: none that the caller can see"
    ]
    assert found(cluster)["privsep"] == 1
    again = token(privsep=True)
    assert not again["changed"] and not again.get("warnings")


def test_it_is_removed_once_with_its_entries(token, cluster, asked, works):
    secret = token(privsep=False)["secret"]
    cluster.patch(acl=[{"path": "/vms/100", "ugid": FULL, "roleid": "PVEVMUser"}])
    asked()
    result = token(state="absent", check=True, diff=True)
    assert result["changed"] and result["diff"]["after"] == {}
    assert asked() == [READ] and found(cluster) is not None

    result = token(state="absent")
    assert result["changed"] and "secret" not in result and "privsep" not in result
    assert asked() == [READ, f"DELETE {WRITE}"]
    assert found(cluster) is None and FULL not in json.dumps(cluster.state()["acl"])
    assert not works(secret)
    asked()
    assert not token(state="absent")["changed"]
    assert asked() == [READ]


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.pveum_token": {**connection, "userid": USER, "tokenid": NAME, "privsep": False,
                                           "comment": "reads at night"}}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]
    assert ["secret" in result for result in run.results] == [True, False]


# --------------------------------------------------------------------------------------------------------- who asks


def password(connection, user, word):
    return {**{key: connection[key] for key in ("api_host", "ca_path")}, "api_user": user, "api_password": word}


def test_a_user_manages_its_own_tokens_with_its_password(token, connection, cluster):
    by = password(connection, USER, "onlooker")
    assert token(by=by)["changed"]
    assert cluster.stats()["logins"] == 1
    assert not token(by=by)["changed"]
    assert token(by=by, state="absent")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_another_user_may_not(token, connection, cluster, state):
    token()
    result = token(by=password(connection, "prov@pve", "provision"), comment="mine now", state=state)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"unable to read the tokens of `{USER}`: GET {READ.removeprefix('GET ')} answered 403: Permission check failed. "
        "The caller needs User.Modify on /access/groups, or on a group of the user; only the user itself, and none of "
        "its tokens, needs no right for its own"
    )
    assert "comment" not in found(cluster)


@pytest.mark.parametrize("who", ["token", "password"])
def test_a_user_that_is_missing_is_named(token, connection, cluster, who):
    """An admin's token is answered 403 for a user that is missing, root 500."""
    by = connection if who == "token" else password(connection, "root@pam", "secret")
    result = token(by=by, userid="nobody@pve")
    assert result["failed"]
    assert result["msg"] == (
        "there is no user `nobody@pve` that could have a token: make it first, with pveum_user"
    )
    result = token(by=by, userid="nobody@pve", state="absent")
    assert not result.get("failed") and not result["changed"]
    # The task before may be the one that makes the user, which in check mode it does not.
    result = token(by=by, userid="nobody@pve", check=True)
    assert result["changed"] and result["warnings"] == ["there is no user `nobody@pve` yet, who is to have a token"]
    assert cluster.stats()["writes"] == 0


# ------------------------------------------------------------------------------------------------------- the secret


def test_the_secret_stands_in_the_result_and_nowhere_else(token, cluster):
    result = token(verbosity=3, diff=True)
    secret = result.pop("secret")
    assert UUID.fullmatch(secret)
    assert secret not in json.dumps(result) and secret not in result.stderr
    assert result["invocation"]["module_args"]["api_token_secret"] != cluster.api_token_secret
    assert secret not in json.dumps(cluster.requests())


def test_an_old_secret_that_is_tested_is_told_nowhere(token, cluster):
    secret = token(privsep=False)["secret"]
    wrong = "0f0f0f0f-1e1e-4d2d-8c3c-4b4b4b4b4b4b"
    for given in (secret, wrong):
        result = token(regenerate="if_invalid", secret=given, verbosity=3, diff=True)
        assert given not in json.dumps(result) and given not in result.stderr


@pytest.mark.parametrize("arguments", [{"verbosity": 3, "diff": True, "callback": "default"}])
def test_in_a_playbook_no_log_leaves_no_trace_of_it(playbook, connection, cluster, arguments, works):
    made = {"ferrox.proxmox.pveum_token": {**connection, "userid": FULL, "privsep": False}, "register": "made",
            "no_log": True}
    kept = {"ansible.builtin.copy": {"content": "{{ made.secret }}", "dest": "kept"}, "no_log": True}
    run = playbook([made, kept], **arguments)
    assert run.rc == 0, run.stdout
    assert not UUID.search((run.stdout + run.stderr).replace(connection["api_token_secret"], ""))


def test_a_file_gets_the_secret_in_place_of_the_result(token, cluster, works, tmp_path):
    file = tmp_path / "nightly.secret"
    old = os.umask(0)
    try:
        result = token(privsep=False, secret_file=str(file), verbosity=3, diff=True)
    finally:
        os.umask(old)
    assert result["changed"] and result["secret_file"] == str(file) and "secret" not in result
    secret = file.read_text().strip()
    assert file.read_text() == f"{secret}\n" and works(secret)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert secret not in json.dumps(result) and secret not in result.stderr

    before = file.stat().st_mtime_ns
    again = token(privsep=False, secret_file=str(file))
    assert not again["changed"] and "secret_file" not in again and not again.get("warnings")
    assert (file.stat().st_mtime_ns, file.read_text().strip()) == (before, secret)


def test_what_was_in_the_file_is_replaced_and_closed_to_others(token, works, tmp_path):
    file = tmp_path / "nightly.secret"
    file.write_text("an old one")
    file.chmod(0o644)
    token(privsep=False, secret_file=str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert works(file.read_text().strip())


def test_a_home_folder_may_be_written_with_its_sign(ferrox, connection, tmp_path, works):
    options = {**connection, "userid": FULL, "privsep": False, "secret_file": "~/nightly.secret"}
    result = ferrox("pveum_token", options, environment={"HOME": tmp_path})
    assert result["secret_file"] == str(tmp_path / "nightly.secret")
    assert works((tmp_path / "nightly.secret").read_text().strip())


@pytest.mark.parametrize("place, why", [
    ("missing/secret", "No such file or directory"), ("plain/secret", "Not a directory"), (".", "it is a folder"),
    pytest.param("closed/secret", "Permission denied",
                 marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")),
])
def test_where_no_file_can_be_nothing_is_sent(token, cluster, tmp_path, place, why):
    (tmp_path / "plain").write_text("")
    (tmp_path / "closed").mkdir(mode=0o500)
    result = token(secret_file=str(tmp_path / place))
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith(f"unable to create token `{FULL}`: unable to write `{tmp_path}")
    assert why in result["msg"]
    assert cluster.stats()["writes"] == 0


def test_a_secret_that_cannot_be_kept_takes_its_token_back(executable, cluster, connection, tmp_path):
    """The folder goes away while the server makes the token."""
    folder = tmp_path / "folder"
    folder.mkdir()
    cluster.fault(method="POST", path=WRITE, seconds=2)
    args = {**connection, "userid": FULL, "secret_file": str(folder / "secret")}
    with subprocess.Popen([executable, "pveum_token", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=clean_environment()) as run:
        run.stdin.write(json.dumps(args))
        run.stdin.close()
        deadline = time.monotonic() + 30
        while not list(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        shutil.rmtree(folder)
        result = json.loads(run.stdout.read())
    assert result["failed"] and not result["changed"] and "secret" not in result
    assert result["msg"].startswith(f"unable to create token `{FULL}`: unable to write `{folder}/secret`")
    assert [request["method"] for request in cluster.requests()] == ["GET", "POST", "DELETE"]
    assert found(cluster) is None


def test_a_token_whose_secret_is_in_no_file_is_warned_of(token, tmp_path):
    token()
    file = str(tmp_path / "nightly.secret")
    result = token(secret_file=file)
    assert not result["changed"]
    assert result["warnings"] == [
        f"the token `{FULL}` is there already, and its secret, which the server does not tell a second time, is not in "
        f"`{file}`: regenerate gives it a new one"
    ]
    assert not pathlib.Path(file).exists()


# ------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("with_file", [False, True])
def test_a_token_whose_secret_was_lost_on_the_way_is_made_anew(token, cluster, works, tmp_path, with_file):
    cluster.fault(method="POST", path=WRITE, drop="after-effect")
    file = tmp_path / "nightly.secret"
    result = token(privsep=False, **({"secret_file": str(file)} if with_file else {}))
    assert result["changed"] and not result.get("failed")
    writes = [request["method"] for request in cluster.requests() if request["method"] != "GET"]
    assert writes == ["POST", "DELETE", "POST"]
    assert works(file.read_text().strip() if with_file else result["secret"])
    if with_file:
        assert list(tmp_path.iterdir()) == [file]


def test_a_lost_answer_to_a_change_or_a_removal_is_made_up_for(token, cluster):
    token(comment="one")
    cluster.fault(method="PUT", path=WRITE, drop="after-effect")
    assert token(comment="two")["changed"]
    assert found(cluster)["comment"] == "two"
    cluster.fault(method="DELETE", path=WRITE, drop="after-effect")
    result = token(state="absent")
    assert result["changed"] and not result.get("failed")
    assert found(cluster) is None


def test_another_client_that_was_faster_is_named_and_its_token_stays(token, cluster):
    cluster.fault(method="POST", path=WRITE, status=400, message="Parameter verification failed.\n",
                  errors={"tokenid": "Token already exists."})
    result = token()
    assert result["failed"] and "Token already exists" in result["msg"] and "secret" not in result
    assert [request["method"] for request in cluster.requests()] == ["GET", "POST"]


def test_a_lock_that_is_held_is_waited_for(token, cluster):
    cluster.fault(method="POST", path=WRITE, status=500,
                  message="can't lock file '/etc/pve/user.cfg' - got timeout\n")
    assert token()["changed"]
    assert found(cluster) is not None
