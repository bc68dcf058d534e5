# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_storage_contents_info: the volumes on a storage."""

from __future__ import annotations

import pytest
from readers import NOBODY, asked, lacks

CONTENT = "GET /nodes/pve1/storage/ceph/content"


@pytest.fixture
def content(ferrox, connection):
    def run(node="pve1", storage="ceph", **options):
        return ferrox("proxmox_storage_contents_info", {**connection, "node": node, "storage": storage, **options})

    return run


def volumes(result):
    return [volume["volid"] for volume in result["proxmox_storage_content"]]


def test_what_is_missing_is_named(ferrox, cluster, connection):
    result = ferrox("proxmox_storage_contents_info", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: node, storage"
    assert cluster.requests() == []


def test_everything_on_it_is_told_by_name(content, cluster):
    result = content()
    assert not result["changed"]
    assert volumes(result) == sorted(volumes(result)) and len(volumes(result)) > 5
    disk = next(volume for volume in result["proxmox_storage_content"] if volume["volid"] == "ceph:vm-100-disk-0")
    assert (disk["content"], disk["format"], disk["size"], disk["vmid"]) == ("images", "raw", 10 * 2**30, 100)
    assert asked(cluster) == [CONTENT]


def test_check_mode_reads_as_well_and_there_is_no_diff(ferrox, connection, content):
    options = {**connection, "node": "pve1", "name": "ceph"}
    result = ferrox("proxmox_storage_contents_info", options, check=True, diff=True)
    assert result["proxmox_storage_content"] == content()["proxmox_storage_content"]
    assert not result["changed"] and "diff" not in result


def test_the_server_chooses_those_of_a_kind_and_of_a_guest(content, cluster):
    assert volumes(content(vmid=100, content="images")) == ["ceph:vm-100-cloudinit", "ceph:vm-100-disk-0"]
    assert volumes(content(content="backup")) == []
    assert volumes(content(vmid=999)) == []
    assert asked(cluster) == [f"{CONTENT}?content=images&vmid=100", f"{CONTENT}?content=backup", f"{CONTENT}?vmid=999"]


@pytest.mark.parametrize(
    "place, cause",
    [
        ({"storage": "nope"}, "storage 'nope' does not exist"),
        ({"node": "nope"}, "hostname lookup 'nope' failed"),
    ],
)
def test_a_place_that_is_not_there_is_told(content, place, cause):
    where = {"storage": "ceph", "node": "pve1", **place}
    result = content(**place)
    assert result["failed"]
    assert result["msg"].startswith(
        f"unable to read the content of storage `{where['storage']}` on node `{where['node']}`: GET"
    )
    assert cause in result["msg"]


def test_a_vmid_that_is_none_is_told_as_the_server_tells_it(content, cluster):
    result = content(vmid=50)
    cluster.reset()
    assert result["failed"] and "answered 400" in result["msg"] and "vmid:" in result["msg"]


def test_a_node_that_is_offline_is_told(content, cluster):
    cluster.help("offline", node="pve3")
    result = content(node="pve3")
    assert result["failed"] and "The node is offline or unreachable" in result["msg"]


def test_without_a_privilege_privilege_and_path_are_named(content):
    assert lacks(content(**NOBODY), "Datastore.Audit or Datastore.AllocateSpace", "/storage/ceph")
