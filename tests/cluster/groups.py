# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/groups with their state."""

from fakepve.routing import die

SEES_GROUPS = ("User.Modify", "Sys.Audit", "Group.Allocate")


class Groups:
    """Mixin: groups of users. Privileges by group are worked out in permissions.py."""

    def _own_routes_groups(self):
        groups, group = "/access/groups", "/access/groups/{groupid}"
        return [("GET", groups, self._groups_list), ("POST", groups, self._group_create),
                ("GET", group, self._group_read), ("PUT", group, self._group_update),
                ("DELETE", group, self._group_delete)]

    def _shown_group(self, name):
        group = self.groups[name]
        return {"comment": group["comment"]} if group.get("comment") else {}

    def _known_group(self, name, fail=""):
        if name not in self.groups:
            raise die(f"{fail}group '{name}' does not exist")
        return self.groups[name]

    async def _groups_list(self, v, user):
        return [{"groupid": name, "users": ",".join(sorted(self.groups[name]["users"])), **self._shown_group(name)}
                for name in self.groups_with(user, SEES_GROUPS)]

    async def _group_read(self, v, user):
        group = self._known_group(v["groupid"])
        return {"members": list(group["users"]), **self._shown_group(v["groupid"])}

    async def _group_create(self, v, user):
        if v["groupid"] in self.groups:
            raise die(f"create group failed: group '{v['groupid']}' already exists")
        self.groups[v["groupid"]] = {"users": set(), "comment": v.get("comment") or None}

    async def _group_update(self, v, user):
        group = self._known_group(v["groupid"], "update group failed: ")
        if v.get("comment") is not None:
            group["comment"] = v["comment"] or None

    async def _group_delete(self, v, user):
        self._known_group(v["groupid"], "delete group failed: ")
        del self.groups[v["groupid"]]
        self.drop_entries(lambda key: key[1] == "group" and key[2] == v["groupid"])
