# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/clone: with its rights, locks, duration and the unnamed time."""

import re
import uuid

from fakepve import PveError, TaskError
from fakepve.lxc import format_size, parse_size, split_props
from fakepve.qemu import CLONE_SKIP, DRIVE_KEY, is_cdrom, join_drive, split_drive, volume_ref
from fakepve.routing import die, param_error, split_list

from .guests import Vm

# The server waits this long for the lock on the source and on the new VMID, in seconds.
SOURCE_LOCK_WAIT = 1
# Storages whose linked volumes are called base-9000-disk-0/vm-300-disk-0.
BASE_IN_NAME = ("rbd", "zfspool")


class QemuClone:
    """Mixin: clones."""

    def _own_routes_clone(self):
        return [("POST", "/nodes/{node}/qemu/{vmid}/clone", self._clone)]

    async def _clone(self, v, user):
        node, vmid, newid = v["node"], int(v["vmid"]), int(v["newid"])
        pool, storage, target = v.get("pool"), v.get("storage"), v.get("target")
        target = None if target in (node, "localhost") else target
        self._qm_check_pool(pool)
        if target and target not in self.nodes:
            raise die(f"no such cluster node '{target}'")
        if storage:
            store = self._check_enabled(storage, target or node)
            if "images" not in split_list(store.get("content")):
                raise param_error(storage=f"storage '{storage}' does not support vm images")
            if target and not self.is_shared(storage):
                raise die(f"can't clone to non-shared storage '{storage}'")
        self.need_quorum()
        source = self.vm(vmid)
        if source is None or source.node != node:
            raise die(f"unable to find configuration file for VM {vmid} on node '{node}'")
        self.checked(source)
        old = self._clone_source(source, v.get("snapname"))
        full = not source.template if v.get("full") is None else bool(v["full"])
        for name in ("storage", "format"):
            if v.get(name) and not full:
                raise die(f"parameter '{name}' not allowed for linked clones")
        disks, other = self._clone_parts(old, full, v.get("snapname"))
        self._clone_rights(user, old, disks, storage, target)
        if self._qm_taken(newid):
            raise die(f"unable to create VM {newid}: config file already exists")
        other = self.with_addresses(newid, other, fresh=True)
        new = Vm(newid, f"VM {newid}", node=node)
        new.config = {}
        self._qm_lock(new, "clone")
        self.vms.append(new)
        name = v.get("name") or f"Copy-of-VM-{source.config.get('name') or vmid}"

        async def body():
            shared = source.status != "running"
            holder = f"clone {newid}"
            try:
                await self.acquire(source, holder, SOURCE_LOCK_WAIT, shared=shared)
                try:
                    await self.pause(self.clone_secs if source.clone_secs is None else source.clone_secs)
                    self._fill_clone(new, vmid, disks, other, full, storage, v.get("format"))
                finally:
                    self.release(source, holder)
            except (PveError, TaskError) as e:
                self._drop_clone(new)
                raise TaskError(f"clone failed: {e}") from e
            new.config["name"] = new.name = name
            if v.get("description"):
                new.config["description"] = v["description"]
            self._qm_lock(new, None)
            if pool:
                self._pool_join(pool, newid)
            if target:
                new.node = target

        def done():
            # A worker that a fault or a signal ended leaves no half-made guest behind.
            if new.lock == "clone" and new in self.vms:
                self._drop_clone(new)
        return await self.task(node, "qmclone", vmid, user, body, vm=new, done=done)

    @staticmethod
    def _clone_source(source, snapname):
        if snapname and snapname not in source.snapshots:
            raise die(f"snapshot '{snapname}' does not exist")
        return source.snapshots[snapname] if snapname else source.config

    def _clone_parts(self, old, full, snapname):
        """The disks to copy, {key: (volume, options)}, and all other keys of the new configuration."""
        disks, other = {}, {}
        for key, value in old.items():
            if key in CLONE_SKIP or re.fullmatch(r"unused\d+", key):
                continue
            if re.fullmatch(r"net\d+", key):
                other[key] = value
                continue
            if not DRIVE_KEY.match(key):
                other[key] = value
                continue
            volume, props = split_drive(value)
            sid = volume_ref(volume)[0]
            if sid is None or (is_cdrom(volume, props) and "cloudinit" not in volume):
                other[key] = value
                continue
            if sid not in self.storages:
                raise die(f"storage '{sid}' does not exist")
            if not full and "base-" not in volume and "cloudinit" not in volume:
                of = "a snapshot of " if snapname else ""
                raise die(f"Linked clone feature is not supported for {of}'{volume}' ({key})")
            disks[key] = (volume, props)
        return disks, other

    def _clone_rights(self, user, old, disks, storage, target):
        local = None
        for volume, _ in disks.values():
            sid = volume_ref(volume)[0]
            if "cloudinit" not in volume:
                sid = storage or sid
                self.require(user, "/storage/" + sid, "Datastore.AllocateSpace")
            if not self.is_shared(sid):
                local = sid
        for key, value in old.items():
            if re.fullmatch(r"net\d+", key):
                self.check_bridge(user, value)
        if target and local:
            raise die(f"can't clone VM to node '{target}' (VM uses local storage)")

    def _fill_clone(self, new, vmid, disks, other, full, storage, fmt):
        """What the worker does while it holds the locks: allocate the disks, write the configuration."""
        config = dict(other)
        for key, (volume, props) in sorted(disks.items()):
            sid, name = volume_ref(volume)
            known = self._volumes_of(sid).get(name) or {}
            dest = storage if full and storage else sid
            if "cloudinit" in volume:
                config[key] = self.made_drive(new, key, f"{dest}:cloudinit", None, [], {})
                continue
            size = int(known.get("size") or parse_size(props.get("size") or 0) or 0)
            base = None if full else f"{vmid}/{name.split('/')[-1]}"
            kind = self.known_format(dest, fmt) or self.known_format(dest, known.get("format"))
            volid, _ = self._qm_alloc(dest, new.vmid, kind, size, linked_from=base)
            if not full:
                volid = self._linked(volid, volume)
            config[key] = join_drive(volid, {**props, **({"size": format_size(size)} if size else {})})
        smbios = split_props("x," + str(config.get("smbios1", "")))[1]
        smbios["uuid"] = str(uuid.uuid4())
        config["smbios1"] = ",".join(f"{k}={smbios[k]}" for k in sorted(smbios))
        if config.get("vmgenid"):
            config["vmgenid"] = str(uuid.uuid4())
        new.config = {**config, "lock": "clone"}

    def _linked(self, volid, base):
        """The id of a linked volume; RBD and ZFS name the base image before it."""
        sid, name = volume_ref(volid)
        volumes = self._volumes_of(sid)
        volume = volumes.pop(name)
        if self.storages[sid].get("type") in BASE_IN_NAME:
            name = f"{volume_ref(base)[1].rpartition('/')[2]}/{name}"
        volumes[name] = {**volume, "parent": base}
        return f"{sid}:{name}"

    def _drop_clone(self, new):
        for key, value in new.config.items():
            if DRIVE_KEY.match(key):
                self._qm_free(split_drive(value)[0])
        if new in self.vms:
            self.vms.remove(new)
