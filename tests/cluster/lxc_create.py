# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST lxc: a container from a template, restored from an archive, or cloned; and its end."""

import re

from fakepve import FakeCt, PveError, TaskError
from fakepve.lxc import CREATE_ONLY, arch_of, mount_type, ostype_of, parse_mount, parse_size, print_mount
from fakepve.qemu import volume_ref
from fakepve.routing import die

MOUNT = re.compile(r"rootfs|mp\d+")
SIZE_ONLY = re.compile(r"\d+(\.\d+)?")
# What a clone does not take from its source.
NOT_CLONED = ("snapshots", "parent", "snaptime", "snapstate", "pending", "template", "lock")


class LxcCreate:
    """Mixin: making, cloning and destroying containers."""

    # ----------------------------------------------------------------------------------- create

    def _may_create_ct(self, v, user, vmid, existing):
        restore, force, pool = v.get("restore"), v.get("force"), v.get("pool")
        self.need_quorum()
        if not restore and v.get("unprivileged") == 0 and self.major >= 9:
            self.require(user, "/", "Sys.Modify")
        if v.get("ha-managed"):
            self.require(user, "/", "Sys.Console")
        if not (existing and restore and force):
            self._check_vmid_unused(vmid)
        elif existing.status == "running":
            raise die("can't overwrite running container")
        else:
            self._protected(existing, f"unable to restore CT {vmid}")
        self._qm_check_pool(pool)
        paths = [f"/vms/{vmid}"] + (["/pool/" + pool] if pool else [])
        over = existing and restore and force and self.allowed(user, paths[0], "VM.Backup")
        if not over and not any(self.allowed(user, path, "VM.Allocate") for path in paths):
            raise PveError(403, "Permission check failed")

    async def _lxc_create(self, user, v):
        node, vmid = v["node"], int(v["vmid"])
        existing = self.ct(vmid)
        existing = existing if existing is not None and existing.node == node else None
        self._may_create_ct(v, user, vmid, existing)
        unprivileged = 1 if v.get("unprivileged") is None else int(v["unprivileged"])
        values = {k: x for k, x in v.items() if k not in CREATE_ONLY and not k.startswith("unused") and x is not None}
        self._check_modify_perm(user, vmid, v.get("pool"), None, values, [], unprivileged)
        self._check_template(user, v["ostemplate"], bool(v.get("restore")))
        storage = v.get("storage") or "local"
        mounts = {k: f"{storage}:{x}" if SIZE_ONLY.fullmatch(str(x)) else str(x) for k, x in values.items()
                  if MOUNT.fullmatch(k)}
        self._check_mounts(mounts, storage, user, vmid, node)
        config = self.ct_values(vmid, {k: x for k, x in values.items() if not MOUNT.fullmatch(k)})
        verb = "restore" if v.get("restore") else "create"
        if existing:
            self.checked(existing)
        ct = existing or FakeCt(vmid, node=node, defaults=False)
        if not existing:
            self.cts.append(ct)
        self._qm_lock(ct, "create")
        made = []

        async def body():
            try:
                await self.pause(self.task_secs["create"])
                if self.volume_exists(v["ostemplate"]) is False:
                    raise TaskError(f"volume '{v['ostemplate']}' does not exist")
                self._fill_ct(ct, v, config, mounts, unprivileged, made)
            except (PveError, TaskError) as e:
                for volid in made:
                    self._qm_free(volid)
                self._give_up_ct(ct, existing)
                raise TaskError(f"unable to {verb} CT {vmid} - {e}") from e
            self._qm_lock(ct, None)
            if v.get("pool"):
                self._pool_join(v["pool"], vmid)
            if v.get("ha-managed"):
                ct.ha_state = "started" if v.get("start") else "stopped"
            if v.get("start"):
                self._now_running(ct)

        def done():
            # A worker that a fault or a signal ended leaves no half-made container behind.
            if ct.lock == "create" and ct in self.cts:
                self._give_up_ct(ct, existing)
        return await self.task(node, "vz" + verb, vmid, user, body, vm=ct, done=done)

    def _give_up_ct(self, ct, existing):
        self._qm_lock(ct, None)
        if not existing and ct in self.cts:
            self.cts.remove(ct)

    def _check_mounts(self, mounts, storage, user, vmid, node):
        if mounts and "rootfs" not in mounts:
            raise die("mount points configured, but 'rootfs' not set - aborting")
        for value in mounts.values():
            volume = parse_mount(value).get("volume", "")
            if mount_type(volume) == "volume":
                self._check_enabled(volume_ref(volume)[0], node)
                self._storage_for(volume_ref(volume)[0], user, vmid)
            elif user != "root@pam":
                raise die("Only root can pass arbitrary filesystem paths.")
        if not mounts:
            self._check_enabled(storage, node)
            self._storage_for(storage, user, vmid)

    def _fill_ct(self, ct, v, config, mounts, unprivileged, made):
        """What the worker makes: volumes and the configuration; from an archive, what it tells of both."""
        told = {}
        if v.get("restore"):
            sid, name = volume_ref(v["ostemplate"])
            told = dict(self._volumes(sid)[name].get("config", {}))
            self.free_all(ct, False)
        if not mounts:
            storage = v.get("storage") or "local"
            mounts = {k: self._anew(x, storage) for k, x in told.items() if MOUNT.fullmatch(k)} or {
                "rootfs": f"{storage}:4"}
        kept = {k: x for k, x in told.items() if not MOUNT.fullmatch(k) and k not in NOT_CLONED
                and not k.startswith("unused")}
        if v.get("unique"):
            kept = {k: re.sub(r",?hwaddr=[^,]+", "", str(x)) if k.startswith("net") else x for k, x in kept.items()}
        final = {**self.ct_values(ct.vmid, kept), **config}
        for key in sorted(mounts, key=lambda key: (key != "rootfs", key)):
            final[key] = self.made_mount(ct.vmid, key, mounts[key], made)
        if told.get("unprivileged", unprivileged) if v.get("unprivileged") is None else unprivileged:
            final["unprivileged"] = 1
        for key, value in (("hostname", f"CT{ct.vmid}"), ("memory", 512), ("swap", 512),
                           ("ostype", ostype_of(v["ostemplate"])), ("arch", arch_of(v["ostemplate"]))):
            final.setdefault(key, value)
        if final.get("ostype") == "auto":
            final["ostype"] = ostype_of(v["ostemplate"])
        ct.config, ct.pending, ct.snapshots = {**final, "lock": "create"}, {}, {}

    @staticmethod
    def _anew(value, storage):
        """A mount point of an archive with a volume still to be allocated."""
        mount = parse_mount(value)
        gib = (parse_size(mount.pop("size", "") or "") or 0) / 1024 ** 3
        return print_mount({**mount, "volume": f"{storage}:{gib:g}"})

    # ----------------------------------------------------------------------------------- clone

    async def _lxc_clone(self, user, v):
        node, vmid, newid, storage = v["node"], int(v["vmid"]), int(v["newid"]), v.get("storage")
        target = None if v.get("target") in (node, "localhost") else v.get("target")
        self._qm_check_pool(v.get("pool"))
        if target and target not in self.nodes:
            raise die(f"no such cluster node '{target}'")
        if storage:
            self._check_enabled(storage, target or node)
            if target and not self.is_shared(storage):
                raise die(f"can't clone to non-shared storage '{storage}'")
        self.need_quorum()
        source = self._find_ct(node, vmid)
        self.checked(source)
        self._check_vmid_unused(newid)
        config, mounts, full = self._cloned_parts(source, v, user, target)
        new = FakeCt(newid, node=node, defaults=False, config=self.with_new_cards(newid, config))
        self._qm_lock(source, "disk")
        self._qm_lock(new, "create")
        self.cts.append(new)
        made = []

        async def body():
            try:
                await self.pause(self.task_secs["clone"] if source.clone_secs is None else source.clone_secs)
                for key, mount in sorted(mounts.items()):
                    made.append(self._cloned_volume(mount, newid, storage, full))
                    new.config[key] = print_mount({**mount, "volume": made[-1]}, key == "rootfs")
            except PveError as e:
                raise TaskError(f"clone failed: {e.message}") from e
            if v.get("pool"):
                self._pool_join(v["pool"], newid)
            self._qm_lock(new, None)
            if target:
                new.node = target

        def done():
            self._qm_lock(source, None)
            if new.lock == "create" and new in self.cts:
                for volid in made:
                    self._qm_free(volid)
                self.cts.remove(new)
        return await self.task(node, "vzclone", vmid, user, body, lock=False, done=done,
                               log=[f"creating a clone of container {vmid} with ID {newid}"])

    def _cloned_parts(self, source, v, user, target):
        """(configuration, mount points to copy, whether in full) of a clone."""
        snapname, storage = v.get("snapname"), v.get("storage")
        full = not source.template if v.get("full") is None else bool(v["full"])
        if storage and not full:
            raise die("parameter 'storage' not allowed for linked clones")
        old = self.snapshot_of(source, snapname) if snapname else source.config
        config, mounts = {}, {}
        for key, value in sorted(old.items()):
            if MOUNT.fullmatch(key):
                mounts[key] = self._clonable(key, parse_mount(value), source, full, v, user)
            elif key not in NOT_CLONED and not key.startswith("unused"):
                config[key] = value
                if key.startswith("net"):
                    self.check_bridge(user, value)
        sids = [storage or volume_ref(mount["volume"])[0] for mount in mounts.values()]
        if target and not all(self.is_shared(sid) for sid in sids):
            raise die(f"can't clone CT to node '{target}' (CT uses local storage)")
        if v.get("hostname"):
            config["hostname"] = v["hostname"]
        if v.get("description"):
            config["description"] = self.kept_text(source, v["description"])
        return config, mounts, full

    def _clonable(self, key, mount, source, full, v, user):
        volume = mount.get("volume", "")
        if mount_type(volume) != "volume":
            raise die(f"unable to clone mountpoint '{key}' (type {mount_type(volume)})")
        sid = v.get("storage") or volume_ref(volume)[0]
        self._store(sid)
        self.require(user, "/storage/" + sid, "Datastore.AllocateSpace")
        if full and source.status == "running" and not v.get("snapname"):
            raise die("Full clone of a running container is only possible from a snapshot")
        if not full and not re.search(r"(^|[:/])base(vol)?-\d+-disk-\d+$", volume):
            raise die(f"Linked clone feature for '{volume}' is not available")
        return mount

    def _cloned_volume(self, mount, newid, storage, full):
        volid = self.copied_volume(mount["volume"], mount, newid, storage or volume_ref(mount["volume"])[0])
        return volid if full else self._linked(volid, mount["volume"])

    def with_new_cards(self, vmid, config):
        return self.ct_values(vmid, {k: re.sub(r",?hwaddr=[^,]+", "", str(x)) if re.fullmatch(r"net\d+", k) else x
                                     for k, x in config.items()})

    # ---------------------------------------------------------------------------------- destroy

    async def _lxc_destroy(self, user, v):
        ct = self._find_ct(v["node"], v["vmid"])
        self._ct_can_be_destroyed(ct, v)
        running = ct.status == "running"

        async def body():
            try:
                self._ct_can_be_destroyed(ct, v)
            except PveError as e:
                raise TaskError(e.message) from e
            self._now_stopped(ct)
            used = self.bases_in_use(ct)
            if used:
                raise TaskError(f"base volume '{min(used)}' is still in use by linked cloned")
            self._qm_lock(ct, "destroyed")
            await self.pause(self.task_secs["destroy"])
            self.free_all(ct, v.get("destroy-unreferenced-disks"))
            return self.forget_guest(ct, v)
        return await self.task(ct.node, "vzdestroy", ct.vmid, user, body, vm=ct, log=[
            f"forced to stop CT {ct.vmid} before destroying!"] if running else [])

    def _ct_can_be_destroyed(self, ct, v):
        self._protected(ct, f"can't remove CT {ct.vmid}")
        self.checked(ct)
        if ct.ha_managed and not v.get("purge"):
            raise die(f"unable to remove CT {ct.vmid} - used in HA resources and purge parameter not set.")
        if ct.status == "running" and not v.get("force"):
            raise die(f"unable to destroy CT {ct.vmid} - container is running")

    # --------------------------------------------------------------------------------- template

    async def _lxc_template(self, user, v):
        ct = self._find_ct(v["node"], v["vmid"])
        self.checked(ct)
        if ct.snapshots:
            raise die("unable to create template, because CT contains snapshots")
        if ct.template:
            raise die("you can't convert a template to a template")
        if ct.status == "running":
            raise die("you can't convert a CT to template if the CT is running")
        for key, value in ct.config.items():
            if MOUNT.fullmatch(key) and mount_type(parse_mount(value)["volume"]) != "volume":
                raise die(f"Template feature is not available for '{parse_mount(value)['volume']}'")

        async def body():
            await self.pause(self.task_secs["template"])
            for key, volume, mount in self.disks_of(ct, ct.config):
                ct.config[key] = print_mount({**mount, "volume": self._qm_rename_volume(volume)}, key == "rootfs")
            ct.config["template"] = 1
        return await self.task(ct.node, "vztemplate", ct.vmid, user, body, vm=ct)
