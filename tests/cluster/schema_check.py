# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests of the log against the API schema of the installed fakepve: path, method, names, types, property strings."""

from fakepve import schema

from .wire import Wire, below_format, decode_form


def violations(log):
    """[{method, path, errors}] of the requests that the schema does not allow."""
    found = []
    for entry in log:
        if entry.get("broken_off"):
            continue
        raw, _, query = entry["path"].partition("?")
        match = Wire.match(below_format(raw))
        info = match and match.methods.get(entry["method"])
        if info is None:
            found.append({"method": entry["method"], "path": entry["path"], "errors": {"": "no such path or method"}})
            continue
        spec = info.get("parameters") or {}
        declared = spec.get("properties", {})
        given = {**decode_form(query), **entry["body"], **{k: v for k, v in match.params.items() if k in declared}}
        _, errors = schema.validate(spec, given)
        if errors:
            found.append({"method": entry["method"], "path": entry["path"], "errors": errors})
    return found
