# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox: how a container's configuration is compared and changed."""

from __future__ import annotations

import pytest
from containers import DNS, MAIL, NEW, run, writes  # noqa: F401

MAC = "BC:24:11:00:00:C8"


def parts(text):
    return set(text.split(","))


# ------------------------------------------------------------------------------------------------------- comparisons


def test_a_description_is_compared_without_the_line_end_that_the_server_adds(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "config": {"description": "Name server\n"}}])
    assert not run(DNS, description="Name server")["changed"]
    assert run(DNS, description="Names")["changed"]
    assert not run(DNS, description="Names")["changed"]


def test_tags_are_a_set(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "config": {"tags": "b;a"}}])
    assert not run(DNS, tags=["a", "B"])["changed"]
    assert run(DNS, tags=["a", "c"])["changed"]
    assert set(cluster.guest(200)["config"]["tags"].split(";")) == {"a", "c"}
    assert run(DNS, tags=[])["changed"]
    assert "tags" not in cluster.guest(200)["config"]
    assert not run(DNS, tags=[])["changed"]


def test_an_option_that_is_not_there_is_deleted_once(run, cluster):
    assert run(DNS, delete=["tags"])["changed"]
    assert "tags" not in cluster.guest(200)["config"]
    assert not run(DNS, delete=["tags", "nameserver"])["changed"]


def test_an_empty_text_takes_an_option_away(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "config": {"nameserver": "192.0.2.53", "description": "x"}}])
    assert run(MAIL, nameserver="", description="")["changed"]
    assert {"nameserver", "description"}.isdisjoint(cluster.guest(201)["config"])
    assert not run(MAIL, nameserver="", description="")["changed"]


def test_cmode_that_is_not_stated_is_left_alone(run, cluster):
    assert run(MAIL, memory=600)["changed"]
    assert not run(MAIL, cmode="tty")["changed"]
    assert run(MAIL, cmode="shell")["changed"]
    assert not run(MAIL)["changed"]
    assert cluster.guest(201)["config"]["cmode"] == "shell"


def test_a_feature_goes_where_the_task_says_so(run, cluster):
    cluster.patch(guests=[{"vmid": 201, "config": {"features": "nesting=1,keyctl=1", "unprivileged": 1}}])
    # A token may change nesting only: what is not stated is sent as it is.
    assert not run(MAIL, features=["keyctl=1"])["changed"]
    assert not run(MAIL, features=["nesting=1"])["changed"]
    assert run(MAIL, features=["nesting=0"])["changed"]
    assert parts(cluster.guest(201)["config"]["features"]) == {"nesting=0", "keyctl=1"}
    assert not run(MAIL, features=["nesting=0"])["changed"]


def test_cpus_are_a_limit_from_the_beginning(run, cluster):
    run(NEW, cpus=2)
    config = cluster.guest(300)["config"]
    assert str(config["cpulimit"]) == "2" and "cpuunits" not in config
    assert not run(NEW, cpus=2)["changed"]


# -------------------------------------------------------------------------------------------------------- interfaces


def test_an_interface_keeps_its_mac_and_what_is_not_stated(run, cluster):
    assert run(DNS, netif={"net0": "name=eth0,bridge=vmbr1,tag=20"})["changed"]
    net0 = parts(cluster.guest(200)["config"]["net0"])
    assert net0 == {"name=eth0", "bridge=vmbr1", "tag=20", f"hwaddr={MAC}", "ip=dhcp", "type=veth"}
    assert not run(DNS, netif={"net0": "bridge=vmbr1"})["changed"]


def test_a_part_of_an_interface_goes_where_the_task_says_so(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "config": {"net0": f"name=eth0,bridge=vmbr0,firewall=1,hwaddr={MAC}"}}])
    assert not run(DNS, netif={"net0": "name=eth0,bridge=vmbr0"})["changed"]
    assert run(DNS, netif={"net0": "name=eth0,bridge=vmbr0,firewall=0"})["changed"]
    assert "firewall=0" in parts(cluster.guest(200)["config"]["net0"])


