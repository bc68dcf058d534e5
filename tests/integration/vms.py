# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the module proxmox_kvm share: a VM to make, two that are there, and a way to run the module.

    def test_x(run, cluster):
        assert run(STOPPED, cores=4, update=True)["changed"]
        assert writes(cluster) == ["PUT /nodes/pve2/qemu/102/config"]
"""

from __future__ import annotations

import pytest

NEW = {"node": "pve1", "vmid": 300, "name": "web-9", "cores": 2, "memory": 1024, "scsi": {"scsi0": "local-lvm:4"},
       "net": {"net0": "virtio,bridge=vmbr0,tag=20"}, "tags": ["web"]}
# One that does not run, and one that does.
STOPPED = {"node": "pve2", "name": "web-old-2"}
RUNNING = {"node": "pve1", "name": "web-old-1"}


@pytest.fixture
def run(ferrox, connection):
    def run(options=None, check=False, diff=False, **more):
        return ferrox("proxmox_kvm", {**connection, **(options or {}), **more}, check=check, diff=diff)

    return run


def writes(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json')}" for r in cluster.requests() if r["method"] != "GET"]


def bodies(cluster):
    """What was sent by each PUT."""
    return [request["body"] for request in cluster.requests() if request["method"] == "PUT"]


def config(cluster, vmid):
    return cluster.guest(vmid)["config"]
