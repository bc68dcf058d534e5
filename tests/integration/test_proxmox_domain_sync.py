# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_domain_sync: users and groups come out of a directory, and the task tells whether any did."""

from __future__ import annotations

import pytest

OFFICE = {"type": "ldap", "base_dn": "dc=example,dc=org", "user_attr": "uid", "server1": "ldap.example.org"}
DEFAULTS = "scope=both,enable-new=1"
READ, USERS, GROUPS, ACL = "GET /access/domains/office", "GET /access/users?full=1", "GET /access/groups", "GET /access/acl"
SYNC = "POST /access/domains/office/sync"


@pytest.fixture
def office(cluster):
    """The realm `office`, with a directory that knows ada and grace, and the groups ops and dev."""
    cluster.patch(realms={"office": {**OFFICE, "sync-defaults-options": DEFAULTS}})


@pytest.fixture
def sync(ferrox, connection):
    """Runs the module: sync(scope="users") -> result."""

    def run(check=False, **options):
        return ferrox("proxmox_domain_sync", {**connection, "realm": "office", **options}, check=check)

    return run


@pytest.fixture
def asked(asked):
    """The same without the questions about the task."""
    return lambda: [request for request in asked() if "/tasks/" not in request]


def users(cluster):
    return sorted(user for user in cluster.state()["users"] if user.endswith("@office"))


def test_without_a_realm_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_domain_sync", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: realm"
    assert cluster.requests() == []


def test_check_mode_sends_nothing_but_a_question(office, sync, cluster, asked):
    result = sync(check=True)
    assert result["changed"] and result["msg"] == "Domain office would be synced."
    assert asked() == [READ]
    assert users(cluster) == []


def test_the_first_run_brings_users_and_the_second_changes_nothing(office, sync, cluster, asked):
    result = sync()
    assert result["changed"] and result["msg"] == "Domain office synced."
    assert users(cluster) == ["ada@office", "grace@office"]
    assert {"ops-office", "dev-office"} <= set(cluster.state()["groups"])
    assert asked() == [READ, USERS, GROUPS, SYNC, USERS, GROUPS]

    result = sync()
    assert not result["changed"] and result["msg"] == "Domain office synced."
    assert "warnings" not in result


def test_the_end_of_the_task_is_waited_for(office, sync, cluster):
    cluster.fault(method="POST", path="/access/domains/office/sync", task={"delay": 2})
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    assert sync()["changed"]
    assert users(cluster) == ["ada@office", "grace@office"]


def test_a_change_of_a_user_is_one(office, sync, cluster):
    sync()
    directory = cluster.state()["directories"]["ldap.example.org"]
    people = [{**user, "email": f"{user['name']}@example.com"} for user in directory["users"]]
    cluster.patch(directories={"ldap.example.org": {**directory, "users": people}})
    assert sync()["changed"]
    assert not sync()["changed"]


def test_options_are_sent_as_the_api_takes_them(office, sync, cluster, asked):
    result = sync(scope="users", enable_new=False, remove_vanished="properties, entry")
    assert result["changed"]
    sent = next(request for request in cluster.requests() if request["method"] == "POST")
    assert sent["body"] == {"scope": "users", "enable-new": "0", "remove-vanished": "properties;entry"}
    assert asked() == [READ, USERS, SYNC, USERS]
    assert {user: cluster.state()["users"][user]["enable"] for user in users(cluster)} == dict.fromkeys(users(cluster), 0)
    assert not any(group.endswith("-office") for group in cluster.state()["groups"])


def test_who_vanished_is_removed_with_his_entries(office, sync, cluster):
    cluster.patch(users={"gone@office": {}},
                  acl=[{"path": "/vms", "type": "user", "ugid": "gone@office", "roleid": "PVEVMUser"}])
    assert sync(remove_vanished="acl")["changed"]
    assert "gone@office" in users(cluster)
    assert not any(entry["ugid"] == "gone@office" for entry in cluster.state()["acl"])
    assert not sync(remove_vanished="acl")["changed"]
    assert sync(remove_vanished="entry")["changed"]
    assert "gone@office" not in users(cluster)


