# SPDX-License-Identifier: AGPL-3.0-or-later
"""Answers as pveproxy words them."""

import json

from aiohttp import web

CONTENT_TYPE = "application/json;charset=UTF-8"
# Statuses whose text is in the reason phrase alone.
NO_BODY = (401, 595, 596, 597, 599)


class Answered(Exception):
    """An answer that is ready as it is: a refusal in plain text or without a body."""

    def __init__(self, response):
        super().__init__(response.reason)
        self.response = response


class Total:
    """A list and the `total` that stands beside `data`."""

    def __init__(self, data, total):
        self.data, self.total = data, total


def text_answer(status, reason, text=""):
    return Answered(web.Response(status=status, reason=reason, text=text))


def json_answer(body, status=200, reason=None):
    return web.Response(body=json.dumps(body).encode(), status=status, reason=reason,
                        headers={"Content-Type": CONTENT_TYPE})


def error_answer(status, message, errors=None):
    """An error: its text is in the reason phrase and, for most statuses, in the body."""
    reason = (message.splitlines() or [""])[0][:500]
    if status in NO_BODY:
        return web.Response(status=status, reason=reason)
    body = {"data": None, "message": message.rstrip("\n") + "\n"}
    if errors:
        body["errors"] = errors
    return json_answer(body, status, reason)
