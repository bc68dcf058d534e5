# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tickets, tokens and every way in which they are refused."""

import secrets
import time

from fakepve import PveError
from fakepve.routing import die, param_error
from fakepve.server import params

from .answers import Answered, json_answer
from .rules import refusal

TICKET_PATHS = ("/api2/json/access/ticket", "/api2/extjs/access/ticket")


class Login:
    """Mixin: POST /access/ticket and the authentication of all other requests."""

    def _active(self, userid):
        account = self.accounts.get(userid)
        if account is None or not account["enable"] or 0 < int(account["expire"] or 0) < time.time():
            return None
        return account

    def check_password(self, user, password):
        account = self._active(user)
        if account is None:
            return False
        ticket = self.tickets.get(password)
        if ticket is not None:
            # A ticket that is still valid is taken in place of the password, to renew it.
            return ticket["user"] == user and ticket["expires"] > time.time()
        return self.password_is(user, password)

    def _authenticate(self, request):
        """The user or token id of a request, None for the login itself; a PveError 401 otherwise."""
        if request.path in TICKET_PATHS:
            return None
        header = request.headers.get("Authorization", "")
        if header.startswith("PVEAPIToken="):
            return self._token_user(header.removeprefix("PVEAPIToken="))
        ticket = request.cookies.get("PVEAuthCookie")
        if not ticket:
            raise PveError(401, "No ticket")
        session = self.tickets.get(ticket)
        if session is None or session["expires"] < time.time() or self._active(session["user"]) is None:
            raise PveError(401, "permission denied - invalid PVE ticket")
        if request.method not in ("GET", "HEAD") and request.headers.get("CSRFPreventionToken") != session["csrf"]:
            raise PveError(401, "Permission denied - invalid csrf token")
        return session["user"]

    def _token_user(self, given):
        whole, _, secret = given.partition("=")
        owner, _, name = whole.partition("!")
        account = self._active(owner)
        token = account and account["tokens"].get(name)
        if not token or token["secret"] != secret or 0 < int(token.get("expire") or 0) < time.time():
            raise PveError(401, "Authentication failed!")
        return whole

    async def _ticket(self, request):
        v = await params(request)
        user = str(v.get("username", ""))
        if v.get("realm"):
            user += "@" + str(v["realm"])
        user = self.user_as_known(user)
        challenge = v.get("tfa-challenge")
        if challenge is not None:
            self._second_factor(user, challenge, str(v.get("password", "")))
        elif not self.check_password(user, v.get("password")):
            raise self._wrong_login()
        elif self.accounts[user]["totp"] and v.get("password") not in self.tickets:
            if v.get("otp") is None:
                return {"username": user, "NeedTFA": 1, "CSRFPreventionToken": secrets.token_hex(8),
                        "ticket": self._challenge(user)}
            if str(v["otp"]) != str(self.accounts[user]["totp"]):
                raise self._wrong_login()
        ticket, csrf = self.issue_ticket(user)
        named = self.cluster_name and self.allowed(user, "/", "Sys.Audit")
        name = {"clustername": self.cluster_name} if named else {}
        return {"ticket": ticket, "CSRFPreventionToken": csrf, "username": user, **name,
                "cap": {area: dict.fromkeys(self.privileges_on(user, path), 1) for area, path in
                        (("vms", "/vms"), ("nodes", "/nodes"), ("storage", "/storage"), ("access", "/access"),
                         ("dc", "/"))}}

    def _challenge(self, user):
        text = f"PVE:!tfa!{secrets.token_hex(8)}:{int(time.time()):08X}::{secrets.token_hex(16)}"
        self.challenges[text] = user
        return text

    def _second_factor(self, user, challenge, answer):
        known = self.challenges.pop(challenge, None)
        if known != user or answer != f"totp:{self.accounts[user]['totp']}":
            raise self._wrong_login()

    @staticmethod
    def _wrong_login():
        # The one 401 with a body.
        text = "authentication failure"
        return Answered(json_answer({"data": None, "message": text + "\n"}, 401, text))

    def _own_routes_password(self):
        return [("PUT", "/access/password", self._set_password)]

    async def _set_password(self, v, user):
        """Who may is in the method's rule; beside root@pam everybody confirms it with the password of his own."""
        userid = v["userid"]
        account = self._account(userid)
        if user != "root@pam":
            if userid == "root@pam":
                raise refusal()
            if v.get("confirmation-password") is None:
                raise param_error(**{"confirmation-password": "password is required to modify user"})
            if not self.password_is(user, v["confirmation-password"]):
                raise die("Authentication failure" if self.realm_type(user) == "pam" else "invalid credentials")
            if userid != user and self.realm_type(userid) == "pam":
                raise refusal()
        self.check_settable_password(userid)
        account["password"] = v["password"]
