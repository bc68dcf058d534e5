# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures, each with the limit it must keep.

What else the machine does only ever adds, so a measure is repeated and the best of its runs counts. Times that are
compared come from the same play, their tasks in turn: each is a median there, and the quietest play counts.
"""

from __future__ import annotations

import pathlib
import statistics
from dataclasses import dataclass

from .measure import cluster, durations, system_store_with

MS, MB = 1e-3, 1e6
NODES = 3


@dataclass
class Row:
    """One line of the table."""

    measure: str
    limit: float
    value: float
    form: str = "{:.2f}"

    @property
    def ok(self):
        return self.value <= self.limit


def best(runs, measure):
    """The least of so many measurements."""
    return min(measure() for _ in range(runs))


def in_a_playbook(tool):
    """A task that has nothing to do, and one whose arguments are wrong, against `debug` in the same play."""
    turns, warm_up, plays = 20, 2, 5
    with cluster("--seed", "bench", "--guests", 20) as server:
        start = {"vms": ["vm-0001"], **server.password()}
        turn = [
            {"name": "debug", "ansible.builtin.debug": {"msg": "nothing"}},
            {"name": "no-op", "ferrox.proxmox.proxmox_start_vms": start},
            {"name": "refused", "ferrox.proxmox.proxmox_start_vms": {**start, "parallel": "x"}, "ignore_errors": True},
        ]
        quietest = min((play(tool, turn, turns, warm_up) for _ in range(plays)), key=lambda medians: medians["debug"])
        stats = server.stats()
    asked = stats["requests"] / stats["logins"]
    debug, no_op, refused = (quietest[name] for name in ("debug", "no-op", "refused"))
    yield Row("its task asks, beside one login: requests", 2, asked, "{:.0f}")
    yield Row("no-op task in a playbook, beyond debug: ms", 10, (no_op - debug) / MS)
    yield Row("no-op task in a playbook: times debug", 2.0, no_op / debug)
    yield Row("task that fails in argument check: times debug", 1.4, refused / debug)


def play(tool, turn, turns, warm_up):
    """The median of each task of a turn, in seconds, over so many turns in one play."""
    seconds = {task["name"]: [] for task in turn}
    for task in durations(turn * turns, tool.path, tool.directory)[warm_up * len(turn):]:
        assert task["failed"] == (task["name"] == "refused") and not task["changed"], task
        seconds[task["name"]].append(task["seconds"])
    return {name: statistics.median(of_task) for name, of_task in seconds.items()}


def alone(tool):
    """One start task that has nothing to do: CPU, memory, requests."""
    # The best of many: what others do on the machine only adds.
    runs = 101
    with cluster("--seed", "bench", "--guests", 20) as server:
        store = system_store_with(server.facts["ca_path"], tool.directory)
        options = {"vms": ["vm-0001"], **server.token()}
        without_file = {name: value for name, value in options.items() if name != "ca_path"}
        by_file = [tool.run("proxmox_start_vms", options) for _ in range(runs)]
        by_store = [tool.run("proxmox_start_vms", without_file, SSL_CERT_FILE=store) for _ in range(runs)]
        assert not any(ended.result["changed"] for ended in by_file + by_store)
        peak = max(tool.peak("proxmox_start_vms", options),
                   tool.peak("proxmox_start_vms", without_file, SSL_CERT_FILE=store))
        asked = []
        for vm in ("vm-0001", 1001):
            server.reset()
            tool.run("proxmox_start_vms", {**options, "vms": [vm]})
            asked.append(server.stats()["requests"])
    yield Row("no-op start, CPU with ca_path: ms", 3, min(ended.cpu for ended in by_file) / MS)
    yield Row("no-op start, CPU with the system's store: ms", 6, min(ended.cpu for ended in by_store) / MS)
    yield Row("no-op start, peak memory: MB", 8, peak / MB)
    yield Row("no-op start by name: requests", 2, asked[0], "{:.0f}")
    yield Row("no-op start by VMID: requests", 2, asked[1], "{:.0f}")


def clone(server, tool, count, **options):
    """So many linked clones of a template on shared storage; how long they took, in seconds."""
    server.reset()
    vms = [{"name": f"clone-{number}", "template": 9000} for number in range(1, count + 1)]
    defaults = {"clone_type": "linked"}
    ended = tool.run("proxmox_clone_vms", {**server.token(), "vms": vms, "defaults": defaults, **options})
    assert len({vm["vmid"] for vm in ended.result["vms"] if vm["created"]}) == count
    return ended.wall


def clones(tool):
    """What the module itself costs, and how well it keeps the server busy."""
    with cluster("--seed", "demo") as server:
        yield Row("20 linked clones, server without delay: s", 0.3, best(5, lambda: clone(server, tool, 20)))
    with cluster("--seed", "demo", time_scale=1) as server:
        row = Row("40 clones of 2 s, parallel 4: s", 1.1 * 20, clone(server, tool, 40, parallel=4))
        if not row.ok:
            row.value = min(row.value, clone(server, tool, 40, parallel=4))
        yield row


def again(tool):
    """A second run over 200 VMs that are as they shall be."""
    count, parallel = 200, 4
    vms = [{"name": f"vm-{number:04d}", "template": 9000} for number in range(1, count + 1)]
    defaults = {"cores": 2, "memory": 2048, "tags": ["bench"], "net": {"net0": {"bridge": "vmbr0"}}}
    with cluster("--seed", "bench", "--guests", count, "--nodes", NODES) as server:
        options = {**server.token(), "vms": vms, "defaults": defaults, "parallel": parallel}

        def run():
            server.reset()
            ended = tool.run("proxmox_clone_vms", options)
            assert not ended.result["changed"] and len(ended.result["vms"]) == count
            return ended.wall

        seconds = best(5, run)
        stats = server.stats()
    yield Row("no-op run over 200 VMs: requests", count + 1 + 2 * NODES, stats["requests"], "{:.0f}")
    yield Row("no-op run over 200 VMs: connections", parallel, stats["connections"], "{:.0f}")
    yield Row("no-op run over 200 VMs: s", 1, seconds)


def start(tool):
    """Guests that run already."""
    count = 1000
    with cluster("--seed", "bench", "--guests", count, "--nodes", NODES) as server:
        options = {**server.token(), "vms": [f"vm-{number:04d}" for number in range(1, count + 1)]}

        def run():
            server.reset()
            ended = tool.run("proxmox_start_vms", options)
            assert not ended.result["changed"] and len(ended.result["guests"]) == count
            return ended.wall

        seconds = best(7, run)
        stats = server.stats()
    yield Row("start of 1000 running guests: requests", 1 + 2 * NODES, stats["requests"], "{:.0f}")
    yield Row("start of 1000 running guests: s", 0.25, seconds)


def many(tool):
    """Everything about 200 guests of a server that answers in 30 ms, beside the peer in the same play."""
    count, runs, warm_up = 200, 4, 1
    asked = {"type": "qemu", "config": "current", "network": True}
    with cluster("--seed", "bench", "--guests", count, "--nodes", NODES) as server:
        # Templates do not run, which is where the peer gives up.
        server.control("POST", "/state", {"guests": [{"vmid": vmid, "absent": True} for vmid in (9000, 9001)]})
        server.control("POST", "/faults", {"path": ".*", "seconds": 0.03, "times": None})
        options = {**asked, **server.token()}
        turn = [{"name": side, f"{side}.proxmox.proxmox_vm_info": options} for side in ("community", "ferrox")]
        seconds = {"community": [], "ferrox": []}
        for task in durations(turn * runs, tool.path, tool.directory, beside_peer=True)[warm_up * len(turn):]:
            assert not task["failed"], task
            seconds[task["name"]].append(task["seconds"])
        peer, ours = min(seconds["community"]), min(seconds["ferrox"])
        peak = min(tool.peak("proxmox_vm_info", options) for _ in range(runs))
    yield Row(f"all about {count} guests: times the peer's task", 1 / 10, ours / peer, "{:.3f}")
    yield Row(f"all about {count} guests, peak memory: MB", 12, peak / MB)


def kvm(tool):
    """The module that most people use, alone and in a loop beside the peer."""
    runs, count = 101, 20
    with cluster("--seed", "bench", "--guests", 20) as server:
        options = {**server.token(), "name": "vm-0001", "state": "started"}
        ended = [tool.run("proxmox_kvm", options) for _ in range(runs)]
        assert not any(one.result["changed"] for one in ended)
        peak = tool.peak("proxmox_kvm", options)
        asked = []
        for vm in ({"name": "vm-0001"}, {"vmid": 1001}):
            server.reset()
            tool.run("proxmox_kvm", {**server.token(), **vm, "state": "started"})
            asked.append(server.stats()["requests"])
    yield Row("kvm started that runs, CPU: ms", 4, min(one.cpu for one in ended) / MS)
    yield Row("kvm started that runs, peak memory: MB", 8, peak / MB)
    yield Row("kvm started that runs: requests", 2, max(asked), "{:.0f}")

    with cluster("--seed", "demo") as server:
        linked = {**server.token(), "node": "pve1", "clone": "debian-13", "full": False}
        asked = []
        for more in ({"name": "one", "newid": 300}, {"name": "two"}):
            server.reset()
            assert tool.run("proxmox_kvm", {**linked, **more}).result["changed"]
            polls = [request for request in server.control("GET", "/requests") if "/tasks/" in request["path"]]
            asked.append(server.stats()["requests"] - len(polls))
        yield Row("kvm linked clone with newid: requests beside polls", 3, asked[0], "{:.0f}")
        yield Row("kvm linked clone without newid: requests beside polls", 4 + NODES, asked[1], "{:.0f}")
        server.reset()
        turn = [
            {"name": side, "loop": list(range(first, first + count)),
             f"{side}.proxmox.proxmox_kvm": {**linked, "name": f"{side}-{{{{ item }}}}", "newid": "{{ item }}"}}
            for side, first in (("community", 300), *(("ferrox", 400 + 100 * run) for run in range(3)))
        ]
        seconds = {"community": [], "ferrox": []}
        for task in durations(turn, tool.path, tool.directory, beside_peer=True):
            assert task["changed"] and not task["failed"], task
            seconds[task["name"]].append(task["seconds"])
    times = min(seconds["ferrox"]) / min(seconds["community"])
    yield Row(f"loop of {count} clones: times the peer's task", 1 / 40, times, "{:.4f}")


def access(tool):
    """200 entries of the access control list, on 20 paths with one role each, and the same again."""
    users = [f"user{number}@pve" for number in range(10)]
    acls = [{"path": f"/vms/{vmid}", "users": [user], "roles": ["PVEVMUser"]}
            for vmid in range(100, 120) for user in users]
    with cluster("--seed", "demo") as server:
        tool.run("pveum_access", {**server.token(), "users": [{"userid": user} for user in users]})
        options = {**server.token(), "acls": acls}
        before = server.stats()
        assert tool.run("pveum_access", options).result["changed"]
        writes = server.stats()["writes"] - before["writes"]
        before = server.stats()
        assert not tool.run("pveum_access", options).result["changed"]
        asked = server.stats()["requests"] - before["requests"]
    yield Row("200 ACL entries on 20 paths: writes", 20, writes, "{:.0f}")
    yield Row("200 ACL entries again: requests", 3, asked, "{:.0f}")


def uploads(tool):
    """A file that is sent is never held, however large it is."""
    large = pathlib.Path(tool.directory, "large.iso")
    with large.open("wb") as file:
        file.truncate(4 << 30)
    with cluster("--seed", "demo") as server:
        options = {**server.token(), "node": "pve1", "content_type": "iso", "src": str(large)}
        peak = tool.peak("proxmox_template", options)
        received = server.uploads()
    large.unlink()
    assert received == [4 << 30], received
    yield Row("upload of 4 GiB: peak memory: MB", 16, peak / MB)


def size(tool):
    """The executable as it is shipped, with all modules."""
    yield Row("executable: MB", 6.5, tool.path.stat().st_size / MB)


ALL = (size, access, uploads, alone, in_a_playbook, clones, again, start, many, kvm)
