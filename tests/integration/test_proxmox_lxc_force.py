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
    ({"pubkey": "my own key"}, "pubkey: `my own key` is not an SSH public key"),
    ({"nameserver": "192.0.2.300"}, "nameserver: `192.0.2.300`: expected IP addresses"),
    ({"searchdomain": "lan_1"}, "searchdomain: `lan_1`: expected DNS names"),
    ({"timezone": "Vienna"}, "timezone: `Vienna`: expected host, UTC, or a time zone such as Europe/Vienna"),
    ({"features": ["nested=1"]}, "features: there is no key `nested`"),
    ({"netif": {"net0": "name=eth0,bridge=vmbr0,tag=5000"}}, "net0: `tag=5000`: expected a whole number"),
    ({"netif": {"net0": "name=eth0,bridge=vmbr0,ip=192.0.2.7"}}, "net0: `ip=192.0.2.7`: expected an IPv4 address with"),
    ({"cores": 9000}, "cores: `9000`: expected a whole number from 1 to 8192"),
    ({"cpuunits": 600000}, "cpuunits: `600000`: expected a whole number from 0 to 500000"),
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
    assert writes(cluster) == ["POST /nodes/pve1/lxc", "DELETE /nodes/pve2/lxc/201", "POST /nodes/pve1/lxc"]


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


@pytest.mark.parametrize("patch, message", [
    ({"config": {"protection": 1}}, "unable to remove container `mail (201)`: it is protected, and nothing was done to it"),
    ({"ha": "stopped"}, "unable to remove container `mail (201)`: the HA manager manages it"),
])
def test_what_cannot_be_removed_is_known_before(run, cluster, patch, message):
    cluster.patch(guests=[{"vmid": 201, **patch}])
    refused(run, cluster, ANEW, message)


def test_a_hook_script_that_is_not_there_removes_none(ferrox, connection, cluster):
    root = {key: value for key, value in connection.items() if not key.startswith("api_token")}
    root |= {"api_user": "root@pam", "api_password": "secret"}

    def run(options, check):
        return ferrox("proxmox", {**root, **options}, check=check)

    cluster.control("DELETE", "/requests")
    for check in (True, False):
        result = run({**ANEW, "hookscript": "local:snippets/gone.pl"}, check)
        assert result["failed"] and result["msg"] == "hookscript: local:snippets/gone.pl does not exist on pve2"
    assert [request for request in writes(cluster) if "ticket" not in request] == []


def test_privileges_that_go_with_the_container_are_not_enough(ferrox, connection, cluster):
    """What is given on /vms/201 the server takes away when it removes the container 201."""
    grants = [("/vms/201", "Administrator"), ("/storage", "Administrator"), ("/sdn", "Administrator"), ("/nodes", "Administrator")]
    cluster.patch(users={"few@pve": {"tokens": {"mms": {"secret": cluster.api_token_secret, "privsep": 0}}}},
                  acl=[{"path": path, "ugid": "few@pve", "roleid": role} for path, role in grants])
    few = {**connection, "api_user": "few@pve"}
    for check in (True, False):
        result = ferrox("proxmox", {**few, **ANEW, "cores": 2}, check=check)
        assert result["failed"] and result["msg"].startswith(
            "unable to make container `mail (201)` anew: the caller lacks VM.Allocate on /vms, VM.Config.CPU on /vms, "
            "VM.Config.Disk on /vms, VM.Config.Network on /vms, and nothing was removed"), result["msg"]
        assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("VM.Allocate", "/vms")
    assert writes(cluster) == []


