# SPDX-License-Identifier: GPL-3.0-or-later
"""Without api_host a module asks `pvesh` on the node it runs on: a stand-in for it, in front of the fake cluster."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from conftest import REPOSITORY, ROLE, TIMEOUT, clean_environment, each_kind

KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlain+ada/== ada@example.org",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOther+eve/== eve"]


@pytest.fixture
def node(cluster, tmp_path):
    """The environment of a task on the node pve1."""
    programs = tmp_path / "bin"
    programs.mkdir()
    pvesh = programs / "pvesh"
    pvesh.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{REPOSITORY}/tests/cluster/pvesh.py" "$@"\n')
    pvesh.chmod(0o755)
    login = urllib.parse.urlencode({"username": "root@pam", "password": cluster.root_password}).encode()
    https = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=cluster.ca_path))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
    with opener.open(f"{cluster.url}/api2/json/access/ticket", data=login) as answer:
        given = json.load(answer)["data"]
    cluster.control("DELETE", "/requests")
    root = {"url": cluster.url, "ca_path": cluster.ca_path, "ticket": given["ticket"],
            "token": given["CSRFPreventionToken"], "node": "pve1"}
    return {"PATH": f"{programs}:{os.environ['PATH']}", "PVESH_CLUSTER": json.dumps(root)}


@pytest.fixture
def local(ferrox, node):
    """Runs a module on the node: local(module, args, check=, …) -> result."""
    return lambda module, args, **how: ferrox(module, args, environment=node, **how)


def test_an_object_lives_as_over_the_network(local, cluster):
    checked = local("pveum_role", ROLE, check=True, diff=True)
    assert checked["changed"] and checked["diff"]["after"] and cluster.stats()["writes"] == 0
    assert local("pveum_role", ROLE)["changed"]
    assert {request["user"] for request in cluster.requests()} == {"root@pam"}
    assert not local("pveum_role", ROLE)["changed"]
    assert local("pveum_role", {**ROLE, "privs": ["VM.Audit", "VM.Clone"]})["changed"]
    assert set(cluster.state()["roles"]["Ops"]) == {"VM.Audit", "VM.Clone"}
    assert local("pveum_role", {"name": "Ops", "state": "absent"})["changed"]
    assert "Ops" not in cluster.state()["roles"]


def test_a_list_arrives_as_a_list(local, cluster):
    members = {"poolid": "lab", "members": [{"vm": "103"}, {"vm": "104"}, {"storage": "ceph"}, {"storage": "nfs"}]}
    assert local("proxmox_pool_member", members)["changed"]
    told = local("proxmox_pool_member", members)
    assert not told["changed"] and all(member in told["members"] for member in members["members"])


@pytest.mark.parametrize("comment", ["--force", "ü 'b' \"c\" $HOME `d` %20&x=1;y\ntwo lines"])
def test_a_value_arrives_as_it_is(local, cluster, comment):
    pool = {"poolid": "special", "comment": comment}
    assert local("proxmox_pool", pool)["changed"]
    assert cluster.state()["pools"]["special"]["comment"] == comment
    assert not local("proxmox_pool", pool)["changed"]


def clones(**more):
    return {"vms": [{"name": "web-1", "node": "pve1"}, {"name": "web-2", "node": "pve2"}],
            "defaults": {"template": "debian-13", "cores": 4, "sshkeys": KEYS, **more}}


def test_guests_are_cloned_on_this_node_and_on_another_and_their_tasks_waited_for(local, cluster):
    result = local("proxmox_clone_vms", clones())
    assert result["changed"] and not result.get("failed"), result
    made = {guest["name"]: guest for guest in cluster.state()["guests"] if guest["name"] in ("web-1", "web-2")}
    assert {name: (guest["node"], guest["config"]["cores"]) for name, guest in made.items()} == {
        "web-1": ("pve1", 4), "web-2": ("pve2", 4)}
    assert urllib.parse.unquote(made["web-2"]["config"]["sshkeys"]).split("\n")[:2] == KEYS
    assert not local("proxmox_clone_vms", clones())["changed"]


def test_guests_are_started_and_shut_down(local, cluster):
    assert local("proxmox_start_vms", {"vms": ["web-old-2"]})["changed"]
    assert cluster.guest(102)["status"] == "running"
    assert local("proxmox_shutdown_vms", {"vms": ["web-old-1", "web-old-2"]})["changed"]
    assert cluster.guest(101)["status"] == cluster.guest(102)["status"] == "stopped"


@pytest.mark.parametrize("name", ["web-old-2", "dns"])
def test_a_task_that_fails_fails(local, cluster, name):
    cluster.patch(guests=[{"vmid": 200, "status": "stopped"}])
    cluster.fault(path=".*/status/start", task={"exitstatus": "start failed: no such bridge",
                                                   "log": ["a line of its log"]})
    result = local("proxmox_start_vms", {"vms": [name]})
    assert result["failed"] and "start failed: no such bridge" in result["msg"]
    assert result["failure"]["kind"] == "task_failed" and result["failure"]["upid"].startswith("UPID:")
    assert "a line of its log" in result["failure"]["log"]


def test_a_refusal_is_told_as_over_the_network(local, cluster):
    cluster.fault(method="POST", path="/access/roles", status=403,
                  message="Permission check failed (/access, Sys.Modify)\n")
    result = local("pveum_role", ROLE)
    assert result["failed"] and "answered 403: Permission check failed (/access, Sys.Modify)" in result["msg"]
    assert (result["failure"]["privilege"], result["failure"]["acl_path"]) == ("Sys.Modify", "/access")


def test_a_node_that_ssh_does_not_reach_is_an_offline_one(local, cluster):
    cluster.help("offline", node="pve2")
    result = local("proxmox_tasks_info", {"node": "pve2"})
    assert result["failed"] and result["failure"]["status"] == 595 and "offline" in result["failure"]["hint"]


@pytest.mark.parametrize("check", [True, False])
def test_a_secret_is_refused_before_anything_is_written(local, cluster, check):
    user = {"userid": "ada@pve", "password": "correct horse battery", "comment": "Ada"}
    result = local("pveum_user", user, check=check)
    assert result["failed"] and result["failure"]["kind"] == "not_sent"
    assert "`password` is a secret" in result["msg"] and "set api_host" in result["msg"]
    assert "correct horse" not in json.dumps(result) and cluster.stats()["writes"] == 0


def test_the_secret_that_a_task_makes_is_told(local, cluster):
    result = local("pveum_token", {"userid": "audit@pve", "tokenid": "new", "privsep": False})
    assert result["changed"] and len(result["secret"]) == 36, result


def test_the_way_to_the_api_is_told(local, cluster):
    result = local("proxmox_connectivity", {"nodes": ["pve1"], "privileges": {"/vms": ["VM.Clone"]}})
    assert result["passed"] and result["msg"] == "Proxmox VE 9.2.11 answers root@pam"
    names = [check["name"] for check in result["checks"]]
    assert names == ["pvesh", "version", "permissions", "privileges", "nodes", "quorum"]
    assert result["auth"] == {"method": "pvesh", "user": "root@pam", "token": None, "privilege_separation": None}
    assert result["host"] is None and result["latency_ms"] > 0 and cluster.stats()["writes"] == 0


@pytest.mark.parametrize("stated", [{"api_password": "secret"}, {"api_user": "ansible@pam"},
                                    {"api_token_id": "mms", "api_token_secret": "s3cret"}])
def test_credentials_without_a_host_are_no_reason_to_act_as_root(local, cluster, stated):
    result = local("pveum_role", {**ROLE, **stated})
    assert result["failed"] and cluster.requests() == []
    assert "set api_host" in result["msg"] and f"or leave {list(stated)[-1]} out" in result["msg"]


def test_root_without_a_password_is_who_asks_on_the_node(local, cluster):
    result = local("pveum_role", {**ROLE, "api_user": "root@pam"})
    assert result["changed"] and "warnings" not in result and "Ops" in cluster.state()["roles"]


def test_credentials_of_the_environment_are_for_other_tasks(ferrox, node, cluster):
    everybody = {"PROXMOX_USER": "ansible@pam", "PROXMOX_TOKEN_ID": "mms", "PROXMOX_TOKEN_SECRET": "s3cret"}
    result = ferrox("pveum_role", ROLE, environment={**node, **everybody})
    assert result["changed"] and {request["user"] for request in cluster.requests()} == {"root@pam"}
    assert "PROXMOX_USER, PROXMOX_TOKEN_ID, PROXMOX_TOKEN_SECRET of the environment" in result["warnings"][0]
    assert "s3cret" not in json.dumps(result)


@each_kind
def test_where_there_is_no_pvesh_a_host_is_asked_for(ferrox, cluster, least, tmp_path, module):
    result = ferrox(module, least(module), environment={"PATH": tmp_path})
    assert result["failed"] and cluster.requests() == []
    assert "set api_host or the environment variable PROXMOX_HOST" in result["msg"]


def test_who_is_not_root_is_told(ferrox, node, tmp_path):
    (tmp_path / "bin/pvesh").write_text('#!/bin/sh\necho "please run as root" >&2\nexit 13\n')
    result = ferrox("pveum_role", ROLE, environment=node)
    assert result["failed"] and "must run as root: set become" in result["msg"]


def test_a_playbook_runs_on_the_node(playbook, node, cluster):
    role = {"ferrox.proxmox.pveum_role": ROLE}
    assert playbook([role], check=True, environment=node).result["changed"] and cluster.stats()["writes"] == 0
    run = playbook([role, role, {"ferrox.proxmox.proxmox_start_vms": {"vms": ["web-old-2"]}}], environment=node)
    assert [result["changed"] for result in run.results] == [True, False, True], run.results
    assert cluster.guest(102)["status"] == "running" and "Ops" in cluster.state()["roles"]


def test_an_interrupted_task_is_not_waited_for(executable, node, cluster):
    cluster.help("hang", path=".*/status/start", times=None)
    process = subprocess.Popen([executable, "proxmox_start_vms", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=clean_environment(**node), text=True)
    process.stdin.write(json.dumps({"vms": ["web-old-2"]}))
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + TIMEOUT
    while not any(request["path"].endswith("/status/start") for request in cluster.requests()):
        assert time.monotonic() < deadline and process.poll() is None
    process.terminate()
    result = json.loads(process.communicate(timeout=TIMEOUT)[0])
    assert result["failed"] and result["msg"] == "interrupted: VM `web-old-2` left unfinished"


def test_a_file_is_refused_before_anything_is_written(local, cluster, tmp_path):
    image = tmp_path / "small.iso"
    image.write_bytes(b"an image")
    result = local("proxmox_template", {"node": "pve1", "storage": "local", "content_type": "iso", "src": str(image)})
    assert result["failed"] and "uploads no files" in result["msg"] and "set api_host" in result["msg"]
    assert cluster.stats()["writes"] == 0
