# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which privilege each key of a VM's configuration takes, and which storages a drive may use."""

import re

from fakepve import PveError
from fakepve.lxc import split_props
from fakepve.qemu import DRIVE_KEY, NEW_DISK, is_cdrom, split_drive, volume_ref
from fakepve.routing import die, param_error, split_list
from fakepve.schema import load

CLOUD_INIT = re.compile(r"cicustom|cipassword|citype|ciupgrade|ciuser|nameserver|searchdomain|sshkeys|ipconfig\d+")
NET = re.compile(r"net\d+")
# Keys by the privilege that changing them takes; what is in no row is for root@pam alone.
BY_PRIVILEGE = {
    "VM.Config.CPU": r"cores|sockets|cpu|cpulimit|cpuunits|numa\d*|smp|vcpus|runningcpu",
    "VM.Config.Memory": r"memory|balloon|shares|allow-ksm",
    "VM.Config.Disk": r"boot|bootdisk|vmstatestorage|unused\d+|virtiofs\d+|vmstate",
    "VM.Config.HWType": r"acpi|hotplug|kvm|machine|runningmachine|scsihw|smbios1|tablet|vga|watchdog|audio0|rng0|"
                        r"serial\d+|usb\d+|hostpci\d+",
    "VM.Config.Network": NET.pattern,
    "VM.Config.Cloudinit|VM.Config.Network": CLOUD_INIT.pattern,
    "VM.PowerMgmt": r"freeze",
    "VM.Config.Options": r"agent|autostart|bios|description|keyboard|localtime|migrate_downtime|migrate_speed|name|"
                         r"onboot|ostype|protection|reboot|startdate|startup|tags|tdf|template",
}
PRIVILEGE_OF = [(re.compile(keys), privilege) for privilege, keys in BY_PRIVILEGE.items()]
# Where a mapped device's right is asked, by the kind of its key.
MAPPINGS = {"usb": "/mapping/usb/", "hostpci": "/mapping/pci/"}


def option_exists(key):
    """Whether a VM's configuration has such a key at all."""
    declared = load().paths["/nodes/{node}/qemu/{vmid}/config"]["PUT"]["parameters"]["properties"]
    return key in declared or re.sub(r"\d+$", "[n]", key) in declared or key == "vmstate"


class QemuRights:
    """Mixin: what a caller may write into a VM's configuration."""

    def _config_priv(self, key):
        """The privilege a key takes ("root" for root@pam only)."""
        for keys, privilege in PRIVILEGE_OF:
            if keys.fullmatch(key):
                return privilege
        return "VM.Config.Disk" if DRIVE_KEY.match(key) else "root"

    def _qm_perm(self, user, vmid, pool, *privs):
        for priv in privs:
            paths = [f"/vms/{vmid}"] + (["/pool/" + pool] if pool else [])
            if not any(self.allowed(user, path, p) for p in priv.split("|") for path in paths):
                raise PveError(403, f"Permission check failed (/vms/{vmid}, {priv})")

    def check_keys(self, user, vmid, pool, values, old):
        """The caller may set these keys; None removes one."""
        if user == "root@pam":
            return
        for key, value in values.items():
            if self._config_priv(key) == "root":
                raise die(f"only root can set '{key}' config")
            self._qm_perm(user, vmid, pool, *self._privileges_of(key, value, old.get(key)))
            if key == "startup":
                self.require(user, "/", "Sys.Modify")
            if re.fullmatch(r"(serial|usb|hostpci|virtiofs)\d+", key):
                self._check_device(user, key, value if value is not None else old.get(key))

    def _privileges_of(self, key, value, old):
        """The privileges for a key's old and new value: with drives they depend on what is in them."""
        if not DRIVE_KEY.match(key):
            return [self._config_priv(key)]
        wanted = []
        for drive in (old, value):
            if drive is None:
                continue
            volume, props = split_drive(drive)
            if "cloudinit" in volume:
                wanted += ["VM.Config.Cloudinit", "VM.Config.CDROM"]
            else:
                wanted.append("VM.Config.CDROM" if is_cdrom(volume, props) else "VM.Config.Disk")
        return wanted or ["VM.Config.Disk"]

    def _check_device(self, user, key, value):
        kind = key.rstrip("0123456789")
        first, props = split_props(value or "")
        if kind == "serial":
            if value not in (None, "socket"):
                raise die(f"only root can set '{key}' config for real devices")
        elif kind == "virtiofs":
            self.require(user, "/mapping/dir/" + (props.get("dirid") or first or ""), "Mapping.Use")
        elif props.get("mapping"):
            self.require(user, MAPPINGS[kind] + props["mapping"], "Mapping.Use")
        elif value is not None and (props.get("host") or first or "").lower() != "spice":
            of = "non-mapped" if kind == "hostpci" else "real"
            raise die(f"only root can set '{key}' config for {of} devices")

    def check_drives(self, user, vmid, values, default=None):
        """The storages of drives are there, take VM images, and the caller may allocate on them."""
        for key in sorted(k for k in values if DRIVE_KEY.match(k) and values[k] is not None):
            volume, props = split_drive(values[key])
            source = props.get("import-from")
            new = NEW_DISK.match(volume)
            if source and (not new or float(new.group(2)) != 0):
                raise param_error(**{key: "'import-from' requires special syntax - "
                                          "use <storage ID>:0,import-from=<source>"})
            self._check_import(user, key, source, props)
            if is_cdrom(volume, props) and volume == "cdrom":
                self.require(user, "/", "Sys.Console")
            elif not is_cdrom(volume, props) or not new:
                self._qm_check_drive(user, vmid, None, key, values[key], default)

    def _check_import(self, user, key, source, props):
        if not source:
            return
        if key == "efidisk0":
            for name in ("efitype", "pre-enrolled-keys"):
                if name not in props:
                    raise param_error(efidisk0=f"need to specify '{name}' when using 'import-from'")
        if key == "tpmstate0" and "version" not in props:
            raise param_error(tpmstate0="need to specify 'version' when using 'import-from'")
        sid, name = volume_ref(source)
        if sid is None:
            if user != "root@pam":
                raise die("Only root can pass arbitrary filesystem paths.")
            return
        kind, owner, _ = self._parse_volname(self._store(sid), name)
        if kind not in ("images", "import"):
            raise param_error(**{key: f"{source} has wrong type '{kind}' - needs to be 'images' or 'import'"})
        if owner:
            self._qm_perm(user, owner, None, "VM.Clone")
        else:
            self._check_access(user, sid, kind, owner, source)

    def check_bridges(self, user, values):
        for key, value in values.items():
            if NET.fullmatch(key) and value:
                self.check_bridge(user, value)

    def check_bridge(self, user, net):
        """SDN.Use on each VLAN that is named, or else on the bridge."""
        props = split_props(net)[1]
        if props.get("bridge"):
            path, vlans = "/sdn/zones/localnetwork/" + props["bridge"], [props["tag"]] if props.get("tag") else []
            for part in filter(None, props.get("trunks", "").split(";")):
                first, _, last = part.partition("-")
                vlans += map(str, range(int(first), int(last or first) + 1))
            for at in [f"{path}/{vlan}" for vlan in vlans] or [path]:
                self.require(user, at, "SDN.Use")

    def image_store(self, sid, node):
        """An enabled storage that takes VM images."""
        store = self._check_enabled(sid, node)
        if "images" not in split_list(store.get("content")):
            raise param_error(storage=f"storage '{sid}' does not support vm images")
        return store
