# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/snapshot: with the guest's RAM, the volumes it holds, and the way back."""

import time
import uuid

from fakepve import TaskError
from fakepve.lxc import parse_size
from fakepve.qemu import SNAPSHOT_SKIP, drives_of, volume_ref
from fakepve.routing import die
from fakepve.storage import _is_file

MIB = 1024 ** 2
RUNNING_KEYS = ("runningmachine", "runningcpu", "running-nets-host-mtu")


class QemuSnapshot:
    """Mixin: snapshots of VMs, and the state of one that was suspended to disk."""

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

    # -------------------------------------------------------------------------------- snapshots

    async def _qm_snapshot(self, v, user):
        vm, name = self.find(v["node"], v["vmid"]), v["snapname"]
        if name == "current" or name.lower() == "pending":
            raise die(f"unable to use snapshot name '{name.lower()}' (reserved name)")
        self.need_quorum()

        async def body():
            self._prepare_snapshot(vm, name, v)
            try:
                await self.pause(self.task_secs["snapshot"])
            except BaseException:
                self._drop_snapshot(vm, name)
                self._qm_lock(vm, None)
                raise
            vm.snapshots[name].pop("snapstate")
            vm.config["parent"] = name
            self._qm_lock(vm, None)
            return [f"snapshotting 'drive-{key}' ({volume})"
                    for key, volume, _ in drives_of(vm.config, skip_cdrom=True)]
        return await self.task(vm.node, "qmsnapshot", vm.vmid, user, body, vm=vm, lock=False)

    def _prepare_snapshot(self, vm, name, v):
        if vm.template:
            raise TaskError("you can't take a snapshot if it's a template")
        self.worker_lock(vm)
        if name in vm.snapshots:
            raise TaskError(f"snapshot name '{name}' already used")
        if not self._qm_can_snapshot(vm.config):
            raise TaskError("snapshot feature is not available")
        self._qm_lock(vm, "snapshot")
        for other in vm.snapshots.values():
            if other.get("parent") == name:
                del other["parent"]
        snap = vm.snapshots[name] = {}
        if v.get("vmstate") and vm.status == "running":
            self.save_state(vm, name, snap)
        snap.update({k: x for k, x in vm.config.items() if k not in SNAPSHOT_SKIP and not k.startswith("unused")})
        snap.update(snapstate="prepare", snaptime=int(time.time()))
        if v.get("description"):
            snap["description"] = v["description"]

    def _drop_snapshot(self, vm, name):
        """Forget a snapshot: those made on it hang on its parent now, volumes that only it held are unused."""
        snap = vm.snapshots.pop(name)
        for other in (*vm.snapshots.values(), vm.config):
            if other.get("parent") == name:
                if snap.get("parent"):
                    other["parent"] = snap["parent"]
                else:
                    del other["parent"]
        if snap.get("vmstate"):
            self._qm_free(snap["vmstate"])
        for _, volume, _ in drives_of(snap, skip_cdrom=True):
            if self._qm_volume(volume) and not self.in_use(vm, volume):
                self.keep_unused(vm, volume)
        self.tidy(vm)

    async def _qm_snapshot_delete(self, v, user):
        vm, name = self.find(v["node"], v["vmid"]), v["snapname"]
        self.need_quorum()

        async def body():
            if name not in vm.snapshots:
                raise TaskError(f"snapshot '{name}' does not exist")
            self.worker_lock(vm)
            self._qm_lock(vm, "snapshot-delete")
            if vm.template:
                raise TaskError("you can't delete a snapshot if vm is a template")
            vm.snapshots[name]["snapstate"] = "delete"
            await self.pause(self.task_secs["delsnapshot"])
            self._drop_snapshot(vm, name)
            self._qm_lock(vm, None)
        return await self.task(vm.node, "qmdelsnapshot", vm.vmid, user, body, vm=vm, lock=False)

    async def _qm_rollback(self, v, user):
        vm, name = self.find(v["node"], v["vmid"]), v["snapname"]
        if v.get("start"):
            self.require(user, f"/vms/{vm.vmid}", "VM.PowerMgmt")
        self.need_quorum()

        async def body():
            snap = self._way_back(vm, name)
            self._now_stopped(vm)
            self._qm_lock(vm, "rollback")
            await self.pause(self.task_secs["rollback"])
            self._qm_lock(vm, None)
            self._restore_snapshot(vm, name, snap)
            if snap.get("vmstate") or v.get("start"):
                await self.pause(vm.start_secs)
                self._now_running(vm)
        return await self.task(vm.node, "qmrollback", vm.vmid, user, body, vm=vm, lock=False)

    def _way_back(self, vm, name):
        if vm.template:
            raise TaskError("you can't rollback if vm is a template")
        if name not in vm.snapshots:
            raise TaskError(f"snapshot '{name}' does not exist")
        snap = vm.snapshots[name]
        self._newest_on_zfs(drives_of(snap, skip_cdrom=True), vm, name)
        if snap.get("snapstate"):
            raise TaskError(f"unable to rollback to incomplete snapshot (snapstate = {snap['snapstate']})")
        self.worker_lock(vm)
        return snap

    def _newest_on_zfs(self, drives, guest, name):
        """ZFS goes back to a volume's newest snapshot only."""
        newer = list(guest.snapshots)[list(guest.snapshots).index(name) + 1:]
        for _, volume, _ in drives:
            if newer and self.storages.get(volume_ref(volume)[0], {}).get("type") == "zfspool":
                raise TaskError(f"can't rollback, '{name}' is not most recent snapshot on '{volume}'")

    def _restore_snapshot(self, vm, name, snap):
        """The configuration of the snapshot; description and unused disks stay, newer disks become unused."""
        before = [volume for _, volume, _ in drives_of(vm.config, skip_cdrom=True)]
        config = {k: x for k, x in snap.items() if k not in (*SNAPSHOT_SKIP, *RUNNING_KEYS)}
        config.update({k: x for k, x in vm.config.items() if k == "description" or k.startswith("unused")})
        config["parent"] = name
        if config.get("vmgenid"):
            config["vmgenid"] = str(uuid.uuid4())
        vm.config, vm.pending, vm.force_delete = config, {}, set()
        for volume in before:
            if self._qm_volume(volume) and not any(volume == held for _, held, _ in drives_of(snap)):
                self.keep_unused(vm, volume)
        for _, volume, props in drives_of(config, skip_cdrom=True):
            stored = self._qm_volume(volume)
            if stored and parse_size(props.get("size") or 0):
                stored["size"] = parse_size(props["size"])
        self.tidy(vm)

    async def _qm_snapshot_config_get(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        return {k: self._shown(k, x) for k, x in self.snapshot_of(vm, v["snapname"]).items()}

    async def _qm_snapshot_config_put(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        self.checked(vm)
        if v.get("description") is not None:
            self.snapshot_of(vm, v["snapname"])["description"] = v["description"]

    def _qm_can_snapshot(self, config):
        return not self.snapshots_refused(volume for _, volume, _ in drives_of(config, skip_cdrom=True)) \
            and super()._qm_can_snapshot(config)

    def snapshots_refused(self, volumes):
        """Whether a storage of the volumes was told not to take snapshots."""
        return any(volume_ref(volume)[0] in self.no_snapshots for volume in volumes)
