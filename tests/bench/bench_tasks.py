"""Tasks that do nothing: how many a second, and how long one takes."""

import json
import os
import socket
import subprocess
import sys
import time

from contest import Contestant, Figure, Unavailable, output, program

SUMMARY = "tasks that do nothing, 2 workers of one thread, no keys"
FIGURES = {
    "tasks_per_second": Figure("/s", True),
    "rtt_p50_us": Figure("us", False),
    "rtt_p99_us": Figure("us", False),
}
WORKERS = 2
READY_SECONDS = 30
HERE = os.path.dirname(os.path.abspath(__file__))


def dusk(quick):
    """Its own cluster, and the relay beside it."""
    figures = json.loads(output([
        program("client", "dusk"), "bench", "tasks", "--json", "--rounds", "1",
        "--workers", str(WORKERS), "--tasks", "5000" if quick else "50000"]))
    relay = {name: figures[f"relay_{name}"] for name in FIGURES}
    return {"dusk": figures, "relay": relay}


def dask(quick):
    return {"dask.distributed": json.loads(output([
        sys.executable, os.path.join(HERE, "dask_tasks.py"), str(WORKERS),
        "200" if quick else "2000"]))}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Unavailable(f"nobody listens on port {port}")


def gearmand(quick):
    port = free_port()
    client = program("tests", "bench", "bench_gearman")
    server = subprocess.Popen(
        ["gearmand", "--listen=127.0.0.1", f"--port={port}", "--log-file=none"],
        stdin=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        figures = json.loads(output([client, str(port), "1000" if quick else "20000"]))
    finally:
        server.terminate()
        server.wait()
    return {"gearmand": figures}


CONTESTANTS = [
    Contestant(["dusk", "relay"], [], dusk),
    Contestant(["dask.distributed"], ["python3-distributed"], dask),
    Contestant(["gearmand"], ["gearman-job-server", "libgearman-dev"], gearmand),
]
