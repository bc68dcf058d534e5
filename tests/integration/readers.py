# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the modules share that only read."""

from __future__ import annotations

import json
import ssl
import urllib.parse
import urllib.request

# Callers of the demo seed; all of them are tokens with the same secret.
ONLOOKER = {"api_user": "audit@pve", "api_token_id": "mms"}
NOBODY = {"api_user": "ansible@pam", "api_token_id": "separate"}
PROVISIONER = {"api_user": "prov@pve", "api_token_id": "mms"}


def asked(cluster):
    """What was sent, in its order: ["GET /nodes", …]."""
    return [f"{request['method']} {request['path'].removeprefix('/api2/json')}" for request in cluster.requests()]


def post(cluster, path, **form):
    """One POST, as the token that may do everything; then the log of requests is empty."""
    request = urllib.request.Request(f"{cluster.url}/api2/json{path}", urllib.parse.urlencode(form).encode())
    request.add_header(
        "Authorization", f"PVEAPIToken={cluster.api_user}!{cluster.api_token_id}={cluster.api_token_secret}"
    )
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=cluster.ca_path)) as answer:
        data = json.load(answer)["data"]
    cluster.control("DELETE", "/requests")
    return data


def lacks(result, privileges, acl_path):
    """Whether a failure names the privileges that are missing, and where."""
    return result["failed"] and f"The caller lacks {privileges} on {acl_path};" in result["msg"]
