# SPDX-License-Identifier: GPL-3.0-or-later
"""The options and result keys of community.proxmox 2.1, as `specs.json` holds them, against those of Ferrox.

In specs.json, what means the same has one form (`normal`), and the options that each module has for its connection stand
once, under `connection`.
"""

from __future__ import annotations

import json
import pathlib

from .plain import text

FILE = pathlib.Path(__file__).resolve().parent / "specs.json"
RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
# What of an option counts, and the value that means the same as none.
ATTRIBUTES = {"type": "str", "elements": None, "default": None, "choices": [], "aliases": [], "required": False,
              "no_log": None, "fallback": None}


def peer():
    """{module: {"options", "returns", and its rules}}, the connection's options included."""
    document = json.loads(FILE.read_text())
    connection = document["connection"]
    return {name: {**module, "options": {**connection, **module["options"]}}
            for name, module in document["modules"].items()}


def normal(spec):
    """An argument spec in the form of specs.json."""
    return {"options": {name: _option(option) for name, option in spec["argument_spec"].items()}, **_rules(spec)}


def _option(option):
    kept = {key: option[key] for key, none in ATTRIBUTES.items() if option.get(key) not in (none, None)}
    if option.get("options"):
        kept["options"] = {name: _option(inner) for name, inner in option["options"].items()}
    return {**kept, **_rules(option)}


def _rules(spec):
    rules = {rule: spec[rule] for rule in RULES if spec.get(rule)}
    if "required_by" in rules:
        rules["required_by"] = {name: [by] if isinstance(by, str) else by for name, by in rules["required_by"].items()}
    return {rule: sorted(given, key=text) if isinstance(given, list) else given for rule, given in rules.items()}


def returns(documented):
    """Documented result keys: their types, without sentences."""
    kept = {}
    for name, key in documented.items():
        kept[name] = {what: key[what] for what in ("type", "elements") if key.get(what)}
        if key.get("contains"):
            kept[name]["contains"] = returns(key["contains"])
    return kept


def lacking(peer, ours, path=""):
    """What of the peer's options and result keys Ferrox lacks, or has in another form, a sentence each."""
    for name, option in peer.get("options", {}).items():
        where = f"{path}{name}"
        mine = ours.get("options", {}).get(name)
        if mine is None:
            yield f"{where} is missing"
            continue
        for key in ATTRIBUTES:
            if text(option.get(key)) != text(mine.get(key)):
                yield f"{where}: {key} is {text(mine.get(key))}, the peer's {text(option.get(key))}"
        yield from lacking(option, mine, f"{where}.")
    for rule in RULES:
        theirs, mine = peer.get(rule), _less(ours.get(rule), peer.get("options", {}))
        if text(theirs) != text(mine):
            yield f"{path}{rule} is {text(mine)}, the peer's {text(theirs)}"


def _less(rule, options):
    """A rule without what is said of options that the peer does not have."""
    if isinstance(rule, dict):
        return {name: by for name, by in rule.items() if name in options} or None
    return [given for given in rule or () if all(name in options for name in _names(given))] or None


def _names(given):
    """The options that an entry of a rule names. A condition is [option, value, options, …]."""
    conditional = len(given) > 2 and isinstance(given[2], list)
    return [given[0], *given[2]] if conditional else given


def missing_keys(peer, ours, path=""):
    """Result keys of the peer that Ferrox does not document, or not with the same type."""
    for name, key in peer.items():
        mine = ours.get(name)
        if mine is None:
            yield f"{path}{name} is not returned"
            continue
        for what in ("type", "elements"):
            if key.get(what) != mine.get(what):
                yield f"{path}{name}: {what} is {mine.get(what)}, the peer's {key.get(what)}"
        yield from missing_keys(key.get("contains", {}), mine.get("contains", {}), f"{path}{name}.")
