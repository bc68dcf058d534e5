# SPDX-License-Identifier: AGPL-3.0-or-later
"""lxc/{vmid}/config: values as the server keeps them, what a running container takes at once, and its addresses."""

import re

from fakepve import PveError
from fakepve.lxc import FASTPLUG, HOT_DELETE, mount_type, normalise, parse_mount
from fakepve.routing import param_error

MOUNT_POINT = re.compile(r"mp\d+")
UNUSED = re.compile(r"unused\d+")
NET = re.compile(r"net\d+")
CGROUP = ("cpulimit", "cpuunits", "memory", "swap")


class LxcConfig:
    """Mixin: the configuration of containers."""

    def ct_values(self, vmid, values):
        """Values as the server keeps them: cards with an address, a description that ends with a line feed."""
        out = {}
        for key, value in values.items():
            if NET.fullmatch(key) and "hwaddr=" not in value:
                value = f"{value},hwaddr={self.made_address(vmid, key)}"
            if key == "description":
                value = str(value).rstrip("\n") + "\n" if str(value).strip("\n") else ""
            out[key] = normalise(key, value)
        return out

    def _check_bridge(self, user, net):
        self.check_bridge(user, net)

    async def _update_config(self, ct, user, values, deletes, reverts):
        try:
            await super()._update_config(ct, user, self.ct_values(ct.vmid, values), deletes, reverts)
        finally:
            self.tidy(ct)

    def _apply(self, ct, selection=None, running=False):
        """Pending changes come into force: all that were chosen, or what a running container takes."""
        chosen = sorted(key for key in ct.pending if selection is None or key in selection)
        errors = {}
        # Deletes come before what is set.
        for key in sorted(chosen, key=lambda key: ct.pending[key] is not None):
            value = ct.pending[key]
            if running and not self._hot(ct, key, value):
                continue
            del ct.pending[key]
            try:
                self._remove_key(ct, key) if value is None else self._set_key(ct, key, value)
            except PveError as e:
                how = "unable to hotplug {}: {}" if running else "unable to apply pending change {} : {}"
                errors[key] = how.format(key, e.message)
        if not ct.config.get("description", "x"):
            del ct.config["description"]
        if errors:
            raise param_error(**errors)

    @staticmethod
    def _hot(ct, key, value):
        if key in FASTPLUG or NET.fullmatch(key):
            return True
        if value is None:
            return key in HOT_DELETE or UNUSED.fullmatch(key)
        return key in CGROUP or (re.fullmatch(r"(mp|dev)\d+", key) and key not in ct.config)

    def _remove_key(self, ct, key):
        old = ct.config.pop(key, None)
        if old is None:
            return
        volume = parse_mount(old).get("volume", "")
        if UNUSED.fullmatch(key):
            if self.owner_of(volume) == ct.vmid and not self.in_use(ct, volume):
                self._qm_free(volume)
        elif MOUNT_POINT.fullmatch(key) and mount_type(volume) == "volume" and not self.in_use(ct, volume):
            self.keep_unused(ct, volume)

    def _set_key(self, ct, key, value):
        if not MOUNT_POINT.fullmatch(key):
            ct.config[key] = value
            return
        old = parse_mount(ct.config.get(key, "")).get("volume", "")
        ct.config[key] = self.made_mount(ct.vmid, key, value, [])
        if old and mount_type(old) == "volume" and not self.in_use(ct, old):
            self.keep_unused(ct, old)

    def _realise(self, vmid, key, value, taken, default_storage=None):
        return self.made_mount(vmid, key, value, [])

    # -------------------------------------------------------------------------------- addresses

    async def _lxc_interfaces(self, user, v):
        listed = await super()._lxc_interfaces(user, v)
        ct = self._find_ct(v["node"], v["vmid"])
        dynamic = ct.addresses or [f"198.51.{ct.vmid // 250 % 250}.{ct.vmid % 250 + 1}/24"]
        nets = {config["hwaddr"]: config for k, x in ct.config.items() if NET.fullmatch(k)
                for config in [dict(part.split("=", 1) for part in str(x).split(",") if "=" in part)]
                if "hwaddr" in config}
        for item in listed or ():
            item["hwaddr"] = item["hardware-address"] = item["hwaddr"].lower()
            if nets.get(item["hwaddr"].upper(), {}).get("ip") == "dhcp":
                for cidr in dynamic:
                    address, _, prefix = cidr.partition("/")
                    family = "inet6" if ":" in cidr else "inet"
                    item[family] = cidr
                    item["ip-addresses"].append({"ip-address-type": family, "ip-address": address, "prefix": prefix})
        return listed
