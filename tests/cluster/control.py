# SPDX-License-Identifier: AGPL-3.0-or-later
"""The control port: plain HTTP and JSON, for tests and benchmarks only."""

import json
from collections import Counter

from aiohttp import web

from .faults import CLONE, LOCK_TIMEOUT
from .guests import Vm
from .schema_check import violations


class Control:
    """Serves the control endpoints of one cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.runner = None
        self.port = None

    async def start(self, host, port):
        app = web.Application(client_max_size=64 * 1024 ** 2)
        for method, path, handler in (
                ("GET", "/requests", self.requests), ("GET", "/stats", self.stats), ("POST", "/reset", self.reset),
                ("GET", "/faults", self.list_faults), ("POST", "/faults", self.add_faults),
                ("DELETE", "/faults", self.clear_faults), ("POST", "/faults/{helper}", self.helper),
                ("GET", "/state", self.state), ("POST", "/state", self.patch),
                ("POST", "/statistics-round", self.statistics_round), ("POST", "/time-scale", self.time_scale),
                ("DELETE", "/requests", self.forget), ("GET", "/schema-violations", self.violations)):
            app.router.add_route(method, path, self._answer(handler))
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, host, port).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self):
        await self.runner.cleanup()

    @staticmethod
    def _answer(handler):
        async def serve(request):
            body = await request.read()
            try:
                answer = handler(json.loads(body) if body else {}, **request.match_info)
            except (ValueError, KeyError, TypeError) as e:
                return web.json_response({"error": f"{type(e).__name__}: {e}"}, status=400)
            return web.json_response(answer, dumps=lambda x: json.dumps(x, default=_plain))
        return serve

    # -------------------------------------------------------------------------- what was asked

    def requests(self, body):
        return self.cluster.log

    def stats(self, body):
        log = [e for e in self.cluster.log if e["template"] != "/access/ticket"]
        kinds = Counter(f"{e['method']} {e['template'] or e['path']}" for e in log)
        return {"requests": len(log), "logins": len(self.cluster.log) - len(log),
                "by_kind": dict(sorted(kinds.items())),
                "writes": sum(n for kind, n in kinds.items() if not kind.startswith("GET ")),
                "connections": len({e["port"] for e in self.cluster.log})}

    def forget(self, body):
        self.cluster.log.clear()
        return {}

    def violations(self, body):
        return violations(self.cluster.log)

    # --------------------------------------------------------------------------------- state

    def reset(self, body):
        if body.get("seed") is not None:
            from .seeds import load
            seed = body.pop("seed")
            self.cluster.seed = load(seed, **body)
        self.cluster.reset()
        return {}

    def state(self, body):
        return self.cluster.state()

    def patch(self, body):
        self.cluster.apply_state(body)
        return {}

    def statistics_round(self, body):
        self.cluster.take_round()
        return {}

    def time_scale(self, body):
        self.cluster.time_scale = float(body["time_scale"])
        return {}

    # -------------------------------------------------------------------------------- faults

    def add_faults(self, body):
        for fault in body if isinstance(body, list) else [body]:
            self.cluster.faults.add(fault)
        return {}

    def list_faults(self, body):
        return self.cluster.faults.listed()

    def clear_faults(self, body):
        self.cluster.faults.waiting.clear()
        return {}

    def helper(self, body, helper):
        helpers = {"lock-timeouts": self.lock_timeouts, "steal-vmid": self.steal_vmid,
                   "offline": self.offline, "hang": self.hang, "hold-lock": self.hold_lock,
                   "revoke-tickets": self.cluster.revoke_tickets}
        helpers[helper](**body)
        return {}

    def lock_timeouts(self, n=5, where="both", source=9000):
        """n clones meet a held lock: refused at once ("request"), in the task ("task"), or in turn ("both")."""
        text = LOCK_TIMEOUT.format(source)
        for i in range(n):
            in_task = where == "task" or (where == "both" and i % 2)
            fault = {"task": {"exitstatus": text}} if in_task else {"status": 500, "message": text}
            self.cluster.faults.add({"method": "POST", "path": CLONE, **fault})

    def steal_vmid(self, times=1, name="stolen", where="request", drop=None):
        """Another client creates a VM under the VMID of our next clone: just before it ("request"), or while the
        server forks our worker, which then fails ("task"). With drop our client does not hear of it."""
        def steal(vmid):
            self.cluster.vms.append(Vm(vmid, f"{name}-{vmid}", node=min(self.cluster.nodes)))

        def before_ours(values, fault):
            vmid = int(values["newid"])
            if where == "task":
                fault["task"] = {"exitstatus": f"unable to create VM {vmid}: config file already exists",
                                 "then": lambda: steal(vmid)}
            else:
                steal(vmid)
        for _ in range(times):
            self.cluster.faults.add({"method": "POST", "path": CLONE, "first": before_ours,
                                     **({"drop": drop} if drop else {})})

    def offline(self, node, offline=True):
        """Requests for the node answer 595; its guests lose name and status in /cluster/resources."""
        self.cluster.set_node_offline(node, offline)

    def hold_lock(self, vmid, held=True):
        """Somebody holds the config lock of a guest, until it is given back."""
        guest = self.cluster.guest(vmid)
        if held:
            guest.lock_holder = "held by a test"
        else:
            self.cluster.release(guest, "held by a test")

    def hang(self, path, method="*", times=1):
        """Matching requests are never answered, until POST /reset."""
        self.cluster.faults.add({"method": method, "path": path, "times": times, "hang": True})


def _plain(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(type(value).__name__)
