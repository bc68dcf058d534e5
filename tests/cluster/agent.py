# SPDX-License-Identifier: AGPL-3.0-or-later
"""qemu/{vmid}/agent/*: a guest agent that is not configured, not up yet, or answers."""

from fakepve import PveError
from fakepve import agent as canned
from fakepve.schema import load

BASE = "/nodes/{node}/qemu/{vmid}/agent/"


class Agent:
    """Mixin: the guest agent of VMs."""

    def _own_routes_agent(self):
        return [(method, template, self._agent_command(template[len(BASE):]))
                for template, methods in load().paths.items() if template.startswith(BASE) for method in methods]

    def _agent_command(self, command):
        async def handler(v, user):
            vm = self.find(v["node"], v["vmid"])
            if not self.agent_enabled(vm):
                raise PveError(500, "No QEMU guest agent configured")
            if vm.status != "running":
                raise PveError(500, f"VM {vm.vmid} is not running")
            if vm.agent_hangs:
                await self.pause(10)
                raise PveError(500, f"VM {vm.vmid} qmp command 'guest-ping' failed - got timeout")
            if not self._agent_is_up(vm):
                raise PveError(500, "QEMU guest agent is not running")
            canned.record(vm, command, v)
            vm.agent = vm.agent or {}
            if command == "network-get-interfaces" and "interfaces" not in vm.agent:
                return {"result": self._interfaces(vm)}
            return canned.result(vm, command, v)
        return handler

    @staticmethod
    def agent_enabled(vm):
        first = str(vm.config.get("agent", "0")).split(",")[0]
        return first.rpartition("=")[2] == "1"

    def _agent_is_up(self, vm):
        secs = self.agent_secs if vm.agent_secs is None else vm.agent_secs
        if secs < 0 or vm.qmpstatus == "paused" or self.ran_for(vm) < secs:
            return False
        if vm.agent_asks > 0:
            vm.agent_asks -= 1
            return False
        return True

    @staticmethod
    def _interfaces(vm):
        listed = [{"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [
            {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8},
            {"ip-address": "::1", "ip-address-type": "ipv6", "prefix": 128}]}]
        for key in sorted(k for k in vm.config if k.startswith("net") and k[3:].isdigit()):
            number = int(key[3:])
            mac = vm.config[key].split(",")[0].partition("=")[2]
            static = dict(part.split("=", 1) for part in str(vm.config.get(f"ipconfig{number}", "")).split(",")
                          if "=" in part)
            cidrs = [x for x in (static.get("ip"), static.get("ip6")) if x and "/" in x]
            if vm.addresses is not None:
                cidrs = vm.addresses if number == 0 else []
            elif not cidrs:
                cidrs = [f"198.51.{vm.vmid // 250 % 250}.{vm.vmid % 250 + 1}/24"]
            addresses = [{"ip-address": cidr.partition("/")[0], "prefix": int(cidr.partition("/")[2] or 24),
                          "ip-address-type": "ipv6" if ":" in cidr else "ipv4"} for cidr in cidrs]
            addresses.append({"ip-address": "fe80::be24:11ff:fe00:1", "ip-address-type": "ipv6", "prefix": 64})
            listed.append({"name": f"eth{number}", "hardware-address": mac.lower(), "ip-addresses": addresses})
        return listed
