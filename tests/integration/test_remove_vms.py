# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_remove_vms, by its executable, against the fake cluster."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest
from conftest import clean_environment

MODULE = "proxmox_remove_vms"
INVISIBLE = "(a guest without VM.Audit is invisible to ansible@pam!mms)"


@pytest.fixture
def remove(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def sent(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json').split('?')[0]}" for r in cluster.requests()
            if r["method"] != "GET"]


def there(cluster):
    return {guest["vmid"] for guest in cluster.state()["guests"]}


# ------------------------------------------------------------------------------------------------------- arguments


def test_guests_are_chosen_by_themselves_or_by_a_tag(remove):
    assert remove()["msg"] == "one of the following is required: vms, tags"
    assert remove(vms=[102], tags=["web"])["msg"] == "parameters are mutually exclusive: vms|tags"


@pytest.mark.parametrize("args", [{"all": True}, {"node": "pve1"}, {"pool": "web"}])
def test_all_that_are_somewhere_cannot_be_chosen(remove, cluster, args):
    result = remove(vms=[102], **args)
    assert result["msg"].startswith("Unsupported parameters for (proxmox_remove_vms) module: " + next(iter(args)))
    assert sent(cluster) == []


def test_an_ambiguous_name_fails_before_anything_is_done(remove, cluster):
    result = remove(vms=["web-old-2", "alma-10"])
    assert result["msg"] == "more than one guest is named `alma-10`: 9002 on pve1, 9003 on pve2; use the VMID"
    assert sent(cluster) == []


@pytest.mark.parametrize("check", [True, False])
def test_nothing_chosen_is_no_change_and_said(remove, check):
    result = remove(tags=["nope"], check=check)
    assert not result["changed"] and not result.get("failed")
    assert result["msg"] == "nothing to remove: no guest has the tag nope"
    assert result["warnings"] == ["no guest was chosen: no guest has the tag nope"]


# --------------------------------------------------------------------------------------------------------- removing


def test_check_mode_writes_nothing_and_shows_the_disks_that_would_go(remove, cluster):
    result = remove(check=True, diff=True, vms=["web-old-2", 201, "nope"])
    assert result["changed"]
    assert result["msg"] == "2 of 3 guests would be removed, 1 was not there"
    disks = ["ceph:vm-102-cloudinit", "ceph:vm-102-disk-0"]
    assert result["diff"] == {
        "before": {"web-old-2 (102)": {"status": "stopped", "disks": disks},
                   "mail (201)": {"status": "stopped", "disks": ["local-lvm:vm-201-disk-0"]}},
        "after": {}}
    assert [(g["vmid"], g["status"], g["disks"]) for g in result["guests"]] == [
        (102, "absent", disks), (201, "absent", ["local-lvm:vm-201-disk-0"]), (None, "absent", [])]
    assert sent(cluster) == []


def test_a_second_run_is_unchanged(remove, cluster):
    result = remove(vms=["web-old-2", 201])
    assert result["changed"] and not result.get("failed")
    assert result["msg"] == "2 of 2 guests removed"
    assert rows(result)["web-old-2"] == {
        "vmid": 102, "name": "web-old-2", "node": "pve2", "kind": "qemu", "status_before": "stopped",
        "status": "absent", "changed": True, "disks": ["ceph:vm-102-cloudinit", "ceph:vm-102-disk-0"],
        "seconds": rows(result)["web-old-2"]["seconds"], "error": None}
    assert there(cluster).isdisjoint({102, 201})

    cluster.control("DELETE", "/requests")
    again = remove(diff=True, vms=["web-old-2", 201])
    assert not again["changed"] and not again.get("failed")
    assert again["msg"] == "0 of 2 guests removed, 2 were not there"
    assert [(g["vmid"], g["name"], g["status_before"], g["error"]) for g in again["guests"]] == [
        (None, "web-old-2", "absent", None), (201, None, "absent", None)]
    assert sent(cluster) == []


def test_its_place_in_backup_jobs_goes_with_it_unless_that_is_not_wanted(remove, cluster):
    job = {"vmid": "101,102,201", "schedule": "02:30", "storage": "nfs"}
    cluster.patch(backup_jobs={"nightly": job})
    remove(vms=[201], purge=False)
    assert cluster.state()["backup_jobs"]["nightly"]["vmid"] == "101,102,201"
    remove(vms=[102])
    assert cluster.state()["backup_jobs"]["nightly"]["vmid"] == "101,201"


def test_a_tag_chooses_and_exclude_spares(remove, cluster):
    result = remove(tags=["web", "infra"], exclude=["web-old-1"], force="stop")
    assert not result.get("failed"), result["msg"]
    assert sorted(rows(result)) == ["dns", "web-old-2"]
    assert 101 in there(cluster)


def test_a_tag_that_a_guest_has_lost_does_not_choose_it(remove, cluster):
    cluster.patch(guests=[{"vmid": 102, "config": {"tags": "kept"}}], stale={"102": {"tags": "web"}})
    result = remove(tags=["web"], exclude=[101])
    assert not result["changed"] and result["guests"] == []
    assert 102 in there(cluster)


def test_templates_go_only_when_they_are_named(remove, cluster):
    cluster.patch(guests=[{"vmid": 9001, "config": {"tags": "web"}}])
    assert 9001 not in [g["vmid"] for g in remove(check=True, tags=["web"], force="stop")["guests"]]
    assert remove(vms=[9001])["changed"]
    assert 9001 not in there(cluster)


# --------------------------------------------------------------------------------------------------- what still runs


def test_a_guest_that_runs_is_left_alone_unless_that_is_asked_for(remove, cluster):
    why = ("unable to remove VM `web-old-1`: it runs; with force: graceful it is shut down before, with force: stop its "
           "power is cut")
    check = remove(check=True, vms=[101, 102])
    assert check["warnings"] == [why]
    assert [(g["vmid"], g["status"], g["changed"]) for g in check["guests"]] == [
        (101, "running", False), (102, "absent", True)]
    result = remove(vms=[101, 102])
    assert result["msg"] == f"1 of 2 VMs failed: {why}"
    assert result["changed"] and rows(result)["web-old-1"]["error"] == why
    assert cluster.guest(101)["status"] == "running" and 102 not in there(cluster)


@pytest.mark.parametrize("force, how", [("graceful", "shutdown"), ("stop", "stop")])
def test_it_is_taken_down_first_where_that_is_asked_for(remove, cluster, force, how):
    result = remove(vms=["web-old-1"], force=force)
    assert not result.get("failed"), result["msg"]
    assert sent(cluster) == [f"POST /nodes/pve1/qemu/101/status/{how}", "DELETE /nodes/pve1/qemu/101"]
    assert 101 not in there(cluster)


def test_who_does_not_shut_down_in_time_is_not_removed(remove, cluster):
    result = remove(vms=["stubborn", "dns"], force="graceful", timeout=5)
    assert re.match(r"1 of 2 VMs and containers failed: unable to shut down VM `stubborn`: task UPID:pve3:\S+ failed: "
                    r"VM quit/powerdown failed - got timeout", result["msg"])
    assert (rows(result)["stubborn"]["status"], rows(result)["dns"]["status"]) == ("running", "absent")
    assert cluster.guest(104)["status"] == "running"


def test_a_paused_vm_cannot_shut_down(remove, cluster):
    cluster.patch(guests=[{"vmid": 101, "qmpstatus": "paused"}])
    result = remove(vms=[101], force="graceful")
    assert result["msg"] == ("unable to remove VM `web-old-1`: it is paused and cannot shut down; with force: stop its "
                             "power is cut")
    assert sent(cluster) == []
    assert remove(vms=[101], force="stop")["changed"]


def test_an_ha_managed_guest_needs_purge(remove, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    result = remove(vms=["ha-app"], force="stop", purge=False)
    assert result["msg"] == ("unable to remove VM `ha-app`: the HA manager manages it, and only purge: true takes it "
                             "from there")
    assert sent(cluster) == []
    assert not remove(vms=["ha-app"], force="graceful").get("failed")
    assert 105 not in there(cluster)


# --------------------------------------------------------------------------------------------- protected, locked, base


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("vmid, noun, name, tool, node", [(102, "VM", "web-old-2", "qm", "pve2"),
                                                          (200, "container", "dns", "pct", "pve1")])
def test_a_protected_guest_is_left_alone_and_foretold(remove, cluster, check, vmid, noun, name, tool, node):
    cluster.patch(guests=[{"vmid": vmid, "config": {"protection": 1}}])
    result = remove(vms=[vmid, 201], force="stop", check=check)
    why = (f"unable to remove {noun} `{name}`: it is protected, and nothing was done to it. `{tool} set {vmid} "
           f"--protection 0` on {node} lifts that")
    assert why in (result["warnings"][0] if check else result["msg"])
    assert bool(result.get("failed")) is not check
    assert not rows(result)[name]["changed"] and rows(result)["mail"]["changed"]
    assert not any(f"/{vmid}" in write for write in sent(cluster))


def test_a_locked_guest_is_left_alone(remove, cluster):
    cluster.patch(guests=[{"vmid": 102, "lock": "backup"}])
    result = remove(vms=[102, 201])
    assert ("unable to remove VM `web-old-2`: it is locked (backup): another operation is at work on it. Should that "
            "have been cut off, `qm unlock 102` on pve2 takes the lock away") in result["msg"]
    assert sent(cluster) == ["DELETE /nodes/pve2/lxc/201"]


def linked_clone(ferrox, connection, **more):
    result = ferrox("proxmox_kvm", {**connection, "clone": "debian-13", "name": "linked", "newid": 300, "full": False,
                                    "node": "pve1", **more})
    assert not result.get("failed"), result["msg"]


def test_linked_clones_go_before_their_template(remove, ferrox, connection, cluster):
    linked_clone(ferrox, connection)
    cluster.control("DELETE", "/requests")
    assert not remove(vms=["debian-13", "linked"]).get("failed")
    assert sent(cluster) == ["DELETE /nodes/pve1/qemu/300", "DELETE /nodes/pve1/qemu/9000"]


def test_a_template_whose_clone_is_left_stays_and_the_server_tells_why(remove, ferrox, connection, cluster):
    linked_clone(ferrox, connection)
    # Who may not read the storage cannot know of it before.
    cluster.fault(path="/nodes/pve1/storage/ceph/content.*", times=None, status=403, message="Permission check failed")
    result = remove(vms=["debian-13"])
    assert "base volume 'ceph:base-9000-disk-0' is still in use by linked cloned" in result["msg"]
    assert not result["changed"] and 9000 in there(cluster)


# ------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("on_error, begun", [("continue", 3), ("stop", 1)])
def test_one_that_fails_stops_the_others_only_where_that_is_wanted(remove, cluster, on_error, begun):
    cluster.fault(method="DELETE", path=r".*/102", task={"exitstatus": "rbd error: rbd: listing images failed"})
    result = remove(vms=[102, 201, 9001], parallel=1, on_error=on_error)
    assert result["failed"] and "rbd: listing images failed" in result["msg"]
    assert len(sent(cluster)) == begun
    errors = [g["error"] for g in result["guests"]]
    assert errors[1:] == ([None, None] if on_error == "continue" else ["not begun, as another guest failed"] * 2)


@pytest.mark.parametrize("vmid, path", [(102, "pve2/qemu/102"), (201, "pve2/lxc/201")])
def test_a_lost_answer_is_looked_up_and_not_sent_twice(remove, cluster, vmid, path):
    cluster.fault(method="DELETE", path=rf".*/{vmid}", drop="after-effect")
    result = remove(vms=[vmid])
    assert result["changed"] and not result.get("failed")
    assert sent(cluster) == [f"DELETE /nodes/{path}"]


def test_a_name_is_not_given_up_for_absent_while_a_node_is_offline(remove, cluster):
    cluster.help("offline", node="pve3")
    result = remove(vms=["nope"])
    assert result["msg"] == f"there is no guest `nope` on the nodes that are online (offline: pve3) {INVISIBLE}"
    assert remove(vms=[999])["msg"] == "0 of 1 guest removed, 1 was not there"
    assert remove(vms=[104])["msg"] == "the guest `104` is on the node pve3, which is offline"


def test_a_missing_privilege_is_named(ferrox, connection):
    result = ferrox(MODULE, {**connection, "api_user": "audit@pve", "vms": [102]})
    assert "The caller lacks VM.Allocate on /vms/102" in result["msg"]


def test_an_interruption_names_the_task_that_goes_on(executable, connection, cluster):
    cluster.control("POST", "/time-scale", {"time_scale": 0.02})
    cluster.patch(guests=[{"vmid": 103, "shutdown_secs": 3000}])
    process = subprocess.Popen([executable, MODULE, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    process.stdin.write(json.dumps({**connection, "vms": ["db", "mail"], "parallel": 1, "force": "graceful",
                                    "timeout": 3600}))
    process.stdin.close()
    while not any("/tasks/" in request["path"] for request in cluster.requests()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    result = json.loads(process.stdout.read())
    process.wait(30)
    (upid,) = result["failure"]["running"]
    assert ":qmshutdown:103:" in upid and upid in rows(result)["db"]["error"]
    assert rows(result)["mail"]["error"] == "interrupted before its turn came"
    assert {103, 201} <= there(cluster)
