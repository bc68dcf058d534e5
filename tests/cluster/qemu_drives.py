# SPDX-License-Identifier: AGPL-3.0-or-later
"""The volumes behind a VM's drives: allocated, imported, kept as unusedN, freed."""

import re

from fakepve.lxc import SIZE_UNITS, format_size
from fakepve.qemu import DRIVE_KEY, NEW_DISK, is_cdrom, join_drive, split_drive, volume_ref
from fakepve.routing import die
from fakepve.schema import load
from fakepve.storage import _is_file, spec_of

MIB = 1024 ** 2
# What the EFI variables and the TPM state take, and the steps in which storages allocate.
FIXED_SIZE = {"efidisk0": 528 * 1024, "tpmstate0": 4 * MIB}
STEP = {"lvm": 4 * MIB, "lvmthin": 4 * MIB, "rbd": MIB, "zfspool": MIB}
OWNER = re.compile(r"(?:vm|base|subvol|basevol)-(\d+)-[^/]*$")


def normal_drive(key, value):
    """A drive's text with booleans as the server prints them."""
    declared = load().paths["/nodes/{node}/qemu/{vmid}/config"]["PUT"]["parameters"]["properties"]
    formats = (declared.get(key) or declared[re.sub(r"\d+$", "[n]", key)])["format"]
    volume, props = split_drive(value)
    for name, text in props.items():
        if formats.get(name, {}).get("type") == "boolean":
            props[name] = {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}.get(text, text)
    return join_drive(volume, props)


