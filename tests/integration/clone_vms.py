# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of proxmox_clone_vms share.

    def test_x(clone, cluster):
        result = clone("web-1", {"name": "web-2", "cores": 4}, template="debian-13", parallel=2)
        assert [row["created"] for row in result["vms"]] == [True, True]
"""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest
from conftest import TIMEOUT, clean_environment

MODULE = "proxmox_clone_vms"
TOP_LEVEL = {"parallel", "timeout", "on_error", "on_pending", "defaults"}


def arguments(vms, connection, **options):
    """The module's arguments: a VM may be just its name, and every option that is none of the task's is a default."""
    task = {key: value for key, value in options.items() if key in TOP_LEVEL or key in connection or key[:4] == "api_"}
    defaults = {key: value for key, value in options.items() if key not in task}
    vms = [{"name": vm} if isinstance(vm, str) else vm for vm in vms]
    return {**connection, "vms": vms, **({"defaults": defaults} if defaults else {}), **task}


@pytest.fixture
def clone(ferrox, connection):
    """Runs the module: clone("web-1", {"name": "web-2"}, template="debian-13", check=True, …) -> result."""

    def run(*vms, check=False, diff=False, verbosity=0, environment=None, **options):
        return ferrox(MODULE, arguments(vms, connection, **options), check=check, diff=diff, verbosity=verbosity,
                      environment=environment)

    return run


@pytest.fixture
def begun(executable, connection, cluster):
    """Runs the module without waiting for its end: begun("web-1", template=…) -> process."""
    processes = []

    def begin(*vms, **options):
        process = subprocess.Popen(
            [executable, MODULE, "-"], env=clean_environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        processes.append(process)
        process.stdin.write(json.dumps(arguments(vms, connection, **options)))
        process.stdin.close()
        process.stdin = None
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def until(condition):
    """Waits for a condition; its value."""
    give_up = time.monotonic() + TIMEOUT
    while not (value := condition()):
        assert time.monotonic() < give_up, "it did not come true"
        os.sched_yield()
    return value


def writes(cluster):
    """The requests that write, as "POST /nodes/pve1/qemu/9000/clone" with their parameters."""
    return [(f"{request['method']} {request['path'].removeprefix('/api2/json')}", request["body"])
            for request in cluster.requests() if request["method"] != "GET" and "ticket" not in request["path"]]


def lines(cluster):
    """The requests that write, without their parameters."""
    return [line for line, _ in writes(cluster)]


def sent(cluster, ending):
    """The parameters of the requests whose path ends so."""
    return [body for line, body in writes(cluster) if line.endswith(ending)]


def asked(cluster):
    """All requests as "GET /cluster/resources", sorted, as those of one moment come in any order."""
    return sorted(f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests())


def guests(cluster, name=None):
    """The guests with this name, or all that are not of the seed: those that a test made."""
    seeded = {100, 101, 102, 103, 104, 105, 200, 201, 9000, 9001, 9002, 9003}
    return [guest for guest in cluster.state()["guests"]
            if (guest["vmid"] not in seeded if name is None else guest["name"] == name)]


def only(cluster, name):
    """The one guest with this name."""
    [guest] = guests(cluster, name)
    return guest


def rows(result):
    """The result's rows by name."""
    return {row["name"]: row for row in result["vms"]}
