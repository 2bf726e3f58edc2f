"""What the system tests share: each case is a function, its doc string is its name.

A case passes by returning, fails by raising, and is left out by raising Skip(why).
"""

import signal
import sys
import traceback


class Skip(Exception):
    """The case cannot be tried here; the text says why."""


def run(*cases):
    """Runs the cases in order, prints TAP and exits.  SIGTERM, as after too long a time,
    ends a case like an exception, so that it cleans up."""
    good = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"1..{len(cases)}", flush=True)
    for number, case in enumerate(cases, 1):
        name = case.__doc__.strip().split("\n")[0].rstrip(".")
        try:
            case()
            print(f"ok {number} {name}", flush=True)
        except Skip as why:
            print(f"ok {number} {name} # SKIP {why}", flush=True)
        except Exception:
            good = False
            print(f"not ok {number} {name}")
            for line in traceback.format_exc().rstrip().split("\n"):
                print(f"# {line}")
            sys.stdout.flush()
    sys.exit(0 if good else 1)
