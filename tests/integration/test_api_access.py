# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/api_access.yml: from root's password to a token, with the secret in a vault file and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from cluster import FakeCluster
from conftest import ANSIBLE, REPOSITORY

VERSIONS = pytest.mark.parametrize("ansible", ANSIBLE)
ROOT_PASSWORD = "correct-horse-battery"
VAULT_PASSWORD = "{{ staple }} [of] ü"
TOKEN = "ansible@pam!mms"
PRIVILEGES = {
    "VM.Allocate", "VM.Audit", "VM.Clone", "VM.Config.CPU", "VM.Config.Cloudinit", "VM.Config.Disk", "VM.Config.Memory",
    "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Snapshot", "VM.Snapshot.Rollback",
    "Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use",
}
OTHERS = "---\n# Of the mail server.\nmail: &mail\n  password: |-\n    two\n\n    lines\ncopy: *mail\n"
# Every Python process keeps what it removes: modules, and Ansible itself, clean up after themselves.
KEEP_REMOVED = """
import os, sys, uuid

def keep(event, arguments):
    if event == "os.remove":
        path, folder = arguments
        try:
            file = os.open(path, os.O_RDONLY, dir_fd=folder if folder >= 0 else None)
            with open(file, "rb") as gone, open(os.path.join(os.environ["KEPT"], uuid.uuid4().hex), "wb") as kept:
                kept.write(gone.read())
        except OSError:
            pass

sys.addaudithook(keep)
"""


class Access:
    """The playbook, and what comes of it."""

    def __init__(self, playbook, ferrox, cluster, folder):
        self.playbook, self.ferrox, self.cluster, self.folder = playbook, ferrox, cluster, folder
        self.vault_file = folder / "secrets/vault.yml"
        # The variant imports it from its own folder.
        (folder / "api_access.yml").write_text((REPOSITORY / "playbooks/api_access.yml").read_text())
        cluster.patch(users={"ansible@pam": None, "root@pam": {"password": ROOT_PASSWORD}},
                      acl=[{"path": "/", "ugid": "ansible@pam", "roleid": "Administrator", "absent": True}])

    def __call__(self, ansible="2.19", file="api_access.yml", vault_password=VAULT_PASSWORD, arguments=(), environment=None,
                 variables=None, **options):
        variables = {"proxmox_api_host": f"{self.cluster.host}:{self.cluster.port}", "proxmox_ca_path": self.cluster.ca_path,
                     "proxmox_vault_file": str(self.vault_file), **(variables or {})}
        variables = {name: value for name, value in variables.items() if value is not None}
        environment = {"HOME": self.folder, "PROXMOX_ROOT_PASSWORD": ROOT_PASSWORD,
                       "PROXMOX_VAULT_PASSWORD": vault_password, **(environment or {})}
        return self.playbook((REPOSITORY / "playbooks" / file).read_text(), ansible, environment=environment,
                             arguments=["-e", json.dumps(variables), *arguments], **options)

    @property
    def vault(self):
        """What the vault file says, decrypted."""
        library = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))])
        return library.decrypt(self.vault_file.read_bytes()).decode()

    @property
    def secret(self):
        return yaml.safe_load(self.vault)["vault_proxmox_api_token_secret"]

    def hold(self, text, vault_id="default", encrypted=True):
        """A vault file that is there already."""
        self.vault_file.parent.mkdir(parents=True)
        secret = VaultSecret(VAULT_PASSWORD.encode())
        content = VaultLib().encrypt(text, secret, vault_id) if encrypted else text.encode()
        self.vault_file.write_bytes(content)

    @property
    def entries(self):
        """The ACL entries of the user and its tokens."""
        return {(entry["path"], entry["ugid"], entry["roleid"]) for entry in self.cluster.state()["acl"]
                if entry["ugid"].startswith("ansible@")}

    def whether_accepted(self, secret, token=TOKEN):
        """What the server says to a caller with this secret."""
        connection = {"api_host": f"{self.cluster.host}:{self.cluster.port}", "ca_path": self.cluster.ca_path,
                      "api_user": token, "api_token_secret": secret, "fail": False}
        return self.ferrox("proxmox_connectivity", connection)["passed"]


@pytest.fixture
def access(playbook, ferrox, cluster, tmp_path):
    return Access(playbook, ferrox, cluster, tmp_path)


def assert_nothing_was_written(run, access):
    assert run.rc != 0 and access.cluster.stats()["writes"] == 0, run.stdout
    assert "ansible@pam" not in access.cluster.state()["users"]


@pytest.mark.parametrize("ansible", ["2.17", "2.21"])
def test_every_ansible_makes_it_and_changes_nothing_the_second_time(access, ansible):
    first = access(ansible)
    assert first.rc == 0 and first.result["missing_privileges"] == [], first.stdout
    assert yaml.safe_load(access.vault)["vault_proxmox_api_user"] == TOKEN
    again = access(ansible)
    assert again.rc == 0 and again.stats["localhost"]["changed"] == 0 and again.result["passed"]


