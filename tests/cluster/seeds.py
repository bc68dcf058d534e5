# SPDX-License-Identifier: AGPL-3.0-or-later
"""The states a cluster can start from: demo, empty, bench, or a JSON file in the form of state.py."""

import json
from pathlib import Path

GIB = 1024 ** 3
# Token secrets of the seeds: fixed, so that playbooks and vaults in tests can name them.
SECRET = "5f8c1f1e-3f0a-4c55-9d5e-0c9c8a4d7b21"
ROOT_SECRET = "c2f4b7a6-92d3-4b19-8f0e-6a1d3e5b7c90"
PROVISIONER = ("VM.Allocate VM.Clone VM.Config.Cloudinit VM.Config.CPU VM.Config.Disk VM.Config.Memory "
               "VM.Config.Network VM.Config.Options VM.Audit VM.PowerMgmt Datastore.AllocateSpace Datastore.Audit "
               "VM.Snapshot VM.Snapshot.Rollback SDN.Use")


def storages():
    return {
        "local": {"type": "dir", "path": "/var/lib/vz", "content": "iso,vztmpl,backup,snippets,import",
                  "total": 100 * GIB,
                  "volumes": {"iso/debian-13.1.0-amd64-netinst.iso": {"content": "iso", "format": "iso",
                                                                      "size": 783 << 20, "ctime": 1790000000},
                              "vztmpl/debian-13-standard_13.1-1_amd64.tar.zst": {
                                  "content": "vztmpl", "format": "tzst", "size": 125 << 20, "ctime": 1790000000}}},
        "local-lvm": {"type": "lvmthin", "content": "images,rootdir", "vgname": "pve", "thinpool": "data",
                      "total": 4000 * GIB},
        "ceph": {"type": "rbd", "content": "images,rootdir", "shared": 1, "pool": "rbd", "total": 20000 * GIB},
        "nfs": {"type": "nfs", "content": "images,iso,vztmpl,backup,snippets", "shared": 1, "server": "192.0.2.5",
                "export": "/export/pve", "path": "/mnt/pve/nfs", "total": 8000 * GIB,
                "volumes": {"backup/vzdump-qemu-101-2026_10_31-02_00_00.vma.zst": {
                                "content": "backup", "size": GIB, "ctime": 1793412000, "notes": "web-old-1",
                                "protected": 1},
                            "backup/vzdump-lxc-200-2026_10_31-02_10_00.tar.zst": {
                                "content": "backup", "size": 200 << 20, "ctime": 1793412600}}},
    }


def users():
    """root@pam (password "secret") and three callers: one who may do everything, one provisioner, one onlooker."""
    return {
        "root@pam": {"password": "secret", "tokens": {"ferrox": {"secret": ROOT_SECRET, "privsep": 0}}},
        "ansible@pam": {"tokens": {"mms": {"secret": SECRET, "privsep": 0},
                                   "separate": {"secret": SECRET, "privsep": 1},
                                   "expired": {"secret": SECRET, "privsep": 0, "expire": 1000000000}}},
        "prov@pve": {"password": "provision", "tokens": {"mms": {"secret": SECRET, "privsep": 1}}},
        "audit@pve": {"password": "onlooker", "tokens": {"mms": {"secret": SECRET, "privsep": 0}}},
        "gone@pve": {"password": "expired-user", "expire": 1000000000,
                     "tokens": {"mms": {"secret": SECRET, "privsep": 0}}},
        "tfa@pve": {"password": "two-factors", "totp": "123456"},
    }


def directory():
    """What an LDAP server knows."""
    return {"users": [{"name": "ada", "firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.org",
                       "password": "analytical"},
                      {"name": "grace", "firstname": "Grace", "lastname": "Hopper", "email": "grace@example.org",
                       "password": "nanosecond"}],
            "groups": [{"name": "ops", "members": ["ada", "grace"]}, {"name": "dev", "members": ["grace"]}]}


def access():
    return {
        "directories": {"ldap.example.org": directory(), "ad.example.org": directory()},
        "users": users(),
        "roles": {"Provisioner": PROVISIONER},
        "acl": [{"path": "/", "ugid": "ansible@pam", "roleid": "Administrator"},
                {"path": "/", "ugid": "prov@pve", "roleid": "Provisioner"},
                {"path": "/", "ugid": "prov@pve!mms", "roleid": "Provisioner"},
                {"path": "/", "ugid": "audit@pve", "roleid": "PVEAuditor"}],
    }


def mac(vmid):
    return f"BC:24:11:{vmid >> 16 & 255:02X}:{vmid >> 8 & 255:02X}:{vmid & 255:02X}"


