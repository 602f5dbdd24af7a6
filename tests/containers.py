"""A real podman for tests: storage, images and a configuration of its own, away from those of the machine.

    with podman_engine() as podman:
        podman.env                     # what a client, or the daemon that starts it, needs in its environment
        podman.image                   # a busybox root; `podman.bare` has no `sh`
        podman.names()                 # the containers that are there

The images are imported, no registry is asked. Where the machine gives no full rights over cgroups, podman wants
`runc` and explicit ulimits: both come from the `containers.conf` that is written here. On leaving, whatever
container is left of the tests is removed, and fails them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

CONTAINERS_CONF = """\
[engine]
runtime = "{runtime}"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{root}/tmp"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""
STORAGE_CONF = """\
[storage]
driver = "vfs"
graphroot = "{root}/graph"
runroot = "{root}/run"
"""


class Podman:
    """One storage below `root`. `name` is what `engine` says, `program` what it is found as."""

    name = "podman"
    image = "localhost/xene-test:1"
    bare = "localhost/xene-bare:1"  # holds one empty file, no `sh`

    def __init__(self, root: Path) -> None:
        self.root = root
        self.program = shutil.which("podman") or ""
        self.settings = {
            "CONTAINERS_CONF": str(root / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
        }
        self.env = {**os.environ, **self.settings}

    def run(self, *argv: str, data: bytes = b"", check: bool = True) -> str:
        """Call podman; what it printed on stdout."""
        done = subprocess.run([self.program, *argv], env=self.env, input=data, capture_output=True)
        assert not check or done.returncode == 0, f"podman {' '.join(argv)}: {done.stderr.decode()}"
        return done.stdout.decode()

    def names(self) -> list[str]:
        return self.run("ps", "-a", "--format", "{{.Names}}").split()

    def prepare(self) -> None:
        """Write the configuration and import the images."""
        runtime = "runc" if shutil.which("runc") else "crun"
        for name, text in (("containers.conf", CONTAINERS_CONF), ("storage.conf", STORAGE_CONF)):
            (self.root / name).write_text(text.format(root=self.root, runtime=runtime))
        self.run("import", "-q", "-", self.image, data=busybox_root())
        self.run("import", "-q", "-", self.bare, data=_tar({"nothing": b""}, {}))


def busybox_root() -> bytes:
    """A tar of a root directory with busybox, its applets, and a user 1000."""
    program = shutil.which("busybox")
    assert program
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {
        "bin/busybox": Path(program).read_bytes(),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n",
        "etc/group": b"root:x:0:\nworker:x:1000:\n",
    }
    links = {f"bin/{name}": "busybox" for name in applets if name != "busybox"}
    return _tar(files, links)


def _tar(files: dict[str, bytes], links: dict[str, str]) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "home/worker", "proc", "sys", "dev", "tmp"):
            tar.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755))
        for name, data in files.items():
            entry = _entry(name, tarfile.REGTYPE, 0o755)
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
        for name, target in links.items():
            entry = _entry(name, tarfile.SYMTYPE, 0o777)
            entry.linkname = target
            tar.addfile(entry)
    return out.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def need_podman() -> None:
    """Skip, loudly, where the programs are missing or the machine's kernel lets nobody make a container."""
    for program in ("podman", "busybox"):
        if shutil.which(program) is None:
            pytest.skip(
                f"the program `{program}` is MISSING: apt-get install podman runc busybox-static "
                "(`make test` tries to)"
            )
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    probe = subprocess.run(["unshare", *user, "--mount", "--pid", "--fork", "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip(f"this machine ALLOWS NO CONTAINERS: unshare says {probe.stderr.decode().strip()}")


@contextlib.contextmanager
def podman_engine() -> Iterator[Podman]:
    """See the module's head. The directory's name is short: podman keeps sockets below it."""
    need_podman()
    root = Path(tempfile.mkdtemp(prefix="xene-podman-"))
    podman = Podman(root)
    try:
        podman.prepare()
        yield podman
        left = podman.names()
        if left:
            podman.run("rm", "-f", *left)
    finally:
        podman.run("rmi", "-f", "-a", check=False)
        _remove(podman)
    assert not left, f"containers were left behind: {left}"


def _remove(podman: Podman) -> None:
    """Rootless, files of other users inside can be removed only from within podman's user namespace."""
    if os.getuid() == 0:
        subprocess.run(["umount", str(podman.root / "graph")], capture_output=True)
        shutil.rmtree(podman.root, ignore_errors=True)
    else:
        podman.run("unshare", "rm", "-rf", str(podman.root), check=False)
