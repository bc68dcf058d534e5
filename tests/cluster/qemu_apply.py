# SPDX-License-Identifier: AGPL-3.0-or-later
"""How pending changes of a VM come into force: what a running guest takes, and all of them while it is stopped."""

import re

from fakepve import PveError
from fakepve.lxc import split_props
from fakepve.qemu import DRIVE_KEY, NET_MODELS, is_cdrom, split_drive

from .qemu_rights import CLOUD_INIT, NET

# What has no meaning for the running process and is set at once.
AT_ONCE = re.compile(r"description|hookscript|lock|migrate_downtime|migrate_speed|name|onboot|protection|shares|"
                     r"startup|tags|vmstatestorage|" + CLOUD_INIT.pattern)
PLUGGED_BY_CGROUP = re.compile(r"cpuunits|cpulimit")
SLOW_BUS = re.compile(r"(ide|sata|efidisk|tpmstate)\d+")
# Options of a disk that the running process cannot change; throttles and the rest it can.
FIXED_OPTIONS = ("aio", "discard", "iothread", "queues", "product", "cache", "ssd", "vendor", "ro")


class Later(Exception):
    """The change waits for the guest's next start."""


class QemuApply:
    """Mixin: pending changes."""

    def apply_stopped(self, vm, user="root@pam"):
        """All that is pending comes into force; errors by key, which stay pending."""
        errors = {}
        for key in sorted(k for k, x in vm.pending.items() if x is None):
            try:
                self._unset(vm, key, user)
            except PveError as e:
                errors[key] = f"unable to apply pending change {key} : {e.message}\n"
        for key in [k for k, x in vm.pending.items() if x is not None]:
            if DRIVE_KEY.match(key) and key in vm.config:
                self._replace_drive(vm, key)
            vm.config[key] = vm.pending.pop(key)
        self.tidy(vm)
        return errors

    def apply_running(self, vm, user, selected):
        """What the running guest takes of the selected keys; {key: error} of those that fail."""
        for key in [k for k, x in vm.pending.items() if AT_ONCE.fullmatch(k) and x is not None]:
            vm.config[key] = vm.pending.pop(key)
        features = self._hotplug_features(vm)
        errors = {}
        for key in [k for k in sorted(vm.pending, key=lambda k: vm.pending[k] is not None) if k in selected]:
            try:
                if vm.pending[key] is None:
                    self._can_unplug(vm, key, features)
                    self._unset(vm, key, user)
                else:
                    self._plug(vm, key, vm.pending[key], features)
                    vm.config[key] = vm.pending.pop(key)
            except Later:
                continue
            except PveError as e:
                errors[key] = f"hotplug problem - {e.message}"
        return errors

    @staticmethod
    def _hotplug_features(vm):
        text = str(vm.config.get("hotplug", "1"))
        if text == "0":
            return set()
        return {"network", "disk", "usb"} if text == "1" else set(re.split("[,;]", text))

    def _unset(self, vm, key, user):
        """Take a key out of the configuration; of a drive the volume stays as unusedN, or is freed by force."""
        if DRIVE_KEY.match(key) and key in vm.config:
            drive = vm.config[key]
            if key not in vm.force_delete:
                self.let_go(vm, drive)
            elif not is_cdrom(*split_drive(drive)) or "cloudinit" in drive:
                self.deallocate(vm, key, split_drive(drive)[0], user)
        vm.pending.pop(key, None)
        vm.force_delete.discard(key)
        vm.config.pop(key, None)

    def _replace_drive(self, vm, key):
        old, new = split_drive(vm.config[key])[0], split_drive(vm.pending[key])[0]
        if old != new:
            self.let_go(vm, vm.config[key])

    # -------------------------------------------------------------------------------- hotplug

    @staticmethod
    def _can_unplug(vm, key, features):
        if AT_ONCE.fullmatch(key) or PLUGGED_BY_CGROUP.fullmatch(key):
            return
        if NET.fullmatch(key):
            able = "network" in features
        elif DRIVE_KEY.match(key):
            able = "disk" in features and not SLOW_BUS.fullmatch(key)
        elif key == "balloon":
            able = str(vm.config.get("balloon")) != "0"
        elif re.fullmatch(r"usb\d+", key):
            able = "usb" in features and vm.config.get("ostype") == "l26"
        elif key == "hotplug":
            able = not re.search("cpu|memory", str(vm.config.get("hotplug")))
        else:
            able = {"tablet": "usb", "vcpus": "cpu", "memory": "memory"}.get(key) in features
        if not able:
            raise Later

    def _plug(self, vm, key, value, features):
        if PLUGGED_BY_CGROUP.fullmatch(key):
            return
        if NET.fullmatch(key):
            self._plug_card(vm, key, value, features)
        elif DRIVE_KEY.match(key):
            self._plug_drive(vm, key, value, features)
        elif key == "balloon":
            if (str(vm.config.get("balloon")) == "0") != (str(value) == "0"):
                raise Later
        elif key == "agent":
            self._plug_agent(vm, value)
        elif key == "hotplug":
            if re.search("cpu|memory", f"{value} {vm.config.get('hotplug')}"):
                raise Later
        elif re.fullmatch(r"usb\d+", key):
            if "usb" not in features or vm.config.get("ostype") != "l26":
                raise Later
        elif {"tablet": "usb", "vcpus": "cpu", "memory": "memory"}.get(key) not in features:
            raise Later

    @staticmethod
    def _card(value):
        """What of a network card means another card to a running guest."""
        props = split_props(value)[1]
        model = next((m for m in NET_MODELS if m in props), None)
        return (model, props.get(model), props.get("queues"), props.get("mtu"), bool(props.get("bridge")))

    def _plug_card(self, vm, key, value, features):
        old = vm.config.get(key)
        if old is not None and self._card(old) == self._card(value):
            return
        if "network" not in features:
            raise Later
        if old is not None:
            # Measured: the guest does not let go of the card.
            raise PveError(500, f"error on hot-unplugging device '{key}'")

    def _plug_drive(self, vm, key, value, features):
        if key in ("efidisk0", "tpmstate0"):
            raise Later
        volume, props = split_drive(value)
        if key in vm.config:
            old, old_props = split_drive(vm.config[key])
            if props.get("media", "disk") != old_props.get("media", "disk"):
                raise PveError(500, "unable to change media type\n")
            if is_cdrom(old, old_props):
                if volume == "none" and "cloudinit" in old:
                    self.let_go(vm, vm.config[key])
                return
            if volume == old:
                if any(props.get(name) != old_props.get(name) for name in FIXED_OPTIONS):
                    raise Later
                return
            if "disk" not in features:
                raise Later
            self.let_go(vm, vm.config[key])
        if "disk" not in features or SLOW_BUS.fullmatch(key):
            raise Later

    @staticmethod
    def _plug_agent(vm, value):
        if "agent" not in vm.config:
            raise Later
        old, new = split_props(vm.config["agent"]), split_props(value)

        def fixed(parsed):
            first, props = parsed
            props = {"enabled": first, **props} if first is not None else props
            return {k: x for k, x in props.items() if k != "fstrim_cloned_disks"}
        if fixed(old) != fixed(new):
            raise Later
