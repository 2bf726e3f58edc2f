"""What a lost scheduler or worker costs: what is made again, and how long it takes.

    test_recovery.py [--repeats N] CLIENT_PROBE COUNTED_PLUGIN

Prints medians over the repeats; asserts none of them, but that nothing is lost.
"""

import argparse
import datetime
import os
import re
import signal
import statistics
import subprocess
import time

import daemons
import proxy
import tap

CHUNKS = 64
# What never ends; noticing takes 15 s by default.
HANG_SECONDS = 120
arguments = argparse.Namespace()


def tell(what, seconds):
    print(f"# {what}: median {statistics.median(seconds):.3f} s, from {min(seconds):.3f} "
          f"to {max(seconds):.3f} s, n = {len(seconds)}", flush=True)


class Totals:
    """A client that keeps CHUNKS chunks on the workers, made by a function that counts
    its runs, and adds up one after the other until its input ends."""

    def __init__(self, cluster):
        self.path = os.path.join(cluster.directory, "made")
        self.process = subprocess.Popen(
            [arguments.probe, "totals", self.path, str(CHUNKS)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})

    def next_after(self, moment):
        """When the first result after that moment was there."""
        for line in self.process.stdout:
            if float(line) > moment:
                return float(line)
        raise AssertionError("the client ended")

    def made(self):
        return os.path.getsize(self.path)

    def end(self):
        self.process.communicate(timeout=HANG_SECONDS)
        os.unlink(self.path)
        assert self.process.returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait()


def restart(cluster):
    """Kills the scheduler and starts it again at its address; when it was ready."""
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    cluster.scheduler, _ = daemons.start_ready(
        [daemons.SCHEDULER, "--port", cluster.address.rsplit(":", 1)[1]], cluster.log)
    cluster.processes.append(cluster.scheduler)
    return time.monotonic()


def scheduler_again():
    """A scheduler killed and started again: its chunks stay, and results come soon"""
    waits, again = [], []
    with daemons.Cluster(options=["--preload", arguments.plugin]) as cluster:
        for _ in range(arguments.repeats):
            totals = Totals(cluster)
            try:
                totals.next_after(0)
                assert totals.made() == CHUNKS
                ready = restart(cluster)
                waits.append(totals.next_after(ready) - ready)
                for _ in range(CHUNKS):
                    totals.next_after(ready)
                again.append(totals.made() - CHUNKS)
                totals.end()
            finally:
                totals.kill()
    tell("from the scheduler's restart to the first result", waits)
    print(f"# chunks made again, of {CHUNKS}: {again}")
    assert again == [0] * arguments.repeats, again


def logged(cluster, message, pattern):
    """When the scheduler logged this of a worker whose line matches; None: not yet."""
    for line in cluster.read_log().splitlines():
        if f'msg="{message}"' in line and re.search(pattern, line):
            stamp = re.match(r"ts=(\S+)Z", line).group(1)
            return datetime.datetime.fromisoformat(stamp + "+00:00").timestamp()
    return None


def noticed(cluster, message, pattern):
    """The same; a nanny may report a death before the worker's connection closes."""
    return logged(cluster, message, pattern) or logged(cluster, "worker lost", pattern)


def kill_child(cluster, nanny):
    os.kill(cluster.computing(nanny), signal.SIGKILL)


def kill_both(cluster, nanny):
    daemons.kill_tree(nanny.pid)


def stop_child(cluster, nanny):
    os.kill(cluster.computing(nanny), signal.SIGSTOP)


FAULTS = {
    "kill -9 of a worker": kill_child,
    "kill -9 of a worker and its nanny": kill_both,
    "SIGSTOP of a worker": stop_child,
    "a cable that is cut": None,
}


def notice_once(times):
    """One worker for each fault, all at once: a fault more does not make it slower."""
    with daemons.Cluster(workers=0) as cluster:
        cable = proxy.Proxy(cluster.address)
        workers = {}
        for number, (fault, inflict) in enumerate(FAULTS.items()):
            address, cluster.address = cluster.address, \
                cluster.address if inflict else cable.address
            workers[fault] = cluster.add_worker("--name", f"victim-{number}")
            cluster.address = address
        begin = {}
        for fault, inflict in FAULTS.items():
            begin[fault] = time.time()
            if inflict:
                inflict(cluster, workers[fault])
            else:
                cable.hold()
        for number, fault in enumerate(FAULTS):
            for message in ("worker silent", "worker lost"):
                pattern = rf"worker=victim-{number}\b"
                moment = daemons.wait_for(
                    f"{message} after {fault}",
                    lambda m=message, p=pattern: noticed(cluster, m, p), HANG_SECONDS)
                times.setdefault(f"{fault}: {message}", []).append(moment - begin[fault])
        for pid in daemons.children(workers["SIGSTOP of a worker"].pid):
            os.kill(pid, signal.SIGCONT)
        cable.close()


def dead_workers():
    """A worker that is dead, stopped or cut off is noticed"""
    times = {}
    for _ in range(arguments.repeats):
        notice_once(times)
    for what, seconds in times.items():
        tell(what, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("probe")
    parser.add_argument("plugin")
    parser.add_argument("--repeats", type=int, default=1)
    parser.parse_args(namespace=arguments)
    tap.run(scheduler_again, dead_workers)


if __name__ == "__main__":
    main()
