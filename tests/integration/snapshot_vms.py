# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of proxmox_snapshot_vms share.

    def test_x(snapshots, cluster):
        give(cluster, 101, "old")
        assert snapshots(vms=[101], snapshot="old", state="absent")["changed"]
"""

from __future__ import annotations

import json
import subprocess

import pytest
from conftest import clean_environment

MODULE = "proxmox_snapshot_vms"


@pytest.fixture
def snapshots(ferrox, connection):
    def run(check=False, diff=False, **args):
        return ferrox(MODULE, {**connection, **args}, check=check, diff=diff)

    return run


@pytest.fixture
def begun(executable, connection):
    """Runs the module without waiting for its end."""
    processes = []

    def begin(**args):
        process = subprocess.Popen([executable, MODULE, "-"], env=clean_environment(), text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        processes.append(process)
        process.stdin.write(json.dumps({**connection, **args}))
        process.stdin.close()
        process.stdin = None
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def ended(process):
    """The result of a module that was begun."""
    out, _ = process.communicate()
    return json.loads(out)


def asks(cluster, ending):
    return sum(request["path"].endswith(ending) for request in cluster.requests())


def rows(result):
    return {guest["name"]: guest for guest in result["guests"]}


def sent(cluster):
    return [f"{r['method']} {r['path'].removeprefix('/api2/json').split('?')[0]}" for r in cluster.requests()
            if r["method"] != "GET"]


def names(cluster, vmid):
    return list(cluster.guest(vmid)["snapshots"])


def give(cluster, vmid, *snapshots, **described):
    """Gives a guest snapshots of whole seconds, the oldest first."""
    cluster.patch(guests=[{"vmid": vmid, "snapshots": {
        name: {"snaptime": 1790000000 + age, **described.get(name, {})}
        for age, name in enumerate([*snapshots, *described])}}])
