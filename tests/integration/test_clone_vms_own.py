# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_clone_vms: what belongs to a clone alone stays its own, whatever is stated beside it."""

from __future__ import annotations

import pytest
from clone_vms import clone, only, writes  # noqa: F401

TEMPLATES = {"shared": "debian-13", "local": "debian-13-local"}


def properties(text):
    """A property string as its first value and the others by key."""
    first, *others = text.split(",")
    return first, dict(part.split("=", 1) for part in others)


@pytest.fixture(params=TEMPLATES)
def template(request):
    return TEMPLATES[request.param]


@pytest.mark.parametrize("clone_type", ["linked", "full"])
def test_a_disk_with_other_properties_keeps_the_volume_of_the_clone(clone, cluster, template, clone_type):  # noqa: F811
    stated = {"template": template, "clone_type": clone_type, "config": {"scsi0": "discard=ignore,ssd=1"}}
    plain = clone("web-1", template=template, clone_type=clone_type)
    assert plain["changed"]
    assert clone("web-2", **stated, disks={"scsi0": "20G"})["changed"]
    volume, of_disk = properties(only(cluster, "web-2")["config"]["scsi0"])
    untouched, _ = properties(only(cluster, "web-1")["config"]["scsi0"])
    assert volume == untouched.replace(str(plain["vms"][0]["vmid"]), str(only(cluster, "web-2")["vmid"]))
    assert of_disk == {"discard": "ignore", "ssd": "1", "size": "20G"}
    assert not any(key.startswith("unused") for key in only(cluster, "web-2")["config"])
    assert not clone("web-2", **stated, disks={"scsi0": "20G"})["changed"]


def test_a_serial_number_leaves_the_clone_its_uuid(clone, cluster):  # noqa: F811
    stated = {"template": "debian-13", "config": {"smbios1": "serial=abc"}}
    assert clone("web-1", **stated)["changed"]
    of_clone = dict(part.split("=", 1) for part in only(cluster, "web-1")["config"]["smbios1"].split(","))
    of_template = only(cluster, "debian-13")["config"]["smbios1"]
    assert of_clone["serial"] == "abc" and of_clone["uuid"] and of_clone["uuid"] not in of_template
    assert not clone("web-1", **stated)["changed"]


def test_check_mode_shows_what_was_stated_of_the_disk(clone, cluster):  # noqa: F811
    stated = {"template": "debian-13", "config": {"scsi0": "ssd=1"}}
    result = clone("web-1", **stated, check=True, diff=True)
    assert result["diff"]["after"]["web-1"]["scsi0"] == "ssd=1"
    assert writes(cluster) == []
