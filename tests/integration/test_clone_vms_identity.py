# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms: which VM is meant, which template, and what is refused before anything is written."""

from __future__ import annotations

import pytest
from clone_vms import clone, guests, lines, only, rows, sent  # noqa: F401

PROV = {"api_user": "prov@pve"}


@pytest.fixture
def refused(clone, cluster):
    """Runs the module, which must refuse before anything is written: refused(…) -> why."""

    def run(*vms, **options):
        for check in (True, False):
            result = clone(*vms, check=check, **options)
            assert result["failed"] and not result["changed"]
            assert lines(cluster) == []
        assert result["msg"].startswith("nothing was done: ")
        return result["msg"].removeprefix("nothing was done: ")

    return run


# ------------------------------------------------------------------------------------------------- what is in vms


@pytest.mark.parametrize(
    "vms, why",
    [
        (["web-1", "web-1"], "VM `web-1`: it stands in vms more than once"),
        (
            [{"name": "web-1", "vmid": 300}, {"name": "web-2", "vmid": 300}],
            "VM `web-2`: another VM in vms has VMID 300 too",
        ),
        (["web_1"], "VM `web_1`: the name must be a DNS name: letters, digits, hyphens, dots"),
        (["300"], "VM `300`: a name of digits alone would be taken for a VMID"),
        ([{"name": "web-1", "vmid": 99}], "VM `web-1`: VMIDs begin at 100"),
        ([{"name": "web-1", "wait_for": "agent"}], "VM `web-1`: wait_for needs state: started"),
        (
            [{"name": "web-1", "wait_for": "port", "state": "started"}],
            "VM `web-1`: wait_for: port needs a port",
        ),
        (
            [{"name": "web-1", "vmid_range": "7099-7000"}],
            "VM `web-1`: vmid_range: must be two VMIDs from 100 on, such as 5000-5999",
        ),
        ([{"name": "web-1", "disks": {"scsi0": {}}}], "VM `web-1`: scsi0: has no size, such as 40G"),
        ([{"name": "web-1", "net": {"eth0": "virtio"}}],
         "VM `web-1`: eth0: is no network card: name it net0, net1, …"),
        (
            [{"name": "web-1", "disks": {"scsi0": {"size": 40}}}],
            "VM `web-1`: scsi0: `40` is a number of bytes; give a unit, such as 40G",
        ),
        (
            [{"name": "web-1", "disks": {"scsi0": {"size": "+10G"}}}],
            "VM `web-1`: scsi0: `+10G` is not a size: expected a number with K, M, G or T after it, such as 40G",
        ),
        (
            [{"name": "web-1", "sshkeys": "nonsense"}],
            "VM `web-1`: sshkeys: `nonsense` is not an SSH public key: expected a line such as "
            "`ssh-ed25519 AAAA… comment`",
        ),
        (
            [{"name": "web-1", "config": {"cipassword": "correct horse"}}],
            "VM `web-1`: cipassword: is a secret; it has an option of its own",
        ),
    ],
)
def test_what_the_options_alone_show_is_told_before_anything_is_asked(refused, cluster, vms, why):
    assert refused(*vms, template="debian-13") == why
    assert cluster.requests() == []


def test_all_that_is_wrong_is_told_at_once(refused):
    why = refused("web-1", {"name": "web-2", "template": "nope"}, {"name": "gateway", "vmid": 300})
    assert why == "VM `gateway`: it is there as VMID 100, not as 300"
    why = refused("web-1", {"name": "web-2", "template": "nope"})
    assert why == (
        "VM `web-1`: it is not there, and no template is given to clone it from; "
        "VM `web-2`: there is no template `nope` (one without VM.Audit is invisible)"
    )


# ------------------------------------------------------------------------------------------------- name and VMID


def test_a_vmid_under_another_name_is_refused(refused):
    why = refused({"name": "web-1", "vmid": 100}, template="debian-13")
    assert why == "VM `web-1`: VMID 100 is taken by `gateway` on pve1"


def test_the_vmid_of_a_container_is_refused(refused):
    why = refused({"name": "web-1", "vmid": 200}, template="debian-13")
    assert why == "VM `web-1`: VMID 200 is taken by `dns` on pve1"


def test_a_name_under_another_vmid_is_refused(refused):
    why = refused({"name": "gateway", "vmid": 300}, template="debian-13")
    assert why == "VM `gateway`: it is there as VMID 100, not as 300"


def test_the_name_of_a_template_is_refused(refused):
    assert refused("debian-13", template="debian-13") == "VM `debian-13`: 9000 has this name, and is a template"


