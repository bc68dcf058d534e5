#!/usr/bin/env python3
"""Ask ansible-core what it makes of many arguments, and keep its answers.

Writes cases.json, which the Rust test crates/ansible/tests/golden.rs replays.
Needs ansible-core 2.19; run it after adding cases:

    python3 tests/golden/generate.py
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import random
import re

import ansible.release
from ansible.module_utils import _internal
from ansible.module_utils.common import warnings
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.module_utils.common.parameters import env_fallback
from ansible.module_utils.errors import UnsupportedError

from cases import ENV, generated, handmade

FILE = pathlib.Path(__file__).with_name("cases.json")
MODULE = "ferrox.proxmox.golden"
RULES = (
    "mutually_exclusive",
    "required_together",
    "required_one_of",
    "required_if",
    "required_by",
)

def native(spec: dict) -> dict:
    """The spec with the function where JSON has its name."""
    result = {}
    for name, option in spec.items():
        option = dict(option)
        if "fallback" in option:
            option["fallback"] = (env_fallback, option["fallback"][1])
        if "options" in option:
            option["options"] = native(option["options"])
        result[name] = option
    return result


def steady(message: str) -> str:
    """The list of booleans comes out of a set, in another order at each run."""
    head, mark, tail = message.partition("Valid booleans include: ")
    if not mark:
        return message
    words = re.match(r"(?:'\w+'|\d)(?:, (?:'\w+'|\d))*", tail)
    listed = ", ".join(sorted(words.group().split(", ")))
    return head + mark + listed + tail[words.end():]


def beyond_json(value) -> bool:
    """Whether JSON, with 64 bits to a number, cannot hold the value."""
    if isinstance(value, dict):
        return any(beyond_json(v) for v in value.values())
    if isinstance(value, list):
        return any(beyond_json(v) for v in value)
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, int) and not -(2**63) <= value < 2**64


def answer(case: dict) -> dict | None:
    """What ansible-core says; None where it crashes or says what depends on chance."""
    spec = case["spec"]
    saved, controller = dict(os.environ), _internal.is_controller
    # As on a managed host, whatever was imported before: warnings are collected, not shown.
    _internal.is_controller = False
    os.environ.clear()
    os.environ.update(ENV)
    warnings._global_warnings.clear()
    warnings._global_deprecations.clear()
    try:
        rules = {rule: spec.get(rule) for rule in RULES}
        validator = ModuleArgumentSpecValidator(native(spec["argument_spec"]), **rules)
        result = validator.validate(case["input"])
    except Exception:
        return None
    finally:
        _internal.is_controller = controller
        os.environ.clear()
        os.environ.update(saved)

    # Of unknown options in several places, one place is picked by chance to
    # list what is known.
    places = {item[:-1] if isinstance(item, tuple) else () for item in result._unsupported_parameters}
    if len(places) > 1 or beyond_json(result.validated_parameters):
        return None
    prefix = f"Unsupported parameters for ({MODULE}) module: "
    said = {
        "values": result.validated_parameters,
        "errors": [
            (prefix if isinstance(error, UnsupportedError) else "") + steady(error.msg)
            for error in result.errors.errors
        ],
        "warnings": list(warnings.get_warning_messages()),
        "deprecations": [
            {key: value for key, value in deprecation.items() if value is not None}
            for deprecation in result._deprecations
        ],
        # A default joins them as it is; a truth value hides nothing.
        "no_log_values": sorted({str(value) for value in result._no_log_values if value is not True}),
        "unsupported": sorted(
            ".".join(item) if isinstance(item, tuple) else item
            for item in result._unsupported_parameters
        ),
    }
    return {key: value for key, value in said.items() if value}


def document() -> str:
    """The whole of cases.json, one case a line."""
    lines = []
    for case in handmade() + generated(random.Random(20)):
        # Rust keeps keys in order, so that must be ours as well.
        case = json.loads(json.dumps(case, sort_keys=True))
        expected = answer(case)
        if expected is not None:
            lines.append(json.dumps({**case, "expected": expected}, sort_keys=True))
    head = {"ansible_core": ansible.release.__version__, "module": MODULE, "env": ENV}
    cases = ",\n".join(dict.fromkeys(lines))
    return json.dumps(head)[:-1] + ', "cases": [\n' + cases + "\n]}\n"


if __name__ == "__main__":
    FILE.write_text(document())
