"""dusk-scheduler alone: begins, ends, and does not mind what comes to its port."""

import random
import signal
import socket
import subprocess

import tap
from daemons import END_SECONDS, SCHEDULER, SchedulerAlone as Scheduler, wait_for
from zmtp import ALIVE, BYE, REFUSE, REGISTER_AGAIN, SUBMIT, WELCOME, pack, submit

STATUS_REQUEST, WHY = 15, 16
FINISHED, FAILED, STATUS, BECAUSE = 21, 22, 24, 25
RUN_TASK, DONE = 30, 41


def run(*arguments):
    job = subprocess.run([SCHEDULER, *arguments], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, timeout=END_SECONDS)
    return job.returncode, job.stderr


def is_well(client):
    """Whether a client that was there before is still served."""
    client.send([STATUS_REQUEST, 1])
    client.expect(STATUS)


def wrong_options():
    """Wrong options end with one line and exit code 2."""
    for arguments, word in ((["--port", "70000"], "70000"), (["--port", "x"], "x"),
                            (["--nonsense"], "nonsense"), (["--silent", "never"], "never"),
                            (["--log-level", "loud"], "loud"),
                            (["--host", "0.0.0.0"], "--insecure")):
        code, text = run(*arguments)
        assert code == 2 and word in text, (arguments, code, text)
        assert len(text.strip().splitlines()) <= 2, text


def wrong_addresses():
    """An address that cannot be listened at ends with one line and exit code 1."""
    with Scheduler() as scheduler:
        port = scheduler.address.rsplit(":", 1)[1]
        code, text = run("--port", port)
        assert code == 1 and port in text and "in use" in text, (code, text)
        assert len(text.strip().splitlines()) == 1, text
    code, text = run("--port", "0", "--host", "203.0.113.7", "--insecure")
    assert code == 1 and "203.0.113.7" in text, (code, text)
    assert len(text.strip().splitlines()) == 1, text


