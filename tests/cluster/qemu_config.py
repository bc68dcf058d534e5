# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/config and /pending: rights per key, allocation, what a running guest takes at once and what waits."""

import re
import urllib.parse

from fakepve import PveError, TaskError
from fakepve.qemu import DRIVE_KEY, is_cdrom, split_drive, volume_ref, with_mac
from fakepve.routing import die, param_error, split_list

from .sha256crypt import hashed

CLOUD_INIT = re.compile(r"cicustom|cipassword|citype|ciupgrade|ciuser|nameserver|searchdomain|sshkeys|ipconfig\d+")
NET = re.compile(r"net\d+")
# Keys by the privilege that changing them takes; what is in no row is for root@pam alone or for VM.Config.HWType.
BY_PRIVILEGE = {
    "VM.Config.CPU": r"cores|sockets|cpu|cpulimit|cpuunits|numa\d*|smp|vcpus|affinity",
    "VM.Config.Memory": r"memory|balloon|shares",
    "VM.Config.Disk": r"boot|bootdisk|vmstatestorage|unused\d+",
    "VM.Config.Network": r"net\d+",
    "VM.Config.Cloudinit|VM.Config.Network": CLOUD_INIT.pattern,
    "VM.PowerMgmt": r"freeze",
    "VM.Config.Options": r"agent|autostart|description|migrate_downtime|migrate_speed|name|onboot|ostype|protection|"
                         r"reboot|startdate|startup|tags|tdf|template",
    "root": r"args|hookscript|lock|parent|snapstate|vmstate|runningmachine|runningcpu|amd-sev|intel-tdx",
}
PRIVILEGE_OF = [(re.compile(keys), privilege) for privilege, keys in BY_PRIVILEGE.items()]
# What a running guest takes at once, beside disks, network cards and cloud-init keys.
AT_ONCE = re.compile(r"name|description|onboot|shares|startup|protection|tags|hookscript|lock|autostart|vmstatestorage|"
                     r"migrate_downtime|migrate_speed|cpulimit|cpuunits|balloon|" + CLOUD_INIT.pattern)
HOT_DISK = re.compile(r"(scsi|virtio|unused)\d+")
SSH_KEY = re.compile(r"(ssh-(rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+) AAAA[A-Za-z0-9+/]+=*( .*)?")
CRYPTED = re.compile(r"\$(?:[156]|2[ay])(\$.+){2}")


