"""Nothing is lost when a client, a worker or the scheduler dies."""

import os
import resource
import signal
import subprocess
import sys
import tempfile

import daemons
import tap

PROBE, PLUGIN = sys.argv[1:3]
RUN_SECONDS = 120


def start(cluster, *arguments):
    return subprocess.Popen([PROBE, *arguments], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})


def says(job, line):
    said = job.stdout.readline()
    assert said.startswith(line), f"'{said}' instead of '{line}'"
    return said.strip()


def finish(job, typed=None):
    out, _ = job.communicate(typed, timeout=RUN_SECONDS)
    assert job.returncode == 0, f"exit {job.returncode}: {out}"
    return out.strip()


def kill(job):
    job.kill()
    job.communicate(timeout=RUN_SECONDS)


def bytes_held(cluster):
    return sum(worker["memory_bytes"] for worker in cluster.status()["workers"])


def memory_is_free(cluster):
    daemons.wait_for("the memory to be freed", lambda: bytes_held(cluster) == 0)
    assert sum(cluster.status()["tasks"].values()) == 0


def a_client_dies():
    """What only a killed client wanted is freed"""
    with daemons.Cluster(scheduler_options=["--client-closed", "1s"]) as cluster:
        job = start(cluster, "hold")
        says(job, "held")
        daemons.wait_for("its chunks", lambda: bytes_held(cluster) >= 8 * 1600000)
        kill(job)
        memory_is_free(cluster)


def published():
    """What is published outlives its client, and goes when it is unpublished"""
    with daemons.Cluster(scheduler_options=["--client-closed", "1s", "--check"]) as cluster:
        job = start(cluster, "publish", "totals")
        says(job, "published")
        says(job, "'totals' is published already")
        kill(job)
        daemons.wait_for("the client to be gone",
                         lambda: "client gone" in cluster.read_log())
        rows = daemons.wait_for("the heartbeats", lambda: [
            row for row in cluster.status()["published"] if row["in_memory"] == 9])
        assert rows[0]["name"] == "totals" and rows[0]["tasks"] == 9, rows
        assert finish(start(cluster, "names")) == "totals"
        job = cluster.dusk("status")
        assert "9 of 9 in memory" in job.communicate(timeout=RUN_SECONDS)[0]
        job = start(cluster, "use", "totals")
        says(job, "got")
        assert finish(job, "\n") == "used 9"
        # Whoever got it has gone again, and it is still there; also without the worker.
        worker = cluster.computing(cluster.workers[0])
        os.kill(worker, signal.SIGKILL)
        job = start(cluster, "use", "totals")
        says(job, "got")
        assert finish(job, "\n") == "used 9"
        finish(start(cluster, "unpublish", "totals"))
        memory_is_free(cluster)


def the_scheduler_dies_in_mid_run():
    """A run goes on under another scheduler, and nothing is computed twice"""
    with daemons.Cluster(options=["--preload", PLUGIN]) as cluster, \
            tempfile.TemporaryDirectory() as traces:
        job = start(cluster, "run", traces)
        says(job, "half")
        daemons.wait_for("two more to run", lambda: len(os.listdir(traces)) >= 6)
        cluster.kill_scheduler()
        cluster.start_scheduler("--check")
        assert finish(job) == f"all {8 * 20000}"
        assert sorted(os.listdir(traces)) == [f"run-{i}-0" for i in range(8)], \
            sorted(os.listdir(traces))
        memory_is_free(cluster)


def a_journal():
    """Published results outlive the scheduler, their client and a worker"""
    with tempfile.TemporaryDirectory() as directory:
        options = ["--journal", os.path.join(directory, "journal"), "--client-closed", "1s"]
        with daemons.Cluster(scheduler_options=options) as cluster:
            job = start(cluster, "publish", "totals")
            says(job, "published")
            reader = start(cluster, "use", "totals")
            says(reader, "got")
            cluster.kill_scheduler()
            kill(job)
            with open(options[1], "ab") as journal:
                journal.write(b"torn")
            cluster.start_scheduler(*options, "--check")
            assert "last record is torn" in cluster.read_log()
            assert finish(reader, "\n") == "used 9"
            assert " repeated" not in cluster.read_log()
            # Once more, and with the worker goes what the journal can make again.
            cluster.kill_scheduler()
            os.kill(cluster.computing(cluster.workers[1]), signal.SIGKILL)
            cluster.start_scheduler(*options, "--check")
            reader = start(cluster, "use", "totals")
            says(reader, "got")
            assert finish(reader, "\n") == "used 9"
            finish(start(cluster, "unpublish", "totals"))
            memory_is_free(cluster)


