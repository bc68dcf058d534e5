# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms for many VMs: how little it asks, how much it does side by side, what it says, and what never."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse

import pytest
from clone_vms import MODULE, asked, clone, lines, only, sent  # noqa: F401

FORTY = [f"web-{number:02}" for number in range(1, 41)]
ALL_OF_IT = {
    "template": "debian-13", "cores": 4, "memory": 4096, "tags": ["web"], "net": {"net0": {"bridge": "vmbr1"}},
    "disks": {"scsi0": {"size": "8G"}}, "ipconfig": {"ipconfig0": "ip=dhcp"}, "ciuser": "admin", "onboot": True,
    "state": "started",
}
PASSWORD = "correct horse/battery+staple"
NODES = 3


# ------------------------------------------------------------------------------------------------------- how little


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_second_run_over_forty_vms_asks_once_for_each_and_changes_nothing(clone, cluster, parallel):
    assert not clone(*FORTY, **ALL_OF_IT, parallel=8).get("failed")
    cluster.control("DELETE", "/requests")
    result = clone(*FORTY, **ALL_OF_IT, parallel=parallel)
    assert not result["changed"] and result["msg"] == "40 VMs: 0 created, 0 changed, 40 as wanted"
    stats = cluster.stats()
    assert stats["requests"] <= len(FORTY) + 1 + 2 * NODES
    assert stats["writes"] == 0
    assert stats["connections"] <= parallel


def test_one_vm_that_is_as_wanted_takes_three_requests(clone, cluster):
    result = clone({"name": "gateway", "cores": 2}, template="debian-13")
    assert not result["changed"]
    assert asked(cluster) == [
        "GET /cluster/resources", "GET /nodes/pve1/qemu/100/pending", "GET /nodes/pve1/qemu/100/status/current",
    ]


def test_twenty_new_vms_ask_for_a_free_vmid_once_and_for_the_template_once(clone, cluster):
    names = FORTY[:20]
    assert not clone(*names, template="debian-13").get("failed")
    seen = asked(cluster)
    assert [line for line in seen if "nextid" in line] == ["GET /cluster/nextid"]
    assert seen.count("GET /nodes/pve1/qemu/9000/config") == 1
    assert len(lines(cluster)) == 20
    assert sorted(body["newid"] for body in sent(cluster, "/clone")) == [str(vmid) for vmid in range(106, 126)]


# --------------------------------------------------------------------------------------------------- how much at once


def running_at_once(cluster):
    """The most clones that were running at the same time, by the log of requests: a POST begins one, and the answer
    to a question about its task, after which no more questions come, ends it."""
    last_asked = {}
    for request in cluster.requests():
        task = re.search(r"/tasks/(UPID[^/]+qmclone[^/]+)/status", urllib.parse.unquote(request["path"]))
        if task:
            first, _ = last_asked.get(task[1], (request["time"], None))
            last_asked[task[1]] = (first, request["time"])
    edges = [(begin, 1) for begin, _ in last_asked.values()] + [(end, -1) for _, end in last_asked.values()]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("source, parallel, most", [("debian-13", 6, 6), ("debian-13", 2, 2), ("gateway", 6, 1)])
def test_so_many_clones_run_side_by_side(clone, cluster, source, parallel, most):
    """A running VM is locked for each clone, so that its clones follow one another."""
    # The first one still runs when the last one that may run beside it has begun, on a machine with other work too.
    cluster.control("POST", "/time-scale", {"time_scale": 0.05 * most})
    result = clone(*FORTY[:6], template=source, parallel=parallel)
    assert not result.get("failed")
    assert running_at_once(cluster) == most
    # None had to be refused by a lock first.
    assert len(sent(cluster, "/clone")) == 6


# ------------------------------------------------------------------------------------------------------- what it says


