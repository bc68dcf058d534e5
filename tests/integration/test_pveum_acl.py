# SPDX-License-Identifier: GPL-3.0-or-later
"""pveum_acl: who is given what on a path; what is not taken, not seen, not sent twice."""

from __future__ import annotations

import pytest
from access_list import READ, WRITE, acl, bodies, entries, root  # noqa: F401

# Asked where no entry of the path is seen: whether there is none, or the caller does not see it.
SIGHT = "GET /access/permissions?path=/access"
MISSING = "an entry needs a role and a user, a group or a token: one of them is missing on `/vms`"


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_path_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("pveum_acl", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: path"
    assert cluster.requests() == []


@pytest.mark.parametrize("options, msg", [
    ({}, "state the roles, and the users, groups or tokens that are given them on `/vms`"),
    ({"roles": ["PVEAuditor"]}, MISSING),
    ({"users": ["audit@pve"]}, MISSING),
    ({"roles": [], "users": ["audit@pve"]}, MISSING),
    ({"state": "absent", "exclusive": True},
     "exclusive says which entries there are, so it cannot go with state absent: on `/vms`"),
    ({"roles": "PVEAuditor", "users": "audit"}, "`audit` has no realm: write `user@realm`"),
    ({"roles": "PVEAuditor", "users": "prov@pve!mms"}, "`prov@pve!mms` is a token: it belongs to tokens"),
    ({"roles": "PVEAuditor", "tokens": "mms"}, "`mms` is no full name of a token: write `user@realm!tokenid`"),
])
def test_what_can_be_no_entry_is_refused_before_anything_is_asked(acl, cluster, options, msg):
    result = acl(**options)
    assert result["failed"] and result["msg"] == msg
    assert cluster.requests() == []


def test_check_mode_tells_of_the_new_entries_and_writes_nothing(acl, cluster, asked):
    before = cluster.state()["acl"]
    result = acl(users="audit@pve", roles="PVEVMUser", check=True, diff=True)
    assert result["changed"]
    assert result["diff"] == {"before": {"/vms": []}, "after": {"/vms": ["user audit@pve: PVEVMUser"]}}
    assert asked() == [READ, SIGHT]
    assert cluster.state()["acl"] == before


def test_entries_are_made_once(acl, cluster, asked):
    wish = {"users": ["audit@pve", "prov@pve"], "tokens": ["prov@pve!mms"], "roles": ["PVEVMUser", "PVEAuditor"]}
    result = acl(**wish)
    assert result["changed"] and not result.get("failed") and not result.get("warnings")
    assert asked() == [READ, WRITE]
    made = {(kind, ugid, role): 1 for role in wish["roles"]
            for kind, ugid in (("user", "audit@pve"), ("user", "prov@pve"), ("token", "prov@pve!mms"))}
    assert entries(cluster) == made
    told = {(row["type"], row["ugid"], row["roleid"]): row["propagate"] for row in result["entries"]}
    assert told == made and {row["path"] for row in result["entries"]} == {"/vms"}

    again = acl(**wish)
    assert not again["changed"] and again["entries"] == result["entries"]
    assert asked() == [READ]


def test_a_cross_product_is_one_request_and_what_is_there_is_not_sent(acl, cluster):
    cluster.patch(groups={"ops": {"users": ["audit@pve"]}})
    acl(users="audit@pve", roles="PVEVMUser")
    cluster.control("DELETE", "/requests")
    acl(users=["audit@pve", "prov@pve"], groups="ops", tokens="prov@pve!mms", roles=["PVEVMUser"])
    [body] = bodies(cluster)
    assert body == {"path": "/vms", "roles": "PVEVMUser", "users": "prov@pve", "groups": "ops",
                    "tokens": "prov@pve!mms", "propagate": "1"}
    assert len(entries(cluster)) == 4


def test_roles_and_users_may_be_texts_and_said_by_other_words(acl, cluster):
    assert acl(users="audit@pve, prov@pve", role="PVEVMUser;PVEAuditor")["changed"]
    assert len(entries(cluster)) == 4
    assert not acl(users=["audit@pve", "prov@pve"], roleid=["PVEVMUser", "PVEAuditor"])["changed"]


def test_propagation_is_changed_there_and_back(acl, cluster, asked):
    key = ("user", "audit@pve", "PVEVMUser")
    wish = {"users": "audit@pve", "roles": "PVEVMUser"}
    acl(**wish)
    for propagate in (False, True):
        asked()
        assert acl(**wish, propagate=propagate)["changed"]
        assert entries(cluster) == {key: int(propagate)}
        assert asked() == [READ, WRITE]
        assert not acl(**wish, propagate=propagate)["changed"]


def test_check_mode_with_diff_shows_a_change_and_writes_nothing(acl, cluster, asked):
    acl(users="audit@pve", roles="PVEVMUser")
    asked()
    result = acl(users="audit@pve", roles="PVEVMUser", propagate=False, check=True, diff=True)
    assert result["changed"]
    assert result["diff"]["before"] == {"/vms": ["user audit@pve: PVEVMUser"]}
    assert result["diff"]["after"] == {"/vms": ["user audit@pve: PVEVMUser (this path only)"]}
    assert asked() == [READ]
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1}