def test_an_ambiguous_name_is_refused_and_its_vmid_settles_it(refused, clone, cluster):
    cluster.patch(guests=[{"vmid": 110, "kind": "qemu", "name": "gateway", "node": "pve3"}])
    why = refused("gateway", template="debian-13")
    assert why == "VM `gateway`: more than one VM has this name: 100 on pve1, 110 on pve3"
    result = clone({"name": "gateway", "vmid": 110, "description": "the other"}, template="debian-13")
    assert rows(result)["gateway"]["vmid"] == 110
    assert cluster.guest(110)["config"]["description"] == "the other"
    assert "description" not in cluster.guest(100)["config"]


def test_a_name_that_the_last_statistics_round_did_not_know_is_found(clone, cluster):
    cluster.patch(statistics="manual")
    cluster.patch(guests=[{"vmid": 110, "kind": "qemu", "name": "web-1", "node": "pve3"}],
                  stale={"110": {"name": None}, "100": {"name": "web-1"}})
    result = clone("web-1", template="debian-13")
    assert not result["changed"] and rows(result)["web-1"]["vmid"] == 110


def test_a_given_vmid_is_taken(clone, cluster):
    result = clone({"name": "web-1", "vmid": 4711}, "web-2", template="debian-13")
    assert rows(result)["web-1"]["vmid"] == 4711 == only(cluster, "web-1")["vmid"]
    assert not clone({"name": "web-1", "vmid": 4711}, template="debian-13")["changed"]


def test_vmids_are_allocated_from_their_range(clone, cluster):
    cluster.patch(guests=[{"vmid": 7001, "kind": "qemu", "name": "taken", "node": "pve3"}])
    result = clone("a", {"name": "b", "vmid": 7000}, template="debian-13", vmid_range="7000-7002")
    assert not result.get("failed")
    assert (only(cluster, "a")["vmid"], only(cluster, "b")["vmid"]) == (7002, 7000)

    result = clone("a", "b", "c", template="debian-13", vmid_range="7000-7002")
    assert result["failed"] and not result["changed"]
    assert "no VMID is free in 7000-7002" in result["msg"]
    assert guests(cluster, "c") == []


def test_a_vmid_of_an_invisible_guest_is_passed_over(clone, cluster):
    cluster.patch(acl=[{"path": "/vms/100", "ugid": "prov@pve", "roleid": "NoAccess"}])
    result = clone("web-1", template="debian-13", vmid_range="100-110", **PROV)
    assert not result.get("failed")
    # 101 to 105 can be seen.
    assert [body["newid"] for body in sent(cluster, "/clone")] == ["100", "106"]
    assert rows(result)["web-1"]["vmid"] == 106 == only(cluster, "web-1")["vmid"]


def test_a_given_vmid_of_an_invisible_guest_is_refused(refused, cluster):
    cluster.patch(acl=[{"path": "/vms/100", "ugid": "prov@pve", "roleid": "NoAccess"}])
    why = refused({"name": "web-1", "vmid": 100}, template="debian-13", **PROV)
    assert why == (
        "VM `web-1`: VMID 100 is taken by a guest that cannot be seen (one without VM.Audit is invisible)"
    )


# ------------------------------------------------------------------------------------------------- the template


def test_an_ambiguous_template_is_refused_with_its_candidates(refused):
    for node, way_out in ((None, "give the node, or the template's VMID"), ("pve3", "give the template's VMID")):
        assert refused("web-1", template="alma-10", node=node) == (
            f"VM `web-1`: more than one template is named `alma-10`: 9002 on pve1, 9003 on pve2; {way_out}"
        )


@pytest.mark.parametrize("node, vmid", [("pve1", 9002), ("pve2", 9003)])
def test_the_template_on_the_target_node_is_taken(clone, cluster, node, vmid):
    result = clone("web-1", template="alma-10", node=node)
    assert rows(result)["web-1"]["source_vmid"] == vmid
    assert lines(cluster) == [f"POST /nodes/{node}/qemu/{vmid}/clone"]


def test_a_template_may_be_named_by_its_vmid(clone, cluster):
    result = clone("web-1", {"name": "web-2", "template": "9003"}, template=9002)
    assert [row["source_vmid"] for row in result["vms"]] == [9002, 9003]


@pytest.mark.parametrize("template", ["nope", "dns", "9999"])
def test_an_unknown_template_is_refused(refused, template):
    why = refused("web-1", template=template)
    assert why == f"VM `web-1`: there is no template `{template}` (one without VM.Audit is invisible)"


