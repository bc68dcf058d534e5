# Copyright: (c) 2026, The Ferrox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind every module of the collection.

A module is a name that the executable answers to. On the controller itself the executable runs in place, with the
arguments on its standard input: nothing is copied, nothing secret is written to a file or shown in a process list,
and a task costs a few milliseconds. Under become, async or another connection Ansible transfers and runs it.

Only what ansible-core has loaded by then is imported. The other files of this folder give the plugin each module's name.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import selectors
import signal
import subprocess

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

display = Display()

EXECUTABLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'plugin_utils', 'bin')
MACHINES = {'amd64': 'x86_64', 'arm64': 'aarch64'}

# The executable ends in order within 10 s of a signal: it starts nothing new, cleans up, and names what still runs.
# While it puts back what it took away it may take longer, and says every 30 s that it is still at it.
LAST_WORDS_SECONDS = 40


class ActionModule(ActionBase):
    """Runs the module that the task names."""

    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        # What the task's name leads to: a redirect from another collection may begin at another name. Module and action
        # are called alike, so that it does not matter which of them Ansible took. Of a name that is a template
        # ansible-core 2.18 and older know only what it says.
        module = (self._task.resolved_action or self._task.action).rpartition('.')[2]
        local = self._connection.transport == 'local'
        if local and not self._connection.become and not self._task.async_val:
            result.update(self._run_in_place(module))
        else:
            result.update(self._transfer(module, local, task_vars))
        return result

    def _transfer(self, module, local, task_vars):
        """Have Ansible copy the executable to the host and run it there."""
        platform = Platform(*(own_uname() if local else self._uname(task_vars)))
        platform.executable()
        wrap_async = bool(self._task.async_val) and not getattr(self._connection, 'has_native_async', False)
        result = self._execute_module(
            module_name=f'ferrox.proxmox.{platform.system}_{platform.machine}.ferrox',
            module_args={**self._task.args, '_ferrox_module': module},
            task_vars=task_vars,
            wrap_async=wrap_async,
        )
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _uname(self, task_vars):
        """The host's system and machine: from its facts, else by asking it."""
        facts = (task_vars or {}).get('ansible_facts') or {}
        # Under delegation the facts are those of the host that delegates.
        if not self._task.delegate_to and facts.get('system') and facts.get('architecture'):
            return facts['system'], facts['architecture']
        answer = self._low_level_execute_command('uname -sm', sudoable=False)
        words = answer['stdout'].split()
        if answer['rc'] != 0 or len(words) < 2:
            raise AnsibleActionFail(f"unable to learn the host's platform: uname -sm answered {answer['stdout']!r}")
        return words[-2:]

    def _run_in_place(self, module):
        executable = Platform(*own_uname()).executable()
        stated = {}
        self._compute_environment_string(stated)
        environment = {**os.environ, **{name: str(value) for name, value in stated.items()}}
        if self._task.no_log:
            # Progress names guests, and a task that hides its result hides them too.
            environment['FERROX_PROGRESS'] = 'never'
        display.vvv(f'run {executable} {module} in place', host=self._play_context.remote_addr)
        arguments = json.dumps({**self._task.args, **self._task_keys(module)}, default=plain).encode()
        with signals_stop_the_task():
            try:
                child = Child([executable, module, '-'], self._loader.get_basedir(), environment)
            except OSError as error:
                raise AnsibleActionFail(f'unable to run {executable}: {error}') from error
            try:
                child.converse(arguments)
            except BaseException as reason:
                child.end()
                # Of what ends a task from outside, the keyword `timeout` alone still takes a result: better that of
                # the executable, which names the tasks that Proxmox VE goes on with.
                if type(reason).__name__ != 'TaskTimeoutError' or not child.stdout:
                    raise
                answer = child.answer()
                limit = self._task.timeout
                answer['msg'] = f"the task's timeout of {limit} s is over: {answer.get('msg', '')}"
                answer.update(failed=True, timedout={'period': limit})
                return answer
        return child.answer()

    def _task_keys(self, module):
        """What Ansible tells a module beside its arguments."""
        return {
            '_ansible_check_mode': bool(self._task.check_mode),
            '_ansible_debug': bool(C.DEFAULT_DEBUG),
            '_ansible_diff': bool(self._task.diff),
            '_ansible_ferrox_progress': True,
            '_ansible_module_name': self._task.action,
            '_ansible_no_log': bool(self._task.no_log),
            '_ansible_verbosity': display.verbosity,
            '_ansible_version': ansible_version,
            '_ferrox_module': module,
        }


