# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/config, /pending and /unlink: what is refused, and how a change is noted as pending."""

import re
import urllib.parse
import uuid

from fakepve import PveError, TaskError
from fakepve.qemu import DRIVE_KEY, is_cdrom, split_drive
from fakepve.routing import die, param_error, split_list

from .qemu_drives import boolean, normal_drive
from .qemu_rights import NET, option_exists
from .sha256crypt import hashed

SSH_KEY = re.compile(r"(ssh-(rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+) AAAA[A-Za-z0-9+/]+=*( .*)?")
CRYPTED = re.compile(r"\$(?:[156]|2[ay])(\$.+){2}")
# Parameters of a write that are no keys of the configuration.
BESIDE = ("node", "vmid", "digest", "delete", "revert", "skiplock", "force", "background_delay",
          "import-working-storage")


def stored_values(values):
    """A create's or a write's keys as the server stores them, refusing what it refuses."""
    out = dict(values)
    if out.get("cdrom"):
        cdrom = out.pop("cdrom")
        out["ide2"] = cdrom if "media=" in cdrom else cdrom + ",media=cdrom"
    if out.get("sshkeys"):
        for line in urllib.parse.unquote(out["sshkeys"]).splitlines():
            if line.strip() and not line.startswith("#") and not SSH_KEY.fullmatch(line.strip()):
                raise die("SSH public key validation error")
    for key in out:
        if DRIVE_KEY.match(key):
            out[key] = normal_drive(key, out[key])
        elif NET.fullmatch(key):
            out[key] = re.sub("(?<=firewall=|ink_down=)[^,]+", lambda found: boolean(found[0]), out[key])
    if "tags" in out:
        out["tags"] = ";".join(sorted({t.lower() for t in re.split(r"[;, ]+", str(out["tags"])) if t}))
    if "description" in out:
        out["description"] = str(out["description"]).rstrip()
    if str(out.get("vmgenid")) == "1":
        out["vmgenid"] = str(uuid.uuid4())
    return out


def boot_devices(config):
    """The devices of boot=order=…; none where it is written in the old way."""
    boot = str(config.get("boot") or "")
    return boot[len("order="):].split(";") if boot.startswith("order=") else []


