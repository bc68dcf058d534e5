# SPDX-License-Identifier: AGPL-3.0-or-later
"""The permission rules that the API schema states per method, and how their refusals read."""

from fakepve import PveError, formats
from fakepve.routing import die, split_list

from .permissions import normal_path


def checked_user_id(text):
    """A user id as it is, or the 500 of the server, which reads it before it checks the parameters."""
    fault = formats.check("pve-userid", str(text or ""))
    if fault:
        raise die(fault)
    return text


def refusal(why=""):
    return PveError(403, f"Permission check failed ({why})" if why else "Permission check failed")


class Rules:
    """Mixin: check_permissions(). A rule answers whether it holds; unless `quiet`, one that does not hold raises."""

    def check_permissions(self, user, perms, values, declared=None):
        if user == "root@pam" or (perms or {}).get("user") in ("all", "world"):
            return
        if perms is None:
            raise refusal("user != root@pam")
        if "check" not in perms:
            raise refusal()
        self._rule(user, perms["check"], values, declared)

    def _rule(self, user, rule, values, declared, quiet=False):
        kind = rule[0]
        if kind == "and":
            # The parts of an "and" refuse in their own words, even as one of several alternatives.
            return all(self._rule(user, part, values, declared) for part in rule[1:])
        if kind == "or":
            # Which of several alternatives was missing is not told.
            return any(self._rule(user, part, values, declared, True) for part in rule[1:]) or self._refuse(quiet)
        if kind == "perm":
            held, why = self._check(user, rule, values, declared)
            return held or self._refuse(quiet, why)
        if kind == "perm-modify":
            path = normal_path(values.get("path"))
            if path is None:
                # The handler answers for a path that is none.
                return True
            wanted = self.may_grant_with(path)
            held = any(self.allowed(user, path, p) for p in wanted)
            return held or self._refuse(quiet, f"{path}, {'|'.join(wanted)}")
        if kind == "userid-param":
            return self._rule_on_user_id(user, rule[1], values, quiet)
        return self._rule_on_groups(user, rule, values, quiet)

    @staticmethod
    def _refuse(quiet, why=""):
        if not quiet:
            raise refusal(why)
        return False

    def _exists(self, userid, quiet):
        if userid in self.accounts:
            return True
        if not quiet:
            raise die(f"no such user ('{checked_user_id(userid)}')")
        return False

    def _rule_on_user_id(self, user, wanted, values, quiet):
        userid = checked_user_id(values.get("userid"))
        if wanted == "self":
            # A token is not its user: it changes nothing of him by being his.
            return self._exists(userid, quiet) and (user == userid or self._refuse(quiet))
        path = "/access/realm/" + userid.rpartition("@")[2]
        return self.allowed(user, path, wanted) or self._refuse(quiet, f"{path}, {wanted}")

    def _rule_on_groups(self, user, rule, values, quiet):
        """Rights over a user: over all of them, or over a group he is or shall be in."""
        userid, wanted, groups = values.get("userid"), rule[1], dict(zip(rule[2::2], rule[3::2], strict=True))
        purpose, alternatives = groups.get("groups_param"), "|".join(rule[1])
        if purpose != "create" and not self._exists(userid, quiet):
            return False
        if any(self.allowed(user, "/access/groups", p) for p in wanted):
            return True
        ruled = self.groups_with(user, wanted)
        if purpose:
            named = split_list(values.get("groups"))
            if not named:
                raise refusal(f"/access/groups, {alternatives}")
            for group in named:
                if group not in ruled:
                    raise refusal(f"/access/groups/{group}, {alternatives}")
        if purpose == "create" or any(userid in self.groups[name]["users"] for name in ruled):
            return True
        return self._refuse(quiet)

    def groups_with(self, user, wanted):
        """The groups on which a caller has one of some privileges."""
        return [name for name in self.groups if any(self.allowed(user, f"/access/groups/{name}", p) for p in wanted)]
