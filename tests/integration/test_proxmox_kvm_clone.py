# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_kvm: clones, and VMs that are migrated."""

from __future__ import annotations

import pytest
from vms import bodies, config, run, writes  # noqa: F401

LINKED = {"node": "pve1", "clone": "debian-13", "name": "web-9", "full": False}


def posted(cluster):
    return [request["body"] for request in cluster.requests() if request["method"] == "POST"]


def test_check_mode_clones_nothing(run, cluster):
    result = run(LINKED, newid=300, check=True, diff=True)
    assert result["changed"] and result["vmid"] == 300
    assert result["msg"] == "VM web-9 with newid 300 cloned from vm with vmid 9000"
    assert result["diff"]["after"] == {"name": "web-9", "node": "pve1", "vmid": 300, "clone of": 9000, "full": False}
    assert writes(cluster) == []


def test_a_linked_clone_takes_three_requests_and_is_made_once(run, cluster, asked):
    result = run(LINKED, newid=300)
    assert result["changed"] and result["vmid"] == 300
    assert [request for request in asked() if "/tasks/" not in request] == [
        "GET /cluster/resources", "GET /nodes/pve1/qemu/9000/status/current", "POST /nodes/pve1/qemu/9000/clone"]
    again = run(LINKED, newid=300)
    assert not again["changed"]
    assert (again["vmid"], again["msg"]) == (300, "vmid 300 with VM name web-9 already exists")


def test_without_newid_the_name_says_whether_it_is_there(run, cluster, asked):
    result = run(LINKED)
    assert result["changed"] and result["vmid"] == 106
    assert result["msg"] == "VM web-9 with newid 106 cloned from vm with vmid 9000"
    # Where everything is, one live list per node for a name that may be too young, and the next free VMID.
    assert sorted(request for request in asked() if request.startswith("GET") and "/tasks/" not in request) == [
        "GET /cluster/nextid", "GET /cluster/resources", "GET /nodes/pve1/qemu/9000/status/current",
        *(f"GET /nodes/pve{n}/qemu?full=1" for n in (1, 2, 3))]
    cluster.patch(stale={"106": {"name": None}})
    again = run(LINKED)
    assert not again["changed"]
    assert (again["vmid"], again["msg"]) == (106, "vmid 106 with VM name web-9 already exists")
    assert len(cluster.state()["guests"]) == 13


@pytest.mark.parametrize("options, body", [
    ({"vmid": 9001, "clone": "whatever"}, {"full": "1"}),
    ({"storage": "ceph", "format": "unspecified", "pool": "lab"}, {"full": "1", "storage": "ceph", "pool": "lab"}),
    ({"full": False, "target": "pve2"}, {"full": "0", "target": "pve2"}),
    ({"vmid": 102, "clone": "x", "storage": "ceph", "format": "raw"},
     {"full": "1", "storage": "ceph", "format": "raw"}),
])
def test_every_option_of_a_clone_reaches_the_server(run, cluster, options, body):
    result = run(node="pve1", newid=300, name="web-9", **{"clone": "debian-13", **options})
    assert result["changed"] and result["vmid"] == 300, result
    (sent,) = posted(cluster)
    assert sent == {"newid": "300", "name": "web-9", **body}


def test_a_snapshot_is_cloned(run, cluster):
    cluster.patch(guests=[{"vmid": 102, "snapshots": {"before": {}}}])
    cluster.fault(method="POST", path=r".*/clone", status=500, message="snapshot 'before' does not exist")
    result = run(node="pve2", vmid=102, clone="x", name="web-9", newid=300, snapname="before")
    assert result["failed"] and posted(cluster)[0]["snapname"] == "before"


def test_the_source_is_found_on_whichever_node_it_is(run, cluster):
    assert run(LINKED, node="pve3", newid=300)["changed"]
    assert cluster.guest(300)["node"] == "pve1"


def test_what_a_clone_does_not_get_is_told(run):
    result = run(LINKED, newid=300, storage="ceph", cores=4, net={"net0": "virtio,bridge=vmbr0"})
    assert result["changed"]
    assert result["warnings"] == [
        "storage only says something of a full clone; a linked one lies where its template lies",
        "a clone has what its source has; not written: cores, net0. A task with update: true writes them"]


