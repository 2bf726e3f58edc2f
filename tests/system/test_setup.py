"""deploy/setup and deploy/demo, tried on a small project and with a pretended apt-get."""

import os
import shutil
import subprocess

import tap
from small_clone import call, commands, small_clone, write

MESON = """project('small', 'c')
subdir('client')
"""
CLIENT = """executable('dusk', 'main.c')
"""
MAIN = r"""
#include <stdio.h>
int main(int count, char **words)
{
    for (int i = 1; i < count; i++)
        printf("<%s>", words[i]);
    return puts("") < 0;
}
"""
PROJECT = {"meson.build": MESON, "client/meson.build": CLIENT, "client/main.c": MAIN}
DATA = "usr/share/datasets/fashion-mnist"
IMAGES = "train-images-idx3-ubyte"


def one_line(said, *words):
    """The run failed with one line on standard error that has the words."""
    assert said.returncode == 1, said
    assert said.stdout == "" and said.stderr.count("\n") == 1, said
    for word in words:
        assert word in said.stderr, (word, said)


def lacking(*lines):
    return {**PROJECT, "deploy/packages": "# a comment\n" + "\n".join(lines) + "\n"}


def other_system():
    """On a system without apt-get, what is missing is listed in one line"""
    files = lacking("gcc command:gcc # here", "away command:no-such-command # why",
                    "libaway-dev pkg-config:no-such-library", "header-dev header:no/such.h",
                    "libc6-dev header:stdio.h", "a-file file:/no/such/file",
                    "base-files file:/etc/os-release", "bare # nothing tells")
    with small_clone(files) as root:
        said = call(root, "deploy/setup", path=commands(root, "apt-get"))
        one_line(said, "packages:", "names: away libaway-dev header-dev a-file bare\n")


def no_root():
    """Missing packages without root and sudo are named in one line"""
    with small_clone(lacking("no-such-package", "gcc")) as root:
        said = call(root, "deploy/setup", path=commands(root, "sudo"))
        one_line(said, "packages:", "no-such-package\n")


def installs_through_sudo():
    """Missing packages are named and installed through sudo, without recommendations"""
    fakes = {"sudo": 'shift; "$@"\n', "apt-get": 'echo "$@" >>"$HOME/calls"\n'}
    with small_clone(lacking("no-such-package # why", "gcc", "other-one")) as root:
        os.chmod(os.path.dirname(root), 0o777)
        said = call(root, "deploy/setup", "--no-data", path=commands(root, **fakes))
        assert said.returncode == 0, said
        assert "packages: installing no-such-package other-one\n" in said.stderr, said
        with open(os.path.join(os.path.dirname(root), "calls"), encoding="utf-8") as file:
            calls = file.read().splitlines()
        assert calls[0].endswith(" update"), calls
        assert calls[1].endswith("--no-install-recommends --no-remove"
                                 " no-such-package other-one"), calls


def failed_install():
    """An installation that fails shows apt's words and names the step"""
    fakes = {"sudo": 'shift; "$@"\n', "apt-get": "echo E: no luck >&2; exit 100\n"}
    with small_clone(lacking("no-such-package")) as root:
        said = call(root, "deploy/setup", path=commands(root, **fakes))
        assert said.returncode == 1, said
        assert "E: no luck\n" in said.stderr, said
        assert said.stderr.splitlines()[-1].startswith("deploy/setup: packages: failed"), said


def unwritable():
    """A build directory that cannot be written is one line"""
    with small_clone({**PROJECT, "build/made": ""}) as root:
        os.chmod(os.path.join(root, "build"), 0o555)
        one_line(call(root, "deploy/setup"), "build:", "cannot be written")
        one_line(call(root, "deploy/setup", BUILD_DIR="/proc/none"), "build:", "/proc/none")


def wrong_option():
    """A word that is no option is one line"""
    with small_clone(PROJECT) as root:
        one_line(call(root, "deploy/setup", "quickly"), "usage:", "'quickly'")


