"""A cluster over several hosts, with keys, whose network fails.

    test_hosts.py CHAOS_GRAPH
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import daemons
import network
import tap

GRAPH = sys.argv[1]
SCHEDULER, WORKERS, CLIENT = 0, (1, 2), 3
TIMES = ["--heartbeat", "500ms", "--silent", "1s", "--lost", "3s"]
LONGER_THAN_LOST = 6
CHUNKS = 40 if daemons.DIVISOR == 1 else 20
FIT = ["admm", "--family", "logistic", "--rows", str(5000 * CHUNKS), "--columns", "30",
       "--chunk-rows", "5000", "--tolerance", "1e-10", "--json"]
# Data, responses, Gram matrices and factors of all chunks: then updates begin.
PREPARED = 4 * CHUNKS
# Of arrays that narrow cables carry soon.
SHORT = 1000
RUN_SECONDS = 300
BAD_LINES = re.compile("internal error|assert|Sanitizer|runtime error|level=error",
                       re.IGNORECASE)


class HostCluster(daemons.Cluster):
    """A scheduler, a worker on each host for one, and a host for clients."""

    def __init__(self, net):
        self.net = net
        self.directory = tempfile.mkdtemp(prefix="dusk-test-")
        self.log = open(os.path.join(self.directory, "log"), "a")
        self.keys = tempfile.TemporaryDirectory(prefix="dusk-keys-")
        self.processes, self.workers = [], []
        keys = os.path.join(self.keys.name, "keys")
        subprocess.run([daemons.DUSK, "keygen", keys], check=True, capture_output=True)
        self.join = {role: os.path.join(keys, role + ".join") for role in
                     ("worker", "client")}
        self.scheduler, self.address = daemons.start_ready(
            net.on(SCHEDULER, daemons.SCHEDULER, "--host", net.address(SCHEDULER),
                   "--port", "0", "--keys", keys, *TIMES), self.log)
        self.processes.append(self.scheduler)

    def add_worker(self, host):
        worker, _ = daemons.start_ready(
            self.net.on(host, daemons.WORKER, self.address, "--nthreads", "1", "--name",
                        f"host{host}", "--local-directory", self.directory, "--keys",
                        self.join["worker"]), self.log)
        self.processes.append(worker)
        self.workers.append(worker)

    def run(self, host, *command, **options):
        return subprocess.Popen(
            self.net.on(host, *command), text=True, stdout=subprocess.PIPE,
            stderr=self.log, env={**os.environ, "DUSK_SCHEDULER_ADDRESS": self.address,
                                  "DUSK_KEYS": self.join["client"]}, **options)

    def dusk(self, *arguments, host=SCHEDULER):
        return self.run(host, daemons.DUSK, *arguments, stdin=subprocess.DEVNULL)

    def stop(self):
        left = super().stop()
        self.keys.cleanup()
        return left


def finish(job):
    try:
        out, _ = job.communicate(timeout=RUN_SECONDS)
        assert job.returncode == 0, f"exit {job.returncode}: {out}"
        return json.loads(out)
    finally:
        job.kill()


def same_answer(fit, expected):
    assert fit["certified"] and expected["certified"]
    for a, b in zip(fit["coefficients"], expected["coefficients"], strict=True):
        assert abs(a - b) <= 1e-8, (a, b)


def is_whole(cluster):
    """All workers are there, no task and no client but the one that asks."""
    status = cluster.status()
    return (len(status["workers"]) == len(WORKERS)
            and all(row["state"] == "running" for row in status["workers"])
            and not any(status["tasks"].values()) and len(status["clients"]) == 1)


def disturbed(disturb, length=20000):
    """A fit and a random graph of tasks, with arrays of a length, on hosts while
    `disturb` does its work."""
    network.require()
    with network.Network(4) as net, HostCluster(net) as cluster:
        for host in WORKERS:
            cluster.add_worker(host)
        expected = finish(cluster.dusk(*FIT, host=CLIENT))["runs"][0]
        seed = str(os.getpid())
        print(f"# seed {seed}", flush=True)
        graph = cluster.run(CLIENT, GRAPH, seed, str(length), stdin=subprocess.PIPE)
        fit = cluster.dusk(*FIT, host=CLIENT)
        try:
            daemons.wait_for("updates", lambda: sum(
                row["chunks"] for row in cluster.status()["workers"]) >= PREPARED,
                RUN_SECONDS)
            disturb(net)
            same_answer(finish(fit)["runs"][0], expected)
            assert finish(graph)["values"] > 0
            daemons.wait_for("a whole and empty cluster", lambda: is_whole(cluster))
        finally:
            for job in (fit, graph):
                job.send_signal(signal.SIGKILL)
                job.wait()
        bad = [line for line in cluster.read_log().splitlines() if BAD_LINES.search(line)]
        assert not bad, "\n".join(bad[:20])


def cut_off(host):
    def disturb(net):
        net.cut(host)
        time.sleep(LONGER_THAN_LOST)
        net.mend(host)
    disturbed(disturb)


def worker_cut_off():
    """A worker's host cut off for longer than it takes to be given up changes nothing"""
    cut_off(WORKERS[0])


def client_cut_off():
    """A client's host cut off for longer than it takes to be given up changes nothing"""
    cut_off(CLIENT)


def scheduler_cut_off():
    """The scheduler's host cut off from all others changes nothing"""
    cut_off(SCHEDULER)


def shaped(*discipline, **options):
    def disturb(net):
        try:
            for host in (WORKERS[0], CLIENT):
                net.shape(host, *discipline)
        except OSError as error:
            raise tap.Skip(f"this kernel cannot do that to a cable: {error}") from error
    disturbed(disturb, **options)


def slow_cables():
    """Cables with a delay of 100 ms change nothing"""
    shaped("netem", "delay", "100ms", "20ms")


def narrow_cables():
    """Cables of 4 Mbit/s change nothing"""
    shaped("tbf", "rate", "4mbit", "burst", "16kb", "latency", "200ms", length=SHORT)


if __name__ == "__main__":
    tap.run(worker_cut_off, client_cut_off, scheduler_cut_off, slow_cables, narrow_cables)