def test_another_vm_under_the_vmid_is_told(run):
    result = run(LINKED, newid=102)
    assert not result["changed"] and result["vmid"] == 102
    assert result["warnings"] == ["VM 102 is there, but is named `web-old-2`"]


def test_a_container_under_the_vmid_is_in_the_way(run, cluster):
    result = run(LINKED, newid=200)
    assert result["failed"] and result["msg"] == "VMID 200 is taken by the container `dns`"
    assert writes(cluster) == []


@pytest.mark.parametrize("options, message", [
    ({"clone": "nope"}, "VM with name = nope does not exist in cluster"),
    ({"vmid": 777}, "VM with vmid 777 does not exist in cluster"),
    ({"target": "pve9"}, "node 'pve9' does not exist in cluster"),
    ({"clone": "alma-10"}, "more than one guest is named `alma-10`: 9002 on pve1, 9003 on pve2; use the VMID"),
])
def test_what_cannot_be_cloned_is_told(run, cluster, options, message):
    result = run({**LINKED, **options}, newid=300)
    assert result["failed"] and result["msg"].startswith(message)
    assert writes(cluster) == []


def test_with_another_state_clone_says_nothing_about_the_vm(run, cluster):
    result = run(LINKED, state="absent", force=True)
    assert not result["changed"] and result["msg"] == "VM with name = web-9 is already absent"
    assert cluster.guest(9000) is not None


def test_a_clone_whose_answer_was_lost_is_not_made_twice(run, cluster):
    cluster.fault(method="POST", path=r".*/clone", drop="after-effect")
    result = run(LINKED, newid=300)
    assert result["changed"] and result["vmid"] == 300, result
    assert len(posted(cluster)) == 1


def test_a_vmid_that_is_taken_meanwhile_is_passed_over(run, cluster):
    cluster.control("POST", "/faults/steal-vmid", {"times": 1, "where": "request", "name": "stolen"})
    result = run(LINKED)
    assert result["changed"] and result["vmid"] == 107
    assert cluster.guest(106)["name"] == "stolen-106"


# ------------------------------------------------------------------------------------------------------- migration


@pytest.mark.parametrize("vmid, source, target, body", [
    (100, "pve1", "pve2", {"target": "pve2", "online": "1"}),
    (102, "pve2", "pve1", {"target": "pve1"}),
])
def test_a_vm_is_migrated_once(run, cluster, vmid, source, target, body):
    msg = f"VM {vmid} has been migrated from {source} to {target}"
    check = run(vmid=vmid, node=target, migrate=True, check=True, diff=True)
    assert check["changed"] and check["diff"] == {"before": {"node": source}, "after": {"node": target}}
    result = run(vmid=vmid, node=target, migrate=True)
    assert result["changed"] and (result["vmid"], result["msg"]) == (vmid, msg), result
    assert posted(cluster) == [body]
    assert cluster.guest(vmid)["node"] == target
    again = run(vmid=vmid, node=target, migrate=True)
    assert not again["changed"] and again["msg"] == f"VM {vmid} is already on {target}"


def test_local_disks_are_copied_where_the_task_says_so(run, cluster):
    assert run(vmid=103, node="pve1", migrate=True)["failed"]
    assert run(vmid=103, node="pve1", migrate=True, with_local_disks=True)["changed"]
    assert cluster.guest(103)["node"] == "pve1"


def test_a_migration_whose_answer_was_lost_is_looked_up(run, cluster):
    cluster.fault(method="POST", path=r".*/migrate", drop="after-effect")
    assert run(vmid=100, node="pve2", migrate=True)["changed"]
    assert len(posted(cluster)) == 1


def test_a_node_that_is_not_there_takes_no_vm(run, cluster):
    result = run(vmid=100, node="pve9", migrate=True)
    assert result["failed"] and result["msg"] == "node 'pve9' does not exist in cluster"
    assert writes(cluster) == []
