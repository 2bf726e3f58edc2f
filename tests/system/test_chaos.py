"""Processes killed, stopped and ended, and connections cut, at random for a while, with
tasks and fits running: all futures and all fits come to the right end.

    test_chaos.py [--seconds S] [--seed N] CHAOS_GRAPH
"""

import argparse
import collections
import contextlib
import heapq
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import daemons
import proxy
import tap

PLACES = 8
MEMORY = "64MiB" if daemons.DIVISOR == 1 else "512MiB"
# Deaths are many here and no task's fault.
SCHEDULER_OPTIONS = ["--heartbeat", "500ms", "--silent", "2s", "--lost", "5s",
                     "--allowed-failures", "1000"]
LONGER_THAN_LOST = 7
FIT = ["admm", "--family", "logistic", "--rows", "400000", "--columns", "30",
       "--chunk-rows", "5000", "--tolerance", "1e-10", "--json"]
# What never ends; far more than any machine needs.
HANG_SECONDS = 400
SETTLE_SECONDS = 60
# What may be an error here: deaths that we or a nanny caused, and a place whose name its
# former worker still has.
BAD_LINES = re.compile(r"internal error|assert|Sanitizer|runtime error|level=error"
                       r"(?!.*(signal=(Killed|Terminated)|too much memory|refused this worker))",
                       re.IGNORECASE)


class Place:
    """Where a worker and its nanny run, one pair after the other."""

    def __init__(self, number, chaos):
        self.chaos = chaos
        self.options = ["--name", f"place-{number}"] if number % 2 else []
        self.proxy = chaos.add_proxy()
        self.process = None
        self.start()

    def start(self):
        self.process = self.chaos.start(
            daemons.WORKER, self.proxy.address, "--nthreads", "1", "--memory-limit", MEMORY,
            "--local-directory", self.chaos.directory, *self.options)

    def start_if_ended(self):
        if self.process and self.process.poll() is not None:
            self.process = None
            self.chaos.later(random.uniform(0, 2), self.start)

    def nanny(self):
        return [self.process.pid] if self.process else []

    def worker(self):
        return daemons.children(self.process.pid) if self.process else []


class Fit:
    """A `dusk admm` that is to find the same answer again, or to be killed."""

    def __init__(self, chaos, address):
        self.chaos = chaos
        self.path = os.path.join(chaos.directory, "fit.json")
        with open(self.path, "w") as file:
            self.process = subprocess.Popen(
                [daemons.DUSK, *FIT, "--scheduler", address, "--timeout", "60s"],
                stdin=subprocess.DEVNULL, stdout=file, stderr=chaos.log)

    def answer(self):
        """Waits for the end."""
        code = self.process.wait(HANG_SECONDS)
        assert code == 0, f"dusk admm: exit {code}"
        with open(self.path) as file:
            run = json.load(file)["runs"][0]
        os.unlink(self.path)
        assert run["certified"]
        return run["coefficients"]

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


