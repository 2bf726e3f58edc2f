"""Many connections at a time, and many one after the other."""

import os
import random
import resource
import subprocess
import sys

import daemons
import tap

FAKE_WORKERS, ROUNDS, PROBE = sys.argv[1:4]
RUN_SECONDS = 120
WORKERS = 1000 // daemons.DIVISOR
TASKS = 5000 // daemons.DIVISOR
CONNECTIONS = 10000 // daemons.DIVISOR


def start(cluster, *command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True,
                            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})


def run(cluster, *command):
    """What a program says that must end well."""
    job = start(cluster, *command)
    try:
        said, _ = job.communicate(timeout=RUN_SECONDS)
    except BaseException:
        job.kill()
        job.wait()
        raise
    assert job.returncode == 0, f"{command}: exit {job.returncode}: {said}"
    print("#", said.strip(), flush=True)
    return said


def vanish(fakes):
    fakes.kill()
    fakes.communicate(timeout=RUN_SECONDS)


def many_workers():
    """A thousand workers, or hundreds, register, compute, and vanish at once"""
    # Many systems give a process no more descriptors than this unless it asks.
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limits[0]), limits[1]))
    with daemons.Cluster(workers=0) as cluster:
        fakes = start(cluster, FAKE_WORKERS, str(WORKERS))
        try:
            said = fakes.stdout.readline()
            assert said.startswith(f"{WORKERS} workers welcomed"), said
            print("#", said.strip(), flush=True)
            rows = cluster.status()["workers"]
            assert len({row["name"] for row in rows}) == WORKERS, len(rows)
            assert {row["state"] for row in rows} == {"running"}
            assert f"on {WORKERS} workers" in run(cluster, PROBE, "noops", str(TASKS),
                                                  str(WORKERS))
        finally:
            vanish(fakes)
        waits = start(cluster, PROBE, "noops", "1", str(2 * WORKERS))
        try:
            daemons.wait_for("all to be lost", lambda: not cluster.status()["workers"])
            log = cluster.read_log()
            assert "worker silent" in log and "worker lost" in log
            fakes = start(cluster, FAKE_WORKERS, "2")
            try:
                said, _ = waits.communicate(timeout=RUN_SECONDS)
                assert waits.returncode == 0 and "1 tasks on 1" in said, said
            finally:
                vanish(fakes)
        finally:
            waits.kill()
            waits.wait()


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def is_empty(cluster):
    """Of the clients, the one that asks is left."""
    status = cluster.status()
    return not status["workers"] and len(status["clients"]) <= 1


def connections_that_come_and_go():
    """Thousands of connections leave no descriptor and little memory behind"""
    with daemons.Cluster(workers=0, scheduler_options=[
            "--closed", "100ms", "--client-closed", "100ms"]) as cluster:
        seed = random.randrange(1 << 32)
        print("# seed", seed, flush=True)
        base = descriptors(cluster.scheduler)
        # The first ones make the scheduler's tables as large as they will be.
        run(cluster, ROUNDS, "1000", str(seed))
        daemons.wait_for("the first to be gone", lambda: is_empty(cluster))
        before = daemons.rss_mib(cluster.scheduler.pid)
        run(cluster, ROUNDS, str(CONNECTIONS), str(seed + 1))
        daemons.wait_for("all to be gone", lambda: is_empty(cluster))
        daemons.wait_for(f"{base} descriptors",
                         lambda: descriptors(cluster.scheduler) <= base)
        after = daemons.rss_mib(cluster.scheduler.pid)
        print(f"# {before} MiB before, {after} MiB after", flush=True)
        assert after <= before + 10, f"{before} MiB before, {after} MiB after"


tap.run(many_workers, connections_that_come_and_go)
