# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_access_acl: an entry from nothing to nothing, and where it is better than its namesake."""

from __future__ import annotations

import pytest

ENTRY = {"path": "/vms/100", "type": "user", "ugid": "prov@pve", "roleid": "PVEVMUser"}


@pytest.fixture
def acl(ferrox, connection):
    """Runs the module: acl(**ENTRY, check=True) -> result."""

    def run(check=False, diff=False, **options):
        return ferrox("proxmox_access_acl", {**connection, **options}, check=check, diff=diff)

    return run


def entries(cluster, path="/vms/100"):
    """What the server has on a path: {(name, role): whether it propagates}."""
    rows = [row for row in cluster.state()["acl"] if row["path"] == path]
    return {(row["ugid"], row["roleid"]): bool(row["propagate"]) for row in rows}


def test_an_entry_needs_all_of_its_parts(acl, cluster):
    result = acl(path="/vms", roleid="PVEVMUser")
    assert result["failed"] and result["msg"] == "state is present but all of the following are missing: type, ugid"
    result = acl(state="absent")
    assert result["failed"] and result["msg"] == "state is absent but all of the following are missing: path"
    assert cluster.requests() == []


def test_check_mode_writes_nothing(acl, cluster):
    result = acl(**ENTRY, check=True, diff=True)
    assert result["changed"]
    assert result["diff"] == {"before": {"/vms/100": []}, "after": {"/vms/100": ["user prov@pve: PVEVMUser"]}}
    assert entries(cluster) == {} and cluster.stats()["writes"] == 0


def test_an_entry_is_made_once_and_goes_once(acl, cluster):
    result = acl(**ENTRY)
    assert result["changed"] and not result.get("failed")
    made = {**ENTRY, "propagate": 1}
    assert made in result["new_acls"] and made not in result["old_acls"]
    assert entries(cluster) == {("prov@pve", "PVEVMUser"): True}

    writes = cluster.stats()["writes"]
    result = acl(**ENTRY)
    assert not result["changed"] and made in result["old_acls"] and "new_acls" not in result
    assert cluster.stats()["writes"] == writes

    assert acl(**ENTRY, state="absent", check=True)["changed"]
    assert entries(cluster) == {("prov@pve", "PVEVMUser"): True}
    result = acl(**ENTRY, state="absent")
    assert result["changed"] and made not in result["new_acls"]
    assert entries(cluster) == {}
    assert not acl(**ENTRY, state="absent")["changed"]


def test_whether_an_entry_propagates_is_managed(acl, cluster):
    for propagate in (True, False, True):
        result = acl(**ENTRY, propagate=propagate)
        assert result["changed"]
        assert entries(cluster) == {("prov@pve", "PVEVMUser"): propagate}
        assert not acl(**ENTRY, propagate=propagate)["changed"]


def test_an_entry_goes_whether_it_propagates_or_not(acl, cluster):
    acl(**ENTRY, propagate=False)
    assert not acl(**ENTRY, state="absent", propagate=True)["changed"]
    assert acl(**ENTRY, state="absent")["changed"]
    assert entries(cluster) == {}


def test_a_slash_at_the_end_is_no_difference(acl):
    assert acl(**{**ENTRY, "path": "/vms/100/"})["changed"]
    assert not acl(**{**ENTRY, "path": "/vms//100"})["changed"]


def test_several_entries_go_in_one_request(acl, cluster):
    for name in ("prov@pve", "audit@pve"):
        acl(**{**ENTRY, "ugid": name})
    writes = cluster.stats()["writes"]
    assert acl(path="/vms/100", state="absent")["changed"]
    assert entries(cluster) == {} and cluster.stats()["writes"] == writes + 1


def test_who_does_not_see_the_entries_is_told_so(acl, cluster):
    acl(**{**ENTRY, "path": "/vms"})
    result = acl(**{**ENTRY, "path": "/vms"}, api_user="prov@pve", check=True)
    assert not result.get("failed") and not result["changed"]
    assert result["warnings"] == [
        "the caller sees no entries of `/vms`: it has neither Permissions.Modify there nor Sys.Audit on /access, "
        "so whether anything changes cannot be told"
    ]
    result = acl(**{**ENTRY, "path": "/vms"}, api_user="prov@pve")
    assert result["failed"] and result["failure"]["privilege"] == "Permissions.Modify"


def test_what_cannot_be_seen_is_not_said_to_be_gone(acl, cluster):
    there = {**ENTRY, "path": "/vms"}
    acl(**there)
    result = acl(path="/vms", state="absent", api_user="prov@pve")
    assert not result.get("failed") and not result["changed"]
    [warning] = result["warnings"]
    assert warning.startswith("the caller sees no entries of `/vms`")
    result = acl(**there, state="absent", api_user="prov@pve")
    assert result["failed"] and result["failure"]["privilege"] == "Permissions.Modify"
    assert entries(cluster, "/vms") == {("prov@pve", "PVEVMUser"): True}


def test_who_may_give_a_role_sees_whether_it_is_given(acl):
    mine = {**ENTRY, "ugid": "audit@pve", "roleid": "Provisioner", "api_user": "prov@pve"}
    assert acl(**mine)["changed"]
    assert not acl(**mine)["changed"]


def test_a_role_that_is_not_there_is_named(acl):
    result = acl(**{**ENTRY, "roleid": "Nope"})
    assert result["failed"] and "role 'Nope' does not exist" in result["msg"]
    assert "new_acls" not in result
