# SPDX-License-Identifier: AGPL-3.0-or-later
"""HTTP as pveproxy speaks it: how parameters are read, how errors and refusals look, lost answers."""

import asyncio
import email.utils
import json
import random
import re
import time
import urllib.parse

from aiohttp import web
from fakepve import PveError
from fakepve import schema as pve_schema
from fakepve.routing import param_error
from fakepve.server import USER

from .answers import Answered, Total, error_answer, json_answer, text_answer
from .faults import answer_of, lose
from .tasks import TASK_FAULT
from .uploads import read_upload

BODY_LIMIT = 512 * 1024
# What is written to the cluster's file system at once, and so not without quorum.
KEPT_IN_ETC_PVE = ("/access/roles", "/access/acl", "/access/users", "/access/groups", "/access/domains", "/access/password",
                   "/pools", "/storage")
# Path parameters that may hold slashes, which the schema's tree of segments cannot match.
SLASHED = ((re.compile(r"(/nodes/[^/]+/storage/[^/]+/content)/(.+)"), "volume",
            "/nodes/{node}/storage/{storage}/content/{volume}"),)
# Lists that stand in a file of their own, in whose order they are told.
IN_ORDER = ("/cluster/backup",)
SECRETS = {"password", "cipassword", "new-password", "confirmation-password", "ticket", "otp", "tfa-challenge"}


def decode_form(text):
    """Parameters of a query or a form. The server parts each pair at every "=" and keeps two pieces."""
    out = {}
    for pair in re.split(r"[&;]", text):
        if not pair:
            continue
        pieces = [urllib.parse.unquote_plus(piece) for piece in pair.split("=")]
        key, value = pieces[0], pieces[1] if len(pieces) > 1 else ""
        if key in out:
            out[key] = (out[key] if isinstance(out[key], list) else [out[key]]) + [value]
        else:
            out[key] = value
    return out


def below_format(raw_path):
    """The API's own path, without /api2/json or /api2/extjs."""
    return raw_path.removeprefix("/api2/json").removeprefix("/api2/extjs") or "/"


def redacted(values):
    return {k: "********" if k in SECRETS and v not in (None, "") else v for k, v in values.items()}


def joined_lists(given, declared):
    """A key that is repeated makes an array, which the server joins where it wants a list in one text (PVE::RESTHandler)."""
    def joined(key, value):
        wanted = declared.get(key, {})
        is_text = wanted.get("type") == "string" and str(wanted.get("format", "")).endswith("-list")
        return ",".join(map(str, value)) if is_text and isinstance(value, list) else value

    return {key: joined(key, value) for key, value in given.items()}


