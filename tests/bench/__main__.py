# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures, prints one table, and fails where a limit is broken."""

from __future__ import annotations

import sys
import tempfile

from .measure import Executable, executable
from .rows import ALL

LINE = "{:<50} {:>8} {:>8}  {}"


def main():
    wanted = sys.argv[1:]
    known = {measure.__name__: measure for measure in ALL}
    if unknown := set(wanted) - set(known):
        sys.exit(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    path = executable()
    print(f"{path}\n\n{LINE.format('measure', 'limit', 'value', 'ok')}", flush=True)
    broken = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        tool = Executable(path, directory)
        for name in wanted or known:
            for row in known[name](tool):
                broken += not row.ok
                limit, value = (row.form.format(number) for number in (row.limit, row.value))
                print(LINE.format(row.measure, limit, value, "yes" if row.ok else "NO"), flush=True)
    if broken:
        sys.exit(f"\n{broken} of the limits are broken")


if __name__ == "__main__":
    main()
