# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay: playbooks that name community.proxmox run by Ferrox as they are, and what Ferrox lacks is the original's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
import yaml
from conftest import ANSIBLE, REPOSITORY, TARGET, clean_environment

VERSIONS = pytest.mark.parametrize("ansible", ANSIBLE)
HOME = "ansible_collections/community/proxmox"
NAMES = json.loads((REPOSITORY / "tests/parity/specs.json").read_text())["modules"]
OLD_NAMES = ["proxmox_cluster_firewall", "proxmox_node_firewall", "proxmox_node_firewall_info"]
PEER = REPOSITORY / "build/parity/collections" / HOME
PEER_PYTHON = REPOSITORY / ".venv-parity/bin/python"

# How a play may name a module and the group of all modules, and its keyword `collections`. community.general hands on
# the names that it once had.
WAYS = [
    ("community.proxmox.proxmox_pool", "group/community.proxmox.proxmox", []),
    ("community.general.proxmox_pool", "group/community.proxmox.proxmox", []),
    ("community.general.proxmox_pool", "group/community.general.proxmox", []),
    ("proxmox_pool", "group/community.proxmox.proxmox", ["community.proxmox"]),
    ("proxmox_pool", "group/community.general.proxmox", ["community.general"]),
    ("ferrox.proxmox.proxmox_pool", "group/community.proxmox.proxmox", []),
]

# A later original: a module of which Ferrox knows nothing, the code that its modules share, an inventory, and a module
# that Ferrox has.
ORIGINAL = {
    "plugins/module_utils/proxmox.py": """
        def said(module):
            return f"the original, to {module.params['api_host']}"
        """,
    "plugins/modules/proxmox_of_tomorrow.py": """
        from ansible.module_utils.basic import AnsibleModule
        from ansible_collections.community.proxmox.plugins.module_utils.proxmox import said
        connection = ["api_host", "api_user", "api_token_id", "api_token_secret", "ca_path"]
        module = AnsibleModule({name: {"no_log": name == "api_token_secret"} for name in connection})
        module.exit_json(said=said(module))
        """,
    "plugins/modules/proxmox_pool.py": "raise SystemExit('hidden by the overlay')",
    "plugins/inventory/proxmox.py": """
        from ansible.plugins.inventory import BaseInventoryPlugin
        DOCUMENTATION = "{name: proxmox, short_description: x, options: {plugin: {}}}"
        class InventoryModule(BaseInventoryPlugin):
            NAME = "community.proxmox.proxmox"
            def verify_file(self, path):
                return True
            def parse(self, inventory, loader, path, cache=True):
                inventory.add_host("of-the-original")
        """,
    "COPYING": "its terms\n",
}


