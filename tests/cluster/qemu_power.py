# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/status/*: start, stop, shutdown, reboot, reset, suspend, resume; with HA or without."""

import re
import time

from fakepve import PveError, TaskError
from fakepve.routing import param_error

# What QEMU's monitor calls the keys of a keyboard.
KEY = re.compile(r"[a-z0-9]|f1?[0-9]|f2[0-4]|0x[0-9a-f]+|(shift|alt|ctrl)(_r)?|meta_[lr]|menu|esc|minus|equal|"
                 r"backspace|tab|bracket_(left|right)|ret|semicolon|apostrophe|grave_accent|backslash|comma|dot|slash|"
                 r"asterisk|spc|(caps|num|scroll)_lock|sysrq|less|print|home|pgup|pgdn|end|left|up|down|right|insert|"
                 r"kp_(\d|divide|multiply|subtract|add|enter|decimal|comma|equals)|delete|pause|compose|help|power|"
                 r"sleep|wake")
ACTIONS = ("start", "stop", "shutdown", "reboot", "reset", "suspend", "resume")


class QemuPower:
    """Mixin: power state of VMs. What the server finds out in the worker is a task's error here too."""

    def _own_routes_power(self):
        base = "/nodes/{node}/qemu/{vmid}/status/"
        return [("GET", "/cluster/ha/resources", self._ha_resources),
                ("PUT", "/nodes/{node}/qemu/{vmid}/sendkey", self._send_key),
                *(("POST", base + action, getattr(self, "_vm_" + action)) for action in ACTIONS)]

    async def _ha_resources(self, v, user):
        return [{"sid": f"{'vm' if guest in self.vms else 'ct'}:{guest.vmid}", "state": guest.ha_state,
                 "type": "vm" if guest in self.vms else "ct"} for guest in (*self.vms, *self.cts) if guest.ha_managed]

    def _now_running(self, guest):
        """A VM or container runs, with all that was pending."""
        if guest in self.vms:
            self.apply_stopped(guest)
            self.make_cloudinit_drive(guest)
            guest.qmpstatus = "running"
        else:
            self._apply(guest)
            guest.pid = next(self._ct_pids)
        guest.status = "running"
        guest.started_at = time.time()

    def _now_stopped(self, guest):
        guest.status = "stopped"
        guest.started_at = None
        if guest in self.vms:
            guest.qmpstatus = "stopped"
        else:
            guest.pid = None

    async def _vm_task(self, ttype, v, user, body, lock=True, **more):
        """A worker on a VM that need not exist: body(vm) runs under the VM's config lock."""
        self.need_quorum()
        node, vmid = v["node"], int(v["vmid"])
        vm = self.vm(vmid)

        async def run():
            return await body(self.in_worker(node, vmid))
        return await self.task(node, ttype, vmid, user, run, vm=vm, lock=lock and vm is not None, **more)

    async def _ha(self, vm, user, verb):
        """Ask the HA manager, as the worker does: it is done at once, the guest follows later."""
        self.need_quorum()

        async def body():
            self.later(self.ha_delay, lambda: self._ha_acts(vm, verb))
        return await self.task(vm.node, "ha" + verb, vm.vmid, user, body,
                               log=[f"Requesting HA {verb} for VM {vm.vmid}"])

    def _ha_acts(self, vm, verb):
        vm.ha_state = "started" if verb == "start" else "stopped"
        if verb == "start" and vm.status != "running":
            self._now_running(vm)
        elif verb == "stop":
            self._now_stopped(vm)

    def _managed(self, v):
        vm = self.vm(int(v["vmid"]))
        return vm if vm is not None and vm.node == v["node"] and vm.ha_managed else None

    def _must_run(self, v):
        vm = self._asserted(v)
        if vm.status != "running":
            raise PveError(500, f"VM {vm.vmid} not running")
        return vm

    def _asserted(self, v):
        """The VM, in the words of the question whether it runs."""
        try:
            return self.in_worker(v["node"], int(v["vmid"]))
        except TaskError as e:
            raise PveError(500, str(e)) from e

    async def _vm_start(self, v, user):
        managed = self._managed(v)
        if managed is not None and not managed.template:
            return await self._ha(managed, user, "start")

        async def body(vm):
            if vm.template:
                raise TaskError("you can't start a vm if it's a template")
            self.worker_lock(vm, ("suspended",))
            if vm.status == "running":
                raise TaskError(f"VM {vm.vmid} already running")
            await self.pause(vm.start_secs)
            if vm.start_error:
                raise TaskError(vm.start_error)
            if vm.lock == "suspended":
                self.forget_state(vm)
            self._now_running(vm)
        return await self._vm_task("qmstart", v, user, body)

    async def _vm_stop(self, v, user):
        managed = self._managed(v)
        if managed is not None:
            if v.get("overrule-shutdown"):
                raise param_error(**{"overrule-shutdown": "Not applicable for HA resources."})
            return await self._ha(managed, user, "stop")
        if v.get("overrule-shutdown"):
            self.abort_tasks("qmshutdown", v["vmid"])

        async def body(vm):
            if vm.status != "running":
                return
            if not v.get("skiplock"):
                self.worker_lock(vm)
            await self.pause(vm.stop_secs)
            self._now_stopped(vm)
        return await self._vm_task("qmstop", v, user, body)

    async def _power_down(self, vm, v):
        """Ask the guest to power off; the server gives up after the timeout."""
        timeout = v.get("timeout")
        if timeout is None:
            down = [p[5:] for p in str(vm.config.get("startup", "")).split(",") if p.startswith("down=")]
            timeout = int(down[0]) if down else self.shutdown_default_timeout
        if vm.acpi and vm.shutdown_secs <= timeout:
            await self.pause(vm.shutdown_secs)
            self._now_stopped(vm)
            return None
        await self.pause(timeout)
        if v.get("forceStop"):
            self._now_stopped(vm)
            return "VM still running - terminating now with SIGTERM"
        raise TaskError("VM quit/powerdown failed - got timeout")

    async def _vm_shutdown(self, v, user):
        vm = self.vm(int(v["vmid"]))
        if vm is not None and vm.qmpstatus == "paused" and not v.get("forceStop"):
            raise PveError(500, "VM is paused - cannot shutdown")
        managed = self._managed(v)
        if managed is not None:
            return await self._ha(managed, user, "stop")

        async def body(vm):
            if vm.status != "running":
                return None
            if not v.get("skiplock"):
                self.worker_lock(vm)
            return await self._power_down(vm, v)
        return await self._vm_task("qmshutdown", v, user, body)

    async def _vm_reboot(self, v, user):
        self._must_run(v)

        async def body(vm):
            self.worker_lock(vm)
            await self._power_down(vm, v)
            # The task ends when the guest is down; the server starts it anew on its own.
            self.later(vm.start_secs, lambda: self._now_running(vm))
        return await self._vm_task("qmreboot", v, user, body)

    async def _vm_reset(self, v, user):
        self._must_run(v)

        async def body(vm):
            self.worker_lock(vm)
            vm.started_at = time.time()
        return await self._vm_task("qmreset", v, user, body)

    async def _vm_suspend(self, v, user):
        self._must_run(v)

        if v.get("todisk"):
            self._may_hibernate(self.find(v["node"], v["vmid"]), user, v)

        async def body(vm):
            self.worker_lock(vm)
            if v.get("todisk"):
                self._qm_lock(vm, "suspending")
                self.save_state(vm, time.strftime("suspend-%Y-%m-%d"), vm.config)
                await self.pause(self.task_secs["snapshot"])
                self._now_stopped(vm)
                self._qm_lock(vm, "suspended")
            else:
                vm.qmpstatus = "paused"
        return await self._vm_task("qmsuspend" if v.get("todisk") else "qmpause", v, user, body)

    def _may_hibernate(self, vm, user, v):
        if vm.ha_managed:
            raise PveError(500, "Cannot suspend HA managed VM to disk")
        self._qm_perm(user, vm.vmid, None, "VM.Config.Disk")
        if any(key.startswith("hostpci") for key in vm.config):
            raise PveError(500, "cannot suspend VM to disk due to passed-through PCI device(s), which lack the"
                                " possibility to save/restore their internal state")
        self.require(user, "/storage/" + (v.get("statestorage") or self._state_storage(vm)), "Datastore.AllocateSpace")

    async def _vm_resume(self, v, user):
        vm = self._asserted(v)
        if vm.status != "running" and vm.lock != "suspended":
            raise PveError(500, f"VM {vm.vmid} not running")

        async def body(vm):
            if vm.lock == "suspended":
                self.forget_state(vm)
                self._now_running(vm)
            vm.qmpstatus = "running"
        return await self._vm_task("qmresume", v, user, body)

    async def _send_key(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        if vm.status != "running":
            raise PveError(500, f"VM {vm.vmid} not running")
        wrong = [key for key in v["key"].split("-") if not KEY.fullmatch(key)]
        if wrong:
            raise PveError(500, f"invalid parameter: {wrong[0]}")
        vm.keys.append(v["key"])

    async def _lxc_stop(self, user, v):
        if v.get("overrule-shutdown"):
            self.abort_tasks("vzshutdown", v["vmid"])
        return await super()._lxc_stop(user, v)
