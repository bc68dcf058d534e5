# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/proxmox.yml as a person runs it: a vault's names, tags, nothing shut down unless asked. The README's too."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from conftest import ANSIBLE, REPOSITORY

VERSIONS = pytest.mark.parametrize("ansible", ANSIBLE)
PLAYBOOK = (REPOSITORY / "playbooks/proxmox.yml").read_text()


@pytest.fixture
def run(playbook, cluster, tmp_path):
    """Runs the playbook for two VMs, with the variables of the example inventory's names."""
    variables = tmp_path / "variables.yml"
    variables.write_text(yaml.safe_dump({
        "proxmox_api_host": f"{cluster.host}:{cluster.port}",
        "proxmox_ca_path": cluster.ca_path,
        "vault_proxmox_api_user": f"{cluster.api_user}!{cluster.api_token_id}",
        "vault_proxmox_api_token_secret": cluster.api_token_secret,
        "proxmox_vm_defaults": {"template": "debian-13", "node": "pve1"},
        "proxmox_vms": [{"name": "shop-1"}, {"name": "shop-2", "memory": 4096}],
    }))

    def run(ansible="2.19", tags=(), more=None, **options):
        words = [word for tag in tags for word in ("--tags", tag)] + (["-e", json.dumps(more)] if more else [])
        return playbook(PLAYBOOK, ansible, arguments=["-e", f"@{variables}", *words], **options)

    return run


def statuses(cluster, prefix="shop-"):
    return {guest["name"]: guest["status"] for guest in cluster.state()["guests"] if guest["name"].startswith(prefix)}


@VERSIONS
def test_all_steps_make_running_vms_and_a_second_run_changes_nothing(run, cluster, ansible):
    first = run(ansible)
    assert first.rc == 0, first.stdout
    assert statuses(cluster) == {"shop-1": "running", "shop-2": "running"}
    writes = cluster.stats()["writes"]
    second = run(ansible)
    assert second.stats["localhost"]["changed"] == 0 and cluster.stats()["writes"] == writes


@pytest.mark.parametrize("tag", ["proxmox_connectivity", "proxmox_onnectivity"])
def test_connectivity_alone_reads_only_also_as_it_is_often_typed(run, cluster, tag):
    result = run(tags=[tag])
    assert result.rc == 0 and [task["action"] for task in result.tasks] == ["ferrox.proxmox.proxmox_connectivity"]
    assert cluster.stats()["writes"] == 0


def test_shutdown_happens_only_when_its_tag_is_asked_for(run, cluster):
    run()
    result = run(tags=["proxmox_shutdown_vms"])
    assert result.rc == 0 and len(result.tasks) == 1
    assert statuses(cluster) == {"shop-1": "stopped", "shop-2": "stopped"}


def test_vms_are_rebooted_and_removed_only_when_their_tags_are_asked_for(run, cluster):
    run()
    rebooted = run(tags=["proxmox_reboot_vms"])
    assert rebooted.rc == 0 and rebooted.stats["localhost"]["changed"] == 0, "nothing waits for it"
    assert run(tags=["proxmox_remove_vms"]).rc != 0, "they run"
    assert statuses(cluster) == {"shop-1": "running", "shop-2": "running"}
    run(tags=["proxmox_shutdown_vms"])
    assert run(tags=["proxmox_remove_vms"]).rc == 0
    assert statuses(cluster) == {}


def test_vms_have_snapshots_and_go_back_only_when_that_is_asked_for(run, cluster):
    run()
    snapshots = lambda: [guest["snapshots"] for guest in cluster.state()["guests"] if guest["name"].startswith("shop-")]
    assert snapshots() == [{}, {}]
    for state, changed in [("present", 1), ("present", 0), ("rollback", 1), ("absent", 1)]:
        result = run(tags=["proxmox_snapshot_vms"], more={"proxmox_snapshot": "before", "proxmox_snapshot_state": state})
        assert result.rc == 0 and result.stats["localhost"]["changed"] == changed, result.stdout
        assert all(("before" in kept) is (state != "absent") for kept in snapshots())
    assert statuses(cluster) == {"shop-1": "running", "shop-2": "running"}


def test_steps_can_be_taken_one_by_one(run, cluster):
    run(tags=["proxmox_clone_vms"])
    assert statuses(cluster) == {"shop-1": "stopped", "shop-2": "stopped"}
    run(tags=["proxmox_start_vms"])
    assert statuses(cluster) == {"shop-1": "running", "shop-2": "running"}


def test_a_dry_run_from_nothing_tells_of_the_clones_and_writes_nothing(run, cluster):
    result = run(check=True, diff=True)
    assert result.rc == 0 and result.stats["localhost"]["changed"] == 1
    assert cluster.stats()["writes"] == 0 and statuses(cluster) == {}