class Platform:
    """A system and a machine, and the executable that runs there."""

    def __init__(self, system, machine):
        self.system = system.lower()
        self.machine = MACHINES.get(machine.lower(), machine.lower())

    def executable(self):
        path = os.path.join(EXECUTABLES, f'{self.system}-{self.machine}', 'ferrox')
        if os.path.isfile(path):
            return path
        raise AnsibleActionFail(
            f'this copy of ferrox.proxmox holds no executable for {self.system} on {self.machine} ({path}). '
            "Build one there, in a checkout of the collection's source, with `make build` (it needs Rust and a C "
            f'compiler; on macOS: rustup and the Xcode command line tools), and copy target/release/ferrox to {path}.'
        )


class Child:
    """The executable while it works."""

    def __init__(self, command, directory, environment):
        self.stdout = b''
        self.stderr = b''
        self.shows_progress = environment.get('FERROX_PROGRESS') != 'never'
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=environment,
            # A session of its own: Ctrl-C at a terminal reaches it once, by end(), whatever the version of Ansible.
            start_new_session=True,
        )

    def converse(self, arguments):
        """Hand over the arguments, then listen until the executable has ended."""
        # One that ended without reading tells why in its answer.
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(arguments)
        self.listen()

    def listen(self, silence=None):
        """Gather the answer and show progress, until nothing is heard for so many seconds."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self.process.stdout, self.process.stderr):
                if not pipe.closed:
                    selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(silence)
                if not ready:
                    return
                for key, _events in ready:
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                    elif key.fileobj is self.process.stdout:
                        self.stdout += data
                    else:
                        self.hear(data)
        self.process.wait()

    def hear(self, data):
        """Keep what came on standard error, and show the lines that it completed."""
        unfinished = self.stderr.rpartition(b'\n')[2]
        self.stderr += data
        if self.shows_progress:
            for line in (unfinished + data).split(b'\n')[:-1]:
                display.display(line.decode(errors='replace'), stderr=True)

    def end(self):
        """Tell it to end in order, and end it when it does not."""
        self.process.terminate()
        self.listen(LAST_WORDS_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def answer(self):
        """Its result; a failure with all that it said, where there is none."""
        with contextlib.suppress(ValueError):
            answer = json.loads(self.stdout)
            if isinstance(answer, dict):
                # These are Ansible's own.
                return {key: value for key, value in answer.items() if not key.startswith('_ansible_')}
        code = self.process.returncode
        how = f'was ended by signal {-code}' if code < 0 else f'ended with exit status {code}'
        return {
            'failed': True,
            'msg': f'the executable {how} and gave no result. This is a defect of ferrox.proxmox.',
            'module_stdout': self.stdout.decode(errors='replace'),
            'module_stderr': self.stderr.decode(errors='replace'),
            'rc': code,
        }


class Stopped(BaseException):
    """SIGINT or SIGTERM came while the executable worked."""


@contextlib.contextmanager
def signals_stop_the_task():
    """Let SIGINT and SIGTERM end the executable in order before they end this worker."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    received = []

    def stop(signum, _frame):
        received.append(signum)
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(signum)

    for signum in handlers:
        signal.signal(signum, stop)
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        if received:
            os.kill(os.getpid(), received[0])


def own_uname():
    """This machine's system and machine."""
    uname = os.uname()
    return uname.sysname, uname.machine


def plain(value):
    """What JSON has no form for, as Ansible gives it to modules: dates, vaulted texts, sets."""
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return list(value)
    return str(value)