def test_a_template_on_an_offline_node_is_unknown_and_the_node_is_named(refused, cluster):
    cluster.help("offline", node="pve2")
    why = refused({"name": "web-1", "vmid": 300}, template="9003")
    assert why == (
        "VM `web-1`: there is no template `9003` on the nodes that are online (offline: pve2) "
        "(one without VM.Audit is invisible)"
    )


# ------------------------------------------------------------------------------------------- nodes, storages, disks


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"node": "pve9"}, "there is no node `pve9`"),
        (
            {"storage": "nope", "clone_type": "full"},
            "there is no storage `nope` on pve1 (a storage without Datastore.Audit is invisible)",
        ),
        ({"pool": "nope"}, "there is no pool `nope`"),
        (
            {"template": "debian-13-local", "node": "pve2"},
            "9001 on pve1 has a disk on the local storage `local-lvm`, so it cannot be cloned to pve2: "
            "clone it on pve1, or from a template on pve2 or on shared storage",
        ),
        (
            {"clone_type": "full", "storage": "local-lvm", "node": "pve2"},
            "a clone from pve1 to pve2 needs a shared storage, and `local-lvm` is local",
        ),
        ({"template": "db", "clone_type": "linked"}, "103 is no template, and only templates have linked clones"),
        ({"disks": {"scsi0": {"size": "1G"}}}, "scsi0 is 3G, and disks cannot shrink to 1G"),
        ({"disks": {"scsi1": {"size": "1G"}}}, "there is no disk scsi1 to grow"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_the_others_is_done(refused, settings, why):
    assert refused("web-1", {"name": "web-2", **settings}, template="debian-13") == f"VM `web-2`: {why}"


def test_a_disk_of_a_vm_that_is_there_does_not_shrink(refused):
    why = refused("web-1", {"name": "db", "disks": {"scsi0": {"size": "1G"}}, "cores": 4}, template="debian-13")
    assert why == "VM `db`: scsi0 is 10G, and disks cannot shrink to 1G"


def test_an_unknown_pool_of_a_vm_that_is_there_is_refused(refused):
    assert refused({"name": "db", "pool": "nope", "cores": 4}) == "VM `db`: there is no pool `nope`"


def test_a_locked_vm_fails_alone_and_only_if_it_would_be_written_to(clone, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    result = clone({"name": "web-old-2", "cores": 8}, {"name": "gateway", "description": "x"})
    assert result["failed"] and result["changed"]
    assert result["msg"] == (
        "1 of 2 VMs failed: unable to change VM `web-old-2`: it is locked (backup): another operation is at work "
        "on it. Should that have been cut off, `qm unlock 102` on pve2 takes the lock away"
    )
    assert cluster.guest(100)["config"]["description"] == "x"
    foretold = clone({"name": "web-old-2", "cores": 8}, check=True)
    assert not foretold["changed"] and "locked (backup)" in foretold["vms"][0]["error"]
    assert not clone({"name": "web-old-2", "cores": 2})["changed"]


# ----------------------------------------------------------------------------------------------- an offline node


def test_with_a_node_offline_a_name_may_be_there_unseen(refused, clone, cluster):
    cluster.help("offline", node="pve3")
    assert refused("web-1", template="debian-13") == (
        "VM `web-1`: it may be there already, where it cannot be seen: pve3 is offline; state its VMID to be sure"
    )
    result = clone({"name": "web-1", "vmid": 300}, {"name": "gateway", "description": "x"}, template="debian-13")
    assert not result.get("failed")
    assert (only(cluster, "web-1")["vmid"], cluster.guest(100)["config"]["description"]) == (300, "x")


def test_a_node_that_does_not_list_its_vms_may_hide_a_name(refused, cluster):
    cluster.fault(method="GET", path="/nodes/pve2/qemu", status=596, reason="Connection timed out", times=None)
    assert refused("web-1", template="debian-13") == (
        "VM `web-1`: it may be there already, where it cannot be seen: pve2 does not list its VMs (GET "
        "/nodes/pve2/qemu: the answer was lost: 596 Connection timed out); state its VMID to be sure"
    )


def test_an_offline_node_without_guests_keeps_nobody_waiting(clone, cluster):
    cluster.patch(guests=[{"vmid": 104, "absent": True}])
    cluster.help("offline", node="pve3")
    assert not clone("web-1", template="debian-13").get("failed")
    assert only(cluster, "web-1")["node"] == "pve1"


def test_an_offline_node_is_no_target(refused, cluster):
    cluster.help("offline", node="pve3")
    why = refused({"name": "web-1", "vmid": 300}, template="debian-13", node="pve3")
    assert why == "VM `web-1`: the node pve3 is offline"
