# SPDX-License-Identifier: AGPL-3.0-or-later
"""/pools: what fakepve keeps of them, with the members, texts and paths of the measured servers."""

import copy

from fakepve import PveError
from fakepve.routing import die, split_list


class Pools:
    """Mixin: pools, their guests and storages."""

    def _pool_comment(self, name):
        comment = self._pool_meta(name)["comment"]
        return {"comment": comment} if comment else {}

    def _members(self, name, kind):
        """The members as the statistics of the nodes tell them; what was destroyed is left out."""
        guests = [guest for vmid in self.pools[name] if (guest := self.guest(vmid))]
        members = [{"id": guest.guest, "type": guest.guest.partition("/")[0], "vmid": guest.vmid, "node": guest.node,
                    "status": "unknown", **self.known.get(guest.vmid, {})}
                   for guest in guests if kind in (None, guest.guest.partition("/")[0])]
        if kind in (None, "storage"):
            for storage in self._pool_meta(name)["storage"]:
                if storage in self.storages:
                    node = (self._storage_nodes(storage) or sorted(self.nodes))[0]
                    members.append(self._storage_stats(node, storage))
        return members

    async def _pool_index(self, v, user):
        name = v.get("poolid")
        if name is None:
            return [{"poolid": name, **self._pool_comment(name)} for name in self.pools
                    if self.allowed(user, "/pool/" + name, "Pool.Audit")]
        # Asked for by its name a pool is shown to everybody: the server asks for Pool.Audit and ignores the answer.
        if name not in self.pools:
            raise die(f"pool '{name}' does not exist")
        return [{"poolid": name, "members": self._members(name, v.get("type")), **self._pool_comment(name)}]

    async def _pool_update(self, v, user):
        """Everything or, where one member is refused, nothing."""
        fail, name = "update pools failed: ", v["poolid"]
        if name not in self.pools:
            raise die(f"{fail}pool '{name}' does not exist")
        pools, info = copy.deepcopy(self.pools), copy.deepcopy(self.pool_info)
        if v.get("comment") is not None:
            info[name]["comment"] = v["comment"] or None
        try:
            for vmid in split_list(v.get("vms")):
                self._may_modify(user, f"/vms/{vmid}")
                self._move(v, user, int(vmid), pools)
            for storage in split_list(v.get("storage")):
                self._may_modify(user, f"/storage/{storage}")
                self._put(v, f"Storage '{storage}'", storage, info[name]["storage"])
        except PveError as e:
            # Raised inside the lock on user.cfg, where a 403 becomes text.
            raise die(fail + (f"{e.status} " if e.status == 403 else "") + e.message) from e
        self.pools, self.pool_info = pools, info
        self._sync_pools()

    @staticmethod
    def _put(v, what, member, members):
        if v.get("delete"):
            if member not in members:
                raise die(f"{what} is not a pool member")
            members.discard(member)
        else:
            if member in members:
                raise die(f"{what} is already a pool member")
            members.add(member)

    def _move(self, v, user, vmid, pools):
        """A guest into the pool or out of it. Whether there is such a guest is not asked."""
        self._put(v, f"VM {vmid}", vmid, pools[v["poolid"]])
        for other, members in pools.items():
            if other == v["poolid"] or vmid not in members or v.get("delete"):
                continue
            if not v.get("allow-move"):
                raise die(f"VM {vmid} belongs already to pool '{other}' and 'allow-move' is not set")
            self.require(user, "/pool/" + other, "Pool.Allocate")
            members.discard(vmid)

    def _may_modify(self, user, path):
        wanted = self.may_grant_with(path)
        if not any(self.allowed(user, path, privilege) for privilege in wanted):
            raise PveError(403, f"Permission check failed ({path}, {'|'.join(wanted)})")

    def apply_pools(self, entries):
        """Pools of a seed or a patch: null removes one, its guests are added to those it has."""
        for name, meta in entries.items():
            if meta is None:
                self.pools.pop(name, None)
                self.pool_info.pop(name, None)
                continue
            info = self._pool_meta(name)
            self.pools.setdefault(name, set()).update(meta.get("guests", ()))
            info["comment"] = meta.get("comment", info["comment"]) or None
            info["storage"] = set(meta.get("storages", info["storage"]))
        self._sync_pools()

    def shown_pools(self):
        """The pools in the form of the state."""
        return {name: {"comment": self._pool_meta(name)["comment"], "guests": sorted(vmids),
                       "storages": sorted(self._pool_meta(name)["storage"])} for name, vmids in self.pools.items()}
