# SPDX-License-Identifier: AGPL-3.0-or-later
"""vzdump and the scheduled backup jobs."""

import datetime
import re

import pytest

from cluster.backup_jobs import next_run

from .conftest import Client, said, until

PROV = "prov@pve!mms"


def dump(ask, user="root@pam!ferrox", node="pve1", **options):
    return ask("POST", f"/nodes/{node}/vzdump", user, **{"storage": "nfs", **options})


def archives(ask, vmid=None, storage="nfs", node="pve1"):
    return [v for v in ask("GET", f"/nodes/{node}/storage/{storage}/content", content="backup").data
            if v["vmid"] == vmid and v["ctime"] > 1793500000]


# ----------------------------------------------------------------------------------------- vzdump

def test_a_backup_leaves_an_archive_with_notes_and_protection(ask):
    answer = dump(ask, vmid=101, compress="zstd", protected=1, **{"notes-template": "{{guestname}} ({{vmid}}) on {{node}}"})
    assert answer.data.split(":")[5:7] == ["vzdump", "101"]
    assert ask.exit_status(answer) == "OK"
    [archive] = archives(ask, 101)
    assert re.fullmatch(r"nfs:backup/vzdump-qemu-101-\d{4}(_\d\d){2}-\d\d(_\d\d){2}\.vma\.zst", archive["volid"])
    assert archive.items() >= {"notes": "web-old-1 (101) on pve1", "protected": 1, "subtype": "qemu"}.items()
    log = ask.log_of(answer)
    assert log[0].startswith("INFO: starting new backup job: vzdump 101 --compress zstd")
    assert log[-2:] == ["INFO: Backup job finished successfully", "TASK OK"]
    assert dump(ask, vmid=200).status == 200
    assert archives(ask, 200)[0]["volid"].endswith(".tar")


def test_a_node_takes_its_own_guests_and_says_ok_where_it_has_none(ask):
    assert dump(ask, vmid="102,103").data == "OK"
    both = dump(ask, vmid="101,102")
    assert both.data.split(":")[5:7] == ["vzdump", "101"]
    assert "INFO: skip external VMs: 102" in ask.log_of(both)
    assert dump(ask, pool="lab").data == "OK"
    assert ask.exit_status(dump(ask, node="pve2", pool="web")) == "OK"
    assert len(archives(ask, 102)) == 1
    everything = dump(ask, node="pve3", exclude="100")
    assert everything.data.split(":")[5:7] == ["vzdump", "104"]
    assert archives(ask, 104)


def test_the_archives_of_a_nodes_own_storage_are_on_it(ask):
    dump(ask, node="pve2", vmid=103, storage="local")
    assert archives(ask, 103, "local", "pve2")
    assert not archives(ask, 103, "local", "pve1")


def test_how_a_backup_ends(ask, fake):
    fake.patch(guests=[{"vmid": 101, "backup_error": "job failed with err -5 - Input/output error"},
                       {"vmid": 100, "backup_warning": "skipping a volume"}, {"vmid": 102, "lock": "clone"}])
    failed = dump(ask, vmid="101,200,999")
    assert ask.exit_status(failed) == "job errors"
    log = ask.log_of(failed)
    assert "ERROR: Backup of VM 101 failed - job failed with err -5 - Input/output error" in log
    assert "ERROR: Backup of VM 999 failed - unable to find VM '999'" in log
    assert log[-1] == "TASK ERROR: job errors"
    assert (len(archives(ask, 101)), len(archives(ask, 200))) == (0, 1)
    warned = dump(ask, vmid=100)
    assert ask.exit_status(warned) == "WARNINGS: 1"
    assert ask.log_of(warned)[-1] == "TASK WARNINGS: 1"
    assert len(archives(ask, 100)) == 1
    locked = dump(ask, node="pve2", vmid=102)
    assert ask.exit_status(locked) == "job errors"
    assert "ERROR: Backup of VM 102 failed - VM is locked (clone)" in ask.log_of(locked)


def test_a_storage_that_takes_no_backups_shows_in_the_task(ask):
    assert ask.exit_status(dump(ask, vmid=100, storage="ceph")) == (
        "could not get storage information for 'ceph': can't use storage 'ceph' for backups - wrong content type")
    assert ask.exit_status(dump(ask, vmid=100, storage="nope")) == (
        "could not activate storage 'nope': storage 'nope' does not exist could not get storage information for 'nope': "
        "storage 'nope' does not exist")


def test_what_a_backup_needs(ask):
    # The provisioner may use storages, and lacks VM.Backup: that shows in the worker.
    assert ask.exit_status(dump(ask, PROV, vmid=100)) == "403 Permission check failed (/vms/100, VM.Backup)"
    assert ask.exit_status(dump(ask, PROV, all=1)) == "OK"
    assert dump(ask, PROV, vmid=100, bwlimit=0).reason == "Permission check failed (/, Sys.Modify)"
    assert dump(ask, "audit@pve!mms", vmid=100).reason == "Permission check failed (/storage/nfs, Datastore.AllocateSpace)"
    assert dump(ask, vmid=100, script="/bin/x").errors == {"script": "Only root may set this option."}


@pytest.mark.parametrize(("options", "errors"), [
    ({}, {"vmid": "property is missing"}), ({"all": 1, "vmid": 100}, {"all": "option conflicts with option 'vmid'"}),
    ({"vmid": 100, "notes-template": "{{name}}"}, {"notes-template": "found unknown: variable 'name' at char 2\n"})])
