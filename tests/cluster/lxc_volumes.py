# SPDX-License-Identifier: AGPL-3.0-or-later
"""A container's volumes: allocated for rootfs and mpN, grown, moved to other storages and containers."""

import re
import time

from fakepve import PveError, TaskError
from fakepve.lxc import NEW_DISK, SIZE_UNITS, format_size, mount_type, parse_mount, parse_size, print_mount
from fakepve.qemu import volume_ref
from fakepve.routing import check_digest, die, split_list
from fakepve.storage import _is_file

from .qemu_drives import boolean

CHANGED = "detected modified configuration - file changed by other user? Try again."
NO_VOLUME = "format error\nvolume: property is missing and it is not optional\n"
UNUSED = re.compile(r"unused\d+")


class LxcVolumes:
    """Mixin: volumes of containers."""

    def _own_routes_lxc_volumes(self):
        ct = "/nodes/{node}/lxc/{vmid}"

        async def move(v, user):
            return await self._move_volume(v, user)

        async def resize(v, user):
            return await self._resize_volume(v, user)
        return [("POST", ct + "/move_volume", move), ("PUT", ct + "/resize", resize)]

    # --------------------------------------------------------------------------------- allocate

    def rootdir_volume(self, vmid, sid, size):
        """Allocate a container's volume of `size` bytes; without a size, and on ZFS, a directory."""
        store = self.storages[sid]
        if "rootdir" not in split_list(store.get("content")):
            raise die(f"content type 'rootdir' is not available or configured on storage '{sid}'")
        name, fmt = self._qm_free_name(sid, vmid, "raw"), "raw"
        if store.get("type") == "zfspool" or (_is_file(store) and not size):
            name, fmt = name.replace("vm-", "subvol-").replace(".raw", ".subvol"), "subvol"
        name = f"{vmid}/{name}" if _is_file(store) else name
        self._volumes_of(sid)[name] = {"content": "rootdir", "format": fmt, "size": size, "vmid": vmid,
                                       "ctime": int(time.time())}
        return f"{sid}:{name}"

    def made_mount(self, vmid, key, value, made):
        """A mount point's value as it is stored, once its volume is there."""
        mount = parse_mount(value)
        new = NEW_DISK.match(mount.get("volume", ""))
        if new:
            size = int(float(new.group(2)) * 1024) * SIZE_UNITS["M"]
            mount.update(volume=self.rootdir_volume(vmid, new.group(1), size), size=format_size(size))
            made.append(mount["volume"])
        elif self.size_of(mount.get("volume", "")) and key != "rootfs":
            mount["size"] = format_size(self.size_of(mount["volume"]))
        elif parse_size(mount.get("size") or ""):
            mount["size"] = format_size(parse_size(mount["size"]))
        for name in ("acl", "backup", "quota", "replicate", "ro", "shared"):
            if name in mount:
                mount[name] = boolean(mount[name])
        return print_mount(mount, key == "rootfs")

    def copied_volume(self, volume, mount, vmid, sid):
        """A new volume on a storage with another one's size."""
        size = self.size_of(volume) or parse_size(mount.get("size") or "") or 0
        return self.rootdir_volume(vmid, sid, size)

    # ------------------------------------------------------------------------------------- grow

    async def _resize_volume(self, v, user):
        ct, key = self._find_ct(v["node"], v["vmid"]), v["disk"]
        self.checked(ct)
        self._vm_perm(user, ct.vmid, None, "VM.Config.Disk")
        check_digest(ct.digest(), v.get("digest"))
        self._grown(ct, key, v["size"], user)

        async def body():
            try:
                mount, size = self._grown(ct, key, v["size"], user)
            except PveError as e:
                raise TaskError(e.message) from e
            await self.pause(self.task_secs["resize"])
            stored = self._qm_volume(mount["volume"])
            if stored:
                stored["size"] = size
            ct.config[key] = print_mount({**mount, "size": format_size(size)}, key == "rootfs")
        return await self.task(ct.node, "resize", ct.vmid, user, body, vm=ct)

    def _grown(self, ct, key, text, user):
        """(mount point, its new size)."""
        if key not in ct.config:
            raise die(NO_VOLUME)
        mount = parse_mount(ct.config[key])
        sid = volume_ref(mount["volume"])[0]
        if sid is None:
            raise die(f"unable to parse volume ID '{mount['volume']}'")
        owner = self.owner_of(mount["volume"])
        if owner not in (None, ct.vmid):
            raise die(f"can't resize mount point owned by another container ({owner})")
        self.require(user, "/storage/" + sid, "Datastore.AllocateSpace")
        now = self.size_of(mount["volume"]) or parse_size(mount.get("size") or "") or 0
        size = parse_size(text.lstrip("+")) + (now if text.startswith("+") else 0)
        if size < now:
            raise die("unable to shrink disk size")
        if size == now:
            raise die("disk is already at specified size")
        return mount, size

    # ------------------------------------------------------------------------------------- move

    async def _move_volume(self, v, user):
        if v.get("storage") and v.get("target-vmid"):
            raise die("either set storage or target-vmid, but not both")
        ct = self._find_ct(v["node"], v["vmid"])
        if v.get("target-vmid"):
            return await self._give_volume(ct, int(v["target-vmid"]), v, user)
        if not v.get("storage"):
            raise die("either 'storage' or 'target-vmid' needs to be set")
        self._vm_perm(user, ct.vmid, None, "VM.Config.Disk")
        self.require(user, "/storage/" + v["storage"], "Datastore.AllocateSpace")
        mount = self._movable(ct, v)
        self._qm_lock(ct, "disk")

        async def body():
            try:
                await self.pause(self.task_secs["move"])
                new = self.copied_volume(mount["volume"], mount, ct.vmid, v["storage"])
            except PveError as e:
                raise TaskError(e.message) from e
            if ct.template:
                new = self._qm_rename_volume(new)
            ct.config[v["volume"]] = print_mount({**mount, "volume": new}, v["volume"] == "rootfs")
            if v.get("delete"):
                self._qm_free(mount["volume"])
            else:
                self.keep_unused(ct, mount["volume"])
        return await self.task(ct.node, "move_volume", ct.vmid, user, body, lock=False,
                               done=lambda: self._qm_lock(ct, None))

    def _movable(self, ct, v):
        key = v["volume"]
        self.checked(ct)
        if ct.status == "running":
            raise die("cannot move volumes of a running container")
        if UNUSED.fullmatch(key):
            raise die(f"cannot move volume '{key}', only configured volumes can be moved to another storage")
        if key not in ct.config:
            raise die(NO_VOLUME)
        mount = parse_mount(ct.config[key])
        if mount_type(mount["volume"]) != "volume":
            raise die(f"unable to parse volume ID '{mount['volume']}'")
        if v.get("delete") and self._held_by_snapshot(ct, mount["volume"]):
            raise die("you can't move a volume with snapshots and delete the source")
        check_digest(ct.digest(), v.get("digest"))
        self._check_enabled(v["storage"], ct.node)
        return mount

    def _held_by_snapshot(self, ct, volume):
        return any(held == volume for snap in ct.snapshots.values() for _, held, _ in self.disks_of(ct, snap))

    async def _give_volume(self, ct, target, v, user):
        self._vm_perm(user, target, None, "VM.Config.Disk")
        key, new_key = v["volume"], v.get("target-volume") or v["volume"]
        self._can_give_volume(ct, target, key, new_key, v)

        async def body():
            try:
                taker, mount = self._can_give_volume(ct, target, key, new_key, v)
            except PveError as e:
                raise TaskError(e.message) from e
            del ct.config[key]
            new = self._renamed(mount["volume"], target)
            taker.config[new_key] = new if UNUSED.fullmatch(new_key) else print_mount({**mount, "volume": new})
        return await self.task(ct.node, "move_volume", f"{ct.vmid}-{key}>{target}-{new_key}", user, body, vm=ct)

    def _can_give_volume(self, ct, target, key, new_key, v):
        if "rootfs" in (key, new_key):
            raise die("Cannot move to/from 'rootfs'")
        if UNUSED.fullmatch(key) and not UNUSED.fullmatch(new_key):
            raise die("Moving an unused volume to a used one is not possible")
        taker = self.ct(target)
        if taker is None:
            raise die(f"could not find CT {target}")
        if taker.node != ct.node:
            raise die(f"Both containers need to be on the same node ({ct.node} != {taker.node})")
        self.checked(ct)
        self.checked(taker)
        if ct.template or taker.template:
            raise die("Can't move volumes from or to template CT")
        for guest, digest in ((ct, v.get("digest")), (taker, v.get("target-digest"))):
            if digest and digest != guest.digest():
                raise die(f"Container {guest.vmid}: {CHANGED}")
        if key not in ct.config:
            raise die(f"volume '{key}' for container '{ct.vmid}' does not exist")
        if new_key in taker.config:
            raise die(f"Target volume key '{new_key}' is already in use for container '{target}'")
        mount = parse_mount(ct.config[key])
        if mount_type(mount["volume"]) != "volume":
            raise die("Cannot move a bindmount or device mount to another container")
        if self._held_by_snapshot(ct, mount["volume"]):
            raise die("Cannot move volume used by a snapshot to another container")
        if ct.status == "running" and not UNUSED.fullmatch(key):
            raise die("Cannot move in-use volume while the source CT is running - detach or shutdown first")
        return taker, mount
