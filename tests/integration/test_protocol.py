# SPDX-License-Identifier: GPL-3.0-or-later
"""The executable answers with one JSON object, whatever it is given; people and tools get text."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from conftest import MODULES, REPOSITORY, ROLE, TIMEOUT, clean_environment, every_module


@pytest.fixture
def say(executable):
    """Runs the executable on a command line and some standard input: say("list", given="") -> finished process."""

    def say(*words, given=""):
        return subprocess.run([executable, *words], input=given.encode(), env=clean_environment(), timeout=TIMEOUT,
                              capture_output=True)

    return say


NO_ARGUMENTS = ["", "{", "[]", "null", "12", '"pveum_role"', '{"name": "Ops"} {"name": "Ops"}', "name=Ops", "\0"]


@pytest.mark.parametrize("given", NO_ARGUMENTS)
@pytest.mark.parametrize("words", [["pveum_role", "-"], ["pveum_role"], ["-"]])
def test_what_is_no_json_object_is_answered_with_one(say, words, given):
    done = say(*words, given=given)
    result = json.loads(done.stdout)
    assert done.returncode == 1 and done.stderr == b""
    assert result["failed"] and result["msg"].startswith("unable to read arguments from standard input: ")


def test_broken_json_is_not_repeated_in_the_answer(say):
    done = say("pveum_role", "-", given='{"api_password": "correct-horse", "name": "Ops",,}')
    assert json.loads(done.stdout)["failed"]
    assert b"correct-horse" not in done.stdout + done.stderr


def test_bytes_that_are_no_text_are_answered(executable):
    done = subprocess.run([executable, "pveum_role", "-"], input=b"\xff\xfe{}", capture_output=True, timeout=TIMEOUT)
    assert json.loads(done.stdout)["failed"] and done.returncode == 1


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "usage: ferrox MODULE [FILE|-] | FILE | list | spec MODULE | --version"),
        (["proxmox_nonsense"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["proxmox_nonsense", "-"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["spec", "proxmox_nonsense"], "no module `proxmox_nonsense`; `ferrox list` names them all"),
        (["pveum_role", "a", "b"], "usage: ferrox MODULE [FILE|-] | FILE | list | spec MODULE | --version"),
    ],
)
def test_a_command_line_that_means_nothing_is_answered(say, words, message):
    done = say(*words)
    assert json.loads(done.stdout) == {"failed": True, "changed": False, "msg": message}
    assert done.returncode == 1 and done.stderr == b""


def test_a_file_that_is_missing_is_named(say, tmp_path):
    done = say("pveum_role", str(tmp_path / "arguments"))
    assert json.loads(done.stdout)["msg"].startswith(
        f"unable to read arguments from `{tmp_path / 'arguments'}`: No such file or directory"
    )


def test_an_unknown_module_among_the_arguments_is_answered(say):
    done = say("-", given='{"_ferrox_module": "proxmox_nonsense"}')
    assert json.loads(done.stdout)["msg"] == "no module `proxmox_nonsense`; `ferrox list` names them all"


@pytest.mark.parametrize("words", [["list"], ["spec", "pveum_role"], ["pveum_role", "-"], ["--version"]])
def test_a_closed_pipe_is_no_crash(executable, words):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([executable, *words], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                              timeout=TIMEOUT)
    finally:
        os.close(writer)
    assert done.returncode == 1 and done.stderr == b""


def test_list_names_the_modules_that_are_documented(say):
    assert say("list").stdout.decode().split() == MODULES


@every_module
def test_spec_prints_the_argument_spec(say, module):
    done = say("spec", module)
    printed = json.loads(done.stdout)
    assert done.returncode == 0
    assert printed["supports_check_mode"] is True
    assert printed["argument_spec"]["api_password"]["no_log"] is True
    assert printed["argument_spec"]["api_user"]["default"] == "root@pam"


def test_version_is_that_of_the_collection(say):
    galaxy = (REPOSITORY / "galaxy.yml").read_text().splitlines()
    version = next(line.split()[1] for line in galaxy if line.startswith("version:"))
    assert say("--version").stdout.decode() == f"ferrox {version}\n"


@pytest.mark.parametrize("program", ["pveum_role", "AnsiballZ_pveum_role", "AnsiballZ_pveum_role.py"])
def test_a_link_under_a_modules_name_is_that_module(executable, connection, tmp_path, program):
    (tmp_path / program).symlink_to(executable)
    arguments = tmp_path / "arguments"
    arguments.write_text(json.dumps({**connection, **ROLE, "_ansible_never_heard_of": [1]}))
    done = subprocess.run([tmp_path / program, arguments], env=clean_environment(), capture_output=True,
                          timeout=TIMEOUT)
    assert json.loads(done.stdout)["changed"] and done.returncode == 0
