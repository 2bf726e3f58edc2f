"""A DEALER by hand: ZMTP 3.0 without security over a plain socket, and as much msgpack
as dusk's messages need.  For tests that must say what no library would let them."""

import os
import socket
import struct

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MAGIC = 0x6475736b
MAJOR = 2
HELLO, WELCOME, REFUSE, REGISTER_AGAIN, ALIVE, BYE = 1, 2, 3, 4, 5, 6
SUBMIT = 10


def pack(value):
    """Integers, text, bytes, None and lists of them."""
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return b"\xcf" + struct.pack(">Q", value) if value >= 0 else \
            b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        data = value.encode()
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))


def unpack(data, at=0):
    """The object at `at` and where the next one begins."""
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind >= 0xe0:
        return kind - 256, at
    if kind == 0xc0:
        return None, at
    for first, formats in ((0xcc, "BHIQ"), (0xd0, "bhiq")):
        if first <= kind < first + 4:
            form = ">" + formats[kind - first]
            return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind & 0xe0 == 0xa0 or 0xd9 <= kind <= 0xdb or 0xc4 <= kind <= 0xc6:
        if kind & 0xe0 == 0xa0:
            size = kind & 0x1f
        else:
            form = ">" + "BHI"[kind - (0xd9 if kind >= 0xd9 else 0xc4)]
            size = struct.unpack_from(form, data, at)[0]
            at += struct.calcsize(form)
        return data[at:at + size], at + size
    if kind & 0xf0 == 0x90:
        count = kind & 0x0f
    else:
        assert kind in (0xdc, 0xdd), f"byte {kind:#x}"
        form = ">" + "HI"[kind - 0xdc]
        count = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
    items = []
    for _ in range(count):
        item, at = unpack(data, at)
        items.append(item)
    return items, at


def submit(key, function, arguments=None):
    """The message that has a task run."""
    return [SUBMIT, key, function, [], 0, 0, 0, "", arguments, 0, ""]


class Dealer:
    """One connection to tcp://HOST:PORT."""

    def __init__(self, address, timeout=20):
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.sendall(GREETING)
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
        self.socket.sendall(b"\x04" + bytes([len(ready)]) + ready)
        self.read(64)
        self.frame()
        self.messages = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def read(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("closed by the other side")
            data += more
        return data

    def frame(self):
        """One frame: whether more follow, whether it is a command, its bytes."""
        flags = self.read(1)[0]
        size = struct.unpack(">Q", self.read(8))[0] if flags & 2 else self.read(1)[0]
        return bool(flags & 1), bool(flags & 4), self.read(size)

    def send_raw(self, *frames):
        """One ZeroMQ message of these frames."""
        data = b""
        for number, frame in enumerate(frames, 1):
            more = number < len(frames)
            data += bytes([2 | more]) + struct.pack(">Q", len(frame)) + frame
        self.socket.sendall(data)

    def send(self, *messages):
        self.send_raw(b"".join(map(pack, messages)))

    def receive(self):
        """The next of dusk's messages; commands of ZMTP and payload frames are passed
        over."""
        while not self.messages:
            more, command, data = self.frame()
            if command:
                continue
            while more:
                more, _, _ = self.frame()
            at = 0
            while at < len(data):
                message, at = unpack(data, at)
                self.messages.append(message)
        return self.messages.pop(0)

    def expect(self, number):
        """Passes over other messages until this one comes."""
        while True:
            message = self.receive()
            if message[0] == number:
                return message

    def hello_client(self, client, major=MAJOR):
        self.send([HELLO, MAGIC, major, 0, "test", 2, "", int.from_bytes(os.urandom(6), "big") + 1,
                   client, "", os.getpid(), 0, 0, 0, 0, 0, [], [], [], 0])

    def hello_worker(self, name, address, nthreads=1):
        self.send([HELLO, MAGIC, MAJOR, 0, "test", 1, name, int.from_bytes(os.urandom(6), "big") + 1,
                   0, address, os.getpid(), nthreads, 1 << 30, 4, 0, 0, [], [], [], 0])
