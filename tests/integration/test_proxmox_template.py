# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_template: volumes that are uploaded, downloaded and removed, and what may happen meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
from clone_vms import until
from conftest import TIMEOUT, clean_environment

MODULE = "proxmox_template"
CLOUD = "https://cloud.example.org"
ISO, IMAGE = f"{CLOUD}/debian-13.iso", f"{CLOUD}/debian-13-genericcloud-amd64.qcow2"
APPLIANCE = "alpine-3.22-default_20250617_amd64.tar.xz"
PVE1 = "/nodes/pve1"
LOCAL = f"{PVE1}/storage/local"
MIB = 1 << 20


@pytest.fixture
def run(ferrox, connection):
    """Runs the module on pve1: run(url=…, check=True) -> result."""

    def run(check=False, diff=False, verbosity=0, **options):
        return ferrox(MODULE, {**connection, "node": "pve1", **options}, check=check, diff=diff, verbosity=verbosity)

    return run


@pytest.fixture
def file(tmp_path):
    """A file that is uploaded: file(b"content", name="a.iso") -> path."""

    def write(content=b"bootable", name="a.iso"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def volumes(cluster):
    """The volumes of a storage: volumes() -> {"iso/a.iso", …}."""
    return lambda storage="local": set(cluster.state()["storages"][storage]["volumes"])


def listing(content, node="pve1", storage="local"):
    return f"GET /nodes/{node}/storage/{storage}/content?content={content}"


def without_polls(requests):
    return [request for request in requests if "/tasks/" not in request]


def sums(digest, algorithm="sha256"):
    return {"checksum_algorithm": algorithm, "checksum": digest}


SHA256 = hashlib.sha256(ISO.encode()).hexdigest()


class TestDownload:
    def test_without_a_template_it_says_what_is_missing(self, ferrox, cluster, connection):
        result = ferrox(MODULE, {**connection, "state": "absent"})
        assert result["failed"] and result["msg"] == "state is absent but all of the following are missing: template"
        assert cluster.requests() == []

    def test_check_mode_asks_what_the_task_would_meet_and_writes_nothing(self, run, asked, volumes, cluster):
        before = cluster.state()
        result = run(url=ISO, content_type="iso", check=True, diff=True)
        assert result["changed"] and result["msg"] == "template with volid=local:iso/debian-13.iso uploaded"
        assert result["diff"] == {"before": {}, "after": {"volid": "local:iso/debian-13.iso", "size": 783 << 20}}
        assert asked() == [listing("iso"), f"GET {PVE1}/query-url-metadata?url={ISO}",
                           "GET /access/permissions?path=/storage/local", f"GET {LOCAL}/status"]
        assert cluster.state() == before

    def test_it_is_downloaded_once(self, run, asked, volumes):
        result = run(url=ISO, content_type="iso")
        assert result["changed"] and result["volid"] == "local:iso/debian-13.iso" and result["node"] == "pve1"
        assert result["msg"] == "template with volid=local:iso/debian-13.iso uploaded"
        assert without_polls(asked()) == [listing("iso"), f"POST {LOCAL}/download-url"]
        assert "iso/debian-13.iso" in volumes()

        result = run(url=ISO, content_type="iso")
        assert not result["changed"]
        assert result["msg"] == "template with volid=local:iso/debian-13.iso already exists"
        assert asked() == [listing("iso")]

    def test_one_that_is_there_is_replaced_when_asked(self, run, asked, cluster):
        run(url=ISO, content_type="iso")
        cluster.patch(urls={ISO: {"size": 5}})
        asked()
        result = run(url=ISO, content_type="iso", force=True, check=True, diff=True)
        volume = {"volid": "local:iso/debian-13.iso"}
        assert result["changed"]
        assert result["diff"] == {"before": {**volume, "size": 783 << 20}, "after": {**volume, "size": 5}}
        assert asked() == [listing("iso"), f"GET {PVE1}/query-url-metadata?url={ISO}"]

        result = run(url=ISO, content_type="iso", force=True)
        assert result["changed"] and result["msg"] == "template with volid=local:iso/debian-13.iso uploaded"
        assert without_polls(asked()) == [
            listing("iso"), f"GET {PVE1}/query-url-metadata?url={ISO}",
            f"DELETE {LOCAL}/content/local:iso/debian-13.iso", f"POST {LOCAL}/download-url"]

    def test_it_is_removed_once(self, run, asked, volumes):
        run(url=ISO, content_type="iso")
        asked()
        gone = {"template": "debian-13.iso", "content_type": "iso", "state": "absent"}
        result = run(**gone, check=True, diff=True)
        assert result["changed"] and result["msg"] == "template with volid=local:iso/debian-13.iso deleted"
        assert result["diff"]["after"] == {} and result["diff"]["before"]["size"] == 783 << 20
        assert "iso/debian-13.iso" in volumes()
        asked()

        assert run(**gone)["changed"]
        assert without_polls(asked()) == [listing("iso"), f"DELETE {LOCAL}/content/local:iso/debian-13.iso"]
        assert "iso/debian-13.iso" not in volumes()
        result = run(**gone)
        assert not result["changed"]
        assert result["msg"] == "template with volid=local:iso/debian-13.iso is already deleted"
        assert asked() == [listing("iso")]

    def test_the_server_checks_the_checksum(self, run, volumes):
        wrong = run(url=ISO, content_type="iso", **sums("0" * 64))
        assert wrong["failed"] and not wrong["changed"]
        assert f"checksum mismatch: got '{SHA256}' != expect '{'0' * 64}'" in wrong["msg"]
        assert "iso/debian-13.iso" not in volumes()
        right = run(url=ISO, content_type="iso", **sums(SHA256.upper()))
        assert right["msg"] == "Checksum verified, template with volid=local:iso/debian-13.iso uploaded"

    def test_a_checksum_of_one_that_is_there_is_said_not_to_be_compared(self, run):
        run(url=ISO, content_type="iso")
        result = run(url=ISO, content_type="iso", **sums(SHA256))
        assert not result["changed"]
        assert result["warnings"] == ["volume local:iso/debian-13.iso is there already: the server tells no checksum of it, "
                                      "and it was not compared"]

    def test_what_cannot_be_downloaded_is_told_with_the_tasks_own_words(self, run):
        result = run(url=f"{CLOUD}/gone.qcow2", content_type="import")
        assert result["failed"] and "download failed: ERROR 404 Not Found." in result["msg"]
        assert result["msg"].startswith("unable to download volume `local:import/gone.qcow2`: task UPID:pve1:")

    def test_check_mode_says_that_a_url_may_lead_nowhere(self, run):
        result = run(url=f"{CLOUD}/gone.qcow2", content_type="import", check=True)
        assert result["changed"]
        assert "404 Not Found" in result["warnings"][0]

    def test_nothing_is_deleted_for_a_url_that_leads_nowhere(self, run, asked, volumes):
        run(url=IMAGE, content_type="import", template="gone.qcow2")
        asked()
        for check in (True, False):
            result = run(url=f"{CLOUD}/gone.qcow2", content_type="import", force=True, check=check)
            assert result["failed"] and not result["changed"]
            assert result["msg"].startswith("unable to replace volume `local:import/gone.qcow2`: GET ")
            assert "404 Not Found" in result["msg"] and result["msg"].endswith(". Nothing was deleted")
        assert not any(request.startswith("DELETE") for request in asked())
        assert "import/gone.qcow2" in volumes()

    def test_a_download_that_fails_after_the_old_one_went_says_that_it_is_gone(self, run, volumes):
        run(url=ISO, content_type="iso")
        result = run(url=ISO, content_type="iso", force=True, **sums("0" * 64))
        assert result["failed"] and result["changed"]
        assert result["msg"].startswith(
            "unable to download anew (the old one is deleted already) volume `local:iso/debian-13.iso`: task UPID:pve1:")
        assert "checksum mismatch" in result["msg"]
        assert "iso/debian-13.iso" not in volumes()

    def test_a_name_is_the_one_that_the_server_makes_of_it(self, run, volumes):
        cluster_name = {"url": ISO, "content_type": "iso", "template": "my image (1).iso"}
        assert run(**cluster_name)["volid"] == "local:iso/my_image__1_.iso"
        assert "iso/my_image__1_.iso" in volumes()
        assert not run(**cluster_name)["changed"]
        assert run(template="my image (1).iso", content_type="iso", state="absent")["changed"]
        assert "iso/my_image__1_.iso" not in volumes()

    @pytest.mark.parametrize("check", [True, False])
    def test_a_name_that_the_server_would_not_take_is_refused_before(self, run, asked, check):
        result = run(url=f"{CLOUD}/noble.img", content_type="import", check=check)
        assert result["msg"] == ("`noble.img` cannot be the name of a file of type import: it must end in .ova, .qcow2, "
                                 ".raw, .vmdk")
        assert asked() == [listing("import")]

    def test_a_timeout_that_is_stated_is_kept_to_and_the_default_is_none(self, run, cluster):
        cluster.control("POST", "/time-scale", {"time_scale": 0.02})
        cluster.patch(urls={ISO: {"secs": 100}})
        result = run(url=ISO, content_type="iso", timeout=1)
        assert result["failed"] and "took longer than 1 s" in result["msg"]
        assert result["failure"]["upid"].startswith("UPID:pve1:") and result["changed"]

    def test_warnings_of_the_task_are_warnings(self, run, cluster):
        cluster.fault(method="POST", path=r".*/download-url",
                      task={"exitstatus": "WARNINGS: 1", "log": ["WARN: slow mirror"]})
        result = run(url=ISO, content_type="iso")
        assert result["changed"] and result["warnings"] == ["local:iso/debian-13.iso: WARN: slow mirror"]


class TestAppliance:
    def test_it_is_downloaded_once(self, run, asked):
        result = run(template=APPLIANCE)
        assert result["changed"] and result["msg"] == f"template with volid=local:vztmpl/{APPLIANCE} downloaded"
        assert without_polls(asked()) == [listing("vztmpl"), f"POST {PVE1}/aplinfo"]
        result = run(template=APPLIANCE)
        assert not result["changed"] and result["msg"] == f"template with volid=local:vztmpl/{APPLIANCE} already exists"

    def test_check_mode_looks_into_the_index(self, run, cluster):
        assert run(template=APPLIANCE, check=True)["changed"]
        result = run(template="plan9_4_amd64.tar.xz", check=True)
        assert result["failed"] and "no such template in the index of appliances" in result["msg"]
        assert run(template="plan9_4_amd64.tar.xz")["failed"]
        assert cluster.stats()["writes"] == 1

    def test_a_checksum_beside_the_one_of_the_index_is_said_to_do_nothing(self, run):
        assert "checksum has no effect" in run(template=APPLIANCE, **sums(SHA256))["warnings"][0]

    @pytest.mark.parametrize("options", [{}, {"content_type": "iso", "template": "a.iso"}])
    def test_nowhere_to_take_it_from(self, run, cluster, options):
        assert run(**options)["failed"]
        assert cluster.requests() == []


class TestUpload:
    def test_check_mode_sends_nothing(self, run, asked, file):
        result = run(src=str(file()), content_type="iso", check=True, diff=True)
        assert result["changed"] and result["msg"] == "template with volid=local:iso/a.iso uploaded"
        assert result["diff"] == {"before": {}, "after": {"volid": "local:iso/a.iso", "size": 8}}
        assert asked() == [listing("iso"), "GET /access/permissions?path=/storage/local", f"GET {LOCAL}/status"]

    def test_it_is_uploaded_once(self, run, asked, file, cluster):
        path = file()
        result = run(src=str(path), content_type="iso")
        assert result["changed"] and result["msg"] == "template with volid=local:iso/a.iso uploaded"
        upload = next(request for request in cluster.requests() if "upload" in request)
        assert upload["upload"] == {"size": 8, "sha256": hashlib.sha256(b"bootable").hexdigest()}
        assert upload["body"] == {"content": "iso", "filename": "a.iso"}
        assert without_polls(asked()) == [listing("iso"), f"POST {LOCAL}/upload"]

        result = run(src=str(path), content_type="iso")
        assert not result["changed"] and result["msg"] == "template with volid=local:iso/a.iso already exists"
        assert "warnings" not in result and asked() == [listing("iso")]

    def test_another_file_of_the_same_name_is_a_warning_and_overwrites_when_asked(self, run, file, asked):
        run(src=str(file()), content_type="iso")
        other = str(file(b"another one"))
        result = run(src=other, content_type="iso")
        assert not result["changed"]
        assert result["warnings"] == [f"volume local:iso/a.iso is there with 8 bytes, and {other} has 11: it is another "
                                      "file, which force: true uploads"]
        asked()
        result = run(src=other, content_type="iso", force=True, diff=True)
        assert result["changed"] and (result["diff"]["before"]["size"], result["diff"]["after"]["size"]) == (8, 11)
        assert without_polls(asked()) == [listing("iso"), f"POST {LOCAL}/upload"]
        assert not run(src=other, content_type="iso").get("warnings")

    def test_one_that_is_there_needs_no_file(self, run, file):
        path = file()
        run(src=str(path), content_type="iso")
        path.unlink()
        assert not run(src=str(path), content_type="iso")["changed"]

    def test_the_server_checks_the_checksum(self, run, file, volumes):
        right = hashlib.sha512(b"bootable").hexdigest()
        wrong = run(src=str(file()), content_type="iso", **sums("0" * 128, "sha512"))
        assert wrong["failed"] and "checksum mismatch" in wrong["msg"] and "iso/a.iso" not in volumes()
        assert run(src=str(file()), content_type="iso", **sums(right, "sha512"))["changed"]

    @pytest.mark.parametrize("check", [True, False])
    def test_a_file_that_cannot_be_read_is_told_before_anything_is_sent(self, run, tmp_path, cluster, check):
        missing = tmp_path / "none.iso"
        result = run(src=str(missing), content_type="iso", check=check)
        assert result["msg"] == (f"unable to upload volume `local:iso/none.iso`: the file {missing} cannot be read: "
                                 "No such file or directory")
        (tmp_path / "folder.iso").mkdir()
        assert "folder.iso is no file" in run(src=str(tmp_path / "folder.iso"), content_type="iso", check=check)["msg"]
        assert cluster.stats()["writes"] == 0

    def test_a_name_beside_that_of_the_file_is_said_to_do_nothing(self, run, file):
        result = run(src=str(file()), content_type="iso", template="b.iso")
        assert result["volid"] == "local:iso/a.iso"
        assert result["warnings"] == ["template has no effect beside src: the volume has the name of the file, a.iso"]

    def test_a_storage_that_takes_no_such_content_is_told_in_check_mode(self, run, file):
        source = str(file(name="a.qcow2"))
        result = run(src=source, content_type="import", storage="nfs", check=True)
        assert "storage `nfs` takes no content of type import, only " in result["msg"]
        assert run(src=source, content_type="import", storage="nfs")["failed"]

    def test_what_is_large_is_not_sent_in_vain(self, run, tmp_path, cluster):
        large = sparse(tmp_path, 32 * MIB)
        result = run(src=large, content_type="iso", api_user="audit@pve")
        assert result["msg"].startswith("unable to make volume `local:iso/large.iso`: the caller lacks "
                                        "Datastore.AllocateTemplate on /storage/local")
        cluster.patch(storages={"local": {"avail": MIB}})
        result = run(src=large, content_type="iso")
        assert result["msg"].endswith(f"it has {32 * MIB} bytes, and storage `local` {MIB} left")
        assert cluster.stats()["writes"] == 0

    def test_without_the_privilege_it_is_named_with_its_path(self, run, file):
        result = run(src=str(file()), content_type="iso", api_user="audit@pve")
        assert result["failed"] and not result["changed"]
        assert result["failure"]["privilege"] == "Datastore.AllocateTemplate"
        assert result["failure"]["acl_path"] == "/storage/local"


def sparse(directory, size):
    path = directory / "large.iso"
    with path.open("wb") as large:
        large.truncate(size)
    return str(path)


class TestNode:
    def test_a_storage_that_is_shared_is_reached_by_any_node(self, ferrox, connection, asked):
        result = ferrox(MODULE, {**connection, "storage": "nfs", "content_type": "iso", "url": ISO})
        assert result["changed"] and result["node"] == "pve1"
        assert without_polls(asked()) == ["GET /cluster/resources", listing("iso", storage="nfs"),
                                          f"POST {PVE1}/storage/nfs/download-url"]

    def test_a_node_that_is_offline_is_not_asked(self, ferrox, connection, cluster):
        cluster.help("offline", node="pve1")
        result = ferrox(MODULE, {**connection, "storage": "nfs", "content_type": "iso", "url": ISO})
        assert result["changed"] and result["node"] == "pve2"

    def test_a_storage_of_one_node_is_reached_by_that_one(self, ferrox, connection, cluster):
        cluster.patch(storages={"local": {"nodes": "pve3"}})
        result = ferrox(MODULE, {**connection, "content_type": "iso", "url": ISO})
        assert result["changed"] and result["node"] == "pve3"

    def test_a_storage_that_each_node_has_of_its_own_needs_the_nodes_name(self, ferrox, connection, cluster):
        result = ferrox(MODULE, {**connection, "content_type": "iso", "url": ISO})
        assert result["failed"]
        assert result["msg"] == "each of pve1, pve2, pve3 has a storage `local` of its own: state node"
        result = ferrox(MODULE, {**connection, "storage": "attic", "content_type": "iso", "url": ISO})
        assert result["msg"] == "there is no storage `attic` that the caller may see"
        assert cluster.stats()["writes"] == 0


# The kernel counts the memory of whoever starts a process as that process's peak: here it is a bare Python's, which is
# less than that of the executable.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
"""


@pytest.fixture
def begun(executable, connection):
    """Runs the module on pve1 without waiting for its end: begun(src=…) -> process; with `peak` it tells on standard error
    how much memory it held."""
    processes = []

    def begin(peak=False, **options):
        watched = [sys.executable, "-I", "-S", "-c", PEAK] if peak else []
        process = subprocess.Popen([*watched, executable, MODULE, "-"], env=clean_environment(), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        process.stdin.write(json.dumps({**connection, "node": "pve1", "content_type": "iso", **options}))
        process.stdin.close()
        process.stdin = None
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def uploaded(cluster):
    """The sizes of what was uploaded."""
    return [request["upload"]["size"] for request in cluster.requests() if "upload" in request]


class TestTrouble:
    """Answers that are lost, uploads that end early, and what a large file costs."""

    @pytest.mark.parametrize("drop", ["before", "after-effect"])
    @pytest.mark.parametrize("source", ["url", "src"])
    def test_a_lost_answer_is_looked_up(self, run, file, cluster, volumes, drop, source):
        cluster.fault(method="POST", path=r".*/(upload|download-url)", drop=drop)
        options = {"url": ISO} if source == "url" else {"src": str(file(name="debian-13.iso"))}
        result = run(**options, content_type="iso")
        assert result.get("changed"), result
        assert "iso/debian-13.iso" in volumes()
        sent = [request for request in cluster.requests() if request["method"] == "POST"]
        assert len(sent) == (2 if drop == "before" else 1)

    def test_a_lost_answer_to_a_removal_is_looked_up(self, run, cluster, volumes):
        run(url=ISO, content_type="iso")
        cluster.fault(method="DELETE", path=r".*/content/.*", drop="after-effect")
        assert run(template="debian-13.iso", content_type="iso", state="absent")["changed"]
        assert "iso/debian-13.iso" not in volumes()

    def test_what_overwrites_is_not_taken_for_done_by_what_was_there(self, run, file, cluster):
        run(src=str(file()), content_type="iso")
        cluster.fault(method="POST", path=r".*/upload", drop="before")
        assert run(src=str(file()), content_type="iso", force=True)["changed"]
        assert len([request for request in cluster.requests() if "upload" in request]) == 3

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupted_upload_leaves_nothing(self, begun, cluster, volumes, tmp_path, number):
        process = begun(src=sparse(tmp_path, 16 << 30))
        until(lambda: any(request["path"].endswith("/upload") for request in cluster.requests()))
        process.send_signal(number)
        out, _ = process.communicate(timeout=TIMEOUT)
        result = json.loads(out)
        assert result["failed"] and not result["changed"]
        assert result["msg"] == "interrupted: volume `local:iso/large.iso` left unfinished"
        assert "iso/large.iso" not in volumes()

    @pytest.mark.parametrize("how", ["shorter", "longer"])
    def test_a_file_that_changes_its_length_meanwhile_is_not_uploaded(self, begun, cluster, volumes, tmp_path, how):
        path = sparse(tmp_path, 512 * MIB)
        process = begun(src=path)
        until(lambda: any(request["path"].endswith("/upload") for request in cluster.requests()))
        os.truncate(path, 0 if how == "shorter" else 513 * MIB)
        out, _ = process.communicate(timeout=TIMEOUT)
        result = json.loads(out)
        assert result["failed"] and not result["changed"]
        assert result["msg"].endswith(f"the file {path} became {how} while it was sent")
        assert "iso/large.iso" not in volumes()
        assert len([request for request in cluster.requests() if request["path"].endswith("/upload")]) == 1

    def test_an_interruption_finds_no_gap_between_the_old_volume_and_the_new(self, begun, cluster, run, volumes):
        run(url=ISO, content_type="iso")
        cluster.control("POST", "/time-scale", {"time_scale": 0.1})
        cluster.fault(method="DELETE", path=r".*", task={"delay": 10})
        process = begun(url=ISO, force=True)
        until(lambda: any(request["method"] == "DELETE" for request in cluster.requests()))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=TIMEOUT)
        result = json.loads(out)
        assert result["failed"] and result["changed"]
        assert result["msg"].startswith("interrupted: volume `local:iso/debian-13.iso` left unfinished; left running: UPID:")
        until(lambda: "iso/debian-13.iso" in volumes())

    def test_256_mib_are_uploaded_by_the_executable_in_constant_memory(self, begun, cluster, tmp_path):
        """How much it is in all is for the bench to say: an executable that is not optimised holds more of itself."""
        peaks = []
        for size in (1, 256 * MIB):
            answer, peak = begun(src=sparse(tmp_path, size), force=True, peak=True).communicate(timeout=TIMEOUT)
            assert json.loads(answer)["changed"], answer
            peaks.append(int(peak))
        assert uploaded(cluster) == [1, 256 * MIB]
        assert peaks[1] - peaks[0] < MIB

    def test_256_mib_are_uploaded_through_the_action_plugin(self, playbook, connection, cluster, tmp_path):
        options = {"node": "pve1", "content_type": "iso", "src": sparse(tmp_path, 256 * MIB)}
        run = playbook([{f"ferrox.proxmox.{MODULE}": {**connection, **options}}])
        assert run.result["changed"], run.result
        assert uploaded(cluster) == [256 * MIB]
