"""The published ADMM (White & Rocklin, 2017) on dask.distributed, for `dusk bench admm`.

    python3 -c SCRIPT DIRECTORY

The directory has the problem as problem.json, and each chunk i as x-i and y-i, doubles
row by row.  Two workers of one thread keep them.  Prints a line of JSON, null, when
these are there; then reads lines {"variant": NAME, "updates": COUNT}, and answers each
with {"seconds": [...], "updates": [...], "z": [[...], ...]}, a point a combine, since
the first submit.  Ends with its input.
"""
import json
import os
import random
import signal
import sys
import tempfile
import time

for name in ("OPENBLAS", "OMP", "MKL"):
    os.environ[name + "_NUM_THREADS"] = "1"

# pylint: disable=wrong-import-position
import dask  # noqa: E402
import numpy as np  # noqa: E402
from distributed import Client, LocalCluster, as_completed, wait  # noqa: E402
from scipy.optimize import fmin_l_bfgs_b  # noqa: E402

WORKERS = 2


def load(directory, chunk, columns):
    x = np.fromfile(os.path.join(directory, f"x-{chunk}")).reshape(-1, columns)
    return x, np.fromfile(os.path.join(directory, f"y-{chunk}"))


def update(data, z, u, beta, rho):
    """argmin ||y - X b||^2 + rho/2 ||b - z + u||^2, from beta."""
    x, y = data

    def loss(b):
        r, d = y - x @ b, b - z + u
        return r @ r + rho / 2 * (d @ d), rho * d - 2 * (r @ x)

    return fmin_l_bfgs_b(loss, beta, maxiter=200, maxfun=250)[0]


class Fit:
    """One run: the state of all chunks, and the trace of z."""

    def __init__(self, client, chunks, problem):
        self.client, self.chunks, self.problem = client, chunks, problem
        shape = (len(chunks), problem["columns"])
        self.beta, self.u = np.zeros(shape), np.zeros(shape)
        self.z = np.zeros(problem["columns"])
        self.random = random.Random(problem["seed"])
        self.count, self.number = 0, {}
        self.trace = {"seconds": [], "updates": [], "z": []}
        self.start = time.perf_counter()

    def submit(self, chunk):
        self.u[chunk] += self.beta[chunk] - self.z
        future = self.client.submit(update, self.chunks[chunk], self.z, self.u[chunk],
                                    self.beta[chunk], self.problem["rho"], pure=False)
        self.number[future] = chunk
        return future

    def submit_any(self):
        return self.submit(self.random.randrange(len(self.chunks)))

    def arrive(self, future, beta):
        self.beta[self.number.pop(future)] = beta
        self.count += 1

    def combine(self, inflate):
        chunks = len(self.chunks)
        mean = (self.beta + self.u).mean(axis=0)
        if inflate and self.count < chunks:
            mean *= chunks / (self.count + 1)
        limit = self.problem["l1"] / (self.problem["rho"] * chunks)
        self.z = np.sign(mean) * np.maximum(np.abs(mean) - limit, 0)
        self.trace["seconds"].append(time.perf_counter() - self.start)
        self.trace["updates"].append(self.count)
        self.trace["z"].append(self.z.tolist())

    def sync(self, updates):
        while self.count < updates:
            futures = [self.submit(chunk) for chunk in range(len(self.chunks))]
            for future, beta in zip(futures, self.client.gather(futures)):
                self.arrive(future, beta)
            self.combine(inflate=False)

    def start_some(self):
        return as_completed([self.submit_any() for _ in range(2 * WORKERS)],
                            with_results=True)

    def run_async(self, updates):
        completed = self.start_some()
        for future, beta in completed:
            self.arrive(future, beta)
            self.combine(inflate=True)
            if self.count >= updates:
                return
            completed.add(self.submit_any())

    def batched(self, updates):
        completed = self.start_some()
        for batch in completed.batches():
            for future, beta in batch:
                self.arrive(future, beta)
            self.combine(inflate=True)
            if self.count >= updates:
                return
            for _ in batch:
                completed.add(self.submit_any())

    def run(self, variant, updates):
        {"sync": self.sync, "async": self.run_async,
         "batched": self.batched}[variant](updates)
        wait(list(self.number))  # the workers are free for the next run
        return self.trace


def main(directory):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What others print is for people.
    answers, sys.stdout = sys.stdout, sys.stderr
    with open(os.path.join(directory, "problem.json"), encoding="utf-8") as file:
        problem = json.load(file)
    dask.config.set({"distributed.worker.daemon": True})
    with tempfile.TemporaryDirectory(dir=directory) as space, \
            LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True,
                         memory_limit=0, dashboard_address=None,
                         local_directory=space) as cluster, \
            Client(cluster) as client:
        chunks = [client.submit(load, directory, chunk, problem["columns"])
                  for chunk in range(problem["chunks"])]
        wait(chunks)
        print("null", file=answers, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            trace = Fit(client, chunks, problem).run(job["variant"], job["updates"])
            print(json.dumps(trace), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
