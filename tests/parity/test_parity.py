# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case through the executable, against what the peer did: its recording."""

import re

import pytest
from cluster import FakeCluster
from integration.conftest import MODULES, REPOSITORY

from . import cases, compare, recordings, sides

ALL = [case for module in cases.modules() for case in cases.load(module)]


@pytest.fixture(scope="session")
def served():
    with FakeCluster(seed="demo", time_scale=0) as cluster:
        yield cluster


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_it_does_what_the_peer_does(case, served):
    if case.module not in MODULES:
        pytest.skip(f"Ferrox has no {case.module}")
    ours = sides.alone(sides.executable(), case, served)
    assert compare.verdict(case, recordings.read(case), ours).faults == []
    assert served.schema_violations() == []


@pytest.mark.parametrize("module", cases.modules())
def test_a_reason_that_names_the_list_of_differences_stands_there(module):
    listed = (REPOSITORY / "docs/compat.md").read_text()
    named = [difference for case in cases.load(module) for difference in case.differs if "docs/compat.md" in difference.why]
    assert not named or re.search(rf"^\| [^|]*\b{module}\b[^|]* \|", listed, re.MULTILINE), named
