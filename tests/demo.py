# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a playbook, twice, against a fake cluster on loopback. Its argument is the collections path."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from cluster import FakeCluster

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
# Half a second for a second of Proxmox VE: a clone takes one second, so that there is something to see.
TIME_SCALE = 0.5


# Who would have the token that the demo makes, and with it every right.
PREDECESSOR = {"users": {"ansible@pam": None},
               "acl": [{"path": "/", "ugid": "ansible@pam", "roleid": "Administrator", "absent": True}]}


def run(collections, cluster, home):
    """Run the playbook, showing it as it goes; its output."""
    variables = {
        "proxmox_api_host": f"{cluster.host}:{cluster.port}",
        "proxmox_ca_path": cluster.ca_path,
        "proxmox_vault_file": str(home / "vault.yml"),
    }
    # What Ansible opens the vault file with, where a person would be asked.
    opener = home / "vault-password"
    opener.write_text('#!/bin/sh\necho "$PROXMOX_VAULT_PASSWORD"\n')
    opener.chmod(0o700)
    file = home / "variables.yml"
    file.write_text("".join(f"{name}: {value!r}\n" for name, value in variables.items()))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROXMOX_"))}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_FORCE_COLOR": "true" if sys.stdout.isatty() else "false",
        "ANSIBLE_VAULT_PASSWORD_FILE": str(opener),
        "PROXMOX_ROOT_PASSWORD": cluster.root_password,
        "PROXMOX_VAULT_PASSWORD": "open sesame",
    }
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    playbook = collections / "ansible_collections/ferrox/proxmox/playbooks/demo.yml"
    process = subprocess.Popen([program, playbook, "-e", f"@{file}"], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True)
    output = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        output += line
    if process.wait() != 0:
        sys.exit(f"the playbook failed with exit status {process.returncode}")
    return output


def changed(output):
    return int(re.search(r"changed=(\d+)", re.sub(r"\x1b\[[\d;]*m", "", output)).group(1))


def main():
    collections = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as home, FakeCluster(seed="demo", time_scale=TIME_SCALE) as cluster:
        cluster.patch(**PREDECESSOR)
        print(f"A fake Proxmox VE cluster answers at {cluster.url}\n\n==== First pass: everything is made ====", flush=True)
        first = run(collections, cluster, pathlib.Path(home))
        writes = cluster.stats()["writes"]
        print("\n==== Second pass: nothing is changed ====", flush=True)
        second = run(collections, cluster, pathlib.Path(home))
        if changed(first) == 0 or changed(second) != 0 or cluster.stats()["writes"] != writes:
            sys.exit("the first pass was to change something, and the second nothing")
        makers = {request["user"] for request in cluster.requests() if request["path"].endswith("/clone")}
        if makers != {"ansible@pam!mms"}:
            sys.exit(f"the VMs were to be made with the new token, and not by {makers}")
        print(f"\nBoth passes are as they should be: {changed(first)} tasks changed, then none; "
              f"{writes} writes in all, none of them in the second pass. All VMs were made with the new token.")


if __name__ == "__main__":
    main()
