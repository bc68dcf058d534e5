# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/domains: the realms, their settings, and what they do with passwords."""

from fakepve import PveError, TaskError, formats
from fakepve.routing import check_digest, die, sha1, split_list
from fakepve.schema import parse_boolean

BUILT_IN = {"pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
            "pve": {"type": "pve", "comment": "Proxmox VE authentication server"}}
# What a realm of a type may hold; "!" is required.
_OWN = "default comment tfa"
_DIRECTORY = (_OWN + " server2 port secure sslversion verify capath cert certkey bind_dn filter sync_attributes "
              "user_classes group_dn group_name_attr group_filter group_classes sync-defaults-options mode "
              "case-sensitive ")
OPTIONS = {"pam": _OWN, "pve": _OWN, "ldap": _DIRECTORY + "server1! base_dn! user_attr!",
           "ad": _DIRECTORY + "server1! domain! base_dn user_attr",
           "openid": "issuer-url! client-id! client-key autocreate username-claim groups-claim groups-autocreate "
                     "groups-overwrite prompt scopes acr-values audiences default comment query-userinfo"}
UNREACHABLE = "Name or service not known"

# Property strings of realms, which fakepve's formats do not name.
formats.REGISTERED["realm-sync-options"] = {
    "scope": {"type": "string", "enum": ["users", "groups", "both"], "optional": 1},
    "enable-new": {"type": "boolean", "optional": 1},
    "remove-vanished": {"type": "string", "optional": 1,
                        "pattern": "(?:(?:acl|properties|entry);)*(?:acl|properties|entry)|none"},
    "full": {"type": "boolean", "optional": 1}, "purge": {"type": "boolean", "optional": 1}}
formats.REGISTERED["pve-tfa-config"] = {
    "type": {"type": "string", "enum": ["yubico", "oath"]},
    **{key: {"type": "string", "optional": 1} for key in ("id", "key", "url")},
    "digits": {"type": "integer", "minimum": 6, "maximum": 8, "optional": 1},
    "step": {"type": "integer", "minimum": 10, "optional": 1}}


def properties(text):
    """A property string as a dict, its booleans as 1 and 0."""
    parts = dict(part.split("=", 1) for part in (text or "").split(",") if "=" in part)
    return {key: parse_boolean(value) or value for key, value in parts.items()}


def vanishing(options):
    """Sync options with the older `full` and `purge` put into the words of remove-vanished."""
    old = ["entry", "properties"] * (options.get("full") in (1, "1")) + ["acl"] * (options.get("purge") in (1, "1"))
    given = {"remove-vanished": ";".join(old)} if old and options.get("remove-vanished") is None else {}
    return {**{key: value for key, value in options.items() if key not in ("full", "purge")}, **given}


