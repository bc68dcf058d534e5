# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST qemu: a VM from its parameters, or restored from an archive; and its end, or its life as a template."""

import time
import uuid

from fakepve import PveError, TaskError
from fakepve.lxc import parse_size
from fakepve.qemu import CREATE_ONLY, DRIVE_KEY, boot_order, drives_of, is_cdrom, join_drive, volume_ref
from fakepve.routing import die, param_error

from .guests import Vm
from .qemu_config import stored_values

VERSIONS = {8: "9.2.0", 9: "10.1.2"}


class QemuCreate:
    """Mixin: making and destroying VMs."""

    # ----------------------------------------------------------------------------------- create

    def _may_create(self, v, user, vmid):
        pool = v.get("pool")
        self.need_quorum()
        self._qm_check_pool(pool)
        if v.get("storage"):
            self.require(user, "/storage/" + v["storage"], "Datastore.AllocateSpace")
        if v.get("ha-managed"):
            self.require(user, "/", "Sys.Console")
        if v.get("start"):
            self._qm_perm(user, vmid, pool, "VM.PowerMgmt")
        paths = [f"/vms/{vmid}"] + (["/pool/" + pool] if pool else [])
        over = v.get("archive") and v.get("force") and self.vm(vmid) and self.allowed(user, paths[0], "VM.Backup")
        if not over and not any(self.allowed(user, path, "VM.Allocate") for path in paths):
            raise PveError(403, "Permission check failed")

    async def _qm_create(self, v, user):
        node, vmid = v["node"], int(v["vmid"])
        values = {k: x for k, x in v.items() if k not in CREATE_ONLY and x is not None}
        values = self.with_addresses(vmid, stored_values(values))
        self._may_create(v, user, vmid)
        archive = self._archive(v, values, user) if v.get("archive") else None
        self.check_drives(user, vmid, values, v.get("storage"))
        # Who may allocate a VM may give it drives; their storages were asked for.
        self.check_keys(user, vmid, v.get("pool"), {k: x for k, x in values.items() if not DRIVE_KEY.match(k)}, {})
        self.check_bridges(user, values)
        emsg = f"unable to {'restore' if archive else 'create'} VM {vmid} -"
        existing = self.vm(vmid)
        if self._qm_taken(vmid) and not (archive and existing and existing.node == node and v.get("force")):
            there = self.guest(vmid)
            kind = "VM" if there in self.vms else "CT"
            raise die(f"{emsg} {kind} {vmid} already exists on node '{there.node}'")
        if existing and existing.lock:
            raise die(f"{emsg} VM is locked ({existing.lock})")
        vm = existing or Vm(vmid, f"VM {vmid}", node=node)
        if not existing:
            vm.config = {}
            self.vms.append(vm)
        self._qm_lock(vm, "create")
        made = []

        async def body():
            try:
                await self.pause(self.task_secs["create"])
                if archive:
                    self._restore(vm, archive, values, v, made)
                else:
                    self._fill(vm, values, v.get("storage"), made)
            except (PveError, TaskError) as e:
                for volid in made:
                    self._qm_free(volid)
                self._give_up(vm, archive)
                raise TaskError(f"{emsg} {e}") from e
            self._qm_lock(vm, None)
            self.tidy(vm)
            return self._created(vm, v, made)

        def done():
            # A worker that a fault or a signal ended leaves no half-made guest behind.
            if vm.lock == "create" and vm in self.vms:
                self._give_up(vm, archive)
        return await self.task(node, "qmrestore" if archive else "qmcreate", vmid, user, body, vm=vm, done=done)

    def _give_up(self, vm, archive):
        self._qm_lock(vm, None)
        if not archive and vm in self.vms:
            self.vms.remove(vm)

    def _created(self, vm, v, made):
        if v.get("pool"):
            self._pool_join(v["pool"], vm.vmid)
        if v.get("ha-managed"):
            vm.ha_state = "started" if v.get("start") else "stopped"
        if v.get("start"):
            self._now_running(vm)
        return [f"successfully created disk '{volid}'" for volid in made]

    def _fill(self, vm, values, default, made):
        config = dict(values)
        for key in sorted(k for k in values if DRIVE_KEY.match(k)):
            del config[key]
            config[key] = self.made_drive(vm, key, values[key], default, made, config)
        if not config.get("boot"):
            order = boot_order(config)
            config.update({"boot": order} if order else {"boot": " "})
        else:
            self._check_boot(config)
        config["meta"] = f"creation-qemu={VERSIONS[self.major]},ctime={int(time.time())}"
        config.setdefault("smbios1", f"uuid={uuid.uuid4()}")
        config.setdefault("vmgenid", str(uuid.uuid4()))
        vm.config = {**config, "lock": "create"}

    # ---------------------------------------------------------------------------------- restore

    def _archive(self, v, values, user):
        """The volume of the archive to restore."""
        for key in values:
            if DRIVE_KEY.match(key):
                raise param_error(**{key: "option conflicts with option 'archive'"})
        sid, name = volume_ref(v["archive"])
        if sid is None:
            raise die("Only root can pass arbitrary filesystem paths.")
        kind, owner, _ = self._parse_volname(self._store(sid), name)
        if kind != "backup":
            raise die(f"unable to use volume {v['archive']} - content type needs to be 'backup'")
        self._check_access(user, sid, kind, owner, v["archive"])
        stored = self._volumes(sid).get(name)
        if stored is None:
            raise die(f"volume '{v['archive']}' does not exist")
        return stored

    def _restore(self, vm, archive, values, v, made):
        """The configuration and disks that the archive has; one that tells none holds a small VM."""
        if vm.status == "running":
            raise die("vm is running")
        self._protected(vm, "")
        for _, volume, _ in drives_of(vm.config):
            if self.owner_of(volume) == vm.vmid:
                self._qm_free(volume)
        config = {"memory": "512", "scsi0": "local-lvm:vm-0-disk-0,size=1G", **archive.get("config", {}), **values}
        for key, volume, props in drives_of(config):
            sid = volume_ref(volume)[0]
            if sid is None or (is_cdrom(volume, props) and "cloudinit" not in volume):
                continue
            sid = v.get("storage") or sid
            if "cloudinit" in volume:
                config[key] = self.made_drive(vm, key, f"{sid}:cloudinit", None, made, {})
                continue
            volid, _ = self._qm_alloc(sid, vm.vmid, None, parse_size(props.get("size") or 0) or 0)
            made.append(volid)
            config[key] = join_drive(volid, props)
        if v.get("unique"):
            config = self.with_addresses(vm.vmid, config, fresh=True)
        config["vmgenid"] = str(uuid.uuid4())
        vm.snapshots, vm.pending = {}, {}
        vm.config = {**{k: x for k, x in config.items() if k not in ("parent", "template")}, "lock": "create"}

    # ---------------------------------------------------------------------------------- destroy

    async def _qm_destroy(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        self._can_be_destroyed(vm, v)

        async def body():
            try:
                self._can_be_destroyed(vm, v)
            except PveError as e:
                raise TaskError(e.message) from e
            if not v.get("skiplock"):
                self.worker_lock(vm, ("suspended",))
            used = self.bases_in_use(vm)
            if used:
                raise TaskError(f"base volume '{min(used)}' is still in use by linked cloned")
            self._qm_lock(vm, "destroyed")
            await self.pause(self.task_secs["destroy"])
            self.free_all(vm, v.get("destroy-unreferenced-disks"))
            return self.forget_guest(vm, v)
        return await self.task(vm.node, "qmdestroy", vm.vmid, user, body, vm=vm)

    def _can_be_destroyed(self, vm, v):
        self._protected(vm, f"can't remove VM {vm.vmid}")
        if vm.ha_managed and not v.get("purge"):
            raise die(f"unable to remove VM {vm.vmid} - used in HA resources and purge parameter not set.")
        if vm.status == "running":
            raise die(f"VM {vm.vmid} is running - destroy failed")

    # --------------------------------------------------------------------------------- template

    async def _qm_template(self, v, user):
        vm, disk = self.find(v["node"], v["vmid"]), v.get("disk")
        self._can_be_template(vm, disk)

        async def body():
            try:
                self._can_be_template(vm, disk)
            except PveError as e:
                raise TaskError(e.message) from e
            await self.pause(self.task_secs["template"])
            vm.template = True
            vm.config["template"] = 1
            for key, volume, props in drives_of(vm.config, skip_cdrom=True):
                if disk in (None, key):
                    vm.config[key] = join_drive(self._qm_rename_volume(volume), props)
        return await self.task(vm.node, "qmtemplate", vm.vmid, user, body, vm=vm)

    def _can_be_template(self, vm, disk):
        self.checked(vm)
        if vm.snapshots:
            raise die("unable to create template, because VM contains snapshots")
        if vm.template and not disk:
            raise die("you can't convert a template to a template")
        if vm.status == "running":
            raise die("you can't convert a VM to template if VM is running")
