# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox: what a container that is there is never removed for, as no other one could be made in its place."""

from __future__ import annotations

import pytest
from containers import NEW, TEMPLATE, run, writes  # noqa: F401

ANEW = {"node": "pve2", "vmid": 201, "hostname": "mail", "ostemplate": TEMPLATE, "disk": "local-lvm:4", "force": True}
# What the server refuses of a container that is made, by what is stated.
REFUSED = [
    ({"password": "abcd"}, "password: must have at least 5 characters"),
    ({"hostname": "mail_x!"}, "hostname: the name must be a DNS name"),
    ({"startup": ["foo"]}, "startup: `order=foo`: expected a whole number"),
    ({"startup": ["wait=3"]}, "startup: `wait` is not a key of startup"),
    ({"features": ["mount=nfs"]}, "features: only root@pam may set this"),
    ({"features": ["nesting=1"], "unprivileged": False}, "features: only root@pam may set this"),
    ({"hookscript": "local:snippets/hook.pl"}, "hookscript: only root@pam may set this"),
    ({"mounts": {"mp0": "/srv/x,mp=/x"}}, "mp0: only root@pam may set this"),
    ({"mount_volumes": [{"id": "mp1", "mountpoint": "/x", "host_path": "/srv/x"}]}, "mp1: only root@pam may set this"),
    ({"disk": "/srv/root"}, "rootfs: only root@pam may set this"),
]


def refused(run, cluster, options, message):
    for check in (True, False):
        result = run(options, check=check)
        assert result["failed"] and result["msg"].startswith(message), result["msg"]
    assert writes(cluster) == []


@pytest.mark.parametrize("options, message", REFUSED)
def test_what_is_refused_of_a_new_container_is_known_before(run, cluster, options, message):
    refused(run, cluster, {**NEW, **options}, message)


@pytest.mark.parametrize("options, message", [
    *[row for row in REFUSED if "hostname" not in row[0]],
    ({"pool": "nopool"}, "the pool `nopool` does not exist"),
    ({"disk": "4"}, "storage 'local' on pve2 takes no volumes of containers"),
    ({"disk": "local-lvm:vm-201-disk-0"}, "rootfs: local-lvm:vm-201-disk-0 is removed with the container 201"),
    ({"disk": "local-lvm:vm-299-disk-0"}, "rootfs: local-lvm:vm-299-disk-0 does not exist on pve2"),
])
def test_nothing_is_removed_for_a_container_that_cannot_be_made(run, cluster, options, message):
    refused(run, cluster, {**ANEW, **options}, message)


def test_a_name_that_no_container_can_have_removes_none(run, cluster):
    refused(run, cluster, {**ANEW, "hostname": "mail_x!"}, "VM mail (201) on pve2 is not removed for `mail_x!`")
    refused(run, cluster, {**ANEW, "vmid": None, "hostname": "mail_x!"}, "hostname: the name must be a DNS name")


def test_a_name_of_digits_is_a_host_name(run, cluster):
    assert run(NEW, hostname="404")["changed"]
    assert cluster.guest(300)["config"]["hostname"] == "404"


def test_force_does_not_remove_a_container_of_another_name(run, cluster):
    refused(run, cluster, {**ANEW, "node": "pve1", "hostname": "newbox"},
            "VM mail (201) on pve2 is not removed for `newbox`: with force: true a container is made anew under its own "
            "name")


def test_force_names_what_it_removes_and_where(run, cluster):
    for check in (True, False):
        result = run(ANEW, node="pve1", check=check)
        assert result["warnings"] == ["the container mail (201) on pve2 is removed with its volumes and made anew on "
                                      "pve1 (force: true)"]
    assert writes(cluster) == ["DELETE /nodes/pve2/lxc/201", "POST /nodes/pve1/lxc"]


def test_a_pool_that_is_listed_is_not_asked_for(run, cluster):
    cluster.patch(pools={"lab": {}})
    assert run(ANEW, pool="lab")["changed"]
    assert cluster.guest(201)["config"]["hostname"] == "mail"
    assert not any(r["path"].endswith("/pools") for r in cluster.requests())


def test_root_itself_may_mount_a_path(ferrox, connection, cluster):
    root = {key: value for key, value in connection.items() if not key.startswith("api_token")}
    options = {**NEW, "mounts": {"mp0": "/srv/x,mp=/x"}}
    result = ferrox("proxmox", {**root, "api_user": "root@pam", "api_password": "secret", **options})
    assert result["changed"] and cluster.guest(300)["config"]["mp0"] == "/srv/x,mp=/x"
