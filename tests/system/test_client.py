"""The client library, its examples and the dusk command on real daemons."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import daemons
import tap

PROBE = sys.argv[1]
EXAMPLES = os.path.join(daemons.BUILD, "client", "examples")
PLUGIN = os.path.join(EXAMPLES, "score_plugin.so")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN_SECONDS = 90


def start(cluster, *command):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address})


def finish(job, code=0):
    out, err = job.communicate(timeout=RUN_SECONDS)
    assert job.returncode == code, f"exit {job.returncode}, not {code}: {out}{err}"
    return out, err


def run(cluster, *command):
    return finish(start(cluster, *command))[0]


def probe(cluster, *arguments):
    return run(cluster, PROBE, *arguments)


def no_tasks_left(cluster):
    daemons.wait_for("the last task to be forgotten",
                     lambda: sum(cluster.status()["tasks"].values()) == 0)


def best_score():
    """best_score stops early, and nothing is left of the rest"""
    with daemons.Cluster(options=["--preload", PLUGIN]) as cluster:
        out = run(cluster, os.path.join(EXAMPLES, "best_score"))
        found = re.fullmatch(r"best score (\S+) after (\d+) of 1000 inputs\n", out)
        assert found and float(found[1]) >= 0.99999 and int(found[2]) < 1000, out
        no_tasks_left(cluster)


def best_score_blocking():
    """best_score_blocking finds the best of all"""
    with daemons.Cluster(options=["--preload", PLUGIN]) as cluster:
        out = run(cluster, os.path.join(EXAMPLES, "best_score_blocking"))
        assert re.fullmatch(r"best score 0\.99\d+, of input \d+ of 100\n", out), out
        no_tasks_left(cluster)


def async_admm():
    """async_admm finds the coefficients that made the data"""
    with daemons.Cluster() as cluster:
        lines = run(cluster, os.path.join(EXAMPLES, "async_admm")).splitlines()
        assert len(lines) == 10, lines
        for line in lines:
            answer, truth = re.fullmatch(r" *(\S+)  \(true: (\S+)\)", line).groups()
            assert abs(float(answer) - float(truth)) < 0.05, line
        no_tasks_left(cluster)


def data_travel():
    """Results come from the workers that have them, scattered data go there"""
    with daemons.Cluster() as cluster:
        assert probe(cluster, "fetch") == "fetched 30\n"
        assert probe(cluster, "scatter") == "total 19999900000\n"
        no_tasks_left(cluster)


def much_data_from_one_worker():
    """More than may wait for one reader comes from one worker, here and to another"""
    with daemons.Cluster(0, options=["--memory-limit", "4GiB"]) as cluster:
        cluster.add_worker("--name", "maker")
        cluster.add_worker("--name", "reader")
        assert probe(cluster, "large", "maker", "reader") == "gathered 6\n"
        no_tasks_left(cluster)


def failures_are_named():
    """Tasks that fail say why: unknown function, error, crash"""
    with daemons.Cluster(3) as cluster:
        unknown = probe(cluster, "failing", "no_such_function")
        assert "no_such_function" in unknown, unknown
        fails = probe(cluster, "failing", "fail")
        assert fails.startswith("TASK ") and "on purpose" in fails, fails
        crash = probe(cluster, "failing", "crash")
        assert crash.startswith("KILLED ") and "crash" in crash, crash
        assert re.search(r"signal 11|SIGSEGV|Segmentation", crash), crash


def worker_killed():
    """A worker is killed while results are waited for"""
    with daemons.Cluster(3) as cluster:
        job = start(cluster, PROBE, "disturbed")
        assert job.stdout.readline() == "persisted\n"
        os.kill(cluster.computing(cluster.workers[0]), signal.SIGKILL)
        out, _ = finish(job)
        assert out == "sum 800000\n", out
        no_tasks_left(cluster)


def scheduler_restarted():
    """A scheduler is killed and started again: the client goes on"""
    with daemons.Cluster() as cluster:
        job = start(cluster, PROBE, "disturbed")
        assert job.stdout.readline() == "persisted\n"
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        port = cluster.address.rsplit(":", 1)[1]
        cluster.scheduler, address = daemons.start_ready(
            [daemons.SCHEDULER, "--port", port], cluster.log)
        cluster.processes[0] = cluster.scheduler
        assert address == cluster.address, address
        out, err = finish(job)
        assert out == "sum 800000\n", out
        assert "is back after" in err, err


def scheduler_stopped():
    """A scheduler is stopped and resumed: the client waits"""
    with daemons.Cluster() as cluster:
        job = start(cluster, PROBE, "disturbed")
        assert job.stdout.readline() == "persisted\n"
        cluster.scheduler.send_signal(signal.SIGSTOP)
        line = job.stderr.readline()
        cluster.scheduler.send_signal(signal.SIGCONT)
        assert "is silent" in line, line
        out, _ = finish(job)
        assert out == "sum 800000\n", out


def status_and_why():
    """dusk status and dusk why tell what is there, and say what they cannot"""
    with daemons.Cluster() as cluster:
        job = start(cluster, PROBE, "waiting")
        key = job.stdout.readline().strip()
        out, err = finish(cluster.dusk("why", key))
        assert "nobody" in out and not err, (out, err)
        status = cluster.status()
        assert len(status["workers"]) == 2 and status["workers"][0]["threads"] == 1
        assert sum(status["tasks"].values()) == 1, status
        assert any(client["wanted"] == 1 for client in status["clients"]), status
        assert status["rss_bytes"] > 1 << 20 and status["cpu_s"] > 0, status
        out, _ = finish(cluster.dusk("status"))
        assert "workers: 2" in out and "tasks: 1" in out, out
        job.kill()
        job.communicate()
        no_tasks_left(cluster)
        for words, code, line in [
                (["why"], 2, "say either KEY or --all"),
                (["why", "hello"], 2, "'hello' is not a key"),
                (["status", "--nonsense"], 2, "nonsense"),
                (["nonsense"], 2, "unknown command 'nonsense'"),
                (["status", "--scheduler", "hello"], 1, "'hello' is not an address"),
                (["status", "--scheduler", "tcp://127.0.0.1:1", "--timeout", "0.2s"], 1,
                 "tcp://127.0.0.1:1 cannot be reached within 0.2 s")]:
            _, err = finish(cluster.dusk(*words), code)
            assert line in err.splitlines()[0], (words, err)


def library_folder():
    """The library goes where Debian's linker and pkg-config look for it, under /usr/local
    too, whatever tools Meson finds to guess with"""
    if not shutil.which("meson"):
        raise tap.Skip("no meson")
    asked = subprocess.run(["meson", "introspect", "--buildoptions",
                            os.path.join(SOURCE, "meson.build")],
                           capture_output=True, text=True, check=True)
    options = {option["name"]: option["value"] for option in json.loads(asked.stdout)}
    assert options["libdir"] == "lib", options["libdir"]


def installed():
    """The examples build against an installed dusk, through pkg-config"""
    missing = [tool for tool in ("make", "meson", "pkg-config") if not shutil.which(tool)]
    if missing:
        raise tap.Skip("no " + " and no ".join(missing))
    with open(os.path.join(daemons.BUILD, "client", "libdusk.so"), "rb") as library:
        if re.search(rb"lib[at]san\.so", library.read()):
            raise tap.Skip("this build, with a sanitizer, is for no other program")
    with tempfile.TemporaryDirectory() as directory:
        root = os.path.join(directory, "root")
        subprocess.run(["meson", "install", "-C", daemons.BUILD, "--no-rebuild",
                        "--quiet", "--destdir", root], check=True, capture_output=True)
        folders = [folder for folder, _, names in os.walk(root) if "dusk.pc" in names]
        copy = os.path.join(directory, "examples")
        shutil.copytree(os.path.join(SOURCE, "client", "examples"), copy)
        made = subprocess.run(
            ["make", "-C", copy], capture_output=True, text=True,
            env={**os.environ, "PKG_CONFIG_PATH": folders[0],
                 "PKG_CONFIG_SYSROOT_DIR": root})
        assert made.returncode == 0, made.stderr
        library = os.path.dirname(folders[0])
        with daemons.Cluster(options=["--preload",
                                      os.path.join(copy, "score_plugin.so")]) as cluster:
            out, _ = finish(subprocess.Popen(
                [os.path.join(copy, "best_score")], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True,
                env={**os.environ, "DUSK_SCHEDULER_ADDRESS": cluster.address,
                     "LD_LIBRARY_PATH": library}))
            assert out.startswith("best score 0.9999"), out


if __name__ == "__main__":
    tap.run(status_and_why, failures_are_named, best_score, best_score_blocking,
            async_admm, data_travel, much_data_from_one_worker, worker_killed,
            scheduler_restarted, scheduler_stopped, library_folder, installed)
