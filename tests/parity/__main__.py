# SPDX-License-Identifier: GPL-3.0-or-later
"""`make parity`: every case through both sides, and a table; `make parity RECORD=1`: the peer alone, to be recorded."""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import pathlib
import sys
import tempfile
from dataclasses import astuple, dataclass

from cluster import FakeCluster
from integration.conftest import MODULES, stage

from . import cases, compare, recordings, sides

# What Ferrox may need of what the peer needs, over all cases.
REQUESTS, SECONDS = 0.6, 0.1
LINE = "{:<34} {:>5} {:>5} {:>5} {:>6} {:>13} {:>15}"


@dataclass
class Sums:
    """A line of the table."""

    cases: int = 0
    tasks: int = 0
    equal: int = 0
    listed: int = 0
    requests_peer: int = 0
    requests_ours: int = 0
    seconds_peer: float = 0.0
    seconds_ours: float = 0.0

    def __add__(self, other):
        return Sums(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def line(self, name):
        return LINE.format(name, self.cases, self.tasks, self.equal, self.listed,
                           f"{self.requests_peer} / {self.requests_ours}",
                           f"{self.seconds_peer:.1f} / {self.seconds_ours:.2f}")


def each(work, modules, jobs):
    """What the work comes to for each of the modules, so many at a time, in their order."""
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        yield from zip(modules, pool.map(work, modules))


def record(module):
    """Keep what the peer does; what to say of it."""
    of_module = cases.load(module)
    with FakeCluster(seed="demo", time_scale=0) as cluster, tempfile.TemporaryDirectory(prefix="parity-") as home:
        outcomes = sides.peer(of_module, cluster, home)
    recordings.write(module, of_module, outcomes)
    faults = [f"{case.id}: {fault}" for case, outcome in zip(of_module, outcomes, strict=True)
              for fault in unsaid(case, outcome)]
    return "\n".join([*faults, f"{module}: {len(of_module)} cases"])


def unsaid(case, outcome):
    """Sentences that a case expects of a failure, and that the peer does not say."""
    for task in case.tasks:
        result = outcome[task.name].result
        if task.says is not None and not (result["failed"] and task.says in result["msg"]):
            yield f"{task.name}: the peer does not fail with `{task.says}`: {result.get('msg')}"


def beside(executable, module):
    """A module's line, and what is wrong."""
    of_module = cases.load(module)
    with FakeCluster(seed="demo", time_scale=0) as cluster, tempfile.TemporaryDirectory(prefix="parity-") as home:
        collections = stage(pathlib.Path(home, "collections"), executable)
        theirs, ours = sides.peer(of_module, cluster, home), sides.ferrox(collections, of_module, cluster, home)
    sums, faults = Sums(cases=len(of_module)), []
    for case, peer, mine in zip(of_module, theirs, ours, strict=True):
        verdict = compare.verdict(case, peer, mine)
        faults += [f"{case.id}: {fault}" for fault in (*verdict.faults, *unsaid(case, peer), *stale(case, peer))]
        # What the peer skips, having no check mode, it does without a request.
        done = [task.name for task in case.tasks if not peer[task.name].result["skipped"]]
        sums += Sums(0, len(case.tasks), verdict.equal, verdict.listed, *(
            sum(getattr(side[name], what) for name in done) for what in ("requests", "seconds") for side in (peer, mine)))
    return sums, faults


def stale(case, peer):
    """How the peer's outcome is another one than it was."""
    try:
        recorded = recordings.read(case)
    except recordings.OutOfDate as missing:
        return [str(missing)]
    again = [(task, key) for task in case.tasks
             for key in {found.key for found in compare.differences(task, recorded[task.name], peer[task.name], ())}]
    return [f"{task.name}: {key}: the peer's recording is out of date" for task, key in again]


def table(modules, executable, jobs):
    """Print the table; whether all is well."""
    print(LINE.format("module", "cases", "tasks", "equal", "listed", "requests", "task seconds"))
    print(LINE.format("", "", "", "", "", "peer / ours", "peer / ours"), flush=True)
    total, faults = Sums(), []
    for module in modules:
        if module not in MODULES:
            print(f"{module:<34} not in Ferrox yet", flush=True)
    there = [module for module in modules if module in MODULES]
    for module, (sums, wrong) in each(functools.partial(beside, executable), there, jobs):
        total, faults = total + sums, faults + wrong
        print(sums.line(module), flush=True)
    print(total.line("all"))
    limits = [("requests", total.requests_peer, total.requests_ours, REQUESTS),
              ("task seconds", total.seconds_peer, total.seconds_ours, SECONDS)]
    kept = True
    for what, peer, ours, limit in limits:
        ratio = ours / peer if peer else 0
        kept = kept and ratio <= limit
        print(f"{what}, ours / peer: {ratio:.2f} (limit {limit:.2f}): {'yes' if ratio <= limit else 'NO'}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return kept and not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="by default all that have cases")
    parser.add_argument("--record", action="store_true", help="run the peer, and keep what it does")
    parser.add_argument("--executable", type=pathlib.Path, default=sides.executable())
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many modules at a time; by default a core's each")
    given = parser.parse_args()
    modules = given.modules or cases.modules()
    if given.record:
        for _, said in each(record, modules, given.jobs):
            print(said, flush=True)
    elif not table(modules, given.executable.resolve(), given.jobs):
        sys.exit(1)


if __name__ == "__main__":
    main()
