# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/domains: the realms, and what they do with passwords."""

from fakepve.routing import die


class Realms:
    """Mixin: realms and their passwords."""

    def init_realms(self):
        # realm -> its settings, as the cluster's configuration keeps them
        self.realms = {"pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
                       "pve": {"type": "pve", "comment": "Proxmox VE authentication server"}}

    def _own_routes_realms(self):
        return [("GET", "/access/domains", self._realms_list)]

    async def _realms_list(self, v, user):
        return [{"realm": name, **realm} for name, realm in self.realms.items()]

    # ----------------------------------------------------------------------------- passwords

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
        if kind not in ("pam", "pve"):
            raise die(f"{fail}can't set password on auth type '{kind}'")

    def linux_accounts(self):
        """Users that log in as users of the node's Linux: those of realm pam that have a password."""
        return {userid for userid, account in self.accounts.items()
                if self.realm_type(userid) == "pam" and account["password"] is not None}
