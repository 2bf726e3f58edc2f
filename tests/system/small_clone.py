"""A small stand-in for the repository, to try its scripts on: deploy/ and tests/run with
a Meson project that builds in a second, in a directory whose name has spaces."""

import contextlib
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COPIED = ("deploy/setup", "deploy/demo", "deploy/fetch-data", "deploy/lib.sh",
          "tests/run", "tests/summary.py", ".ci/run")
NOBODY = 65534

# What a test makes here is as with the usual umask; call() sets that of the script.
os.umask(0o022)


def write(path, text, executable=False):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755 if executable else 0o644)


@contextlib.contextmanager
def small_clone(files):
    """A clone with the given files ({name: text}); belongs to nobody if we are root."""
    with tempfile.TemporaryDirectory(prefix="dusk test ") as outer:
        os.chmod(outer, 0o755)
        root = os.path.join(outer, "a clone")
        for name in COPIED:
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            shutil.copy(os.path.join(ROOT, name), os.path.join(root, name))
        os.chmod(root, 0o755)
        lists = {"deploy/packages": "gcc command:gcc\n", "deploy/packages-test": ""}
        for name, text in {**lists, **files}.items():
            write(os.path.join(root, name), text, executable=text.startswith("#!"))
        if os.geteuid() == 0:
            for directory, _, names in os.walk(outer):
                for path in (directory, *(os.path.join(directory, name) for name in names)):
                    os.chown(path, NOBODY, NOBODY)
        yield root


def call(root, *command, path=None, umask=0o022, network=True, **variables):
    """Runs a script of the clone as a user that is not root, from the root directory."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("BUILD_DIR", "MESON_TESTTHREADS") and "SAN_OPTIONS" not in name}
    environment.update(HOME=os.path.dirname(root), **variables)
    if path:
        environment["PATH"] = path
    words = [os.path.join(root, command[0]), *command[1:]]
    if os.geteuid() == 0:
        words = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                 "--clear-groups", *words]
        if not network:
            words = ["/usr/bin/unshare", "--net", *words]
    return subprocess.run(words, cwd="/", env=environment, umask=umask, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=300)


def commands(root, *left_out, **fakes):
    """A PATH with the machine's commands but some, and shell scripts in place of others."""
    directory = tempfile.mkdtemp(dir=os.path.dirname(root), prefix="bin")
    os.chmod(directory, 0o755)
    for place in ("/bin", "/usr/bin"):
        for name in os.listdir(place):
            link = os.path.join(directory, name)
            if name not in left_out and name not in fakes and not os.path.lexists(link):
                os.symlink(os.path.join(place, name), link)
    for name, text in fakes.items():
        write(os.path.join(directory, name), "#!/bin/bash\n" + text, executable=True)
    return directory
