# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdout callback for tests: one JSON document with every task's result, as the playbook's whole output."""

from __future__ import annotations

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: stdout
short_description: Every result as JSON
description: One JSON document on standard output.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "results"

    def __init__(self):
        super().__init__()
        self.tasks = []

    def _keep(self, status, result):
        # ansible-core 2.19 has the properties, 2.17 the attributes only.
        task = getattr(result, "task", None) or result._task
        values = getattr(result, "result", None) or result._result
        self.tasks.append({"task": task.get_name(), "action": task.action, "status": status, "result": values})

    def v2_runner_on_ok(self, result):
        self._keep("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._keep("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result):
        self._keep("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._keep("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        print(json.dumps({"tasks": self.tasks, "stats": {h: stats.summarize(h) for h in stats.processed}}, default=str))
