# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried: the case files, `cases/<module>.yml`, as data. Their form is described in README.md."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import pathlib
from dataclasses import dataclass, field
from typing import Any

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE / "cases"
# A way to run a task: what it adds to the task's name, and whether it is check mode.
RUNS = {"check": (", check mode", True), "real": ("", False), "again": (", again", False)}
TASK = {"check", "diff", "runs", "says"}
CASE = {"case", "login", "seed", "start", "runs", "tasks", "differs"}
FILE = {"adds", "start", "runs", "login", "cases"}
DIFFERENCE = {"task", "key", "ours", "why", "login"}
# A key that one side does not have, and of the cluster's state: one that a task took away.
ABSENT = "<absent>"
REMOVED = "<removed>"


class Malformed(Exception):
    """A case file that does not have the form that README.md describes."""


@dataclass(frozen=True)
class Task:
    """One task of a case, as it is run."""

    name: str
    arguments: dict
    check: bool
    diff: bool
    # A sentence that the failure's message holds on both sides.
    says: str | None


@dataclass(frozen=True)
class Difference:
    """A place where the two sides answer differently, and why that is right."""

    task: str
    key: str
    # What Ferrox has there. With the keys `failed` and `skipped`: some of what its result holds.
    ours: Any
    why: str


@dataclass
class Case:
    """Some tasks on one fresh fake cluster."""

    module: str
    name: str
    login: str
    seed: str
    start: dict
    tasks: list[Task]
    differs: list[Difference]
    # Result keys that Ferrox has beyond the peer's, in this module.
    adds: set[str] = field(default_factory=set)

    @property
    def id(self):
        return f"{self.module}: {self.name} [{self.login}]"

    @property
    def given(self):
        """What the two sides get, in short: a recording with another one is out of date."""
        tasks = [(task.name, task.arguments, task.check, task.diff) for task in self.tasks]
        text = json.dumps([self.module, self.login, self.seed, self.start, tasks], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def modules():
    """The modules that have a case file."""
    return sorted(path.stem for path in CASES.glob("*.yml"))


def load(module):
    """The cases of a module; one that names several logins is as many cases."""
    file = yaml.safe_load((CASES / f"{module}.yml").read_text())
    _known(file, FILE, module)
    cases = [case for entry in file["cases"] for case in expanded(module, file, entry)]
    if repeated := {case.id for case in cases if [other.id for other in cases].count(case.id) > 1}:
        raise Malformed(f"{repeated}: twice")
    return cases


def expanded(module, file, entry):
    """An entry of a case file as cases, one for each login."""
    _known(entry, CASE, f"{module}: {entry.get('case')}")
    logins = entry.get("login", file.get("login", "token"))
    runs = entry.get("runs", file.get("runs", list(RUNS)))
    tasks = [run for given in entry["tasks"] for run in _runs(f"{module}: {entry['case']}", given, runs)]
    names = [task.name for task in tasks]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise Malformed(f"{module}: {entry['case']}: {repeated}: twice")
    for login in _list(logins):
        differs = [difference for given in entry.get("differs", ()) if login in _list(given.get("login", login))
                   for difference in _differences(f"{module}: {entry['case']}", given, names)]
        yield Case(module, entry["case"], login, entry.get("seed", "demo"), entry.get("start", file.get("start", {})),
                   tasks, differs, set(file.get("adds", ())))


def _runs(where, given, runs):
    names = given.keys() - TASK
    if len(names) != 1:
        raise Malformed(f"{where}: a task has one name and may have {sorted(TASK)}: {given}")
    (name,) = names
    for run in _list(given.get("runs", runs)):
        suffix, check = RUNS[run]
        yield Task(name + suffix, given[name] or {}, given.get("check", check), given.get("diff", False),
                   given.get("says"))


def _differences(where, given, names):
    _known(given, DIFFERENCE, where)
    for pattern in _list(given["task"]):
        meant = fnmatch.filter(names, pattern)
        if not meant:
            raise Malformed(f"{where}: differs names `{pattern}`; there are {names}")
        several = given["ours"] if "key" not in given else {given["key"]: given.get("ours", ABSENT)}
        for task in meant:
            yield from (Difference(task, key, ours, given["why"]) for key, ours in several.items())


def _list(value):
    return value if isinstance(value, list) else [value]


def _known(given, keys, where):
    if unknown := given.keys() - keys:
        raise Malformed(f"{where}: unknown {sorted(unknown)}; there are {sorted(keys)}")
