# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the module proxmox share: a container to make, two that are there, and a way to run the module.

    def test_x(run, cluster):
        assert run(DNS, memory=768)["changed"]
        assert writes(cluster) == ["PUT /nodes/pve1/lxc/200/config"]
"""

from __future__ import annotations

import pytest

TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
NEW = {"node": "pve1", "vmid": 300, "hostname": "ns1", "ostemplate": TEMPLATE, "disk": "local-lvm:4",
       "netif": {"net0": "name=eth0,bridge=vmbr0,ip=dhcp"}, "memory": 256, "tags": ["infra"]}
# One that runs, and one that does not.
DNS = {"node": "pve1", "vmid": 200, "hostname": "dns"}
MAIL = {"node": "pve2", "vmid": 201, "hostname": "mail"}


@pytest.fixture
def run(ferrox, connection):
    def run(options=None, check=False, diff=False, **more):
        return ferrox("proxmox", {**connection, **(options or {}), **more}, check=check, diff=diff)

    return run


def writes(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json')}" for r in cluster.requests() if r["method"] != "GET"]
