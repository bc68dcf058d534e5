# SPDX-License-Identifier: AGPL-3.0-or-later
"""Snapshots of VMs and containers: the volumes they hold, a guest's RAM, and the way back."""

import time
import uuid

from fakepve import FakeCt, TaskError
from fakepve.lxc import MOUNT_KEY, SNAPSHOT_STORAGE, mount_type, parse_mount, parse_size
from fakepve.qemu import SNAPSHOT_SKIP, drives_of, volume_ref
from fakepve.routing import die
from fakepve.storage import _is_file

MIB = 1024 ** 2
RUNNING_KEYS = ("runningmachine", "runningcpu", "running-nets-host-mtu")


class Snapshots:
    """Mixin: snapshots of guests, and the state of a VM that was suspended to disk."""

    @staticmethod
    def snapshot_of(vm, name):
        if name not in vm.snapshots:
            raise die(f"snapshot '{name}' does not exist")
        return vm.snapshots[name]

    # ------------------------------------------------------------------------- the guest's RAM

    def _state_storage(self, vm):
        """Where RAM is saved: as configured, else on the first shared disk's storage, else on the first disk's."""
        if vm.config.get("vmstatestorage"):
            return vm.config["vmstatestorage"]
        sids = [sid for _, volume, _ in drives_of(vm.config, skip_cdrom=True)
                if (sid := volume_ref(volume)[0]) in self.storages]
        return next((sid for sid in sids if self.is_shared(sid)), sids[0] if sids else "local")

    def save_state(self, vm, name, config):
        """Save the guest's RAM as a volume that `config` names."""
        sid = self._state_storage(vm)
        memory = int(str(vm.config.get("memory", 512)).rpartition("=")[2])
        volname = f"vm-{vm.vmid}-state-{name}"
        if _is_file(self.storages[sid]):
            volname = f"{vm.vmid}/{volname}.raw"
        self._volumes_of(sid)[volname] = {"content": "images", "format": "raw", "size": (2 * memory + 500) * MIB,
                                          "vmid": vm.vmid, "ctime": int(time.time())}
        config.update(vmstate=f"{sid}:{volname}", runningmachine="pc-i440fx-10.1+pve0",
                      runningcpu="qemu64,+aes,enforce")

    def forget_state(self, vm):
        """The saved RAM of a suspended guest goes, and with it what says how to resume it."""
        self._qm_free(vm.config.pop("vmstate", ""))
        for key in RUNNING_KEYS:
            vm.config.pop(key, None)
        if vm.lock == "suspended":
            self._qm_lock(vm, None)

    # ---------------------------------------------------------------------------------- feature

    def _own_routes_features(self):
        async def of_vm(v, user):
            vm = self.find(v["node"], v["vmid"])
            shared = all(self.is_shared(volume_ref(volume)[0]) for _, volume, _ in drives_of(vm.config)
                         if volume_ref(volume)[0] in self.storages)
            return {"hasFeature": self._has_feature(vm, v), "nodes": sorted(self.nodes) if shared else [vm.node]}

        async def of_ct(v, user):
            return {"hasFeature": self._has_feature(self._find_ct(v["node"], v["vmid"]), v)}
        return [("GET", "/nodes/{node}/qemu/{vmid}/feature", of_vm), ("GET", "/nodes/{node}/lxc/{vmid}/feature", of_ct)]

    def _has_feature(self, guest, v):
        config = self.snapshot_of(guest, v["snapname"]) if v.get("snapname") else guest.config
        if v["feature"] == "snapshot":
            return int(self._can_be_snapshotted(guest))
        based = all("base-" in volume or "basevol-" in volume for _, volume, _ in self.disks_of(guest, config))
        return int(v["feature"] == "copy" or based)

    # ------------------------------------------------------------------------------------- take

    async def _qm_snapshot(self, v, user):
        self.find(v["node"], v["vmid"])
        return await self._take(self.find, v, user, "qmsnapshot", ("current", "pending"))

    async def _lxc_snapshot(self, user, v):
        return await self._take(self._find_ct, v, user, "vzsnapshot", ("current", "vzdump"))

    async def _take(self, find, v, user, kind, reserved):
        name = v["snapname"]
        if name.lower() in reserved:
            raise die(f"unable to use snapshot name '{name.lower()}' (reserved name)")
        self.need_quorum()

        async def body():
            guest = self.found_by_worker(find, v)
            self._prepare(guest, name, v)
            try:
                await self.pause(self.task_secs["snapshot"])
            except BaseException:
                self._drop_snapshot(guest, name)
                self._qm_lock(guest, None)
                raise
            guest.snapshots[name].pop("snapstate")
            guest.config["parent"] = name
            self._qm_lock(guest, None)
            return [f"snapshotting '{key}' ({volume})" for key, volume, _ in self.disks_of(guest, guest.config)]
        return await self.task(v["node"], kind, v["vmid"], user, body)

    def _prepare(self, guest, name, v):
        if guest.template:
            raise TaskError("you can't take a snapshot if it's a template")
        self.worker_lock(guest)
        if name in guest.snapshots:
            raise TaskError(f"snapshot name '{name}' already used")
        if not self._can_be_snapshotted(guest):
            raise TaskError("snapshot feature is not available")
        self._qm_lock(guest, "snapshot")
        for other in guest.snapshots.values():
            if other.get("parent") == name:
                del other["parent"]
        snap = guest.snapshots[name] = {}
        if v.get("vmstate") and guest.status == "running":
            self.save_state(guest, name, snap)
        snap.update({k: x for k, x in guest.config.items() if k not in SNAPSHOT_SKIP and not k.startswith("unused")})
        snap.update(snapstate="prepare", snaptime=int(time.time()))
        if v.get("description"):
            snap["description"] = self.kept_text(guest, v["description"])

    @staticmethod
    def kept_text(guest, text):
        """A description as it comes back: one of a container ends with a line feed, of a VM's the end is cut."""
        return text.rstrip("\n") + "\n" if isinstance(guest, FakeCt) else text.rstrip()

    def _can_be_snapshotted(self, guest):
        """Whether all volumes can be snapshotted: storages may refuse, and a container's bind mounts do."""
        volumes = [volume for _, volume, _ in self.disks_of(guest, guest.config)]
        if any(volume_ref(volume)[0] in self.no_snapshots for volume in volumes):
            return False
        if guest in self.vms:
            return self._qm_can_snapshot(guest.config)
        mounts = [parse_mount(x).get("volume", "") for k, x in guest.config.items()
                  if MOUNT_KEY.match(k) and not k.startswith("unused")]
        return all(mount_type(x) == "volume" for x in mounts) and all(
            self.storages.get(volume_ref(x)[0], {}).get("type", "lvmthin") in SNAPSHOT_STORAGE for x in mounts)

    # ----------------------------------------------------------------------------------- remove

    async def _qm_snapshot_delete(self, v, user):
        return await self._remove(self.find, v, user, "qmdelsnapshot")

    async def _lxc_snapshot_delete(self, user, v):
        return await self._remove(self._find_ct, v, user, "vzdelsnapshot")

    async def _remove(self, find, v, user, kind):
        name = v["snapname"]
        self.need_quorum()

        async def body():
            guest = self.found_by_worker(find, v)
            if name not in guest.snapshots:
                raise TaskError(f"snapshot '{name}' does not exist")
            self.worker_lock(guest)
            if guest.template:
                raise TaskError("you can't delete a snapshot if vm is a template")
            self._qm_lock(guest, "snapshot-delete")
            guest.snapshots[name]["snapstate"] = "delete"
            await self.pause(self.task_secs["delsnapshot"])
            self._drop_snapshot(guest, name)
            self._qm_lock(guest, None)
        return await self.task(v["node"], kind, v["vmid"], user, body)

    def _drop_snapshot(self, guest, name):
        """Forget a snapshot: those made on it hang on its parent now, volumes that only it held are unused."""
        snap = guest.snapshots.pop(name)
        for other in (*guest.snapshots.values(), guest.config):
            if other.get("parent") == name:
                if snap.get("parent"):
                    other["parent"] = snap["parent"]
                else:
                    del other["parent"]
        if snap.get("vmstate"):
            self._qm_free(snap["vmstate"])
        for _, volume, _ in self.disks_of(guest, snap):
            if self._qm_volume(volume) and not self.in_use(guest, volume):
                self.keep_unused(guest, volume)
        self.tidy(guest)

    # -------------------------------------------------------------------------------- roll back

    async def _qm_rollback(self, v, user):
        return await self._roll_back(self.find, v, user, "qmrollback")

    async def _lxc_rollback(self, user, v):
        return await self._roll_back(self._find_ct, v, user, "vzrollback")

    async def _roll_back(self, find, v, user, kind):
        name = v["snapname"]
        if v.get("start"):
            self.require(user, f"/vms/{v['vmid']}", "VM.PowerMgmt")
        self.need_quorum()

        async def body():
            guest = self.found_by_worker(find, v)
            snap = self._way_back(guest, name)
            self._now_stopped(guest)
            self._qm_lock(guest, "rollback")
            await self.pause(self.task_secs["rollback"])
            self._qm_lock(guest, None)
            self._restore_snapshot(guest, name, snap)
            # The start that `start` asks for is a task of its own, whose failure is none of this one.
            if snap.get("vmstate") or (v.get("start") and not guest.start_error):
                await self.pause(guest.start_secs)
                self._now_running(guest)
        return await self.task(v["node"], kind, v["vmid"], user, body)

    def _way_back(self, guest, name):
        if guest.template:
            raise TaskError("you can't rollback if vm is a template")
        if name not in guest.snapshots:
            raise TaskError(f"snapshot '{name}' does not exist")
        snap = guest.snapshots[name]
        newer = list(guest.snapshots)[list(guest.snapshots).index(name) + 1:]
        for _, volume, _ in self.disks_of(guest, snap):
            if newer and self.storages.get(volume_ref(volume)[0], {}).get("type") == "zfspool":
                raise TaskError(f"can't rollback, '{name}' is not most recent snapshot on '{volume}'")
        if snap.get("snapstate"):
            raise TaskError(f"unable to rollback to incomplete snapshot (snapstate = {snap['snapstate']})")
        self.worker_lock(guest)
        return snap

    def _restore_snapshot(self, guest, name, snap):
        """The configuration of the snapshot; description and unused disks stay, newer disks become unused."""
        before = [volume for _, volume, _ in self.disks_of(guest, guest.config)]
        held = self.disks_of(guest, snap)
        config = {k: x for k, x in snap.items() if k not in (*SNAPSHOT_SKIP, *RUNNING_KEYS)}
        config.update({k: x for k, x in guest.config.items() if k == "description" or k.startswith("unused")})
        config["parent"] = name
        if config.get("vmgenid"):
            config["vmgenid"] = str(uuid.uuid4())
        guest.config, guest.pending = config, {}
        for volume in before:
            if self._qm_volume(volume) and not any(volume == other for _, other, _ in held):
                self.keep_unused(guest, volume)
        for _, volume, props in held:
            stored = self._qm_volume(volume)
            if stored and parse_size(props.get("size") or 0):
                stored["size"] = parse_size(props["size"])
        self.tidy(guest)

    # ------------------------------------------------------------------------------ configuration

    async def _qm_snapshot_config_get(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        return {k: self._shown(k, x) for k, x in self.snapshot_of(vm, v["snapname"]).items()}

    async def _qm_snapshot_config_put(self, v, user):
        self._describe(self.find(v["node"], v["vmid"]), v)

    async def _lxc_snapshot_config_put(self, user, v):
        self._describe(self._find_ct(v["node"], v["vmid"]), v)

    def _describe(self, guest, v):
        self.checked(guest)
        snap = self.snapshot_of(guest, v["snapname"])
        if v.get("description") is not None:
            snap["description"] = self.kept_text(guest, v["description"])
