"""dusk demo at sizes for a test: the full problem, memory that is limited, a slow
worker."""

import collections
import json
import os
import statistics
import subprocess
import tempfile

import daemons
import tap

SECONDS = 300
GIB = 1 << 30
ROWS = "600000"


def dusk(*arguments, code=0):
    """Runs a command that starts a cluster of its own, in a directory of its own."""
    environment = {**os.environ}
    environment.pop("DUSK_SCHEDULER_ADDRESS", None)
    with tempfile.TemporaryDirectory(prefix="dusk-test-") as directory:
        job = subprocess.run([daemons.DUSK, *arguments], cwd=directory, timeout=SECONDS,
                             env=environment, stdin=subprocess.DEVNULL, text=True,
                             capture_output=True)
    assert job.returncode == code, f"exit {job.returncode}, not {code}: {job.stderr}"
    return json.loads(job.stdout) if code == 0 else job.stderr


def problem_of(report):
    entry, = report["problems"]
    return entry["problem"], entry["runs"]


def limited():
    """Before a case whose processes have limits."""
    if daemons.DIVISOR > 1:
        raise tap.Skip("the shadow memory of a sanitizer does not fit under the limits")


def full():
    """demo --full keeps no rows and finds what a fit on rows finds"""
    limited()
    problem, runs = problem_of(dusk("demo", "--full", "--rows", ROWS, "--columns", "20",
                                    "--json"))
    kept = dusk("admm", "--rows", ROWS, "--columns", "20", "--local", "lbfgs", "--json")
    assert [run["variant"] for run in runs] == ["sync", "async", "batched"], runs
    assert all(run["certified"] and run["duality_gap"] <= 1e-8 for run in runs)
    assert {kind for _, kind, *_ in problem["setup_tasks"]} == \
        {"random_gram", "glm_gram_summary", "glm_factor"}, problem["setup_tasks"]
    for a, b in zip(runs[0]["coefficients"], kept["runs"][0]["coefficients"], strict=True):
        assert abs(a - b) <= 1e-9, (a, b)


def limits():
    """The limits of all processes are in force and make the total"""
    limited()
    memory = problem_of(dusk("demo", "--full", "--rows", ROWS, "--columns", "20", "--json",
                             "--memory-total", "2GiB"))[0]["memory"]
    assert memory["limit_bytes"] == 2 * GIB, memory
    limits = collections.defaultdict(list)
    for process in memory["processes"]:
        assert process["peak_bytes"] <= process["limit_bytes"], process
        limits[process["name"]].append(process["limit_bytes"])
    workers = len(limits["dusk-worker"]) // 2  # each has a nanny with the same limit
    given = limits["dusk"][0] + limits["dusk-scheduler"][0] + \
        sum(limits["dusk-worker"][:workers])
    assert 1.9 * GIB < given <= 2 * GIB, limits


def too_little():
    """What a total is too small for is an error with a name"""
    limited()
    line = dusk("admm", "--rows", "100000", "--workers", "9", "--memory-total", "1GiB",
                code=1)
    assert "--memory-total" in line and "9 workers" in line, line
    line = dusk("demo", "--full", "--rows", "50000", "--columns", "8000", "--workers", "1",
                "--memory-total", "1GiB", code=1)
    assert "memory" in line or "needs" in line, line
    line = dusk("admm", "--rows", "3000000", "--chunk-rows", "3000000", "--workers", "1",
                "--memory-total", "1GiB", code=1)
    assert "random_normal" in line and "the worker's limit" in line, line


def usage():
    """Options that do not go together"""
    for words, options in [
            (["--keep gram"], ["admm", "--keep", "gram", "--family", "logistic"]),
            (["--keep gram"], ["admm", "--keep", "gram", "--local", "lbfgs"]),
            (["--keep gram"], ["admm", "--keep", "gram", "--intercept"]),
            (["--keep", "f16"], ["admm", "--keep", "f16"]),
            (["--keep"], ["admm", "--keep", "f32", "--input", "x.csv", "--l1", "1"]),
            (["--pin"], ["admm", "--pin", "--input", "x.csv", "--l1", "1"]),
            (["exclude"], ["admm", "--memory-limit", "1GB", "--memory-total", "2GB"]),
            (["memory-total"], ["demo", "--memory-total", "100MB"]),
            (["--slow-worker"], ["demo", "--slow-worker", "10", "--full"]),
            (["--slow-worker"], ["admm", "--slow-worker", "0.5"]),
            (["--slow-worker"], ["admm", "--slow-worker", "2", "--scheduler",
                                 "tcp://127.0.0.1:1"])]:
        line = dusk(*options, code=2)
        assert all(word in line for word in words), (options, line)


def slow_worker():
    """Pinned chunks stay with their workers, one of which is slow"""
    answers = {}
    for pin in ["--pin"], []:
        result = dusk("admm", "--rows", "96000", "--chunk-rows", "8000", "--columns", "20",
                      "--family", "logistic", "--workers", "3", "--slow-worker", "10",
                      "--variant", "sync", "--json", *pin)
        run, = result["runs"]
        assert run["certified"] and run["pinned"] == bool(pin), run["pinned"]
        assert run["threads"] == sorted(run["threads"]), run["threads"]
        updates = [task for task in run["tasks"] if run["kinds"][task[1]] == "glm_prox"]
        threads = collections.defaultdict(set)
        times = collections.defaultdict(list)
        for thread, _, chunk, start, stop in updates:
            threads[chunk].add(thread)
            times[thread].append(stop - start)
        answers[bool(pin)] = run["coefficients"]
        if pin:
            assert all(len(each) == 1 for each in threads.values()), threads
            shares = collections.Counter(next(iter(each)) for each in threads.values())
            assert sorted(shares.values()) == [4, 4, 4], shares
            low, middle, high = sorted(map(statistics.median, times.values()))
            assert high > 2 * middle, (low, middle, high)
    for a, b in zip(answers[True], answers[False], strict=True):
        assert abs(a - b) <= 1e-7, (a, b)


if __name__ == "__main__":
    tap.run(full, limits, too_little, usage, slow_worker)
