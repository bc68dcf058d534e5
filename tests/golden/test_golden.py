"""cases.json is what the installed ansible-core 2.19 says."""

import pathlib
import sys

import pytest

release = pytest.importorskip("ansible.release")
if not release.__version__.startswith("2.19."):
    pytest.skip("the record is that of ansible-core 2.19", allow_module_level=True)

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import generate  # noqa: E402


def without_head(text: str) -> list[str]:
    """The cases; the head names the patch release that was asked."""
    return text.splitlines()[1:]


def test_the_record_is_what_ansible_core_says():
    recorded = without_head(generate.FILE.read_text())
    assert len(recorded) > 300
    assert without_head(generate.document()) == recorded
