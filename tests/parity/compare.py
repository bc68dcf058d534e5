# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the outcomes of a case differ, and which of the differences the case file lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .cases import ABSENT, RUNS
from .plain import text


@dataclass(frozen=True)
class Found:
    """A difference as it was found."""

    task: str
    key: str
    peer: Any
    ours: Any


@dataclass
class Verdict:
    """What a case came to."""

    # Tasks that do not differ.
    equal: int
    # Differences that the case file lists.
    listed: int
    # What is wrong, a sentence each: differences that are not listed, and listed ones that are not there.
    faults: list[str]


def verdict(case, peer, ours):
    """Compare the two outcomes of a case: a `sides.Did` by the name of each task."""
    faults, listed, equal = [], 0, 0
    for task in case.tasks:
        found = list(differences(task, peer[task.name], ours[task.name], case.adds))
        expected = {difference.key: difference for difference in case.differs if difference.task == task.name}
        equal += not found
        for difference in found:
            entry = expected.pop(difference.key, None)
            whole = ours[task.name].result
            if entry is None:
                faults.append(f"{task.name}: {difference.key}: {text(difference.peer)} of the peer, "
                              f"{text(difference.ours)} of Ferrox{_because(difference, whole)}")
            elif not _as_listed(entry, difference, whole):
                faults.append(f"{task.name}: {difference.key}: {text(entry.ours)} is listed, and Ferrox has "
                              f"{text(whole if difference.key in ('failed', 'skipped') else difference.ours)}")
            else:
                listed += 1
        faults += [f"{task.name}: {key}: is listed as a difference and is none" for key in expected]
    return Verdict(equal, listed, [*faults, *mispredictions(case, ours)])


def mispredictions(case, ours):
    """Check mode promises what the task then does."""
    for task in case.tasks:
        checked, done = ours.get(task.name + RUNS["check"][0]), ours[task.name]
        if checked is None or checked.result["failed"] or done.result["failed"]:
            continue
        if checked.effect:
            yield f"{task.name}: check mode changes the cluster: {text(checked.effect)}"
        if checked.result["changed"] != done.result["changed"]:
            yield f"{task.name}: check mode says changed {text(checked.result['changed'])}, and it is not so"


def differences(task, peer, ours, adds):
    """Where two outcomes of a task differ. A failure, or a task that was skipped, differs as a whole."""
    yield from _deep(task.name, ("state",), peer.effect, ours.effect)
    for ending in ("failed", "skipped"):
        if peer.result[ending] != ours.result[ending]:
            yield Found(task.name, ending, peer.result[ending], ours.result[ending])
            return
    if ours.result["failed"]:
        if task.says is not None and task.says not in ours.result["msg"]:
            yield Found(task.name, "msg", task.says, ours.result["msg"])
    else:
        kept = {key: value for key, value in ours.result.items() if key not in adds or key in peer.result}
        yield from _deep(task.name, (), peer.result, kept)
    if ours.requests > peer.requests:
        yield Found(task.name, "requests", peer.requests, ours.requests)


def _deep(task, path, peer, ours):
    """Differing values by their path; entries of lists that are as long as one another by their number."""
    if isinstance(peer, list) and isinstance(ours, list) and len(peer) == len(ours):
        peer, ours = (dict(enumerate(values)) for values in (peer, ours))
    if isinstance(peer, dict) and isinstance(ours, dict):
        for key in sorted(peer.keys() | ours.keys()):
            yield from _deep(task, (*path, str(key)), peer.get(key, ABSENT), ours.get(key, ABSENT))
    elif text(peer) != text(ours):
        yield Found(task, ".".join(path), peer, ours)


def _as_listed(entry, found, result):
    if found.key in ("failed", "skipped"):
        wanted = {} if entry.ours == ABSENT else entry.ours
        return all(text(result.get(key, ABSENT)) == text(value) for key, value in wanted.items())
    return text(entry.ours) == text(found.ours)


def _because(found, result):
    return f" ({result['msg']})" if found.key == "failed" and found.ours else ""
