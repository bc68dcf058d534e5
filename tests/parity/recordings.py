# SPDX-License-Identifier: GPL-3.0-or-later
"""What the peer did, kept in `recordings/<module>.json`."""

from __future__ import annotations

import json
import pathlib

from .plain import text
from .sides import Did

RECORDINGS = pathlib.Path(__file__).resolve().parent / "recordings"
PEER = "community.proxmox 2.0.0"
# What a result holds unless it says otherwise.
USUAL = {"failed": False, "skipped": False}


class OutOfDate(Exception):
    """There is no recording of the case as it is now: `make parity RECORD=1`."""


def write(module, cases, outcomes):
    """Keep the peer's outcomes of a module's cases."""
    recorded = {case.id: {"given": case.given, "tasks": {name: _as_data(case, name, did) for name, did in dids.items()}}
                for case, dids in zip(cases, outcomes, strict=True)}
    _file(module).write_text(_lines({"peer": PEER, "cases": recorded}) + "\n")


def _lines(value, depth=0):
    """JSON with a line for each task: cases, a case, its tasks, a task."""
    if depth > 3 or not isinstance(value, dict):
        return text(value)
    indent = " " * (depth + 1)
    inner = ",\n".join(f"{indent}{text(key)}: {_lines(value[key], depth + 1)}" for key in value)
    return f"{{\n{inner}\n{indent[1:]}}}"


def read(case):
    """The peer's outcome of a case: {task: Did}."""
    file = _file(case.module)
    recorded = json.loads(file.read_text())["cases"].get(case.id, {}) if file.is_file() else {}
    if recorded.get("given") != case.given:
        raise OutOfDate(f"{case.id}: the recording is missing or out of date: make parity RECORD=1 ONLY={case.module}")
    return {name: Did({**USUAL, **task["result"]}, task.get("effect", {}), task["requests"])
            for name, task in recorded["tasks"].items()}


def _as_data(case, name, did):
    says = next(task.says for task in case.tasks if task.name == name)
    result = did.result
    if result["failed"]:
        # Its raw texts of exceptions are no contract; a sentence that the case names is.
        result = {"failed": True, **({"msg": says} if says and says in result["msg"] else {})}
    result = {key: value for key, value in result.items() if (key, value) not in USUAL.items()}
    return {"result": result, "requests": did.requests, **({"effect": did.effect} if did.effect else {})}


def _file(module):
    return RECORDINGS / f"{module}.json"