def broken_source():
    """A source that does not compile shows why and names the step"""
    with small_clone({**PROJECT, "client/main.c": "int main(void) { return no; }\n"}) as root:
        said = call(root, "deploy/setup", "--no-data")
        assert said.returncode == 1, said
        assert "error:" in said.stderr, said
        assert said.stderr.splitlines()[-1].startswith("deploy/setup: build: failed"), said


def twice():
    """A strange umask and spaces do no harm; the second time is silent, without network"""
    with small_clone(PROJECT) as root:
        said = call(root, "deploy/setup", "--no-data", umask=0o777)
        assert said.returncode == 0 and said.stdout == "", said
        assert os.access(os.path.join(root, "build", "client", "dusk"), os.X_OK)
        again = call(root, "deploy/setup", "--no-data", umask=0o077, network=False)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", ""), again


def moved():
    """A clone that was moved after its build builds again"""
    with small_clone(PROJECT) as root:
        assert call(root, "deploy/setup", "--no-data").returncode == 0
        os.rename(root, root + " moved")
        said = call(root + " moved", "deploy/setup", "--no-data")
        assert said.returncode == 0 and "compiling" in said.stderr, said
        os.rename(root + " moved", root)


def demo():
    """deploy/demo hands its options and the data on, and prints nothing of its own"""
    with small_clone({**PROJECT, f"build/data/fashion-mnist/{IMAGES}": "x"}) as root:
        said = call(root, "deploy/demo", "--report", "a b.html", network=False)
        assert said.returncode == 0, said
        data_directory = os.path.join(root, "build", "data", "fashion-mnist")
        assert said.stdout == (f"<demo><--fashion-mnist><{data_directory}>"
                               "<--report><a b.html>\n"), said


def fetch(root, apt_get):
    if os.path.exists("/" + DATA):
        raise tap.Skip("the data package is installed here")
    path = commands(root, **{"apt-get": apt_get})
    said = call(root, "deploy/fetch-data", os.path.join(root, "data"), path=path)
    assert said.returncode == 0 and said.stdout == "", said
    made = os.listdir(os.path.join(root, "data"))
    assert not [name for name in made if name.startswith(".")], made
    return said.stderr.splitlines(), made


def package(root, text):
    """A Debian package with the one file that counts; returns its path."""
    tree = os.path.join(root, "tree")
    write(os.path.join(tree, "DEBIAN", "control"),
          "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\n"
          "Maintainer: nobody <nobody@localhost>\nDescription: a stand-in\n")
    file = os.path.join(tree, DATA, IMAGES)
    write(file, text)
    subprocess.run(["gzip", "-n", file], check=True)
    subprocess.run(["dpkg-deb", "-b", tree, root], check=True, capture_output=True)
    shutil.rmtree(tree)
    return os.path.join(root, "dataset-fashion-mnist_1_all.deb")


def no_data():
    """Data that cannot be had is one line and no error"""
    with small_clone(PROJECT) as root:
        lines, made = fetch(root, "echo E: Unable to locate it; exit 100\n")
        assert len(lines) == 2 and "no Fashion-MNIST" in lines[1], lines
        assert "Unable to locate it" in lines[1] and not made, (lines, made)


def damaged_data():
    """A damaged file in the data package is one line and no error"""
    with small_clone(PROJECT) as root:
        deb = package(root, "images")
        with open(deb, "r+b") as file:
            file.truncate(os.path.getsize(deb) // 2)
        lines, made = fetch(root, f"cp '{deb}' .\n")
        assert "cannot be unpacked" in lines[-1] and not made, (lines, made)


def data():
    """The data package is unpacked, once"""
    with small_clone(PROJECT) as root:
        deb = package(root, "images")
        lines, made = fetch(root, f"cp '{deb}' .\n")
        assert made == ["fashion-mnist"] and len(lines) == 1, (lines, made)
        with open(os.path.join(root, "data", made[0], IMAGES), encoding="utf-8") as file:
            assert file.read() == "images"
        lines, _ = fetch(root, "exit 1\n")
        assert not lines, lines


if __name__ == "__main__":
    tap.run(other_system, no_root, installs_through_sudo, failed_install, unwritable,
            wrong_option, broken_source, twice, moved, demo, no_data, damaged_data, data)
