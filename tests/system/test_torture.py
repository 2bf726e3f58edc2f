"""One process of a cluster meets a call that fails: the k-th allocation, send, receive,
write.  It ends with a line that names the error, or goes on, and then all values are
right; nobody crashes, leaks or hangs.

    DUSK_TORTURE=all       every k, which takes long; else a sample, by $DUSK_TORTURE_SEED
    DUSK_TORTURE=VICTIM:KIND:all:COUNT  every k of this kind; COUNT calls fail each time
    DUSK_TORTURE=VICTIM:KIND:K:COUNT    this round alone, with the place of the failure
"""

import collections
import functools
import itertools
import os
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import daemons
import tap

KINDS = ["allocation", "message", "send", "full", "receive", "file", "open"]
PROGRAMS = os.path.join(daemons.BUILD, "tests", "system")
WISH = os.environ.get("DUSK_TORTURE", "")
ALL = "all" in WISH.split(":")
SEED = int(os.environ.get("DUSK_TORTURE_SEED", random.randrange(1 << 32)))
# Rounds of each victim, unless all are wished for.  A worker whose disk was full waits
# for 10 s before it writes again.
SAMPLE = {"allocation": 8, "message": 4, "send": 4, "full": 4, "receive": 4, "file": 2,
          "open": 4}
BEYOND = 6     # calls vary from run to run: so many rounds without a failure end all
FAILURES = 8   # after so many, the rest of a series tells nothing new
HANG_SECONDS = 40
ARRAY_LENGTH = 20000     # too long to ride along with a message
SPILLED_LENGTH = 400000  # too long for a worker's memory, so that there are files
FIT = ["admm", "--rows", "2000", "--columns", "5", "--workers", "1", "--json"]
TIMES = ["--heartbeat", "200ms", "--silent", "2s", "--lost", "5s", "--closed", "300ms",
         "--client-closed", "300ms", "--retire", "2s"]
WORKER_TIMES = ["--connect-timeout", "20s", "--reconnect-timeout", "20s",
                "--retire-timeout", "2s"]
ERROR_LINE = re.compile(r"^(dusk[- a-z]*: .|torture_client: error .)|level=error", re.M)
REPORT = re.compile(r"Sanitizer|runtime error:|Assertion|corrupt|invariant")


def certified_objective(json_text):
    """Of a fit; not a number: it is not certified"""
    found = re.search(r'"objective":([0-9.]+).*"certified":true', json_text)
    return float(found[1]) if found else float("nan")


@functools.cache
def undisturbed_objective():
    return certified_objective(subprocess.run(
        [daemons.DUSK, *FIT], stdout=subprocess.PIPE, text=True, timeout=HANG_SECONDS,
        check=True).stdout)


class Process:
    """A process with its own log; `fault` is what befalls it, or None."""

    started = []

    def __init__(self, name, command, fault=None, address=None, ready=False):
        self.name = name
        self.log = tempfile.TemporaryFile()
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1",
                       "DUSK_BINDIR": daemons.BUILD}
        for variable in "TORTURE", "TORTURE_COUNTS", "DUSK_SCHEDULER_ADDRESS":
            environment.pop(variable, None)
        if address:
            environment["DUSK_SCHEDULER_ADDRESS"] = address
        if fault:
            environment |= {"TORTURE": fault.wish, "TORTURE_COUNTS": fault.counts.name}
            if WISH and not ALL:
                environment["TORTURE_TRACE"] = "1"
        reading, writing = os.pipe() if ready else (-1, -1)
        options = ["--ready-fd", str(writing)] if ready else []
        self.process = subprocess.Popen(
            [*command, *options], env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, pass_fds=[writing] if ready else [])
        Process.started.append(self.process)
        self.address = None
        if ready:
            os.close(writing)
            with os.fdopen(reading) as pipe:
                if not select.select([pipe], [], [], HANG_SECONDS)[0]:
                    self.fail(f"is not ready within {HANG_SECONDS} s")
                words = pipe.readline().split()
            self.address = words[1] if len(words) == 2 else None

    def fail(self, what):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        raise AssertionError(f"{self.name} {what}; its log:\n{self.text()[-4000:]}")

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def lives(self):
        return self.process.poll() is None

    def end(self, ask=True):
        """Its exit code: 0, or 1 with a line that tells why."""
        if ask and self.lives():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail(f"does not end within {HANG_SECONDS} s")
        text = self.text()
        if code not in (0, 1) or REPORT.search(text):
            self.fail(f"ended with {code}")
        if code == 1 and not ERROR_LINE.search(text):
            self.fail("ended with 1 and does not say why")
        return code

    def end_well(self):
        if self.end() != 0:
            self.fail("ended with 1")


