# SPDX-License-Identifier: AGPL-3.0-or-later
"""Uploads, downloads by URL, appliances, and volumes that are removed."""

import hashlib

import pytest

from .conftest import Client, said

IMAGE = "https://cloud.example.org/debian-13-genericcloud-amd64.qcow2"
APPLIANCE = "alpine-3.22-default_20250617_amd64.tar.xz"
PROV = "prov@pve!mms"


def multipart(data, filename="a.iso", content="iso", boundary="frontier", fields=(), part="filename"):
    """Headers and body of an upload."""
    head = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                   for name, value in (("content", content), *fields))
    head += (f'--{boundary}\r\nContent-Disposition: form-data; name="{part}"; filename="{filename}"\r\n'
             "Content-Type: application/octet-stream\r\n\r\n")
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, head.encode() + data + f"\r\n--{boundary}--\r\n".encode()


@pytest.fixture
def root(ask):
    """The headers of a caller who may do everything."""
    from cluster.seeds import ROOT_SECRET
    return {"Authorization": f"PVEAPIToken=root@pam!ferrox={ROOT_SECRET}"}


@pytest.fixture
def upload(ask, root):
    def send(data, node="pve1", storage="local", **how):
        headers, body = multipart(data, **how)
        answer = ask("POST", f"/nodes/{node}/storage/{storage}/upload", headers={**root, **headers}, body=body)
        ask.connection.close()
        return answer
    return send


def files(ask, node="pve1", storage="local", **query):
    return {v["volid"]: v for v in ask("GET", f"/nodes/{node}/storage/{storage}/content", **query).data}


# ---------------------------------------------------------------------------------------- uploads

def test_an_upload_is_counted_hashed_and_listed_on_its_node(ask, fake, upload):
    data = bytes(range(256)) * 8192 + b"\r\n--front"
    answer = upload(data)
    assert answer.data.split(":")[5:7] == ["imgcopy", ""]
    assert answer.headers["Connection"] == "close"
    assert ask.exit_status(answer) == "OK"
    assert files(ask)["local:iso/a.iso"].items() >= {"content": "iso", "format": "iso", "size": len(data)}.items()
    assert "local:iso/a.iso" not in files(ask, "pve2")
    entry = next(e for e in fake.requests() if e["method"] == "POST")
    assert entry["body"] == {"content": "iso", "filename": "a.iso"}
    assert entry["upload"] == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert fake.schema_violations() == []


def test_an_upload_goes_over_what_is_there_and_a_checksum_is_verified_before(ask, upload):
    upload(b"old")
    fields = (("checksum-algorithm", "sha512"), ("checksum", hashlib.sha512(b"newer").hexdigest().upper()))
    assert ask.exit_status(upload(b"newer", fields=fields)) == "OK"
    assert files(ask)["local:iso/a.iso"]["size"] == 5
    refused = upload(b"other", fields=fields)
    got = hashlib.sha512(b"other").hexdigest()
    assert ask.exit_status(refused) == f"checksum mismatch: got '{got}' != expect '{fields[1][1]}'"
    assert files(ask)["local:iso/a.iso"]["size"] == 5


@pytest.mark.parametrize("how", [
    {"part": "file"}, {"fields": (("checksum", "00"), ("checksum-algorithm", "md5"))}, {"boundary": "a=b;c"}])
def test_an_upload_in_another_form_is_refused(upload, how):
    assert upload(b"x", **how).status == 501


@pytest.mark.parametrize(("how", "status", "text"), [
    ({"filename": "a.txt"}, 400, "wrong file extension"),
    ({"filename": "a.txt", "content": "import"}, 400, "invalid filename or wrong extension"),
    ({"storage": "ceph"}, 500, "can't upload to storage type 'rbd'"),
    ({"storage": "nfs", "content": "import", "filename": "a.qcow2"}, 500, "storage 'nfs' does not support 'import' content"),
    ({"storage": "nope"}, 500, "storage 'nope' does not exist")])
def test_an_upload_that_the_storage_does_not_take(upload, how, status, text):
    answer = upload(b"x", **how)
    assert (answer.status, text in (answer.reason + str(answer.errors))) == (status, True)


def test_a_file_name_is_put_into_the_form_of_names(ask, upload):
    upload(b"x", filename="C:\\My disk.ISO")
    assert "local:iso/My_disk.ISO" in files(ask, content="iso")


# -------------------------------------------------------------------------------------- downloads

def download(ask, user="root@pam!ferrox", url=IMAGE, filename="d.qcow2", node="pve1", **more):
    return ask("POST", f"/nodes/{node}/storage/local/download-url", user, url=url, filename=filename, content="import", **more)


def test_a_download_arrives_and_is_not_put_over_another_file(ask):
    first = download(ask)
    assert first.data.split(":")[5:7] == ["download", "d.qcow2"]
    assert ask.exit_status(first) == "OK"
    assert files(ask, content="import")["local:import/d.qcow2"].items() >= {"format": "qcow2", "size": 420 << 20}.items()
    again = download(ask)
    assert ask.exit_status(again) == "refusing to override existing file '/var/lib/vz/import/d.qcow2'"
    assert ask.exit_status(download(ask, node="pve2")) == "OK"


