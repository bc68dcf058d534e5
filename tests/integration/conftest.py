# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: the fake cluster, the executable, and ansible-playbook in several versions.

    def test_x(ferrox, cluster, connection):
        result = ferrox("pveum_role", {**connection, "name": "Ops", "privs": ["VM.Audit"]})
        assert result["changed"]

    def test_y(playbook, connection):
        run = playbook([{"ferrox.proxmox.pveum_role": {**connection, "name": "Ops"}}], check=True)
        assert run.result["changed"]

The executable is target/debug/ferrox (FERROX_EXECUTABLE names another one): build it with `cargo build -p ferrox`.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
from urllib.parse import unquote

import pytest
import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(pathlib.Path(__file__).parent)]

from cluster import FakeCluster  # noqa: E402

import options  # noqa: E402

# Where `make` puts each version of ansible-core; the one that runs pytest is the default.
ANSIBLE = {
    "2.17": REPOSITORY / ".venv-2.17/bin",
    "2.19": pathlib.Path(sys.executable).parent,
    "2.21": REPOSITORY / ".venv-2.21/bin",
}
# Where cargo builds.
TARGET = REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target")
PLATFORM = f"{platform.system().lower()}-{platform.machine()}"
TIMEOUT = 120
MODULES = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py"))
# Options with which any server lets a caller do something.
ROLE = {"name": "Ops", "privs": ["VM.Audit"]}

# For what each module has of its own: its options, its examples, what it makes of a refusal.
every_module = pytest.mark.parametrize("module", MODULES)
# For what all modules share (reading the options, the connection, the job): one of each kind. A native one, a drop-in
# one, one that only reads, one whose answer is what failed, one that does many things at a time.
each_kind = pytest.mark.parametrize(
    "module", ["pveum_role", "proxmox_group", "proxmox_group_info", "proxmox_connectivity", "proxmox_clone_vms"]
)


# ------------------------------------------------------------------------------------------------ the fake cluster


@pytest.fixture(scope="session")
def served():
    with FakeCluster(seed="demo", time_scale=0) as cluster:
        yield cluster


@pytest.fixture
def cluster(served):
    """The fake cluster with its demo guests, as new; its API is in tests/cluster/README.md.

    Tasks end at once; `cluster.control("POST", "/time-scale", {"time_scale": 0.02})` makes them take time. At the
    test's end every request that was sent is held against the API's schema.
    """
    served.reset(seed="demo")
    served.control("POST", "/time-scale", {"time_scale": 0})
    yield served
    assert served.schema_violations() == []


@pytest.fixture
def asked(cluster):
    """What was sent since it was last called, logins too: asked() -> ["GET /access/roles", "POST /access/roles"]."""

    def requests():
        seen = [f"{request['method']} {unquote(request['path'].removeprefix('/api2/json'))}"
                for request in cluster.requests()]
        cluster.control("DELETE", "/requests")
        return seen

    return requests


def connection_to(cluster):
    """The connection options of a module that reaches a fake cluster, as a token that may do everything."""
    return {
        "api_host": f"{cluster.host}:{cluster.port}",
        "api_user": cluster.api_user,
        "api_token_id": cluster.api_token_id,
        "api_token_secret": cluster.api_token_secret,
        "ca_path": cluster.ca_path,
    }


@pytest.fixture
def connection(cluster):
    """The same for the fake cluster of the test."""
    return connection_to(cluster)


# -------------------------------------------------------------------------------------------------- the executable


@pytest.fixture(scope="session")
def executable():
    path = pathlib.Path(os.environ.get("FERROX_EXECUTABLE", TARGET / "debug/ferrox")).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is missing: cargo build -p ferrox")
    return path


def clean_environment(**more):
    """The environment without what would lead a module or Ansible elsewhere than the test says."""
    misleading = re.compile(r"(PROXMOX|ANSIBLE|FERROX)_.*|.*_proxy", re.IGNORECASE)
    mine = {k: v for k, v in os.environ.items() if not misleading.fullmatch(k)}
    return {**mine, **{k: str(v) for k, v in more.items()}}


