# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_acl: these entries and no others, and what its caller keeps."""

from __future__ import annotations

import pytest
from access_list import READ, acl, bodies, entries, root  # noqa: F401

RIGHTS = ["GET /access/roles", "GET /access/users?full=1"]
BOSS = "boss@pve"


@pytest.fixture
def boss(cluster, connection):
    """Makes a caller and tells how it connects: boss(acl=[…], token="one", privsep=1) -> connection options."""

    def caller(acl, token=None, privsep=0, groups=()):
        tokens = {token: {"secret": cluster.api_token_secret, "privsep": privsep}} if token else {}
        cluster.patch(
            users={BOSS: {"password": "big-boss", "tokens": tokens}},
            groups={name: {"users": [BOSS]} for name in groups},
            roles={"Delegate": "Permissions.Modify VM.Audit"},
            acl=[{"path": "/", **entry} for entry in acl],
        )
        where = {key: connection[key] for key in ("api_host", "ca_path")}
        if not token:
            return {**where, "api_user": BOSS, "api_password": "big-boss"}
        return {**where, "api_user": BOSS, "api_token_id": token, "api_token_secret": cluster.api_token_secret}

    return caller


def test_exclusive_adds_before_it_removes(acl, cluster, asked):
    acl(users=["audit@pve", "prov@pve"], roles="PVEVMUser")
    acl(tokens="prov@pve!mms", roles="PVEAuditor")
    asked()
    wish = {"users": ["audit@pve"], "roles": ["PVEVMUser", "PVEPoolUser"], "exclusive": True}
    result = acl(**wish, check=True, diff=True)
    assert result["changed"] and asked() == [READ]
    assert result["diff"]["after"] == {"/vms": ["user audit@pve: PVEPoolUser", "user audit@pve: PVEVMUser"]}

    assert acl(**wish)["changed"]
    writes = bodies(cluster)
    assert ["delete" in body for body in writes] == [False, True, True]
    assert writes[0] == {"path": "/vms", "roles": "PVEPoolUser", "users": "audit@pve", "propagate": "1"}
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1, ("user", "audit@pve", "PVEPoolUser"): 1}
    asked()
    assert not acl(**wish)["changed"]
    assert asked() == [READ]


def test_exclusive_with_nothing_stated_empties_a_path(acl, cluster):
    acl(users=["audit@pve", "prov@pve"], roles="PVEVMUser")
    assert acl(exclusive=True)["changed"]
    assert entries(cluster) == {}
    assert len(entries(cluster, "/")) == 4


def test_exclusive_leaves_everything_where_what_it_adds_is_refused(acl, cluster):
    acl(users="prov@pve", roles="PVEVMUser")
    result = acl(users="audit@pve", roles="NoSuchRole", exclusive=True)
    assert result["failed"] and not result["changed"]
    assert entries(cluster) == {("user", "prov@pve", "PVEVMUser"): 1}


def refused(result, cluster, caller, path="/"):
    assert result["failed"], result
    assert result["msg"] == (
        f"this would take from the caller, `{caller}`, the right to change the entries (Permissions.Modify) on "
        f"`{path}`: do it as another user, or keep an entry for it"
    )
    assert cluster.stats()["writes"] == 0


AUDITOR = {"users": "audit@pve", "roles": "PVEAuditor", "exclusive": True}


@pytest.mark.parametrize("check", [False, True])
def test_exclusive_does_not_take_the_callers_own_last_right(acl, cluster, check):
    before = cluster.state()["acl"]
    refused(acl("/", **AUDITOR, check=check), cluster, "ansible@pam!mms")
    assert cluster.state()["acl"] == before


def test_an_entry_of_its_own_that_stays_is_enough(acl, cluster):
    wish = {"users": ["ansible@pam"], "roles": "Administrator", "exclusive": True}
    assert acl("/", **wish)["changed"]
    assert entries(cluster, "/") == {("user", "ansible@pam", "Administrator"): 1}
    assert not acl("/", **wish)["changed"]


