"""A TCP proxy whose connections can be cut, or held up as by a pulled cable."""

import contextlib
import socket
import threading

PIECE = 1 << 16


class Proxy:
    """Listens on loopback and forwards to one address, until it is closed."""

    def __init__(self, address):
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.flows = threading.Event()
        self.flows.set()
        self.lock = threading.Lock()
        self.sockets = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        """One connection, from its beginning to its end."""
        try:
            self.flows.wait()
            far = socket.create_connection(self.target, 5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        pair = (near, far)
        for end in pair:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.sockets.update(pair)
        back = threading.Thread(target=self.pump, args=(far, near), daemon=True)
        back.start()
        self.pump(near, far)
        back.join()
        with self.lock:
            self.sockets.difference_update(pair)
        for end in pair:
            end.close()

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                self.flows.wait()
                sink.sendall(data)
        self.shut(source, sink)

    def shut(self, *ends):
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hold(self):
        """Nothing passes, and nobody is told, until `resume`."""
        self.flows.clear()

    def resume(self):
        self.flows.set()

    def cut(self):
        """Ends all connections; new ones are served."""
        with self.lock:
            self.shut(*self.sockets)

    def close(self):
        self.shut(self.listener)
        self.listener.close()
        self.resume()
        self.cut()