class Chaos:
    """The cluster, its clients and what befalls them; use it in a `with`."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="dusk-chaos-")
        self.log = open(os.path.join(self.directory, "log"), "a")
        self.counts = collections.Counter()
        self.todo = []
        self.order = itertools.count()
        self.processes = []
        self.proxies = []
        self.graph = self.fit = None
        scheduler, self.address = daemons.start_ready(
            [daemons.SCHEDULER, "--port", "0", *SCHEDULER_OPTIONS], self.log)
        self.scheduler = scheduler
        self.processes.append(scheduler)
        self.places = [Place(number, self) for number in range(PLACES)]

    def begin(self, graph, seed):
        """The clients' work, and the undisturbed answer."""
        self.fit_address = self.add_proxy().address
        self.fit = Fit(self, self.fit_address)
        self.expected = self.fit.answer()
        self.fit = Fit(self, self.fit_address)
        self.graph = subprocess.Popen(
            [graph, str(seed)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": self.add_proxy().address})

    # ---- the parts ----

    def start(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                   stderr=self.log)
        self.processes.append(process)
        return process

    def add_proxy(self):
        self.proxies.append(proxy.Proxy(self.address))
        return self.proxies[-1]

    def start_scheduler(self):
        self.scheduler = self.start(daemons.SCHEDULER, "--port",
                                    self.address.rsplit(":", 1)[1], *SCHEDULER_OPTIONS)

    def later(self, seconds, do):
        heapq.heappush(self.todo, (time.monotonic() + seconds, next(self.order), do))

    # ---- what befalls them ----

    def signal(self, pids, number):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self, pids):
        seconds = LONGER_THAN_LOST if random.random() < 0.1 else random.uniform(0.1, 3)
        self.signal(pids, signal.SIGSTOP)
        self.later(seconds, lambda: self.signal(pids, signal.SIGCONT))

    def end_scheduler(self, number):
        ended, self.scheduler = self.scheduler, None
        self.signal([ended.pid], signal.SIGCONT)
        self.signal([ended.pid], number)
        ended.wait(daemons.END_SECONDS)
        self.later(random.uniform(0, 3), self.start_scheduler)

    def hold(self):
        cable = random.choice(self.proxies)
        cable.hold()
        seconds = LONGER_THAN_LOST if random.random() < 0.2 else random.uniform(0.1, 3)
        self.later(seconds, cable.resume)

    def inject(self):
        place = random.choice(self.places)
        both = place.nanny() + place.worker()
        kinds = {
            "worker killed": (6, lambda: self.signal(place.worker(), signal.SIGKILL)),
            "worker stopped": (4, lambda: self.pause(place.worker())),
            "worker terminated": (2, lambda: self.signal(place.worker(), signal.SIGTERM)),
            "nanny killed": (2, lambda: self.signal(place.nanny(), signal.SIGKILL)),
            "nanny stopped": (1, lambda: self.pause(place.nanny())),
            "nanny terminated": (2, lambda: self.signal(place.nanny(), signal.SIGTERM)),
            "both killed": (3, lambda: self.signal(both, signal.SIGKILL)),
            "both stopped": (1, lambda: self.pause(both)),
            "connection cut": (4, lambda: random.choice(self.proxies).cut()),
            "connection held": (3, self.hold),
            "fit killed": (0.5, self.fit.kill),
        }
        if self.scheduler:
            kinds |= {
                "scheduler killed": (1.5, lambda: self.end_scheduler(signal.SIGKILL)),
                "scheduler stopped": (1.5, lambda: self.pause([self.scheduler.pid])),
                "scheduler terminated": (0.5, lambda: self.end_scheduler(signal.SIGTERM)),
            }
        kind, = random.choices(list(kinds), [weight for weight, _ in kinds.values()])
        kinds[kind][1]()
        self.counts[kind] += 1

    # ---- how they get on ----

    def compare(self):
        for a, b in zip(self.fit.answer(), self.expected, strict=True):
            assert abs(a - b) <= 1e-8, (a, b)
        self.counts["fits compared"] += 1

    def look(self):
        """What was due is done; what should live does; what has ended begins anew."""
        while self.todo and self.todo[0][0] <= time.monotonic():
            heapq.heappop(self.todo)[-1]()
        assert self.graph.poll() is None, self.graph.stdout.read()
        assert not self.scheduler or self.scheduler.poll() is None, \
            f"the scheduler ended: {self.scheduler.returncode}"
        for place in self.places:
            place.start_if_ended()
        if self.fit.ended():
            if self.fit.process.returncode != -signal.SIGKILL:
                self.compare()
            self.fit = Fit(self, self.fit_address)

    def disturb(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(random.uniform(0.05, 0.6))
            self.look()
            self.inject()

    def recover(self):
        """Undoes what can be undone; then everything comes to its end."""
        while self.todo:
            heapq.heappop(self.todo)[-1]()
        for place in self.places:
            place.start_if_ended()
        while self.todo:
            heapq.heappop(self.todo)[-1]()
        out, _ = self.graph.communicate(timeout=HANG_SECONDS)
        assert self.graph.returncode == 0, out
        if self.fit.process.returncode != -signal.SIGKILL:
            self.compare()
        return json.loads(out)

    def is_empty(self):
        """No task, no chunk and no client but the one that asks."""
        job = subprocess.run([daemons.DUSK, "status", "--json", "--scheduler", self.address],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if job.returncode:
            return False
        status = json.loads(job.stdout)
        return (not any(status["tasks"].values())
                and not any(row["chunks"] for row in status["workers"])
                and len(status["clients"]) == 1)

    # ---- the end ----

    def left_processes(self):
        """All that were told of our directory, whoever started them."""
        left = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/cmdline") as file:
                    if self.directory in file.read() and daemons.lives(int(name)):
                        left.append(int(name))
        return left

    def stop(self):
        """Ends everything; returns what was left behind."""
        for client in filter(None, (self.graph, self.fit and self.fit.process)):
            client.kill()
            client.wait()
        everybody = {*self.left_processes(),
                     *(process.pid for process in self.processes if process.poll() is None)}
        self.signal(everybody, signal.SIGCONT)
        self.signal(everybody, signal.SIGTERM)
        left = []
        for process in self.processes:
            try:
                process.wait(daemons.END_SECONDS)
            except subprocess.TimeoutExpired:
                left.append(" ".join(process.args))
                process.kill()
                process.wait()
        try:
            daemons.wait_for("orphans", lambda: not self.left_processes())
        except AssertionError:
            left += self.left_processes()
            self.signal(self.left_processes(), signal.SIGKILL)
        for cable in self.proxies:
            cable.close()
        self.log.close()
        left += set(os.listdir(self.directory)) - {"log", "fit.json"}
        shutil.rmtree(self.directory)
        return left

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with open(self.log.name, errors="replace") as file:
            lines = file.read().splitlines()
        left = self.stop()
        if kind:
            print("\n".join("# " + line for line in lines[-200:]))
        else:
            assert not left, left
            bad = [line for line in lines if BAD_LINES.search(line)]
            assert not bad, "\n".join(bad[:20])


def chaos(graph, seconds, seed):
    print(f"# seed {seed}", flush=True)
    random.seed(seed)
    with Chaos() as cluster:
        cluster.begin(graph, seed)
        try:
            cluster.disturb(seconds)
            done = cluster.recover()
            daemons.wait_for("an empty cluster", cluster.is_empty, SETTLE_SECONDS)
        finally:
            print(f"# seed {seed}: " + ", ".join(
                f"{kind} {count}" for kind, count in sorted(cluster.counts.items())))
        print("# futures: " + ", ".join(f"{what} {n}" for what, n in done.items()))
        assert done["values"] > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph")
    parser.add_argument("--seconds", type=float, default=60 / daemons.DIVISOR)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    arguments = parser.parse_args()

    def case():
        """Whatever happens to processes and connections, everything comes out right"""
        chaos(arguments.graph, arguments.seconds, arguments.seed)
    tap.run(case)


if __name__ == "__main__":
    main()
