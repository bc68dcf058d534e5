# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the lists know: /cluster/resources from the last statistics round, the lists of a node live."""

import asyncio
import time

from fakepve import PveError

from .storages import in_any_order

# PVE seconds between two rounds.
ROUND_SECS = 10


class Freshness:
    """Mixin: statistics rounds and the lists of guests, nodes and storages.

    With a time scale the rounds come every 10 PVE seconds. Without one (time_scale 0) a round follows each answer of
    /cluster/resources, so every answer is as old as the one before it. "manual": only on request.
    """

    def init_freshness(self):
        self.statistics = "auto"
        self.known = {}
        # {vmid: fields} laid over the round's values until the next round.
        self.stale = {}

    def take_round(self):
        """The nodes report the name, state and sizes of their guests."""
        self.stale = {}
        self.known = {guest.vmid: self._report(guest) for guest in (*self.vms, *self.cts)
                      if self._is_online(guest.node)}

    async def rounds(self):
        while True:
            await asyncio.sleep(max(ROUND_SECS * self.time_scale, 0.05))
            if self.time_scale and self.statistics == "auto":
                self.take_round()

    def _is_online(self, node):
        return self.nodes.get(node, {}).get("online", True)

    def _report(self, guest):
        if guest.guest.startswith("qemu/"):
            usage = self._vm_usage(guest)
            usage.pop("memhost", None)
        else:
            usage = {"cpu": 0, "mem": 0, "disk": 0, "uptime": self._uptime(guest), "netin": 0, "netout": 0,
                     "diskread": 0, "diskwrite": 0, "maxcpu": self._cpus(guest), "maxmem": self._maxmem(guest),
                     "maxdisk": self._maxdisk(guest)}
        report = {"status": guest.status, "template": 1 if guest.template else 0, **usage}
        # A clone in the making has no name yet and nothing to measure.
        return {"status": "unknown"} if guest.lock == "clone" else {"name": guest.name, **report}

    def _own_routes_lists(self):
        return [("GET", "/cluster/resources", self._list_resources), ("GET", "/version", self._read_version),
                ("GET", "/nodes/{node}/qemu", self._list_qemu),
                ("GET", "/nodes/{node}/version", self._read_version), ("GET", "/nodes/{node}/time", self._read_time),
                ("GET", "/nodes/{node}/qemu/{vmid}/status/current", self._read_current)]

    async def _read_version(self, v, user):
        return {"version": self.version, "release": self.release_version, "repoid": "3c7d5a2f9b1e4d60"}

    async def _read_time(self, v, user):
        now = int(time.time() + self.clock_skew)
        return {"time": now, "localtime": now, "timezone": "UTC"}

    # --------------------------------------------------------------------- /cluster/resources

    def _resource(self, guest, user):
        kind = guest.guest.partition("/")[0]
        item = {"id": guest.guest, "type": kind, "vmid": guest.vmid, "node": guest.node, "status": "unknown"}
        if self._is_online(guest.node):
            item.update(self.known.get(guest.vmid, {}))
            item.update(self.stale.get(guest.vmid, {}))
        for key in ("lock", "tags"):
            if guest.config.get(key):
                item[key] = guest.config[key]
        if guest.pool and self.allowed(user, "/pool/" + guest.pool, "Pool.Audit"):
            item["pool"] = guest.pool
        if guest.ha_managed:
            item["hastate"] = guest.ha_state
        return item

    async def _list_resources(self, v, user):
        kind, listed = v.get("type"), []
        if kind in (None, "vm"):
            listed += [self._resource(guest, user) for guest in (*self.vms, *self.cts)
                       if self.allowed(user, f"/vms/{guest.vmid}", "VM.Audit")]
        if kind is None:
            listed += [{"id": f"/pool/{name}", "type": "pool", "pool": name} for name in self.pools
                       if self.allowed(user, f"/pool/{name}", "Pool.Audit")]
        if kind in (None, "node"):
            listed += self.node_entries(user)
        if kind in (None, "storage"):
            listed += [item for node in self.nodes for name in self.storages
                       if self.allowed(user, f"/storage/{name}", "Datastore.Audit")
                       and (item := self._storage_resource(node, name))]
        if kind in (None, "sdn"):
            listed += [{"id": f"sdn/{node}/localnetwork", "type": "sdn", "node": node, "sdn": "localnetwork",
                        "status": "ok"} for node in self.nodes
                       if self.allowed(user, "/sdn/zones/localnetwork", "SDN.Audit")]
        if not self.time_scale and self.statistics == "auto":
            # After this answer, before the next one.
            asyncio.get_running_loop().call_soon(self.take_round)
        return listed

    def _storage_resource(self, node, name):
        return self._storage_stats(node, name) if self._storage_enabled(name, node) else None

    def _storage_stats(self, node, name):
        """A storage on a node, its sizes where the node tells them."""
        store = self.storages[name]
        item = {"id": f"storage/{node}/{name}", "type": "storage", "node": node, "storage": name, "status": "unknown",
                "shared": int(self.is_shared(name)), "content": in_any_order(store.get("content", "")),
                "plugintype": store.get("type", "dir")}
        if self._is_online(node) and store.get("active", 1):
            total, used, _ = self._space(store)
            item.update(status="available", disk=used, maxdisk=total)
        return item

    def _status_item(self, name, node, formats=False):
        item = super()._status_item(name, node, formats)
        return {**item, "content": in_any_order(item["content"]), "shared": int(self.is_shared(name))}

    # ------------------------------------------------------------------------------ live lists

    async def _list_qemu(self, v, user):
        return [self._live(vm, v.get("full")) for vm in self.vms
                if vm.node == v["node"] and self.allowed(user, f"/vms/{vm.vmid}", "VM.Audit")]

    def _live(self, vm, full):
        usage = self._vm_usage(vm)
        item = {"vmid": vm.vmid, "name": vm.name, "status": vm.status, "cpus": usage.pop("maxcpu"), **usage}
        if vm.template:
            item["template"] = 1
        if vm.lock:
            item["lock"] = vm.lock
        if vm.config.get("tags"):
            item["tags"] = vm.config["tags"]
        if vm.status == "running":
            item["pid"] = 1000 + vm.vmid
        if full:
            item["qmpstatus"] = vm.qmpstatus
        return item

    async def _read_current(self, v, user):
        vm = self.find(v["node"], v["vmid"])
        managed = {"managed": 1, "state": vm.ha_state} if vm.ha_managed else {"managed": 0}
        item = {**self._live(vm, True), "ha": managed}
        if self.agent_enabled(vm):
            item["agent"] = 1
        if vm.status == "running":
            item.update({"running-qemu": "10.1.2", "running-machine": "pc-i440fx-10.1+pve0"})
        return item

    def find(self, node, vmid):
        vm = self.vm(int(vmid))
        if vm is None or vm.node != node:
            raise PveError(500, f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return vm
