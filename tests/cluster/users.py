# SPDX-License-Identifier: AGPL-3.0-or-later
"""/access/users and their API tokens."""

import re
import uuid

from fakepve.routing import die, param_error, split_list

# What a user's entry shows always, and what only where it is not empty.
ALWAYS, OPTIONAL = ("enable", "expire", "email"), ("firstname", "lastname", "comment", "keys")
TOKEN_FIELDS = ("comment", "expire", "privsep")
TOKEN_ID = re.compile(r"[A-Za-z][A-Za-z0-9.\-_]+")


def new_account(**fields):
    """A user as the cluster keeps it; a password of None cannot log in."""
    return {"enable": 1, "expire": 0, "email": "", "password": None, "totp": None, "tokens": {}, **fields}


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

    def _account(self, userid, fail=""):
        if userid not in self.accounts:
            raise die(f"{fail}no such user ('{userid}')")
        return self.accounts[userid]

    def _token(self, v):
        tokens = self._account(v["userid"])["tokens"]
        if v["tokenid"] not in tokens:
            raise die(f"no such token '{v['tokenid']}' for user '{v['userid']}'")
        return tokens[v["tokenid"]]

    @staticmethod
    def _token_info(token):
        return {key: token[key] for key in TOKEN_FIELDS if key in token}

    @staticmethod
    def _user_info(account):
        return {**{key: account[key] for key in ALWAYS},
                **{key: account[key] for key in OPTIONAL if account.get(key)}}

    def _groups_of(self, userid):
        return [name for name, group in self.groups.items() if userid in group["users"]]

    def _known_groups(self, text, fail):
        wanted = split_list(text)
        for name in wanted:
            if name not in self.groups:
                raise die(f"{fail}no such group '{name}'")
        return wanted

    # --------------------------------------------------------------------------------- users

    async def _users_list(self, v, user):
        wanted = ("User.Modify", "Sys.Audit")
        sees_all = any(self.allowed(user, "/access/groups", p) for p in wanted)
        seen = {user}.union(*(self.groups[name]["users"] for name in self.groups_with(user, wanted)))
        listed = []
        for userid, account in self.accounts.items():
            if not (sees_all or userid in seen) or v.get("enabled", account["enable"]) != account["enable"]:
                continue
            entry = {"userid": userid, **self._user_info(account)}
            if self.realm_type(userid):
                entry["realm-type"] = self.realm_type(userid)
            if v.get("full"):
                entry["groups"] = ",".join(sorted(self._groups_of(userid)))
                if account["tokens"]:
                    entry["tokens"] = [{"tokenid": name, **self._token_info(token)}
                                       for name, token in account["tokens"].items()]
            listed.append(entry)
        return listed

    async def _user_read(self, v, user):
        account = self._account(v["userid"])
        tokens = {name: self._token_info(token) for name, token in account["tokens"].items()}
        return {**self._user_info(account), "groups": sorted(self._groups_of(v["userid"])), "tokens": tokens or None}

    async def _user_create(self, v, user):
        userid, fail = self.user_as_known(v["userid"]), "create user failed: "
        if userid in self.accounts:
            raise die(f"{fail}user '{userid}' already exists")
        if v.get("password") is not None:
            self.check_settable_password(userid, fail)
        groups = self._known_groups(v.get("groups"), fail)
        fields = {key: v[key] for key in (*ALWAYS, *OPTIONAL) if key in v}
        self.accounts[userid] = new_account(password=v.get("password"), **fields)
        for name in groups:
            self.groups[name]["users"].add(userid)
        self.access_changed()

    async def _user_update(self, v, user):
        userid, fail = v["userid"], "update user failed: "
        self._account(userid, fail)
        if v.get("groups") is not None:
            wanted = self._known_groups(v["groups"], fail)
            for name, group in self.groups.items():
                if name in wanted:
                    group["users"].add(userid)
                elif not v.get("append"):
                    group["users"].discard(userid)
        self.accounts[userid].update({key: v[key] for key in (*ALWAYS, *OPTIONAL) if key in v})
        self.access_changed()

    async def _user_delete(self, v, user):
        """An unknown user is no fault here: the rule of the method has asked for him already, but not root@pam."""
        userid = v["userid"]
        gone = self.accounts.pop(userid, None)
        if userid == "root@pam":
            # He comes back by himself, without his tokens and as he was in the beginning.
            self.accounts[userid] = new_account(password=gone["password"], totp=gone["totp"])
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
        token = {"privsep": 1, **{key: v[key] for key in TOKEN_FIELDS if v.get(key) not in (None, "")}}
        account["tokens"][v["tokenid"]] = {"expire": 0, **token, "secret": str(uuid.uuid4())}
        self.access_changed()
        # The server echoes what was sent as text; only a later GET has numbers, and `expire` where it was not sent.
        info = {key: str(value) if key in v else value for key, value in token.items()}
        return {"full-tokenid": f"{v['userid']}!{v['tokenid']}", "info": info,
                "value": account["tokens"][v["tokenid"]]["secret"]}

    async def _token_update(self, v, user):
        token = self._token(v)
        deleted = split_list(v.get("delete"))
        for key in deleted:
            if key != "comment":
                # Raised as a 400 inside the lock on user.cfg, where the code is lost.
                raise die("updating token info failed: 400 Parameter verification failed.\n"
                          f"delete: unknown option '{key}'")
        sent = {key: v[key] for key in TOKEN_FIELDS if key in v}
        token.update(sent)
        if deleted or not token.get("comment"):
            token.pop("comment", None)
        self.access_changed()
        info = {key: str(value) if key in sent else value for key, value in self._token_info(token).items()}
        if v.get("regenerate"):
            token["secret"] = str(uuid.uuid4())
            return {"full-tokenid": f"{v['userid']}!{v['tokenid']}", "value": token["secret"], **info}
        return info

    async def _token_delete(self, v, user):
        self._token(v)
        del self.accounts[v["userid"]]["tokens"][v["tokenid"]]
        whole = f"{v['userid']}!{v['tokenid']}"
        self.drop_entries(lambda key: key[2] == whole)
