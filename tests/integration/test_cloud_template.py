# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_cloud_template: a template out of a cloud image, a newer image, and runs that are cut off."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess

import pytest
from clone_vms import until
from conftest import TIMEOUT, clean_environment

MODULE = "proxmox_cloud_template"
URL = "https://cloud.example.org/debian-13-genericcloud-amd64.qcow2"
NEWER = "https://cloud.example.org/newer/debian-13-genericcloud-amd64.qcow2"
# A digest that the fake cluster is not told is that of the URL's own text.
OLD, NEW = (hashlib.sha256(url.encode()).hexdigest() for url in (URL, NEWER))
NAME = "trixie"
BESIDE = f"{NAME}-{NEW[:8]}"
PVE1 = "/nodes/pve1"
IMAGE = f"import/debian-13-genericcloud-amd64-{OLD[:8]}.qcow2"
OPTIONS = {"name": NAME, "node": "pve1", "storage": "ceph", "cores": 2, "memory": 2048, "tags": ["cloud"]}


def image(digest=OLD, **more):
    return {"url": NEWER if digest == NEW else URL, "checksum": f"sha256:{digest}", **more}


@pytest.fixture
def cluster(cluster):
    cluster.patch(urls={NEWER: {"size": 430 << 20}})
    return cluster


@pytest.fixture
def run(ferrox, connection):
    """Runs the module: run(on_change="replace", image=image(NEW), check=True) -> result."""

    def run(check=False, diff=False, verbosity=0, **options):
        arguments = {**connection, **OPTIONS, "image": image(), **options}
        return ferrox(MODULE, {key: value for key, value in arguments.items() if value is not None}, check=check,
                      diff=diff, verbosity=verbosity)

    return run


