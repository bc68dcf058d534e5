# SPDX-License-Identifier: AGPL-3.0-or-later
"""What only reads: nodes, networks, the cluster, storages and what is on them."""

import pytest

from cluster import FakeCluster

from .conftest import Client, said

PROV = "prov@pve!mms"
STATISTICS = {"cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime"}


# --------------------------------------------------------------------------------------- nodes

def test_nodes_show_their_statistics_to_who_may_audit_them(ask, fake):
    fake.patch(nodes={"pve3": {"online": False}})
    shown = {"node", "id", "type", "status", "level", "ssl_fingerprint"}
    full = {n["node"]: n for n in ask("GET", "/nodes").data}
    assert set(full["pve1"]) == shown | STATISTICS
    assert {n: (e["id"], e["type"], e["status"]) for n, e in full.items()} == {
        "pve1": ("node/pve1", "node", "online"), "pve2": ("node/pve2", "node", "online"),
        "pve3": ("node/pve3", "node", "offline")}
    assert set(full["pve3"]) == shown - {"level"}
    assert {frozenset(n) for n in ask("GET", "/nodes", PROV).data if n["status"] == "online"} == {frozenset(shown)}
    listed = {n["node"]: n for n in ask("GET", "/cluster/resources", type="node").data}
    assert set(listed["pve1"]) == shown - {"ssl_fingerprint"} | STATISTICS


def test_each_node_has_a_version_and_a_network(ask, fake):
    assert ask("GET", "/nodes/pve2/version").data == ask("GET", "/version").data
    two = {i["iface"]: i for i in ask("GET", "/nodes/pve2/network").data}
    assert two.keys() == {"eno1", "vmbr0"}
    assert two["vmbr0"].items() >= {
        "type": "bridge", "cidr": "192.0.2.12/24", "bridge_ports": "eno1", "active": 1}.items()
    assert [i["iface"] for i in ask("GET", "/nodes/pve1/network", type="any_bridge").data] == ["vmbr0"]
    assert [i["iface"] for i in ask("GET", "/nodes/pve1/network", type="eth").data] == ["eno1"]
    fake.patch(nodes={"pve1": {"network": [{"iface": "bond0", "type": "bond"}]}})
    assert ask("GET", "/nodes/pve1/network").data == [{"iface": "bond0", "type": "bond"}]


def test_a_bridge_is_seen_with_rights_on_it_or_on_one_of_its_vlans(ask):
    def seen(user):
        return {i["iface"] for i in ask("GET", "/nodes/pve1/network", user).data}
    who = "ansible@pam!separate"
    assert (seen(PROV), seen(who)) == ({"eno1", "vmbr0"}, {"eno1"})
    ask("PUT", "/access/acl", path="/sdn/zones/localnetwork/vmbr0/42", roles="PVESDNUser", tokens=who)
    assert seen(who) == {"eno1", "vmbr0"}


@pytest.mark.parametrize("path", ["network", "version", "tasks", "storage/local/content"])
def test_an_unknown_node_and_one_that_is_offline(ask, fake, path):
    answer = ask("GET", f"/nodes/nosuch/{path}")
    assert answer.status == 500
    assert answer.reason.startswith("hostname lookup 'nosuch' failed - failed to get address info for: nosuch:")
    fake.help("offline", node="pve2")
    assert ask("GET", f"/nodes/pve2/{path}").status == 595


# ------------------------------------------------------------------------------------- cluster