def vm(vmid, name, node, storage="ceph", **more):
    """A VM with one disk of 10 GiB, a network card and a cloud-init drive."""
    config = {"ostype": "l26", "cores": 2, "sockets": 1, "memory": "2048", "cpu": "x86-64-v2-AES", "agent": "1",
              "scsihw": "virtio-scsi-single", "boot": "order=scsi0", "serial0": "socket", "vga": "serial0",
              "scsi0": f"{storage}:vm-{vmid}-disk-0,discard=on,size=10G",
              "ide2": f"{storage}:vm-{vmid}-cloudinit,media=cdrom,size=4M",
              "net0": f"virtio={mac(vmid)},bridge=vmbr0", "smbios1": f"uuid=00000000-0000-4000-8000-{vmid:012d}",
              "vmgenid": f"00000000-0000-4000-9000-{vmid:012d}", "meta": "creation-qemu=10.1.2,ctime=1790000000",
              **more.pop("config", {})}
    return {"vmid": vmid, "kind": "qemu", "name": name, "node": node, "config": config, **more}


def template(vmid, name, node, storage="ceph", **more):
    config = {"scsi0": f"{storage}:base-{vmid}-disk-0,discard=on,size=3G", "ciuser": "debian", "ipconfig0": "ip=dhcp",
              **more.pop("config", {})}
    return vm(vmid, name, node, storage, template=True, config=config, **more)


def internet():
    """What can be downloaded."""
    return {"urls": {"https://cloud.example.org/debian-13-genericcloud-amd64.qcow2": {"size": 420 << 20},
                     "https://cloud.example.org/debian-13.iso": {"size": 783 << 20,
                                                                 "mimetype": "application/x-iso9660-image"},
                     "https://cloud.example.org/gone.qcow2": {"status": "404 Not Found"}},
            "appliances": {"alpine-3.22-default_20250617_amd64.tar.xz": {"size": 3 << 20},
                           "debian-13-standard_13.1-2_amd64.tar.zst": {"size": 125 << 20}}}


def empty():
    """Three nodes, storages and users; no guest."""
    return {"nodes": {"pve1": {}, "pve2": {}, "pve3": {}}, "storages": storages(), **access(), **internet()}


def demo():
    """A small cluster in use: templates, a web pool, guests of both kinds in several states."""
    web = {"tags": "web", "startup": "order=2,up=2,down=30"}
    return {
        **empty(),
        "pools": {"web": {"comment": "Web servers", "guests": [101, 102]}, "lab": {"comment": ""}},
        "guests": [
            template(9000, "debian-13", "pve1"),
            template(9001, "debian-13-local", "pve1", "local-lvm"),
            # One name on two nodes, each on local disks: the one on the target node is meant.
            template(9002, "alma-10", "pve1", "local-lvm"),
            template(9003, "alma-10", "pve2", "local-lvm"),
            vm(100, "gateway", "pve1", status="running", config={"startup": "order=1", "onboot": 1}),
            vm(101, "web-old-1", "pve1", status="running", shutdown_secs=3,
               config={**web, "ipconfig0": "ip=192.0.2.101/24,gw=192.0.2.1"}),
            vm(102, "web-old-2", "pve2", config=web),
            vm(103, "db", "pve2", "local-lvm", status="running", shutdown_secs=4, config={"tags": "db", "agent": "0"}),
            vm(104, "stubborn", "pve3", "local-lvm", status="running", acpi=False),
            vm(105, "ha-app", "pve2", status="running", ha="started"),
            {"vmid": 200, "kind": "lxc", "name": "dns", "node": "pve1", "status": "running", "shutdown_secs": 1,
             "config": {"memory": 512, "cores": 1, "rootfs": "local-lvm:vm-200-disk-0,size=8G", "tags": "infra",
                        "net0": f"name=eth0,bridge=vmbr0,hwaddr={mac(200)},ip=dhcp,type=veth"}},
            {"vmid": 201, "kind": "lxc", "name": "mail", "node": "pve2",
             "config": {"memory": 512, "rootfs": "local-lvm:vm-201-disk-0,size=8G"}},
        ],
    }


def bench(guests=200, nodes=3, status="running"):
    """Templates 9000 (shared) and 9001 (local), and `guests` VMs vm-0001… from VMID 1001 spread over the nodes."""
    names = [f"pve{n + 1}" for n in range(nodes)]
    return {
        **empty(), "nodes": {name: {} for name in names},
        "guests": [template(9000, "debian-13", "pve1"), template(9001, "debian-13-local", "pve1", "local-lvm")]
        + [vm(1001 + n, f"vm-{n + 1:04d}", names[n % nodes], status=status, config={"tags": "bench"})
           for n in range(guests)],
    }


def load(name, **parameters):
    """A seed by its name, from a JSON file, or as the dict it already is."""
    if isinstance(name, dict):
        return name
    known = {"demo": demo, "empty": empty, "bench": bench}
    if name in known:
        return known[name](**parameters)
    return json.loads(Path(name).read_text(encoding="utf-8"))