@pytest.fixture
def begun(executable, connection):
    """Runs the module without waiting for its end: begun() -> process."""
    processes = []

    def begin(**options):
        process = subprocess.Popen([executable, MODULE, "-"], env=clean_environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        process.stdin.write(json.dumps({**connection, **OPTIONS, "image": image(), **options}))
        process.stdin.close()
        process.stdin = None
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def there(cluster):
    """The VMs whose names begin with the template's: there() -> {name: guest}."""

    def named():
        return {guest["name"]: guest for guest in cluster.state()["guests"] if guest["name"].startswith(NAME)}

    return named


def without_polls(requests):
    return [request for request in requests if "/tasks/UPID" not in request]


def mark(digest=OLD):
    return f"ferrox: image sha256={digest}"


class TestLife:
    def test_without_its_options_it_says_what_is_missing(self, ferrox, cluster, connection):
        result = ferrox(MODULE, connection)
        assert result["failed"] and result["msg"] == "missing required arguments: image, name, node, storage"
        assert cluster.requests() == []

    def test_check_mode_tells_of_the_new_one_and_writes_nothing(self, run, cluster):
        before = cluster.state()
        result = run(check=True, diff=True)
        assert result["changed"] and result["vmid"] is None
        assert result["msg"] == f"template {NAME} made of sha256={OLD}"
        after = result["diff"]["after"]
        assert result["diff"]["before"] == {}
        assert after.items() >= {"name": NAME, "node": "pve1", "vmid": "allocated", "template": True, "memory": "2048",
                                 "image": f"local:{IMAGE}", "description": mark()}.items()
        assert cluster.state() == before and cluster.stats()["writes"] == 0

    def test_it_is_made_once(self, run, there, asked, cluster):
        result = run()
        assert result["changed"] and not result["outdated"], result
        made = there()[NAME]
        assert (result["name"], result["vmid"], result["node"]) == (NAME, made["vmid"], "pve1")
        assert result["image"] == f"sha256={OLD}"
        assert made["template"] and made["status"] == "stopped"
        config = made["config"]
        assert config["description"] == mark()
        assert config["scsi0"].startswith(f"ceph:base-{made['vmid']}-disk-")
        assert config["ide2"].startswith(f"ceph:vm-{made['vmid']}-cloudinit,media=cdrom")
        assert config["net0"].startswith("virtio=") and config["net0"].endswith(",bridge=vmbr0")
        expected = {"serial0": "socket", "vga": "serial0", "agent": "1", "boot": "order=scsi0", "ostype": "l26",
                    "scsihw": "virtio-scsi-single", "ipconfig0": "ip=dhcp", "tags": "cloud", "memory": "2048"}
        assert {key: str(config[key]) for key in expected} == expected
        assert IMAGE in cluster.state()["storages"]["local"]["volumes"]
        writes = [request for request in without_polls(asked()) if not request.startswith("GET")]
        vm = f"{PVE1}/qemu/{made['vmid']}"
        assert writes == [f"POST {PVE1}/storage/local/download-url", f"POST {PVE1}/qemu", f"POST {vm}/template"]

        cluster.control("POST", "/statistics-round")
        result = run(diff=True)
        assert not result["changed"] and result["msg"] == f"template {NAME} ({made['vmid']}) is there"
        assert asked() == ["GET /cluster/resources", f"GET {vm}/status/current", f"GET {vm}/config"]
        assert result["diff"]["before"] == result["diff"]["after"] == {}

    def test_what_is_stated_is_what_it_has(self, run, there):
        result = run(vmid=9500, disk_size="10G", vlan=20, cpu="host", sockets=2, agent=False, serial_console=False,
                     cloud_init=False, pool="lab", description="Debian, weekly", tags=None,
                     config={"scsi0": "discard=on,ssd=1", "rng0": "source=/dev/urandom", "bios": "ovmf"})
        assert result["vmid"] == 9500, result
        made = there()[NAME]
        config = made["config"]
        assert made["pool"] == "lab"
        assert config["description"] == f"Debian, weekly\n\n{mark()}"
        assert config["net0"].endswith(",bridge=vmbr0,tag=20")
        assert all(part in config["scsi0"].split(",") for part in ("discard=on", "ssd=1", "size=10G"))
        assert (config["cpu"], config["sockets"]) == ("host", 2)
        assert config["rng0"].endswith("/dev/urandom") and config["bios"] == "ovmf"
        assert not {"agent", "ide2", "serial0", "vga", "ipconfig0", "tags"} & config.keys()

    def test_settings_of_one_that_is_there_are_managed(self, run, there, asked):
        vmid = run()["vmid"]
        asked()
        result = run(memory=4096, description="Debian", check=True, diff=True)
        assert result["changed"]
        assert result["diff"] == {"before": {"memory": "2048", "description": mark()},
                                  "after": {"memory": "4096", "description": f"Debian\n\n{mark()}"}}
        result = run(memory=4096, description="Debian")
        assert result["msg"] == f"template {NAME} ({vmid}) changed"
        config = there()[NAME]["config"]
        assert (str(config["memory"]), config["description"]) == ("4096", f"Debian\n\n{mark()}")
        assert [request for request in asked() if not request.startswith("GET")] == [f"PUT {PVE1}/qemu/{vmid}/config"]
        assert not run(memory=4096, description="Debian")["changed"]
        assert not run(memory=4096)["changed"], "a description that is not stated stays"

    def test_what_is_not_stated_of_one_that_is_there_stays(self, run, cluster, there):
        vmid = run(vlan=20)["vmid"]
        net = there()[NAME]["config"]["net0"].replace("vmbr0", "vmbr1")
        cluster.patch(guests=[{"vmid": vmid, "config": {"agent": "0", "ostype": "other", "serial0": None, "net0": net}}])
        assert not run(vlan=20)["changed"]
        assert run(vlan=30, serial_console=True, agent=True)["changed"]
        config = there()[NAME]["config"]
        assert config["net0"] == net.replace("tag=20", "tag=30")
        assert (config["serial0"], config["agent"], config["ostype"]) == ("socket", "1", "other")

    def test_an_image_that_is_on_a_storage_already_is_taken_from_there(self, run, there, cluster, asked):
        volume = {"volume": "local:import/mine.qcow2", "checksum": f"sha256:{OLD}"}
        result = run(image=volume)
        assert result["failed"] and result["msg"].endswith("there is no image local:import/mine.qcow2 on node pve1")
        cluster.patch(storages={"local": {"volumes": {"import/mine.qcow2": {
            "content": "import", "format": "qcow2", "size": 400 << 20, "virtual_size": 3 << 30}}}})
        asked()
        assert run(image=volume)["changed"]
        assert there()[NAME]["template"]
        assert not any("download-url" in request for request in asked())
        assert not run(image=volume)["changed"]

    def test_a_vmid_is_taken_out_of_the_range(self, run):
        assert run(vmid_range="9600-9610")["vmid"] == 9600

    def test_on_storage_that_is_shared_there_is_one_and_otherwise_one_on_each_node(self, run, cluster):
        assert run()["changed"]
        assert not run(node="pve2")["changed"]
        first = [run(name="local", storage="local-lvm", node=node) for node in ("pve1", "pve2")]
        assert [(result["changed"], result["node"]) for result in first] == [(True, "pve1"), (True, "pve2")]
        again = [run(name="local", storage="local-lvm", node=node) for node in ("pve1", "pve2")]
        assert [(result["changed"], result["vmid"]) for result in again] == [(False, made["vmid"]) for made in first]
        newer = run(name="local", storage="local-lvm", node="pve2", image=image(NEW), on_change="replace")
        assert newer["changed"] and newer["node"] == "pve2"
        left = {guest["vmid"] for guest in cluster.state()["guests"] if guest["name"] == "local"}
        assert left == {first[0]["vmid"], newer["vmid"]}

    def test_clones_are_made_of_it(self, run, ferrox, connection):
        run()
        vms = [{"name": "web-1", "template": NAME}]
        assert ferrox("proxmox_clone_vms", {**connection, "vms": vms})["vms"][0]["created"]


class TestOthers:
    """VMs that this module did not make."""

    def test_a_vm_without_the_mark_is_left_alone(self, run, cluster, there):
        cluster.patch(guests=[{"vmid": 300, "kind": "qemu", "name": NAME, "node": "pve1", "template": True,
                               "config": {"scsi0": "ceph:base-300-disk-0,size=3G"}}])
        before = there()
        for options in ({}, {"on_change": "replace"}, {"on_change": "versioned"}, {"check": True}):
            result = run(**options)
            assert result["failed"] and not result["changed"]
            assert result["msg"] == (f"unable to make template `{NAME}`: VM 300 on pve1 is there, and this module did not make "
                                     "it: its description has no line `ferrox: image …`")
        assert there() == before and cluster.stats()["writes"] == 0

    def test_a_clone_that_has_the_mark_is_none_of_ours(self, run, cluster, ferrox, connection, there):
        first = run(name=f"{NAME}-0")
        ferrox("proxmox_clone_vms", {**connection, "vms": [{"name": NAME, "template": str(first["vmid"])}]})
        assert there()[NAME]["config"]["description"] == mark()
        result = run(image=image(NEW), on_change="replace")
        assert result["failed"] and result["msg"].endswith("has the description of one, and another SMBIOS UUID, as a clone does")
        assert set(there()) == {NAME, f"{NAME}-0"}

    def test_a_vmid_that_is_taken_is_told_before_anything_is_done(self, run, cluster):
        result = run(vmid=100)
        assert result["failed"] and "VMID 100 is taken by `" in result["msg"]
        assert cluster.stats()["writes"] == 0

    def test_what_cannot_be_seen_is_not_made_anew(self, run, cluster):
        vmid = run()["vmid"]
        cluster.control("POST", "/statistics-round")
        cluster.help("offline", node="pve1")
        result = run(node="pve2")
        assert result["failed"] and "where it cannot be seen" in result["msg"], vmid


class TestNewerImage:
    @pytest.fixture(autouse=True)
    def first(self, run, asked):
        self.vmid = run()["vmid"]
        asked()

    def test_it_is_kept_and_said_to_be_outdated(self, run, there, cluster, asked):
        result = run(image=image(NEW))
        assert not result["changed"] and result["outdated"] and result["vmid"] == self.vmid
        assert result["image"] == f"sha256={OLD}"
        assert result["warnings"] == [f"{NAME} is made of another image (sha256={OLD}), and kept: on_change: replace and "
                                      "versioned make a new one"]
        assert all(request.startswith("GET") for request in asked())
        assert set(there()) == {NAME}

    def test_another_one_is_made_beside_it(self, run, there):
        result = run(image=image(NEW), on_change="versioned")
        assert result["changed"] and result["name"] == BESIDE and not result["outdated"]
        guests = there()
        assert set(guests) == {NAME, BESIDE}
        assert guests[BESIDE]["template"] and guests[BESIDE]["config"]["description"] == mark(NEW)
        assert guests[NAME]["config"]["description"] == mark()
        again = run(image=image(NEW), on_change="versioned")
        assert not again["changed"] and again["name"] == BESIDE and again["vmid"] == guests[BESIDE]["vmid"]

    def test_another_one_takes_its_place(self, run, there, asked):
        result = run(image=image(NEW), on_change="replace", check=True, diff=True)
        assert result["changed"]
        assert result["diff"]["before"]["replaced"] == {"vmid": self.vmid, "image": f"sha256={OLD}"}
        asked()
        result = run(image=image(NEW), on_change="replace")
        assert result["changed"] and result["name"] == NAME and result["vmid"] != self.vmid, result
        assert result["msg"] == f"template {NAME} ({result['vmid']}) made of sha256={NEW}, in place of {self.vmid}"
        guests = there()
        assert set(guests) == {NAME} and guests[NAME]["vmid"] == result["vmid"]
        assert guests[NAME]["template"] and guests[NAME]["config"]["description"] == mark(NEW)
        writes = [request.split("?")[0] for request in without_polls(asked()) if not request.startswith("GET")]
        new, old = f"{PVE1}/qemu/{result['vmid']}", f"{PVE1}/qemu/{self.vmid}"
        assert writes[2:] == [f"POST {new}/template", f"DELETE {old}", f"PUT {new}/config"]
        assert not run(image=image(NEW), on_change="replace")["changed"]

    @pytest.mark.parametrize("kept_by", ["clones", "protection"])
    def test_none_is_made_in_place_of_one_that_cannot_be_removed(self, run, ferrox, connection, there, asked, cluster,
                                                                 kept_by):
        if kept_by == "clones":
            vms = [{"name": "web-1", "vmid": 300, "template": NAME, "clone_type": "linked"}]
            assert ferrox("proxmox_clone_vms", {**connection, "vms": vms})["changed"]
            why = "linked clones of it stand on its volumes (300), and nothing was done to it"
        else:
            cluster.patch(guests=[{"vmid": self.vmid, "config": {"protection": 1}}])
            why = ("it is protected, and nothing was done to it. "
                   f"`qm set {self.vmid} --protection 0` on pve1 lifts that")
        asked()
        for check in (True, False):
            result = run(image=image(NEW), on_change="replace", check=check)
            assert result["failed"] and result["msg"] == (
                f"unable to make template `{NAME}`: the one of another image ({self.vmid}) cannot be removed: {why}; "
                "on_change: versioned keeps both")
        assert all(request.startswith("GET") for request in asked())
        assert not run(on_change="replace")["changed"]

    def test_one_whose_linked_clones_are_not_seen_stays_and_nothing_is_lost(self, run, ferrox, connection, there, cluster):
        vms = [{"name": "web-1", "template": NAME, "clone_type": "linked"}]
        assert ferrox("proxmox_clone_vms", {**connection, "vms": vms})["changed"]
        cluster.fault(path="/nodes/pve1/storage/ceph/content.*", times=None, status=403, message="Permission check failed")
        result = run(image=image(NEW), on_change="replace")
        assert result["failed"] and result["changed"], result
        assert result["msg"].startswith(f"unable to remove the old template `{NAME}`: task UPID:")
        assert "linked clone" in result["msg"]
        guests = there()
        assert guests[NAME]["vmid"] == self.vmid and guests[BESIDE]["template"]
        assert result["warnings"] == [
            f"the new template is there as {BESIDE} ({guests[BESIDE]['vmid']}), and the old one, {NAME} ({self.vmid}), as it was: "
            "one that has linked clones cannot be removed. The next run tries again; on_change: versioned keeps both"]

        web = next(guest["vmid"] for guest in cluster.state()["guests"] if guest["name"] == "web-1")
        disks = [name for name in cluster.state()["storages"]["ceph"]["volumes"] if f"vm-{web}-" in name]
        cluster.patch(guests=[{"vmid": web, "absent": True}], storages={"ceph": {"volumes": dict.fromkeys(disks)}})
        result = run(image=image(NEW), on_change="replace")
        assert result["changed"] and result["vmid"] == guests[BESIDE]["vmid"]
        assert set(there()) == {NAME}

    def test_a_stated_vmid_cannot_be_replaced(self, run, cluster, asked):
        result = run(image=image(NEW), on_change="replace", vmid=self.vmid)
        assert result["failed"] and "vmid and on_change: replace exclude each other" in result["msg"]
        assert asked() == []


class TestCutOff:
    """At every point a second run leads to the same."""

    @pytest.fixture
    def slow(self, cluster):
        cluster.control("POST", "/time-scale", {"time_scale": 0.1})
        cluster.patch(secs={"download": 10, "create": 10})

    @staticmethod
    def running(cluster, kind):
        return any(task["type"] == kind and task["status"] == "running" for task in cluster.state()["tasks"])

    def whole(self, run, there, cluster):
        """What holds after the next run, whatever was before it."""
        result = run()
        assert not result.get("failed"), result
        assert set(there()) == {NAME} and there()[NAME]["template"]
        assert there()[NAME]["config"]["description"] == mark()
        assert not run()["changed"]
        assert not any(volume.startswith("import/") and volume != IMAGE
                       for volume in cluster.state()["storages"]["local"]["volumes"])

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    @pytest.mark.parametrize("kind", ["download", "qmcreate"])
    def test_while_the_server_is_at_work(self, run, begun, there, cluster, slow, kind, number):
        process = begun()
        until(lambda: self.running(cluster, kind))
        process.send_signal(number)
        out, _ = process.communicate(timeout=TIMEOUT)
        if number == signal.SIGTERM:
            assert json.loads(out)["failure"]["running"]
        self.whole(run, there, cluster)

    def test_by_a_creation_that_fails(self, run, there, cluster):
        cluster.fault(method="POST", path=r"/nodes/pve1/qemu", task={"exitstatus": "unable to create VM: no space left"})
        result = run()
        assert result["failed"] and "no space left" in result["msg"] and there() == {}
        self.whole(run, there, cluster)

    def test_by_a_download_that_fails(self, run, there, cluster):
        result = run(image={**image(), "checksum": f"sha256:{NEW}"})
        assert result["failed"] and "checksum mismatch" in result["msg"] and there() == {}
        self.whole(run, there, cluster)

    @pytest.mark.parametrize("at", ["resize", "template"])
    def test_before_it_is_a_template(self, run, there, cluster, at):
        cluster.fault(method="*", path=rf".*/{at}", status=500, message="the node is tired")
        result = run(disk_size="10G")
        assert result["failed"] and result["changed"] and not there()[NAME]["template"]
        result = run(disk_size="10G", check=True, diff=True)
        assert result["diff"]["after"]["template"] is True
        result = run(disk_size="10G")
        assert result["changed"] and there()[NAME]["template"]
        assert "size=10G" in there()[NAME]["config"]["scsi0"]
        assert not run(disk_size="10G")["changed"]

    @pytest.mark.parametrize("path", [r".*/download-url", r"/nodes/pve1/qemu", r".*/template"])
    @pytest.mark.parametrize("drop", ["before", "after-effect"])
    def test_by_a_lost_answer(self, run, there, cluster, path, drop):
        cluster.fault(method="POST", path=path, drop=drop)
        assert run()["changed"]
        self.whole(run, there, cluster)

    def test_between_the_old_one_and_the_name_of_the_new(self, run, there, cluster):
        run()
        cluster.fault(method="PUT", path=r".*/config", status=500, message="the node is tired")
        result = run(image=image(NEW), on_change="replace")
        assert result["failed"] and set(there()) == {BESIDE}
        result = run(image=image(NEW), on_change="replace")
        assert result["changed"] and set(there()) == {NAME}
        assert there()[NAME]["config"]["description"] == mark(NEW)
        assert not run(image=image(NEW), on_change="replace")["changed"]

    def test_one_that_is_half_made_and_runs_is_not_touched(self, run, there, cluster):
        cluster.fault(method="POST", path=r".*/template", status=500, message="the node is tired")
        vmid = run()["failed"] and there()[NAME]["vmid"]
        cluster.patch(guests=[{"vmid": vmid, "status": "running"}])
        result = run()
        assert result["failed"] and f"VM {vmid} on pve1 is half made, and runs" in result["msg"]


class TestRefusals:
    def test_the_privileges_are_looked_at_before_anything_is_done(self, run, cluster):
        result = run(api_user="prov@pve")
        assert result["failed"] and not result["changed"]
        assert result["msg"] == (
            f"unable to make template `{NAME}`: the caller lacks Datastore.AllocateTemplate on /storage/local, "
            "Sys.AccessNetwork on /nodes/pve1, VM.Config.CDROM on /vms, VM.Config.HWType on /vms; a token with privilege "
            "separation needs them itself, beside its user")
        assert result["failure"]["privilege"] == "Datastore.AllocateTemplate"
        assert result["failure"]["acl_path"] == "/storage/local"
        assert cluster.stats()["writes"] == 0

    def test_the_privileges_that_are_documented_are_enough(self, run, cluster, there):
        cluster.patch(
            roles={"Templates": "VM.Allocate VM.Audit VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk "
                                "VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options",
                   "Fetching": "Sys.AccessNetwork", "Storing": "Datastore.AllocateTemplate Datastore.Audit",
                   "Filling": "Datastore.AllocateSpace", "Using": "SDN.Use"},
            users={"maker@pve": {"tokens": {"mms": {"secret": cluster.api_token_secret, "privsep": 0}}}},
            acl=[{"path": path, "ugid": "maker@pve", "roleid": role} for path, role in (
                ("/vms", "Templates"), ("/nodes/pve1", "Fetching"), ("/storage/local", "Storing"),
                ("/storage/ceph", "Filling"), ("/sdn/zones/localnetwork/vmbr0", "Using"))])
        result = run(api_user="maker@pve")
        assert result.get("changed"), result
        assert there()[NAME]["template"]
        assert not run(api_user="maker@pve")["changed"]

    @pytest.mark.parametrize(("options", "why"), [
        ({"image": image(storage="nfs")}, "storage `nfs` takes no content of type import, only "),
        ({"storage": "local"}, "storage `local` takes no content of type images, only "),
    ])
    def test_a_storage_must_take_what_comes_to_it(self, run, cluster, options, why):
        for check in (True, False):
            result = run(**options, check=check)
            assert result["failed"] and why in result["msg"]
        assert cluster.stats()["writes"] == 0

    @pytest.mark.parametrize(("options", "why"), [
        ({"name": "no_name"}, "the name must be a DNS name"),
        ({"image": image(checksum="abc")}, "checksum: `abc` does not begin with the name of a hash function"),
        ({"image": image(checksum="sha256:abc")}, "checksum: `abc` is no sha256, which has 64 hexadecimal digits"),
        ({"image": {"url": "ftp://x/y.qcow2", "checksum": f"sha256:{OLD}"}}, "does not begin with http:// or https://"),
        ({"image": image(filename="a.img")}, "it must end in .ova, .qcow2, .raw, .vmdk; state filename"),
        ({"config": {"scsi0": "ceph:10"}}, "scsi0: is the disk that the image becomes"),
        ({"config": {"smbios1": "uuid=1"}}, "smbios1: "),
        ({"config": {"cipassword": "x"}}, "cipassword: belongs to a clone"),
        ({"cloud_init": False, "ciuser": "ops"}, "ciuser: reaches no guest without a cloud-init drive"),
        ({"vmid_range": "1-5"}, "vmid_range: must be two VMIDs from 100 on"),
        ({"vlan": 5, "net": {"net0": {"bridge": "vmbr0", "vlan": 6}}}, "vlan: is stated twice"),
    ])
    def test_what_cannot_be_is_told_before_anything_is_asked(self, run, cluster, options, why):
        result = run(**options)
        assert result["failed"] and why in result["msg"], result["msg"]
        assert cluster.requests() == []
