# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox, update: mount points are made once whatever becomes of an answer; a volume grows and gets its options."""

from __future__ import annotations

import pytest
from containers import DNS, MAIL, run, writes  # noqa: F401

MOUNT = {"id": "mp3", "mountpoint": "/srv", "storage": "ceph", "size": 3}


@pytest.mark.parametrize("container", [DNS, MAIL])
def test_a_lost_answer_makes_no_second_volume(run, cluster, container):  # noqa: F811
    cluster.fault(method="PUT", path=r".*/config", drop="after-effect")
    assert run(container, update=True, cores=2, mount_volumes=[MOUNT])["changed"]
    assert len(writes(cluster)) == 1
    config = cluster.guest(container["vmid"])["config"]
    assert config["mp3"].startswith("ceph:vm-") and not [key for key in config if key.startswith("unused")]
    assert not run(container, update=True, cores=2, mount_volumes=[MOUNT])["changed"]


def test_a_lost_answer_to_a_growth_is_no_failure(run, cluster):  # noqa: F811
    cluster.fault(method="PUT", path=r".*/resize", drop="after-effect")
    assert run(DNS, update=True, disk="local-lvm:20")["changed"]
    assert len(writes(cluster)) == 1


@pytest.mark.parametrize("form", ["disk_volume", "mounts", "mount_volumes"])
def test_size_and_an_option_of_a_volume_that_is_in_use_come_together(run, cluster, form):  # noqa: F811
    key = "rootfs" if form == "disk_volume" else "mp0"

    def wanted(size, **options):
        if form == "disk_volume":
            return {form: {"storage": "local-lvm", "size": size, "options": options}}
        if form == "mounts":
            return {form: {"mp0": ",".join([f"ceph:{size},mp=/srv", *(f"{name}={on}" for name, on in options.items())])}}
        return {form: [{"id": "mp0", "mountpoint": "/srv", "storage": "ceph", "size": size, "options": options}]}

    if key == "mp0":
        run(DNS, update=True, **wanted(3))
    cluster.control("DELETE", "/requests")
    assert run(DNS, update=True, **wanted(20, quota=1))["changed"]
    assert writes(cluster) == ["PUT /nodes/pve1/lxc/200/resize", "PUT /nodes/pve1/lxc/200/config"]
    again = run(DNS, update=True, **wanted(20, quota=1))
    assert not again["changed"], again
    assert run(DNS, update=True, **wanted(24, quota=1))["changed"]
    assert not run(DNS, update=True, **wanted(24, quota=1))["changed"]
    assert "size=24G" in cluster.guest(200)["config"][key]
