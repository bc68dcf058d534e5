# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of pveum_acl share."""

from __future__ import annotations

import pytest

READ = "GET /access/acl"
WRITE = "PUT /access/acl"


@pytest.fixture
def acl(ferrox, connection):
    """Runs the module: acl("/vms", users=…, roles=…, by={connection options}, check=True) -> result."""

    def run(path="/vms", by=None, check=False, diff=False, verbosity=0, **options):
        args = {**(connection if by is None else by), "path": path, **options}
        return ferrox("pveum_acl", args, check=check, diff=diff, verbosity=verbosity)

    return run


@pytest.fixture
def root(connection):
    return {**{key: connection[key] for key in ("api_host", "ca_path")}, "api_user": "root@pam",
            "api_password": "secret"}


def entries(cluster, path="/vms"):
    """What the server has on a path: {("user", "a@pve", "PVEAuditor"): 1, …}."""
    return {(row["type"], row["ugid"], row["roleid"]): row["propagate"]
            for row in cluster.state()["acl"] if row["path"] == path}


def bodies(cluster):
    """The writes, in order."""
    return [request["body"] for request in cluster.requests() if request["method"] == "PUT"]
