"""A dask.distributed cluster on loopback: a scheduler and workers as processes."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

READY_SECONDS = 60
END_SECONDS = 20


def start(folder, command, *options):
    log = open(os.path.join(folder, "log"), "ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", "--no-dashboard",
             "--host", "127.0.0.1", *options],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def end(processes):
    for process in reversed(processes):
        process.terminate()
    for process in reversed(processes):
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def client(workers):
    """A client of a new cluster with that many workers of one thread, which ends with
    the `with`."""
    from distributed import Client
    processes = []
    with tempfile.TemporaryDirectory(prefix="dusk-bench-") as folder:
        file = os.path.join(folder, "scheduler.json")
        try:
            processes.append(start(folder, "dask_scheduler", "--port", "0",
                                   "--scheduler-file", file))
            for _ in range(workers):
                processes.append(start(folder, "dask_worker", "--nthreads", "1",
                                       "--no-nanny", "--scheduler-file", file))
            until = time.monotonic() + READY_SECONDS
            while not os.path.exists(file) and time.monotonic() < until:
                time.sleep(0.05)
            with Client(scheduler_file=file, timeout=READY_SECONDS) as connected:
                connected.wait_for_workers(workers, timeout=READY_SECONDS)
                yield connected
        finally:
            end(processes)