def test_no_secret_of_the_vault_is_shown_at_any_verbosity(run, cluster):
    result = run(verbosity=4, callback="default", diff=True)
    assert result.rc == 0
    assert cluster.api_token_secret not in result.stdout + result.stderr


def test_example_inventory_describes_vms_that_can_be_made(playbook, cluster, tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 admin@example")
    elsewhere = {"proxmox_api_host": f"{cluster.host}:{cluster.port}", "proxmox_ca_path": cluster.ca_path,
                 "vault_proxmox_api_user": f"{cluster.api_user}!{cluster.api_token_id}",
                 "vault_proxmox_api_token_secret": cluster.api_token_secret}
    inventory = REPOSITORY / "playbooks/inventory/example.yml"
    result = playbook(PLAYBOOK, check=True, environment={"HOME": tmp_path},
                      arguments=["-i", inventory, "-e", json.dumps(elsewhere), "--tags", "proxmox_clone_vms"])
    assert result.rc == 0, result.stdout
    assert [vm["name"] for vm in result.result["vms"]] == ["web-1", "web-2", "web-3"]


def test_readme_playbook_makes_its_vms_and_then_nothing_more(playbook, cluster, connection):
    (text,) = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (play,) = yaml.safe_load(text)
    assert set(play["module_defaults"]["group/ferrox.proxmox.proxmox"]) <= {"api_host", "api_user", "api_token_secret"}
    play["module_defaults"]["group/ferrox.proxmox.proxmox"] = connection
    first, second = (playbook(yaml.safe_dump([play])) for _ in range(2))
    assert first.rc == 0, first.stdout
    assert {vm["name"]: vm["status"] for vm in first.result["vms"]} == dict.fromkeys(["web-1", "web-2", "db-1"], "running")
    assert first.result["changed"] and not second.result["changed"]


# ------------------------------------------------------------------------------------------- cloud_template.yml

@pytest.fixture
def make_template(playbook, cluster, tmp_path):
    """Runs playbooks/cloud_template.yml with a published file of checksums: make_template(digest) -> Run."""
    images = "https://cloud.example.org"
    image = "debian-13-genericcloud-amd64.qcow2"

    def run(digest, ansible="2.19", **options):
        published = tmp_path / "SHA256SUMS"
        published.write_text(f"{'0' * 64}  other-{image}\n{digest} *{image}\n{'1' * 64}  {image}.torrent\n")
        cluster.patch(urls={f"{images}/{image}": {"sha256": digest}})
        variables = tmp_path / "variables.yml"
        variables.write_text(yaml.safe_dump({
            "proxmox_api_host": f"{cluster.host}:{cluster.port}",
            "proxmox_ca_path": cluster.ca_path,
            "vault_proxmox_api_user": f"{cluster.api_user}!{cluster.api_token_id}",
            "vault_proxmox_api_token_secret": cluster.api_token_secret,
            "proxmox_cloud_node": "pve1",
            "proxmox_cloud_images": images,
            "proxmox_cloud_image": image,
            "proxmox_cloud_sums": "SHA256SUMS",
            "proxmox_cloud_settings": {"cores": 2, "memory": 1024},
            # Nothing is asked of the internet.
            "cloud_published": published.read_text(),
        }))
        content = (REPOSITORY / "playbooks/cloud_template.yml").read_text()
        return playbook(content, ansible, arguments=["-e", f"@{variables}"], **options)

    return run


@pytest.mark.parametrize("ansible", ["2.17", "2.21"])
def test_a_published_image_becomes_a_template_by_every_ansible(make_template, ansible):
    first, second = (make_template("a" * 64, ansible) for _ in range(2))
    assert first.stats["localhost"]["changed"] == 1, first.stdout
    assert first.results[0]["name"] == "debian-13-cloud" and second.stats["localhost"]["changed"] == 0


def test_a_published_image_becomes_a_template_and_a_newer_one_another(make_template, cluster):
    def templates():
        return {guest["name"] for guest in cluster.state()["guests"]
                if guest["name"].startswith("debian-13-cloud") and guest["template"]}

    assert make_template("a" * 64, check=True).stats["localhost"]["changed"] == 1
    assert templates() == set()
    first = make_template("a" * 64)
    assert first.stats["localhost"]["changed"] == 1, first.stdout
    assert templates() == {"debian-13-cloud"}
    assert make_template("a" * 64).stats["localhost"]["changed"] == 0
    newer = make_template("b" * 64)
    assert newer.results[0]["name"] == "debian-13-cloud-bbbbbbbb", newer.stdout
    assert templates() == {"debian-13-cloud", "debian-13-cloud-bbbbbbbb"}
    assert make_template("b" * 64).stats["localhost"]["changed"] == 0
