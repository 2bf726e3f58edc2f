"""Many connections at a time, and many one after the other."""

import os
import random
import resource
import signal
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


def end(job):
    job.kill()
    job.communicate(timeout=RUN_SECONDS)


def first_line(job):
    said = job.stdout.readline().strip()
    print("#", said, flush=True)
    return said


def share_a_core(*processes):
    """Their threads must wait for each other: what one of them is told comes later than
    the others expect."""
    core = min(os.sched_getaffinity(0))
    for process in processes:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            os.sched_setaffinity(int(thread), {core})


class Crowd:
    """A scheduler, a thousand fake workers and programs beside them; use it in a `with`."""

    def __init__(self):
        # Nobody is lost because a busy machine keeps him silent.
        self.cluster = daemons.Cluster(workers=0, scheduler_options=[
            "--silent", "60s", "--lost", "120s"])
        self.jobs = []

    def __enter__(self):
        self.cluster.__enter__()
        self.workers = self.start(FAKE_WORKERS, f"--workers={WORKERS}")
        return self

    def __exit__(self, *exception):
        for job in self.jobs:
            end(job)
        self.cluster.__exit__(*exception)

    def start(self, *command):
        self.jobs.append(start(self.cluster, *command))
        return self.jobs[-1]

    def load(self, workers):
        """A client whose tasks all workers, which are stopped first, have been sent."""
        self.workers.send_signal(signal.SIGSTOP)
        client = self.start(PROBE, "noops", str(TASKS), str(workers))
        daemons.wait_for("the tasks to be sent", lambda: self.cluster.status()[
            "tasks"]["processing"] >= WORKERS)
        return client

    def vanish(self):
        """All workers are killed, and lost for no other reason."""
        share_a_core(self.cluster.scheduler, self.workers)
        end(self.workers)
        daemons.wait_for("all to be lost", lambda: not self.cluster.status()["workers"])
        assert 'msg="worker lost"' in self.cluster.read_log()


def many_workers():
    """A thousand workers, or hundreds, register, compute, and vanish at once"""
    # Many systems give a process no more descriptors than this unless it asks.
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limits[0]), limits[1]))
    with Crowd() as crowd:
        assert first_line(crowd.workers).startswith(f"{WORKERS} workers welcomed")
        rows = crowd.cluster.status()["workers"]
        assert len({row["name"] for row in rows}) == WORKERS, len(rows)
        assert {row["state"] for row in rows} == {"running"}
        client = crowd.load(WORKERS)
        crowd.workers.send_signal(signal.SIGCONT)
        said = first_line(client)
        assert int(said.split()[3]) > WORKERS / 2, said
        crowd.vanish()


def tasks_of_many_workers():
    """The tasks of a thousand workers, or hundreds, that vanish at once are run by others"""
    with Crowd() as crowd:
        assert first_line(crowd.workers).startswith(f"{WORKERS} workers welcomed")
        client = crowd.load(2 * WORKERS)
        crowd.vanish()
        others = crowd.start(FAKE_WORKERS, "--workers=2")
        assert first_line(others).startswith("2 workers welcomed")
        assert f"{TASKS} tasks on 2 workers" in first_line(client)
        said, _ = others.communicate(timeout=RUN_SECONDS)
        assert others.returncode == 0, said
        daemons.wait_for("nothing to be left", lambda: is_empty(crowd.cluster))
        assert sum(crowd.cluster.status()["tasks"].values()) == 0


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def is_empty(cluster):
    """Of the clients, the one that asks is left."""
    status = cluster.status()
    return not status["workers"] and len(status["clients"]) <= 1


def rounds(cluster, count, seed, descriptors_after):
    """The memory that the scheduler takes when all are gone, in MiB."""
    run(cluster, ROUNDS, str(count), str(seed))
    daemons.wait_for("all to be gone", lambda: is_empty(cluster))
    daemons.wait_for(f"{descriptors_after} descriptors",
                     lambda: descriptors(cluster.scheduler) <= descriptors_after)
    return daemons.rss_mib(cluster.scheduler.pid)


def connections_that_come_and_go():
    """Thousands of connections leave no descriptor and little memory behind"""
    with daemons.Cluster(workers=0, scheduler_options=[
            "--closed", "100ms", "--client-closed", "100ms"]) as cluster:
        seed = random.randrange(1 << 32)
        print("# seed", seed, flush=True)
        base = descriptors(cluster.scheduler)
        sizes = [rounds(cluster, CONNECTIONS // 5, seed, base),
                 rounds(cluster, CONNECTIONS, seed + 1, base)]
        if daemons.is_sanitized(cluster.scheduler.pid):
            return
        # Tables are as large as the most that were there at a time, which on a busy
        # machine may be more than ever before; what leaks does so again and again.
        while sizes[-1] > sizes[-2] + 4 and len(sizes) < 5:
            sizes.append(rounds(cluster, CONNECTIONS, seed + len(sizes), base))
        print("# MiB:", *sizes, flush=True)
        assert sizes[-1] <= sizes[-2] + 4, sizes


tap.run(many_workers, tasks_of_many_workers, connections_that_come_and_go)