class Realms:
    """Mixin: realms and their passwords."""

    def init_realms(self):
        # realm -> its settings, as the cluster's configuration keeps them
        self.realms = {name: dict(realm) for name, realm in BUILT_IN.items()}
        # realm -> the password it binds with
        self.realm_passwords = {}
        # host name of an LDAP server -> {"users": [...], "groups": [...], "password", "error"}
        self.directories = {}

    def _own_routes_realms(self):
        realms, realm = "/access/domains", "/access/domains/{realm}"
        return [("GET", realms, self._realms_list), ("POST", realms, self._realm_create),
                ("GET", realm, self._realm_read), ("PUT", realm, self._realm_update),
                ("DELETE", realm, self._realm_delete)]

    def _realms_digest(self):
        return sha1(repr(sorted((name, sorted(realm.items())) for name, realm in self.realms.items())))

    # ------------------------------------------------------------------------------ settings

    async def _realms_list(self, v, user):
        return [{"realm": name, "type": realm["type"], **{key: realm[key] for key in ("comment", "default")
                                                          if realm.get(key)},
                 **({"tfa": properties(realm["tfa"])["type"]} if realm.get("tfa") else {})}
                for name, realm in self.realms.items()]

    async def _realm_read(self, v, user):
        if v["realm"] not in self.realms:
            raise die(f"domain '{v['realm']}' does not exist")
        plugin = {"plugin": "PVE::Auth::PAM"} if v["realm"] == "pam" else {}
        return {**self.realms[v["realm"]], **plugin, "digest": self._realms_digest()}

    @staticmethod
    def _checked_settings(kind, given, fail):
        known = {option.rstrip("!") for option in OPTIONS[kind].split()}
        for key in given:
            if key not in known:
                raise die(f"{fail}unexpected property '{key}'")
        if given.get("sync-defaults-options"):
            options = vanishing(properties(given["sync-defaults-options"]))
            given["sync-defaults-options"] = ",".join(f"{key}={value}" for key, value in sorted(options.items()))
        return given

    def _bound(self, name, settings, v, fail):
        """Look whether the server of a realm answers and takes the password, where that is asked for."""
        if v.get("check-connection") is None:
            return
        if settings["type"] not in ("ldap", "ad"):
            raise die(f"{fail}'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'")
        if v["check-connection"]:
            try:
                self.directory_of(name, settings, v.get("password"))
            except TaskError as e:
                raise die(f"{fail}{e}") from e

    @staticmethod
    def _given(v):
        return {key: value for key, value in v.items()
                if key not in ("realm", "type", "password", "check-connection", "delete", "digest")}

    async def _realm_create(self, v, user):
        fail, name, kind = "add auth server failed: ", v["realm"], v["type"]
        if name in self.realms:
            raise die(f"{fail}domain '{name}' already exists")
        if kind in BUILT_IN:
            raise die(f"{fail}unable to create builtin type '{kind}'")
        settings = {"type": kind, **self._checked_settings(kind, self._given(v), fail)}
        for option in sorted(OPTIONS[kind].split()):
            if option.endswith("!") and settings.get(option[:-1]) is None:
                raise die(f"{fail}missing value for required option '{option[:-1]}'")
        self._bound(name, settings, v, fail)
        self._keep(name, settings, v)

    async def _realm_update(self, v, user):
        fail, name = "update auth server failed: ", v["realm"]
        try:
            check_digest(self._realms_digest(), v.get("digest"))
        except PveError as e:
            raise die(fail + e.message) from e
        given, deleted = self._given(v), split_list(v.get("delete"))
        if not given and not deleted and v.get("password") is None:
            raise die(f"{fail}no options specified")
        if name not in self.realms:
            # The server looks for the type of a realm that it has just made up by looking for it.
            raise die(f"{fail}cannot lookup undefined type! at /usr/share/perl5/PVE/API2/Domains.pm line 261.")
        kept = {key: value for key, value in self.realms[name].items() if key not in deleted}
        settings = {**kept, **self._checked_settings(kept["type"], given, fail)}
        self._bound(name, settings, v, fail)
        if "password" in deleted:
            self.realm_passwords.pop(name, None)
        self._keep(name, settings, v)

    def _keep(self, name, settings, v):
        if v.get("default"):
            for other in self.realms.values():
                other.pop("default", None)
        if v.get("password") is not None and settings["type"] in ("ldap", "ad"):
            self.realm_passwords[name] = v["password"]
        if name in BUILT_IN:
            settings["comment"] = settings.get("comment") or BUILT_IN[name]["comment"]
        self.realms[name] = settings

    async def _realm_delete(self, v, user):
        """The realms of the server's own come back at once, as they were in the beginning."""
        name = v["realm"]
        if name not in self.realms:
            raise die(f"delete auth server failed: authentication domain '{name}' does not exist")
        self.drop_realm(name)

    def drop_realm(self, name):
        self.realms.pop(name, None)
        self.realm_passwords.pop(name, None)
        if name in BUILT_IN:
            self.realms[name] = dict(BUILT_IN[name])

    # ----------------------------------------------------------------------- passwords, users

    def realm_type(self, userid):
        return self.realms.get(userid.rpartition("@")[2], {}).get("type")

    def check_settable_password(self, userid, fail=""):
        """A password can be stored in a realm of Proxmox VE's own, and for an account that Linux has."""
        name, _, realm = userid.rpartition("@")
        kind = self.realm_type(userid)
        if kind is None:
            raise die(f"{fail}auth domain '{realm}' does not exist")
        if kind == "pam" and userid not in self.linux_accounts():
            raise die(f"{fail}change password failed: usermod: user '{name}' does not exist")
        if kind not in BUILT_IN:
            raise die(f"{fail}can't set password on auth type '{kind}'")

    def linux_accounts(self):
        """Users that log in as users of the node's Linux: those of realm pam that have a password."""
        return {userid for userid, account in self.accounts.items()
                if self.realm_type(userid) == "pam" and account["password"] is not None}

    def password_is(self, userid, password):
        """Whether a password is a user's own: kept here, or by his realm's directory."""
        name, _, realm = userid.rpartition("@")
        kind = self.realm_type(userid)
        if kind in BUILT_IN:
            known = self.accounts[userid]["password"]
        elif kind in ("ldap", "ad"):
            server = self.directories.get(self.realms[realm]["server1"], {})
            known = next((entry.get("password") for entry in server.get("users", ()) if entry["name"] == name), None)
        else:
            # An openid realm has no passwords, and who is left of a realm that was deleted cannot log in.
            known = None
        return known is not None and known == password

    def user_as_known(self, userid):
        """A user id in the case in which it is known, where its realm does not tell cases apart."""
        if self.realms.get(userid.rpartition("@")[2], {}).get("case-sensitive", 1):
            return userid
        return next((known for known in self.accounts if known.lower() == userid.lower()), userid)

    # ----------------------------------------------------------------------------- directories

    def directory_of(self, name, settings, password=None):
        """The directory behind a realm; a TaskError when it cannot be reached or bound to."""
        servers = [settings.get("server1"), settings.get("server2")]
        found = next((self.directories[host] for host in servers if self.directories.get(host) is not None), None)
        if found is None:
            raise TaskError(UNREACHABLE)
        if found.get("error"):
            raise TaskError(found["error"])
        if settings.get("bind_dn"):
            password = password or self.realm_passwords.get(name)
            if password is None:
                raise TaskError(f"missing password for realm {name}")
            if found.get("password") not in (None, password):
                raise TaskError("ldap bind failed: Invalid credentials")
        return found

    def apply_realms(self, data):
        """Realms and directories of a seed or a patch; null removes one."""
        for host, directory in data.get("directories", {}).items():
            self.directories[host] = directory
        for name, settings in data.get("realms", {}).items():
            if settings is None:
                self.drop_realm(name)
                continue
            settings = dict(settings)
            if "password" in settings:
                self.realm_passwords[name] = settings.pop("password")
            directory = settings.pop("directory", None)
            realm = self.realms[name] = {**self.realms.get(name, {}), **settings}
            if directory is not None:
                self.directories[realm.setdefault("server1", f"{name}.example.org")] = directory

    def shown_realms(self):
        """The realms in the form of the state."""
        passwords = {name: {"password": password} for name, password in self.realm_passwords.items()}
        return {name: {**realm, **passwords.get(name, {})} for name, realm in self.realms.items()}