def test_another_address_loses_the_gateway_of_the_old_one(run, cluster):
    net0 = f"name=eth0,bridge=vmbr0,gw=192.0.2.1,hwaddr={MAC},ip=192.0.2.9/24"
    cluster.patch(guests=[{"vmid": 200, "config": {"net0": net0}}])
    assert not run(DNS, netif={"net0": "name=eth0,ip=192.0.2.9/24"})["changed"]
    assert run(DNS, netif={"net0": "name=eth0,ip=dhcp"})["changed"]
    net0 = parts(cluster.guest(200)["config"]["net0"])
    assert net0 == {"name=eth0", "bridge=vmbr0", f"hwaddr={MAC}", "ip=dhcp", "type=veth"}


# ----------------------------------------------------------------------------------------------------------- volumes


@pytest.mark.parametrize("stated", [
    {"disk": "local-lvm:20"}, {"disk": "20"}, {"disk": "size=20G"}, {"disk": "local-lvm:vm-200-disk-0,size=20G"},
    {"disk_volume": {"storage": "local-lvm", "size": 20}},
    {"disk_volume": {"storage": "local-lvm", "volume": "vm-200-disk-0", "size": 20}},
])
def test_the_root_grows(run, cluster, stated):
    check = run(DNS, check=True, diff=True, **stated)
    assert check["diff"] == {"before": {"rootfs": "local-lvm:vm-200-disk-0,size=8G"},
                             "after": {"rootfs": "local-lvm:vm-200-disk-0,size=20G"}}
    assert run(DNS, **stated)["changed"]
    assert writes(cluster) == ["PUT /nodes/pve1/lxc/200/resize"]
    assert cluster.guest(200)["config"]["rootfs"] == "local-lvm:vm-200-disk-0,size=20G"
    assert not run(DNS, **stated)["changed"]


def test_the_root_does_not_shrink_and_the_task_says_so(run, cluster):
    result = run(DNS, disk="local-lvm:4")
    assert not result["changed"]
    assert result["warnings"] == ["rootfs is 8G, and stays so: volumes cannot shrink to 4G"]
    assert writes(cluster) == []


def test_a_volume_is_not_put_on_another_storage(run, cluster):
    result = run(DNS, disk="ceph:8")
    assert result["failed"]
    assert result["msg"] == "rootfs: is on local-lvm:vm-200-disk-0, and is not moved to ceph"
    assert writes(cluster) == []


@pytest.mark.parametrize("form", ["text", "parts"])
def test_a_mount_point_comes_grows_changes_and_goes(run, cluster, form):
    def mount(size, backup):
        if form == "text":
            return {"mounts": {"mp0": f"ceph:{size},mp=/srv,backup={int(backup)}"}}
        return {"mount_volumes": [{"id": "mp0", "mountpoint": "/srv", "storage": "ceph", "size": size,
                                   "options": {"backup": backup}}]}

    assert run(MAIL, **mount(3, False))["changed"]
    assert not run(MAIL, **mount(3, False))["changed"]
    assert run(MAIL, **mount(5, True))["changed"]
    mp0 = cluster.guest(201)["config"]["mp0"]
    assert {"mp=/srv", "backup=1", "size=5G"} <= parts(mp0) and mp0.startswith("ceph:vm-201-disk-")
    assert not run(MAIL, **mount(5, True))["changed"]
    assert run(MAIL, delete=["mp0"])["changed"]
    assert "mp0" not in cluster.guest(201)["config"]
    assert not run(MAIL, delete=["mp0"])["changed"]


def test_mount_points_of_a_new_container_need_its_root(run, cluster):
    options = {key: value for key, value in NEW.items() if key != "disk"}
    result = run(options, mounts={"mp0": "ceph:1,mp=/srv"})
    assert result["msg"] == "mp0: a new container with mount points must state its root too: disk or disk_volume"
    assert writes(cluster) == []