def test_what_the_realm_says_of_acl_entries_counts(sync, cluster, asked):
    defaults = "scope=groups,remove-vanished=acl"
    cluster.patch(realms={"office": {**OFFICE, "sync-defaults-options": defaults}}, groups={"gone-office": {}})
    assert sync()["changed"]
    asked()
    cluster.patch(acl=[{"path": "/vms", "type": "group", "ugid": "gone-office", "roleid": "PVEVMUser"}])
    assert sync()["changed"]
    assert asked() == [READ, GROUPS, ACL, SYNC, GROUPS, ACL]
    assert not sync()["changed"]
    assert asked() == [READ, GROUPS, ACL, SYNC, GROUPS, ACL, "GET /access/permissions?path=/access"]


def test_a_caller_who_does_not_see_acl_entries_is_told_so(office, sync, cluster, connection, asked):
    cluster.patch(
        roles={"Sync": ["Realm.AllocateUser", "User.Modify"]},
        acl=[{"path": path, "type": "user", "ugid": "prov@pve", "roleid": "Sync"} for path in ("/access/realm", "/access/groups")],
        users={"prov@pve": {"tokens": {"sync": {"privsep": 0, "secret": connection["api_token_secret"]}}}},
    )
    caller = {"api_user": "prov@pve", "api_token_id": "sync"}
    assert sync(**caller)["changed"]
    asked()
    assert not sync(**caller)["changed"]
    assert asked() == [READ, "GET /access/domains", USERS, GROUPS, SYNC, USERS, GROUPS]
    result = sync(**caller, remove_vanished="acl")
    assert result["changed"]
    assert result["warnings"] == [
        "whether the synchronisation of realm `office` changed anything is not known: users and groups are as they were, "
        "but ACL entries may have been removed, which the caller does not see without Sys.Audit on /access"
    ]


def test_a_caller_who_cannot_see_users_is_told_so(office, sync, cluster):
    cluster.fault(method="GET", path="/access/users", status=403, message="Permission check failed\n")
    result = sync()
    assert result["changed"] and not result.get("failed")
    (warning,) = result["warnings"]
    assert warning.startswith("whether the synchronisation of realm `office` changed anything is not known: ")
    assert "403" in warning
    assert users(cluster) == ["ada@office", "grace@office"]


def test_users_that_cannot_be_read_for_another_reason_are_no_ground_to_write(office, sync, cluster):
    cluster.fault(method="GET", path="/access/users", status=500, message="user.cfg is broken\n")
    result = sync()
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to read the users and groups of realm `office`: ")
    assert cluster.stats()["writes"] == 0


def test_a_task_that_fails_fails(sync, cluster):
    cluster.patch(realms={"office": {**OFFICE, "server1": "nowhere.example.org", "sync-defaults-options": DEFAULTS}})
    result = sync()
    assert result["failed"] and not result["changed"]
    assert result["msg"].startswith("unable to sync realm `office`: task UPID:")
    assert "Name or service not known" in result["msg"]
    assert result["failure"]["kind"] == "task_failed"
    assert any("Name or service not known" in line for line in result["failure"]["log"])


@pytest.mark.parametrize("check", [False, True])
def test_a_realm_that_is_missing_is_said_to_be(sync, cluster, asked, check):
    result = sync(realm="nowhere", check=check)
    assert result["failed"] and result["msg"] == "Domain nowhere not present."
    assert asked() == ["GET /access/domains/nowhere"]


@pytest.mark.parametrize("check", [False, True])
def test_only_directories_can_be_synchronised(sync, cluster, asked, check):
    result = sync(realm="pve", check=check)
    assert result["failed"]
    assert result["msg"] == "the realm `pve` is of type pve: only realms of type ldap and ad can be synchronised"
    assert asked() == ["GET /access/domains/pve"]


@pytest.mark.parametrize("check", [False, True])
def test_what_is_synchronised_must_be_said_somewhere(sync, cluster, asked, check):
    cluster.patch(realms={"office": OFFICE})
    result = sync(check=check)
    assert result["failed"]
    assert result["msg"] == "the realm `office` does not say what is synchronised: state `scope`"
    assert asked() == [READ]
    assert sync(check=check, scope="users")["changed"]


def test_what_vanishes_must_be_known(sync, cluster):
    result = sync(remove_vanished="everything")
    assert result["failed"]
    assert result["msg"] == "remove_vanished: `everything` is none of acl, properties, entry, none"
    assert cluster.requests() == []


def test_without_the_privilege_it_is_named_with_its_path(office, sync):
    result = sync(api_user="audit@pve")
    assert result["failed"] and not result["changed"]
    assert result["failure"]["status"] == 403
    assert result["failure"]["acl_path"] == "/access/realm/office"
