"""Benchmarks in rounds: all contestants in turn, medians, and ratios to dusk.

A bench is a module with

    SUMMARY = "one line"
    FIGURES = {name: Figure(unit, more_is_better), ...}    in the order of the table
    CONTESTANTS = [Contestant(names, packages, measure), ...]    dusk's own first

A contestant's measure(quick) runs one round and returns {name: {figure: value}} for
its names (the dusk command measures its relay too).  It starts what it needs and ends
it again, so that nobody computes while others are measured.  A figure that a contestant
does not have is left out; so is a contestant whose packages are not installed.
"""

import os
import statistics
import subprocess
import sys
from typing import Callable, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD_DIR", "build"))
PACKAGES = os.path.join(ROOT, "deploy", "packages-bench")
SECONDS = 600  # for one command, which is then hung
OURS = "dusk"


class Figure(NamedTuple):
    unit: str
    more_is_better: bool


class Contestant(NamedTuple):
    names: list
    packages: list
    measure: Callable


class Unavailable(Exception):
    """The contestant cannot take part here; the text says why."""


def program(*path):
    """A program of the build directory."""
    found = os.path.join(BUILD, *path)
    if not os.access(found, os.X_OK):
        raise Unavailable(f"{found} is not built")
    return found


def output(command):
    """What a command prints; what it says on standard error is passed on."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(map(str, command))} ended with exit code "
                          f"{done.returncode}")
    return done.stdout


def missing_packages():
    """The packages of deploy/packages-bench that are not here."""
    script = 'source "$1/deploy/lib.sh"; packages_missing "$2"'
    return output(["bash", "-c", f"program=tests/bench/run; {script}", "bash", ROOT,
                   PACKAGES]).split()


def say(line):
    print(f"tests/bench/run: {line}", file=sys.stderr, flush=True)


class Result:
    """The rounds of one bench: {name: {figure: [value, ...]}}."""

    def __init__(self, bench):
        self.figures = bench.FIGURES
        self.rounds = {name: {} for contestant in bench.CONTESTANTS
                       for name in contestant.names}
        self.failed = False  # somebody who should have been measured was not

    def add(self, measured):
        for name, values in measured.items():
            for figure in self.figures:
                if figure in values:
                    self.rounds[name].setdefault(figure, []).append(values[figure])

    def ratio(self, name, figure):
        """How many times better dusk is, the median of the rounds' ratios."""
        ours = self.rounds[OURS].get(figure, [])
        pairs = zip(ours, self.rounds[name][figure])
        more = self.figures[figure].more_is_better
        ratios = [our / their if more else their / our for our, their in pairs]
        return statistics.median(ratios) if ratios else None

    def summary(self):
        """{name: {figure: {median, least, most, rounds, ratio}}}"""
        return {name: {figure: {"median": statistics.median(values), "least": min(values),
                                "most": max(values), "rounds": len(values),
                                "ratio": self.ratio(name, figure)}
                       for figure, values in figures.items()}
                for name, figures in self.rounds.items() if figures}


def run(bench, rounds, quick, missing, only=None):
    """Runs all rounds of a bench, of dusk and all others or `only` some of them, and
    returns its Result."""
    result = Result(bench)
    contestants = []
    for contestant in bench.CONTESTANTS:
        if only and not {OURS, *only} & set(contestant.names):
            continue
        lacks = [name for name in contestant.packages if name in missing]
        if lacks:
            say(f"{', '.join(contestant.names)}: left out, since {', '.join(lacks)} is "
                "not installed")
        else:
            contestants.append(contestant)
    for number in range(1, rounds + 1):
        for contestant in list(contestants):
            say(f"round {number} of {rounds}: {', '.join(contestant.names)}")
            try:
                result.add(contestant.measure(quick))
            except Unavailable as why:
                say(f"{', '.join(contestant.names)}: left out: {why}")
                result.failed = True
                contestants.remove(contestant)
    return result


def number(value):
    """Three figures at least, and no more than are worth reading."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if 0 < size < 1e-3:
        return f"{value:.1e}"
    return f"{value:.{1 if size >= 10 else 2 if size >= 1 else 3}f}"


def table(result):
    """Lines: a figure, who, median, least and most, and how much better dusk is."""
    summary = result.summary()
    rows = [["figure", "", "median", "least", "most", "", "dusk is better by"]]
    for figure, kind in result.figures.items():
        for name, figures in summary.items():
            if figure in figures:
                values = figures[figure]
                ratio = "" if name == OURS else number(values["ratio"]) + " x"
                rows.append([figure, name, number(values["median"]),
                             number(values["least"]), number(values["most"]), kind.unit,
                             ratio])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = {2, 3, 4, 6}
    return ["  ".join(cell.rjust(width) if i in right else cell.ljust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]
