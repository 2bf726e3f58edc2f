"""Plugins that clients upload, and the end of a cluster."""

import os
import signal
import subprocess
import sys
import tempfile

import daemons
import tap

PROBE = sys.argv[1]
PLUGINS = os.path.join(daemons.BUILD, "tests", "unit")
GOOD = os.path.join(PLUGINS, "good.so")
ALLOW = ["--allow-upload"]
RUN_SECONDS = 60


def start(cluster, *arguments):
    return subprocess.Popen([PROBE, *arguments], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})


def finish(job, code=0):
    out, err = job.communicate(timeout=RUN_SECONDS)
    assert job.returncode == code, f"exit {job.returncode}, not {code}: {out}{err}"
    return out + err


def upload(cluster, path, code=0):
    return finish(cluster.dusk("upload", path), code)


def twice(cluster, worker, code=0):
    return finish(start(cluster, "twice", worker), code)


def open_cluster(*names):
    """A cluster that takes uploads, with workers of these names."""
    cluster = daemons.Cluster(0, scheduler_options=ALLOW)
    for name in names:
        cluster.add_worker("--name", name, *ALLOW)
    return cluster


def off_by_default():
    """Without --allow-upload on either side an upload is refused by that name"""
    with daemons.Cluster(1, options=ALLOW) as cluster:
        line = upload(cluster, GOOD, 1)
        assert "the scheduler takes no uploads" in line and "--allow-upload" in line, line
    with open_cluster("open") as cluster:
        cluster.add_worker("--name", "closed")
        line = upload(cluster, GOOD, 1)
        assert "worker closed" in line and "without --allow-upload" in line, line
        # A task that meets a worker without its function says what to do.
        line = twice(cluster, "closed", 1)
        for words in ("worker closed", "'twice'", "--preload", "dusk upload"):
            assert words in line, line


def all_workers():
    """An uploaded plugin runs on workers that compute, come later, and come again"""
    with open_cluster("a", "b") as cluster:
        busy = start(cluster, "disturbed")
        assert busy.stdout.readline() == "persisted\n"
        assert upload(cluster, GOOD) == ""
        assert upload(cluster, GOOD) == ""
        for name in ("a", "b"):
            assert twice(cluster, name) == "42\n"
        finish(busy)
        cluster.add_worker("--name", "late", *ALLOW)
        assert twice(cluster, "late") == "42\n"
        os.kill(cluster.computing(cluster.workers[0]), signal.SIGKILL)
        assert twice(cluster, "a") == "42\n"


def wrong_files():
    """Files that are no plugin are refused, and nothing is left of them"""
    with open_cluster("a") as cluster, tempfile.TemporaryDirectory() as directory:
        large = os.path.join(directory, "large.so")
        with open(large, "wb") as file:
            file.truncate(17 << 20)
        for path, line in (("/nonexistent.so", "/nonexistent.so cannot be read: No such file"),
                           (directory, f"{directory} cannot be read: Is a directory"),
                           (large, "large.so has more than 16777216 bytes"),
                           (__file__, "cannot be loaded: invalid ELF header"),
                           (os.path.join(PLUGINS, "empty.so"),
                            "does not export the table dusk_functions"),
                           (os.path.join(PLUGINS, "clash.so"),
                            "worker a: clash.so: function 'noop' is there already (built in)")):
            text = upload(cluster, path, 1)
            assert line in text and text.count("\n") == 1, text
        assert upload(cluster, GOOD) == ""
        cluster.add_worker("--name", "late", *ALLOW)
        assert twice(cluster, "late") == "42\n"
        assert "worker without a plugin" not in cluster.read_log()


def fatal():
    """A plugin that kills a worker is refused, and workers live again"""
    with open_cluster("a") as cluster:
        line = upload(cluster, os.path.join(PLUGINS, "fatal.so"), 1)
        assert "worker a: it was lost before it had loaded the plugin" in line, line
        daemons.wait_for("the worker", lambda: any(
            worker["state"] == "running" for worker in cluster.status()["workers"]))
        assert upload(cluster, GOOD) == ""
        assert twice(cluster, "a") == "42\n"


def scheduler_restarted():
    """A client tells a new scheduler what it told the old one"""
    with open_cluster("a") as cluster:
        job = start(cluster, "upload", GOOD, "late")
        assert job.stdout.readline() == "uploaded\n"
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        port = cluster.address.rsplit(":", 1)[1]
        cluster.scheduler, _ = daemons.start_ready(
            [daemons.SCHEDULER, "--port", port, *ALLOW], cluster.log)
        cluster.processes[0] = cluster.scheduler
        cluster.add_worker("--name", "late", *ALLOW)
        job.stdin.write("\n")
        assert "42\n" in finish(job)


def shutdown():
    """A shut-down cluster leaves no process, whatever it was at"""
    with daemons.Cluster(1, options=["--preload", GOOD, "--nworkers", "2"]) as cluster:
        cluster.add_worker()
        tasks = [start(cluster, "failing", "deaf") for _ in range(4)]
        daemons.wait_for("the tasks", lambda: sum(
            worker["processing"] for worker in cluster.status()["workers"]) == 4)
        below = [pid for worker in cluster.workers for pid in daemons.children(worker.pid)]
        os.kill(below[0], signal.SIGKILL)
        assert finish(cluster.dusk("shutdown")) == ""
        for process in cluster.processes:
            assert process.wait(RUN_SECONDS) == 0, process.args
        daemons.wait_for("the workers", lambda: not any(map(daemons.lives, below)))
        for job in tasks:
            job.kill()
            job.communicate()


def shutdown_of_a_stopped_worker():
    """A worker that does not leave is named, and holds up nobody"""
    with open_cluster("a", "b") as cluster:
        os.kill(cluster.computing(cluster.workers[1]), signal.SIGSTOP)
        line = finish(cluster.dusk("shutdown", cluster.address), 1)
        assert "have not left within 5 s, such as b" in line, line
        for process in (cluster.scheduler, cluster.workers[0]):
            assert process.wait(RUN_SECONDS) == 0, process.args
        os.kill(cluster.computing(cluster.workers[1]), signal.SIGCONT)


tap.run(off_by_default, all_workers, wrong_files, fatal, scheduler_restarted, shutdown,
        shutdown_of_a_stopped_worker)
