"""Whole fits by dusk, scikit-learn and glmnet, on the same data.

Seconds are those of the fit alone: the data are in memory, in the layout that each likes
best.  A gap is how far the objective is above what dusk's duality gap proves to be out of
reach, relative to it; all objectives are computed here, from the coefficients.
"""

import json
import os
import tempfile
import time
from functools import cache, partial
from typing import NamedTuple

from contest import Contestant, Figure, Unavailable, output, program

# Read when numpy is imported, which is when it is needed.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

SUMMARY = "lasso and l1-logistic fits: dusk on 2 workers of one thread, the others on one"
FIGURES = {f"{name}_{figure}": Figure(unit, False)
           for name in ("lasso", "logistic")
           for figure, unit in (("seconds", "s"), ("gap", ""))}
LARGEST = 600  # of the numbers in the files, which are whole
UNIT = 100     # of which this much is 1


class Problem(NamedTuple):
    folder: str
    family: str
    l1: float
    x: object
    y: object

    def path(self, name):
        return os.path.join(self.folder, name)

    def objective(self, b):
        import numpy as np
        eta = self.x @ b
        loss = (np.sum((self.y - eta) ** 2) if self.family == "normal"
                else np.sum(np.logaddexp(0, eta) - self.y * eta))
        return loss + self.l1 * np.sum(np.abs(b))


problems = {}  # by (name, quick), made when they are needed
reachable = {}  # by folder: no objective is less


@cache
def files():
    """The folder of all problems, which ends with the program."""
    return tempfile.TemporaryDirectory(prefix="dusk-bench-fits-")


def write_csv(path, numbers):
    """Whole numbers as lines of fields of the same width: quicker than printing them."""
    import numpy as np
    words = "".join(f"{n:+05d}," for n in range(-LARGEST, LARGEST + 1))
    table = np.frombuffer(words.encode(), dtype=np.uint8).reshape(-1, 6)
    with open(path, "wb") as file:
        for part in np.array_split(numbers, max(1, len(numbers) // 10000)):
            text = table[part + LARGEST].reshape(len(part), -1)
            text[:, -1] = ord("\n")
            file.write(text.tobytes())


def problem(name, quick):
    try:
        import numpy as np
    except ImportError:
        raise Unavailable("python3-numpy is not installed") from None
    if (name, quick) in problems:
        return problems[name, quick]
    rows, columns = (500000, 100) if name == "lasso" else (200000, 50)
    if quick:
        rows, columns = rows // 50, columns // 5
    generator = np.random.default_rng(1)
    x = np.clip(np.rint(UNIT * generator.standard_normal((rows, columns))), -LARGEST,
                LARGEST).astype(int)
    beta = generator.uniform(-1, 1, columns) * (generator.uniform(size=columns) < 0.5) / UNIT
    eta = x @ beta
    if name == "lasso":
        y = np.clip(np.rint(20 * (eta + 2 * generator.standard_normal(rows))), -LARGEST,
                    LARGEST).astype(int)
        family, l1 = "normal", 40.0 * UNIT * np.sqrt(rows)
    else:
        y = (generator.uniform(size=rows) < 1 / (1 + np.exp(-eta))).astype(int)
        family, l1 = "logistic", 0.5 * UNIT * np.sqrt(rows)
    folder = tempfile.mkdtemp(dir=files().name)
    made = Problem(folder, family, float(l1), x.astype(float), y.astype(float))
    write_csv(made.path("data.csv"), np.column_stack([x, y]))
    made.x.T.tofile(made.path("x"))
    made.y.tofile(made.path("y"))
    problems[name, quick] = made
    return made


def measure(name, fit, quick):
    """What `fit` finds of both problems: it returns seconds and coefficients."""
    figures = {}
    for which in ("lasso", "logistic"):
        given = problem(which, quick)
        figures[f"{which}_seconds"], b = fit(given)
        if given.folder not in reachable:
            raise Unavailable("there is no answer of dusk's to compare with")
        gap = given.objective(b) / reachable[given.folder] - 1
        figures[f"{which}_gap"] = max(gap, 1e-16)
    return {name: figures}


def dusk_fit(given):
    import numpy as np
    answer = json.loads(output([
        program("client", "dusk"), "admm", "--input", given.path("data.csv"), "--family",
        given.family, "--l1", repr(given.l1), "--no-intercept", "--workers", "2", "--json"]))
    run, setup = answer["runs"][0], answer["problem"]
    loaded = max(stop for _, kind, _, stop in setup["setup_tasks"] if kind == "data")
    b = np.array(run["coefficients"])
    reachable[given.folder] = given.objective(b) * (1 - run["duality_gap"])
    return setup["setup_seconds"] - loaded + run["seconds"], b


def sklearn_fit(given):
    import numpy as np
    from sklearn.linear_model import Lasso, LogisticRegression
    rows = len(given.y)
    if given.family == "normal":
        x = np.asfortranarray(given.x)
        model = Lasso(alpha=given.l1 / (2 * rows), fit_intercept=False, precompute=True,
                      tol=1e-9, max_iter=100000)
    else:
        x = given.x
        model = LogisticRegression(penalty="l1", C=1 / given.l1, fit_intercept=False,
                                   solver="liblinear", tol=1e-6, max_iter=10000)
    start = time.perf_counter()
    model.fit(x, given.y)
    return time.perf_counter() - start, model.coef_.ravel()


GLMNET = r"""
suppressMessages(library(glmnet))
a <- commandArgs(TRUE)
rows <- as.integer(a[2]); columns <- as.integer(a[3]); lambda <- as.numeric(a[5])
x <- matrix(readBin(file.path(a[1], "x"), "double", rows * columns), rows, columns)
y <- readBin(file.path(a[1], "y"), "double", rows)
time <- system.time(fit <- glmnet(x, y, family = a[4], lambda = lambda, thresh = 1e-14,
                                  standardize = FALSE, intercept = FALSE, maxit = 1e6))
writeBin(as.vector(fit$beta), file.path(a[1], "glmnet"))
cat(time[["elapsed"]])
"""


def glmnet_fit(given):
    import numpy as np
    rows, columns = given.x.shape
    normal = given.family == "normal"
    seconds = float(output([
        "Rscript", "-e", GLMNET, given.folder, str(rows), str(columns),
        "gaussian" if normal else "binomial",
        repr(given.l1 / (2 * rows if normal else rows))]))
    return seconds, np.fromfile(given.path("glmnet"))


CONTESTANTS = [
    Contestant(["dusk"], [], partial(measure, "dusk", dusk_fit)),
    Contestant(["scikit-learn"], ["python3-sklearn"],
               partial(measure, "scikit-learn", sklearn_fit)),
    Contestant(["glmnet"], ["r-cran-glmnet"], partial(measure, "glmnet", glmnet_fit)),
]
