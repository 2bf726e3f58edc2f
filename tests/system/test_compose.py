"""The compose cluster with a real engine: built, scaled to three workers, one of them
killed in the middle of a run, and taken down. Needs docker, docker-compose, and where
no engine runs also dockerd, debootstrap and root."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import debian_base
import engine
import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPOSE = os.path.join(ROOT, "deploy", "compose.yml")
STANDARD_BASE = "debian:bookworm-slim"
NAME = f"dusktest{os.getpid()}"
WORKERS = 3
CHUNKS = 24
# Long enough to kill a worker in its middle: the logistic family has no short cut.
JOB = ["dusk", "admm", "--scheduler", "tcp://scheduler:8786", "--variant", "async",
       "--family", "logistic", "--l1", "30", "--rows", str(CHUNKS * 15000),
       "--chunk-rows", "15000", "--columns", "200", "--seed", "7", "--json"]
IMAGE_MEGABYTES = 250
READY_SECONDS = 60
RUN_SECONDS = 300


class Cluster:
    """The project on an engine; each step of the test needs the one before."""

    def __init__(self):
        self.engine = engine.Engine()
        self.base = None
        self.made_base = False
        self.built = False
        self.gone = False
        self.environment = {**self.engine.environment, "DUSK_IMAGE": NAME, "DUSK_PORT": "0",
                            "DUSK_THREADS": "1", "COMPOSE_PROJECT_NAME": NAME}

    def prepare(self):
        """Starts the engine and finds a bare Debian 12: the engine's own, a registry's,
        or one made here."""
        self.engine.compose_command()
        self.engine.start_for_builds()
        if not self.engine.own:
            for verb in (["image", "inspect"], ["pull", "--quiet"]):
                if engine.succeeds(["docker", *verb, STANDARD_BASE], self.environment):
                    self.base = STANDARD_BASE
                    return
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            raise engine.NoEngine("no base image without root and debootstrap")
        self.base = STANDARD_BASE if self.engine.own else f"{NAME}-base"
        with open(debian_base.base_tar(), "rb") as tar:
            self.engine.docker("import", "-", self.base, stdin=tar)
        self.made_base = True

    def build(self):
        words = ["build", "--network", "host", "--force-rm", "--tag", NAME,
                 "--file", os.path.join(ROOT, "deploy", "Dockerfile"),
                 "--build-arg", f"BASE={self.base}"]
        for name, address in debian_base.proxies().items():
            words += ["--build-arg", f"{name}={address}"]
        self.engine.docker(*words, ROOT)
        self.built = True

    def command(self, *words):
        return [*self.engine.compose_command(), "-f", COMPOSE, *words]

    def compose(self, *words):
        return engine.checked(self.command(*words), self.environment)

    def containers(self, service):
        return self.compose("ps", "-q", service).split()

    def status(self):
        """The scheduler's view: rows of its running workers, numbers of tasks by state."""
        said = json.loads(self.compose(
            "exec", "-T", "scheduler", "dusk", "status", "--scheduler",
            "tcp://127.0.0.1:8786", "--json"))
        workers = [row for row in said["workers"] if row["state"] == "running"]
        return workers, said["tasks"]

    def worker_count(self):
        return len(self.status()[0])

    def wait_for(self, what, condition, seconds, job=None):
        deadline = time.monotonic() + seconds
        while not condition():
            assert job is None or job.poll() is None, f"the run ended before {what}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.2)

    def left(self):
        """Names of containers, networks and volumes of the project, and of the image."""
        label = f"label=com.docker.compose.project={NAME}"
        docker = self.engine.docker
        return (docker("ps", "-aq", "--filter", label)
                + docker("network", "ls", "-q", "--filter", label)
                + docker("volume", "ls", "-q", "--filter", label)
                + docker("image", "ls", "-q", NAME)).split()

    def take_down(self):
        """Removes all that the test made; what is left of it, if anything, is returned."""
        if self.gone:
            return []
        self.gone = True
        try:
            if not self.base:
                return []
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "30")
            if self.built:
                self.engine.docker("image", "rm", "--force", NAME)
            if self.made_base:
                self.engine.docker("image", "rm", "--force", self.base)
            return self.left()
        finally:
            self.engine.stop()


def builds():
    """The image is built, small, and does not run as root"""
    cluster.build()
    said = cluster.engine.docker(
        "image", "inspect", "--format", "{{.Size}} {{.Config.User}}", NAME).split()
    print(f"# image of {int(said[0]) / 1e6:.0f} MB")
    assert int(said[0]) < IMAGE_MEGABYTES * 1e6, said
    assert said[1:] == ["dusk"], said


def scales():
    """Three workers register with the scheduler"""
    cluster.engine.start_for_containers()
    assert cluster.built, "there is no image"
    cluster.compose("up", "--detach", "--no-build", "--scale", f"worker={WORKERS}",
                    "scheduler", "worker")
    cluster.wait_for("three workers", lambda: cluster.worker_count() == WORKERS,
                     READY_SECONDS)


def result_of(job):
    """The run of a client that ended well: its report, which must be certified."""
    out, err = job.communicate(timeout=RUN_SECONDS)
    assert job.returncode == 0, f"exit {job.returncode}: {out[-2000:]} {err[-2000:]}"
    (run,) = json.loads(out)["runs"]
    summary = {name: run[name] for name in ("certified", "gap", "objective", "updates")}
    assert run["certified"] is True and abs(run["gap"]) <= 1e-8, summary
    print(f"# {summary} in {run['seconds']:.1f} s", flush=True)
    return run


def start_job():
    return subprocess.Popen(cluster.command("run", "--rm", "--no-deps", "-T", "client", *JOB),
                            env=cluster.environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def undisturbed():
    """The client's run is certified"""
    cluster.undisturbed = result_of(start_job())


def all_made():
    """Every worker holds data and computes, and the chunks' X, y and more are there."""
    workers, tasks = cluster.status()
    return (all(row["chunks"] and row["processing"] for row in workers)
            and tasks["memory"] >= 3 * CHUNKS)


def killed():
    """The same run is certified, with the same answer, after a worker is killed"""
    victim = cluster.containers("worker")[0]
    job = start_job()
    try:
        cluster.wait_for("all chunks are made", all_made, RUN_SECONDS, job)
        cluster.engine.docker("kill", "--signal", "KILL", victim)
        assert job.poll() is None, "the run was over before the worker was killed"
        run = result_of(job)
    finally:
        job.kill()
        job.wait()
    expected = cluster.undisturbed["objective"]
    assert abs(run["objective"] - expected) <= 1e-8 * abs(expected), (run["objective"], expected)
    cluster.wait_for("the scheduler misses the worker",
                     lambda: cluster.worker_count() == WORKERS - 1, READY_SECONDS)


def comes_down():
    """Nothing of it is left: containers, networks, volumes, images, engine"""
    left = cluster.take_down()
    assert not left, left
    assert not (cluster.engine.own and os.path.exists(cluster.engine.directory))


if __name__ == "__main__":
    # A test that is stopped must not leave its engine behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cluster = None
    try:
        cluster = Cluster()
        cluster.prepare()
        tap.run(builds, scales, undisturbed, killed, comes_down)
    except engine.NoEngine as why:
        print(f"1..0 # SKIP {why}")
    finally:
        if cluster:
            cluster.take_down()
