# SPDX-License-Identifier: GPL-3.0-or-later
"""Each drop-in module has the options and the result keys of its namesake, and cases."""

import ast
import json
import subprocess

import pytest
import yaml
from integration.conftest import MODULES, REPOSITORY

from . import cases, sides, specs

PEER = specs.peer()
DROP_IN = [module for module in MODULES if module in PEER]
# Rules that are looser here, module by module; docs/compat.md says why.
LOOSER = {"proxmox_domain": {"required_if"}}
# Result keys that the peer documents with another type than it returns, as the recordings show.
MISDOCUMENTED = {
    "proxmox_cluster_join_info": "cluster_join",
    "proxmox_node_info": "proxmox_nodes.network",
    "proxmox_storage_contents_info": "proxmox_storage_content.ctime",
    "proxmox_storage_info": "proxmox_storages.prune-backups",
}


def spec(module):
    return json.loads(subprocess.check_output([sides.executable(), "spec", module]))


def documented(module):
    """The result keys in the module's documentation."""
    tree = ast.parse((REPOSITORY / f"plugins/modules/{module}.py").read_text())
    texts = {node.targets[0].id: node.value.value for node in tree.body if isinstance(node, ast.Assign)}
    return specs.returns(yaml.safe_load(texts["RETURN"]) or {})


@pytest.mark.parametrize("module", DROP_IN)
def test_every_option_of_the_namesake_is_there(module):
    theirs, ours = ({key: value for key, value in given.items() if key not in LOOSER.get(module, ())}
                    for given in (PEER[module], specs.normal(spec(module))))
    assert list(specs.lacking(theirs, ours)) == []


@pytest.mark.parametrize("module", DROP_IN)
def test_every_result_key_of_the_namesake_is_there(module):
    missing = specs.missing_keys(PEER[module]["returns"], documented(module))
    assert [fault for fault in missing if fault.split(": ")[0] != MISDOCUMENTED.get(module)] == []


@pytest.mark.parametrize("module", DROP_IN)
def test_check_mode_is_supported(module):
    assert spec(module)["supports_check_mode"]


@pytest.mark.parametrize("module", DROP_IN)
def test_there_are_cases(module):
    assert module in cases.modules()
