# SPDX-License-Identifier: AGPL-3.0-or-later
"""HTTP as pveproxy speaks it."""

import json

import pytest

VM = "/nodes/pve1/qemu/{}"
JSON = "application/json;charset=UTF-8"


def test_errors_are_in_the_reason_phrase_and_in_the_body(ask):
    answer = ask("GET", VM.format(777) + "/config")
    text = "Configuration file 'nodes/pve1/qemu-server/777.conf' does not exist"
    assert (answer.status, answer.reason, answer.headers["Content-Type"]) == (500, text, JSON)
    assert answer.body == {"data": None, "message": text + "\n"}


def test_unknown_paths_and_methods_are_501(ask):
    assert (ask("GET", "/nosuch").status, ask("GET", "/nosuch").reason) == (501, "Method 'GET /nosuch' not implemented")
    assert ask("POST", "/version", x=1).status == 501
    assert (ask("PATCH", "/version").status, ask("PATCH", "/version").raw) == (501, b"")


@pytest.mark.parametrize(("method", "kind", "body", "status", "reason"), [
    ("DELETE", None, "x=1", 501, "Unexpected content for method 'DELETE'"),
    ("GET", None, "x=1", 501, "Unexpected content for method 'GET'"),
    ("POST", "text/plain", "x", 506, "upload 'Content-Type 'text/plain' not implemented"),
    ("POST", "application/json", "{", 500, None),
])
def test_bodies_the_server_does_not_take(ask, method, kind, body, status, reason):
    secret = ask.cluster.api_token_secret
    headers = {"Authorization": f"PVEAPIToken=ansible@pam!mms={secret}", **({"Content-Type": kind} if kind else {})}
    answer = ask(method, "/access/roles", headers=headers, body=body)
    assert answer.status == status
    assert answer.body == {}
    assert reason in (None, answer.reason)


def test_a_raw_equals_sign_cuts_a_form_value_and_json_is_taken(ask):
    secret = ask.cluster.api_token_secret
    headers = {"Authorization": f"PVEAPIToken=ansible@pam!mms={secret}"}
    ask("PUT", VM.format(100) + "/config", headers=headers, body="description=a=b;tags=x")
    now = ask("GET", VM.format(100) + "/config").data
    assert (now["description"], now["tags"]) == ("a", "x")
    headers["Content-Type"] = "application/json"
    ask("PUT", VM.format(100) + "/config", headers=headers, body=json.dumps({"description": "a=b"}))
    assert ask("GET", VM.format(100) + "/config").data["description"] == "a=b"


def test_a_key_that_is_repeated_is_a_list(ask):
    secret = ask.cluster.api_token_secret
    headers = {"Authorization": f"PVEAPIToken=ansible@pam!mms={secret}"}
    body = "path=/vms&roles=PVEAuditor&users=prov@pve&users=audit@pve"
    assert ask("PUT", "/access/acl", headers=headers, body=body).status == 200
    given = [entry["ugid"] for entry in ask("GET", "/access/acl").data if entry["path"] == "/vms"]
    assert sorted(given) == ["audit@pve", "prov@pve"]