def test_what_is_stated_is_added_and_the_rest_stays(acl, cluster):
    acl(users="audit@pve", roles="PVEVMUser")
    acl(users="audit@pve", roles="PVEAuditor", propagate=False)
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1, ("user", "audit@pve", "PVEAuditor"): 0}


FOUR = {("user", user, role): 1 for user in ("audit@pve", "prov@pve") for role in ("PVEVMUser", "PVEAuditor")}


@pytest.mark.parametrize("options, left", [
    ({"users": "audit@pve", "roles": "PVEVMUser"},
     [key for key in FOUR if key != ("user", "audit@pve", "PVEVMUser")]),
    ({"roles": "PVEVMUser"}, [key for key in FOUR if key[2] != "PVEVMUser"]),
    ({"users": "audit@pve"}, [key for key in FOUR if key[1] != "audit@pve"]),
    ({"users": "audit@pve", "propagate": False}, [key for key in FOUR if key[1] != "audit@pve"]),
    ({"users": "audit@pve", "tokens": "prov@pve!mms"}, [key for key in FOUR if key[1] != "audit@pve"]),
    ({}, []),
])
def test_absent_takes_what_is_named_and_without_a_name_all(acl, cluster, asked, options, left):
    acl(users=["audit@pve", "prov@pve"], roles=["PVEVMUser", "PVEAuditor"])
    elsewhere = entries(cluster, "/")
    asked()
    assert acl(state="absent", check=True, **options)["changed"]
    assert asked() == [READ] and entries(cluster) == FOUR
    result = acl(state="absent", **options)
    assert result["changed"] and len(result["entries"]) == len(left)
    assert asked() == [READ, WRITE]
    assert entries(cluster).keys() == {*left}
    assert entries(cluster, "/") == elsewhere
    assert not acl(state="absent", **options)["changed"]


def test_what_is_not_there_need_not_exist_to_be_absent(acl, cluster):
    result = acl(state="absent", users="nobody@pve", roles="NoSuchRole")
    assert not result["changed"] and not result.get("failed")
    assert cluster.stats()["writes"] == 0


def test_in_a_playbook_the_second_pass_changes_nothing(playbook, connection):
    task = {"ferrox.proxmox.pveum_acl": {**connection, "path": "{{ item }}", "tokens": "prov@pve!mms",
                                         "roles": ["PVEVMUser"]}, "loop": ["/vms", "/storage/ceph"]}
    run = playbook([task, task])
    assert run.rc == 0
    assert [result["changed"] for result in run.results] == [True, False]


# --------------------------------------------------------------------------------------------------------- the paths


