"""Peers that do not read, do not answer, or ask for too much: what they cost is bounded,
and others are served."""

import tap
from daemons import SchedulerAlone, wait_for
from zmtp import ALIVE, WELCOME

SUBMIT, STATUS_REQUEST, RUN_TASK, DONE, STATUS = 10, 15, 30, 41, 24
MIB = 1 << 20
RESULTS = 1000 # of a MiB each: more than may wait for a peer


def log_has(peer, words):
    return any(all(word in line for word in words) for line in peer.lines())


def is_well(client):
    client.send([STATUS_REQUEST, 1])
    client.expect(STATUS)


def a_client_that_stops_reading():
    """Results for a client that does not read: it is parted with, others are served"""
    with SchedulerAlone(check=False) as scheduler, scheduler.connect() as stuck, \
            scheduler.connect() as worker, scheduler.connect() as other:
        other.hello_client(2)
        other.expect(WELCOME)
        worker.hello_worker("w", "tcp://127.0.0.1:1", nthreads=64)
        worker.expect(WELCOME)
        stuck.hello_client(1)
        stuck.expect(WELCOME)
        stuck.send(*([SUBMIT, 1 << 40 | i, "f", [], 0, 0, 0, "", None]
                     for i in range(1, RESULTS + 1)))
        result = [b"\x91\xc4" + bytes(MIB), 0]
        most = 0
        for i in range(RESULTS):
            task = worker.expect(RUN_TASK)
            worker.send([DONE, task[1], task[2], MIB, 0, 5, 6, result])
            if i % 50 == 0:
                is_well(other)
                stuck.send([ALIVE, 0])
                most = max(most, scheduler.rss_mib())
                print("#", i, most)
            if log_has(scheduler, ["peer dropped", "too much waits"]):
                break
        else:
            raise AssertionError("the client was kept")
        print("#", i, most, flush=True)
        is_well(other)
        assert most < 400, f"{most} MiB"
        wait_for("the memory to be free", lambda: scheduler.rss_mib() < 100)
        assert scheduler.end() == 0


tap.run(a_client_that_stops_reading)
