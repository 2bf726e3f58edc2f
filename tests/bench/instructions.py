"""Holds the instructions of fixed workloads against a table, so that a slow-down is seen
on a noisy machine too:

    instructions.py PROGRAM TABLE BUILD_KIND [--update]

The counts are callgrind's.  They repeat to a fraction of a percent for one compiler, one
kind of build and one kind of processor; with any other the cases are skipped.  A count
that is TOLERANCE above the table fails, and so does one that is as far below: a gain that
is not written down could be lost again unseen.

    ninja -C build update-instructions

writes what is counted now into the table; commit it with the change that explains it.
When a merge conflicts in the table, take either side and run the command.
"""

import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import tap  # noqa: E402

TOLERANCE = 0.02
# Rows that changed by less are left alone, so that branches seldom meet in them.
WORTH_WRITING = 0.01


def count(program, workload):
    """The instructions of a workload, in an environment that is always the same: Meson's
    MALLOC_PERTURB_ has memory written over."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         "--toggle-collect=counted", program, workload],
        env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not collected:
        raise RuntimeError(f"{workload} ended with {run.returncode}:\n{run.stderr}")
    return int(collected[1])


def list_workloads(program):
    return subprocess.run([program, "--list"], capture_output=True, text=True,
                          check=True).stdout.split()


def why_not(build_kind, table):
    """Why counts made here would say nothing about the table, or None."""
    if build_kind != table["build_kind"]:
        return f"the counts are those of {table['build_kind']}, this is {build_kind}"
    if not shutil.which("valgrind"):
        return "no valgrind"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        if " avx2" not in info.read():
            return "the counts are those of a processor with AVX2"
    return None


def compare(workload, now, before):
    """Raises when the counts are too far apart."""
    change = now / before - 1
    if abs(change) <= TOLERANCE:
        return
    advice = "if it must cost that" if change > 0 else "to keep the gain"
    raise AssertionError(
        f"{workload}: {now:,} instructions, {change:+.1%} of the table's {before:,}; "
        f"{advice}: ninja -C build update-instructions")


def case(program, workload, table, reason):
    def counted_case():
        if reason:
            raise tap.Skip(reason)
        if workload not in table["counts"]:
            raise AssertionError(f"{workload} is not in the table: "
                                 "ninja -C build update-instructions")
        compare(workload, count(program, workload), table["counts"][workload])

    counted_case.__doc__ = f"{workload} takes the instructions that the table says"
    return counted_case


def update(program, path, build_kind, table):
    before = table["counts"] if table["build_kind"] == build_kind else {}
    counts = {}
    for workload in list_workloads(program):
        now, old = count(program, workload), before.get(workload, 0)
        changed = not old or abs(now / old - 1) > WORTH_WRITING
        counts[workload] = now if changed else old
        print(f"{workload:24} {now:12,}" + (f"  {now / old - 1:+.1%}" if old else "  new"))
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"build_kind": build_kind, "counts": counts}, file, indent=4)
        file.write("\n")


def main(program, path, build_kind, *options):
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    if options == ("--update",):
        return update(program, path, build_kind, table)
    reason = why_not(build_kind, table)
    return tap.run(*(case(program, workload, table, reason)
                     for workload in list_workloads(program)))


main(*sys.argv[1:])
