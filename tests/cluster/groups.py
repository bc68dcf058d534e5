# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/groups with their state, and the realms every cluster has."""

from fakepve.routing import die


class Groups:
    """Mixin: groups of users. Privileges by group are worked out in permissions.py."""

    def _own_routes_groups(self):
        groups, group = "/access/groups", "/access/groups/{groupid}"
        return [("GET", groups, self._groups_list), ("POST", groups, self._group_create),
                ("GET", group, self._group_read), ("PUT", group, self._group_update),
                ("DELETE", group, self._group_delete), ("GET", "/access/domains", self._realms)]

    async def _realms(self, v, user):
        return [{"realm": "pam", "type": "pam", "comment": "Linux PAM standard authentication"},
                {"realm": "pve", "type": "pve", "comment": "Proxmox VE authentication server"}]

    def _shown_group(self, name):
        group = self.groups[name]
        return {"comment": group["comment"]} if group.get("comment") else {}

    def _known_group(self, name, fail=""):
        if name not in self.groups:
            raise die(f"{fail}group '{name}' does not exist")
        return self.groups[name]

    async def _groups_list(self, v, user):
        return [{"groupid": name, "users": ",".join(sorted(group["users"])), **self._shown_group(name)}
                for name, group in self.groups.items()
                if any(self.allowed(user, f"/access/groups/{name}", p)
                       for p in ("User.Modify", "Sys.Audit", "Group.Allocate"))]

    async def _group_read(self, v, user):
        group = self._known_group(v["groupid"])
        return {"members": sorted(group["users"]), **self._shown_group(v["groupid"])}

    async def _group_create(self, v, user):
        if v["groupid"] in self.groups:
            raise die(f"create group failed: group '{v['groupid']}' already exists")
        self.groups[v["groupid"]] = {"users": set(), "comment": v.get("comment")}

    async def _group_update(self, v, user):
        group = self._known_group(v["groupid"], "update group failed: ")
        if v.get("comment") is not None:
            group["comment"] = v["comment"]

    async def _group_delete(self, v, user):
        self._known_group(v["groupid"], "delete group failed: ")
        del self.groups[v["groupid"]]
        self.drop_entries(lambda key: key[1] == "group" and key[2] == v["groupid"])