class QemuDrives:
    """Mixin: volumes of VMs."""

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

    # ------------------------------------------------------------------------------ new ones

    def made_drive(self, vm, key, value, default, made, config=None):
        """A drive's value as it is stored, once its volume is there; volumes just made are appended to `made`."""
        volume, props = split_drive(value)
        volume = f"{default}:{volume}" if volume == "cloudinit" and default else volume
        new = NEW_DISK.match(volume)
        if not volume or volume in ("none", "cdrom"):
            return join_drive(volume, {k: x for k, x in props.items() if k != "size"})
        if volume.endswith(":cloudinit"):
            return self._cloudinit_drive(vm, key, volume_ref(volume)[0], props, made, config or vm.config)
        if new:
            sid = new.group(1) or default
            if not sid:
                raise die("no storage ID specified (and no default storage)")
            volid, size = self._new_volume(vm, key, sid, float(new.group(2)), props, made)
            if vm.template:
                volid = self._qm_rename_volume(volid)
            if key == "efidisk0" and props.get("pre-enrolled-keys") == "1" and self.major >= 9:
                props.setdefault("ms-cert", "2023k")
            return join_drive(volid, {**props, "size": format_size(size)})
        return self._present_drive(key, volume, props)

    def _present_drive(self, key, volume, props):
        sid, name = volume_ref(volume)
        wanted = props.pop("format", None)
        if sid is None:
            return join_drive(volume, props)
        stored = self._volumes(sid).get(name)
        if stored is None:
            raise die(f"volume {volume} does not exist")
        if wanted and wanted != stored.get("format") and stored.get("content") == "images":
            raise die(f"drive '{key}' - volume '{volume}' - 'format={wanted}' option different from storage format "
                      f"'{stored.get('format')}'")
        if stored.get("size"):
            props["size"] = format_size(int(stored["size"]))
        return join_drive(volume, props)

    def _new_volume(self, vm, key, sid, gib, props, made):
        """Allocate a disk, from an image where the drive says so: (volume, bytes)."""
        fmt, source = props.pop("format", None), props.pop("import-from", None)
        if source:
            if volume_ref(source)[0] is None:
                size = 2 * SIZE_UNITS["G"]
            else:
                size = self._import_size(source)
            kind = source.rpartition(".")[2]
            fmt = self.known_format(sid, fmt) or self.known_format(sid, kind)
        elif key in FIXED_SIZE:
            step = STEP.get(self.storages[sid].get("type"), 1024)
            size = -(-FIXED_SIZE[key] // step) * step
        else:
            size = int(gib * SIZE_UNITS["G"])
        volid, _ = self._qm_alloc(sid, vm.vmid, fmt, size)
        made.append(volid)
        return volid, size

    def _import_size(self, source):
        size = self.size_of(source)
        if size is None:
            sid, name = volume_ref(source)
            kind = self._parse_volname(self.storages[sid], name)[0]
            raise die(f"failed to stat '{self._volume_path(sid, name, kind)}'")
        return size

    def _cloudinit_drive(self, vm, key, sid, props, made, config):
        taken = [k for k in sorted(config) if DRIVE_KEY.match(k) and k != key and "cloudinit" in str(config[k])]
        if taken:
            raise die(f"{key} - cloud-init drive is already attached at '{taken[0]}'")
        fmt, name = props.pop("format", None), f"vm-{vm.vmid}-cloudinit"
        if _is_file(self.storages[sid]):
            fmt = fmt or "qcow2"
            name = f"{vm.vmid}/{name}.{fmt}"
        self._volumes_of(sid)[name] = {"content": "images", "format": fmt or "raw", "size": 4 * MIB,
                                       "vmid": vm.vmid, "ctime": 0}
        made.append(f"{sid}:{name}")
        return join_drive(f"{sid}:{name}", {**props, "media": "cdrom", "size": "4M"})

    def _qm_free_name(self, sid, vmid, fmt):
        names = (name.rpartition("/")[2] for name in self._volumes(sid))
        used = {int(found[1]) for name in names
                if (found := re.match(rf"(?:vm|base|subvol|basevol)-{vmid}-disk-(\d+)", name))}
        n = next(n for n in range(len(used) + 1) if n not in used)
        return f"vm-{vmid}-disk-{n}" + (f".{fmt}" if _is_file(self.storages[sid]) else "")

    def _parse_volname(self, store, volname):
        if "/" in volname and re.match(r"(?:\d+/)?base-\d+-", volname):
            # A linked volume is named after its base image: base-9000-disk-0/vm-300-disk-0, or on files
            # 9000/base-9000-disk-0.qcow2/300/vm-300-disk-0.qcow2.
            parts = volname.split("/")
            volname = "/".join(parts[-2:] if _is_file(store) else parts[-1:])
        return super()._parse_volname(store, volname)

    # ------------------------------------------------------------------------------ old ones

    def keep_unused(self, vm, volume):
        """Note a volume of the VM as unusedN, once."""
        if self.owner_of(volume) != vm.vmid or volume in self._unused(vm.config).values():
            return None
        free = next((n for n in range(256) if f"unused{n}" not in vm.config), None)
        if free is None:
            raise die("Too many unused volumes - please delete them first.")
        vm.config[f"unused{free}"] = volume
        return f"unused{free}"

    @staticmethod
    def _unused(config):
        return {key: value for key, value in config.items() if re.fullmatch(r"unused\d+", key)}

    def let_go(self, vm, drive):
        """A disk taken out of the configuration stays as unusedN; a cloud-init drive is freed."""
        volume, props = split_drive(drive)
        if volume_ref(volume)[0] not in self.storages:
            return
        if "cloudinit" in volume:
            self._qm_free(volume)
        elif not is_cdrom(volume, props):
            self.keep_unused(vm, volume)

    def in_use(self, vm, volume, but=None):
        """Whether another drive of the VM, or a snapshot, holds the volume."""
        places = [{k: x for k, x in vm.config.items() if k != but}, *vm.snapshots.values()]
        return any(split_drive(x)[0] == volume for place in places for k, x in place.items() if DRIVE_KEY.match(k))

    def deallocate(self, vm, key, volume, user):
        """Free a volume for good; one of another VM is only forgotten."""
        if self.owner_of(volume) != vm.vmid or volume_ref(volume)[0] not in self.storages:
            return
        self.require(user, "/storage/" + volume_ref(volume)[0], "Datastore.AllocateSpace")
        if self.in_use(vm, volume, key):
            raise die(f"unable to delete '{volume}' - volume is still in use (snapshot?)")
        self._qm_free(volume)

    def tidy(self, vm):
        """What every write of a configuration does: an unusedN whose volume is used again goes."""
        used = {split_drive(x)[0] for place in (vm.config, vm.pending) for k, x in place.items()
                if x is not None and DRIVE_KEY.match(k)}
        for key, value in self._unused(vm.config).items():
            if value in used:
                del vm.config[key]
        vm.name = vm.config.get("name") or f"VM {vm.vmid}"
