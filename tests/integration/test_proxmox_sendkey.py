# SPDX-License-Identifier: GPL-3.0-or-later
"""proxmox_sendkey: keys of a VM's keyboard."""

from __future__ import annotations

import string

import pytest
from readers import ONLOOKER, lacks


@pytest.fixture
def press(ferrox, connection):
    def run(check=False, **options):
        return ferrox("proxmox_sendkey", {**connection, "vmid": 101, **options}, check=check)

    return run


def pressed(cluster, vmid=101):
    """The keys that the VM saw."""
    return cluster.guest(vmid).get("keys", "").split()


def test_a_task_without_a_vm_or_without_keys_says_so(ferrox, connection, cluster):
    for options, missing in [({"keys_send": ["a"]}, "vmid, name"), ({"vmid": 101}, "keys_send, string_send")]:
        result = ferrox("proxmox_sendkey", {**connection, **options})
        assert result["failed"] and result["msg"] == f"one of the following is required: {missing}"
    both = ferrox("proxmox_sendkey", {**connection, "vmid": 101, "keys_send": ["a"], "string_send": "a"})
    assert both["msg"] == "parameters are mutually exclusive: keys_send|string_send"
    assert cluster.requests() == []


def test_check_mode_presses_nothing(press, cluster):
    result = press(check=True, keys_send=["ctrl-alt-delete", "f12"])
    assert result["changed"] and (result["keys_num"], result["completed_keys_num"]) == (2, 2)
    assert cluster.stats()["writes"] == 0 and not pressed(cluster)
    stopped = press(check=True, vmid=102, keys_send=["a"])
    assert stopped["failed"] and stopped["msg"] == "unable to press a key of VM `web-old-2`: VM 102 not running"


def test_keys_are_pressed_one_after_the_other(press, cluster, asked):
    result = press(keys_send=["ctrl-alt-delete", "f12"])
    assert result["changed"] and result["vmid"] == 101
    assert (result["total_keys"], result["keys_num"], result["completed_keys_num"]) == (["ctrl-alt-delete", "f12"], 2, 2)
    sent = "PUT /nodes/pve1/qemu/101/sendkey"
    assert asked() == ["GET /cluster/resources", sent, sent]
    assert pressed(cluster) == ["ctrl-alt-delete", "f12"]


def test_a_text_is_typed_into_the_vm_of_a_name(press, cluster):
    result = press(vmid=None, name="web-old-1", string_send="Hi\n")
    assert result["vmid"] == 101 and result["total_keys"] == ["shift-h", "i", "ret"]
    assert pressed(cluster) == ["shift-h", "i", "ret"]


def test_every_run_presses_them(press):
    assert press(keys_send=["a"])["changed"] and press(keys_send=["a"])["changed"]


def test_keys_wait_for_one_another(press, cluster):
    assert press(string_send="ab", delay=0.01)["completed_keys_num"] == 2
    result = press(string_send="ab", delay=-1)
    assert result["failed"] and result["msg"] == "delay must be a number of seconds, got: -1"


def test_every_letter_of_the_keyboard_can_be_typed(press):
    text = string.ascii_letters + string.digits + string.punctuation + " \n\t"
    assert press(string_send=text)["completed_keys_num"] == len(text)


@pytest.mark.parametrize(("options", "why"), [
    ({"keys_send": ["a", "any"]}, "Key is invalid: any"),
    ({"string_send": "aä"}, "The character ä passed to string_send is not allowed"),
])
def test_what_is_on_no_keyboard_is_refused_before_anything_is_sent(press, cluster, options, why):
    result = press(**options)
    assert result["failed"] and result["msg"] == why
    assert cluster.requests() == []


@pytest.mark.parametrize("options", [{"keys_send": []}, {"string_send": ""}])
def test_no_keys_are_no_change(press, options):
    result = press(**options)
    assert not result["changed"] and (result["keys_num"], result["completed_keys_num"]) == (0, 0)


def test_a_key_is_not_pressed_twice(press, cluster):
    cluster.fault(method="PUT", path=".*/sendkey", after=1, drop="after-effect")
    result = press(string_send="abc")
    assert result["failed"] and result["completed_keys_num"] == 1
    assert "whether the key was pressed is not known" in result["msg"]
    assert pressed(cluster) == ["a", "b"]


def test_a_vm_that_cannot_be_typed_at_is_told(press):
    missing = press(vmid=777, keys_send=["a"])
    assert missing["failed"] and missing["msg"].startswith("VM with vmid 777 does not exist in cluster")
    assert press(vmid=200, keys_send=["a"])["msg"].startswith("VM with vmid 200 does not exist in cluster")
    stopped = press(vmid=102, keys_send=["a"])
    assert stopped["failed"] and not stopped["changed"] and stopped["completed_keys_num"] == 0
    assert stopped["msg"].startswith("unable to press a key of VM `web-old-2`: ")


def test_the_right_that_is_missing_is_named(press):
    assert lacks(press(keys_send=["a"], **ONLOOKER), "VM.Console", "/vms/101")


def test_in_a_playbook_it_changes(playbook, connection):
    task = {"ferrox.proxmox.proxmox_sendkey": {**connection, "vmid": 101, "keys_send": ["ret"]}}
    run = playbook([task])
    assert run.rc == 0 and run.result["changed"]
