# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdout callback for benchmarks: how long each task took, from its start to the start of the next one."""

from __future__ import annotations

import json
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: durations
type: stdout
short_description: How long each task took
description: One JSON document on standard output.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "durations"

    def __init__(self):
        super().__init__()
        self.started = []
        self.results = []

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.started.append((task.get_name(), time.perf_counter()))

    def _keep(self, result, failed):
        # ansible-core 2.19 has the property, 2.17 the attribute only.
        values = getattr(result, "result", None) or result._result
        self.results.append({"failed": failed, "changed": values.get("changed"), "msg": values.get("msg")})

    def v2_runner_on_ok(self, result):
        self._keep(result, failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._keep(result, failed=True)

    def v2_playbook_on_stats(self, stats):
        ends = [start for _, start in self.started[1:]] + [time.perf_counter()]
        tasks = [
            {"name": name, "seconds": end - start, **result}
            for (name, start), end, result in zip(self.started, ends, self.results, strict=True)
        ]
        print(json.dumps(tasks))
