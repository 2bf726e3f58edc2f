"""Peers that do not read, do not answer, or ask for too much: what they cost is bounded,
and others are served."""

import contextlib
import os
import resource
import socket
import struct

import tap
from daemons import SchedulerAlone, wait_for
from zmtp import ALIVE, GREETING, WELCOME, pack, submit

STATUS_REQUEST, RUN_TASK, DONE, STATUS = 15, 30, 41, 24
MIB = 1 << 20
WAITING_MIB = 256  # LIMIT_OUTBOX_BYTES
RESULTS = 1000     # of a MiB each: far more than may wait for a peer
STRANGERS = 2048   # LIMIT_STRANGERS
# Those who do not read are parted with for that, not for a silence on a busy machine.
PATIENT = ("--silent", "300s", "--lost", "600s")


def log_has(scheduler, *words):
    return any(all(word in line for word in words) for line in scheduler.lines())


def is_well(client):
    client.send([STATUS_REQUEST, 1])
    client.expect(STATUS)


def sip(peer):
    """Takes so little, of what waits, that TCP does not give the connection up."""
    with contextlib.suppress(BlockingIOError, ConnectionError):
        peer.socket.recv(MIB // 4, socket.MSG_DONTWAIT)


def a_client_that_stops_reading():
    """A client that takes no results is parted with, others are served"""
    with SchedulerAlone(*PATIENT, check=False) as scheduler, \
            scheduler.connect() as stuck, scheduler.connect() as worker, scheduler.connect() as other:
        other.hello_client(2)
        other.expect(WELCOME)
        worker.hello_worker("w", "tcp://127.0.0.1:1", nthreads=64)
        worker.expect(WELCOME)
        stuck.hello_client(1)
        stuck.expect(WELCOME)
        stuck.send(*(submit(1 << 40 | i, "f") for i in range(1, RESULTS + 1)))
        result = [b"\x91\xc4" + bytes(MIB), 0]
        most = 0
        for i in range(RESULTS):
            task = worker.expect(RUN_TASK)
            worker.send([DONE, task[1], task[2], MIB, 0, 5, 6, result])
            if i % 10 == 0:
                sip(stuck)
            if i % 50 == 0:
                is_well(other)
                most = max(most, scheduler.rss_mib())
            if log_has(scheduler, "peer dropped", "too much waits"):
                break
        else:
            raise AssertionError(f"it was kept, at {most} MiB")
        is_well(other)
        if not scheduler.is_sanitized():
            assert most < 2 * WAITING_MIB, f"{most} MiB"
            wait_for("the memory to be free",
                     lambda: scheduler.rss_mib() < WAITING_MIB / 2)
        assert scheduler.end() == 0


def a_worker_that_stops_reading():
    """A worker that takes no tasks is parted with, and they run elsewhere"""
    with SchedulerAlone(*PATIENT, check=False) as scheduler, \
            scheduler.connect() as stuck, scheduler.connect() as client:
        stuck.hello_worker("stuck", "tcp://127.0.0.1:1", nthreads=RESULTS)
        stuck.expect(WELCOME)
        client.hello_client(1)
        client.expect(WELCOME)
        argument = [b"\x91\xc4" + bytes(MIB), 0]
        for i in range(1, RESULTS + 1):
            client.send(submit(1 << 40 | i, "f", argument))
            if i % 10 == 0:
                sip(stuck)
            if log_has(scheduler, "peer dropped", "too much waits"):
                break
        else:
            raise AssertionError("it was kept")
        is_well(client)
        # Whoever connects and says nothing for long is closed: only now.
        with scheduler.connect() as worker:
            worker.hello_worker("w", "tcp://127.0.0.1:2")
            worker.expect(WELCOME)
            first = worker.expect(RUN_TASK)
            worker.send([DONE, first[1], first[2], 8, 0, 5, 6, [b"\x91\x01", 0]])
            worker.expect(RUN_TASK)
        assert scheduler.end() == 0


def too_large():
    """Texts, headers, frames and their number beyond the limits close a connection"""
    alive = pack([ALIVE, 0, 0])
    with SchedulerAlone() as scheduler, scheduler.connect() as other:
        other.hello_client(1)
        other.expect(WELCOME)
        for number, (what, frames) in enumerate([
                ("a text", (pack(submit(2 << 40 | 1, "f" * 4097)),)),
                ("a header", (alive * ((16 << 20) // len(alive) + 1),)),
                ("frames", (alive, *[b""] * 65537)),
                ("a frame", None)], 2):
            with scheduler.connect() as peer:
                peer.hello_client(number)
                peer.expect(WELCOME)
                try:
                    if frames:
                        peer.send_raw(*frames)
                    else:  # the claim is enough
                        peer.socket.sendall(b"\x02" + struct.pack(">Q", 257 * MIB))
                    while True:
                        peer.receive()
                except ConnectionError:
                    pass
                except TimeoutError:
                    raise AssertionError(f"{what} was not minded") from None
            other.send([ALIVE, 0, 0])
            is_well(other)
        assert sum("peer dropped" in line for line in scheduler.lines()) >= 3
        assert scheduler.end() == 0


def descriptors(scheduler):
    return len(os.listdir(f"/proc/{scheduler.process.pid}/fd"))


def strangers():
    """Connections that never say hello are few, and end"""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with SchedulerAlone() as scheduler, scheduler.connect() as client:
        client.hello_client(1)
        client.expect(WELCOME)
        # A client that falls silent is lost, and its connection with it.
        before = descriptors(scheduler) - 1
        host, port = scheduler.address.removeprefix("tcp://").rsplit(":", 1)
        lines = []
        for i in range(STRANGERS + 200):
            line = socket.create_connection((host, int(port)), 20)
            line.sendall((b"", GREETING[:11], GREETING)[i % 3])
            lines.append(line)
            if i % 100 == 0:
                is_well(client)
        lines += [scheduler.connect().socket for _ in range(100)]
        is_well(client)
        wait_for("the oldest to be closed",
                 lambda: descriptors(scheduler) <= before + 1 + STRANGERS)
        assert log_has(scheduler, "it has not registered")
        wait_for("all to be closed", lambda: descriptors(scheduler) <= before, 60)
        with scheduler.connect() as late:
            late.hello_client(2)
            late.expect(WELCOME)
        for line in lines:
            line.close()
        assert scheduler.end() == 0


tap.run(a_client_that_stops_reading, a_worker_that_stops_reading, too_large, strangers)
