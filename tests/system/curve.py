"""A DEALER with keys, through libzmq itself: for tests that must choose their keys."""

import ctypes
import ctypes.util

from zmtp import pack, unpack

DEALER = 5
EVENTS, POLLOUT = 15, 2
LINGER, IMMEDIATE, SERVERKEY, PUBLICKEY, SECRETKEY, SNDTIMEO, RCVTIMEO = \
    17, 39, 50, 48, 49, 28, 27
ZMQ = ctypes.CDLL("libzmq.so.5", use_errno=True)
for name in ("zmq_ctx_new", "zmq_socket"):
    getattr(ZMQ, name).restype = ctypes.c_void_p


def settings(path):
    """The words and values of a key file."""
    with open(path) as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return dict(line for line in lines if len(line) == 2)


def public_key(secret):
    key = ctypes.create_string_buffer(41)
    assert ZMQ.zmq_curve_public(key, secret.encode()) == 0
    return key.value.decode()


class CurveDealer:
    """One connection to tcp://HOST:PORT, as the member of a join file."""

    def __init__(self, address, join, server_key, timeout=20):
        self.context = ctypes.c_void_p(ZMQ.zmq_ctx_new())
        self.socket = ctypes.c_void_p(ZMQ.zmq_socket(self.context, DEALER))
        secret = settings(join)["secret"]
        for option, value in ((LINGER, 0), (IMMEDIATE, 1), (SNDTIMEO, timeout * 1000),
                              (RCVTIMEO, timeout * 1000), (SERVERKEY, server_key),
                              (PUBLICKEY, public_key(secret)), (SECRETKEY, secret)):
            if isinstance(value, int):
                data = ctypes.c_int(value)
                size = ctypes.sizeof(data)
            else:
                data = ctypes.create_string_buffer(value.encode())
                size = len(value) + 1
            assert ZMQ.zmq_setsockopt(self.socket, option, ctypes.byref(data), size) == 0
        assert ZMQ.zmq_connect(self.socket, address.encode()) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ZMQ.zmq_close(self.socket)
        ZMQ.zmq_ctx_term(self.context)

    def send(self, message):
        """Whether it went out within the timeout: not before somebody lets us in."""
        data = pack(message)
        return ZMQ.zmq_send(self.socket, data, len(data), 0) == len(data)

    def is_connected(self):
        """Whether something could be sent now."""
        events = ctypes.c_int()
        size = ctypes.c_size_t(ctypes.sizeof(events))
        assert ZMQ.zmq_getsockopt(self.socket, EVENTS, ctypes.byref(events),
                                  ctypes.byref(size)) == 0
        return bool(events.value & POLLOUT)

    def receive(self):
        """The first of dusk's messages that come next, or None."""
        data = ctypes.create_string_buffer(1 << 16)
        size = ZMQ.zmq_recv(self.socket, data, len(data), 0)
        return unpack(data.raw[:size])[0] if size >= 0 else None
