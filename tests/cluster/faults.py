# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults that a test asks for: refused requests, failing tasks, lost answers, other clients in the way."""

import re

from aiohttp import web

from .answers import error_answer

LOCK_TIMEOUT = "can't lock file '/var/lock/qemu-server/lock-{0}.conf' - got timeout"
CLONE = r"/nodes/[^/]+/qemu/\d+/clone"


KEYS = {"method", "path", "times", "after", "status", "reason", "message", "errors", "html", "empty", "delay",
        "seconds", "hang", "drop", "task", "first"}


class Faults:
    """The faults that wait for their request, oldest first.

    A fault is a dict: method ("*" for any), path (a regular expression over the whole path below /api2/json), times
    (default 1; null: always), after (let so many matching requests pass first), and what happens: status with
    reason, message, errors, html or empty; delay (PVE seconds) or seconds (real ones); hang; drop ("before" | "during"
    | "after-effect"); task (see README.md). `first` is a function called with the request's parameters and the fault.
    """

    def __init__(self):
        self.waiting = []

    def add(self, fault):
        unknown = set(fault) - KEYS
        if unknown or "path" not in fault or fault.get("drop") not in (None, "before", "during", "after-effect"):
            raise ValueError(f"not a fault: {fault} (unknown: {sorted(unknown)})")
        self.waiting.append({"method": "*", "times": 1, "after": 0, **fault, "regex": re.compile(fault["path"])})

    def take(self, method, path, values):
        """The fault of this request, counted down, or None."""
        if not self.waiting:
            return None
        path = "/" + path.strip("/")
        for fault in self.waiting:
            if fault["method"] not in ("*", method) or not fault["regex"].fullmatch(path):
                continue
            if fault["after"] > 0:
                fault["after"] -= 1
                continue
            if fault["times"] is not None:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.waiting.remove(fault)
            return fault
        return None

    def listed(self):
        return [{k: v for k, v in f.items() if k not in ("regex", "first")} for f in self.waiting]


def answer_of(fault):
    """The answer a fault puts in place of the real one, or None."""
    if "status" not in fault:
        return None
    status, reason = fault["status"], fault.get("reason") or fault.get("message")
    if reason:
        reason = str(reason).splitlines()[0]
    if fault.get("empty"):
        return web.Response(status=status, reason=reason)
    if fault.get("html"):
        html = fault["html"] if isinstance(fault["html"], str) else f"<html><body>{reason or status}</body></html>"
        return web.Response(status=status, reason=reason, text=html, content_type="text/html")
    return error_answer(status, str(fault.get("message") or reason or ""), fault.get("errors"))


async def lose(request, response=None):
    """Close the connection instead of answering, or in the middle of the given answer."""
    if response is None:
        request.transport.abort()
        return web.Response()
    body = response.body or b"{}"
    part = web.StreamResponse(status=response.status, reason=response.reason,
                              headers={"Content-Length": str(len(body)), "Content-Type": response.content_type})
    await part.prepare(request)
    await part.write(body[: max(1, len(body) // 2)])
    request.transport.close()
    return part
