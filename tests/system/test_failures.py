"""How tasks fail and wait, on real daemons."""

import os
import re
import subprocess
import sys
import time

import daemons
import tap

PROBE = sys.argv[1]
SECONDS = 60


def start(cluster, *arguments):
    return subprocess.Popen([PROBE, *arguments], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})


def finish(job):
    out, err = job.communicate(timeout=SECONDS)
    assert job.returncode == 0, (out, err)
    return out.splitlines()


def why(cluster, *words):
    job = cluster.dusk("why", *words)
    out, err = job.communicate(timeout=SECONDS)
    assert job.returncode == 0, err
    return out


def errors_tell_the_call():
    """An error names task, function and shapes; a dependent's names both tasks"""
    with daemons.Cluster(1) as cluster:
        error, depends, keys = finish(start(cluster, "call"))
        wrong, total = keys.split()
        said = (f'task {wrong} glm_evaluate(f64[50000], f64[2x3], 3, 0.5, true, '
                '"a text that is too long ..."): ')
        assert error.startswith("TYPE " + said), error
        assert depends == (f"TYPE task {total} (total) depends on {wrong} "
                           f"(glm_evaluate): {error[5:]}"), depends


def deadlines():
    """A deadline stops what runs and what waits; the next task starts at once"""
    with daemons.Cluster(1) as cluster:
        ran, waited, after = finish(start(cluster, "deadline"))
        # Of the 500 ms, those until the client had sent the task are over.
        shape = r"DEADLINE task \S+ \(sleep\) was not done within (\d+) ms: .* worker .*"
        for line in (ran, waited):
            said = re.fullmatch(shape, line)
            assert said and 0 < int(said.group(1)) <= 500, line
        assert after == "OK ", after


def deadline_outlives_the_scheduler():
    """After a restart of the scheduler, what is left of the time counts"""
    with daemons.Cluster(1) as cluster:
        began = time.monotonic()
        job = start(cluster, "deadline_again")
        assert job.stdout.readline() == "submitted\n"
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        time.sleep(1)  # of the task's time
        port = cluster.address.rsplit(":", 1)[1]
        cluster.scheduler, _ = daemons.start_ready(
            [daemons.SCHEDULER, "--port", port], cluster.log)
        cluster.processes[0] = cluster.scheduler
        line, = finish(job)
        said = re.match(r"DEADLINE task \S+ \(sleep\) was not done within ([\d.]+) (m?s)", line)
        assert said, line
        left = float(said.group(1)) / (1000 if said.group(2) == "ms" else 1)
        assert left < 7, line
        assert time.monotonic() - began >= 8, line


def resources():
    """What a worker has once is used by one task at a time; what nobody has is named"""
    with daemons.Cluster(1) as cluster:
        cluster.add_worker("--name", "gpu", "--resources", "GPU=1,disk=2")
        order, lacks, wrong = finish(start(cluster, "resources"))
        assert order == "one after the other", order
        assert lacks.endswith("(noop): needs GPU=2, and none of the 2 workers has that"), lacks
        assert wrong.startswith("noop: resources: 'GPU=many' is no resource"), wrong
    job = subprocess.run([daemons.WORKER, "tcp://127.0.0.1:1", "--resources", "GPU"],
                         capture_output=True, text=True, timeout=SECONDS)
    assert job.returncode == 2, job
    assert job.stderr == ("dusk-worker: --resources: 'GPU' is no resource: write "
                          "NAME=QUANTITY, as in GPU=1,disk=2, with whole numbers from 1\n")


def retries():
    """A task rests before each retry, and dusk why says so"""
    with daemons.Cluster(1) as cluster:
        job = start(cluster, "retries")
        key = job.stdout.readline().strip()
        line = daemons.wait_for("a rest", lambda: re.search(
            "retry back-off.*", why(cluster, key)))
        assert "runs again in" in line.group(), line.group()
        line, = finish(job)
        assert line == f'TASK task {key} fail("on purpose"): on purpose', line
        log = cluster.read_log()
        assert log.count("task runs again") == 5, log


def why_all():
    """dusk why --all groups what waits"""
    with daemons.Cluster(0) as cluster:
        assert why(cluster, "--all") == "no task waits\n"
        job = start(cluster, "arguments")
        line = daemons.wait_for("waits", lambda: re.search(
            r"(.*) and 97 more: may run|no worker has come", why(cluster, "--all")))
        assert line.string.count("\n") == 1, line.string
        assert line.string.count("(total)") == 3, line.string
        job.kill()
        job.communicate()


def arguments_are_limited():
    """A client that submits without end is told of the limit; others go on"""
    cluster = daemons.Cluster(1, scheduler_options=["--argument-memory", "1MB"])
    with cluster:
        refused, small = finish(start(cluster, "arguments"))
        assert re.match(r"LIMIT task \S+ \(total\) has arguments of 97.7 KiB: .*would hold "
                        r"more than 977 KiB \(--argument-memory\)", refused), refused
        assert small == "OK ", small


if __name__ == "__main__":
    tap.run(errors_tell_the_call, deadlines, deadline_outlives_the_scheduler, resources,
            retries, why_all, arguments_are_limited)
