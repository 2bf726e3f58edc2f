"""A cluster with keys: who is let in, who is not, and what both sides are told."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from unittest import mock

import tap
from curve import CurveDealer, public_key, settings
from daemons import (BUILD, DUSK, END_SECONDS, SCHEDULER, WORKER, Cluster, start_ready,
                     wait_for)
from zmtp import REFUSE, Dealer

SHIFTED_CLOCK = sys.argv[1]
GET_DATA, NO_DATA = 50, 53
E_REFUSED = -7
ONE_SIDE = "one side has keys and the other does not"


def dusk(*arguments, **environment):
    job = subprocess.run([DUSK, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True, timeout=END_SECONDS, env={**os.environ, **environment})
    return job.returncode, job.stdout, job.stderr


def keygen(*arguments):
    code, out, err = dusk("keygen", *arguments)
    assert code == 0, err
    return out


class Keys:
    """A directory with keys, and the files that are made of them; use it in a `with`."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="dusk-keys-")
        self.directory = self.path("keys")
        keygen(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def path(self, name):
        return os.path.join(self.root, name)

    def file(self, name):
        return os.path.join(self.directory, name)

    def join(self, role):
        return self.file(role + ".join")

    def forged(self, role, **changes):
        """A join file of a role with other values for some of its words."""
        path = self.path("forged.join")
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            for word, value in {**settings(self.join(role)), **changes}.items():
                file.write(f"{word} {value}\n")
        return path


class KeyedCluster(Cluster):
    """A cluster with keys of its own."""

    def __init__(self, workers=0, **options):
        self.keys = Keys()
        super().__init__(workers, ["--keys", self.keys.join("worker")],
                         ["--keys", self.keys.directory], **options)

    def dusk(self, *arguments, **options):
        os.environ["DUSK_KEYS"] = self.keys.join("client")
        try:
            return super().dusk(*arguments, **options)
        finally:
            del os.environ["DUSK_KEYS"]

    def reread(self):
        self.scheduler.send_signal(signal.SIGHUP)

    def stop(self):
        left = super().stop()
        self.keys.__exit__()
        return left


def logs(cluster, words, since=0):
    """Waits for a line of the daemons' log."""
    wait_for(f"the log to say '{words}'", lambda: words in cluster.read_log()[since:])


def ask(cluster, join, *words):
    """What `dusk status` says with this join file ("" for none); it fails soon."""
    begin = time.monotonic()
    code, _, err = dusk("status", "--timeout", "25s", DUSK_KEYS=join,
                        DUSK_SCHEDULER_ADDRESS=cluster.address)
    print(f"# the client knew after {time.monotonic() - begin:.2f} s: {err.strip()}")
    assert code == 1, code
    for word in words:
        assert word in err, err


def work(cluster, join, *words):
    """What a worker says at its end with this join file ("" for none)."""
    log = cluster.read_log()
    begin = time.monotonic()
    job = subprocess.run([WORKER, cluster.address, "--connect-timeout", "25s",
                          "--local-directory", cluster.directory],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=END_SECONDS, env={**os.environ, "DUSK_KEYS": join})
    print(f"# the worker knew after {time.monotonic() - begin:.2f} s: "
          f"{job.stderr.strip().splitlines()[-1]}")
    assert job.returncode == 1, job
    for word in words:
        assert word in job.stderr, job.stderr
    return len(log)


def refused(cluster, join, there, here):
    """A client and a worker with the same wrong keys: what they say, and the scheduler."""
    before = len(cluster.read_log())
    ask(cluster, join, *there)
    logs(cluster, here, before)
    logs(cluster, here, work(cluster, join, *there))


# ---- keygen ----

def keys_are_made():
    """keygen makes files for their owner alone, and overwrites nothing."""
    with Keys() as keys:
        names = ["client.join", "members", "scheduler.key", "submitter.join", "worker.join"]
        assert sorted(os.listdir(keys.directory)) == names
        assert stat.S_IMODE(os.stat(keys.directory).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(keys.file(name)).st_mode) == 0o600, name
            with open(keys.file(name)) as file:
                assert file.read().startswith("# "), name
        before = settings(keys.join("worker"))
        code, _, err = dusk("keygen", keys.directory)
        assert code == 1 and "not overwritten" in err, err
        assert settings(keys.join("worker")) == before


def members_come_and_go():
    """keygen adds members and takes them out."""
    with Keys() as keys:
        keygen(keys.directory, "--add", "worker:host7")
        assert settings(keys.join("host7"))["role"] == "worker"
        with open(keys.file("members")) as file:
            assert "worker host7 " in file.read()
        for arguments, code, words in (
                (["--add", "worker:host7"], 1, "host7"), (["--add", "boss:x"], 2, "boss:x"),
                (["--add", "worker:../x"], 2, "../x"), (["--add", "host8"], 2, "host8"),
                (["--revoke", "host9"], 1, "host9"),
                (["--add", "worker:a", "--revoke", "b"], 2, "exclude")):
            got, _, err = dusk("keygen", keys.directory, *arguments)
            assert got == code and words in err, (arguments, got, err)
        keygen(keys.directory, "--revoke", "host7")
        assert not os.path.exists(keys.join("host7"))
        with open(keys.file("members")) as file:
            assert "host7" not in file.read()


def open_files_are_refused():
    """Daemons and clients refuse key files that others may read."""
    with Keys() as keys:
        os.chmod(keys.file("scheduler.key"), 0o644)
        job = subprocess.run([SCHEDULER, "--port", "0", "--keys", keys.directory],
                             capture_output=True, text=True, timeout=END_SECONDS)
        assert job.returncode == 1 and "scheduler.key can be read by others (mode 0644): " \
            "chmod 600 it" in job.stderr, job.stderr
        os.chmod(keys.join("client"), 0o640)
        code, _, err = dusk("status", "--keys", keys.join("client"))
        assert code == 1 and "mode 0640" in err, err


def keys_or_insecure():
    """Beyond loopback there are keys, or --insecure."""
    for command in ([SCHEDULER, "--host", "0.0.0.0"],
                    [WORKER, "tcp://127.0.0.1:1", "--host", "0.0.0.0"]):
        job = subprocess.run(command, capture_output=True, text=True, timeout=END_SECONDS)
        assert job.returncode != 0 and "dusk keygen" in job.stderr \
            and "--insecure" in job.stderr, job.stderr


# ---- those who are let in ----

def cluster_works():
    """With keys a cluster computes, over encrypted data sockets too."""
    with KeyedCluster(2) as cluster:
        workers = cluster.status()["workers"]
        assert len(workers) == 2 and not any("#" in str(row) for row in workers), workers
        job = cluster.dusk("admm", "--rows", "20000", "--chunks", "4", "--json")
        out, err = job.communicate(timeout=END_SECONDS)
        assert job.returncode == 0, err
        assert "#" not in cluster.read_log()


def submitter_submits():
    """A submitter may submit."""
    with KeyedCluster(1) as cluster:
        code, _, err = dusk("admm", "--rows", "2000", "--json", "--keys",
                            cluster.keys.join("submitter"), "--scheduler", cluster.address)
        assert code == 0, err


# ---- those who are not ----

def unknown_key():
    """A key that is not in the allow-list is named on both sides."""
    with KeyedCluster() as cluster, Keys() as other:
        for role in ("client", "worker"):
            secret = settings(other.join(role))["secret"]
            before = len(cluster.read_log())
            there = [f"does not let {role} '{role}' in", "revoked, or never added"]
            join = cluster.keys.forged(role, secret=secret)
            (ask if role == "client" else work)(cluster, join, *there)
            logs(cluster, "whose key is not in the allow-list", before)
            assert public_key(secret) in cluster.read_log()[before:]


def wrong_scheduler_key():
    """A join file for another scheduler is named on both sides."""
    with KeyedCluster() as cluster, Keys() as other:
        scheduler = settings(other.join("client"))["scheduler"]
        refused(cluster, cluster.keys.forged("client", scheduler=scheduler),
                ["is not the one that the keys of client 'client' are for"],
                "join file is for another cluster")


def plain_at_keys():
    """A peer without keys at a scheduler with keys is told to use some."""
    with KeyedCluster() as cluster:
        refused(cluster, "", ["lets nobody in without keys", "--keys"],
                ONE_SIDE)


def keys_at_plain():
    """A peer with keys at a scheduler without is told so."""
    with Cluster(0) as cluster, Keys() as keys:
        refused(cluster, keys.join("client"), ["uses no keys"], ONE_SIDE)


def wrong_role():
    """A key serves in its own role only."""
    with KeyedCluster() as cluster:
        for try_it, role, what in ((ask, "worker", "be a client"),
                                   (work, "client", "be a worker"),
                                   (work, "submitter", "be a worker")):
            before = len(cluster.read_log())
            words = f"the key of {role} '{role}' does not let it {what}"
            try_it(cluster, cluster.keys.join(role), words)
            logs(cluster, words, before)


def older_protocol():
    """A peer of an older protocol is refused with both versions, however short its hello."""
    with Cluster(0) as cluster:
        for old in (lambda peer: peer.hello_client(3, major=0),
                    lambda peer: peer.send([1, 0x6475736b, 0, 9])):
            with Dealer(cluster.address) as peer:
                old(peer)
                _, code, reason = peer.expect(REFUSE)
                assert code - (1 << 64 if code > 0 else 0) == E_REFUSED, code
                assert b"speaks protocol 2.0, the peer 0." in reason, reason
        logs(cluster, "speaks protocol 2.0, the peer 0.9")


def clock_skew():
    """A peer whose clock is off is told by how much; a wider limit lets it in."""
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    preload = {"LD_PRELOAD": SHIFTED_CLOCK, "ASAN_OPTIONS": options}
    with Cluster(0) as cluster:
        for shift, words in (("-3600", "behind the scheduler's"),
                             ("3600", "ahead of the scheduler's")):
            with mock.patch.dict(os.environ, preload, DUSK_TEST_CLOCK_SHIFT=shift):
                refused(cluster, "", [words, "1m00s are allowed"], words)
    with Cluster(0, scheduler_options=["--allowed-clock-skew", "2h"]) as cluster:
        code, _, err = dusk("status", DUSK_SCHEDULER_ADDRESS=cluster.address,
                            DUSK_TEST_CLOCK_SHIFT="3600", **preload)
        assert code == 0, err


# ---- data sockets ----

def visit(cluster, join, worker=0, server="worker", timeout=20):
    """A DEALER at a worker's data socket."""
    address = cluster.status()["workers"][worker]["address"]
    secret = settings(cluster.keys.join(server))["secret"]
    return CurveDealer(address, join, public_key(secret), timeout)


def data_sockets_let_members_in():
    """A member may ask a worker for data; a stranger and a plain peer are named and shut out."""
    with KeyedCluster(1) as cluster, Keys() as other:
        with visit(cluster, cluster.keys.join("client")) as member:
            assert member.send([GET_DATA, 1, 99])
            assert member.receive()[:3] == [NO_DATA, 1, 99]
        with visit(cluster, other.join("client"), timeout=3) as stranger:
            logs(cluster, "whose key is not in the allow-list")
            assert not stranger.send([GET_DATA, 1, 99])
        with open(cluster.log.name) as file:
            assert public_key(settings(other.join("client"))["secret"]) in file.read()
        try:
            Dealer(cluster.status()["workers"][0]["address"]).close()
            raise AssertionError("a plain peer got through")
        except ConnectionError:
            pass
        logs(cluster, ONE_SIDE)


# ---- revocation ----

def revoked_worker_ends():
    """A revoked worker is disconnected and ends with a sentence; the others go on."""
    with KeyedCluster(1) as cluster:
        keygen(cluster.keys.directory, "--add", "worker:host7")
        cluster.reread()
        logs(cluster, "members=4")
        worker = cluster.add_worker("--keys", cluster.keys.join("host7"), "--name", "seven")
        assert len(cluster.status()["workers"]) == 2
        keygen(cluster.keys.directory, "--revoke", "host7")
        cluster.reread()
        assert worker.wait(END_SECONDS) == 1
        logs(cluster, "the key of worker 'host7' was revoked")
        logs(cluster, "does not let worker 'host7' in: its key was revoked")
        wait_for("the cluster to forget it", lambda: len(cluster.status()["workers"]) == 1)


def revoked_visitor_is_shut_out():
    """Revocation reaches data sockets: a connection that stands is closed."""
    with KeyedCluster(1) as cluster:
        keygen(cluster.keys.directory, "--add", "client:eve")
        eve = cluster.keys.path("eve.join")
        shutil.move(cluster.keys.join("eve"), eve)
        cluster.reread()
        logs(cluster, "members=4")
        with visit(cluster, eve) as visitor:
            assert visitor.send([GET_DATA, 1, 99]) and visitor.receive()
            keygen(cluster.keys.directory, "--revoke", "eve")
            cluster.reread()
            logs(cluster, "a visitor's key was revoked")
            wait_for("the connection to end", lambda: not visitor.is_connected())
        ask(cluster, eve, "does not let client 'eve' in")


def bad_list_changes_nothing():
    """A list that cannot be read leaves the former one in force."""
    with KeyedCluster(1) as cluster:
        with open(cluster.keys.file("members"), "a") as file:
            file.write("worker twice\n")
        cluster.reread()
        logs(cluster, "members:6: a member is ROLE NAME PUBLIC-KEY")
        assert len(cluster.status()["workers"]) == 1


tap.run(keys_are_made, members_come_and_go, open_files_are_refused, keys_or_insecure,
        cluster_works, submitter_submits, unknown_key, wrong_scheduler_key, plain_at_keys,
        keys_at_plain, wrong_role, older_protocol, clock_skew, data_sockets_let_members_in,
        revoked_worker_ends, revoked_visitor_is_shut_out, bad_list_changes_nothing)
