"""Hosts of our own: network namespaces, each with one cable to a switch, which is a
bridge in a namespace too.  Nothing of it is seen outside, and all of it goes at the end.
"""

import os
import shutil
import subprocess

import tap


def ip(*words, tool="ip"):
    job = subprocess.run([tool, *words], stdin=subprocess.DEVNULL, capture_output=True,
                         text=True)
    if job.returncode:
        raise OSError(f"{tool} {' '.join(words)}: {job.stderr.strip()}")


def require():
    """Skips where there can be no such network."""
    if os.geteuid() != 0:
        raise tap.Skip("network namespaces need root")
    for tool in ("ip", "tc"):
        if not shutil.which(tool):
            raise tap.Skip(f"there is no {tool} (package iproute2)")
    name = f"dusk{os.getpid()}try"
    try:
        ip("netns", "add", name)
    except OSError as error:
        raise tap.Skip(f"no network namespaces: {error}") from error
    try:
        ip("-n", name, "link", "add", "name", "bridge", "type", "bridge")
        ip("-n", name, "link", "add", "name", "cable", "type", "veth", "peer", "name",
           "port")
        ip("netns", "exec", name, "true")
    except OSError as error:
        raise tap.Skip(f"no bridge or veth: {error}") from error
    finally:
        ip("netns", "delete", name)


class Network:
    """Hosts 0 to `count` - 1 at 10.77.0.1 and so on; use it in a `with`."""

    def __init__(self, count):
        self.switch = f"dusk{os.getpid()}switch"
        self.hosts = [f"dusk{os.getpid()}host{number}" for number in range(count)]

    def __enter__(self):
        try:
            self.build()
        except OSError:
            self.remove()
            raise
        return self

    def build(self):
        for name in (self.switch, *self.hosts):
            ip("netns", "add", name)
        ip("-n", self.switch, "link", "add", "name", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for number, host in enumerate(self.hosts):
            ip("-n", host, "link", "add", "name", "cable", "type", "veth", "peer", "name",
               f"port{number}", "netns", self.switch)
            ip("-n", host, "address", "add", f"{self.address(number)}/24", "dev", "cable")
            for link in ("lo", "cable"):
                ip("-n", host, "link", "set", link, "up")
            port = f"port{number}"
            ip("-n", self.switch, "link", "set", port, "master", "bridge", "up")

    def address(self, number):
        return f"10.77.0.{number + 1}"

    def on(self, number, *command):
        """The command as it runs on that host, in the process that starts it."""
        return ["ip", "netns", "exec", self.hosts[number], *command]

    def cut(self, number):
        ip("-n", self.switch, "link", "set", f"port{number}", "down")

    def mend(self, number):
        ip("-n", self.switch, "link", "set", f"port{number}", "up")

    def shape(self, number, *discipline):
        """What the cable does to packets, in tc's words; OSError: not in this kernel."""
        for where, link in ((self.hosts[number], "cable"), (self.switch, f"port{number}")):
            ip("-n", where, "qdisc", "replace", "dev", link, "root", *discipline, tool="tc")

    def remove(self):
        there = os.listdir("/run/netns")
        for name in (*self.hosts, self.switch):
            if name in there:
                ip("netns", "delete", name)

    def __exit__(self, *_):
        self.remove()
