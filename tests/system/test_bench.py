"""The benchmarks run and print what they promise; no figure is judged."""

import json
import os
import subprocess

import daemons
import tap

SECONDS = 120


def run(command, code=0, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    assert done.returncode == code, (command, done.returncode, done.stderr)
    return done


def bench(*arguments, **options):
    return run([daemons.DUSK, "bench", *arguments], **options)


def tasks():
    """dusk bench tasks prints JSON with positive figures, and what they vary between"""
    figures = json.loads(bench("tasks", "--workers", "2", "--tasks", "200", "--rounds", "2",
                               "--json").stdout)
    spread = figures.pop("spread")
    for name in ("tasks_per_second", "rtt_p50_us", "rtt_p99_us"):
        assert figures[name] > 0, (name, figures)
        assert spread[name][0] <= figures[name] <= spread[name][1], (name, spread)
    assert all(value > 0 for value in figures.values()), figures


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
            ("extra", ["tasks", "extra"]),
            ("--workers", ["tasks", "--workers", "2", "--scheduler", "tcp://h:1"])]:
        done = bench(*arguments, code=2)
        assert word in done.stderr.splitlines()[0] and not done.stdout, done


def help_texts():
    """All have --help and --version"""
    version = run([daemons.DUSK, "--version"]).stdout.removeprefix("dusk")
    for arguments in ([], ["tasks"]):
        text = bench(*arguments, "--help").stdout
        assert text.startswith(" ".join(["Usage: dusk bench", *arguments])), text
        assert bench(*arguments, "--version").stdout.endswith(version), arguments
    assert bench("help", "tasks").stdout == bench("tasks", "--help").stdout
    assert "Usage" in bench(code=2).stderr


if __name__ == "__main__":
    tap.run(tasks, table, wrong_input, help_texts)
