"""Includes are written from the root and obey common <- proto <- {scheduler, worker, client}."""

import os
import re
import tempfile

import tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAY_INCLUDE = {
    "common": {"common"},
    "proto": {"common", "proto"},
    "scheduler": {"common", "proto", "scheduler"},
    "worker": {"common", "proto", "worker"},
    "client": {"common", "proto", "client"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
EXAMPLES = os.path.join("client", "examples")


def sources(root, folder):
    for directory, _, names in os.walk(os.path.join(root, folder)):
        for name in names:
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(directory, name), root)


def layer_of(root, include):
    """The layer an include reaches into; None when it is not written from the root.

    Headers that users install (dusk*.h) lie side by side there, so they are named bare.
    """
    if "/" in include:
        return include.split("/")[0]
    if re.fullmatch(r"dusk\w*\.h", include):
        for folder in MAY_INCLUDE:
            if os.path.exists(os.path.join(root, folder, include)):
                return folder
    return None


def wrong_includes(root, folder):
    """Lines "file includes header" of what breaks the rule; examples are users' code."""
    for path in sources(root, folder):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            includes = INCLUDE.findall(file.read())
        for include in includes:
            if path.startswith(EXAMPLES):
                fine = include.startswith("dusk") and "/" not in include
            else:
                fine = layer_of(root, include) in MAY_INCLUDE[folder]
            if not fine:
                yield f"{path} includes {include}"


def check(folder):
    def case():
        wrong = sorted(wrong_includes(ROOT, folder))
        assert not wrong, "\n".join(wrong)

    case.__doc__ = f"{folder} includes only {', '.join(sorted(MAY_INCLUDE[folder]))}"
    return case


def wrong_is_seen():
    """Includes of another layer, and bare ones, are seen"""
    with tempfile.TemporaryDirectory() as root:
        for folder in ("proto", "scheduler"):
            os.mkdir(os.path.join(root, folder))
        open(os.path.join(root, "scheduler", "dusk_up.h"), "w").close()
        with open(os.path.join(root, "proto", "a.c"), "w", encoding="utf-8") as file:
            for include in ("common/err.h", "scheduler/x.h", "bare.h", "dusk_up.h"):
                file.write(f'#include "{include}"\n')
        assert len(list(wrong_includes(root, "proto"))) == 3


if __name__ == "__main__":
    tap.run(*[check(folder) for folder in MAY_INCLUDE], wrong_is_seen)