def test_what_cannot_be_asked(ask, options, errors):
    assert dump(ask, **options).errors == errors


def test_a_guest_is_locked_while_it_is_backed_up(slow):
    ask = Client(slow)
    answer = dump(ask, vmid=101)
    assert until(lambda: ask("GET", "/nodes/pve1/qemu/101/config").data.get("lock")) == "backup"
    assert ask.exit_status(answer) == "OK"
    assert "lock" not in ask("GET", "/nodes/pve1/qemu/101/config").data


def test_the_oldest_archives_go_where_keep_last_says_so(ask):
    for _ in range(3):
        dump(ask, vmid=200, **{"prune-backups": "keep-last=2"})
    assert len(archives(ask, 200)) == 2


# ------------------------------------------------------------------------------------------- jobs

def jobs(ask):
    return {job["id"]: job for job in ask("GET", "/cluster/backup").data}


def test_a_job_is_made_read_changed_and_removed(ask, fake):
    made = ask("POST", "/cluster/backup", id="nightly", vmid="101,102", schedule="02:30", storage="nfs",
               **{"prune-backups": "keep-last=3"})
    assert (made.status, made.data) == (200, None)
    job = jobs(ask)["nightly"]
    assert job.items() >= {"type": "vzdump", "vmid": "101,102", "enabled": 1, "schedule": "02:30",
                           "prune-backups": {"keep-last": 3}}.items()
    assert datetime.datetime.fromtimestamp(job.pop("next-run"), datetime.UTC).strftime("%H:%M") == "02:30"
    assert ask("GET", "/cluster/backup/nightly").data == job
    assert ask("PUT", "/cluster/backup/nightly", vmid="101").status == 200
    assert fake.state()["backup_jobs"]["nightly"]["vmid"] == "101"
    assert ask("DELETE", "/cluster/backup/nightly").status == 200
    assert jobs(ask) == {}


def test_how_guests_are_chosen_is_one_way_at_a_time(ask):
    ask("POST", "/cluster/backup", id="weekly", all=1, exclude="104", starttime="03:00", dow="sat,sun")
    assert jobs(ask)["weekly"].items() >= {"all": 1, "exclude": "104", "schedule": "sat,sun 03:00"}.items()
    ask("PUT", "/cluster/backup/weekly", vmid="100")
    assert not {"all", "exclude"} & jobs(ask)["weekly"].keys()
    ask("PUT", "/cluster/backup/weekly", pool="web")
    assert "vmid" not in jobs(ask)["weekly"]
    assert ask("PUT", "/cluster/backup/weekly", pool="nope").reason == "Permission check failed (pool 'nope' does not exist)"
    assert ask("PUT", "/cluster/backup/weekly", delete="pool").errors == {"vmid": "property is missing"}


@pytest.mark.parametrize(("method", "path", "fields", "answer"), [
    ("GET", "/cluster/backup/x", {}, (400, "Parameter verification failed.\n")),
    ("PUT", "/cluster/backup/x", {"comment": "c"}, (500, "no such vzdump job\n")),
    ("DELETE", "/cluster/backup/x", {}, (500, "400 Parameter verification failed.\nid: No such job 'x'\n")),
    ("PUT", "/cluster/backup/there", {}, (500, "no options specified\n")),
    ("POST", "/cluster/backup", {"id": "there", "all": 1, "schedule": "daily"}, (500, "Job 'there' already exists\n")),
    ("POST", "/cluster/backup", {"vmid": "100", "schedule": "daily", "all": 1}, (400, "Parameter verification failed.\n"))])
def test_what_the_jobs_refuse(ask, fake, method, path, fields, answer):
    fake.patch(backup_jobs={"there": {"all": 1, "schedule": "daily"}})
    assert said(ask(method, path, **fields)) == answer


def test_only_who_may_write_to_a_jobs_storage_changes_it(ask, fake):
    fake.patch(backup_jobs={"j": {"vmid": "101", "schedule": "daily", "storage": "nfs"}})
    assert ask("GET", "/cluster/backup", PROV).reason == "Permission check failed (/, Sys.Audit)"
    ask("POST", "/access/roles", roleid="Jobs", privs="Sys.Modify,Sys.Audit")
    for who in ({"users": "prov@pve"}, {"tokens": PROV}):
        ask("PUT", "/access/acl", path="/", roles="Jobs,Provisioner", **who)
    assert ask("PUT", "/cluster/backup/j", PROV, vmid="102").reason == "Permission check failed (/storage/nfs, Datastore.Allocate)"


def test_a_seeded_job_may_lack_what_a_hand_written_one_lacks(ask, fake):
    fake.patch(backup_jobs={"old": {"pool": "web", "storage": "nfs"}})
    assert jobs(ask) == {"old": {"id": "old", "type": "vzdump", "pool": "web", "storage": "nfs"}}
    fake.patch(backup_jobs={"old": None})
    assert jobs(ask) == {}


def test_when_a_job_comes_next():
    friday = datetime.datetime(2026, 11, 20, 12, 0, tzinfo=datetime.UTC)

    def after(schedule):
        return datetime.datetime.fromtimestamp(next_run(schedule, friday), datetime.UTC).strftime("%a %d %H:%M")
    assert after("11:00") == "Sat 21 11:00"
    assert after("21:00") == "Fri 20 21:00"
    assert after("mon..wed 01:15") == "Mon 23 01:15"
    assert after("sat..sun,tue 01:15") == "Sat 21 01:15"
    assert next_run("*/15", friday) is None
