# SPDX-License-Identifier: AGPL-3.0-or-later
"""`pvesh` of a node, for tests: a command line becomes a request that root@pam sends to the fake cluster.

It reads its arguments and answers as the node's own does (pve-manager's PVE/CLI/pvesh.pm): path parameters are no
options; a task runs in the foreground, its log stands before its UPID and its failure ends nothing; errors are texts;
what belongs to another node loses options without a value, and a log comes back in one JSON text with the UPID.

PVESH_CLUSTER says in JSON where the cluster is: `url`, `ca_path`, `ticket`, `token`, and `node`, which it stands on.
"""

import importlib.util
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# Its schema alone: the package brings a server along, which takes longer to load than all else here takes.
sys.modules["fakepve"] = importlib.util.module_from_spec(importlib.util.find_spec("fakepve"))
from fakepve import schema  # noqa: E402

VERBS = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}
OWN = {"output-format": {"type": "string"}, "noproxy": {"type": "boolean"}, "quiet": {"type": "boolean"}}


class Failed(Exception):
    """What is told on standard error."""


class Cluster:
    """The API, for root@pam."""

    def __init__(self, url, ca_path, ticket, token, node):
        self.url, self.node = url, node
        self.headers = {"Cookie": f"PVEAuthCookie={ticket}", "CSRFPreventionToken": token}
        https = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_path))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)

    def ask(self, method, path, options=()):
        url = f"{self.url}/api2/json{urllib.parse.quote(path, safe='/:@!')}"
        form = urllib.parse.urlencode(options, quote_via=urllib.parse.quote)
        body = form.encode() if method in ("POST", "PUT") else None
        if form and body is None:
            url += f"?{form}"
        request = urllib.request.Request(url, method=method, data=body, headers=self.headers)
        try:
            with self.opener.open(request) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Failed(*error_lines(error, f"pvesh {sys.argv[1]} <api_path> [OPTIONS] [FORMAT_OPTIONS]")) from None

    def wait(self, upid):
        """The log of a task that has ended; its error goes to standard error."""
        task = f"/nodes/{upid.split(':')[1]}/tasks/{upid}"
        while (status := self.ask("GET", f"{task}/status"))["status"] != "stopped":
            time.sleep(0.05)
        if status["exitstatus"] != "OK":
            print(status["exitstatus"], file=sys.stderr)
        lines = [line["t"] for line in self.ask("GET", f"{task}/log", [("limit", 0)])]
        return [line for line in lines if not line.startswith("TASK ")]


def error_lines(error, usage):
    try:
        body = json.load(error)
    except ValueError:
        body = {}
    message = (body.get("message") or error.reason).strip()
    if error.code == 595:
        return ["ssh: connect to host 192.0.2.1 port 22: No route to host"]
    if error.code == 500:
        return [message]
    errors = body.get("errors") or {}
    lines = [f"{error.code} {message}", *(f"{name}: {text.strip()}" for name, text in errors.items())]
    return [*lines, usage] if error.code == 400 else lines


def read(words, declared):
    """The options of a command line, as Perl's Getopt::Long reads them."""
    options, wrong = [], []
    words = list(words)
    while words:
        name = words.pop(0).removeprefix("-").removeprefix("-")
        if name not in declared:
            wrong.append(f"Unknown option: {name}")
            words[:1] = []
        elif declared[name].get("type") == "boolean":
            options.append((name, words.pop(0) if words and not words[0].startswith("-") else "1"))
        elif words:
            options.append((name, words.pop(0)))
        else:
            wrong.append(f"Option {name} requires an argument")
    if wrong:
        raise Failed(*wrong, "400 unable to parse option")
    return [(name, value) for name, value in options if name not in OWN]


def run(cluster, verb, path, words):
    match = schema.load().match(path)
    info = match and match.methods.get(VERBS[verb])
    if info is None:
        raise Failed(f"No '{verb}' handler defined for '{path}'")
    properties = (info.get("parameters") or {}).get("properties", {})
    options = read(words, {**{name: of for name, of in properties.items() if name not in match.params}, **OWN})
    elsewhere = match.params.get("node", "localhost") not in ("localhost", cluster.node)
    if elsewhere:
        options = [(name, value.encode().decode("ascii", "replace")) for name, value in options if value]
    try:
        data = cluster.ask(VERBS[verb], path, options)
    except Failed as failed:
        *lines, last = failed.args
        raise Failed(*lines, f"proxy handler failed: {last}" if elsewhere else last) from None
    log = cluster.wait(data) if isinstance(data, str) and data.startswith("UPID:") else []
    if elsewhere and log:
        # What another node printed is no JSON as a whole, and is handed through as a text.
        return [json.dumps("".join(log) + json.dumps(data))]
    return log if info.get("returns", {}).get("type") == "null" else [*log, json.dumps(data)]


if __name__ == "__main__":
    try:
        print(*run(Cluster(**json.loads(os.environ["PVESH_CLUSTER"])), *sys.argv[1:3], sys.argv[3:]), sep="\n")
    except Failed as failed:
        print(*failed.args, sep="\n", file=sys.stderr)
        sys.exit(255)
