"""Real daemons on loopback: started, ready by their own word, ended by process id."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import zmtp

BUILD = os.environ["BUILD_DIR"]
SCHEDULER = os.path.join(BUILD, "scheduler", "dusk-scheduler")
WORKER = os.path.join(BUILD, "worker", "dusk-worker")
DUSK = os.path.join(BUILD, "client", "dusk")
# A build with a sanitizer repeats less: tests/meson.build.
DIVISOR = int(os.environ.get("DUSK_TEST_DIVISOR", "1"))
READY_SECONDS = 30
END_SECONDS = 30


def wait_for(what, holds, seconds=READY_SECONDS):
    """Asks until it holds; what never comes is a failure, with its name."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = holds()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def start_ready(command, log, environment=None):
    """Starts a daemon and returns it with the address it says it is ready at."""
    reading, writing = os.pipe()
    process = subprocess.Popen([*command, "--ready-fd", str(writing)], pass_fds=[writing],
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               env=environment)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        words = pipe.readline().split()
    assert len(words) == 2 and words[0] == "ready", \
        f"{command} is not ready: {words}, exit {process.poll()}"
    return process, words[1]


def children(pid):
    """The process ids below one, all generations."""
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            direct = [int(word) for word in file.read().split()]
    except OSError:
        return found
    for child in direct:
        found += [child, *children(child)]
    return found


def kill_tree(pid):
    """Kills a nanny and its workers, which would retire if it died before them: stopped,
    they do not get so far."""
    below = children(pid)
    for child in below:
        os.kill(child, signal.SIGSTOP)
    for process in (pid, *below):
        os.kill(process, signal.SIGKILL)


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def rss_mib(pid):
    """What a process takes."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith("VmRSS")) // 1024


def is_sanitized(pid):
    """Sanitizers take memory of their own."""
    with open(f"/proc/{pid}/maps") as file:
        return re.search("lib[at]san", file.read()) is not None


class SchedulerAlone:
    """A scheduler whose peers the test plays, with its invariants checked after every
    event unless that would take too long."""

    def __init__(self, *options, check=True):
        self.log = tempfile.TemporaryFile("w+")
        self.process, self.address = start_ready(
            [SCHEDULER, "--port", "0", *(["--check"] if check else []), *options], self.log)

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            print("# exit code", self.process.poll(), *self.lines()[-20:], sep="\n# ")
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def lines(self):
        self.log.seek(0)
        return self.log.read().splitlines()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS)

    def rss_mib(self):
        return rss_mib(self.process.pid)

    def is_sanitized(self):
        return is_sanitized(self.process.pid)

    def connect(self):
        return zmtp.Dealer(self.address)


class Cluster:
    """A scheduler and workers with a directory of their own; use it in a `with`."""

    def __init__(self, workers=2, options=(), scheduler_options=()):
        self.directory = tempfile.mkdtemp(prefix="dusk-test-")
        self.log = open(os.path.join(self.directory, "log"), "w")
        self.options = list(options)
        self.processes = []
        self.workers = []
        self.scheduler, self.address = start_ready(
            [SCHEDULER, "--port", "0", *scheduler_options], self.log)
        self.processes.append(self.scheduler)
        for _ in range(workers):
            self.add_worker()

    def start_scheduler(self, *options):
        """Starts another one where the last one was, which is dead."""
        self.scheduler, address = start_ready(
            [SCHEDULER, "--port", self.address.rsplit(":", 1)[1], *options], self.log)
        assert address == self.address, address
        self.processes.append(self.scheduler)

    def kill_scheduler(self):
        self.scheduler.kill()
        self.scheduler.wait()

    def add_worker(self, *options):
        worker, _ = start_ready(
            [WORKER, self.address, "--nthreads", "1", "--local-directory",
             self.directory, *self.options, *options], self.log)
        self.processes.append(worker)
        self.workers.append(worker)
        return worker

    def computing(self, worker):
        """The process of a worker that computes: the nanny's child."""
        below = children(worker.pid)
        return below[-1] if below else worker.pid

    def dusk(self, *arguments, **options):
        return subprocess.Popen([DUSK, *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "DUSK_SCHEDULER_ADDRESS": self.address},
                                **options)

    def status(self):
        job = self.dusk("status", "--json")
        out, err = job.communicate(timeout=END_SECONDS)
        assert job.returncode == 0, err
        return json.loads(out)

    def read_log(self):
        self.log.flush()
        with open(self.log.name, errors="replace") as file:
            return file.read()

    def stop(self):
        """Ends everything; returns what did not end well, or was left behind."""
        below = [pid for process in self.processes for pid in children(process.pid)]
        living = [process for process in reversed(self.processes)
                  if process.poll() is None]
        for process in living:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        left = []
        for process in living:
            try:
                if process.wait(END_SECONDS) != 0:
                    left.append(f"{process.args[0]} ends with {process.returncode}")
            except subprocess.TimeoutExpired:
                left.append(f"process {process.args[0]} does not end")
                process.kill()
                process.wait()
        try:
            wait_for("children", lambda: not any(lives(pid) for pid in below))
        except AssertionError:
            left += [f"process {pid}" for pid in below if lives(pid)]
        self.lines = self.read_log().splitlines()
        self.log.close()
        left += [name for name in os.listdir(self.directory) if name != "log"]
        shutil.rmtree(self.directory)
        return left

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        left = self.stop()
        if kind or left:
            lines = [line for line in self.lines if "client " not in line]
            print("\n".join("# " + line for line in [*lines[-40:], *left]))
        assert kind or not left, left
