# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_backup_schedule: guests come into backup jobs and go out of them."""

from __future__ import annotations

import pytest

JOBS = "GET /cluster/backup"
WEEKLY = "GET /cluster/backup/weekly"
RESOURCES = "GET /cluster/resources"
CHANGED = "The backup schedule has been changed successfully."
SAME = "The backup schedule did not change anything."


@pytest.fixture
def schedule(ferrox, connection, cluster):
    """Runs the module on two jobs: schedule("present", vm_id="103", backup_id="weekly", check=True) -> result."""
    cluster.patch(backup_jobs={"nightly": {"vmid": "101,102", "schedule": "02:30", "storage": "nfs"},
                               "weekly": {"vmid": "101", "schedule": "sat 03:00", "storage": "nfs"}})

    def run(state, check=False, diff=False, **options):
        return ferrox("proxmox_backup_schedule", {**connection, "state": state, **options}, check=check, diff=diff)

    return run


def guests(cluster):
    return {name: job.get("vmid") for name, job in cluster.state()["backup_jobs"].items()}


# ------------------------------------------------------------------------------------------------ its life, in order


def test_without_a_state_it_says_what_is_missing(ferrox, cluster, connection):
    result = ferrox("proxmox_backup_schedule", connection)
    assert result["failed"] and result["msg"] == "missing required arguments: state"
    assert cluster.requests() == []


def test_check_mode_writes_nothing(schedule, cluster, asked):
    result = schedule("present", vm_id="103", backup_id="weekly", check=True, diff=True)
    assert result["changed"] and result["message"] == CHANGED
    assert result["diff"] == {"before": {"weekly": {"vmid": ["101"]}}, "after": {"weekly": {"vmid": ["101", "103"]}}}
    assert asked() == [WEEKLY, RESOURCES]
    assert schedule("absent", vm_id="101", backup_id="nightly", check=True)["changed"]
    assert guests(cluster) == {"nightly": "101,102", "weekly": "101"}


def test_a_guest_is_added_once(schedule, cluster, asked):
    result = schedule("present", vm_id="103", backup_id="weekly")
    assert result["changed"] and result["message"] == result["msg"] == CHANGED
    assert asked() == [WEEKLY, RESOURCES, "PUT /cluster/backup/weekly"]
    assert guests(cluster) == {"nightly": "101,102", "weekly": "101,103"}

    result = schedule("present", vm_id="103", backup_id="weekly")
    assert not result["changed"] and result["message"] == result["msg"] == SAME
    assert asked() == [WEEKLY]


def test_a_guest_is_named_by_its_name(schedule, cluster):
    assert schedule("present", vm_name="dns", backup_id="weekly")["changed"]
    assert guests(cluster)["weekly"] == "101,200"
    assert not schedule("present", vm_name="dns", backup_id="weekly")["changed"]
    assert schedule("absent", vm_name="dns", backup_id="weekly")["changed"]
    assert guests(cluster)["weekly"] == "101"


def test_a_guest_is_removed_from_all_jobs_once(schedule, cluster, asked):
    schedule("present", vm_id="102", backup_id="weekly")
    asked()
    result = schedule("absent", vm_id="102", diff=True)
    assert result["changed"] and result["message"] == CHANGED
    assert result["diff"]["after"] == {"nightly": {"vmid": ["101"]}, "weekly": {"vmid": ["101"]}}
    assert sorted(asked()) == [JOBS, "PUT /cluster/backup/nightly", "PUT /cluster/backup/weekly"]
    assert guests(cluster) == {"nightly": "101", "weekly": "101"}
    assert not schedule("absent", vm_id="102")["changed"]
    assert asked() == [JOBS]


# -------------------------------------------------------------------------- what community.proxmox does otherwise


def test_without_a_job_the_first_is_meant_and_that_is_said(schedule, cluster):
    result = schedule("present", vm_id="103")
    assert result["changed"]
    assert result["warnings"] == ["backup_id is missing: the first of 2 backup jobs, `nightly`, is meant"]
    assert guests(cluster) == {"nightly": "101,102,103", "weekly": "101"}
    cluster.patch(backup_jobs={"weekly": None})
    assert "warnings" not in schedule("present", vm_id="104")


def test_jobs_of_all_guests_and_of_a_pool(schedule, cluster):
    cluster.patch(backup_jobs={"all": {"all": 1, "exclude": "104", "storage": "nfs"}, "web": {"pool": "web"}})
    assert not schedule("present", vm_id="101", backup_id="all")["changed"]
    assert not schedule("present", vm_id="101", backup_id="web")["changed"]
    assert schedule("present", vm_id="104", backup_id="all")["changed"]
    assert "exclude" not in cluster.state()["backup_jobs"]["all"]
    assert schedule("absent", vm_id="105", backup_id="all")["changed"]
    assert cluster.state()["backup_jobs"]["all"].items() >= {"all": 1, "exclude": "105"}.items()
    assert not schedule("absent", vm_id="105", backup_id="all")["changed"]


def test_what_cannot_be_is_told_and_nothing_written(schedule, cluster):
    cluster.patch(backup_jobs={"web": {"pool": "web"}})
    before = cluster.state()["backup_jobs"]
    for options, msg in (
            ({"state": "absent", "vm_id": "101", "backup_id": "weekly"},
             "unable to remove VM 101 from backup job `weekly`: it is the only guest of the job, and there can be no job "
             "without guests; disable or remove the job"),
            ({"state": "absent", "vm_id": "102"},
             "unable to remove VM 102 from backup job `web`: the job takes the guests of pool `web`, and this is one of "
             "them; proxmox_pool_member takes it out"),
            ({"state": "present", "vm_id": "103", "backup_id": "web"},
             "unable to add VM 103 to backup job `web`: the job takes the guests of pool `web`, and this is none of them; "
             "proxmox_pool_member puts it there"),
            ({"state": "present", "vm_id": "103", "backup_id": "nope"},
             "unable to read backup job `nope`: there is no such job"),
            ({"state": "present", "backup_id": "weekly"}, "no guest is named: vm_id or vm_name is missing"),
            ({"state": "present", "vm_id": "web", "backup_id": "weekly"}, "vm_id: `web` is no VMID"),
            ({"state": "present", "vm_id": "999", "backup_id": "weekly"}, "VM with vmid 999 does not exist in cluster"),
            ({"state": "present", "vm_name": "nope", "backup_id": "weekly"},
             "VM with name = nope does not exist in cluster"),
    ):
        result = schedule(**options)
        assert result["failed"] and result["msg"].startswith(msg), result["msg"]
    assert cluster.state()["backup_jobs"] == before


def test_where_no_guest_is_named_none_is_removed(schedule, cluster):
    result = schedule("absent", backup_id="weekly")
    assert not result["changed"] and not result.get("failed") and result["message"] == SAME
    assert result["warnings"] == ["no guest is named, so that nothing is removed: vm_id or vm_name is missing"]


def test_who_may_not_is_told_which_privilege_is_missing(schedule, cluster):
    result = schedule("absent", vm_id="101", backup_id="nightly", api_user="audit@pve")
    assert result["failed"] and result["failure"]["privilege"] == "Sys.Modify"
    assert guests(cluster)["nightly"] == "101,102"


def test_a_change_whose_answer_is_lost_is_made_all_the_same(schedule, cluster):
    cluster.fault(method="PUT", path="/cluster/backup/weekly", drop="after-effect")
    assert schedule("present", vm_id="103", backup_id="weekly")["changed"]
    assert guests(cluster)["weekly"] == "101,103"
