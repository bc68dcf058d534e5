# SPDX-License-Identifier: AGPL-3.0-or-later
"""The volumes of VMs and containers: who owns one, what holds it, how it becomes unusedN and is freed."""

import re

from fakepve import FakeCt
from fakepve.lxc import MOUNT_KEY, mount_type, parse_mount
from fakepve.qemu import DRIVE_KEY, drives_of, is_cdrom, split_drive, volume_ref
from fakepve.routing import die, split_list
from fakepve.storage import _is_file, spec_of

OWNER = re.compile(r"(?:vm|base|subvol|basevol)-(\d+)-[^/]*$")


class Volumes:
    """Mixin: volumes of guests."""

    @staticmethod
    def disks_of(guest, config):
        """(key, volume, options) of the volumes that a guest's configuration uses, without media and unused ones."""
        if not isinstance(guest, FakeCt):
            return drives_of(config, skip_cdrom=True)
        mounts = [(k, parse_mount(config[k])) for k in sorted(config) if MOUNT_KEY.match(k) and k[:2] != "un"]
        return [(k, mount["volume"], mount) for k, mount in mounts if mount_type(mount.get("volume", "")) == "volume"]

    def _volumes_of(self, sid):
        """The volumes a storage holds; seeds register the disks of their guests there."""
        return self.storages[sid].setdefault("volumes", {})

    def owner_of(self, volume):
        """The VMID in a volume's name, or None."""
        found = OWNER.search(volume)
        return int(found[1]) if found else None

    def known_format(self, sid, fmt):
        """A format if the storage has it, otherwise None: the server takes the storage's default then."""
        spec = spec_of(self.storages[sid]) or {}
        return fmt if fmt in (spec.get("formats") or ["raw"]) else None

    def size_of(self, volid):
        """Bytes of a volume as a disk; of an image file its virtual size. None when it is not there."""
        sid, name = volume_ref(volid)
        stored = self._volumes(sid).get(name) if sid in self.storages else None
        return None if stored is None else int(stored.get("virtual_size") or stored.get("size") or 0)

    def _qm_free_name(self, sid, vmid, fmt):
        names = (name.rpartition("/")[2] for name in self._volumes(sid))
        used = {int(found[1]) for name in names
                if (found := re.match(rf"(?:vm|base|subvol|basevol)-{vmid}-disk-(\d+)", name))}
        n = next(n for n in range(len(used) + 1) if n not in used)
        return f"vm-{vmid}-disk-{n}" + (f".{fmt}" if _is_file(self.storages[sid]) else "")

    def _parse_volname(self, store, volname):
        if "/" in volname and re.match(r"(?:\d+/)?base(?:vol)?-\d+-", volname):
            # A linked volume is named after its base image: base-9000-disk-0/vm-300-disk-0, or on files
            # 9000/base-9000-disk-0.qcow2/300/vm-300-disk-0.qcow2.
            parts = volname.split("/")
            volname = "/".join(parts[-2:] if _is_file(store) else parts[-1:])
        return super()._parse_volname(store, volname)

    # ------------------------------------------------------------------------------ old ones

    def keep_unused(self, guest, volume):
        """Note a volume of the guest as unusedN, once."""
        if self.owner_of(volume) != guest.vmid or volume in self._unused(guest.config).values():
            return None
        free = next((n for n in range(256) if f"unused{n}" not in guest.config), None)
        if free is None:
            raise die("Too many unused volumes - please delete them first.")
        guest.config[f"unused{free}"] = volume
        return f"unused{free}"

    @staticmethod
    def _unused(config):
        return {key: value for key, value in config.items() if re.fullmatch(r"unused\d+", key)}

    def let_go(self, guest, drive):
        """A disk taken out of the configuration stays as unusedN; a cloud-init drive is freed."""
        volume, props = split_drive(drive)
        if volume_ref(volume)[0] not in self.storages:
            return
        if "cloudinit" in volume:
            self._qm_free(volume)
        elif not is_cdrom(volume, props):
            self.keep_unused(guest, volume)

    def in_use(self, guest, volume, but=None):
        """Whether another disk of the guest, or a snapshot, holds the volume."""
        places = [{k: x for k, x in guest.config.items() if k != but}, *guest.snapshots.values()]
        return any(held == volume for place in places for _, held, _ in self.disks_of(guest, place))

    def deallocate(self, guest, key, volume, user):
        """Free a volume for good; one of another guest is only forgotten."""
        if self.owner_of(volume) != guest.vmid or volume_ref(volume)[0] not in self.storages:
            return
        self.require(user, "/storage/" + volume_ref(volume)[0], "Datastore.AllocateSpace")
        if self.in_use(guest, volume, key):
            raise die(f"unable to delete '{volume}' - volume is still in use (snapshot?)")
        self._qm_free(volume)

    def tidy(self, guest):
        """What every write of a configuration does: an unusedN whose volume is used again goes."""
        pending = {k: x for k, x in guest.pending.items() if x is not None}
        used = {volume for place in (guest.config, pending) for _, volume, _ in self.disks_of(guest, place)}
        for key, value in self._unused(guest.config).items():
            if split_drive(value)[0] in used:
                del guest.config[key]
        if guest in self.vms:
            guest.name = guest.config.get("name") or f"VM {guest.vmid}"

    def free_all(self, guest, unreferenced):
        """Free the volumes that a guest owns and names; all of its VMID where that is asked for."""
        pending = {k: x for k, x in guest.pending.items() if x}
        named = [volume for config in (guest.config, pending) for _, volume, _ in self.disks_of(guest, config)]
        named += [split_drive(x)[0] for x in self._unused(guest.config).values()]
        named += [split_drive(x)[0] for k, x in guest.config.items() if DRIVE_KEY.match(k) and "cloudinit" in str(x)]
        named += [place.get("vmstate", "") for place in (guest.config, *guest.snapshots.values())]
        for volume in named:
            stored = self._qm_volume(volume) or {}
            if guest.vmid in (self.owner_of(volume), stored.get("vmid")):
                self._qm_free(volume)
        for sid, store in self.storages.items() if unreferenced else ():
            for name in [n for n, x in store.get("volumes", {}).items()
                         if x.get("vmid") == guest.vmid and x.get("content") in ("images", "rootdir")]:
                self._qm_free(f"{sid}:{name}")

    def bases_in_use(self, guest):
        """Volumes of a guest on which linked clones stand."""
        ours = {volume for _, volume, _ in self.disks_of(guest, guest.config)}
        return ours & {x.get("parent") for sid in self.storages for x in self._volumes_of(sid).values()}

    def forget_guest(self, guest, v):
        """What knew of a destroyed guest: pools, the access list, its firewall; with purge HA and jobs as well."""
        (self.vms if guest in self.vms else self.cts).remove(guest)
        self._pool_leave(guest.vmid)
        self._fw()["guests"].pop(guest.vmid, None)
        if not v.get("purge"):
            return []
        kind = "CT" if isinstance(guest, FakeCt) else "VM"
        lines = [f"purging {kind} {guest.vmid} from related configurations.."]
        self.purge_jobs(guest.vmid)
        if guest.ha_managed:
            lines.append(f"NOTE: removed {kind} {guest.vmid} from HA resource configuration.")
        return lines

    def purge_jobs(self, vmid):
        """Take a guest out of the backup jobs that name it; one that names no other goes."""
        for name, job in list(self.backup_jobs.items()):
            for key in {"vmid", "exclude"} & job.keys():
                left = [entry for entry in split_list(job[key]) if entry != str(vmid)]
                job[key] = ",".join(left)
                if not left and key == "vmid":
                    del self.backup_jobs[name]
