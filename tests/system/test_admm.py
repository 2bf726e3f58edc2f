"""dusk admm on real daemons: known answers, and disturbances in the middle of runs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import daemons
import tap

CASE_CSV = sys.argv[1]
CASES = ["01", "02", "03", "04", "05", "08", "09", "11", "13", "15", "16"]
RUN_SECONDS = 300

# Small enough for a test, long enough to be disturbed; sanitizers take their time.
CHUNKS = 160 // daemons.DIVISOR
JOB = ["admm", "--family", "logistic", "--rows", str(5000 * CHUNKS), "--columns", "50",
       "--chunk-rows", "5000", "--json"]
# Data, responses, Gram matrices and factors of all chunks: then updates begin.
PREPARED = 4 * CHUNKS


def finish(job, code=0):
    try:
        out, err = job.communicate(timeout=RUN_SECONDS)
    finally:
        job.kill()
    assert job.returncode == code, f"exit {job.returncode}, not {code}: {err[-2000:]}"
    return json.loads(out)


def known_answers():
    """The known answers of all cases, in all three variants"""
    with daemons.Cluster() as cluster:
        for name in CASES:
            path = os.path.join(cluster.directory, f"case{name}.csv")
            made = subprocess.run([CASE_CSV, name, path], capture_output=True, text=True)
            assert made.returncode == 0, made.stderr
            case = json.loads(made.stdout)
            result = finish(cluster.dusk(
                "admm", "--input", path, "--l1", repr(case["l1"]), "--family",
                case["family"], "--chunk-rows", str(case["chunk_rows"]),
                "--intercept" if case["intercept"] else "--no-intercept", "--variant",
                "all", "--json"))
            os.unlink(path)
            for run in result["runs"]:
                gap = run["objective"] / case["objective"] - 1
                assert run["certified"] and abs(gap) <= 1e-8, (name, run["variant"], gap)
                wrong = max(abs(b - c) for b, c in
                            zip(run["coefficients"], case["minimiser"], strict=True))
                size = max(1, max(map(abs, case["minimiser"])))
                assert wrong <= 1e-6 * size, (name, run["variant"], wrong)


def coefficients_have_names():
    """Coefficients of a CSV file bear the names of its columns, the intercept is last"""
    with daemons.Cluster() as cluster:
        path = os.path.join(cluster.directory, "named.csv")
        with open(path, "w", encoding="ascii") as file:
            file.write("east,yield,north\n")
            for i in range(40):
                east, north = i % 7, i % 5
                file.write(f"{east},{3 * east - 2 * north + 10},{north}\n")
        for option, last in ("--intercept", ["(intercept)"]), ("--no-intercept", []):
            names = ["east", "north", *last]
            common = ["admm", "--input", path, "--response", "yield", "--l1", "0.001", option]
            result = finish(cluster.dusk(*common, "--json"))
            assert result["problem"]["column_names"] == names, result["problem"]
            out, err = cluster.dusk(*common).communicate(timeout=RUN_SECONDS)
            shown = [line.split() for line in out.splitlines()[-len(names):]]
            assert [name for _, name in shown] == names, (out, err)
            for (value, _), b in zip(shown, result["runs"][0]["coefficients"], strict=True):
                assert abs(float(value) - b) <= 1e-6, (out, result["runs"])
        os.unlink(path)


def local_solvers_agree():
    """L-BFGS on the rows and Gram matrices agree to 1e-8"""
    with daemons.Cluster() as cluster:
        answers = [finish(cluster.dusk("admm", "--rows", "200000", "--columns", "50",
                                       "--chunk-rows", "5000", "--json", "--local",
                                       local))["runs"][0]
                   for local in ("lbfgs", "gram")]
        assert all(answer["certified"] for answer in answers)
        for a, b in zip(*(answer["coefficients"] for answer in answers), strict=True):
            assert abs(a - b) <= 1e-8, (a, b)


def rows_are_asked_when_sums_are_not_enough():
    """A gap beyond what sums can tell is certified by the rows"""
    def kinds_and_run(*options):
        run = finish(cluster.dusk("admm", "--rows", "20000", "--columns", "20", "--json",
                                  "--chunk-rows", "1000", *options))["runs"][0]
        assert run["certified"], run["duality_gap"]
        return set(run["kinds"]), run
    with daemons.Cluster() as cluster:
        kinds, coarse = kinds_and_run("--tolerance", "1e-6")
        assert kinds == {"glm_prox_gram"}, kinds
        kinds, fine = kinds_and_run("--tolerance", "1e-13")
        assert kinds == {"glm_prox_gram", "glm_evaluate"}, kinds
        assert fine["duality_gap"] <= 1e-13 < coarse["duality_gap"] <= 1e-6
        for a, b in zip(coarse["coefficients"], fine["coefficients"], strict=True):
            assert abs(a - b) <= 1e-9, (a, b)


def classic_diverges_and_robust_does_not():
    """The published asynchronous form diverges where it must, with exit code 3"""
    with daemons.Cluster(workers=4) as cluster:
        # Chunks of fewer rows than columns differ as much as chunks can, and eight
        # updates in flight on four chunks draw each one while it is out.
        common = ["admm", "--rows", "44", "--columns", "50", "--chunk-rows", "11",
                  "--variant", "async", "--json"]
        job = cluster.dusk(*common, "--form", "classic", "--max-time", "60s")
        out, err = job.communicate(timeout=RUN_SECONDS)
        assert job.returncode == 3, (job.returncode, err)
        assert "warning" in err, err
        run = json.loads(out)["runs"][0]
        assert run["status"] == "diverged" and not run["certified"], run["status"]
        assert run["reason"], run
        assert finish(cluster.dusk(*common))["runs"][0]["certified"]


def undisturbed(cluster):
    return finish(cluster.dusk(*JOB, "--tolerance", "1e-10"))["runs"][0]


def disturbed(cluster, disturb):
    """Disturbs a run once its updates have begun; returns its result."""
    job = cluster.dusk(*JOB, "--tolerance", "1e-10")
    try:
        daemons.wait_for("updates", lambda: job.poll() is not None or sum(
            row["chunks"] for row in cluster.status()["workers"]) >= PREPARED, RUN_SECONDS)
        assert job.poll() is None, "the run was over before it was disturbed"
        disturb()
        return finish(job)["runs"][0]
    finally:
        job.kill()
        job.wait()


def same_answer(run, expected):
    assert run["certified"] and expected["certified"]
    wrong = abs(run["objective"] - expected["objective"]) / abs(expected["objective"])
    assert wrong <= 1e-8, wrong
    for a, b in zip(run["coefficients"], expected["coefficients"], strict=True):
        assert abs(a - b) <= 1e-8, (a, b)


def killed_worker():
    """kill -9 of a worker in the middle of a run changes nothing"""
    with daemons.Cluster() as cluster:
        expected = undisturbed(cluster)
        victim = cluster.computing(cluster.workers[0])
        same_answer(disturbed(cluster, lambda: os.kill(victim, signal.SIGKILL)), expected)


def killed_with_nanny():
    """kill -9 of a worker and its nanny in the middle of a run changes nothing"""
    with daemons.Cluster() as cluster:
        expected = undisturbed(cluster)

        same_answer(disturbed(cluster, lambda: daemons.kill_tree(cluster.workers[0].pid)),
                    expected)


def stopped_worker():
    """A worker stopped for 5 s and continued changes nothing"""
    with daemons.Cluster() as cluster:
        expected = undisturbed(cluster)
        victim = cluster.computing(cluster.workers[0])

        def pause():
            os.kill(victim, signal.SIGSTOP)
            time.sleep(5)
            os.kill(victim, signal.SIGCONT)
        same_answer(disturbed(cluster, pause), expected)


def joining_worker():
    """A worker that joins in the middle of a run changes nothing"""
    with daemons.Cluster(workers=1) as cluster:
        expected = undisturbed(cluster)
        same_answer(disturbed(cluster, cluster.add_worker), expected)
        assert len(cluster.status()["workers"]) == 2


def retiring_worker():
    """A worker that retires hands over what only it has"""
    with daemons.Cluster() as cluster:
        expected = undisturbed(cluster)
        victim = cluster.workers[0]
        same_answer(disturbed(cluster, victim.terminate), expected)
        assert victim.wait(daemons.END_SECONDS) == 0
        assert len(cluster.status()["workers"]) == 1


def embedded_cluster():
    """Without a scheduler it starts its own cluster and leaves nothing behind"""
    temporary = tempfile.mkdtemp(prefix="dusk-test-")
    environment = {**os.environ, "TMPDIR": temporary}
    environment.pop("DUSK_SCHEDULER_ADDRESS", None)
    try:
        job = subprocess.Popen([daemons.DUSK, *JOB, "--workers", "2"], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL)
        below = daemons.wait_for("children", lambda: daemons.children(job.pid))
        assert finish(job)["runs"][0]["certified"]
        daemons.wait_for("the end", lambda: not any(map(daemons.lives, below)))
        assert not os.listdir(temporary), os.listdir(temporary)
        job = subprocess.Popen([daemons.DUSK, *JOB, "--rows", "4000000"], env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               stdin=subprocess.DEVNULL)
        below = daemons.wait_for("workers", lambda: len(p := daemons.children(job.pid)) > 2
                                 and p)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=daemons.END_SECONDS)
        assert job.returncode == 1, (job.returncode, err)
        daemons.wait_for("the end", lambda: not any(map(daemons.lives, below)))
        assert not os.listdir(temporary), os.listdir(temporary)
    finally:
        left = os.listdir(temporary)
        if not left:
            os.rmdir(temporary)


if __name__ == "__main__":
    tap.run(known_answers, coefficients_have_names, local_solvers_agree,
            rows_are_asked_when_sums_are_not_enough, classic_diverges_and_robust_does_not,
            killed_worker, killed_with_nanny, stopped_worker, joining_worker,
            retiring_worker, embedded_cluster)