ADMIN = {"ugid": BOSS, "roleid": "Administrator"}
DELEGATE = {"ugid": BOSS, "roleid": "Delegate", "path": "/vms"}


def test_a_user_keeps_its_last_right(acl, cluster, boss):
    refused(acl("/", **AUDITOR, by=boss([ADMIN])), cluster, BOSS)


def test_a_user_keeps_what_it_has_by_a_group(acl, cluster, boss):
    by = boss([{"type": "group", "ugid": "admins", "roleid": "Administrator"}], groups=["admins"])
    refused(acl("/", **AUDITOR, by=by), cluster, BOSS)
    cluster.control("DELETE", "/requests")
    # Another group is another matter.
    cluster.patch(groups={"dev": {"users": ["audit@pve"]}},
                  acl=[{"path": "/", "type": "group", "ugid": "dev", "roleid": "PVEAuditor"}])
    assert acl("/", groups="dev", state="absent", by=by)["changed"]


@pytest.mark.parametrize("name", [{"users": BOSS}, {"tokens": f"{BOSS}!one"}])
def test_a_separate_token_keeps_both_its_entry_and_its_users(acl, cluster, boss, name):
    by = boss([ADMIN, {"ugid": f"{BOSS}!one", "roleid": "Administrator"}], token="one", privsep=1)
    refused(acl("/", **name, state="absent", by=by), cluster, f"{BOSS}!one")


def test_a_token_without_separation_needs_no_entry_of_its_own(acl, cluster, boss):
    by = boss([ADMIN, {"ugid": f"{BOSS}!one", "roleid": "Administrator"}], token="one", privsep=0)
    assert acl("/", tokens=f"{BOSS}!one", state="absent", by=by)["changed"]
    refused_now = acl("/", users=BOSS, state="absent", by=by)
    assert refused_now["failed"] and f"`{BOSS}!one`" in refused_now["msg"]


@pytest.mark.parametrize("privsep", [0, 1])
def test_a_token_that_cannot_see_its_user_keeps_its_last_right(acl, cluster, boss, asked, privsep):
    """Without User.Modify and Sys.Audit the server does not show a token its own user."""
    own = [DELEGATE, {**DELEGATE, "ugid": f"{BOSS}!one"}]
    by = boss(own if privsep else own[:1], token="one", privsep=privsep)
    refused(acl(users=BOSS, state="absent", by=by), cluster, f"{BOSS}!one", "/vms")
    refused(acl(**AUDITOR, by=by), cluster, f"{BOSS}!one", "/vms")


def test_a_token_that_cannot_see_its_users_groups_keeps_its_last_right(acl, cluster, boss):
    by = boss([{**DELEGATE, "ugid": "ops", "type": "group"}], token="one", groups=["ops"])
    refused(acl(groups="ops", state="absent", by=by), cluster, f"{BOSS}!one", "/vms")
    acl(users="audit@pve", roles="PVEAuditor", by=by)
    assert acl(users="audit@pve", state="absent", by=by)["changed"]


def test_exclusive_counts_what_the_caller_is_given_itself(acl, cluster, boss):
    by = boss([ADMIN])
    refused(acl("/access", users=BOSS, roles="PVEAuditor", exclusive=True, by=by), cluster, BOSS, "/access")


def test_exclusive_counts_what_a_group_is_given_too(acl, cluster, boss):
    by = boss([ADMIN], groups=["ops"])
    refused(acl("/vms", groups="ops", roles="PVEVMUser", exclusive=True, by=by), cluster, BOSS, "/vms")


def test_nothing_takes_a_right_from_root(acl, cluster, root, asked):
    assert acl("/", **AUDITOR, by=root)["changed"]
    assert entries(cluster, "/") == {("user", "audit@pve", "PVEAuditor"): 1}
    assert not {*asked()} & {*RIGHTS}
