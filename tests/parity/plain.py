# SPDX-License-Identifier: GPL-3.0-or-later
"""What two runs say, without what differs from run to run: ids that are made up, times, the order of lists."""

from __future__ import annotations

import calendar
import json
import re
import time

from .cases import REMOVED

UPID = re.compile(r"(UPID:[^:]+):[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+:")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# When a guest was made, and the name of the state of one that was suspended.
MADE = re.compile(r"(?<=\bctime=)\d+|(?<=-state-suspend-)\d{4}-\d\d-\d\d")
# When a backup was made: in the name of its archive, and in its log.
BACKUP = re.compile(r"(vzdump-\w+-\d+-|(?:started|Failed|finished) at )(\d{4}(?:[-_: ]\d\d){5})")
# The salt of a password's hash is another one each time.
HASH = re.compile(r"\$5\$[./A-Za-z0-9]+\$[./A-Za-z0-9]{43}")
ADDRESS = re.compile(r"127\.0\.0\.1:\d+")
# Keys whose values the server counts anew, and their type; and those whose values may be the time of the run.
COUNTED = {"uptime": int, "pid": int, "pstart": int, "digest": str}
TIMES = {"starttime", "endtime", "ctime", "snaptime"}
DAY = 86400
# What Ferrox adds to a result, or ansible-core to either. None of it belongs to a module's contract.
ADDITIONS = {"diff", "failure", "plan", "warnings", "deprecations", "invocation", "exception"}
# How the entries of the state's lists are told apart.
IDENTITY = {"guests": ("vmid",), "acl": ("path", "type", "ugid", "roleid")}
# Parts of the state that are no outcome of a task.
PASSING = {"tasks", "time_scale"}


def plain(value, key=None):
    """A value in the form in which it is compared and recorded."""
    if key in COUNTED and type(value) is COUNTED[key]:
        return f"<{key}>"
    if key in TIMES and type(value) is int and abs(time.time() - value) < DAY:
        return "<now>"
    if isinstance(value, dict):
        return {name: plain(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        # The API gives none of its lists an order that holds.
        return sorted((plain(inner) for inner in value), key=text)
    if isinstance(value, str):
        value = HASH.sub("<hash>", BACKUP.sub(_less_now, value))
        return ADDRESS.sub("<address>", MADE.sub("<time>", UUID.sub("<uuid>", UPID.sub(r"\1:…:", value))))
    return value


def _less_now(found):
    """The time of the run out of what BACKUP finds; another one stays."""
    when = calendar.timegm(time.strptime(re.sub(r"\D", " ", found.group(2)), "%Y %m %d %H %M %S"))
    return found.group(1) + "<time>" if abs(time.time() - when) < DAY else found.group(0)


def text(value):
    """As JSON: 1 and true are different values, which Python takes for equal."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def result(raw):
    """A task's result, less what is no contract: a failure is one, whatever else it says."""
    if raw.get("failed"):
        return {"failed": True, "skipped": False, "msg": raw.get("msg", "")}
    kept = {name: value for name, value in raw.items() if name not in ADDITIONS and not name.startswith("_")}
    return plain({"failed": False, "changed": False, "skipped": False, **kept})


def effect(before, after):
    """How a task changed the cluster's state: {path: value}, `<removed>` for what is gone."""
    changes = {}
    _changes(_by_name(before), _by_name(after), (), changes)
    return plain(changes)


def _by_name(state):
    named = {part: value for part, value in state.items() if part not in PASSING}
    for part, keys in IDENTITY.items():
        named[part] = {" ".join(str(entry[key]) for key in keys): entry for entry in state[part]}
    return named


def _changes(before, after, path, changes):
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            _changes(before.get(key, REMOVED), after.get(key, REMOVED), (*path, key), changes)
    elif text(before) != text(after):
        changes[".".join(path)] = after
