#!/usr/bin/env python3
"""Prints a report document with made-up but plausible runs, for the tests of the
report's page.  The same options give the same document.

    fake_report.py [--seed N] [--threads N] [--task-seconds S]

Small --task-seconds means many tasks: 0.0005 gives some tens of thousands a run.
"""
import argparse
import json
import math
import random

LEVELS = ("1e-2", "1e-4", "1e-6")


class Clock:
    """Workers that take the next piece of work when they are free."""

    def __init__(self, threads):
        self.free = [0.0] * threads
        self.tasks = []

    def run(self, kind, chunk, seconds, overhead):
        thread = min(range(len(self.free)), key=self.free.__getitem__)
        start = self.free[thread] + overhead
        self.free[thread] = start + seconds
        self.tasks.append([thread, kind, chunk, round(start, 7),
                           round(start + seconds, 7)])
        return start + seconds

    def barrier(self, pause):
        now = max(self.free) + pause
        self.free = [now] * len(self.free)
        return now


def sweep_gap(form, sweeps, rng):
    """The relative gap after so many passes over the chunks."""
    rate, floor = (1.05, 1e-9) if form == "robust" else (0.5, 4e-5)
    noise = math.exp(rng.gauss(0, 0.12))
    return (3.0 * math.exp(-rate * sweeps) + floor) * noise


def simulate(variant, form, chunks, threads, task_seconds, sweeps, rng):
    """One run: its tasks, its trace and its length."""
    speed = [math.exp(rng.gauss(0, 0.35)) for _ in range(chunks)]
    clock = Clock(threads)
    trace = []
    updates = 0
    lag = {"sync": 1.0, "async": 1.12, "batched": 1.05}[variant]
    overhead = {"sync": 0.002, "async": 0.01, "batched": 0.004}[variant] * task_seconds
    order = list(range(chunks))
    for sweep in range(sweeps):
        if variant != "sync":
            rng.shuffle(order)
        for chunk in order:
            seconds = task_seconds * speed[chunk] * math.exp(rng.gauss(0, 0.15))
            now = clock.run(0, chunk, seconds, overhead)
            updates += 1
            if variant == "async" or (variant == "batched" and rng.random() < 0.4):
                done = updates / chunks / lag
                wobble = math.exp(rng.gauss(0, 0.25))
                gap = sweep_gap(form, done, rng) if rng.random() < 0.1 else None
                trace.append([now, updates, gap, 2.2 * wobble * math.exp(-0.6 * done),
                              1.4 * wobble * math.exp(-0.55 * done) + 1e-5])
        if variant == "sync":
            now = clock.barrier(0.4 * task_seconds)
            done = (sweep + 1) / lag
            trace.append([now, updates, sweep_gap(form, done, rng),
                          2.2 * math.exp(-0.6 * done), 1.4 * math.exp(-0.55 * done)])
    if form == "robust":
        gap = 1e-6
        for _ in range(3):
            clock.barrier(0.3 * task_seconds)
            for chunk in range(chunks):
                clock.run(1, chunk, 1.6 * task_seconds * speed[chunk], overhead)
            now = clock.barrier(0.0)
            gap = max(gap * gap * 30, 2e-13)
            trace.append([now, updates, gap, None, None])
        for chunk in range(chunks):
            clock.run(2, chunk, 0.5 * task_seconds, overhead)
    trace.sort(key=lambda record: record[0])
    seconds = clock.barrier(0.1 * task_seconds)
    return clock.tasks, [[round(t, 7), *rest] for t, *rest in trace], seconds, updates


