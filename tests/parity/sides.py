# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sides: cases through ansible-playbook, the peer's modules or ours, and ours by the executable alone."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
from dataclasses import dataclass

import yaml
from integration.conftest import REPOSITORY, TARGET, clean_environment

from . import plain

HERE = pathlib.Path(__file__).resolve().parent
# What `make parity` installs.
PROGRAMS = REPOSITORY / ".venv-parity/bin"
PEER = REPOSITORY / "build/parity/collections"
# Certificates from elsewhere would come before the task's own.
LED_ASTRAY = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# The API user of each login that a case can name, and how that user proves to be who he is.
LOGINS = {
    "token": ("ansible@pam", {"api_token_id": "mms"}),
    "password": ("root@pam", {"api_password": "secret"}),
    "onlooker": ("audit@pve", {"api_token_id": "mms"}),
    "onlooker by password": ("audit@pve", {"api_password": "onlooker"}),
    "nobody": ("ansible@pam", {"api_token_id": "separate"}),
}


@dataclass(frozen=True)
class Did:
    """What one task did."""

    result: dict
    # How it changed the cluster's state.
    effect: dict
    # How much it asked, without logins.
    requests: int
    seconds: float | None = None


def connection(cluster, login):
    """The connection options of a login."""
    user, options = LOGINS[login]
    if "api_token_id" in options:
        options = {**options, "api_token_secret": cluster.api_token_secret}
    address = f"{cluster.host}:{cluster.port}"
    return {"api_host": address, "ca_path": cluster.ca_path, "api_user": user, **options}


def arguments(case, task, cluster):
    """A task's arguments as either side gets them: what begins with `files/` is a file of that folder here."""
    own = {key: str(HERE / value) if str(value).startswith("files/") else value for key, value in task.arguments.items()}
    return {**connection(cluster, case.login), **own}


def environment(**more):
    # Some of what the peer says is the time of the machine that it runs on.
    return {name: value for name, value in clean_environment(TZ="UTC", **more).items() if name not in LED_ASTRAY}


def did(raw, before, after, seconds=None):
    """From what was seen: the result, and {"state", "stats"} of the cluster before and after."""
    asked = after["stats"]["requests"] - before["stats"]["requests"]
    return Did(plain.result(raw), plain.effect(before["state"], after["state"]), asked, seconds)


# -------------------------------------------------------------------------------------------------- the executable


def executable():
    """Ours: FERROX_EXECUTABLE, or as cargo builds it for tests."""
    return pathlib.Path(os.environ.get("FERROX_EXECUTABLE", TARGET / "debug/ferrox")).resolve()


def alone(path, case, cluster):
    """Run a case by the executable alone: {task: Did}."""
    cluster.reset(seed=case.seed)
    cluster.patch(**case.start)
    seen, outcomes = _look(cluster), {}
    for task in case.tasks:
        keys = {"_ansible_check_mode": task.check, "_ansible_diff": task.diff, "_ansible_verbosity": 0}
        given = {**arguments(case, task, cluster), **keys}
        done = subprocess.run([path, case.module, "-"], input=json.dumps(given), env=environment(),
                              capture_output=True, text=True, timeout=60)
        before, seen = seen, _look(cluster)
        outcomes[task.name] = did(json.loads(done.stdout), before, seen)
    return outcomes


def _look(cluster):
    return {"state": cluster.state(), "stats": cluster.stats()}


# ------------------------------------------------------------------------------------------------------- playbooks


def peer(cases, cluster, home):
    """Run cases by the peer: a {task: Did} for each."""
    # The fake cluster, in this process, gives lists in any order; what the peer makes of it is to be the same each time.
    random.seed(cases[0].module)
    return _played("community.proxmox", PEER, cases, cluster, pathlib.Path(home, "peer"))


def ferrox(collections, cases, cluster, home):
    """Run cases by ours, as a user runs them, out of a collections path: a {task: Did} for each."""
    return _played("ferrox.proxmox", collections, cases, cluster, pathlib.Path(home, "ferrox"))


def _played(collection, collections, cases, cluster, home):
    """One playbook with a play for each case; the callback plugin sets the cluster up, and looks at it."""
    home.mkdir(exist_ok=True)
    plan = [{"seed": case.seed, "start": case.start} for case in cases]
    (home / "plan.json").write_text(json.dumps({"control_url": cluster.control_url, "cases": plan}))
    (home / "playbook.yml").write_text(yaml.safe_dump([_play(collection, case, cluster) for case in cases]))
    done = subprocess.run(
        [PROGRAMS / "ansible-playbook", "-i", "localhost,", home / "playbook.yml"],
        env=environment(
            ANSIBLE_COLLECTIONS_PATH=collections,
            ANSIBLE_STDOUT_CALLBACK="parity",
            ANSIBLE_CALLBACK_PLUGINS=HERE / "callback_plugins",
            ANSIBLE_HOME=home / "ansible",
            ANSIBLE_PYTHON_INTERPRETER=PROGRAMS / "python",
            ANSIBLE_NOCOLOR="1",
            PARITY_PLAN=home / "plan.json",
        ),
        cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    try:
        played = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"ansible-playbook, rc {done.returncode}:\n{done.stdout}\n{done.stderr}") from None
    return [_outcomes(case, seen) for case, seen in zip(cases, played, strict=True)]


def _play(collection, case, cluster):
    tasks = [{"name": task.name, "check_mode": task.check, "diff": task.diff, "ignore_errors": True,
              f"{collection}.{case.module}": arguments(case, task, cluster)}
             for task in case.tasks]
    return {"name": case.id, "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}


def _outcomes(case, seen):
    before, outcomes = seen["start"], {}
    for task, after in zip(case.tasks, seen["tasks"], strict=True):
        outcomes[task.name] = did(after["result"], before, after, after["seconds"])
        before = after
    return outcomes