@pytest.fixture
def ferrox(executable):
    """Runs a module by the executable alone: ferrox(module, args, check=, diff=, verbosity=, environment=) -> result.

    The result also holds what the process did: `result.stderr` (progress lines) and `result.rc`.
    """

    class Result(dict):
        rc: int
        stderr: str

    def run(module, args, check=False, diff=False, verbosity=0, environment=None):
        keys = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": verbosity}
        done = subprocess.run(
            [executable, module, "-"],
            input=json.dumps({**args, **keys}),
            env=clean_environment(**environment or {}),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        try:
            # json.loads refuses anything beside the one object.
            result = Result(json.loads(done.stdout))
        except ValueError:
            pytest.fail(f"no single JSON object: rc {done.returncode}\n{done.stdout}\n{done.stderr}")
        result.rc, result.stderr = done.returncode, done.stderr
        return result

    return run


@pytest.fixture(scope="session")
def spec(executable):
    """The argument spec of a module, as `ferrox spec` prints it."""

    @functools.cache
    def spec(module):
        return json.loads(subprocess.check_output([executable, "spec", module]))

    return spec


@pytest.fixture
def least(spec):
    """The fewest options that a module's argument check lets pass, beside those of the connection."""
    return lambda module: options.least(module, spec(module))


# --------------------------------------------------------------------------------------------------- the playbooks


def stage(root, executable):
    """A collections path whose ferrox.proxmox is this checkout, with the executable given in its place."""
    home = pathlib.Path(root) / "ansible_collections/ferrox/proxmox"
    modules = home / "plugins/modules"
    modules.mkdir(parents=True)
    for name in ("galaxy.yml", "meta"):
        (home / name).symlink_to(REPOSITORY / name)
    for plugin in (REPOSITORY / "plugins").iterdir():
        if plugin.name not in ("modules", "plugin_utils"):
            (home / "plugins" / plugin.name).symlink_to(plugin)
    for stub in (REPOSITORY / "plugins/modules").glob("*.py"):
        (modules / stub.name).symlink_to(stub)
    if executable is not None:
        place = home / "plugins/plugin_utils/bin" / PLATFORM
        place.mkdir(parents=True)
        (place / "ferrox").symlink_to(executable)
        link = modules / PLATFORM.replace("-", "_", 1)
        link.mkdir()
        (link / "ferrox").symlink_to(pathlib.Path("../../plugin_utils/bin", PLATFORM, "ferrox"))
    return pathlib.Path(root)


@pytest.fixture(scope="session")
def collections(tmp_path_factory, executable):
    return stage(tmp_path_factory.mktemp("collections"), executable)


class Run:
    """What ansible-playbook did."""

    def __init__(self, done, document):
        self.rc, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.tasks = document["tasks"] if document else []
        self.stats = document["stats"] if document else {}

    @property
    def results(self):
        return [task["result"] for task in self.tasks]

    @property
    def result(self):
        """The result of the last task."""
        return self.results[-1]


@pytest.fixture
def playbook(tmp_path, collections):
    """Runs a playbook: playbook(tasks or YAML text, ansible="2.19", check=, diff=, verbosity=, environment=, …) -> Run.

    A list of tasks becomes a play on localhost. With callback="default" standard output is what a person sees;
    otherwise the results are in `run.tasks`, `run.results` and `run.result`.
    """

    def run(content, ansible="2.19", check=False, diff=False, verbosity=0, environment=None, callback="results",
            arguments=(), collections=collections):
        programs = ANSIBLE[ansible]
        if not (programs / "ansible-playbook").exists():
            pytest.skip(f"there is no ansible-core {ansible} in {programs}")
        if not isinstance(content, str):
            play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": content}
            content = yaml.safe_dump([play], sort_keys=False)
        file = tmp_path / "playbook.yml"
        file.write_text(content)
        done = subprocess.run(
            [programs / "ansible-playbook", file, *(["--check"] if check else []), *(["--diff"] if diff else []),
             *([f"-{'v' * verbosity}"] if verbosity else []), *arguments],
            env=clean_environment(
                ANSIBLE_COLLECTIONS_PATH=collections,
                ANSIBLE_STDOUT_CALLBACK=callback,
                ANSIBLE_CALLBACK_PLUGINS=pathlib.Path(__file__).parent / "callback_plugins",
                ANSIBLE_HOME=tmp_path / "ansible",
                ANSIBLE_LOCALHOST_WARNING="false",
                ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
                ANSIBLE_PYTHON_INTERPRETER=programs / "python",
                ANSIBLE_NOCOLOR="1",
                **environment or {},
            ),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        document = None
        if callback == "results" and not verbosity:
            try:
                document = json.loads(done.stdout)
            except ValueError:
                pytest.fail(f"no JSON document: rc {done.returncode}\n{done.stdout}\n{done.stderr}")
        return Run(done, document)

    return run