def test_the_privileges_that_are_documented_are_enough(ferrox, connection, cluster):
    privs = "VM.Allocate VM.Audit VM.Config.Disk VM.Config.Network VM.Config.Memory VM.Config.Options"
    grants = [("/vms", "Making"), ("/storage", "Filling"), ("/sdn/zones/localnetwork/vmbr0", "Using")]
    cluster.patch(roles={"Making": privs, "Filling": "Datastore.AllocateSpace Datastore.Audit", "Using": "SDN.Use"},
                  users={"few@pve": {"tokens": {"mms": {"secret": cluster.api_token_secret, "privsep": 0}}}},
                  acl=[{"path": path, "ugid": "few@pve", "roleid": role} for path, role in grants])
    options = {"memory": 256, "netif": NEW["netif"], "tags": ["new"], "timezone": "host"}
    result = ferrox("proxmox", {**connection, "api_user": "few@pve", **ANEW, **options})
    assert result.get("changed"), result
    assert cluster.guest(201)["config"]["memory"] == 256


def test_what_the_server_alone_knows_to_be_wrong_removes_none(run, cluster):
    cluster.fault(method="POST", path="/nodes/pve2/lxc", status=400, message="Parameter verification failed.",
                  errors={"timezone": "invalid format - invalid time zone 'Europe/Atlantis'"})
    result = run(ANEW, timezone="Europe/Atlantis")
    assert result["failed"] and "invalid time zone 'Europe/Atlantis'" in result["msg"] and not result["changed"]
    assert writes(cluster) == ["POST /nodes/pve2/lxc"]
    assert cluster.guest(201)["config"]["hostname"] == "mail"


@pytest.mark.parametrize("drop", ["before", "after-effect"])
def test_an_answer_that_is_lost_beforehand_loses_nothing(run, cluster, drop):
    cluster.fault(method="POST", path="/nodes/pve2/lxc", drop=drop)
    assert run(ANEW)["changed"]
    assert writes(cluster) == ["POST /nodes/pve2/lxc", "POST /nodes/pve2/lxc", "DELETE /nodes/pve2/lxc/201",
                               "POST /nodes/pve2/lxc"]
    assert cluster.guest(201)["config"]["rootfs"].endswith("size=4G")


def few(cluster, connection, using):
    """A caller with what a new container takes, and with SDN.Use on these paths."""
    privs = "VM.Allocate VM.Audit VM.Config.Disk VM.Config.Network VM.Config.Memory VM.Config.Options"
    grants = [("/vms", "Making"), ("/storage", "Filling"), *[(path, "Using") for path in using]]
    cluster.patch(roles={"Making": privs, "Filling": "Datastore.AllocateSpace Datastore.Audit", "Using": "SDN.Use"},
                  users={"few@pve": {"tokens": {"mms": {"secret": cluster.api_token_secret, "privsep": 0}}}},
                  acl=[{"path": path, "ugid": "few@pve", "roleid": role} for path, role in grants])
    return {**connection, "api_user": "few@pve"}


def test_whether_a_privileged_container_takes_more_is_the_servers_to_say(ferrox, connection, cluster):
    """Only from PVE 9 on it takes Sys.Modify, and it is asked before anything is removed."""
    caller = few(cluster, connection, ["/sdn/zones/localnetwork/vmbr0"])
    options = {**caller, **ANEW, "unprivileged": False}
    assert ferrox("proxmox", options, check=True)["changed"]
    result = ferrox("proxmox", options)
    assert result["failed"] and "Sys.Modify" in result["msg"], result
    assert writes(cluster) == ["POST /nodes/pve2/lxc"] and cluster.guest(201)["config"]["hostname"] == "mail"


def test_trunks_take_privileges_on_their_vlans_and_none_on_the_bridge(ferrox, connection, cluster):
    caller = few(cluster, connection, [f"/sdn/zones/localnetwork/vmbr0/{vlan}" for vlan in (10, 20, 21)])
    card = "name=eth0,bridge=vmbr0,trunks=10;20;21"
    options = {**caller, **ANEW, "netif": {"net0": card}}
    for check in (True, False):
        assert ferrox("proxmox", options, check=check).get("changed")
    assert "trunks=10;20;21" in cluster.guest(201)["config"]["net0"]
    for beyond in ("30", "20;22"):
        result = ferrox("proxmox", {**options, "netif": {"net0": card.replace("20;21", beyond)}})
        assert result["failed"] and "SDN.Use" in result["msg"], result
        assert cluster.guest(201) is not None
