# SPDX-License-Identifier: AGPL-3.0-or-later
"""/nodes, their networks, and what the cluster says of itself."""

from fakepve import PveError
from fakepve.routing import die, sha1

# What statistics a node reports of itself; only who may audit it sees them.
STATISTICS = {"cpu": 0.02, "maxcpu": 4, "mem": 2 * 1024 ** 3, "maxmem": 8 * 1024 ** 3, "disk": 4 * 1024 ** 3,
              "maxdisk": 64 * 1024 ** 3, "uptime": 3600}

BRIDGES = ("bridge", "OVSBridge")


class Nodes:
    """Mixin: nodes, their interfaces, the cluster's status and join information."""

    def _own_routes_nodes(self):
        return [("GET", "/nodes", self._list_nodes), ("GET", "/nodes/{node}/network", self._list_network),
                ("GET", "/cluster/status", self._read_cluster_status),
                ("GET", "/cluster/config/join", self._read_join_info)]

    def local_node(self):
        """The node that answers."""
        return min(self.nodes)

    def node_id(self, node):
        return sorted(self.nodes).index(node) + 1

    def address_of(self, node):
        return f"192.0.2.{10 + self.node_id(node)}"

    def fingerprint_of(self, node):
        digest = sha1(node).upper() + sha1(node + " again").upper()
        return ":".join(digest[i:i + 2] for i in range(0, 64, 2))

    def node_entries(self, user):
        """The nodes as both lists show them; nobody measures a node that is offline."""
        return [{"node": name, "id": f"node/{name}", "type": "node",
                 "status": "online" if self._is_online(name) else "offline",
                 **({"level": ""} if self._is_online(name) else {}),
                 **(STATISTICS if self._is_online(name) and self.allowed(user, f"/nodes/{name}", "Sys.Audit") else {})}
                for name in self.nodes]

    async def _list_nodes(self, v, user):
        return [{**entry, "ssl_fingerprint": self.fingerprint_of(entry["node"])} for entry in self.node_entries(user)]

    # ------------------------------------------------------------------------------- network

    def _network_of(self, node):
        """A node's interfaces: those the state gives it, or one card and the bridge on it."""
        address = self.address_of(node)
        return self.nodes[node].get("network") or [
            {"iface": "eno1", "type": "eth", "method": "manual", "method6": "manual", "families": ["inet"],
             "priority": 3, "active": 1, "exists": 1},
            {"iface": "vmbr0", "type": "bridge", "method": "static", "method6": "manual", "families": ["inet"],
             "priority": 4, "active": 1, "autostart": 1, "address": address, "netmask": "24", "cidr": f"{address}/24",
             "gateway": "192.0.2.1", "bridge_ports": "eno1", "bridge_stp": "off", "bridge_fd": "0"}]

    async def _list_network(self, v, user):
        wanted = v.get("type")
        return [dict(interface) for interface in self._network_of(v["node"])
                if self._is_of_type(interface["type"], wanted) and self._sees_bridge(user, interface)]

    @staticmethod
    def _is_of_type(kind, wanted):
        return wanted in (None, "include_sdn", kind) or (
            wanted in ("any_bridge", "any_local_bridge") and kind in BRIDGES)

    def _sees_bridge(self, user, interface):
        """A bridge is seen with rights on it or on one of its VLANs."""
        path = f"/sdn/zones/localnetwork/{interface['iface']}"
        below = {key[0] for key in self.access_list if key[0].startswith(path + "/")}
        return interface["type"] not in BRIDGES or any(
            self.allowed(user, at, privilege) for at in (path, *below) for privilege in ("SDN.Audit", "SDN.Use"))

    # ------------------------------------------------------------------------------- cluster

    async def _read_cluster_status(self, v, user):
        def entry(name, number):
            return {"type": "node", "id": f"node/{name}", "name": name, "nodeid": number, "level": "",
                    "ip": self.address_of(name), "online": int(self._is_online(name)),
                    "local": int(name == self.local_node())}
        if self.cluster_name is None:
            return [entry(self.local_node(), 0)]
        return [{"type": "cluster", "id": "cluster", "name": self.cluster_name, "nodes": len(self.nodes),
                 "version": len(self.nodes), "quorate": int(self.quorate)},
                *(entry(name, self.node_id(name)) for name in self.nodes)]

    async def _read_join_info(self, v, user):
        if self.cluster_name is None:
            raise PveError(424, "node is not in a cluster, no join info available!")
        preferred = v.get("node") or self.local_node()
        if preferred not in self.nodes:
            raise die(f"unknown node '{preferred}'")
        # What stands in the file of corosync is text.
        return {"preferred_node": preferred, "config_digest": sha1(repr(sorted(self.nodes))),
                "totem": {"version": "2", "cluster_name": self.cluster_name, "config_version": str(len(self.nodes)),
                          "ip_version": "ipv4-6", "link_mode": "passive", "secauth": "on",
                          "interface": {"0": {"linknumber": "0"}}},
                "nodelist": [{"name": name, "nodeid": str(self.node_id(name)), "quorum_votes": "1",
                              "ring0_addr": self.address_of(name), "pve_addr": self.address_of(name),
                              "pve_fp": self.fingerprint_of(name)} for name in self.nodes]}