def a_full_disk():
    """Without room for the journal publishing fails, and the scheduler goes on"""
    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "journal")
        with daemons.Cluster(workers=1) as cluster:
            cluster.kill_scheduler()
            # The log is a file too: through a pipe.
            log = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=cluster.log)
            reading, writing = os.pipe()
            cluster.scheduler = subprocess.Popen(
                [daemons.SCHEDULER, "--port", cluster.address.rsplit(":", 1)[1],
                 "--journal", path, "--ready-fd", str(writing)],
                pass_fds=[writing], stderr=log.stdin, preexec_fn=little_room)
            cluster.processes.append(cluster.scheduler)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                assert pipe.readline().startswith("ready")
            job = start(cluster, "publish", "totals")
            out, _ = job.communicate(timeout=RUN_SECONDS)
            assert job.returncode == 1 and "cannot write: File too large" in out, out
            assert cluster.status()["published"] == []
            log.stdin.close()
            cluster.scheduler.terminate()
            cluster.scheduler.wait(RUN_SECONDS)
            log.wait(RUN_SECONDS)
            assert "the journal cannot be written" in cluster.read_log()


def damage():
    """A journal that is damaged in the middle is not used"""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "journal")
        with daemons.Cluster(scheduler_options=["--journal", path]) as cluster:
            job = start(cluster, "publish", "totals")
            says(job, "published")
            kill(job)
            cluster.kill_scheduler()
            cluster.start_scheduler("--journal", path)
            finish(start(cluster, "unpublish", "totals"))
            cluster.kill_scheduler()
            with open(path, "r+b") as journal:
                journal.seek(60)
                byte = journal.read(1)
                journal.seek(60)
                journal.write(bytes([byte[0] ^ 1]))
            job = subprocess.run([daemons.SCHEDULER, "--port", "0", "--journal", path],
                                 capture_output=True, text=True, timeout=RUN_SECONDS)
            assert job.returncode == 1, job
            assert path in job.stderr and "byte 8 is damaged" in job.stderr, job.stderr


def holder(cluster, key):
    """The worker that alone has the data, as `dusk why` tells."""
    out, _ = cluster.dusk("why", key).communicate(timeout=RUN_SECONDS)
    return out.split(" on worker ")[1].split()[0]


def replicas():
    """Data of the program's own survive their worker with a replica only"""
    with daemons.Cluster(workers=0) as cluster:
        workers = {name: cluster.add_worker("--name", name, "--no-nanny")
                   for name in ("a", "b", "c")}
        job = start(cluster, "scattered", "2")
        key = says(job, "")

        def copies():
            out, _ = cluster.dusk("why", key).communicate(timeout=RUN_SECONDS)
            return " and 1 more" in out and "copies" not in out
        daemons.wait_for("the second copy", copies)
        name = holder(cluster, key)
        workers[name].kill()
        workers.pop(name).wait()
        daemons.wait_for("the loss of the first", lambda: f'"worker lost" worker={name}' in
                         cluster.read_log())
        daemons.wait_for("a second copy again", copies)
        workers_left = {row["name"] for row in cluster.status()["workers"]}
        assert name not in workers_left, workers_left
        name = holder(cluster, key)
        workers[name].kill()
        workers.pop(name).wait()
        assert finish(job, "\n") == "total 0"
        job = start(cluster, "scattered", "1")
        key = says(job, "")
        name = holder(cluster, key)
        workers[name].kill()
        workers[name].wait()
        out = finish(job, "\n")
        assert out.startswith("DATA_LOST") and key in out and f"on {name}" in out, out


def workers_wait_as_they_are_told():
    """A worker keeps or stops when its scheduler is gone"""
    with daemons.Cluster(workers=0, options=["--reconnect-timeout", "300ms"]) as cluster:
        stops = cluster.add_worker("--name", "stops")
        keeps = cluster.add_worker("--name", "keeps", "--on-scheduler-lost", "keep")
        cluster.kill_scheduler()
        assert stops.wait(RUN_SECONDS) == 1
        assert "no scheduler answers" in cluster.read_log()
        assert keeps.poll() is None
        cluster.start_scheduler()
        daemons.wait_for("the worker", lambda: [
            row["name"] for row in cluster.status()["workers"]] == ["keeps"])


tap.run(a_client_dies, published, the_scheduler_dies_in_mid_run, a_journal, a_full_disk,
        damage, replicas, workers_wait_as_they_are_told)
