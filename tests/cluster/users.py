# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/users and their API tokens."""

import re
import uuid

from fakepve.routing import die, param_error, split_list

USER_FIELDS = ("comment", "email", "enable", "expire", "firstname", "lastname", "keys")
USER_ID = re.compile(r"[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+")
TOKEN_ID = re.compile(r"[A-Za-z][A-Za-z0-9.\-_]+")


def new_account(**fields):
    """A user as the cluster keeps it; a password of None cannot log in."""
    return {"enable": 1, "expire": 0, "password": None, "totp": None, "tokens": {}, **fields}


class Users:
    """Mixin: users and tokens."""

    def init_users(self):
        self.accounts = {"root@pam": new_account(password=self.password)}

    def _own_routes_users(self):
        users, user = "/access/users", "/access/users/{userid}"
        tokens, token = user + "/token", user + "/token/{tokenid}"
        return [("GET", users, self._users_list), ("POST", users, self._user_create), ("GET", user, self._user_read),
                ("PUT", user, self._user_update), ("DELETE", user, self._user_delete),
                ("GET", tokens, self._tokens_list), ("GET", token, self._token_read),
                ("POST", token, self._token_create), ("PUT", token, self._token_update),
                ("DELETE", token, self._token_delete)]

    def user_tokens(self, userid):
        """The tokens of a user by id; none for an unknown user."""
        return self.accounts.get(userid, {}).get("tokens", {})

    def _account(self, userid):
        if userid not in self.accounts:
            raise die(f"no such user ('{userid}')")
        return self.accounts[userid]

    def _token(self, v):
        tokens = self._account(v["userid"])["tokens"]
        if v["tokenid"] not in tokens:
            raise die(f"no such token '{v['tokenid']}' for user '{v['userid']}'")
        return tokens[v["tokenid"]]

    @staticmethod
    def _token_info(token):
        return {key: token[key] for key in ("comment", "expire", "privsep") if key in token}

    def _groups_of(self, userid):
        return [name for name, group in self.groups.items() if userid in group["users"]]

    def _known_groups(self, text, fail):
        wanted = split_list(text)
        for name in wanted:
            if name not in self.groups:
                raise die(f"{fail}no such group '{name}'")
        return wanted

    @staticmethod
    def user_id_of(template, method, given):
        """The server reads a new user's id before it checks the parameters, and dies of a bad one."""
        if (method, template) == ("POST", "/access/users") and not USER_ID.fullmatch(str(given.get("userid", ""))):
            raise die(f"value '{given.get('userid')}' does not look like a valid user name")

    # --------------------------------------------------------------------------------- users

    async def _users_list(self, v, user):
        sees_all = any(self.allowed(user, "/access/groups", p) for p in ("User.Modify", "Sys.Audit"))
        listed = []
        for userid, account in self.accounts.items():
            if not sees_all and userid != user.partition("!")[0]:
                continue
            if v.get("enabled") is not None and bool(v["enabled"]) != bool(account["enable"]):
                continue
            entry = {"userid": userid, "realm-type": userid.rpartition("@")[2],
                     **{key: account[key] for key in USER_FIELDS if key in account}}
            if v.get("full"):
                entry["groups"] = ",".join(self._groups_of(userid))
                entry["tokens"] = [{"tokenid": name, **self._token_info(token)}
                                   for name, token in account["tokens"].items()]
            listed.append(entry)
        return listed

    async def _user_read(self, v, user):
        account = self._account(v["userid"])
        tokens = {name: self._token_info(token) for name, token in account["tokens"].items()}
        return {"email": "", **{key: account[key] for key in USER_FIELDS if key in account},
                "groups": self._groups_of(v["userid"]), "tokens": tokens or None}

    async def _user_create(self, v, user):
        userid, fail = v["userid"], "create user failed: "
        if userid in self.accounts:
            raise die(f"{fail}user '{userid}' already exists")
        groups = self._known_groups(v.get("groups"), fail)
        fields = {key: v[key] for key in USER_FIELDS if key in v}
        self.accounts[userid] = new_account(password=v.get("password"), **fields)
        for name in groups:
            self.groups[name]["users"].add(userid)
        self.access_changed()

    async def _user_update(self, v, user):
        userid, fail = v["userid"], "update user failed: "
        if userid not in self.accounts:
            raise die(f"{fail}user '{userid}' does not exist")
        if v.get("groups") is not None:
            wanted = self._known_groups(v["groups"], fail)
            for name, group in self.groups.items():
                if name in wanted:
                    group["users"].add(userid)
                elif not v.get("append"):
                    group["users"].discard(userid)
        self.accounts[userid].update({key: v[key] for key in USER_FIELDS if key in v})
        self.access_changed()

    async def _user_delete(self, v, user):
        userid = v["userid"]
        if userid not in self.accounts:
            raise die(f"delete user failed: user '{userid}' does not exist")
        self.accounts[userid]["tokens"].clear()
        if userid != "root@pam":
            del self.accounts[userid]
            for group in self.groups.values():
                group["users"].discard(userid)
        self.drop_entries(lambda key: key[2] == userid or key[2].startswith(userid + "!"))

    # -------------------------------------------------------------------------------- tokens

    async def _tokens_list(self, v, user):
        return [{"tokenid": name, **self._token_info(token)}
                for name, token in self._account(v["userid"])["tokens"].items()]

    async def _token_read(self, v, user):
        return self._token_info(self._token(v))

    async def _token_create(self, v, user):
        account = self._account(v["userid"])
        if not TOKEN_ID.fullmatch(v["tokenid"]):
            raise param_error(tokenid="value does not match the regex pattern")
        if v["tokenid"] in account["tokens"]:
            raise param_error(tokenid="Token already exists.")
        token = {"expire": account["expire"], "privsep": 1,
                 **{key: v[key] for key in ("comment", "expire", "privsep") if key in v}}
        account["tokens"][v["tokenid"]] = {**token, "secret": str(uuid.uuid4())}
        self.access_changed()
        # The server echoes what was sent as text; only a later GET has numbers.
        info = {key: str(v[key]) if key in v else value for key, value in token.items()}
        return {"full-tokenid": f"{v['userid']}!{v['tokenid']}", "info": info,
                "value": account["tokens"][v["tokenid"]]["secret"]}

    async def _token_update(self, v, user):
        token = self._token(v)
        sent = {key: v[key] for key in ("comment", "expire", "privsep") if key in v}
        token.update(sent)
        for key in split_list(v.get("delete")):
            token.pop(key, None)
        self.access_changed()
        info = {**self._token_info(token), **{key: str(value) for key, value in sent.items()}}
        if v.get("regenerate"):
            token["secret"] = str(uuid.uuid4())
            return {"full-tokenid": f"{v['userid']}!{v['tokenid']}", "info": info, "value": token["secret"]}
        return info

    async def _token_delete(self, v, user):
        self._token(v)
        del self.accounts[v["userid"]]["tokens"][v["tokenid"]]
        whole = f"{v['userid']}!{v['tokenid']}"
        self.drop_entries(lambda key: key[2] == whole)