class QemuConfig:
    """Mixin: reading and writing a VM's configuration."""

    def _own_routes_config(self):
        path = "/nodes/{node}/qemu/{vmid}"
        return [("GET", path + "/config", self._read_config), ("GET", path + "/pending", self._read_pending),
                ("PUT", path + "/config", self._put_config), ("POST", path + "/config", self._post_config)]

    # --------------------------------------------------------------------------------- reading

    @staticmethod
    def _shown(key, value):
        if key == "cipassword":
            return "**********"
        return str(value) if key == "memory" else value

    async def _read_config(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        config = dict(vm.config)
        if not v.get("current"):
            config.update(vm.pending)
        return {**{k: self._shown(k, x) for k, x in config.items() if x is not None}, "digest": vm.digest()}

    async def _read_pending(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        listed = []
        for key in set(vm.config) | set(vm.pending):
            item = {"key": key}
            if key in vm.config:
                item["value"] = self._shown(key, vm.config[key])
            if key in vm.pending:
                gone = vm.pending[key] is None
                item["delete" if gone else "pending"] = 1 if gone else self._shown(key, vm.pending[key])
            listed.append(item)
        return listed

    # --------------------------------------------------------------------------------- rights

    def _config_priv(self, key):
        """The privilege a key takes ("root" for root@pam only); fakepve's create asks this too."""
        for keys, privilege in PRIVILEGE_OF:
            if keys.fullmatch(key):
                return privilege
        return "VM.Config.Disk" if DRIVE_KEY.match(key) else "VM.Config.HWType"

    def _qm_perm(self, user, vmid, pool, *privs):
        for priv in privs:
            paths = [f"/vms/{vmid}"] + (["/pool/" + pool] if pool else [])
            if not any(self.allowed(user, path, p) for p in priv.split("|") for path in paths):
                raise PveError(403, f"Permission check failed (/vms/{vmid}, {priv})")

    def _may_set(self, user, vm, key, value):
        if self._config_priv(key) == "root":
            if user != "root@pam":
                raise die(f"only root can set '{key}' config")
            return
        wanted = [self._config_priv(key)]
        if DRIVE_KEY.match(key):
            volume, props = split_drive(value or vm.config.get(key, ""))
            if "cloudinit" in volume:
                wanted = ["VM.Config.Cloudinit", "VM.Config.CDROM"]
            elif is_cdrom(volume, props):
                wanted = ["VM.Config.CDROM"]
        self._qm_perm(user, vm.vmid, None, *wanted)
        if key == "startup":
            self.require(user, "/", "Sys.Modify")
        if NET.fullmatch(key) and value:
            self.check_bridge(user, value)
        if value and DRIVE_KEY.match(key):
            self._qm_check_drive(user, vm.vmid, None, key, value, None)

    # -------------------------------------------------------------------------------- writing

    @staticmethod
    def _normal(values):
        """Values as the server stores them, refusing what it refuses."""
        out = {k: x for k, x in values.items()
               if k not in ("node", "vmid", "digest", "delete", "revert", "skiplock", "force", "background_delay")}
        if out.get("cipassword") and not CRYPTED.match(out["cipassword"]):
            out["cipassword"] = hashed(out["cipassword"])
        if out.get("sshkeys"):
            for line in urllib.parse.unquote(out["sshkeys"]).splitlines():
                if line.strip() and not line.startswith("#") and not SSH_KEY.fullmatch(line.strip()):
                    raise die("SSH public key validation error")
        if "tags" in out:
            out["tags"] = ";".join(sorted({t.lower() for t in re.split(r"[;, ]+", str(out["tags"])) if t}))
        if "description" in out:
            out["description"] = str(out["description"]).rstrip()
        return out

    async def _put_config(self, v, user):
        await self._apply_config(self.find(v["node"], v["vmid"]), user, v)

    async def _post_config(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        self._check_config(vm, user, v)

        async def body():
            await self._apply_config(vm, user, v)
        return await self.task(vm.node, "qmconfig", vm.vmid, user, body)

    def _check_config(self, vm, user, v):
        self.need_quorum()
        updates, deletes = self._normal(v), split_list(v.get("delete"))
        for key in deletes:
            if key in updates:
                raise param_error(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
            self._may_set(user, vm, key, None)
        for key, value in updates.items():
            self._may_set(user, vm, key, value)
        if v.get("digest") and v["digest"] != vm.digest():
            raise die("checksum mismatch (file change by other user?)")
        if not v.get("skiplock"):
            self.checked(vm)
        self._check_boot(vm, updates)
        return updates, deletes

    @staticmethod
    def _check_boot(vm, updates):
        order = str(updates.get("boot", ""))
        if order.startswith("order="):
            known = set(vm.devices({**vm.config, **{k: x for k, x in vm.pending.items() if x}, **updates}))
            for device in filter(None, order[len("order="):].split(";")):
                if device not in known:
                    raise param_error(boot=f"invalid bootorder: device '{device}' does not exist'")

    async def _apply_config(self, vm, user, v):
        updates, deletes = self._check_config(vm, user, v)
        try:
            await self.acquire(vm, "config")
        except TaskError as e:
            raise die(str(e)) from e
        try:
            running = vm.status == "running"
            for key in split_list(v.get("revert")):
                vm.pending.pop(key, None)
            for key in deletes:
                self._unset(vm, key, running)
            errors = {}
            for key, value in updates.items():
                self._set(vm, key, value, running, errors)
            vm.name = vm.config.get("name") or f"VM {vm.vmid}"
            if errors:
                raise param_error(**errors)
        finally:
            self.release(vm, "config")

    def _unset(self, vm, key, running):
        if key not in vm.config:
            vm.pending.pop(key, None)
        elif running and not (AT_ONCE.fullmatch(key) or HOT_DISK.fullmatch(key) or NET.fullmatch(key)):
            vm.pending[key] = None
        else:
            vm.pending.pop(key, None)
            old = vm.config.pop(key)
            if DRIVE_KEY.match(key):
                self._let_go(vm, old)
            elif key.startswith("unused"):
                self._qm_free(split_drive(old)[0])

    def _set(self, vm, key, value, running, errors):
        old, hot = vm.config.get(key), AT_ONCE.fullmatch(key)
        if DRIVE_KEY.match(key):
            value, swap = self._drive(vm, key, value)
            hot = HOT_DISK.fullmatch(key) or swap
        elif NET.fullmatch(key):
            sent, value = value, with_mac(value)
            if running and old and value.split(",")[0].partition("=")[2].lower() not in sent.lower():
                # The server gives the card a new address, which means another card to a running guest.
                vm.pending[key] = value
                errors[key] = f"hotplug problem - error on hot-unplugging device '{key}'"
                return
            hot = True
        if str(old) == str(value):
            vm.pending.pop(key, None)
        elif running and not hot:
            vm.pending[key] = value
        else:
            vm.config[key] = value
            vm.pending.pop(key, None)

    # ----------------------------------------------------------------------------------- disks

    def _drive(self, vm, key, value):
        """A drive value once its volume is there: (value, whether only a medium was changed)."""
        old = vm.config.get(key)
        old_volume, old_props = split_drive(old) if old else ("", {})
        volume, props = split_drive(value)
        value, _ = self._qm_new_drive(vm.vmid, key, value, None)
        swap = bool(old) and is_cdrom(old_volume, old_props) and is_cdrom(volume, props)
        if old and split_drive(value)[0] != old_volume and not swap:
            self._let_go(vm, old)
        for name in [k for k, x in vm.config.items() if k.startswith("unused") and x == split_drive(value)[0]]:
            del vm.config[name]
        return value, swap

    def _let_go(self, vm, drive):
        """A disk taken out of the configuration stays as unusedN; a cloud-init drive is freed."""
        volume, props = split_drive(drive)
        if volume_ref(volume)[0] is None:
            return
        if "cloudinit" in volume:
            self._qm_free(volume)
        elif not is_cdrom(volume, props):
            free = next(n for n in range(256) if f"unused{n}" not in vm.config)
            vm.config[f"unused{free}"] = volume

    def _qm_new_drive(self, vmid, key, value, default):
        volume, props = split_drive(value)
        if not volume.endswith(":cloudinit"):
            return super()._qm_new_drive(vmid, key, value, default)
        sid = volume_ref(volume)[0]
        name = f"vm-{vmid}-cloudinit"
        if self.storages[sid].get("type") in ("dir", "nfs", "cifs"):
            name = f"{vmid}/{name}.{props.get('format', 'qcow2')}"
        stored = {"content": "images", "format": "raw", "size": 4 * 1024 ** 2, "vmid": vmid, "ctime": 0}
        self._volumes_of(sid)[name] = stored
        return f"{sid}:{name},media=cdrom,size=4M", [f"{sid}:{name}"]

    def _volumes_of(self, sid):
        """The volumes a storage holds; seeds register the disks of their guests there."""
        return self.storages[sid].setdefault("volumes", {})

    def _qm_free_name(self, sid, vmid, fmt):
        taken = {name for name in self._volumes_of(sid) if f"-{vmid}-disk-" in name}
        used = {int(re.search(rf"-{vmid}-disk-(\d+)", name)[1]) for name in taken}
        n = next(n for n in range(len(used) + 1) if n not in used)
        name = f"vm-{vmid}-disk-{n}"
        return f"{name}.{fmt}" if self.storages[sid].get("type") in ("dir", "nfs", "cifs") else name

    async def _qm_create(self, v, user):
        for key in [k for k in v if NET.fullmatch(k)]:
            self.check_bridge(user, v[key])
        return await super()._qm_create(v, user)