def test_the_checksum_of_a_download_and_of_a_file_that_is_there(ask, fake):
    good = hashlib.sha256(IMAGE.encode()).hexdigest()
    sums = {"checksum-algorithm": "sha256", "checksum": "00"}
    assert ask.exit_status(download(ask, **sums)) == f"checksum mismatch: got '{good}' != expect '00'"
    assert "local:import/d.qcow2" not in files(ask)
    for _ in range(2):
        assert ask.exit_status(download(ask, **{**sums, "checksum": good})) == "OK"
    assert ask.exit_status(download(ask, **sums)) == f"checksum mismatch: got '{good}' != expect '00', aborting"
    fake.patch(urls={IMAGE: {"sha256": "ab"}})
    assert ask.exit_status(download(ask, filename="e.qcow2", **{**sums, "checksum": "AB"})) == "OK"


def test_a_url_is_asked_before_and_one_that_is_dead_says_so(ask):
    def asked(url, user="root@pam!ferrox"):
        return ask("GET", "/nodes/pve1/query-url-metadata", user, url=url)
    assert asked(IMAGE).data == {"filename": IMAGE.rpartition("/")[2], "size": 420 << 20,
                                 "mimetype": "application/octet-stream"}
    gone = "https://cloud.example.org/gone.qcow2"
    assert said(asked(gone)) == (500, "invalid server response: '404 Not Found'\n")
    assert asked("https://nosuch.example/x").reason.startswith("invalid server response: '500 Can't connect to nosuch")
    assert ask.exit_status(download(ask, url=gone)) == "download failed: ERROR 404 Not Found."
    assert asked(IMAGE, PROV).status == 403


def test_who_may_download(ask):
    def refused(user):
        return download(ask, user).reason
    assert refused(PROV) == "Permission check failed (/storage/local, Datastore.AllocateTemplate)"
    ask("POST", "/access/roles", roleid="Storing", privs="Datastore.AllocateTemplate")
    ask("POST", "/access/roles", roleid="Fetching", privs="Sys.AccessNetwork")
    for role, path in (("Storing", "/storage/local"), ("Fetching", "/nodes/pve1")):
        if role == "Fetching":
            assert refused(PROV) == "Permission check failed"
        for who in ({"users": "prov@pve"}, {"tokens": PROV}):
            ask("PUT", "/access/acl", path=path, roles=role, **who)
    assert download(ask, PROV).status == 200
    assert download(ask, PROV, node="pve2").status == 403


# ------------------------------------------------------------------------------------- appliances

def test_appliances_are_listed_and_downloaded(ask):
    listed = {a["template"]: a for a in ask("GET", "/nodes/pve1/aplinfo").data}
    assert listed[APPLIANCE].items() >= {"package": "alpine-3.22-default", "version": "20250617", "os": "alpine-3.22",
                                         "type": "lxc", "architecture": "amd64"}.items()
    assert len(listed[APPLIANCE]["sha512sum"]) == 128
    for _ in range(2):
        assert ask.exit_status(ask("POST", "/nodes/pve1/aplinfo", storage="local", template=APPLIANCE)) == "OK"
    assert files(ask, content="vztmpl")[f"local:vztmpl/{APPLIANCE}"].items() >= {"format": "txz", "size": 3 << 20}.items()
    assert ask("POST", "/nodes/pve1/aplinfo", storage="local", template="x").errors == {"template": "no such template"}
    assert ask("POST", "/nodes/pve1/aplinfo", storage="ceph", template=APPLIANCE).reason == (
        "storage 'ceph' does not support templates")


# ---------------------------------------------------------------------------------------- removal

def test_a_volume_is_removed_from_its_node_alone(ask):
    iso = "local:iso/debian-13.1.0-amd64-netinst.iso"
    answer = ask("DELETE", f"/nodes/pve2/storage/local/content/{iso}")
    assert answer.data.split(":")[5] == "imgdel"
    assert [iso in files(ask, node) for node in ("pve1", "pve2", "pve3")] == [True, False, True]
    assert ask("DELETE", f"/nodes/pve1/storage/local/content/{iso}", delay=5).data is None
    assert [iso in files(ask, node) for node in ("pve1", "pve3")] == [False, True]


def test_a_protected_backup_stays(ask):
    name = "nfs:backup/vzdump-qemu-101-2026_10_31-02_00_00.vma.zst"
    refused = ask("DELETE", f"/nodes/pve1/storage/nfs/content/{name}")
    assert ask.exit_status(refused).startswith("cannot remove protected volume")
    assert ask("PUT", f"/nodes/pve1/storage/nfs/content/{name}", protected=0).status == 200
    assert ask.exit_status(ask("DELETE", f"/nodes/pve1/storage/nfs/content/{name}")) == "OK"
    assert name not in files(ask, storage="nfs")


def test_a_download_takes_its_time(slow):
    ask = Client(slow)
    answer = download(ask)
    upid = f"/nodes/pve1/tasks/{answer.data}/status"
    assert ask("GET", upid).data["status"] == "running"
    assert "local:import/d.qcow2" not in files(ask)
    assert ask.exit_status(answer) == "OK"
    assert "local:import/d.qcow2" in files(ask)
