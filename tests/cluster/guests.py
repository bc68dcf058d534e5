# SPDX-License-Identifier: AGPL-3.0-or-later
"""The lists of guests and what a guest has here beyond fakepve's model."""

import asyncio
import hashlib
import json
import re
import time
from collections import Counter

from fakepve import FakeCt, FakeVm, PveError, TaskError
from fakepve.qemu import with_mac

# Attributes a test may set on a guest, beside fakepve's start_secs, stop_secs, shutdown_secs, acpi, start_error.
EXTRAS = {
    # PVE seconds a clone of this guest takes; None: the cluster's clone_secs.
    "clone_secs": None,
    # PVE seconds after its start until the guest agent answers; None: the cluster's agent_secs.
    "agent_secs": None,
    # Questions the guest agent refuses after a start before it answers.
    "agent_asks": 0,
    # The addresses the guest agent reports: ["192.0.2.7/24", ...]; None: from ipconfigN or made up.
    "addresses": None,
}


def locked(guest):
    return f"{'CT' if isinstance(guest, FakeCt) else 'VM'} is locked ({guest.lock})"


class Vm(FakeVm):
    """A VM whose digest knows its pending changes, too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Drives whose pending delete frees the volume.
        self.force_delete = set()
        # The cloud-init settings that the drive of a running guest was made of; None: those it has.
        self.ci_drive = None
        # Keys that were pressed, oldest first.
        self.keys = []

    def digest(self):
        blob = [self.config, self.pending, sorted(self.force_delete), self.snapshots]
        return hashlib.sha1(json.dumps(blob, sort_keys=True).encode()).hexdigest()


class Guests(list):
    """A list of guests that finds a VMID without a search and completes each newcomer."""

    def __init__(self):
        super().__init__()
        self.by_vmid = {}

    def append(self, guest):
        guest.shared_holders = set()
        for name, value in EXTRAS.items():
            if not hasattr(guest, name):
                setattr(guest, name, value)
        self.by_vmid[guest.vmid] = guest
        super().append(guest)

    def remove(self, guest):
        self.by_vmid.pop(guest.vmid, None)
        super().remove(guest)


class Lookup:
    """Mixin: guests by VMID, and what start, stop and HA have in common."""

    def init_guests(self):
        self.vms, self.cts = Guests(), Guests()
        self.addresses_made = Counter()

    def vm(self, vmid):
        return self.vms.by_vmid.get(vmid)

    def ct(self, vmid):
        return self.cts.by_vmid.get(vmid)

    def _guest_of(self, vmid):
        return self.guest(vmid)

    def add_vm(self, *args, **kwargs):
        vm = Vm(*args, **kwargs)
        self.vms.append(vm)
        self.nodes.setdefault(vm.node, {"online": True})
        if vm.lock:
            vm.config["lock"] = vm.lock
        if vm.template:
            vm.config["template"] = 1
        if vm.pool:
            self._pool_join(vm.pool, vm.vmid)
        return vm

    def made_address(self, vmid, key):
        """A MAC address for a card: another one each time, and the same ones in each run of the same requests."""
        self.addresses_made[vmid, key] += 1
        text = f"{vmid} {key} {self.addresses_made[vmid, key]}"
        return ":".join(["BC", "24", "11", *re.findall("..", hashlib.sha1(text.encode()).hexdigest()[:6].upper())])

    def with_addresses(self, vmid, config, fresh=False):
        """A configuration whose cards are written as the server does, each with an address, or with a new one."""
        return {key: self._with_address(vmid, key, value, fresh) if re.fullmatch(r"net\d+", key) else value
                for key, value in config.items()}

    def _with_address(self, vmid, key, value, fresh):
        text = with_mac(value, fresh)
        address = text.partition(",")[0].partition("=")[2]
        return text if address and address in value else text.replace(address, self.made_address(vmid, key), 1)

    def in_worker(self, node, vmid):
        """The VM, for a worker: a missing one fails the task, not the request."""
        vm = self.vm(vmid)
        if vm is None or vm.node != node:
            raise TaskError(f"unable to find configuration file for VM {vmid} on node '{node}'")
        return vm

    @staticmethod
    def found_by_worker(find, v):
        """A guest whose configuration only the worker reads."""
        try:
            return find(v["node"], v["vmid"])
        except PveError as e:
            raise TaskError(e.message) from e

    @staticmethod
    def worker_lock(guest, allow=()):
        if guest.lock and guest.lock not in allow:
            raise TaskError(locked(guest))

    def later(self, secs, act):
        """Do something PVE seconds from now, outside of any task."""
        async def wait():
            await self.pause(secs)
            act()
        if not self.time_scale:
            act()
            return
        job = asyncio.ensure_future(wait())
        self.jobs[f"later {id(job)}"] = job
        job.add_done_callback(lambda _: self.jobs.pop(f"later {id(job)}", None))

    def ran_for(self, vm):
        """PVE seconds since the guest was started; without a time scale they have all gone by."""
        if not self.time_scale:
            return float("inf")
        return (time.time() - (vm.started_at or time.time())) / self.time_scale

    def checked(self, guest):
        """The caller's 500 for a guest whose configuration is locked."""
        if guest.lock:
            raise PveError(500, locked(guest))
