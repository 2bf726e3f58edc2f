"""A container engine for the tests: the one that runs, or a dockerd of our own.

Our own lives in a temporary directory. Containers run under it in namespaces (network,
mounts, processes) that vanish with it: no bridge, no firewall rule, no mount and no
published port is ever seen on the machine, and whatever ends the test ends them all.
What needs the outside network, building images, is done before by the same engine in
the machine's network, without bridge and firewall.
"""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

TRACES = ("/etc/docker", "/run/docker", "/run/containerd")
START_SECONDS = 60


class NoEngine(Exception):
    """No engine runs and none can be started; the text says why."""


class Engine:
    """Life: start_for_builds, build, start_for_containers, docker and compose, stop.

    An engine that ran before (own is false) is used as it is and left running.
    """

    def __init__(self):
        if not shutil.which("docker"):
            raise NoEngine("there is no docker command")
        self.directory = None
        self.process = None
        self.own = not answers(dict(os.environ))
        self.environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        if self.own:
            if os.geteuid() != 0:
                raise NoEngine("no engine runs and only root can start one")
            if not shutil.which("dockerd") or not shutil.which("ip"):
                raise NoEngine("no engine runs, and dockerd or ip is missing")
            self.directory = tempfile.mkdtemp(prefix="dusk-engine-")
            self.environment["DOCKER_HOST"] = f"unix://{self.directory}/socket"
            self.group = "/" + os.path.basename(self.directory)
            self.traces = [path for path in TRACES if not os.path.exists(path)]

    def start_for_builds(self):
        if self.own:
            self._start(["--bridge=none", "--iptables=false", "--ip6tables=false",
                         "--ip-forward=false", "--ip-masq=false"])

    def start_for_containers(self):
        if self.own:
            self._end_process()
            self._start([], in_network="ip link set lo up && ")

    def _start(self, options, in_network=""):
        """Runs dockerd and waits until it answers. It ends when this process does."""
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid",
                   "--fork", "--kill-child"]
        command += ["--net"] if in_network else []
        command += ["sh", "-c", in_network + 'exec dockerd "$@"', "dockerd", *options]
        at = self.directory
        command += ["--data-root", f"{at}/data", "--exec-root", f"{at}/exec",
                    "--host", f"unix://{at}/socket", "--pidfile", f"{at}/pid",
                    "--exec-opt", "native.cgroupdriver=cgroupfs",
                    "--cgroup-parent", self.group]
        with open(f"{at}/log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.environment):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(f"{at}/log", encoding="utf-8", errors="replace") as log:
                    last = log.read().splitlines()[-1:]
                raise NoEngine("dockerd does not start: " + "".join(last))
            time.sleep(0.1)

    def _end_process(self):
        if self.process and self.process.poll() is None:
            # The engine itself is the one child of unshare.
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                      encoding="ascii") as children:
                for pid in children.read().split():
                    os.kill(int(pid), signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def stop(self):
        """Ends the engine if it is ours, and removes all that it left."""
        if not self.own:
            return
        self._end_process()
        shutil.rmtree(self.directory, ignore_errors=True)
        for path in self.traces:
            shutil.rmtree(path, ignore_errors=True)
        for path in glob.glob("/sys/fs/cgroup" + self.group) + glob.glob(
                "/sys/fs/cgroup/*" + self.group):
            for inner, _, _ in os.walk(path, topdown=False):
                os.rmdir(inner)

    def docker(self, *words, **options):
        """Runs docker and returns what it printed; raises with its words if it fails."""
        return checked(["docker", *words], self.environment, **options)

    def compose_command(self):
        if shutil.which("docker-compose"):
            return ["docker-compose"]
        if succeeds(["docker", "compose", "version"], self.environment):
            return ["docker", "compose"]
        raise NoEngine("there is no docker-compose")


def checked(command, environment, **options):
    done = subprocess.run(command, env=environment, stdin=options.pop("stdin", subprocess.DEVNULL),
                          capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        last = (done.stdout + done.stderr).splitlines()[-30:]
        raise RuntimeError(f"{' '.join(command)} exited with {done.returncode}:\n"
                           + "\n".join(last))
    return done.stdout


def succeeds(command, environment):
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, check=False).returncode == 0


def answers(environment):
    return succeeds(["docker", "info", "--format", "{{.ID}}"], environment) and succeeds(
        ["docker", "ps", "-q"], environment)
