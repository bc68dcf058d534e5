# SPDX-License-Identifier: AGPL-3.0-or-later
"""A client and the clusters of the fake's own test."""

import http.client
import json
import ssl
import time
import urllib.parse
from types import SimpleNamespace

import pytest

from cluster import FakeCluster
from cluster.seeds import ROOT_SECRET, SECRET


# A token that may do everything and yet is asked by each rule.
ADMIN = "ansible@pam!mms"


def said(answer):
    """Status and message of an answer."""
    return answer.status, answer.body.get("message")


def ticket(ask, username, password):
    """The headers of a login."""
    data = ask.login(username, password).data
    return {"Cookie": f"PVEAuthCookie={data['ticket']}", "CSRFPreventionToken": data["CSRFPreventionToken"]}


class Client:
    """Asks a fake cluster over HTTPS; answers carry status, reason, raw, body, data and errors."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.context = ssl.create_default_context(cafile=cluster.ca_path)
        self.connection = None

    def __call__(self, method, path, user="root@pam!ferrox", secret=None, /, headers=None, body=None, **fields):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.cluster.host, self.cluster.port, context=self.context,
                                                          timeout=20)
        secret = secret or (ROOT_SECRET if user == "root@pam!ferrox" else SECRET)
        sent = {"Authorization": f"PVEAPIToken={user}={secret}"} if headers is None else dict(headers)
        if fields and method in ("GET", "DELETE"):
            path += "?" + urllib.parse.urlencode(fields)
        elif fields:
            body = urllib.parse.urlencode(fields)
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            self.connection.request(method, "/api2/json" + path, body, sent)
            response = self.connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        kind = response.headers.get("Content-Type", "")
        decoded = json.loads(raw) if raw and kind.startswith("application/json") else {}
        return SimpleNamespace(status=response.status, reason=response.reason, raw=raw, body=decoded,
                               data=decoded.get("data"), errors=decoded.get("errors", {}), headers=response.headers)

    def exit_status(self, answer, user="root@pam!ferrox"):
        """The exit status of the task whose UPID an answer holds, once it has ended."""
        assert answer.status == 200, (answer.status, answer.reason, answer.errors)
        path = f"/nodes/{answer.data.split(':')[1]}/tasks/{answer.data}/status"
        return until(lambda: self("GET", path, user).data.get("exitstatus"))

    def log_of(self, answer):
        upid = answer.data
        return [line["t"] for line in self("GET", f"/nodes/{upid.split(':')[1]}/tasks/{upid}/log").data]

    def login(self, username, password, **more):
        return self("POST", "/access/ticket", headers={}, username=username, password=password, **more)


def until(condition, secs=20):
    """The first true answer of a condition; fails when none comes."""
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("the condition never held")


@pytest.fixture(scope="session")
def _quick():
    with FakeCluster(seed="demo", time_scale=0) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _slow():
    with FakeCluster(seed="demo", time_scale=0.02) as cluster:
        yield cluster


@pytest.fixture
def fake(_quick):
    """The demo cluster without delays, fresh for each test."""
    _quick.reset()
    return _quick


@pytest.fixture
def slow(_slow):
    """The demo cluster where a Proxmox VE second takes 20 ms."""
    _slow.reset()
    return _slow


@pytest.fixture
def ask(fake):
    return Client(fake)


@pytest.fixture
def ask_slow(slow):
    return Client(slow)
