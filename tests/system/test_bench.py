"""The benchmarks run and print what they promise; no figure is judged."""

import json
import os
import subprocess
import sys
import tempfile
import types

import daemons
import tap

SECONDS = 120
RUNNER_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                             "bench")
RUNNER = os.path.join(RUNNER_FOLDER, "run")
sys.path.insert(0, RUNNER_FOLDER)
import contest


def run(command, code=0, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    assert done.returncode == code, (command, done.returncode, done.stderr)
    return done


def bench(*arguments, **options):
    return run([daemons.DUSK, "bench", *arguments], **options)


TASKS_FIGURES = ("tasks_per_second", "submit_tasks_per_second",
                 "as_completed_tasks_per_second", "chains_tasks_per_second",
                 "tree_tasks_per_second", "rtt_p50_us", "rtt_p99_us",
                 "relay_tasks_per_second", "relay_rtt_p50_us", "relay_rtt_p99_us",
                 "rate_to_relay", "rtt_to_relay", "scheduler_cpu_us_per_task",
                 "client_cpu_us_per_task", "relay_cpu_us_per_task")
OWN_CLUSTER_FIGURES = ("encrypted_tasks_per_second", "encrypted_rtt_p50_us",
                       "encrypted_rtt_p99_us", "encrypted_rate_to_plain",
                       "workers_cpu_us_per_task", "cpu_to_relay")
SCHEDULER_MEMORY = "scheduler_bytes_per_task"


def check_figures(text, expected, workers, rounds):
    figures = json.loads(text)
    spread = figures.pop("spread")
    assert set(spread) == set(expected if rounds > 1 else ()), spread
    assert set(expected) | {SCHEDULER_MEMORY} <= set(figures), figures
    assert all(value > 0 for value in figures.values()), figures
    for name, (least, most) in spread.items():
        assert least <= figures[name] <= most, (name, figures, spread)
    assert figures["workers"] == workers and figures["rounds"] == rounds, figures


def tasks():
    """dusk bench tasks prints JSON with positive figures, and what they vary between"""
    done = bench("tasks", "--workers", "2", "--tasks", "200", "--rounds", "2", "--json")
    check_figures(done.stdout, TASKS_FIGURES + OWN_CLUSTER_FIGURES, 2, 2)


def one_task():
    """One task is measured too"""
    done = bench("tasks", "--workers", "1", "--tasks", "1", "--rounds", "1",
                 "--in-flight", "1", "--json")
    check_figures(done.stdout, TASKS_FIGURES + OWN_CLUSTER_FIGURES, 1, 1)


def kernels():
    """dusk bench kernels prints JSON with positive figures"""
    done = bench("kernels", "--workers", "2", "--threads", "2", "--rows", "200",
                 "--columns", "30", "--repeats", "2", "--json")
    figures = json.loads(done.stdout)
    spread = figures.pop("spread")
    for name in ["evaluate_normal_f64_to_read", "evaluate_logistic_f32_784_ms",
                 "gram_time_to_dgemm", "cholesky_784_ms", "normal_f64_ns"]:
        least, most = spread[name]
        assert 0 < least <= figures[name] <= most, (name, figures)
    assert figures["threads"] == 2, figures
    done = bench("kernels", "--workers", "1", "--threads", "2", code=1)
    assert "2 threads: the cluster has 1" in done.stderr, done


def given_scheduler():
    """The cluster of a scheduler that is named is measured, and left as it was"""
    with daemons.Cluster() as cluster:
        done = bench("tasks", "--tasks", "200", "--rounds", "2", "--json",
                     environment={"DUSK_SCHEDULER_ADDRESS": cluster.address})
        check_figures(done.stdout, TASKS_FIGURES, 2, 2)
        daemons.wait_for("the last task to be forgotten",
                         lambda: sum(cluster.status()["tasks"].values()) == 0)


ADMM_SMALL = ("admm", "--rows", "4000", "--columns", "8", "--chunks", "6", "--workers", "2")


def admm():
    """dusk bench admm prints JSON: rates of both forms, seconds of the robust one"""
    figures = json.loads(bench(*ADMM_SMALL, "--rounds", "2", "--json").stdout)
    spread = figures.pop("spread")
    assert all(value > 0 for value in figures.values()), figures
    assert set(spread) == set(figures), figures
    for variant in ("sync", "async", "batched"):
        assert f"classic_{variant}_updates_per_second" in figures, figures
        certified = figures[f"robust_{variant}_seconds_certified"]
        assert figures[f"robust_{variant}_seconds_to_1e-2"] <= certified, figures
        assert figures[f"robust_{variant}_setup_and_seconds_certified"] > certified, figures
    assert not any("dask" in name for name in figures), figures


def admm_parts():
    """One form and one variant of dusk bench admm are measured alone"""
    figures = json.loads(bench(*ADMM_SMALL, "--rounds", "1", "--form", "classic",
                               "--variant", "sync", "--json").stdout)
    names = {name for name in figures if not name.startswith("classic_sync_")}
    assert names == {"setup_seconds", "spread"}, figures


def admm_peer():
    """dask gets the same chunks, and its z the same gap"""
    if subprocess.run(["/usr/bin/python3", "-c", "import distributed, scipy"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise tap.Skip("python3-distributed or python3-scipy is not installed")
    with tempfile.TemporaryDirectory() as folder:
        figures = json.loads(bench(*ADMM_SMALL, "--rounds", "1", "--sweeps", "12",
                                   "--peer", "dask", "--json",
                                   environment={"TMPDIR": folder}).stdout)
        assert not os.listdir(folder), os.listdir(folder)
    for variant in ("sync", "async", "batched"):
        assert figures[f"classic_{variant}_updates_against_dask"] > 0, figures
    assert figures["dask_sync_seconds_to_1e-2"] > 0, figures
    assert figures["classic_sync_seconds_to_1e-2"] > 0, figures


def table():
    """Without --json it prints a table"""
    lines = bench("tasks", "--workers", "1", "--tasks", "100", "--rounds", "1").stdout
    assert lines.startswith("figure ") and "\ntasks_per_second " in lines, lines


def wrong_input():
    """Wrong input ends with one line and exit code 2"""
    for word, arguments in [
            ("everything", ["everything"]),
            ("everything", ["help", "everything"]),
            ("--tasks", ["tasks", "--tasks", "0"]),
            ("--tasks", ["tasks", "--tasks", "many"]),
            ("--rounds", ["tasks", "--rounds", "0"]),
            ("--chunks", ["admm", "--rows", "5", "--chunks", "6"]),
            ("--columns", ["admm", "--columns", "0"]),
            ("--variant", ["admm", "--variant", "quick"]),
            ("--peer", ["admm", "--peer", "spark"]),
            ("--peer", ["admm", "--peer", "dask", "--form", "robust"]),
            ("--in-flight", ["tasks", "--in-flight", "0"]),
            ("extra", ["tasks", "extra"]),
            ("--workers", ["tasks", "--workers", "2", "--scheduler", "tcp://h:1"])]:
        done = bench(*arguments, code=2)
        assert word in done.stderr.splitlines()[0] and not done.stdout, done


def help_texts():
    """All have --help and --version"""
    version = run([daemons.DUSK, "--version"]).stdout.removeprefix("dusk")
    for arguments in ([], ["admm"], ["kernels"], ["tasks"]):
        text = bench(*arguments, "--help").stdout
        assert text.startswith(" ".join(["Usage: dusk bench", *arguments])), text
        assert bench(*arguments, "--version").stdout.endswith(version), arguments
    assert bench("help", "tasks").stdout == bench("tasks", "--help").stdout
    assert "Usage" in bench(code=2).stderr


def runner():
    """tests/bench/run has --help, and ends with exit code 2 on wrong input"""
    assert "tasks" in run([RUNNER, "--help"]).stdout
    for word, arguments in [("nothing", ["nothing"]), ("0", ["--rounds", "0"]),
                            ("nobody", ["--only", "nobody"])]:
        done = run([RUNNER, *arguments], code=2)
        assert word in done.stderr.splitlines()[-1] and not done.stdout, done


def rounds():
    """The runner takes turns, leaves out who cannot run, and compares with dusk"""
    turns = []
    measured = {"dusk": [2, 8, 4], "slow": [1, 1, 1], "relay": [4, 4, 4]}

    def measure(*names):
        turns.append(names[0])
        return {name: {"rate": measured[name].pop(0), "time_s": 3} for name in names}

    def fail(_):
        turns.append("broken")
        raise contest.Unavailable("on purpose")

    bench_of_three = types.SimpleNamespace(
        FIGURES={"rate": contest.Figure("/s", True), "time_s": contest.Figure("s", False)},
        CONTESTANTS=[
            contest.Contestant(["dusk", "relay"], [], lambda _: measure("dusk", "relay")),
            contest.Contestant(["broken"], [], fail),
            contest.Contestant(["absent"], ["a-package"], fail),
            contest.Contestant(["slow"], ["another"], lambda _: measure("slow"))])
    result = contest.run(bench_of_three, 3, True, ["a-package"])
    assert turns == ["dusk", "broken", "slow", "dusk", "slow", "dusk", "slow"], turns
    assert result.failed and set(result.summary()) == {"dusk", "relay", "slow"}
    rate = result.summary()["slow"]["rate"]
    assert rate == {"median": 1, "least": 1, "most": 1, "rounds": 3, "ratio": 4}, rate
    assert result.ratio("relay", "rate") == 1 and result.ratio("slow", "time_s") == 1
    assert result.summary()["dusk"]["rate"]["median"] == 4
    assert len(contest.table(result)) == 1 + 2 * 3


if __name__ == "__main__":
    tap.run(tasks, one_task, kernels, given_scheduler, admm, admm_parts, admm_peer, table,
            wrong_input, help_texts, runner, rounds)
