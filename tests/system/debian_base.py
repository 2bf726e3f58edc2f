"""A bare Debian 12 as a tar file, made by debootstrap from the mirror this machine uses.

It takes half a minute, so the file is kept in ${XDG_CACHE_HOME:-~/.cache}/dusk.
Needs root.
"""

import os
import shutil
import subprocess
import tempfile

RELEASE = "bookworm"
# Left out as Debian's slim images do.
LEFT_OUT = ("usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*",
            "var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*", "dev/*", "proc/*", "sys/*")


def mirror():
    """Where apt gets Debian from here; None for debootstrap's own choice."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(LABEL)",
         "Created-By: Packages"], capture_output=True, text=True, check=False)
    for line in asked.stdout.splitlines():
        address, codename, label = (line.split() + ["", ""])[:3]
        if codename == RELEASE and label == "Debian":
            return address
    return None


def proxies():
    """The proxy settings of the environment, or else of apt: {variable: address}."""
    found = {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy")
             if os.environ.get(name)}
    for scheme in ("http", "https"):
        asked = subprocess.run(
            ["apt-config", "shell", "P", f"Acquire::{scheme}::Proxy"], capture_output=True,
            text=True, check=False)
        if asked.stdout.startswith("P='") and f"{scheme}_proxy" not in found:
            found[f"{scheme}_proxy"] = asked.stdout.strip()[3:-1]
    return found


def base_tar():
    """The path of the tar file; made now if it is not there."""
    cache = os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dusk")
    path = os.path.join(cache, f"{RELEASE}.tar")
    if os.path.exists(path):
        return path
    os.makedirs(cache, exist_ok=True)
    work = tempfile.mkdtemp(dir=cache)
    try:
        os.chmod(work, 0o755)
        tree = os.path.join(work, "tree")
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", RELEASE, tree, *filter(None, [mirror()])],
            env={**os.environ, **proxies()}, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if made.returncode != 0:
            raise RuntimeError("debootstrap: " + "\n".join(made.stdout.splitlines()[-5:]))
        subprocess.run(
            ["tar", "-C", tree, *(f"--exclude=./{left}" for left in LEFT_OUT),
             "-cf", os.path.join(work, "tar"), "."], check=True)
        os.rename(os.path.join(work, "tar"), path)
    finally:
        shutil.rmtree(work)
    return path


if __name__ == "__main__":
    print(base_tar())
