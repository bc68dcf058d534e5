# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_backup_info: which guests are backed up by which job, and the jobs themselves."""

from __future__ import annotations

import pytest

JOBS = "GET /cluster/backup"
RESOURCES = "GET /cluster/resources"
NIGHTLY = {"vmid": "101,102", "schedule": "02:30", "storage": "nfs", "mode": "snapshot", "enabled": 1,
           "next-run": 1795401000}


@pytest.fixture
def info(ferrox, connection):
    def run(environment=None, **options):
        return ferrox("proxmox_backup_info", {**connection, **options}, environment=environment)

    return run


def told(result):
    return [(row["id"], row["vmid"], row["vm_name"]) for row in result["backup_info"]]


def test_two_ways_to_name_a_guest_exclude_one_another(info, cluster):
    result = info(vm_id="101", vm_name="web-old-1")
    assert result["failed"]
    assert result["msg"] == "parameters are mutually exclusive: backup_jobs|vm_id|vm_name"
    assert cluster.requests() == []


def test_each_guest_of_a_job_is_an_entry(info, cluster, asked):
    cluster.patch(backup_jobs={"nightly": NIGHTLY})
    asked()
    result = info(environment={"TZ": "UTC"})
    assert not result["changed"]
    assert result["backup_info"] == [
        {"bktype": "vzdump", "enabled": 1, "id": "nightly", "mode": "snapshot", "next-run": "2026-11-23 02:30:00",
         "schedule": "02:30", "storage": "nfs", "vm_name": name, "vmid": vmid}
        for vmid, name in (("101", "web-old-1"), ("102", "web-old-2"))]
    assert asked() == [JOBS, RESOURCES]


def test_the_clock_is_that_of_the_machine_it_runs_on(info, cluster):
    cluster.patch(backup_jobs={"nightly": NIGHTLY})
    east = info(vm_id="101", environment={"TZ": "CET-1"})
    assert east["backup_info"][0]["next-run"] == "2026-11-23 03:30:00"


def test_one_guest_by_its_vmid_or_name(info, cluster, asked):
    cluster.patch(backup_jobs={"nightly": NIGHTLY, "weekly": {**NIGHTLY, "vmid": "101"}})
    assert told(info(vm_id="101")) == [("nightly", "101", "web-old-1"), ("weekly", "101", "web-old-1")]
    assert told(info(vm_name="web-old-2")) == [("nightly", "102", "web-old-2")]
    asked()
    assert told(info(vm_id="103")) == []
    assert asked() == [JOBS]


def test_the_jobs_themselves(info, cluster, asked):
    cluster.patch(backup_jobs={"nightly": NIGHTLY, "old": {"all": 1, "enabled": 0}})
    asked()
    result = info(backup_jobs=True)
    assert result["backup_info"] == [{"id": "nightly", "type": "vzdump", **NIGHTLY},
                                     {"id": "old", "type": "vzdump", "all": 1, "enabled": 0}]
    assert asked() == [JOBS]


def test_jobs_of_all_guests_and_of_pools_are_told_guest_by_guest(info, cluster):
    cluster.patch(backup_jobs={"all": {"all": 1, "exclude": "100,102,103,104,105,200,201", "storage": "nfs"},
                               "pool": {"pool": "web", "enabled": 0}})
    result = info()
    assert told(result) == [
        ("all", "101", "web-old-1"), ("all", "9000", "debian-13"), ("all", "9001", "debian-13-local"),
        ("all", "9002", "alma-10"), ("all", "9003", "alma-10"),
        ("pool", "101", "web-old-1"), ("pool", "102", "web-old-2")]
    first, last = result["backup_info"][0], result["backup_info"][-1]
    assert (first["enabled"], first["mode"], first["next-run"], first["storage"]) == (1, None, None, "nfs")
    assert (last["enabled"], last["storage"]) == (0, None)


def test_a_guest_that_is_gone_has_no_name(info, cluster):
    cluster.patch(backup_jobs={"nightly": {**NIGHTLY, "vmid": "101,999"}})
    assert told(info()) == [("nightly", "101", "web-old-1"), ("nightly", "999", None)]


def test_a_name_that_no_guest_has_yields_nothing_and_a_warning(info, cluster):
    cluster.patch(backup_jobs={"nightly": NIGHTLY})
    result = info(vm_name="nobody")
    assert result["backup_info"] == [] and not result.get("failed")
    assert result["warnings"][0].startswith("there is no guest `nobody`")


def test_who_may_not_is_told_which_privilege_is_missing(info, cluster):
    result = info(api_token_id="separate")
    assert result["failed"] and result["failure"]["privilege"] == "Sys.Audit"
    assert result["msg"].startswith("unable to read the backup jobs: GET /cluster/backup answered 403")