def make_overlay(folder, original):
    """What `make overlay` writes: a collections path that holds the overlay."""
    subprocess.run([TARGET / "debug/xtask", "overlay", folder, original], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def overlay(tmp_path_factory):
    """The overlay without an original."""
    return make_overlay(tmp_path_factory.mktemp("overlay"), "none")


@pytest.fixture
def original(tmp_path):
    home = tmp_path / "original" / HOME
    for name, text in ORIGINAL.items():
        place = home / name
        place.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines()
        place.write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    return home


@pytest.fixture(scope="session")
def general(tmp_path_factory):
    """A community.general that hands its names on, as it does since its release 11."""
    root = tmp_path_factory.mktemp("general")
    meta = root / "ansible_collections/community/general/meta"
    meta.mkdir(parents=True)
    (meta.parent / "galaxy.yml").write_text("{namespace: community, name: general, version: 11.0.0}")
    routes = {name: {"redirect": f"community.proxmox.{name}",
                     "deprecation": {"removal_version": "15.0.0", "warning_text": "It lives in community.proxmox."}}
              for name in NAMES}
    (meta / "runtime.yml").write_text(yaml.safe_dump({
        "requires_ansible": ">=2.17.0",
        "action_groups": {"proxmox": [{"metadata": {"extend_group": ["community.proxmox.proxmox"]}}]},
        "plugin_routing": {"modules": routes},
    }))
    return root


def runtime(overlay):
    return yaml.safe_load((overlay / HOME / "meta/runtime.yml").read_text())


def lacking(overlay):
    """A module that neither Ferrox nor the original of the overlay has."""
    routes = runtime(overlay)["plugin_routing"]["modules"]
    for name in NAMES:
        if routes.get(name, {}).get("redirect") == "community.proxmox.lacking":
            return name
    pytest.skip("Ferrox lacks nothing")


def path(*collections):
    return ":".join(map(str, collections))


def a_play(tasks, **keywords):
    return {"hosts": "localhost", "connection": "local", "gather_facts": False, **keywords, "tasks": tasks}


def one_play(tasks, **keywords):
    return yaml.safe_dump([a_play(tasks, **keywords)], sort_keys=False)


# --------------------------------------------------------------------------------------------- what Ferrox has


@VERSIONS
def test_a_play_runs_by_ferrox_however_it_names_the_module(
    playbook, collections, overlay, general, connection, asked, ansible
):
    def play(number, module, group, searched):
        pool = {module: {"poolid": f"shop-{number}", "comment": "The shop"}}
        return a_play([pool, pool], module_defaults={group: connection}, collections=searched)

    plays = [play(number, *way) for number, way in enumerate(WAYS)]
    run = playbook(yaml.safe_dump(plays, sort_keys=False), ansible, collections=path(overlay, general, collections))
    assert run.rc == 0, run.results
    assert [result["changed"] for result in run.results] == [True, False] * len(WAYS)
    assert asked().count("POST /pools") == len(WAYS)


@VERSIONS
def test_the_ways_to_run_a_task_go_through(playbook, collections, overlay, connection, asked, ansible):
    """Check mode and diff mode, async, and options that are refused in Ansible's words."""
    tasks = [
        {"community.proxmox.proxmox_role": {**connection, "roleid": "Ops", "privs": ["VM.Audit"]},
         "check_mode": True, "diff": True},
        {"community.proxmox.proxmox_user_info": {**connection, "userid": "root@pam"}, "async": 60, "poll": 1},
        {"community.proxmox.proxmox_pool": {"api_host": "pve"}},
    ]
    run = playbook(tasks, ansible, collections=path(overlay, collections))
    looked, waited, refused = run.results
    assert looked["changed"] and looked["diff"]["after"]["privs"] == ["VM.Audit"]
    assert [user["userid"] for user in waited["proxmox_users"]] == ["root@pam"]
    assert run.rc == 2 and refused["msg"] == "missing required arguments: poolid"
    assert all(request.startswith("GET ") for request in asked())


@VERSIONS
def test_ansible_doc_shows_the_module_that_runs(collections, overlay, ansible):
    if not (ANSIBLE[ansible] / "ansible-doc").exists():
        pytest.skip(f"there is no ansible-core {ansible}")
    shown = subprocess.run([ANSIBLE[ansible] / "ansible-doc", "community.proxmox.proxmox_pool"], capture_output=True,
                           text=True, env=clean_environment(ANSIBLE_COLLECTIONS_PATH=path(overlay, collections)))
    assert shown.returncode == 0, shown.stderr
    assert "ferrox.proxmox.proxmox_pool" in shown.stdout


def test_every_name_of_community_proxmox_is_in_its_group_and_leads_to_the_module_of_that_name(overlay):
    wanted = sorted([*NAMES, *OLD_NAMES])
    assert runtime(overlay)["action_groups"]["proxmox"] == wanted
    routes = runtime(overlay)["plugin_routing"]["modules"]
    ours = {stub.stem for stub in (REPOSITORY / "plugins/modules").glob("*.py")}
    for name in wanted:
        now = name if name in NAMES else f"{name}_options" if name in OLD_NAMES[:2] else "proxmox_node_firewall_options_info"
        expected = f"ferrox.proxmox.{now}" if now in ours else "community.proxmox.lacking"
        assert routes[name] == {"redirect": expected}


# ------------------------------------------------------------------------------------------- what Ferrox lacks


@VERSIONS
def test_a_module_that_is_lacking_fails_and_says_what_to_do(playbook, collections, overlay, general, ansible):
    name = lacking(overlay)
    tasks = [{f"{namespace}{name}": {"vmid": 100}, "ignore_errors": True}
             for namespace in ("community.proxmox.", "community.general.", "")]
    run = playbook(one_play(tasks, collections=["community.proxmox"]), ansible, check=True,
                   collections=path(overlay, general, collections))
    assert [task["status"] for task in run.tasks] == ["ignored"] * len(tasks)
    for result in run.results:
        assert f"ferrox.proxmox 0.1.0 does not have the module {name} yet" in result["msg"]
        assert "install community.proxmox and make the overlay again" in result["msg"]


@VERSIONS
def test_an_inventory_that_is_lacking_says_what_to_do(playbook, collections, overlay, tmp_path, ansible):
    if "inventory" not in runtime(overlay)["plugin_routing"]:
        pytest.skip("Ferrox has the inventory")
    (tmp_path / "x.proxmox.yml").write_text("plugin: community.proxmox.proxmox\n")
    run = playbook(one_play([]), ansible, arguments=("-i", "x.proxmox.yml"), collections=path(overlay, collections))
    said = " ".join(run.stderr.split())
    assert "does not have the inventory plugin proxmox yet" in said
    assert "install community.proxmox and make the overlay again" in said


@VERSIONS
def test_what_ferrox_lacks_is_that_of_the_original(
    playbook, collections, original, connection, tmp_path, ansible
):
    overlay = make_overlay(tmp_path / "overlay", original)
    (tmp_path / "x.proxmox.yml").write_text("plugin: community.proxmox.proxmox\n")
    play = [
        {"hosts": "localhost", "connection": "local", "gather_facts": False,
         "module_defaults": {"group/community.proxmox.proxmox": connection},
         "tasks": [{"community.proxmox.proxmox_of_tomorrow": {}}, {"community.proxmox.proxmox_pool": {"poolid": "shop"}}]},
        {"hosts": "of-the-original", "connection": "local", "gather_facts": False, "tasks": [{"ping": {}}]},
    ]
    # The interpreter is said for localhost alone by the fixture's environment; it serves the other host too.
    run = playbook(yaml.safe_dump(play), ansible, arguments=("-i", "x.proxmox.yml", "-i", "localhost,"),
                   collections=path(overlay, collections))
    assert run.rc == 0, run.results
    theirs, ours, from_inventory = run.results
    assert theirs["said"] == f"the original, to {connection['api_host']}"
    assert ours["changed"] and ours["msg"] == "Pool shop successfully created"
    assert from_inventory["ping"] == "pong"


def test_a_module_that_the_original_lacks_too_is_told_with_its_path(playbook, collections, original, tmp_path):
    overlay = make_overlay(tmp_path / "overlay", original)
    name = lacking(overlay)
    run = playbook([{f"community.proxmox.{name}": {}}], collections=path(overlay, collections))
    assert run.rc == 2
    assert f"does not have the module {name} yet" in run.result["msg"]
    assert f"{original} does not have it either" in run.result["msg"]


def test_the_tarball_holds_what_was_linked(playbook, collections, original, connection, tmp_path):
    overlay = make_overlay(tmp_path / "overlay", original)
    galaxy = [ANSIBLE["2.19"] / "ansible-galaxy", "collection"]
    environment = clean_environment(ANSIBLE_HOME=tmp_path / "ansible")
    subprocess.run([*galaxy, "build", "--output-path", tmp_path, overlay / HOME], check=True, env=environment)
    [tarball] = tmp_path.glob("community-proxmox-*.tar.gz")
    shutil.rmtree(original)
    # The dependency, ferrox.proxmox, is in the other path here.
    installed = tmp_path / "installed"
    subprocess.run([*galaxy, "install", "--no-deps", "-p", installed, tarball], check=True, env=environment)
    tasks = [{"community.proxmox.proxmox_of_tomorrow": connection},
             {"community.proxmox.proxmox_pool": {**connection, "poolid": "shop"}}]
    run = playbook(tasks, collections=path(installed, collections))
    assert run.rc == 0, run.results
    assert run.results[0]["said"].startswith("the original") and run.result["changed"]
    assert (installed / HOME / "COPYING").read_text() == "its terms\n"


def test_an_overlay_that_took_the_originals_place_serves_the_next_one(original, tmp_path):
    first = make_overlay(tmp_path / "first", original)
    second = make_overlay(tmp_path / "second", first / HOME)
    for name in ("plugins/modules/proxmox_of_tomorrow.py", "plugins/module_utils/proxmox.py", "COPYING"):
        assert (second / HOME / name).readlink() == original / name
    assert runtime(second)["plugin_routing"]["modules"] == runtime(first)["plugin_routing"]["modules"]


def test_the_original_is_found_in_ansibles_collections_path(original, tmp_path):
    overlay = make_overlay(tmp_path / "overlay", "none")
    environment = clean_environment(
        ANSIBLE_COLLECTIONS_PATH=path(overlay, tmp_path / "original"),
        ANSIBLE_HOME=tmp_path / "ansible",
        PATH=path(ANSIBLE["2.19"], os.environ["PATH"]),
    )
    # The second time the overlay stands before the original and holds what an original holds.
    for _ in range(2):
        subprocess.run([TARGET / "debug/xtask", "overlay", overlay], check=True, capture_output=True, env=environment)
        (original / "plugins/modules/proxmox_of_next_week.py").touch()
    for name in ("tomorrow", "next_week"):
        assert (overlay / HOME / f"plugins/modules/proxmox_of_{name}.py").readlink().is_relative_to(original)


def test_making_it_again_leaves_nothing_of_the_older_one(original, tmp_path):
    overlay = make_overlay(tmp_path / "overlay", original)
    make_overlay(tmp_path / "overlay", "none")
    assert not (overlay / HOME / "plugins/modules/proxmox_of_tomorrow.py").is_symlink()
    assert (original / "plugins/modules/proxmox_of_tomorrow.py").is_file()


@pytest.mark.parametrize("path", ["", "nowhere"])
def test_a_folder_that_is_no_original_is_refused(tmp_path, path):
    done = subprocess.run([TARGET / "debug/xtask", "overlay", tmp_path / "overlay", tmp_path / path],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "is not community.proxmox" in done.stderr
    assert not (tmp_path / "overlay").exists()


@pytest.mark.skipif(not (PEER.is_dir() and PEER_PYTHON.exists()), reason="make parity brings the original")
def test_the_originals_own_modules_run_beside_those_of_ferrox(playbook, collections, connection, tmp_path):
    overlay = make_overlay(tmp_path / "overlay", PEER)
    if "proxmox_zone_info" in runtime(overlay)["plugin_routing"]["modules"]:
        pytest.skip("Ferrox has the module")
    tasks = [{"community.proxmox.proxmox_zone_info": {}, "vars": {"ansible_python_interpreter": str(PEER_PYTHON)}},
             {"community.proxmox.proxmox_pool": {"poolid": "shop"}}]
    run = playbook(one_play(tasks, module_defaults={"group/community.proxmox.proxmox": connection}),
                   collections=path(overlay, collections))
    assert run.rc == 0, run.results
    assert "zones" in run.results[0] and run.result["changed"]