class Fault:
    """Calls `first` to `first` + `count` - 1 of a kind fail; first 0: none does."""

    def __init__(self, kind, first, count=1):
        self.kind = kind
        self.wish = f"{kind}:{first}:{count}"
        self.counts = tempfile.NamedTemporaryFile()
        self.counts.write(bytes(8 * (len(KINDS) + 1)))
        self.counts.flush()

    def calls(self):
        self.counts.seek(0)
        *calls, failed = struct.unpack(f"{len(KINDS) + 1}Q", self.counts.read())
        return dict(zip(KINDS, calls)), failed > 0


def scheduler(fault=None, port=0):
    program = "torture_scheduler" if fault else "../../scheduler/dusk-scheduler"
    check = [] if fault else ["--check"]
    return Process("scheduler", [os.path.join(PROGRAMS, program), "--port", str(port),
                                 *TIMES, *check], fault, ready=True)


def worker(address, directory, fault=None, spill=False):
    program = "torture_worker" if fault else "../../worker/dusk-worker"
    limit = ["--memory-limit", "24MiB" if spill else "1GiB"]
    return Process("worker", [os.path.join(PROGRAMS, program), address, "--no-nanny",
                              "--nthreads", "3" if fault and not spill else "1",
                              "--local-directory", directory,
                              *WORKER_TIMES, *limit], fault, ready=True)


def client(address, fault=None, spill=False):
    return Process("client", [os.path.join(PROGRAMS, "torture_client"),
                              str(SPILLED_LENGTH if spill else ARRAY_LENGTH)],
                   fault, address)


def end_client(program, may_fail):
    """How the client ended, in a few words.  Waiting in vain is no way to end."""
    if program.end(ask=False) == 0:
        return "right"
    error = re.search(r"torture_client: error (\S+) in (\w+)", program.text())
    if not may_fail or not error or error[1] in ("TIMEOUT", "UNREACHABLE"):
        program.fail("ended with 1")
    return f"client says {error[1]}"


