"""Every .c and .h file is as clang-format 14 writes it with the .clang-format of the root."""

import os
import re
import shutil
import subprocess

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def formatter():
    """The clang-format of version 14: another one lays code out differently."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path:
            said = subprocess.run([path, "--version"], capture_output=True, text=True)
            if re.search(r"version 14\.", said.stdout):
                return path
    raise tap.Skip("no clang-format 14")


def sources():
    for directory, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if not name.startswith((".", "build"))]
        for name in names:
            if name.endswith((".c", ".h")):
                yield os.path.join(directory, name)


def all_formatted():
    """clang-format would change nothing"""
    path = formatter()
    wrong = subprocess.run(
        [path, "--dry-run", "-Werror", *sorted(sources())], cwd=ROOT, capture_output=True,
        text=True)
    assert wrong.returncode == 0, wrong.stderr


def disorder_is_seen():
    """clang-format would change a badly laid out line"""
    wrong = subprocess.run(
        [formatter(), "--dry-run", "-Werror", "--assume-filename=a.c"], cwd=ROOT,
        input="int  a ;\n", capture_output=True, text=True)
    assert wrong.returncode != 0


if __name__ == "__main__":
    tap.run(all_formatted, disorder_is_seen)
