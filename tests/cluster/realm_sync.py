# SPDX-License-Identifier: AGPL-3.0-or-later
"""POST /access/domains/{realm}/sync: users and groups of a directory become users and groups of the cluster."""

import copy

from fakepve import formats
from fakepve.routing import die, param_error

from .realms import properties, vanishing
from .users import new_account

# What a directory may tell of a user.
ATTRIBUTES = ("enable", "expire", "firstname", "lastname", "email", "comment", "keys")
DEFAULTS = {"enable-new": "1", "remove-vanished": "none"}


class RealmSync:
    """Mixin: the task auth-realm-sync."""

    def _own_routes_realm_sync(self):
        return [("POST", "/access/domains/{realm}/sync", self._realm_sync)]

    async def _realm_sync(self, v, user):
        name = v["realm"]
        if name not in self.realms:
            raise param_error(realm="Realm does not exist.")
        realm_type = self.realms[name]["type"]
        if realm_type not in ("ldap", "ad"):
            raise die(f"Cannot sync realm type '{realm_type}'! Only LDAP/AD realms can be synced.")
        options = self._sync_options(v, name)
        if options.get("scope") is None:
            raise param_error(scope="Not passed as parameter and not defined in realm default sync options.")
        dry = v.get("dry-run")
        log = [("(dry test run) " if dry else "") + f"starting sync for realm {name}"]

        async def work():
            return self._sync(name, options, dry)
        kind = "auth-realm-sync-test" if dry else "auth-realm-sync"
        return await self.task(self.local_node(), kind, name, user, work, lock=False, log=log)

    def _sync_options(self, v, name):
        """What is asked for, before what the realm has as its own, before the defaults of the API."""
        given = vanishing({key: v[key] for key in formats.REGISTERED["realm-sync-options"] if key in v})
        own = vanishing(properties(self.realms[name].get("sync-defaults-options")))
        return {**DEFAULTS, **own, **given}

    def _sync(self, name, options, dry):
        """What is to be done, as lines of the task's log."""
        directory = self.directory_of(name, self.realms[name])
        people = [{"name": p} if isinstance(p, str) else p for p in directory.get("users", ())]
        users = {f"{p['name']}@{name}": {key: p[key] for key in ATTRIBUTES if key in p} for p in people}
        groups = {f"{g['name']}-{name}": {f"{m}@{name}" for m in g.get("members", ())} & users.keys()
                  for g in directory.get("groups", ())}
        what = "users and groups" if options["scope"] == "both" else options["scope"]
        log = [f"got data from server, updating {what}"]
        before = copy.deepcopy((self.accounts, self.groups, self.access_list))
        remove = set(options["remove-vanished"].split(";"))
        if options["scope"] in ("users", "both"):
            self._sync_users(name, users, options, remove, log)
        if options["scope"] in ("groups", "both"):
            self._sync_groups(name, groups, remove, log)
        if dry:
            self.accounts, self.groups, self.access_list = before
            log.append("NOTE: Dry test run, changes were NOT written to the configuration.")
        else:
            log.append(f"successfully updated {what} configuration")
        self.access_changed()
        return log

    def _sync_users(self, realm, users, options, remove, log):
        for userid in [u for u in self.accounts if u.endswith("@" + realm) and u not in users]:
            if "entry" in remove:
                log.append(f"remove user '{userid}'")
                del self.accounts[userid]
                # Entries of a user outlive him, those of his tokens do not.
                self.drop_entries(lambda key, gone=userid + "!": key[2].startswith(gone))
            if "acl" in remove:
                log.append(f"purge users '{userid}' ACL entries")
                self.drop_entries(lambda key, gone=userid: key[1] == "user" and key[2] == gone)
        for userid, fields in users.items():
            known = self.accounts.get(userid)
            if known is not None and "properties" not in remove:
                log.append(f"updating user '{userid}'")
                known.update(fields)
                continue
            log.append(f"{'adding' if known is None else 'overwriting'} user '{userid}'")
            kept = {key: known[key] for key in ("enable", "tokens", "totp")} if known else {
                "enable": int(options["enable-new"])}
            self.accounts[userid] = new_account(**{**fields, **kept})

    def _sync_groups(self, realm, groups, remove, log):
        for name in [g for g in self.groups if g.endswith("-" + realm) and g not in groups]:
            if "entry" in remove:
                log.append(f"remove group '{name}'")
                del self.groups[name]
            if "acl" in remove:
                log.append(f"purge groups '{name}' ACL entries")
                self.drop_entries(lambda key, gone=name: key[1] == "group" and key[2] == gone)
        for name, members in groups.items():
            known = self.groups.get(name)
            keeps = known is not None and "properties" not in remove
            log.append(f"{'updating' if keeps else 'adding' if known is None else 'overwriting'} group '{name}'")
            self.groups[name] = {"comment": known["comment"] if keeps else None, "users": set(members)}
