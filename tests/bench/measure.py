# SPDX-License-Identifier: GPL-3.0-or-later
"""How things are measured: a fake cluster in a process of its own, the executable, and whole playbooks."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass

from integration.conftest import REPOSITORY, TARGET, clean_environment, stage
from parity.sides import PEER, PROGRAMS

# Certificates from elsewhere, or a proxy, would be measured with the rest.
LED_ASTRAY = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy",
              "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def executable():
    """What is measured: FERROX_EXECUTABLE, or else the later one of the two optimised builds."""
    named = os.environ.get("FERROX_EXECUTABLE")
    builds = [TARGET / profile / "ferrox" for profile in ("release", "ci")]
    found = [pathlib.Path(named)] if named else [build for build in builds if build.is_file()]
    if not found or not found[0].is_file():
        sys.exit(f"{named or builds[0]} is missing: make build")
    return max(found, key=lambda path: path.stat().st_mtime).resolve()


def environment(**more):
    plain = {name: value for name, value in clean_environment().items() if name not in LED_ASTRAY}
    return {**plain, **{name: str(value) for name, value in more.items()}}


# ------------------------------------------------------------------------------------------------------- the cluster


class Cluster:
    """A fake cluster as its control port and its facts show it."""

    def __init__(self, facts):
        self.facts = facts

    def control(self, method, path, body=None):
        request = urllib.request.Request(self.facts["control_url"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def reset(self):
        self.control("POST", "/reset", {})

    def stats(self):
        return self.control("GET", "/stats")

    def uploads(self):
        """The sizes of what was uploaded."""
        return [request["upload"]["size"] for request in self.control("GET", "/requests") if "upload" in request]

    def token(self, **options):
        """The connection options of a token that may do everything."""
        facts = self.facts
        return {"api_host": f"{facts['host']}:{facts['port']}", "ca_path": facts["ca_path"],
                "api_user": facts["api_user"], "api_token_id": facts["api_token_id"],
                "api_token_secret": facts["api_token_secret"], **options}

    def password(self, **options):
        """Those of a user, who has to log in first."""
        facts = self.facts
        return {"api_host": f"{facts['host']}:{facts['port']}", "ca_path": facts["ca_path"], "api_user": "root@pam",
                "api_password": facts["root_password"], **options}


@contextlib.contextmanager
def cluster(*options, time_scale=0):
    """`python -m cluster` with these options, until the block ends."""
    command = [sys.executable, "-m", "cluster", "--time-scale", str(time_scale), *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(PYTHONPATH=REPOSITORY / "tests"))
    try:
        yield Cluster(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


# ---------------------------------------------------------------------------------------------------- the executable


@dataclass
class Ended:
    """One run of the executable."""

    result: dict
    wall: float  # Seconds.
    cpu: float  # Seconds, of the user and the system.


class Executable:
    """The executable, run as the action plugin runs it, and what a run costs."""

    # The kernel counts the memory of whoever starts a process as that process's peak, and Python's is larger than what
    # is measured here. So a small shell starts it and goes away, and the orphan comes to us to be waited for. Its own
    # fork costs time, which is why time is measured apart.
    LAUNCH = '"$0" "$1" - <"$2" >"$3" & echo $!'
    PR_SET_CHILD_SUBREAPER = 36

    def __init__(self, path, directory):
        self.path, self.directory = path, pathlib.Path(directory)
        if ctypes.CDLL(None).prctl(self.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            sys.exit("this system hands no orphans over (prctl PR_SET_CHILD_SUBREAPER)")

    def run(self, module, arguments, **variables):
        """One run, and the time that it took."""
        given = json.dumps(arguments).encode()
        began = time.perf_counter()
        process = subprocess.Popen([self.path, module, "-"], env=environment(**variables), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        with process.stdin as stdin:
            stdin.write(given)
        answer = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        return Ended(self.succeeded(module, answer), wall, usage.ru_utime + usage.ru_stime)

    def peak(self, module, arguments, **variables):
        """The most memory that a run holds, in bytes."""
        given, answered = self.directory / "arguments", self.directory / "answer"
        given.write_text(json.dumps(arguments))
        launched = subprocess.run(["/bin/sh", "-c", self.LAUNCH, self.path, module, given, answered],
                                  env=environment(**variables), stdout=subprocess.PIPE, check=True)
        _, _, usage = os.wait4(int(launched.stdout), 0)
        self.succeeded(module, answered.read_text())
        return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    @staticmethod
    def succeeded(module, answer):
        result = json.loads(answer)
        if result.get("failed"):
            sys.exit(f"{module} failed: {result['msg']}")
        return result


def system_store_with(certificate, directory):
    """The system's own certificates and one more, in one file."""
    system = ssl.get_default_verify_paths().openssl_cafile
    candidates = [system, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
    bundle = next((pathlib.Path(path) for path in candidates if pathlib.Path(path).is_file()), None)
    if bundle is None:
        sys.exit(f"no system certificates in {candidates}")
    both = pathlib.Path(directory) / "store.pem"
    both.write_bytes(bundle.read_bytes() + pathlib.Path(certificate).read_bytes())
    return both


# -------------------------------------------------------------------------------------------------------- playbooks


def durations(tasks, path, directory, beside_peer=False):
    """How long each task of a play took: [{"name", "seconds", "changed", "failed", "msg"}].

    Beside the peer it is run by what `make parity` installs, so that community.proxmox is there as well.
    """
    home = pathlib.Path(tempfile.mkdtemp(dir=directory))
    programs, collections = pathlib.Path(sys.executable).parent, [stage(home / "collections", path)]
    if beside_peer:
        programs = PROGRAMS
        collections.append(PEER)
    file = home / "playbook.json"
    file.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [programs / "ansible-playbook", file],
        env=environment(
            ANSIBLE_COLLECTIONS_PATH=os.pathsep.join(map(str, collections)),
            ANSIBLE_PYTHON_INTERPRETER=programs / "python",
            ANSIBLE_STDOUT_CALLBACK="durations",
            ANSIBLE_CALLBACK_PLUGINS=pathlib.Path(__file__).parent / "callback_plugins",
            ANSIBLE_HOME=home,
            ANSIBLE_LOCALHOST_WARNING="false",
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
            ANSIBLE_NOCOLOR="1",
        ),
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        sys.exit(f"ansible-playbook gave no durations: {done.stdout}\n{done.stderr}")