# ---------------------------------------------------------------------------------------------------- what is refused


def test_an_option_that_proxmox_ve_does_not_have_is_refused_with_what_to_do(run, cluster):
    result = run(DNS, ip_address="192.0.2.5")
    assert result["msg"].startswith("ip_address: is no setting of containers since Proxmox VE 4")
    assert cluster.requests() == []


def test_what_is_chosen_when_a_container_is_made_is_a_warning_later(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "config": {"unprivileged": 1, "ostype": "debian"}}])
    result = run(DNS, unprivileged=False, ostype="alpine", password="correct-horse", pool="lab")
    assert not result["changed"]
    assert result["warnings"] == [
        "unprivileged is true and stays so: it is chosen when a container is made",
        "ostype is debian and stays so: it is chosen when a container is made",
        "the pool is none and stays so: proxmox_pool_member moves a container to another one"]
    assert "warnings" not in run(DNS)


def test_a_password_is_shown_nowhere(run, cluster):
    result = run(NEW, password="correct-horse", pubkey="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me")
    assert result["changed"]
    assert "correct-horse" not in str(result) and "correct-horse" not in result.stderr
    assert result["invocation"]["module_args"]["password"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def test_what_waits_for_the_next_start_is_told_once_and_is_no_difference(run):
    result = run(DNS, features=["nesting=1"])
    assert result["changed"]
    assert result["warnings"] == ["features will have an effect after the next start only"]
    again = run(DNS, features=["nesting=1"])
    assert not again["changed"] and "warnings" not in again


@pytest.mark.parametrize("options, message", [
    ({"ostemplate": "local:vztmpl/nope.tar.zst"},
     "ostemplate local:vztmpl/nope.tar.zst does not exist on node pve1 and storage local."),
    ({"ostemplate": "nowhere:vztmpl/nope.tar.zst"},
     "unable to look for ostemplate `nowhere:vztmpl/nope.tar.zst` on pve1: "),
    ({"node": "pve9"}, "node 'pve9' does not exist in cluster"),
    ({"tags": ["a/b"]}, "tags: `a/b` is not a tag"),
    ({"netif": {"eth0": "name=eth0"}}, "eth0: is no network interface"),
])
def test_a_container_that_cannot_be_made_is_told_in_check_mode_too(run, cluster, options, message):
    for check in (True, False):
        result = run({**NEW, **options}, check=check)
        assert result["failed"] and result["msg"].startswith(message), result["msg"]
    assert writes(cluster) == []


def test_a_template_is_looked_for_where_it_says(run, cluster):
    cluster.patch(storages={"nfs": {"volumes": {"vztmpl/alpine.tar.xz": {"content": "vztmpl", "format": "txz"}}}})
    assert run(NEW, ostemplate="nfs:vztmpl/alpine.tar.xz", check=True)["changed"]
    assert run(NEW, ostemplate="nfs:vztmpl/alpine.tar.zst", check=True)["failed"]


def test_no_volume_has_grown_where_the_rest_is_refused(run, cluster):
    cluster.fault(method="PUT", path=r".*/config", status=400, message="Parameter verification failed.")
    result = run(DNS, disk="local-lvm:12", searchdomain="example.org")
    assert result["failed"] and not result["changed"], result
    assert writes(cluster) == ["PUT /nodes/pve1/lxc/200/config"]


def test_the_volumes_of_a_protected_container_grow_and_stay_as_they_are_otherwise(run, cluster):
    cluster.patch(guests=[{"vmid": 200, "config": {"protection": 1}}])
    for options in ({"disk": "local-lvm:12,acl=1"}, {"mounts": {"mp5": "local-lvm:1,mp=/new"}}):
        for check in (True, False):
            result = run(DNS, **options, check=check)
            assert result["failed"] and "it is protected, so that " in result["msg"], result
    assert writes(cluster) == []
    assert run(DNS, disk="local-lvm:12")["changed"]