def test_a_dry_run_a_run_and_another_that_changes_nothing(access, cluster):
    dry = access(check=True, diff=True)
    assert dry.rc == 0 and dry.stats["localhost"]["changed"] > 0, dry.stdout
    assert cluster.stats()["writes"] == 0 and not access.vault_file.parent.exists()

    first = access()
    assert first.rc == 0, first.stdout
    # A token that may not read itself is not told whether it is separate.
    assert first.result["auth"] == {"method": "token", "user": "ansible@pam", "token": "mms", "privilege_separation": None}
    assert not cluster.state()["users"]["ansible@pam"]["tokens"]["mms"]["privsep"]
    assert first.result["missing_privileges"] == [] and set(first.result["permissions"]["/vms"]) == PRIVILEGES
    assert yaml.safe_load(access.vault)["vault_proxmox_api_user"] == TOKEN
    assert access.vault_file.stat().st_mode & 0o777 == 0o600
    assert access.entries == {(path, "ansible@pam", "MMS-Provisioner")
                              for path in ("/vms", "/storage/local-lvm", "/sdn/zones/localnetwork/vmbr0")}

    written, writes = access.vault_file.read_bytes(), cluster.stats()["writes"]
    for again in (access(), access(check=True)):
        assert again.rc == 0 and again.stats["localhost"]["changed"] == 0
        assert again.result["passed"], "the token is tried in check mode too, once it is there"
    assert access.vault_file.read_bytes() == written and cluster.stats()["writes"] == writes


@VERSIONS
def test_no_secret_is_in_any_file_or_output(access, ansible):
    access.hold(OTHERS)
    # Ansible knows the vault's password too, and would decrypt what it copies.
    (access.folder / "password").write_text(VAULT_PASSWORD)
    for name in ("t", "kept", "python"):
        (access.folder / name).mkdir()
    (access.folder / "python/sitecustomize.py").write_text(KEEP_REMOVED)
    run = access(ansible, verbosity=4, diff=True, callback="default", environment={
        "TMPDIR": access.folder / "t", "PYTHONPATH": access.folder / "python", "KEPT": access.folder / "kept",
        "ANSIBLE_REMOTE_TEMP": access.folder / "remote", "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_VAULT_PASSWORD_FILE": access.folder / "password"})
    assert run.rc == 0, run.stdout
    files = {file: file.read_bytes() for file in access.folder.rglob("*") if file.is_file()}
    removed = [content for file, content in files.items() if file.parent.name == "kept"]
    assert any(content.startswith(b"$ANSIBLE_VAULT;") for content in removed), "what was removed is looked at"
    assert any(b"slurp" in content for file, content in files.items() if "remote" in file.parts), "what modules were given, too"
    assert access.vault_file in files
    for secret in (access.secret, ROOT_PASSWORD):
        # Base64 is another one at each of three offsets; its first and last characters depend on what is beside it.
        forms = [secret.encode()] + [base64.b64encode(b"-" * n + secret.encode())[4:-4] for n in range(3)]
        for form in forms:
            assert form not in (run.stdout + run.stderr).encode()
            assert [file for file, content in files.items() if form in content] == []


def test_the_rest_of_the_vault_file_stays_as_it_is(access):
    access.hold(OTHERS + "vault_proxmox_api_token_secret: >-\n  not-the\n  right-one\nlast: 1 # really", "prod")
    assert access().rc == 0
    assert access.vault == (f"{OTHERS}last: 1 # really\nvault_proxmox_api_token_secret: {access.secret}\n"
                            f"vault_proxmox_api_user: {TOKEN}\n")
    assert access.vault_file.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert access().stats["localhost"]["changed"] == 0


@pytest.mark.parametrize("major", [9, 8])
def test_a_lost_vault_file_leads_to_a_new_secret(playbook, ferrox, tmp_path, major):
    with FakeCluster(seed="demo", time_scale=0, major=major) as cluster:
        access = Access(playbook, ferrox, cluster, tmp_path)
        assert access().rc == 0
        old, entries = access.secret, access.entries
        access.vault_file.unlink()
        again = access()
        assert again.rc == 0 and again.result["passed"] and again.result["auth"]["method"] == "token"
        assert access.secret != old and not access.whether_accepted(old) and access.whether_accepted(access.secret)
        assert access.entries == entries


