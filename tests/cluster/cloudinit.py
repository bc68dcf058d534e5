# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/cloudinit: what the generated drive of a VM says."""

import re
import urllib.parse

from .qemu_rights import CLOUD_INIT


class CloudInit:
    """Mixin: the cloud-init settings of a VM and the files made of them."""

    def _own_routes_cloudinit(self):
        path = "/nodes/{node}/qemu/{vmid}/cloudinit"
        return [("GET", path, self._ci_settings), ("PUT", path, self._ci_regenerate),
                ("GET", path + "/dump", self._ci_dump)]

    async def _ci_settings(self, v, user):
        """What the drive was made of, and what has changed since: only for a running guest is that told apart."""
        vm, listed = self.find(v["node"], v["vmid"]), []
        now = self._ci_values(vm)
        drive = vm.ci_drive if vm.status == "running" and vm.ci_drive is not None else now
        for key in drive.keys() | now.keys():
            if key not in now:
                listed.append({"key": key, "delete": 1})
            elif key not in drive:
                listed.append({"key": key, "pending": self._shown(key, now[key])})
            elif not key.startswith("ipconfig"):
                changed = {} if now[key] == drive[key] else {"pending": self._shown(key, now[key])}
                listed.append({"key": key, "value": self._shown(key, drive[key]), **changed})
        return listed

    @staticmethod
    def _ci_values(vm):
        return {key: value for key, value in vm.config.items() if CLOUD_INIT.fullmatch(key)}

    async def _ci_regenerate(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        self.checked(vm)
        self.make_cloudinit_drive(vm)

    def make_cloudinit_drive(self, vm):
        vm.ci_drive = self._ci_values(vm)

    async def _ci_dump(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        custom = dict(part.split("=", 1) for part in str(vm.config.get("cicustom", "")).split(",") if "=" in part)
        if v["type"] in custom:
            return f"#cloud-config\n# {custom[v['type']]}\n"
        told = {"user": self._ci_user, "network": self._ci_network, "meta": self._ci_meta}[v["type"]](vm)
        if self.major >= 9 and not self.allowed(user, f"/vms/{vm.vmid}", "VM.Config.Cloudinit"):
            told = re.sub("(?m)^password: .*$", "password: **********", told)
        return told

    @staticmethod
    def _ci_user(vm):
        config, name = vm.config, vm.config.get("name") or f"VM{vm.vmid}"
        lines = ["#cloud-config", f"hostname: {name}", "manage_etc_hosts: true"]
        if config.get("searchdomain"):
            lines.append(f"fqdn: {name}.{config['searchdomain']}")
        if config.get("ciuser"):
            lines.append(f"user: {config['ciuser']}")
        if config.get("cipassword"):
            lines.append(f"password: {config['cipassword']}")
        if config.get("sshkeys"):
            keys = urllib.parse.unquote(config["sshkeys"]).splitlines()
            lines += ["ssh_authorized_keys:"] + [f"  - {key}" for key in keys if key.strip()]
        lines += ["chpasswd:", "  expire: False", "users:", "  - default"]
        if config.get("ciupgrade", 1):
            lines.append("package_upgrade: true")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _ci_network(vm):
        lines = ["version: 1", "config:"]
        for key in sorted(k for k in vm.config if k.startswith("ipconfig")):
            lines += ["    - type: physical", f"      name: eth{key[8:]}", f"      # {vm.config[key]}"]
        return "\n".join(lines) + "\n"

    @staticmethod
    def _ci_meta(vm):
        return f"instance-id: {vm.digest()}\n"