def test_the_status_of_a_cluster_and_how_to_join_it(ask, fake):
    fake.patch(cluster="prod", nodes={"pve3": {"online": False}})
    status = {e["id"]: e for e in ask("GET", "/cluster/status").data}
    assert status.pop("cluster") == {"type": "cluster", "id": "cluster", "name": "prod", "nodes": 3, "version": 3,
                                     "quorate": 1}
    assert status["node/pve1"] == {"type": "node", "id": "node/pve1", "name": "pve1", "nodeid": 1, "level": "",
                                   "ip": "192.0.2.11", "online": 1, "local": 1}
    assert [(e["online"], e["local"]) for _, e in sorted(status.items())] == [(1, 1), (1, 0), (0, 0)]
    join = ask("GET", "/cluster/config/join", node="pve2").data
    assert join.keys() == {"preferred_node", "config_digest", "totem", "nodelist"}
    assert (join["preferred_node"], join["totem"]["cluster_name"]) == ("pve2", "prod")
    two = next(node for node in join["nodelist"] if node["name"] == "pve2")
    fingerprint = {n["node"]: n["ssl_fingerprint"] for n in ask("GET", "/nodes").data}["pve2"]
    assert two == {"name": "pve2", "nodeid": "2", "quorum_votes": "1", "ring0_addr": "192.0.2.12",
                   "pve_addr": "192.0.2.12", "pve_fp": fingerprint}
    assert ask("GET", "/cluster/config/join", node="nosuch").reason == "unknown node 'nosuch'"
    for path in ("/cluster/status", "/cluster/config/join"):
        assert ask("GET", path, PROV).reason == "Permission check failed (/, Sys.Audit)"


def test_a_server_that_stands_alone():
    with FakeCluster(seed={"nodes": {"only": {}}, "cluster": None}, time_scale=0) as alone:
        ask = Client(alone)
        root = {"Cookie": f"PVEAuthCookie={ask.login('root@pam', 'secret').data['ticket']}"}
        assert "clustername" not in ask.login("root@pam", "secret").data
        assert ask("GET", "/cluster/status", headers=root).data == [
            {"type": "node", "id": "node/only", "name": "only", "nodeid": 0, "level": "", "ip": "192.0.2.11",
             "online": 1, "local": 1}]
        assert said(ask("GET", "/cluster/config/join", headers=root)) == (
            424, "node is not in a cluster, no join info available!\n")


# ------------------------------------------------------------------------------------- storages

KINDS = {
    "zfs": {"type": "zfspool", "pool": "rpool/data", "content": "images,rootdir", "sparse": 1},
    "smb": {"type": "cifs", "server": "192.0.2.9", "share": "pve", "username": "u", "password": "sesame",
            "content": "backup,iso"},
    "pbs": {"type": "pbs", "server": "192.0.2.8", "datastore": "ds", "content": "backup", "encryption-key": "1",
            "prune-backups": "keep-all=1", "fingerprint": "AA"},
    "san": {"type": "iscsi", "portal": "192.0.2.7", "target": "iqn.x", "content": "none"},
    "fs": {"type": "cephfs", "content": "iso,vztmpl", "monhost": "192.0.2.6"},
    "tree": {"type": "btrfs", "path": "/mnt/b", "content": "images", "nodes": "pve1,pve2"},
}


def test_each_type_of_storage_shows_its_options_and_no_secrets(ask, fake):
    fake.patch(storages=KINDS)
    listed = {s.pop("storage"): s for s in ask("GET", "/storage").data}
    for name, options in KINDS.items():
        shown = listed[name]
        assert len(shown.pop("digest")) == 40
        assert shown.pop("shared", 0) == int(options["type"] in ("cifs", "pbs", "iscsi", "cephfs"))
        assert {k: sorted(v.split(",")) if k in ("content", "nodes") else v for k, v in shown.items()} == {
            k: sorted(v.split(",")) if k in ("content", "nodes") else v for k, v in options.items()
            if k not in ("password", "encryption-key")}
    assert [s["storage"] for s in ask("GET", "/storage", type="pbs").data] == ["pbs"]


def test_one_storage_is_read_by_who_may_allocate_it(ask):
    one = ask("GET", "/storage/ceph").data
    assert one.items() >= {"storage": "ceph", "type": "rbd", "pool": "rbd", "shared": 1}.items()
    assert said(ask("GET", "/storage/nope")) == (500, "storage 'nope' does not exist\n")
    assert ask("GET", "/storage/ceph", "audit@pve!mms").reason == (
        "Permission check failed (/storage/ceph, Datastore.Allocate)")
    assert ask("GET", "/storage", "ansible@pam!separate").data == []
    assert {s["storage"] for s in ask("GET", "/storage", PROV).data} == {"local", "local-lvm", "ceph", "nfs"}