def test_progress_is_told_on_standard_error(clone, cluster):
    result = clone("web-1", "web-2", template="debian-13", cores=4, state="started",
                   environment={"FERROX_PROGRESS": "always"})
    said = result.stderr.splitlines()
    for done in ("cloned", "configured", "started"):
        told = [line for line in said if re.fullmatch(rf"web-[12] \(10[67]\): {done} in \d+\.\d s \[[12]/2\]", line)]
        assert len(told) == 2 and {line[-5:] for line in told} == {"[1/2]", "[2/2]"}


def test_progress_tells_of_what_is_tried_again_and_of_failures(clone, cluster):
    cluster.help("lock-timeouts", n=1, where="request")
    cluster.fault(method="PUT", path=r".*/config", status=500, message="no space left on device")
    result = clone("web-1", template="debian-13", cores=4, environment={"FERROX_PROGRESS": "always"})
    assert re.search(r"web-1 \(106\): clone again in \d\.\d s: .*got timeout", result.stderr)
    assert re.search(r"web-1 \(106\): failed: .*no space left on device", result.stderr)


def test_without_a_terminal_there_is_no_progress(clone, cluster):
    assert clone("web-1", template="debian-13").stderr == ""


def test_the_plan_is_listed_at_verbosity_3(clone, cluster):
    result = clone("web-1", {"name": "gateway", "description": "x"}, template="debian-13", cipassword=PASSWORD,
                   check=True, verbosity=3)
    assert result["plan"] == [
        "POST /nodes/pve1/qemu/9000/clone newid={vmid} name=web-1 full=0",
        "PUT /nodes/pve1/qemu/{vmid}/config cipassword=********",
        "PUT /nodes/pve1/qemu/100/config cipassword=******** description=x",
    ]
    assert "plan" not in clone("web-1", template="debian-13", check=True, verbosity=2)


# ------------------------------------------------------------------------------------------------- what it never says


def forms(secret):
    """A secret as it is and as an encoding may carry it."""
    quoted = urllib.parse.quote(secret, safe="")
    return {secret, quoted, urllib.parse.quote_plus(secret), base64.b64encode(secret.encode()).decode()}


@pytest.mark.parametrize("luck", ["good", "refused", "failed", "lost", "never configured"])
def test_no_secret_is_in_any_output_at_verbosity_4(clone, cluster, connection, luck):
    if luck == "refused":
        cluster.fault(method="PUT", path=r".*/config", status=400, message="Parameter verification failed.\n",
                      errors={"cipassword": f"invalid format - {PASSWORD}"})
    elif luck == "failed":
        cluster.fault(method="POST", path=r".*/start", task={"exitstatus": f"bad user data: {PASSWORD}",
                                                             "log": [f"password: {PASSWORD}"]})
    elif luck == "lost":
        cluster.fault(method="PUT", path=r".*/config", drop="after-effect", times=None)
    elif luck == "never configured":
        cluster.fault(method="PUT", path=r".*/config", status=500, times=None,
                      message=f"can't lock file '/var/lock/{PASSWORD}' - got timeout")
    for own in (PASSWORD, f"{PASSWORD}2"):
        result = clone({"name": "web-1", "cipassword": own}, "web-2", template="debian-13", cipassword=PASSWORD,
                       state="started", timeout=1, diff=True, verbosity=4, environment={"FERROX_PROGRESS": "always"})
        said = json.dumps(result, ensure_ascii=False) + result.stderr
        for secret in (PASSWORD, own, connection["api_token_secret"]):
            for form in forms(secret):
                assert form not in said


def test_in_a_playbook_no_secret_is_shown_either(playbook, cluster, connection):
    task = {f"ferrox.proxmox.{MODULE}": {
        **connection, "vms": [{"name": "web-1", "template": "debian-13", "cipassword": PASSWORD}]}}
    run = playbook([task], verbosity=4, callback="default", diff=True)
    assert run.rc == 0 and only(cluster, "web-1")
    for secret in (PASSWORD, connection["api_token_secret"]):
        for form in forms(secret):
            assert form not in run.stdout + run.stderr