def make_run(variant, form, local, truth, objective, chunks, threads, task_seconds,
             sweeps, rng):
    tasks, trace, seconds, updates = simulate(variant, form, chunks, threads,
                                              task_seconds, sweeps, rng)
    gaps = [(t, gap) for t, _, gap, _, _ in trace if gap is not None]
    gap = gaps[-1][1]
    certified = form == "robust"
    blur = 0 if certified else math.sqrt(gap)
    return {
        "variant": variant, "form": form, "local": local,
        "status": "certified" if certified else "not converged",
        "updates": updates, "seconds": seconds, "updates_per_second": updates / seconds,
        "objective": objective * (1 + gap), "gap": gap,
        "kkt": gap * objective / 40,
        "duality_gap": gap * 1.7 if certified else None,
        "certified": certified,
        "busy_fraction": sum(t[4] - t[3] for t in tasks) / (seconds * threads),
        "seconds_to_gap": {
            level: next((t for t, g in gaps if g <= float(level)), None)
            for level in LEVELS},
        "coefficients": [b and b + blur * rng.gauss(0, 1) for b in truth],
        "threads": [f"w{i}/0" for i in range(threads)],
        "kinds": (["glm_prox", "glm_evaluate", "glm_certify"] if form == "robust"
                  else ["admm_lbfgs"]),
        "tasks": tasks, "trace": trace,
    }


def setup_tasks(kinds, chunks, threads, task_seconds, rng):
    clock = Clock(threads)
    for kind in kinds:
        for chunk in range(chunks):
            seconds = 2 * task_seconds * math.exp(rng.gauss(0, 0.1))
            clock.run(kind, chunk, seconds, 0.02 * task_seconds)
        clock.barrier(0.1 * task_seconds)
    return [[thread, kind, start, stop] for thread, kind, _, start, stop in clock.tasks]


def make_problem(name, family, rows, columns, chunks, l1, truth, objective, forms,
                 options, rng, **more):
    setup = setup_tasks(more.pop("setup_kinds"), chunks, options.threads,
                        options.task_seconds, rng)
    runs = [make_run(variant, form, local, truth, objective, chunks, options.threads,
                     options.task_seconds * scale, sweeps, rng)
            for form, local, scale, sweeps in forms
            for variant in ("sync", "async", "batched")]
    best = min(runs, key=lambda run: run["gap"])
    problem = {
        "name": name, "family": family, "rows": rows, "columns": columns,
        "chunks": chunks, "chunk_rows": rows // chunks, "l1": l1, "intercept": False,
        "local": "lbfgs", "seed": options.seed, "objective": objective,
        "nonzero": sum(b != 0 for b in truth), "setup_seconds": setup[-1][3],
        "duality_gap": best["duality_gap"], "kkt": best["kkt"], "setup_tasks": setup,
        **more}
    return {"problem": problem, "runs": runs}


def shirt(rng):
    """Coefficients that look like a picture: 28 x 28, mostly zero, two signs."""
    picture = []
    for y in range(28):
        for x in range(28):
            u, v = (x - 13.5) / 14, (y - 13.5) / 14
            body = math.exp(-((abs(u) - 0.45) / 0.12) ** 2 - (v / 0.9) ** 4)
            collar = math.exp(-((v + 0.75) / 0.12) ** 2 - (u / 0.4) ** 2)
            value = 0.9 * body - 1.2 * collar + rng.gauss(0, 0.22)
            picture.append(value if abs(value) > 0.3 else 0.0)
    return picture


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--task-seconds", type=float, default=0.006)
    options = parser.parse_args()
    rng = random.Random(options.seed)

    uniform = [rng.random() for _ in range(100)]
    for zero in rng.sample(range(100), 10):
        uniform[zero] = 0.0
    published = make_problem(
        "published problem", "normal", 2000000, 100, 40, 7.2, uniform, 8001234.56,
        [("classic", "lbfgs", 4, 18), ("robust", "lbfgs", 1, 14)], options, rng,
        setup_kinds=["random_normal", "linear_response", "glm_gram"])
    picture = make_problem(
        "Fashion-MNIST, shirts against the rest", "logistic", 60000, 784, 60, 30.0,
        shirt(rng), 13857.25, [("robust", "lbfgs", 2, 16)], options, rng,
        setup_kinds=["read_idx", "glm_summary"],
        image={"width": 28, "height": 28, "title": "What makes a shirt"})
    print(json.dumps({
        "dusk": "0.1.0", "created": "2026-01-31T12:00:00Z",
        "host": {"cores": 2, "workers": options.threads, "threads_per_worker": 1},
        "problems": [published, picture]}))


if __name__ == "__main__":
    main()
