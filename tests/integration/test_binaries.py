# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as an executable of its own, without the collection: a file in the playbook's `library` folder."""

from __future__ import annotations

import shutil

import pytest
from conftest import ANSIBLE


@pytest.mark.parametrize("ansible", ANSIBLE)
def test_single_executable_in_library_is_a_module(playbook, executable, connection, cluster, tmp_path, ansible):
    single = executable.with_name("pveum_role")
    assert single.is_file(), "cargo build -p binaries --bin pveum_role"
    (tmp_path / "library").mkdir()
    shutil.copy(single, tmp_path / "library/pveum_role")
    task = {"pveum_role": {**connection, "name": "Ops", "privs": ["VM.Audit"]}}
    first, second = playbook([task, task], ansible, collections=tmp_path).results
    assert first["changed"] and not second["changed"]
    assert second["privs"] == ["VM.Audit"]
