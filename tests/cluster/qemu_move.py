# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/resize, /move_disk and /migrate: disks grow and go to other storages, VMs or nodes."""

from fakepve import PveError, TaskError
from fakepve.lxc import format_size, parse_size
from fakepve.qemu import DRIVE_KEY, drives_of, is_cdrom, join_drive, natural, split_drive, volume_ref
from fakepve.routing import check_digest, die, param_error
from fakepve.storage import _is_file

from .qemu_config import boot_devices


class QemuMove:
    """Mixin: grown, moved and migrated disks."""

    def _own_routes_move(self):
        vm = "/nodes/{node}/qemu/{vmid}"
        return [("PUT", vm + "/resize", self._resize), ("POST", vm + "/move_disk", self._move_disk),
                ("GET", vm + "/migrate", self._can_migrate), ("POST", vm + "/migrate", self._migrate)]

    # ----------------------------------------------------------------------------------- resize

    async def _resize(self, v, user):
        node, vmid, key = v["node"], int(v["vmid"]), v["disk"]

        async def body():
            vm = self.found_by_worker(self.find, v)
            if v.get("digest") and v["digest"] != vm.digest():
                raise TaskError("checksum mismatch (file change by other user?)")
            if not v.get("skiplock"):
                self.worker_lock(vm)
            if key not in vm.config:
                raise TaskError(f"disk '{key}' does not exist")
            volume, props = split_drive(vm.config[key])
            if is_cdrom(volume, props):
                raise TaskError("you can't resize a cdrom")
            try:
                self.require(user, "/storage/" + volume_ref(volume)[0], "Datastore.AllocateSpace")
            except PveError as e:
                raise TaskError(f"{e.status} {e.message}") from e
            stored = self._qm_volume(volume)
            now = int((stored or {}).get("size") or parse_size(props.get("size") or 0) or 0)
            size = parse_size(v["size"].lstrip("+")) + (now if v["size"].startswith("+") else 0)
            if size < now:
                raise TaskError("shrinking disks is not supported")
            if size == now:
                return
            await self.pause(self.resize_secs)
            if stored:
                stored["size"] = size
            vm.config[key] = join_drive(volume, {**props, "size": format_size(size)})
        return await self.task(node, "resize", vmid, user, body, vm=self.vm(vmid))

    # ------------------------------------------------------------------------ to another storage

    async def _move_disk(self, v, user):
        storage, target = v.get("storage"), v.get("target-vmid")
        vm = self.find(v["node"], v["vmid"])
        if target and storage:
            text = "either set 'storage' or 'target-vmid', but not both"
            raise param_error(**{"target-vmid": text, "storage": text})
        if target:
            return await self._give_disk(vm, int(target), v, user)
        if not storage:
            text = "both 'storage' and 'target-vmid' missing, either needs to be set"
            raise param_error(**{"target-vmid": text, "storage": text})
        self.require(user, "/storage/" + storage, "Datastore.AllocateSpace")
        self._can_move(vm, v)

        async def body():
            try:
                volume, props, snapshotted = self._can_move(vm, v)
                await self.pause(self.task_secs["move"])
                new = self._copied(vm, volume, props, storage, v.get("format"))
            except PveError as e:
                raise TaskError(e.message) from e
            vm.config[v["disk"]] = join_drive(new, props)
            if v["disk"].startswith("unused"):
                vm.config[v["disk"]] = new
            log = [f"copying volume '{volume}' from current storage to target storage '{storage}'"]
            if v.get("delete"):
                self._qm_free(volume)
                log.append(f"removing source volume '{volume}' after successful copy")
            else:
                unused = self.keep_unused(vm, volume)
                log.append(f"adding source volume '{volume}' as '{unused}' to config")
            if snapshotted:
                log.append("moving disk with snapshots, snapshots will not be moved!")
            return log
        return await self.task(vm.node, "qmmove", vm.vmid, user, body, vm=vm)

    def _can_move(self, vm, v):
        """(volume, its options, whether a snapshot holds it) of a disk that may go to the storage."""
        key, storage = v["disk"], v["storage"]
        self.checked(vm)
        check_digest(vm.digest(), v.get("digest"))
        if key not in vm.config:
            raise die(f"disk '{key}' does not exist")
        volume, props = split_drive(vm.config[key])
        if is_cdrom(volume, props):
            raise die("you can't move a cdrom")
        sid, name = volume_ref(volume)
        now = self._parse_volname(self.storages[sid], name)[2]
        if sid == storage and v.get("format") in (None, now):
            raise die("you can't move to the same storage with same format")
        self.image_store(storage, vm.node)
        snapshotted = self.in_use(vm, volume, key)
        if snapshotted and v.get("delete"):
            raise die("you can't move a disk with snapshots and delete the source")
        return volume, props, snapshotted

    def _copied(self, vm, volume, props, storage, fmt):
        """A new volume on the storage with a disk's size, in a format that the storage has."""
        stored = self._qm_volume(volume) or {}
        fmt = self.known_format(storage, fmt) or self.known_format(storage, stored.get("format"))
        size = int(stored.get("size") or parse_size(props.get("size") or 0) or 0)
        new, _ = self._qm_alloc(storage, vm.vmid, fmt, size)
        return self._qm_rename_volume(new) if vm.template else new

    # ----------------------------------------------------------------------------- to another VM

    async def _give_disk(self, vm, target, v, user):
        self._qm_perm(user, target, None, "VM.Config.Disk")
        if target == vm.vmid:
            raise param_error(**{"target-vmid": "must be different than source VMID to reassign disk"})
        key, new_key = v["disk"], v.get("target-disk") or v["disk"]
        volume = self._can_give(vm, target, key, new_key, v)[1]
        self.require(user, "/storage/" + volume_ref(volume)[0], "Datastore.AllocateSpace")

        async def body():
            try:
                taker, volume, props = self._can_give(vm, target, key, new_key, v)
            except PveError as e:
                raise TaskError(e.message) from e
            new = self._renamed(volume, target)
            del vm.config[key]
            devices = boot_devices(vm.config)
            if key in devices:
                vm.config["boot"] = "order=" + ";".join(d for d in devices if d != key)
            taker.config[new_key] = new if new_key.startswith("unused") else join_drive(new, props)
        return await self.task(vm.node, "qmmove", f"{vm.vmid}-{key}>{target}-{new_key}", user, body, vm=vm)

    def _can_give(self, vm, target, key, new_key, v):
        taker = self.vm(target)
        if taker is None:
            raise die(f"could not find target VM {target}")
        if taker.node != vm.node:
            raise die(f"Both VMs need to be on the same node ({vm.node} != {taker.node})")
        self.checked(vm)
        self.checked(taker)
        if vm.template or taker.template:
            raise die("Can't move disks from or to template VMs")
        for guest, digest in ((vm, v.get("digest")), (taker, v.get("target-digest"))):
            if digest and digest != guest.digest():
                raise die(f"VM {guest.vmid}: detected modified configuration - file changed by other user? Try again.")
        if key not in vm.config:
            raise die(f"Disk '{key}' for VM '{vm.vmid}' does not exist")
        if new_key in taker.config:
            raise die(f"Target disk key '{new_key}' is already in use for VM '{target}'")
        volume, props = split_drive(vm.config[key])
        if is_cdrom(volume, props):
            raise die("CD drive contents can't be moved to another VM")
        if self.in_use(vm, volume, key):
            raise die("Can't move disk used by a snapshot to another VM")
        if vm.status == "running" and not key.startswith("unused"):
            raise die("Cannot move disk to another VM while the source VM is running - detach first")
        return taker, volume, props

    def _renamed(self, volume, vmid):
        """The volume under a name of another VM."""
        sid, name = volume_ref(volume)
        volumes = self._volumes_of(sid)
        new = self._qm_free_name(sid, vmid, name.rpartition(".")[2])
        if "subvol-" in name:
            new = new.replace("vm-", "subvol-")
        if _is_file(self.storages[sid]):
            new = f"{vmid}/{new}"
        volumes[new] = {**volumes.pop(name, {"content": "images", "format": "raw", "ctime": 0}), "vmid": vmid}
        return f"{sid}:{new}"

    # ---------------------------------------------------------------------------- to another node

    def _local_disks(self, vm):
        return [(key, volume, props) for key, volume, props in drives_of(vm.config)
                if volume_ref(volume)[0] in self.storages and not self.is_shared(volume_ref(volume)[0])]

    async def _can_migrate(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        self.need_quorum()
        self.checked(vm)
        sids = {volume_ref(volume)[0] for _, volume, _ in drives_of(vm.config)} & set(self.storages)
        allowed, refused = [], {}
        for node in sorted(set(self.nodes) - {vm.node}):
            missing = sorted(sid for sid in sids if not self._storage_enabled(sid, node))
            if missing:
                refused[node] = {"unavailable_storages": missing}
            else:
                allowed.append(node)
        disks = [{"volid": volume, "size": self.size_of(volume) or 0, "cdrom": int(is_cdrom(volume, props)),
                  "is_unused": 0} for _, volume, props in self._local_disks(vm)]
        return {"running": int(vm.status == "running"), "allowed_nodes": allowed, "not_allowed_nodes": refused,
                "local_disks": disks, "local_resources": self._local_devices(vm), "mapped-resources": [],
                "mapped-resource-info": {}, "has-dbus-vmstate": 1}

    @staticmethod
    def _local_devices(vm):
        return sorted((k for k, x in vm.config.items() if k.startswith(("hostpci", "usb", "serial", "parallel"))
                       and "mapping=" not in str(x) and x not in ("socket", "spice", "host=spice")), key=natural)

    async def _migrate(self, v, user):
        target = v["target"]
        if target == v["node"]:
            raise param_error(target="target is local node.")
        self.need_quorum()
        if target not in self.nodes:
            raise die(f"no such cluster node '{target}'")
        for name in ("force", "migration_type", "migration_network"):
            if v.get(name) and user != "root@pam":
                raise param_error(**{name: "Only root may use this option."})
        vm = self.find(v["node"], v["vmid"])
        self.checked(vm)
        if vm.status == "running" and not v.get("online"):
            raise die("can't migrate running VM without --online")
        moved = self._storage_map(vm, v, user)
        if vm.ha_managed:
            async def ask():
                self.later(self.ha_delay, lambda: setattr(vm, "node", target))
            return await self.task(vm.node, "hamigrate", vm.vmid, user, ask,
                                   log=[f"Requesting HA migration for VM {vm.vmid} to node {target}"])

        async def body():
            self.worker_lock(vm)
            self._may_leave(vm, v, target)
            self._qm_lock(vm, "migrate")
            try:
                await self.pause(self.task_secs["migrate"])
                self._take_disks_along(vm, moved)
                vm.node = target
            finally:
                self._qm_lock(vm, None)
            return "migration finished successfully"
        return await self.task(vm.node, "qmigrate", vm.vmid, user, body, vm=vm,
                               log=[f"starting migration of VM {vm.vmid} to node '{target}'"])

    def _storage_map(self, vm, v, user):
        """{storage now: storage there}; those of the disks must be known on the target node."""
        wanted = v.get("targetstorage")
        pairs = dict(pair.split(":") if ":" in pair else ("", pair) for pair in str(wanted or "1").split(","))
        if wanted and pairs.get("") != "1":
            self._qm_perm(user, vm.vmid, None, "VM.Config.Disk")
        for sid in {sid for sid in pairs.values() if sid != "1"}:
            self.require(user, "/storage/" + sid, "Datastore.AllocateSpace")
            self.image_store(sid, v["target"])
        kept = {volume_ref(volume)[0] for _, volume, _ in drives_of(vm.config)} & set(self.storages)
        there = {sid: pairs.get(sid, pairs.get("", sid)) for sid in kept}
        for sid, new in there.items():
            there[sid] = sid if new == "1" else new
            self._check_enabled(there[sid], v["target"])
        return there

    def _may_leave(self, vm, v, target):
        devices = self._local_devices(vm)
        if devices:
            raise TaskError("migration aborted - can't migrate VM which uses local devices: " + ", ".join(devices))
        if not self._is_online(target):
            raise TaskError("Can't connect to destination address using public key")
        disks = [key for key, volume, props in self._local_disks(vm) if "cloudinit" not in volume]
        if disks and vm.status == "running" and not v.get("with-local-disks"):
            raise TaskError("can't live migrate attached local disks without with-local-disks option")

    def _take_disks_along(self, vm, moved):
        """Disks on the node's own storages are copied to the target's."""
        for key, volume, props in self._local_disks(vm):
            sid = volume_ref(volume)[0]
            if moved.get(sid, sid) == sid or not DRIVE_KEY.match(key):
                continue
            new = self._copied(vm, volume, props, moved[sid], None) if "cloudinit" not in volume else \
                split_drive(self.made_drive(vm, key, f"{moved[sid]}:cloudinit", None, []))[0]
            self._qm_free(volume)
            vm.config[key] = join_drive(new, props)
