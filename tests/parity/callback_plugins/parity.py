# SPDX-License-Identifier: GPL-3.0-or-later
"""A stdout callback that runs cases: before each play a fresh cluster, after each task a look at it.

PARITY_PLAN names a file: {"control_url", "cases": [{"seed", "start"}]}, a case for each play. What comes out is one
JSON document: for each play {"start": SEEN, "tasks": [{"result", "seconds", **SEEN}]}, where SEEN is {"state", "stats"}.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: parity
type: stdout
short_description: Runs cases against the fake cluster
description: One JSON document on standard output.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "parity"

    def __init__(self):
        super().__init__()
        with open(os.environ["PARITY_PLAN"], encoding="utf-8") as file:
            self.plan = json.load(file)
        self.played = []
        self.began = 0.0

    def _control(self, method, path, body=None):
        request = urllib.request.Request(self.plan["control_url"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def _look(self):
        return {"state": self._control("GET", "/state"), "stats": self._control("GET", "/stats")}

    def v2_playbook_on_play_start(self, play):
        case = self.plan["cases"][len(self.played)]
        self._control("POST", "/reset", {"seed": case["seed"]})
        self._control("POST", "/state", case["start"])
        self.played.append({"start": self._look(), "tasks": []})

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.began = time.perf_counter()

    def _keep(self, result, **ending):
        seconds = time.perf_counter() - self.began
        self.played[-1]["tasks"].append({"result": {**result.result, **ending}, "seconds": seconds, **self._look()})

    def v2_runner_on_ok(self, result):
        self._keep(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._keep(result, failed=True)

    def v2_runner_on_skipped(self, result):
        self._keep(result, skipped=True)

    def v2_runner_on_unreachable(self, result):
        self._keep(result, failed=True)

    def v2_playbook_on_stats(self, stats):
        print(json.dumps(self.played, default=str))
