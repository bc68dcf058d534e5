# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_storage_info: all storages, some, and one; and what is said of one that is not there."""

from __future__ import annotations

import pytest
from readers import NOBODY, ONLOOKER, PROVISIONER, asked, lacks


@pytest.fixture
def storages(ferrox, connection):
    def run(**options):
        return ferrox("proxmox_storage_info", {**connection, **options})

    return run


def names(result):
    return [storage["storage"] for storage in result["proxmox_storages"]]


def test_a_name_and_a_type_exclude_one_another(storages, cluster):
    result = storages(storage="nfs", type="nfs")
    assert result["failed"] and result["msg"] == "parameters are mutually exclusive: storage|type"
    assert cluster.requests() == []


def test_all_are_told_by_name(storages, cluster):
    result = storages()
    assert not result["changed"]
    assert names(result) == ["ceph", "local", "local-lvm", "nfs"]
    assert asked(cluster) == ["GET /storage"]


def test_lists_switches_and_properties_are_what_they_are(storages, cluster):
    cluster.patch(storages={"nfs": {"nodes": "pve2,pve1", "prune-backups": "keep-last=3,keep-daily=7"}})
    (nfs,) = storages(storage="nfs")["proxmox_storages"]
    digest = nfs.pop("digest")
    assert nfs == {
        "storage": "nfs", "type": "nfs", "shared": True, "server": "192.0.2.5", "export": "/export/pve",
        "path": "/mnt/pve/nfs", "content": ["backup", "images", "iso", "snippets", "vztmpl"], "nodes": ["pve1", "pve2"],
        "prune-backups": {"keep-last": "3", "keep-daily": "7"},
    }
    assert digest
    local, *_ = storages(storage="local")["proxmox_storages"]
    assert local.keys().isdisjoint({"shared", "nodes", "prune-backups"})


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, storages):
    result = ferrox("proxmox_storage_info", connection, check=True, diff=True)
    assert result["proxmox_storages"] == storages()["proxmox_storages"]
    assert not result["changed"] and "diff" not in result


def test_the_server_chooses_those_of_a_type(storages, cluster):
    assert names(storages(type="lvmthin")) == ["local-lvm"]
    assert asked(cluster) == ["GET /storage?type=lvmthin"]
    assert names(storages(type="cifs")) == []


def test_a_type_that_is_none_is_told_as_the_server_tells_it(storages, cluster):
    result = storages(type="floppy")
    cluster.reset()
    assert result["failed"]
    assert result["msg"].startswith(
        "unable to read the storages: GET /storage answered 400: Parameter verification failed: "
        "type: value 'floppy' does not have a value in the enumeration"
    )


@pytest.mark.parametrize("caller", [{}, ONLOOKER, PROVISIONER])
def test_one_is_told_to_whoever_may_see_it(storages, cluster, caller):
    result = storages(name="nfs", **caller)
    assert not result.get("failed") and names(result) == ["nfs"]
    assert asked(cluster) == ["GET /storage"]


@pytest.mark.parametrize("caller", [{}, ONLOOKER, PROVISIONER])
def test_one_that_is_not_there_is_told_in_the_known_sentence(storages, caller):
    result = storages(storage="nowhere", **caller)
    assert result["failed"] and result["msg"] == "Storage 'nowhere' does not exist"


@pytest.mark.parametrize("storage", ["nfs", "nowhere"])
def test_who_may_not_see_it_is_told_which_privilege_is_missing(storages, storage):
    result = storages(storage=storage, **NOBODY)
    assert lacks(result, "Datastore.Audit or Datastore.AllocateSpace", f"/storage/{storage}")
    assert "does not exist" not in result["msg"]


def test_another_error_is_told_as_it_is(storages, cluster):
    cluster.fault(path="/storage", status=500, message="unable to parse storage.cfg\n")
    result = storages(storage="nfs")
    assert result["failed"]
    assert result["msg"] == "unable to read the storages: GET /storage answered 500: unable to parse storage.cfg"
