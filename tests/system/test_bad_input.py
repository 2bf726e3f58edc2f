"""Wrong input: one clear line, the right exit code, and nothing left running."""

import gzip
import os
import shutil
import socket
import subprocess
import tempfile

import daemons
import tap

DIRECTORY = tempfile.mkdtemp(prefix="dusk-test-")
SECONDS = 60


def write(name, text):
    path = os.path.join(DIRECTORY, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def refuses(code, words, command, environment=None):
    """Runs a command that must fail: its code, and one line that has all the words."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    lines = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert done.returncode == code, (command, done.returncode, done.stderr)
    assert not done.stdout, done.stdout
    # Usage errors may add where to look.
    assert 1 <= len(lines) <= (2 if code == 2 else 1), done.stderr
    for word in words:
        assert word in lines[0], (word, done.stderr)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def usage():
    """Options that do not exist, lack a value or have a wrong one"""
    for words, options in [
            (["--colour"], ["--colour"]),
            (["l1", "-3"], ["--l1", "-3"]),
            (["l1", "nan"], ["--l1", "nan"]),
            (["l1", "seven"], ["--l1", "seven"]),
            (["variant", "gossip"], ["--variant", "gossip"]),
            (["form", "modern"], ["--form", "modern"]),
            (["rows", "0"], ["--rows", "0"]),
            (["tolerance"], ["--tolerance", "0"]),
            (["max-time", "soon"], ["--max-time", "soon"]),
            (["memory-limit", "4XB"], ["--memory-limit", "4XB"]),
            (["20", "10"], ["--rows", "10", "--chunks", "20"]),
            (["--input", "--l1"], ["--input", "x.csv"]),
            (["--rows"], ["--rows", "10", "--input", "x.csv", "--l1", "1"]),
            (["--workers", "tcp://h:1"], ["--workers", "2", "--scheduler", "tcp://h:1"]),
            (["gram"], ["--family", "logistic", "--local", "gram"]),
            (["--no-intercept"], ["--intercept", "--no-intercept"])]:
        refuses(2, words, [daemons.DUSK, "admm", *options])
    refuses(2, ["frobnicate"], [daemons.DUSK, "frobnicate"])
    refuses(2, ["frobnicate"], [daemons.DUSK, "help", "frobnicate"])
    asked = [subprocess.run([daemons.DUSK, *words], capture_output=True, timeout=SECONDS,
                            check=True).stdout
             for words in (["help", "status"], ["status", "--help"])]
    assert asked[0] == asked[1], asked[0]
    refuses(2, ["nonsense"], [daemons.WORKER, "nonsense"])
    refuses(2, ["--resources", "GPU"],
            [daemons.WORKER, "tcp://127.0.0.1:1", "--resources", "GPU"])
    refuses(2, ["--host-name"], [daemons.SCHEDULER, "--host-name", "x"])
    refuses(2, ["nthreads", "none"], [daemons.WORKER, "--nthreads", "none"])


def addresses():
    """Schedulers that are not there, or no addresses at all"""
    port = free_port()
    refuses(1, [f"127.0.0.1:{port}", "1 s"],
            [daemons.DUSK, "admm", "--scheduler", f"tcp://127.0.0.1:{port}", "--timeout",
             "1s"])
    refuses(1, ["nonsense"], [daemons.DUSK, "admm", "--scheduler", "nonsense"])
    refuses(1, ["nonsense"], [daemons.DUSK, "status"],
            {"DUSK_SCHEDULER_ADDRESS": "nonsense"})
    refuses(1, [f"127.0.0.1:{port}"],
            [daemons.DUSK, "status", "--scheduler", f"tcp://127.0.0.1:{port}", "--timeout",
             "1s"])


def ports():
    """A port that is taken, and a public one without --insecure"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refuses(1, [port, "in use"], [daemons.SCHEDULER, "--port", port])
    refuses(2, ["0.0.0.0", "--insecure"],
            [daemons.SCHEDULER, "--host", "0.0.0.0", "--port", str(free_port())])


def fit(path, *options):
    return [daemons.DUSK, "admm", "--input", path, "--l1", "1", "--workers", "1", *options]


def files():
    """CSV files that are no numbers, ragged, empty, absent or cut off"""
    good = "a,b,y\n" + "".join(f"{i},{i * i % 7},{i % 2}\n" for i in range(40))
    for name, text, words, options in [
            ("word.csv", good + "1,two,0\n", ["word.csv", "42", "b", "two"], []),
            ("missing.csv", good + "1,,0\n", ["missing.csv", "42", "b"], []),
            ("ragged.csv", good + "1,2\n", ["ragged.csv", "42"], []),
            ("nan.csv", good + "1,nan,0\n", ["nan.csv", "42", "b"], []),
            ("infinity.csv", good + "inf,2,0\n", ["infinity.csv", "42", "a"], []),
            ("empty.csv", "", ["empty.csv"], []),
            ("header.csv", "a,b,y\n", ["header.csv"], []),
            ("good.csv", good, ["good.csv", "nowhere"], ["--response", "nowhere"]),
            ("good.csv", good, ["100", "40"], ["--chunks", "100"]),
            ("domain.csv", good + "1,2,0.5\n", ["0.5"], ["--family", "logistic"])]:
        refuses(1, words, fit(write(name, text), *options))
    refuses(1, ["absent.csv"], fit(os.path.join(DIRECTORY, "absent.csv")))
    cut = os.path.join(DIRECTORY, "cut.csv.gz")
    with open(cut, "wb") as file:
        file.write(gzip.compress(good.encode())[:-20])
    refuses(1, ["cut.csv.gz"], fit(cut))


def kept_zero_column():
    """A column of zeros is kept, with coefficient 0"""
    import json
    path = write("zeros.csv", "a,b,y\n" + "".join(
        f"{i % 5},0,{3 * (i % 5) + 1}\n" for i in range(60)))
    done = subprocess.run(fit(path, "--json"), capture_output=True, text=True,
                          timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]
    assert run["certified"] and run["coefficients"][1] == 0, run["coefficients"]
    assert len(run["coefficients"]) == 3


def resources():
    """A memory limit below one chunk, a report that cannot be written"""
    small = ["admm", "--rows", "100000", "--columns", "50", "--workers", "1"]
    refuses(1, ["limit"], [daemons.DUSK, *small, "--memory-limit", "8MB"])
    refuses(1, ["/nowhere/report.html"],
            [daemons.DUSK, *small, "--report", "/nowhere/report.html"])
    refuses(1, ["/nowhere/report.html"],
            [daemons.DUSK, "demo", "--report", "/nowhere/report.html"])


def plugins():
    """Plugins that are not there, are no plugins, or lack their table"""
    refuses(1, ["/nowhere.so"],
            [daemons.WORKER, "tcp://127.0.0.1:1", "--preload", "/nowhere.so"])
    text = write("text.so", "no shared object\n")
    refuses(1, ["text.so"], [daemons.WORKER, "tcp://127.0.0.1:1", "--preload", text])
    source = write("empty.c", "int nothing;\n")
    library = os.path.join(DIRECTORY, "empty.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    refuses(1, ["empty.so", "dusk_functions"],
            [daemons.WORKER, "tcp://127.0.0.1:1", "--preload", library])


def garbage():
    """Garbage on the scheduler's port harms nobody"""
    with daemons.Cluster(workers=1) as cluster:
        port = int(cluster.address.rsplit(":", 1)[1])
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, bytes(range(256)) * 40,
                      b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + b"\0" * 48
                      + b"\x04\xff\xff\xff\xff"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                line.sendall(noise)
        status = cluster.status()
        assert len(status["workers"]) == 1, status
        assert cluster.scheduler.poll() is None


if __name__ == "__main__":
    try:
        tap.run(usage, addresses, ports, files, kept_zero_column, resources, plugins,
                garbage)
    finally:
        shutil.rmtree(DIRECTORY)
