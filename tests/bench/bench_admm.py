"""The published problem by ADMM: dusk, and dask.distributed on the same chunks.

The command takes turns with its peer itself, within each round.
"""

import json

from contest import Contestant, Figure, output, program

VARIANTS = ("sync", "async", "batched")
SUMMARY = ("the published problem; seconds are dusk's to a certified 1e-6, and "
           "dask.distributed's to 1e-4 by its quickest variant")
FIGURES = {
    **{f"classic_{variant}_updates_per_second": Figure("/s", True) for variant in VARIANTS},
    **{f"{variant}_{seconds}": Figure("s", False)
       for seconds in ("setup_and_seconds", "seconds") for variant in VARIANTS},
}


def measure(quick):
    problem = ["--rows", "20000", "--columns", "20", "--chunks", "8"] if quick else []
    figures = json.loads(output([program("client", "dusk"), "bench", "admm", "--peer", "dask",
                                 "--json", "--rounds", "1", *problem]))
    reached = [figures[name] for variant in VARIANTS
               if (name := f"dask_{variant}_seconds_to_1e-4") in figures]
    ours, theirs = {}, {}
    for variant in VARIANTS:
        rate = f"{variant}_updates_per_second"
        ours[f"classic_{rate}"] = figures[f"classic_{rate}"]
        theirs[f"classic_{rate}"] = figures[f"dask_{rate}"]
        for seconds in ("setup_and_seconds", "seconds"):
            certified = f"robust_{variant}_{seconds}_certified"
            if certified in figures:
                ours[f"{variant}_{seconds}"] = figures[certified]
            if reached:
                theirs[f"{variant}_{seconds}"] = min(reached)
    return {"dusk": ours, "dask.distributed": theirs}


CONTESTANTS = [
    Contestant(["dusk", "dask.distributed"], ["python3-distributed", "python3-scipy"],
               measure),
]