class Torture:
    """Rounds with one victim, beside processes that stay from round to round."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="dusk-test-")
        self.helpers = []

    def start_helpers(self, workers, spill=False):
        self.helpers = [scheduler()]
        self.address = self.helpers[0].address
        for _ in range(workers):
            self.helpers.append(worker(self.address, self.directory, spill=spill))

    def client_round(self, fault):
        if not self.helpers:
            self.start_helpers(2)
        return end_client(client(self.address, fault), True)

    def worker_round(self, fault):
        spill = fault.kind == "file"
        if not self.helpers:
            self.start_helpers(0 if spill else 1)
        victim = worker(self.address, self.directory, fault, spill)
        if spill and not victim.lives():
            return ["went on", "named its error"][victim.end()]
        how = end_client(client(self.address, spill=spill), True)
        return f"{['went on', 'named its error'][victim.end()]}, {how}"

    def scheduler_round(self, fault):
        victim = scheduler(fault)
        if not victim.address:
            return ["went on", "named its error"][victim.end()]
        port = victim.address.rsplit(":", 1)[1]
        others = [worker(victim.address, self.directory) for _ in range(2)]
        program = client(victim.address)
        until = time.monotonic() + HANG_SECONDS
        while program.lives() and victim.lives() and time.monotonic() < until:
            time.sleep(0.005)
        # Where a scheduler died, another one takes its place and the program goes on.
        successor = None
        if not victim.lives():
            successor = scheduler(port=port)
        how = end_client(program, True)
        for other in reversed(others):
            if other.end() != 0 and "scheduler is out of memory" not in other.text():
                other.fail("ended with 1")
        if successor:
            successor.end_well()
        return f"{['went on', 'named its error'][victim.end()]}, {how}"

    def dusk_round(self, fault):
        """A fit on a cluster of its own; the daemons are ordinary."""
        report = os.path.join(self.directory, "report.html")
        program = Process("dusk", [os.path.join(PROGRAMS, "torture_dusk"), *FIT,
                                   "--report", report], fault)
        below = daemons.wait_for("its daemons", lambda: daemons.children(
            program.process.pid) or not program.lives() and [0])
        how = ["right", "named its error"][program.end(ask=False)]
        daemons.wait_for("the end of its daemons",
                         lambda: not any(pid and daemons.lives(pid) for pid in below))
        if how == "right" and not (os.path.exists(report) and
                                   abs(certified_objective(program.text()) -
                                       undisturbed_objective()) < 1e-4):
            program.fail("is wrong")
        if os.path.exists(report):
            os.unlink(report)
        assert not os.listdir(self.directory), os.listdir(self.directory)
        return how

    def close(self):
        for helper in reversed(self.helpers):
            helper.end_well()
        assert not os.listdir(self.directory), os.listdir(self.directory)

    def abandon(self):
        for process in Process.started:
            process.kill()
            process.wait()
        Process.started.clear()
        shutil.rmtree(self.directory)


def chosen(most, rounds, seed):
    """Numbers from 1 to `most`: all, or a few with equal steps between."""
    if most <= rounds:
        return list(range(1, most + 1))
    start = random.Random(seed).random()
    return [1 + int((i + start) * most / rounds) for i in range(rounds)]


class Series:
    """Rounds of one victim and kind, and how they ended."""

    def __init__(self, victim, kind):
        self.victim, self.kind = victim, kind
        self.ends = collections.Counter()
        self.failures = []
        self.slowest = (0, 0)
        self.beyond = 0  # rounds at the end in which no call failed
        self.rounds = Torture()

    def run_round(self, number, count):
        """Returns how often each kind of call was made, None after a failure."""
        fault = Fault(self.kind, number, count)
        began = time.monotonic()
        try:
            how = getattr(self.rounds, self.victim + "_round")(fault)
        except AssertionError as error:
            again = f"DUSK_TORTURE={self.victim}:{self.kind}:{number}:{count}"
            self.failures.append(f"{again} (seed {SEED}): {error}")
            self.rounds.abandon()
            self.rounds = Torture()
            return None
        calls, reached = fault.calls()
        self.beyond = 0 if reached else self.beyond + 1
        self.ends[how if reached else "not reached"] += number > 0
        self.slowest = max(self.slowest, (round(time.monotonic() - began, 1), number))
        return calls

    def run(self, numbers, count):
        for number in numbers:
            if len(self.failures) == FAILURES or self.beyond > BEYOND:
                break
            self.run_round(number, count)
        if not self.failures:
            self.rounds.close()
        self.rounds.abandon()
        which = "all" if ALL else f"k = {numbers}"
        print(f"# {self.victim}, {self.kind}: {which}, {sum(self.ends.values())} rounds, "
              f"slowest {self.slowest[0]} s (k = {self.slowest[1]}): "
              + "; ".join(f"{times} {how}" for how, times in self.ends.most_common()),
              flush=True)
        assert not self.failures, "\n".join(self.failures)


def torture(victim, kind, numbers=None, count=1):
    series = Series(victim, kind)
    if ALL:
        numbers = itertools.count(1)
    elif numbers is None:
        calls = series.run_round(0, 1)
        numbers = chosen(calls[kind] if calls else 0,
                         max(1, SAMPLE[kind] // daemons.DIVISOR),
                         f"{SEED} {victim} {kind}")
    series.run(numbers, count)


def case(victim):
    def run():
        failures = []
        for kind in KINDS:
            if kind == "file" and victim in ("client", "dusk"):
                continue  # they write through stdio, which is spared
            try:
                torture(victim, kind)
            except AssertionError as error:
                failures.append(str(error))
        assert not failures, "\n".join(failures)
    run.__doc__ = f"{victim}: what fails is survived or named"
    return run


if WISH not in ("", "all"):
    wish = WISH.split(":")
    torture(wish[0], wish[1], None if ALL else [int(wish[2])], int(wish[3]))
else:
    print(f"# seed {SEED}", flush=True)
    tap.run(*map(case, ["client", "worker", "scheduler", "dusk"]))