class Wire:
    """Mixin: the one route, from the request to its answer."""

    def _build_app(self):
        app = web.Application(middlewares=[self._extjs], client_max_size=self.client_max_size)
        for prefix in ("/api2/json", "/api2/extjs"):
            app.router.add_route("*", prefix + "/{tail:.*}", self._serve)
            app.router.add_route("*", prefix, self._serve)
        self.handlers, self.raw_handlers = self._collect(), self._raw()
        return app

    async def start(self, certfile, keyfile):
        """Listen; an idle connection is closed after 5 s, as pveproxy does."""
        import ssl
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certfile, keyfile)
        self.runner = web.AppRunner(self._build_app(), access_log=None, keepalive_timeout=5,
                                    shutdown_timeout=1)
        await self.runner.setup()
        await web.TCPSite(self.runner, self.host, self.port, ssl_context=context, backlog=512).start()
        self.port = self.runner.addresses[0][1]

    def _collect(self):
        """{(method, schema path): handler(values, user)}; ours win over fakepve's."""
        table = {}
        for prefix in ("_routes_", "_own_routes_"):
            for name in sorted(n for n in dir(self) if n.startswith(prefix)):
                for method, template, handler in getattr(self, name)():
                    if method not in pve_schema.load().paths[template]:
                        raise KeyError(f"{method} {template} is not in the schema")
                    table[method, template] = handler
        collector = type("", (), {"add_route": staticmethod(lambda m, path, fn: table.setdefault((m, path), fn))})
        self._lxc_routes(collector, "/nodes/{node}")
        return table

    def _lxc_handler(self, fn):
        async def handler(v, user):
            return await fn(user, v)
        return handler

    def _raw(self):
        """fakepve's handlers that want the request itself."""
        qemu = "/nodes/{node}/qemu/{vmid}"
        return {("POST", "/access/ticket"): self._ticket,
                ("GET", "/cluster/ceph/status"): self._ceph_status,
                ("POST", qemu + "/monitor"): self._monitor, ("POST", qemu + "/termproxy"): self._termproxy,
                ("POST", qemu + "/vncproxy"): self._vncproxy, ("GET", qemu + "/vncwebsocket"): self._vncwebsocket}

    # ------------------------------------------------------------------------------- request

    @staticmethod
    def match(raw_path):
        """The schema's match of a path below /api2/json, or None."""
        segments = [urllib.parse.unquote(s) for s in raw_path.split("/")]
        found = pve_schema.load().match("/".join(segments))
        if found is None:
            for pattern, name, template in SLASHED:
                rest = pattern.fullmatch("/".join(segments))
                if rest:
                    parent = pve_schema.load().match(rest.group(1))
                    found = pve_schema.Match(template, {**parent.params, name: rest.group(2)},
                                             pve_schema.load().paths[template])
        if found and "/" in found.params.get("poolid", ""):
            # A path is unescaped before it is parted, so no escape hides the slash of a nested pool.
            return None
        return found

    async def _serve(self, request):
        raw_path = below_format(request.rel_url.raw_path)
        path = urllib.parse.unquote(raw_path)
        match = self.match(raw_path)
        peer = request.transport.get_extra_info("peername") if request.transport else None
        entry = {"time": time.time(), "method": request.method, "path": request.rel_url.raw_path_qs, "body": {},
                 "user": None, "port": peer[1] if peer else 0, "template": match.template if match else None}
        self.log.append(entry)
        fault = None
        try:
            if request.method == "PATCH":
                raise text_answer(501, "Not Implemented")
            user = request[USER] = self._login_of(request, match)
            entry["user"] = user
            values = await self._parameters(request, entry)
            fault = self.faults.take(request.method, path, values)
            if fault:
                await self.pause(fault.get("delay", 0))
                await asyncio.sleep(fault.get("seconds", 0))
                if fault.get("hang"):
                    await self.released.wait()
                if fault.get("drop") == "before":
                    return await lose(request)
                if fault.get("first"):
                    fault["first"](values, fault)
                if answer_of(fault):
                    return answer_of(fault)
            TASK_FAULT.set(fault.get("task") if fault else None)
            response = await self._respond(request, match, values, user)
        except Answered as e:
            response = e.response
        except PveError as e:
            response = error_answer(e.status, e.message, e.errors)
        if response.status == 401:
            await self.pause(self.refusal_secs)
        if "upload" in entry:
            # Its connection is not used again.
            response.force_close()
        if self.clock_skew:
            response.headers["Date"] = email.utils.formatdate(time.time() + self.clock_skew, usegmt=True)
        if fault and fault.get("drop"):
            return await lose(request, response if fault["drop"] == "during" else None)
        return response

    def _login_of(self, request, match):
        try:
            return self._authenticate(request)
        except PveError:
            if self.is_world(match, request.method):
                return None
            raise

    async def _parameters(self, request, entry):
        """Query and body as one dict; the log gets them with secrets hidden."""
        values = decode_form(request.rel_url.raw_query_string)
        if SECRETS & values.keys():
            entry["path"] = request.rel_url.raw_path + "?" + urllib.parse.urlencode(redacted(values))
        if not request.body_exists:
            return values
        if request.method == "POST" and request.content_type == "multipart/form-data" and request.path.endswith("/upload"):
            try:
                upload = await read_upload(request)
            except ConnectionError:
                # Nobody hears the answer.
                entry["broken_off"] = True
                raise text_answer(501, "upload failed") from None
            self.received[upload.fields["tmpfilename"]] = upload
            told = {key: value for key, value in upload.fields.items() if key != "tmpfilename"}
            entry["body"], entry["upload"] = told, {"size": upload.size, **upload.digests()}
            return {**values, **upload.fields}
        body = await request.read()
        if body and request.method in ("GET", "DELETE", "HEAD"):
            text = f"Unexpected content for method '{request.method}'"
            raise text_answer(501, text, text)
        kind = request.content_type
        if len(body) > BODY_LIMIT:
            raise text_answer(501, "for data too large")
        if body and kind == "application/json":
            try:
                sent = json.loads(body)
                values.update(sent)
            except (ValueError, TypeError):
                text = "malformed JSON string, neither tag, array, object, number, string or atom"
                raise text_answer(500, text, text) from None
        elif body and kind == "application/x-www-form-urlencoded":
            sent = decode_form(body.decode(errors="replace"))
            values.update(sent)
        elif body:
            text = f"upload 'Content-Type '{kind}' not implemented"
            raise text_answer(506, text, text)
        else:
            return values
        entry["body"] = redacted(sent)
        return values

    # -------------------------------------------------------------------------------- answer

    async def _respond(self, request, match, values, user):
        info = match and match.methods.get(request.method)
        if info is None:
            raise PveError(501, f"Method '{request.method} {below_format(request.path)}' not implemented")
        if user and "!" in user and info.get("allowtoken") in (0, "0"):
            where = below_format(request.path)
            raise PveError(403, f"Permission check failed (URI '{where}' not available with API token, need proper "
                                "ticket.\n)")
        key = (request.method, match.template)
        raw = self.raw_handlers.get(key)
        if request.method != "GET" and match.template.startswith(KEPT_IN_ETC_PVE):
            self.need_quorum()
        if raw is not None:
            request.match_info.update(match.params)

            async def call(_match, _values):
                return await raw(request)
        elif key in self.handlers:
            async def call(_match, checked):
                return await self.handlers[key](checked, user)
        else:
            call = None
        data = await self.answer(request, match, values, user, call)
        if isinstance(data, web.StreamResponse):
            return data
        if isinstance(data, Total):
            return json_answer({"data": data.data, "total": data.total})
        if isinstance(data, list) and request.method == "GET" and "task" not in match.template \
                and match.template not in IN_ORDER:
            # A Perl hash has no order: whoever relies on one is to notice.
            data = random.sample(data, len(data))
        return json_answer({"data": data})

    async def answer(self, request, match, params, user, call=None):
        """Permissions, then the node, then the parameters, then the handler: pveproxy's order."""
        info = match.methods[request.method]
        spec = info.get("parameters") or {}
        declared = spec.get("properties", {})
        given = {**joined_lists(params, declared), **match.params}
        perms = self.permissions_of(match.template, info)
        self._check_acl_path(user, perms, given)
        self.check_permissions(user, perms, given, declared)
        node = match.params.get("node")
        if node is not None and node not in self.nodes:
            raise PveError(500, f"hostname lookup '{node}' failed - failed to get address info for: {node}: "
                                "Name or service not known")
        if node is not None and not self.nodes[node].get("online", True):
            raise PveError(595, "No route to host")
        values, errors = pve_schema.validate(spec, {k: v for k, v in given.items()
                                                    if k in declared or k not in match.params})
        errors = self.errors_of(match.template, request.method, values, errors)
        if errors:
            raise param_error(**errors)
        values.update((k, v) for k, v in match.params.items() if k not in declared)
        if values.get("skiplock") and user != "root@pam":
            raise param_error(skiplock="Only root may use this option.")
        if call is None:
            return await self.synthesise(match, request.method, info, user, values)
        return await call(match, values)
