# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST /nodes/{node}/vzdump: which guests of the node it takes, the worker and its log, the archives it leaves.

A guest may have backup_error (its backup fails with that text, the task ends with `job errors`), backup_warning (the
task ends with `WARNINGS: n`) and backup_secs.
"""

import re
import time

from fakepve import PveError, TaskError
from fakepve.routing import die, param_error, split_list

VARIABLES = ("cluster", "guestname", "node", "vmid")
SUFFIX = {"0": "", "1": ".lzo", "lzo": ".lzo", "gzip": ".gz", "zstd": ".zst"}
ROOT_ONLY = ("tmpdir", "dumpdir", "script", "job-id")


def check_selection(v, complete=True):
    """The rules on what may be named together; `exclude` without a pool means all guests."""
    for other in ("all", "exclude", "pool"):
        if v.get(other) and v.get("vmid"):
            raise param_error(**{other: "option conflicts with option 'vmid'"})
    unknown = [f"variable '{match.group(1)}' at char {match.start(1)}"
               for match in re.finditer(r"\{\{([^\s{}]+)\}\}", v.get("notes-template") or "")
               if match.group(1) not in VARIABLES]
    if unknown:
        raise param_error(**{"notes-template": f"found unknown: {', '.join(unknown)}\n"})
    if v.get("exclude") is not None and not v.get("pool"):
        v["all"] = 1
    if complete and not (v.get("all") or v.get("stop") or v.get("pool") or v.get("vmid")):
        raise param_error(vmid="property is missing")


class Vzdump:
    """Mixin: backups."""

    def _own_routes_vzdump(self):
        return [("POST", "/nodes/{node}/vzdump", self._start_vzdump)]

    def _may_set_backup_options(self, user, v):
        """What the options of a backup want beyond the rights on guests and storage; only root himself is spared."""
        if user == "root@pam":
            return
        for key in ROOT_ONLY:
            if key in v:
                raise param_error(**{key: "Only root may set this option."})
        if any(key in v for key in ("bwlimit", "ionice", "performance")):
            self.require(user, "/", "Sys.Modify")
        fleecing = re.search(r"storage=([^,]+)", str(v.get("fleecing", "")))
        if fleecing:
            self.require(user, "/storage/" + fleecing.group(1), "Datastore.AllocateSpace")

    def included_guests(self, v):
        """The VMIDs that a backup or a job takes, whether they are there or not."""
        if v.get("pool"):
            return sorted(self.pools.get(v["pool"], ()))
        if v.get("vmid"):
            return sorted({int(vmid) for vmid in split_list(v["vmid"])})
        excluded = {int(vmid) for vmid in split_list(v.get("exclude") or "")}
        return sorted({guest.vmid for guest in (*self.vms, *self.cts)} - excluded) if v.get("all") else []

    async def _start_vzdump(self, v, user):
        node, v = v["node"], dict(v)
        if v.get("stdout"):
            raise param_error(stdout="option is only allowed on the command line interface.")
        self._may_set_backup_options(user, v)
        storage = v.get("storage") or (None if v.get("dumpdir") else "local")
        if "prune-backups" in v and user != "root@pam" and storage:
            self.require(user, "/storage/" + storage, "Datastore.Allocate")
        check_selection(v)
        if v.get("pool") and v["pool"] not in self.pools:
            raise die(f"pool '{v['pool']}' does not exist")
        wanted = self.included_guests(v)
        there = {vmid: self.guest(vmid) for vmid in wanted}
        ours = [vmid for vmid, guest in there.items() if guest is None or guest.node == node]
        if v.get("stop"):
            self.require(user, "/nodes/" + node, "Sys.Modify")
        if not ours and (v.get("stop") or not v.get("all")):
            return "OK"
        if storage:
            self.require(user, "/storage/" + storage, "Datastore.AllocateSpace")
        options = " ".join(f"--{key} {value}" for key, value in sorted(v.items()) if key not in ("node", "vmid"))
        named = " ".join(split_list(v.get("vmid") or ""))
        log = ["INFO: starting new backup job: " + " ".join(part for part in ("vzdump", named, options) if part)]
        skipped = [str(vmid) for vmid in wanted if vmid not in ours]
        if skipped:
            log.append("INFO: skip external VMs: " + ", ".join(skipped))

        async def body():
            self._check_target(storage, node)
            allowed = [vmid for vmid in ours if self._may_back_up(user, vmid, there[vmid], v)]
            failed = [vmid for vmid in allowed if not await self._back_up(vmid, node, storage, v, log)]
            log.append("INFO: Backup job finished " + ("with errors" if failed else "successfully"))
            if failed:
                raise TaskError("job errors")
        return await self.task(node, "vzdump", ours[0] if len(ours) == 1 else "", user, body, log=log)

    def _check_target(self, storage, node):
        """What is wrong with the storage shows in the worker only."""
        try:
            kept = split_list(self._active_store(storage, node).get("content"))
        except PveError as e:
            fault = f"could not activate storage '{storage}': {e.message}"
            if storage not in self.storages:
                fault += f" could not get storage information for '{storage}': {e.message}"
            raise TaskError(fault) from e
        if "backup" not in kept:
            raise TaskError(f"could not get storage information for '{storage}': can't use storage '{storage}' for "
                            "backups - wrong content type")

    def _may_back_up(self, user, vmid, guest, v):
        """With `all` guests of others are left out; one that was named fails the whole task."""
        if guest is None or self.allowed(user, f"/vms/{vmid}", "VM.Backup"):
            return True
        if v.get("all"):
            return False
        raise TaskError(f"403 Permission check failed (/vms/{vmid}, VM.Backup)")

    # ---------------------------------------------------------------------------- one guest

    async def _back_up(self, vmid, node, storage, v, log):
        """Back one guest up; whether it went well."""
        guest, started = self.guest(vmid), time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        try:
            if guest is None:
                raise TaskError(f"unable to find VM '{vmid}'")
            kind = guest.guest.partition("/")[0]
            log += [f"INFO: Starting Backup of VM {vmid} ({kind})", f"INFO: Backup started at {started}",
                    f"INFO: status = {guest.status}", f"INFO: backup mode: {v.get('mode', 'snapshot')}"]
            if v.get("bwlimit"):
                log.append(f"INFO: bandwidth limit: {v['bwlimit']} KiB/s")
            if guest.lock:
                raise TaskError(f"VM is locked ({guest.lock})")
            await self._hold_backup_lock(guest)
            if getattr(guest, "backup_error", None):
                raise TaskError(guest.backup_error)
            self._leave_archive(guest, kind, node, storage, v, log)
            if getattr(guest, "backup_warning", None):
                log.append(f"WARN: {guest.backup_warning}")
        except TaskError as e:
            log += [f"ERROR: Backup of VM {vmid} failed - {e}", f"INFO: Failed at {started}"]
            return False
        log += [f"INFO: Finished Backup of VM {vmid} (00:00:03)", f"INFO: Backup finished at {started}"]
        return True

    async def _hold_backup_lock(self, guest):
        guest.lock = guest.config["lock"] = "backup"
        try:
            await self.pause(getattr(guest, "backup_secs", self.backup_secs))
        finally:
            guest.lock = None
            guest.config.pop("lock", None)

    def _leave_archive(self, guest, kind, node, storage, v, log):
        volumes, when = self.storages[storage].setdefault("volumes", {}), int(time.time())
        ending = {"qemu": ".vma", "lxc": ".tar"}[kind] + SUFFIX[str(v.get("compress", "0"))]

        def name():
            return f"backup/vzdump-{kind}-{guest.vmid}-{time.strftime('%Y_%m_%d-%H_%M_%S', time.gmtime(when))}{ending}"
        # Backups of one guest are seconds apart on a server, where one takes longer than none.
        while name() in volumes:
            when += 1
        volume = {"content": "backup", "size": 1 << 30, "ctime": when, "vmid": guest.vmid,
                  "config": {key: value for key, value in guest.config.items() if key != "lock"},
                  **({} if self.is_shared(storage) else {"node": node})}
        log += [f"INFO: creating vzdump archive '{self._volume_path(storage, name(), 'backup')}'",
                "INFO: archive file size: 1.00GB"]
        if v.get("notes-template"):
            log.append("INFO: adding notes to backup")
            told = {"cluster": self.cluster_name or "standalone node", "guestname": guest.name, "node": node,
                    "vmid": guest.vmid}
            volume["notes"] = re.sub(r"\{\{(\w+)\}\}", lambda match: str(told[match.group(1)]),
                                     v["notes-template"].replace("\\n", "\n").replace("\\\\", "\\"))
        if v.get("protected"):
            log.append("INFO: marking backup as protected")
            volume["protected"] = 1
        self._prune(guest, volumes, storage, v, log)
        volumes[name()] = volume

    def _prune(self, guest, volumes, storage, v, log):
        """Drop the oldest archives of a guest beyond keep-last, which is the one retention that is played here."""
        rule = v.get("prune-backups") or self.storages[storage].get("prune-backups") or ""
        keep = re.search(r"keep-last=(\d+)", rule)
        if not keep or not v.get("remove", 1):
            return
        old = sorted((name for name, volume in volumes.items() if volume.get("vmid") == guest.vmid
                      and volume["content"] == "backup" and not volume.get("protected")),
                     key=lambda name: volumes[name]["ctime"])
        for name in old[:max(0, len(old) + 1 - int(keep.group(1)))]:
            del volumes[name]
            log.append(f"INFO: removing backup '{storage}:{name}'")