class QemuConfig:
    """Mixin: reading and writing a VM's configuration."""

    def _own_routes_config(self):
        path = "/nodes/{node}/qemu/{vmid}"
        return [("GET", path + "/config", self._read_config), ("GET", path + "/pending", self._read_pending),
                ("PUT", path + "/config", self._put_config), ("POST", path + "/config", self._post_config),
                ("PUT", path + "/unlink", self._unlink)]

    # --------------------------------------------------------------------------------- reading

    @staticmethod
    def _shown(key, value):
        if key == "cipassword":
            return "**********"
        return str(value) if key == "memory" else value

    async def _read_config(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        config = dict(vm.config)
        if v.get("snapshot"):
            config = {k: x for k, x in self.snapshot_of(vm, v["snapshot"]).items()}
        elif not v.get("current"):
            config.update(vm.pending)
        return {**{k: self._shown(k, x) for k, x in config.items() if x is not None}, "digest": vm.digest()}

    async def _read_pending(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        listed = []
        for key in set(vm.config) | set(vm.pending):
            item = {"key": key}
            if key in vm.config:
                item["value"] = self._shown(key, vm.config[key])
            if key in vm.pending:
                gone = vm.pending[key] is None
                by_force = 2 if key in vm.force_delete else 1
                item["delete" if gone else "pending"] = by_force if gone else self._shown(key, vm.pending[key])
            listed.append(item)
        return listed

    # -------------------------------------------------------------------------------- writing

    async def _put_config(self, v, user):
        await self.write_config(self.find(v["node"], v["vmid"]), user, v)

    async def _unlink(self, v, user):
        change = {"delete": v["idlist"], "force": v.get("force")}
        await self.write_config(self.find(v["node"], v["vmid"]), user, change)

    async def _post_config(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        change = self._checked_change(vm, user, v)

        async def body():
            await self.write_config(vm, user, v, change)
        upid = await self.task(vm.node, "qmconfig", vm.vmid, user, body)
        if v.get("background_delay") is None:
            return upid
        await self.pause(v["background_delay"])
        ended = self.tasks[upid].get("exitstatus")
        if ended not in (None, "OK"):
            raise die(f"failed to update VM {vm.vmid}: {ended}")
        return upid if ended is None else None

    def _checked_change(self, vm, user, v):
        """(values, deletes, reverts) of a request, once nothing speaks against it."""
        self.need_quorum()
        updates = {k: x for k, x in v.items() if k not in BESIDE and x is not None}
        deletes = ["ide2" if key == "cdrom" else key for key in split_list(v.get("delete"))]
        reverts = split_list(v.get("revert"))
        if not (updates or deletes or reverts):
            raise die("no options specified")
        updates = stored_values(updates)
        self._check_names(updates, deletes, reverts)
        updates = self.with_addresses(vm.vmid, updates)
        self.check_keys(user, vm.vmid, None, {**dict.fromkeys(deletes), **updates}, vm.config)
        self.check_drives(user, vm.vmid, updates)
        self.check_bridges(user, updates)
        if v.get("digest") and v["digest"] != vm.digest():
            raise die("checksum mismatch (file change by other user?)")
        if not v.get("skiplock") and not ("vmstate" in deletes and vm.lock == "suspended"):
            self.checked(vm)
        for key in reverts:
            if key in vm.config:
                updates[key] = vm.config[key]
            elif key in vm.pending:
                deletes.append(key)
        self._check_balloon(vm, updates)
        return updates, deletes

    @staticmethod
    def _check_names(updates, deletes, reverts):
        for key in reverts:
            if not option_exists(key):
                raise param_error(revert=f"unknown option '{key}'")
            if key in updates:
                raise param_error(delete=f"you can't use '-{key}' and -revert {key}' at the same time")
        for key in deletes:
            if key in updates:
                raise param_error(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
            if key in reverts:
                raise param_error(revert=f"you can't use '-delete {key}' and -revert {key}' at the same time")
            if not option_exists(key):
                raise param_error(delete=f"unknown option '{key}'")

    @staticmethod
    def _check_balloon(vm, updates):
        if "memory" in updates or "balloon" in updates:
            now = {**vm.config, **vm.pending, **updates}
            memory = int(str(now.get("memory") or 512).rpartition("=")[2])
            if int(now.get("balloon") or 0) > memory:
                raise die("balloon value too large (must be smaller than assigned memory)")

    async def write_config(self, vm, user, v, change=None):
        """Note a change as pending, then apply what can be applied."""
        updates, deletes = change or self._checked_change(vm, user, v)
        try:
            await self.acquire(vm, "config")
        except TaskError as e:
            raise die(str(e)) from e
        try:
            modified = self._note_deletes(vm, user, deletes, bool(v.get("force")))
            modified |= self._note_updates(vm, updates)
            self._drop_equal(vm)
            if vm.pending:
                errors = self.apply_running(vm, user, modified) if vm.status == "running" else \
                    self.apply_stopped(vm, user)
                if errors:
                    raise param_error(**errors)
        finally:
            self.tidy(vm)
            self.release(vm, "config")

    def _note_deletes(self, vm, user, deletes, force):
        """Deletes become pending; what has no meaning for a running guest goes at once. The keys that change."""
        modified = set()
        for key in deletes:
            value, was_pending = vm.config.get(key, vm.pending.get(key)), vm.pending.get(key)
            if value is None:
                continue
            modified.add(key)
            vm.pending.pop(key, None)
            devices = boot_devices({**vm.config, **vm.pending})
            if key in devices:
                vm.pending["boot"] = "order=" + ";".join(d for d in devices if d != key)
                modified.add("boot")
            if key.startswith("unused"):
                self._protected(vm, f"can't remove unused disk '{split_drive(value)[0]}'")
                self.deallocate(vm, key, split_drive(value)[0], user)
                del vm.config[key]
            elif key == "vmstate":
                self.forget_state(vm)
            elif key == "tags":
                vm.config.pop(key, None)
            else:
                if DRIVE_KEY.match(key):
                    self._protected(vm, f"can't remove drive '{key}'")
                    if was_pending is not None:
                        self.let_go(vm, was_pending)
                vm.pending[key] = None
                (vm.force_delete.add if force else vm.force_delete.discard)(key)
        return modified

    @staticmethod
    def _protected(vm, message):
        if vm.config.get("protection") in (1, "1", True):
            raise die(f"{message} - protection mode enabled")

    def _note_updates(self, vm, updates):
        modified = set()
        for key, value in updates.items():
            modified.add(key)
            if key in vm.pending and vm.pending[key] == value:
                continue
            if DRIVE_KEY.match(key):
                modified |= self._note_drive(vm, key, value)
                continue
            if key == "cipassword":
                vm.config[key] = value if CRYPTED.match(value) else hashed(value)
                continue
            if key == "boot":
                self._check_boot({**vm.config, **{k: x for k, x in vm.pending.items() if x}, **updates})
            vm.pending[key] = value
        return modified

    def _note_drive(self, vm, key, value):
        """A drive and its new volume are pending; a new CD drive joins the boot order."""
        if vm.pending.get(key) is not None:
            self.let_go(vm, vm.pending[key])
        made = []
        try:
            vm.pending[key] = self.made_drive(vm, key, value, None, made)
        except PveError:
            for volid in made:
                self._qm_free(volid)
            raise
        vm.force_delete.discard(key)
        devices, modified = boot_devices({**vm.config, **vm.pending}), {key}
        if devices and key not in devices and is_cdrom(*split_drive(value)):
            vm.pending["boot"] = "order=" + ";".join([*devices, key])
            modified.add("boot")
        return modified

    @staticmethod
    def _check_boot(config):
        for device in filter(None, boot_devices(config)):
            if device not in config:
                raise die(f"invalid bootorder: device '{device}' does not exist'")

    @staticmethod
    def _drop_equal(vm):
        """Pending changes that change nothing go."""
        for key, value in list(vm.pending.items()):
            if key not in vm.config if value is None else str(vm.config.get(key)) == str(value):
                del vm.pending[key]
