# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tasks: they take time, fail inside, end with warnings, are aborted; and the locks on guests' configurations."""

import asyncio
import contextvars
import time

from fakepve import PveError, TaskError
from fakepve.model import lock_timeout
from fakepve.routing import param_error

from .answers import Total

# The ending that a fault wants for the task which the current request starts.
TASK_FAULT = contextvars.ContextVar("task_fault", default=None)


class Tasks:
    """Mixin: workers, their status and log, config locks with shared holders."""

    def init_tasks(self):
        self.jobs = {}

    # --------------------------------------------------------------------------------- locks

    async def acquire(self, vm, holder, wait=None, shared=False):
        """Take a guest's config lock; shared holders (clones of a stopped source) go together."""
        wait = self.lock_wait if wait is None else wait
        deadline = time.monotonic() + wait * self.time_scale
        while vm.lock_holder is not None or (vm.shared_holders and not shared):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TaskError(getattr(vm, "lock_error", None) or lock_timeout(vm.vmid))
            vm.lock_released = vm.lock_released or asyncio.Event()
            try:
                await asyncio.wait_for(vm.lock_released.wait(), left)
            except TimeoutError:
                continue
        if shared:
            vm.shared_holders.add(holder)
        else:
            vm.lock_holder = holder

    def release(self, vm, holder):
        vm.shared_holders.discard(holder)
        if vm.lock_holder == holder:
            vm.lock_holder = None
        if vm.lock_released:
            vm.lock_released.set()
            vm.lock_released = None

    # --------------------------------------------------------------------------------- tasks

    async def task(self, node, ttype, tid, user, body, vm=None, lock=True, log=(), done=None):
        """Start a worker and answer its UPID; done() runs however it ended."""
        upid, pid, start = self._upid(node, ttype, tid, user)
        record = {"upid": upid, "node": node, "pid": pid, "pstart": pid * 7, "starttime": start, "type": ttype,
                  "id": str(tid), "user": user, "status": "running",
                  # A worker may go on writing to the list it brought.
                  "log": log if isinstance(log, list) else list(log)}
        self.tasks[upid] = record
        self.tasklog.append(record)
        fault = TASK_FAULT.get()
        if fault:
            TASK_FAULT.set(None)
            record["misread"] = fault.get("misread", 0)
        job = self._run_worker(record, body, vm if lock else None, fault or {}, done)
        if self.time_scale:
            self.jobs[upid] = asyncio.ensure_future(job)
            self.jobs[upid].add_done_callback(lambda _: self.jobs.pop(upid, None))
        else:
            await job
        return upid

    async def _run_worker(self, record, body, vm, fault, done):
        status = "OK"
        try:
            await self.pause(fault.get("delay", 0))
            record["log"] += fault.get("log", ())
            if fault.get("exitstatus", "").startswith("WARNINGS") or not fault.get("exitstatus"):
                await self._locked(record, body, vm)
                status = fault.get("exitstatus") or self._warned(record["log"])
            else:
                raise TaskError(fault["exitstatus"])
        except (TaskError, PveError) as e:
            status = str(e)
        except asyncio.CancelledError:
            status = "interrupted by signal"
        finally:
            if done:
                done()
            if fault.get("then"):
                fault["then"]()
        record.update(status="stopped", exitstatus=status, endtime=int(time.time()))
        ended = status == "OK" or status.startswith("WARNINGS")
        record["log"].append("TASK " + status if ended else "TASK ERROR: " + status)

    @staticmethod
    def _warned(log):
        """How a worker that came to its end ended: the warnings it wrote are counted."""
        count = sum(line.startswith("WARN: ") for line in log)
        return f"WARNINGS: {count}" if count else "OK"

    async def _locked(self, record, body, vm):
        if vm is not None:
            await self.acquire(vm, record["upid"])
        try:
            note = await body()
            if note:
                record["log"] += [note] if isinstance(note, str) else note
        finally:
            if vm is not None:
                self.release(vm, record["upid"])

    def abort_tasks(self, ttype, vmid):
        """End the running workers of a type on a guest, as overrule-shutdown does; their UPIDs."""
        # What the HA manager does later is a job without a task.
        tasks = {upid: self.tasks[upid] for upid, job in self.jobs.items() if upid in self.tasks and not job.done()}
        upids = [upid for upid, task in tasks.items() if task["type"] == ttype and task["id"] == str(vmid)]
        for upid in upids:
            self.jobs[upid].cancel()
        return upids

    def forget_jobs(self):
        """Cancel all workers and drop their effects: the cluster is about to be reset."""
        for job in list(self.jobs.values()):
            job.cancel()
        self.jobs = {}

    # ------------------------------------------------------------------------------ endpoints

    def _own_routes_tasks(self):
        one = "/nodes/{node}/tasks/{upid}"
        return [("GET", one + "/status", self._read_task_status), ("GET", one + "/log", self._read_task_log),
                ("DELETE", one, self._abort_task)]

    def _visible_task(self, v, user, privilege="Sys.Audit"):
        parts = v["upid"].split(":")
        if len(parts) != 9 or parts[0] != "UPID" or parts[8]:
            raise param_error(upid="unable to parse worker upid")
        task = self.tasks.get(v["upid"])
        if task is None or task["node"] != v["node"]:
            raise param_error(upid="no such task")
        if not self._task_owner(user, task):
            self.require(user, "/nodes/" + v["node"], privilege)
        return task

    def _task_view(self, task, listing=False):
        view = super()._task_view(task, listing)
        view.pop("misread", None)
        view["user"], _, token = task["user"].partition("!")
        if token:
            view["tokenid"] = token
        return view

    async def _read_task_status(self, v, user):
        task = self._visible_task(v, user)
        view = self._task_view(task)
        if task.get("misread", 0) > 0 and task["status"] == "stopped":
            # The reader caught the moment between the end of the worker and its last line.
            task["misread"] -= 1
            view["exitstatus"] = "unexpected status"
        return view

    async def _read_task_log(self, v, user):
        lines = self._visible_task(v, user)["log"]
        start = v.get("start") or 0
        page = [{"n": n + 1, "t": text} for n, text in enumerate(lines)][start:start + (v.get("limit") or 50)]
        return Total(page, len(lines))

    async def _abort_task(self, v, user):
        task = self._visible_task(v, user, "Sys.Modify")
        job = self.jobs.get(task["upid"])
        if job is not None:
            job.cancel()
