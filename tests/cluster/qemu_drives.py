# SPDX-License-Identifier: AGPL-3.0-or-later
"""The volumes behind a VM's drives: allocated or imported."""

import re

from fakepve.lxc import SIZE_UNITS, format_size
from fakepve.qemu import DRIVE_KEY, NEW_DISK, join_drive, split_drive, volume_ref
from fakepve.routing import die
from fakepve.schema import load
from fakepve.storage import _is_file

MIB = 1024 ** 2
# What the EFI variables and the TPM state take, and the steps in which storages allocate.
FIXED_SIZE = {"efidisk0": 528 * 1024, "tpmstate0": 4 * MIB}
STEP = {"lvm": 4 * MIB, "lvmthin": 4 * MIB, "rbd": MIB, "zfspool": MIB}


def boolean(text):
    """A boolean option's text as the server prints it."""
    return {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}.get(text.lower(), text)


def normal_drive(key, value):
    """A drive's text with booleans as the server prints them."""
    declared = load().paths["/nodes/{node}/qemu/{vmid}/config"]["PUT"]["parameters"]["properties"]
    formats = (declared.get(key) or declared[re.sub(r"\d+$", "[n]", key)])["format"]
    volume, props = split_drive(value)
    booleans = {name for name in props if formats.get(name, {}).get("type") == "boolean"}
    return join_drive(volume, {name: boolean(text) if name in booleans else text for name, text in props.items()})


class QemuDrives:
    """Mixin: new drives of VMs."""

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
        self._check_enabled(sid, vm.node)
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
