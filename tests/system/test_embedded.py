"""However a command or a part of its own cluster ends, nothing of it stays behind."""

import glob
import json
import os
import signal
import subprocess
import tempfile

import daemons
import tap

# Long enough to be ended in the middle.
JOB = ["admm", "--rows", "3000000", "--columns", "60", "--form", "classic", "--variant",
       "sync", "--workers", "2", "--max-time", "60s"]
PARTS = 6  # keeper, scheduler, and two nannies with a worker each


class Run:
    """A command with its own cluster; what `disturb` does is its end."""

    def __init__(self, disturb):
        self.temporary = tempfile.mkdtemp(prefix="dusk-test-")
        environment = {**os.environ, "TMPDIR": self.temporary}
        environment.pop("DUSK_SCHEDULER_ADDRESS", None)
        self.job = subprocess.Popen([daemons.DUSK, *JOB], env=environment, text=True,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE)
        try:
            self.parts = daemons.wait_for("the cluster", self.find_parts)
            self.keeper = self.parts[0]
            self.scheduler, *self.nannies = direct_children(self.keeper)
            daemons.wait_for("the fit", self.is_connected)
            disturb(self)
            self.message = self.job.communicate(timeout=daemons.END_SECONDS)[1]
        finally:
            self.job.kill()
            self.job.wait()
        daemons.wait_for("the end of all parts",
                         lambda: not any(map(daemons.lives, self.parts)))
        assert not os.listdir(self.temporary), os.listdir(self.temporary)
        os.rmdir(self.temporary)

    def find_parts(self):
        parts = daemons.children(self.job.pid)
        return parts if len(parts) >= PARTS else None

    def is_connected(self):
        """The command is a client of its cluster, so the start is over."""
        with open(f"/proc/{self.nannies[0]}/cmdline") as file:
            address = file.read().split("\0")[1]
        keys = next(path for path in glob.glob(f"/proc/{self.job.pid}/fd/*")
                    if "client.join" in link_target(path))
        status = subprocess.run([daemons.DUSK, "status", "--json", "--scheduler", address,
                                 "--keys", keys], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                check=True)
        return len(json.loads(status.stdout)["clients"]) > 1


def link_target(path):
    """Or nothing, when the descriptor has been closed meanwhile."""
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def direct_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def killed():
    """kill -9 of the command"""
    Run(lambda run: run.job.kill())


def asked_to_end():
    """SIGINT and SIGTERM end the command with one line"""
    for number in signal.SIGINT, signal.SIGTERM:
        run = Run(lambda run: run.job.send_signal(number))
        assert run.job.returncode == 1, run.job.returncode
        assert f"stopped by {number.name}" in run.message, run.message


def killed_with_a_stopped_worker():
    """kill -9 of the command while a worker and its nanny are stopped"""

    def disturb(run):
        for pid in run.nannies[0], *daemons.children(run.nannies[0]):
            os.kill(pid, signal.SIGSTOP)
        run.job.kill()

    Run(disturb)


def keeper_killed():
    """kill -9 of the keeper ends the command with a line that says so"""
    run = Run(lambda run: os.kill(run.keeper, signal.SIGKILL))
    assert run.job.returncode == 1, run.job.returncode
    assert "the cluster's keeper was killed" in run.message, run.message


def all_killed():
    """kill -9 of the command and all parts of its cluster at once"""

    def disturb(run):
        for pid in run.job.pid, *run.parts:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended with the one before

    Run(disturb)


def scheduler_killed():
    """kill -9 of the scheduler ends the command with a line that says so"""
    run = Run(lambda run: os.kill(run.scheduler, signal.SIGKILL))
    assert run.job.returncode == 1, run.job.returncode
    assert "dusk-scheduler was killed by signal 9" in run.message, run.message


def worker_killed():
    """kill -9 of a worker is told, and the others go on"""

    def disturb(run):
        os.kill(run.nannies[0], signal.SIGKILL)
        line = run.job.stderr.readline()
        assert "dusk-worker 0 was killed by signal 9" in line, line
        run.job.send_signal(signal.SIGINT)

    assert "stopped by SIGINT" in Run(disturb).message


if __name__ == "__main__":
    tap.run(killed, asked_to_end, killed_with_a_stopped_worker, keeper_killed, all_killed,
            scheduler_killed, worker_killed)