def test_content_types_come_in_another_order_each_time(ask):
    assert len({ask("GET", "/storage/nfs").data["content"] for _ in range(20)}) > 1


def test_deleting_a_storage_takes_its_entries(ask):
    ask("PUT", "/access/acl", path="/storage/nfs", roles="PVEDatastoreUser", users="audit@pve")
    assert ask("DELETE", "/storage/nfs").status == 200
    assert not [e for e in ask("GET", "/access/acl").data if e["path"] == "/storage/nfs"]


# -------------------------------------------------------------------------------------- volumes

def volumes(ask, node, storage, user="root@pam!ferrox", **query):
    answer = ask("GET", f"/nodes/{node}/storage/{storage}/content", user, **query)
    assert answer.status == 200, answer.reason
    return {v["volid"].partition(":")[2]: v for v in answer.data}


def test_images_of_guests_are_listed_and_those_of_a_local_storage_on_their_node(ask):
    ceph = volumes(ask, "pve2", "ceph", content="images")
    assert ceph["base-9000-disk-0"].items() >= {
        "volid": "ceph:base-9000-disk-0", "content": "images", "format": "raw", "vmid": 9000, "size": 3 << 30}.items()
    assert {v["vmid"] for v in volumes(ask, "pve2", "ceph", vmid=101).values()} == {101}
    assert {v["vmid"] for v in volumes(ask, "pve1", "local-lvm").values()} == {9001, 9002, 200}
    assert {v["content"] for v in volumes(ask, "pve1", "local-lvm", vmid=200).values()} == {"rootdir"}
    assert {v["vmid"] for v in volumes(ask, "pve2", "local-lvm").values()} == {9003, 103, 201}


def test_templates_images_and_backups_are_on_their_storages(ask):
    assert set(volumes(ask, "pve1", "local", content="iso")) == {"iso/debian-13.1.0-amd64-netinst.iso"}
    assert set(volumes(ask, "pve1", "local", content="vztmpl")) == {
        "vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"}
    backups = volumes(ask, "pve3", "nfs", content="backup")
    name = "backup/vzdump-qemu-101-2026_10_31-02_00_00.vma.zst"
    assert backups[name] == {"volid": f"nfs:{name}", "content": "backup", "format": "vma.zst", "subtype": "qemu",
                             "vmid": 101, "size": 1 << 30, "ctime": 1793412000, "notes": "web-old-1", "protected": 1}
    assert {v["vmid"] for v in backups.values()} == {101, 200}
    assert set(volumes(ask, "pve3", "nfs", vmid=101, content="backup")) == {name}


def test_volumes_need_rights_and_a_storage_that_is_there(ask, fake):
    assert ask("GET", "/nodes/pve1/storage/nope/content").reason == "storage 'nope' does not exist"
    refused = ask("GET", "/nodes/pve1/storage/nfs/content", "ansible@pam!separate")
    assert refused.reason == "Permission check failed (/storage/nfs, Datastore.Audit|Datastore.AllocateSpace)"
    # An auditor sees what is no guest's own.
    assert set(volumes(ask, "pve1", "nfs", "audit@pve!mms")) == set()
    assert {v["content"] for v in volumes(ask, "pve1", "local", "audit@pve!mms").values()} == {"iso", "vztmpl"}
    fake.patch(storages={"nfs": {"volumes": {"iso/new.iso": {"content": "iso", "format": "iso", "size": 1}}},
                         "local": {"nodes": "pve1"}, "ceph": {"disable": 1}})
    assert "iso/new.iso" in volumes(ask, "pve2", "nfs")
    fake.patch(storages={"nfs": {"volumes": {"iso/new.iso": None}}})
    assert "iso/new.iso" not in volumes(ask, "pve2", "nfs")
    fake.patch(storages={"nfs": None})
    assert ask("GET", "/storage/nfs").status == 500
    assert ask("GET", "/nodes/pve2/storage/local/content").reason == "storage 'local' is not available on node 'pve2'"
    assert ask("GET", "/nodes/pve2/storage/ceph/content").reason == "storage 'ceph' is disabled"
