# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may do what: roles on paths, propagation, groups, pools, tokens with privilege separation."""

import re

from .privileges import built_in_roles

# Paths whose privileges GET /access/permissions lists although no ACL entry names them.
TOP_LEVEL = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
# The privilege that lets its holder grant roles on an object, beside Permissions.Modify.
ALLOCATE = (("/storage/", "Datastore.Allocate"), ("/vms/", "VM.Allocate"), ("/pool/", "Pool.Allocate"))


def ancestors(path):
    """'/vms/100' -> ['/', '/vms', '/vms/100']."""
    parts = [p for p in path.split("/") if p]
    return ["/"] + ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]


class Permissions:
    """Mixin: effective privileges from the roles and the access list of the cluster."""

    def init_permissions(self, major):
        self.special_roles = built_in_roles(major)
        self.roles = {name: set(privs) for name, privs in self.special_roles.items()}
        # (path, "user" | "group" | "token", id, role) -> propagate
        self.access_list = {}
        self.groups = {}
        # fakepve asks "is there any ACL at all" of this attribute before it asks allowed().
        self.acl = {}
        self._known_privileges = {}

    def access_changed(self):
        """Forget what was worked out: a role, an entry, a pool's members or a user changed."""
        self._known_privileges.clear()

    def _pool_leave(self, vmid):
        """A guest is destroyed: its entries in the access list go with it."""
        super()._pool_leave(vmid)
        self.drop_entries(lambda key: key[0] == f"/vms/{vmid}")

    async def _pool_delete(self, v, user):
        await super()._pool_delete(v, user)
        # The entries of a nested pool stay, as on the real server.
        if "/" not in v["poolid"]:
            self.drop_entries(lambda key: (key[0] + "/").startswith(f"/pool/{v['poolid']}/"))

    def _sync_pools(self):
        super()._sync_pools()
        self.access_changed()

    def _roles_on(self, who, path):
        """{role: propagates} of a user or token id on a path; the entry nearest to the path wins."""
        kind = "token" if "!" in who else "user"
        groups = {g for g, members in self.groups.items() if who in members["users"]}
        roles = {}
        for level in ancestors(path):
            own, by_group = {}, {}
            for (_, what, name, role), propagate in self._entries_at(level):
                if level != path and not propagate:
                    continue
                if what == kind and name == who:
                    own[role] = propagate
                elif what == "group" and name in groups:
                    by_group[role] = propagate
            roles = own or by_group or roles
        return {"NoAccess": roles["NoAccess"]} if "NoAccess" in roles else roles

    def _entries_at(self, level):
        index = self._known_privileges.get("entries")
        if index is None:
            index = {}
            for key, propagate in self.access_list.items():
                index.setdefault(key[0], []).append((key, propagate))
            self._known_privileges["entries"] = index
        return index.get(level, ())

    def _pools_with(self, path):
        area, _, rest = path.strip("/").partition("/")
        if area == "vms" and rest.isdigit():
            return [name for name, members in self.pools.items() if int(rest) in members]
        if area == "storage":
            return [name for name, meta in self.pool_info.items() if rest in meta["storage"]]
        return []

    def privileges_on(self, who, path):
        """{privilege: propagates} of a user or a token on a path."""
        known = self._known_privileges.get((who, path))
        if known is None:
            known = self._known_privileges[who, path] = self._work_out(who, path)
        return known

    def _work_out(self, who, path):
        if who == "root@pam":
            return dict.fromkeys(self.special_roles["Administrator"], 1)
        owner, _, token = who.partition("!")
        if token and not self.user_tokens(owner).get(token, {}).get("privsep", 1):
            return self.privileges_on(owner, path)
        roles = self._with_pools(who, path, self._roles_on(who, path))
        held = {}
        for role, propagate in roles.items():
            for privilege in self.roles.get(role, ()):
                held[privilege] = max(held.get(privilege, 0), propagate)
        if token:
            of_owner = self.privileges_on(owner, path)
            held = {name: min(flag, of_owner[name]) for name, flag in held.items() if name in of_owner}
        return held

    def _with_pools(self, who, path, roles):
        """Roles on a path and those on the pools of which it is a member; these never propagate."""
        of_pools = {role for pool in self._pools_with(path) for role in self._roles_on(who, "/pool/" + pool)}
        if "NoAccess" in roles:
            return roles
        if "NoAccess" in of_pools:
            return {"NoAccess": 0}
        return {**dict.fromkeys(of_pools, 0), **roles}

    # What fakepve's handlers ask.

    def allowed(self, user, path, priv):
        return user == "root@pam" or priv in self.privileges_on(user, path.rstrip("/") or "/")

    @staticmethod
    def may_grant_with(path):
        """The privileges of which one suffices to change the access list at a path."""
        return ["Permissions.Modify"] + [p for prefix, p in ALLOCATE if path.startswith(prefix)]

    # ------------------------------------------------------------------ GET /access/permissions

    async def _permissions(self, v, user):
        who = v.get("userid") or user
        if who != user and who.partition("!")[0] != user:
            self.require(user, "/access", "Sys.Audit")
        if v.get("path"):
            return {v["path"]: dict(self.privileges_on(who, normal_path(v["path"]) or ""))}
        paths = {level for key in self.access_list for level in ancestors(key[0])} | set(TOP_LEVEL)
        for pool, members in self.pools.items():
            paths |= {f"/vms/{vmid}" for vmid in members}
            paths |= {f"/storage/{name}" for name in self.pool_info.get(pool, {}).get("storage", ())}
        return {path: dict(held) for path in sorted(paths) if (held := self.privileges_on(who, path))}


def normal_path(path):
    """An ACL path without doubled or trailing slashes; None for what can be no path."""
    path = re.sub(r"/+", "/", "/" + path).rstrip("/") or "/" if path else ""
    return path if re.fullmatch(r"[A-Za-z0-9._/-]+", path) else None