def ends_by_signals():
    """SIGTERM and SIGINT end it with goodbye and exit code 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with Scheduler() as scheduler, scheduler.connect() as client:
            assert scheduler.address.startswith("tcp://127.0.0.1:"), scheduler.address
            client.hello_client(1)
            client.expect(WELCOME)
            assert scheduler.end(number) == 0
            client.expect(BYE)
            # The port is free at once.
            port = scheduler.address.rsplit(":", 1)[1]
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", int(port)))


def small_at_rest():
    """At rest it takes less than 15 MiB."""
    with Scheduler() as scheduler:
        rss = scheduler.rss_mib()
        if scheduler.is_sanitized():
            raise tap.Skip("a build with a sanitizer")
        assert rss < 15, f"{rss} MiB"


def a_task():
    """A task goes from a client to a worker and back."""
    with Scheduler() as scheduler, scheduler.connect() as client, \
            scheduler.connect() as worker:
        client.hello_client(7)
        client.expect(WELCOME)
        worker.hello_worker("w", "tcp://127.0.0.1:1")
        worker.expect(WELCOME)
        key = 7 << 40 | 1
        client.send(submit(key, "add", [b"\x90", 0]))
        task = worker.expect(RUN_TASK)
        assert task[1] == key and task[3] == b"add", task
        worker.send([DONE, key, task[2], 8, 0, 5, 6, [b"\x91\x01", 0]])
        finished = client.expect(FINISHED)
        assert finished[1] == key and finished[7] == b"tcp://127.0.0.1:1", finished
        assert finished[8] == [b"\x91\x01", 0], finished
        client.send([WHY, 3, key])
        assert b"in memory: 8 bytes on worker w" in client.expect(BECAUSE)[2]
        # A closed connection is noticed, not only that no heartbeat comes.
        worker.socket.close()
        for what in ("worker silent", "worker lost"):
            wait_for(what, lambda words=what: any(
                words in line and "its connection closed" in line
                for line in scheduler.lines()))
        client.send([WHY, 4, key])
        assert b"all workers are lost" in client.expect(BECAUSE)[2]
        assert scheduler.end() == 0


def refusals():
    """Other versions, taken names and numbers are refused with a sentence."""
    with Scheduler() as scheduler, scheduler.connect() as client:
        client.hello_client(1)
        client.expect(WELCOME)
        with scheduler.connect() as other:
            other.hello_client(1)
            assert b"000001 is taken" in other.expect(REFUSE)[2]
        with scheduler.connect() as other:
            other.hello_client(2, major=9)
            assert b"9.0" in other.expect(REFUSE)[2]
        with scheduler.connect() as other:
            other.hello_worker("w", "tcp://127.0.0.1:1", nthreads=0)
            assert b"0 threads" in other.expect(REFUSE)[2]
        with scheduler.connect() as other:
            other.send([ALIVE, 1, 0])
            other.expect(REGISTER_AGAIN)
        is_well(client)


def random_bytes():
    """Random bytes, a port scan and a web browser harm nobody."""
    generator = random.Random(1)
    with Scheduler() as scheduler, scheduler.connect() as client:
        client.hello_client(1)
        client.expect(WELCOME)
        host, port = scheduler.address.removeprefix("tcp://").rsplit(":", 1)
        for data in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 10,
                     generator.randbytes(5000), b"\xff" + bytes(8) + b"\x7f" + b"\xff" * 200):
            with socket.create_connection((host, int(port)), 5) as stranger:
                stranger.sendall(data)
        is_well(client)
        wait_for("a line in the log", lambda: any(
            "does not speak ZeroMQ" in line for line in scheduler.lines()))
        assert scheduler.end() == 0


def old_peers():
    """Peers older than ZMTP 3 are turned away: ZeroMQ can abort for their identities."""
    unversioned, first, second = (b"\x01\x00", b"\xff" + bytes(8) + b"\x7f\x00\x05",
                                  b"\xff" + bytes(8) + b"\x7f\x01\x05")
    with Scheduler() as scheduler:
        host, port = scheduler.address.removeprefix("tcp://").rsplit(":", 1)
        for greeting in (unversioned, first, second):
            with socket.create_connection((host, int(port)), 5) as peer:
                peer.sendall(greeting)
                while peer.recv(100):
                    pass
        assert scheduler.end() == 0


def is_dropped(scheduler, junk):
    """Sends a hello and the junk; the connection must end."""
    with scheduler.connect() as peer:
        peer.hello_client(generator_number())
        peer.expect(WELCOME)
        peer.send_raw(*junk)
        try:
            while True:
                peer.receive()
        except (ConnectionError, TimeoutError) as end:
            assert isinstance(end, ConnectionError), f"{junk!r} was not minded"


def generator_number():
    generator_number.last += 1
    return generator_number.last


generator_number.last = 100


def junk_frames():
    """Junk in valid frames closes that connection, with one line, and no other."""
    generator = random.Random(2)
    with Scheduler() as scheduler, scheduler.connect() as client:
        client.hello_client(1)
        client.expect(WELCOME)
        deep = b"\x91" * 5000 + b"\xc0"
        junk = [(generator.randbytes(300),), (b"\xc1",), (deep,),
                (b"\xdd\xff\xff\xff\xff",), (pack([99, 1, 2]),), (pack("hello"),),
                (pack([SUBMIT, 1]),), (pack(submit(0, "f")),),
                (pack([DONE, 1, 1, 8, 0, 0, 0, None]),),
                (pack(submit(5, "f", [b"\x90", 5])),)]
        for frames in junk:
            is_dropped(scheduler, frames)
        lines = [line for line in scheduler.lines() if "peer dropped" in line]
        assert len(lines) == len(junk), f"{len(junk)} pieces of junk, {len(lines)} lines"
        is_well(client)
        assert scheduler.end() == 0


def junk_by_the_thousand():
    """Thousands of random messages leave it well, and not large."""
    generator = random.Random(3)
    with Scheduler() as scheduler, scheduler.connect() as client:
        client.hello_client(1)
        client.expect(WELCOME)
        for number in range(50):
            if number % 10 == 0:
                is_well(client)
            with scheduler.connect() as peer:
                try:
                    for _ in range(50):
                        size = generator.choice((0, 1, 10, 100, 1000))
                        head = pack([generator.randrange(60)])[5:]
                        peer.send_raw(b"\x98" + head + generator.randbytes(size))
                except OSError:
                    pass
        is_well(client)
        assert len(scheduler.lines()) < 1000
        assert scheduler.end() == 0


def many_peers():
    """Five hundred clients come and go at once."""
    with Scheduler() as scheduler:
        peers = []
        for number in range(1, 501):
            peers.append(scheduler.connect())
            peers[-1].hello_client(number)
        for peer in peers:
            peer.expect(WELCOME)
        for peer in peers:
            peer.send([BYE, "done"])
            peer.socket.close()
        with scheduler.connect() as client:
            client.hello_client(1000)
            client.expect(WELCOME)

            def alone():
                client.send([STATUS_REQUEST, 1])
                return len(client.expect(STATUS)[6]) == 1
            wait_for("the others to be gone", alone)


tap.run(wrong_options, wrong_addresses, ends_by_signals, small_at_rest, a_task, refusals,
        random_bytes, old_peers, junk_frames, junk_by_the_thousand, many_peers)