def test_a_secret_that_is_not_the_right_one_is_replaced(access):
    assert access().rc == 0
    lost = access.secret
    access.cluster.patch(users={"ansible@pam": {"tokens": {"mms": {"secret": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"}}}})
    assert access(check=True).rc == 0 and access.secret == lost
    assert access().rc == 0
    assert access.secret != lost and access.whether_accepted(access.secret)
    assert access().stats["localhost"]["changed"] == 0


def test_a_wrong_vault_password_fails_before_anything_is_written(access):
    access.hold(OTHERS)
    written = access.vault_file.read_bytes()
    run = access(vault_password="guess")
    assert_nothing_was_written(run, access)
    assert "Decryption failed" in run.result["msg"] and access.vault_file.read_bytes() == written


@pytest.mark.parametrize(("text", "encrypted", "why"), [
    ("mail: hunter2\n", False, "ansible-vault encrypt"),
    ("vault_proxmox_api_user: ansible@pam!other\nvault_proxmox_api_token_secret: hunter2\n", True, "another token"),
    ("- hunter2\n", True, "mapping"),
], ids=["not encrypted", "of another token", "no mapping"])
def test_a_file_that_cannot_be_extended_is_left_alone(access, text, encrypted, why):
    access.hold(text, encrypted=encrypted)
    run = access()
    assert_nothing_was_written(run, access)
    assert why in run.result["msg"]


# What Ansible shows of YAML that it cannot read is another matter in each version.
@pytest.mark.parametrize(("text", "ansible"), [
    *(("mail: hunter2\n  broken: [\n", ansible) for ansible in ANSIBLE),
    ("{mail: hunter2}\n", "2.19"), ("mail: hunter2\n...\n", "2.19"),
])
def test_yaml_that_cannot_be_read_or_extended_is_not_shown(access, text, ansible):
    access.hold(text)
    run = access(ansible, verbosity=4, callback="default")
    assert_nothing_was_written(run, access)
    assert "hunter2" not in run.stdout + run.stderr


def test_without_a_password_for_the_vault_nothing_is_begun(access):
    run = access(vault_password="")
    assert_nothing_was_written(run, access)
    assert "A password for" in run.result["msg"]


def test_why_a_token_could_not_be_made_is_told(access, cluster):
    cluster.fault(method="POST", path=".*/token/mms", status=500, message="user.cfg is on fire")
    run = access()
    assert run.rc != 0 and "user.cfg is on fire" in run.result["msg"]
    assert access().rc == 0


def test_it_may_be_for_single_vms_and_a_vlan(access):
    paths = ["/vms/9000", "/vms/700", "/storage/ceph", "/sdn/zones/localnetwork/vmbr0/20"]
    # The modules look at this one, and prefer it to a token.
    run = access(variables={"proxmox_access_paths": paths}, environment={"PROXMOX_PASSWORD": "of something else"})
    assert run.rc == 0, run.stdout
    assert access.entries == {(path, "ansible@pam", "MMS-Provisioner") for path in paths}
    assert run.result["auth"]["method"] == "token" and set(run.result["permissions"]) == set(paths)


def test_it_runs_by_ansibles_own_python_whatever_the_inventory_says_of_localhost(access, tmp_path):
    """An inventory that names localhost, as the example does, makes Ansible look for some Python of the machine."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": "/nowhere/python3"}
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": host}}}))
    run = access(check=True, arguments=["-i", str(inventory)])
    assert run.rc == 0, run.stdout


def test_with_privilege_separation_the_user_and_the_token_are_given_the_roles(access, cluster):
    separate = {"file": "api_access_separate.yml"}
    assert access(check=True, **separate).rc == 0 and cluster.stats()["writes"] == 0
    first = access(**separate)
    assert first.rc == 0, first.stdout
    assert cluster.state()["users"]["ansible@pve"]["tokens"]["mms"]["privsep"] and first.result["missing_privileges"] == []
    assert access.entries == {(path, who, role) for who in ("ansible@pve", "ansible@pve!mms") for path, role in (
        ("/vms", "PVEVMAdmin"), ("/storage/local-lvm", "PVEDatastoreUser"), ("/sdn/zones/localnetwork/vmbr0", "PVESDNUser"))}
    assert "MMS-Provisioner" not in cluster.state()["roles"]
    writes = cluster.stats()["writes"]
    assert access(**separate).stats["localhost"]["changed"] == 0 and cluster.stats()["writes"] == writes


def test_ansible_finds_the_vault_file_beside_the_inventory(access):
    site = access.folder / "site"
    site.mkdir()
    (site / "inventory").write_text("localhost ansible_connection=local\n")
    (site / "password").write_text(VAULT_PASSWORD)

    def run(file, *more, **environment):
        return access(file=file, arguments=["-i", site / "inventory", *more], variables={"proxmox_vault_file": None},
                      environment={"ANSIBLE_VAULT_PASSWORD_FILE": site / "password", **environment})

    assert run("api_access.yml").rc == 0
    used = run("proxmox.yml", "--tags", "proxmox_connectivity")
    assert used.rc == 0 and used.result["auth"]["user"] == "ansible@pam", used.stdout
    assert run("api_access.yml").stats["localhost"]["changed"] == 0
