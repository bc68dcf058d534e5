# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/roles and /access/acl with their state."""

import re

from fakepve.routing import die, param_error, split_list

from .permissions import normal_path

NAME = r"/[A-Za-z0-9._-]+"
# The only paths that may get entries; %s: what has plain names below /sdn.
ACL_PATH = (rf"/|/access(/groups({NAME})?|/realm({NAME})?)?|/mapping({NAME}){{0,2}}|/nodes({NAME})?"
            rf"|/pool({NAME}){{0,3}}|/storage({NAME})?|/vms(/[1-9][0-9]{{2,}})?"
            r"|/sdn(/controllers(/[A-Za-z0-9_-]+)?|/(%s)(/[A-Za-z0-9]+)?"
            rf"|/zones({NAME}({NAME}(/[1-9][0-9]{{0,3}})?)?)?)?")
SDN_AREAS = {8: "dns|ipams", 9: "dns|ipams|fabrics|prefix-lists|route-maps"}


def joined(privileges):
    return ",".join(sorted(privileges))


class Access:
    """Mixin: roles and the access list."""

    def _own_routes_access(self):
        roles, role = "/access/roles", "/access/roles/{roleid}"
        return [("GET", roles, self._roles_list), ("POST", roles, self._role_create), ("GET", role, self._role_read),
                ("PUT", role, self._role_update), ("DELETE", role, self._role_delete),
                ("GET", "/access/acl", self._acl_list), ("PUT", "/access/acl", self._acl_update)]

    # -------------------------------------------------------------------------------- roles

    def _checked_privileges(self, text):
        known = self.special_roles["Administrator"]
        wanted = split_list(text)
        for name in wanted:
            if name not in known:
                raise param_error(privs=f"invalid format - invalid privilege '{name}'\n")
        return set(wanted)

    async def _roles_list(self, v, user):
        return [{"roleid": name, "privs": joined(privs), "special": int(name in self.special_roles)}
                for name, privs in self.roles.items()]

    async def _role_read(self, v, user):
        if v["roleid"] not in self.roles:
            raise die(f"role '{v['roleid']}' does not exist")
        return dict.fromkeys(sorted(self.roles[v["roleid"]]), 1)

    async def _role_create(self, v, user):
        name = v["roleid"]
        if name.lower().startswith("pve"):
            raise param_error(roleid="cannot use role ID starting with the (case-insensitive) 'PVE' namespace")
        privs = self._checked_privileges(v.get("privs"))
        if name in self.roles:
            raise die(f"create role failed: role '{name}' already exists")
        self.roles[name] = privs
        self.access_changed()

    async def _role_update(self, v, user):
        name = v["roleid"]
        privs = self._checked_privileges(v.get("privs"))
        if name in self.special_roles:
            raise die(f"auto-generated role '{name}' cannot be modified")
        if name not in self.roles:
            raise die(f"update role failed: role '{name}' does not exist")
        self.roles[name] = self.roles[name] | privs if v.get("append") else privs
        self.access_changed()

    async def _role_delete(self, v, user):
        name = v["roleid"]
        if name in self.special_roles:
            raise die(f"auto-generated role '{name}' cannot be deleted")
        if name not in self.roles:
            raise die(f"delete role failed: role '{name}' does not exist")
        del self.roles[name]
        self.drop_entries(lambda key: key[3] == name)

    # --------------------------------------------------------------------------- access list

    def drop_entries(self, matches):
        """Remove the entries of the access list whose key (path, type, id, role) matches."""
        for key in [key for key in self.access_list if matches(key)]:
            del self.access_list[key]
        self.access_changed()

    async def _acl_list(self, v, user):
        sees_all = self.allowed(user, "/access", "Sys.Audit")
        return [{"path": path, "type": kind, "ugid": ugid, "roleid": role, "propagate": propagate}
                for (path, kind, ugid, role), propagate in self.access_list.items()
                if sees_all or any(self.allowed(user, path, p) for p in self.may_grant_with(path))]

    async def _acl_update(self, v, user):
        whom = [(kind, name) for kind in ("group", "user", "token") for name in split_list(v.get(kind + "s"))]
        if not any(v.get(key) for key in ("users", "groups", "tokens")):
            raise param_error(**dict.fromkeys(("users", "groups", "tokens"),
                                              "either 'users', 'groups' or 'tokens' is required."))
        path = normal_path(v["path"])
        known = re.compile(ACL_PATH % SDN_AREAS[self.major])
        if path is None or not (v.get("delete") or known.fullmatch(path)):
            raise param_error(path=f"invalid ACL path '{v['path']}'")
        fail = "ACL update failed: "
        changes = []
        for role in split_list(v["roles"]):
            if role not in self.roles:
                raise die(f"{fail}role '{role}' does not exist")
            self._may_grant(user, path, role, v, fail)
            for kind, name in whom:
                self._known_subject(kind, name, fail)
                # root@pam may do everything anyway: what names him is not kept.
                if name != "root@pam":
                    changes.append((path, kind, name, role))
        for key in changes:
            if v.get("delete"):
                self.access_list.pop(key, None)
            else:
                self.access_list[key] = v.get("propagate", 1)
        self.access_changed()

    def _may_grant(self, user, path, role, v, fail):
        """Without Permissions.Modify only roles that the caller holds himself may be granted or taken."""
        held = self.privileges_on(user, path)
        if "Permissions.Modify" in held:
            return
        verb, propagate, why = "remove" if v.get("delete") else "add", v.get("propagate", 1), None
        if not self.roles[role] <= set(held):
            why = f"'{role}' - requires 'Permissions.Modify' or superset of privileges."
        elif verb == "add" and propagate and not all(held[privilege] for privilege in self.roles[role]):
            why = f"'{role}' with propagation - requires 'Permissions.Modify' or propagated superset of privileges."
        elif role == "NoAccess":
            why = "'NoAccess' - requires 'Permissions.Modify'"
        if why:
            # The server raises this as a 400 inside the lock on user.cfg, where the code is lost.
            raise die(f"{fail}400 Parameter verification failed.\nrole: Cannot {verb} role {why}")

    def _known_subject(self, kind, name, fail):
        if kind == "user" and name not in self.accounts:
            raise die(f"{fail}user '{name}' does not exist")
        if kind == "group" and name not in self.groups:
            raise die(f"{fail}group '{name}' does not exist")
        if kind == "token":
            owner, _, token = name.partition("!")
            if owner not in self.accounts:
                raise die(f"{fail}no such user ('{owner}')")
            if token not in self.user_tokens(owner):
                raise die(f"{fail}no such token '{token}' for user '{owner}'")
