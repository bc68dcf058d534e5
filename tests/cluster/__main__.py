# SPDX-License-Identifier: AGPL-3.0-or-later
"""`python -m cluster`: serve a cluster until SIGTERM."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from .harness import Service


def arguments():
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument("--seed", default="demo", help="demo, empty, bench or a JSON file")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--time-scale", type=float, default=0.02, help="real seconds per Proxmox VE second")
    parser.add_argument("--major", type=int, choices=(8, 9))
    parser.add_argument("--version", help="a whole version, such as 9.0.11, instead of --major")
    parser.add_argument("--ca-directory", help="where cluster.crt and cluster.key are written")
    parser.add_argument("--ready-file", help="gets the same JSON line once the cluster serves")
    parser.add_argument("--guests", type=int, help="seed bench: number of VMs")
    parser.add_argument("--nodes", type=int, help="seed bench: number of nodes")
    parser.add_argument("--status", choices=("running", "stopped"), help="seed bench: state of the VMs")
    return {name: value for name, value in vars(parser.parse_args()).items() if value is not None}


async def serve(ready_file=None, **options):
    service = Service(**options)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await service.start()
    facts = json.dumps({**service.facts(), "pid": os.getpid()})
    print(facts, flush=True)
    if ready_file:
        # Whoever waits for the file is to find it whole.
        part = Path(ready_file + ".part")
        part.write_text(facts + "\n", encoding="utf-8")
        part.replace(ready_file)
    await ended.wait()
    await service.stop()


if __name__ == "__main__":
    asyncio.run(serve(**arguments()))