@pytest.mark.parametrize("text, path", [
    ("vms/100", "/vms/100"), ("//vms//100/", "/vms/100"), (" /vms/100 ", "/vms/100"),
    ("/sdn/zones/localnetwork/vmbr0/20/", "/sdn/zones/localnetwork/vmbr0/20"), ("/pool/web", "/pool/web"),
    ("/access/realm/pve", "/access/realm/pve"), ("/mapping/pci/gpu", "/mapping/pci/gpu"), ("/nodes/pve1", "/nodes/pve1"),
])
def test_a_path_is_brought_into_the_servers_form(acl, cluster, text, path):
    wish = {"users": "audit@pve", "roles": "PVEVMUser"}
    assert acl(text, **wish)["changed"]
    assert entries(cluster, path) == {("user", "audit@pve", "PVEVMUser"): 1}
    assert not acl(text, **wish)["changed"] and not acl(path, **wish)["changed"]


@pytest.mark.parametrize("path, why", [
    ("", "write / for the whole datacenter"),
    ("/bogus", "it begins with /access, /mapping, /nodes, /pool, /sdn, /storage or /vms, or is / alone"),
    ("/vms/web-1", "below /vms stands a VMID, 100 or more"),
    ("/vms/99", "below /vms stands a VMID, 100 or more"),
    ("/storage/a/b", "/storage/{storage} goes no deeper"),
    ("/vms/../access", "below /vms stands a VMID, 100 or more"),
    ("/vms/100&delete=1", "letters, digits, `.`, `-` and `_` may stand between the slashes"),
])
def test_a_path_that_cannot_be_is_refused_before_anything_is_asked(acl, cluster, path, why):
    result = acl(path, users="audit@pve", roles="PVEVMUser")
    assert result["failed"]
    assert result["msg"] == f"`{path}` is no path of the access control list: {why}"
    assert cluster.requests() == []


# -------------------------------------------------------------------------------------------------- what is not seen


@pytest.fixture
def provisioner(connection):
    return {**connection, "api_user": "prov@pve"}


def test_who_may_give_roles_on_a_guest_sees_its_entries(acl, cluster, provisioner):
    """VM.Allocate suffices on one guest: the first entry is a change, and no warning is due."""
    wish = {"path": "/vms/100", "users": "audit@pve", "roles": "PVETemplateUser", "by": provisioner}
    foretold = acl(**wish, check=True)
    assert foretold["changed"] and not foretold.get("warnings")
    result = acl(**wish)
    assert result["changed"] and not result.get("warnings") and not result.get("failed")
    assert entries(cluster, "/vms/100") == {("user", "audit@pve", "PVETemplateUser"): 1}
    again = acl(**wish)
    assert not again["changed"] and not again.get("warnings")
    assert acl(**wish, state="absent")["changed"]
    assert entries(cluster, "/vms/100") == {}


def test_a_role_beyond_the_callers_own_is_refused_in_the_servers_words(acl, cluster, provisioner):
    result = acl("/vms/100", users="audit@pve", roles="PVEVMAdmin", by=provisioner)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        "unable to give roles on ACL path `/vms/100`: PUT /access/acl answered 500: ACL update failed: 400 Parameter "
        "verification failed.\nrole: Cannot add role 'PVEVMAdmin' - requires 'Permissions.Modify' or superset of "
        "privileges"
    )
    assert entries(cluster, "/vms/100") == {}


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_path_that_is_not_seen_is_told_and_not_foretold_as_changed(acl, cluster, provisioner, state):
    wish = {"users": "audit@pve", "roles": "PVEVMUser", "state": state, "by": provisioner}
    acl(users="audit@pve", roles="PVEVMUser")
    result = acl(**wish, check=True)
    assert not result["changed"] and not result.get("failed")
    [warning] = result["warnings"]
    assert warning == (
        "the caller sees no entries of `/vms`: it has neither Permissions.Modify there nor Sys.Audit on /access, so "
        "whether anything changes cannot be told"
    )
    # What it may not see it may not write either: the server says so, and nothing claims the opposite.
    result = acl(**wish)
    assert result["failed"] and not result["changed"]
    assert "Permission check failed (/vms, Permissions.Modify)" in result["msg"]
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1}


