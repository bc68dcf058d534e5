# SPDX-License-Identifier: AGPL-3.0-or-later
"""Starting and stopping a cluster: in a thread for pytest, in the foreground for the command line."""

import asyncio
import hashlib
import json
import tempfile
import threading
import urllib.request

from fakepve.certs import make_cert

from . import seeds
from .control import Control
from .server import Cluster


class Service:
    """One cluster with its certificate and control port, on the running event loop."""

    def __init__(self, seed="demo", host="127.0.0.1", port=0, control_port=0, time_scale=0.0, major=None,
                 version=None, ca_directory=None, **parameters):
        self.host, self.control_port = host, control_port
        self._wanted_port, self._time_scale, self._version = port, time_scale, {"major": major, "version": version}
        self._seed = seeds.load(seed, **parameters)
        self._temporary = None if ca_directory else tempfile.TemporaryDirectory(prefix="cluster-")
        self.directory = ca_directory or self._temporary.name

    async def start(self):
        self.ca_path, key, der = make_cert(str(self.directory), "cluster", hosts=(self.host,))
        digest = hashlib.sha256(der).hexdigest().upper()
        self.fingerprint = ":".join(digest[i:i + 2] for i in range(0, 64, 2))
        self.cluster = Cluster(self._seed, self.host, self._wanted_port, self._time_scale, **self._version)
        await self.cluster.start(self.ca_path, key)
        self.control = Control(self.cluster)
        await self.control.start("127.0.0.1", self.control_port)
        self._rounds = asyncio.ensure_future(self.cluster.rounds())

    async def stop(self):
        self._rounds.cancel()
        self.cluster.forget_jobs()
        self.cluster.released.set()
        await self.control.stop()
        await self.cluster.stop()
        if self._temporary:
            self._temporary.cleanup()

    def facts(self):
        """What a client needs to know, as one JSON-able dict."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {"url": f"https://{host}:{self.cluster.port}", "host": self.host, "port": self.cluster.port,
                "ca_path": self.ca_path, "fingerprint": self.fingerprint,
                "control_url": f"http://127.0.0.1:{self.control.port}",
                "root_password": "secret", "api_user": "ansible@pam", "api_token_id": "mms",
                "api_token_secret": seeds.SECRET}


class FakeCluster:
    """A cluster that serves from a thread: `with FakeCluster(seed="demo", time_scale=0) as c: c.url …`."""

    def __init__(self, **options):
        self._service = Service(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake cluster", daemon=True)

    def start(self):
        self._thread.start()
        self._call(self._service.start())
        for name, value in self._service.facts().items():
            setattr(self, name, value)
        return self

    def stop(self):
        self._call(self._service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -------------------------------------------------------------------------- control port

    def control(self, method, path, body=None):
        """Ask the control port; the answer's JSON. ValueError with its text where it refuses."""
        request = urllib.request.Request(self.control_url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        # Never by a proxy that the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            raise ValueError(e.read().decode()) from None

    def requests(self):
        return self.control("GET", "/requests")

    def stats(self):
        return self.control("GET", "/stats")

    def reset(self, **body):
        return self.control("POST", "/reset", body)

    def fault(self, **fault):
        return self.control("POST", "/faults", fault)

    def help(self, helper, **arguments):
        """lock-timeouts, steal-vmid, offline, hang, hold-lock or revoke-tickets."""
        return self.control("POST", f"/faults/{helper}", arguments)

    def state(self):
        return self.control("GET", "/state")

    def patch(self, **patch):
        return self.control("POST", "/state", patch)

    def guest(self, vmid):
        """A guest's state by VMID, or None."""
        return next((g for g in self.state()["guests"] if g["vmid"] == vmid), None)

    def statistics_round(self):
        return self.control("POST", "/statistics-round")

    def schema_violations(self):
        return self.control("GET", "/schema-violations")