def test_what_cannot_be_seen_and_is_not_named_stays_and_is_said_to(acl, cluster, provisioner):
    acl(users="audit@pve", roles="PVEVMUser")
    result = acl(state="absent", by=provisioner)
    assert not result["changed"] and not result.get("failed")
    assert result["warnings"][0].endswith("; entries that the task does not name in full stay")
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1}


# ------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("options, text", [
    ({"roles": "NoSuchRole", "users": "audit@pve"}, "role 'NoSuchRole' does not exist"),
    ({"roles": "PVEAuditor", "users": "nobody@pve"}, "user 'nobody@pve' does not exist"),
    ({"roles": "PVEAuditor", "groups": "nobodies"}, "group 'nobodies' does not exist"),
    ({"roles": "PVEAuditor", "tokens": "prov@pve!nope"}, "no such token 'nope' for user 'prov@pve'"),
])
def test_what_does_not_exist_is_named_in_the_servers_words(acl, cluster, options, text):
    result = acl(**options)
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"unable to give roles on ACL path `/vms`: PUT /access/acl answered 500: ACL update failed: {text}"
    )
    assert result["entries"] is None
    assert entries(cluster) == {}


def test_without_the_right_privilege_and_path_are_named(acl, cluster, connection):
    result = acl(users="prov@pve", roles="PVEVMUser", by={**connection, "api_user": "audit@pve"})
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        "unable to give roles on ACL path `/vms`: PUT /access/acl answered 403: "
        "Permission check failed (/vms, Permissions.Modify). The caller lacks Permissions.Modify on /vms; "
        "a token with privilege separation needs it itself, beside its user"
    )
    failure = result["failure"]
    assert (failure["status"], failure["privilege"], failure["acl_path"]) == (403, "Permissions.Modify", "/vms")


@pytest.mark.parametrize("drop", ["before", "after-effect"])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_lost_answer_is_made_up_for(acl, cluster, drop, state):
    wish = {"users": "audit@pve", "roles": "PVEVMUser", "state": state}
    if state == "absent":
        acl(users="audit@pve", roles="PVEVMUser")
    cluster.fault(method="PUT", path="/access/acl", drop=drop)
    result = acl(**wish)
    assert result["changed"] and not result.get("failed")
    assert entries(cluster) == ({("user", "audit@pve", "PVEVMUser"): 1} if state == "present" else {})
    assert not acl(**wish)["changed"]


def test_a_lock_that_is_held_is_waited_for(acl, cluster):
    cluster.fault(method="PUT", path="/access/acl", status=500,
                  message="ACL update failed: can't lock file '/etc/pve/user.cfg' - got timeout\n")
    result = acl(users="audit@pve", roles="PVEVMUser")
    assert result["changed"] and not result.get("failed")
    assert [body["roles"] for body in bodies(cluster)] == ["PVEVMUser", "PVEVMUser"]
    assert entries(cluster) == {("user", "audit@pve", "PVEVMUser"): 1}


def test_a_password_serves_as_well_as_a_token(acl, cluster, root):
    assert acl(users="audit@pve", roles="PVEVMUser", by=root)["changed"]
    stats = cluster.stats()
    assert (stats["logins"], stats["requests"], stats["connections"]) == (1, 2, 1)
    assert not acl(users="audit@pve", roles="PVEVMUser", by=root)["changed"]


def test_with_v_the_plan_is_shown(acl):
    result = acl(users="audit@pve", roles="PVEVMUser", check=True, verbosity=3)
    assert result["plan"] == ["PUT /access/acl path=/vms roles=PVEVMUser users=audit@pve propagate=1"]
