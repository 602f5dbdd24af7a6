"""Where an agent keeps what it has: paths, made 0700 and refused when they belong to somebody else.

HOME/agent/SHA/                 the code
HOME/STATE-UUID/AGENT/          one daemon: daemon.{lock,pid,sock,log}, journal, step.sh, enter.sh, engines,
                                lease, start.sh
HOME/STATE-UUID/AGENT/runs/RUN/ workspace/ logs/ steps/ artifacts/ inside/ (what containers see of their steps)
"""

from __future__ import annotations

import os
import stat
import sys
from typing import Tuple

from xene.errors import NotTrusted, Storage

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "lustre"}
)
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS and SETFLAGS of linux/fs.h
_TOP_OF_HIERARCHIES = 0x00020000  # FS_TOPDIR_FL


class Home:
    """The directory of one daemon. `path` is absolute."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.code = os.path.join(os.path.dirname(os.path.dirname(path)), "agent")
        self.lock = os.path.join(path, "daemon.lock")
        self.pid = os.path.join(path, "daemon.pid")
        self.log = os.path.join(path, "daemon.log")
        self.journal = os.path.join(path, "journal")
        self.wrapper = os.path.join(path, "step.sh")
        self.entrance = os.path.join(path, "enter.sh")
        self.engines = os.path.join(path, "engines")  # those that have ever made a container for this home
        self.lease = os.path.join(path, "lease")  # the last grant, for the next daemon of this boot
        self.start = os.path.join(path, "start.sh")  # starts the daemon after a reboot
        self.runs = os.path.join(path, "runs")
        self.incoming = os.path.join(path, "incoming")  # artifacts of other pipelines, by their sha256

    def run(self, run: str) -> str:
        """The directory of a run."""
        return os.path.join(self.runs, run)


def daemon_home(home: str, state: str, agent: str) -> Home:
    """The directory for agent `agent` of state `state` below `home`, which may start with `~`."""
    return Home(os.path.join(os.path.abspath(os.path.expanduser(home)), state, agent))


def prepare(home: Home) -> None:
    """Make the directory and check it. Raises NotTrusted (another owner) and Storage (cannot be used)."""
    try:
        _make(home)
    except OSError as error:
        raise Storage(
            f"cannot make {home.path}: {error.strerror}",
            hint="name a directory that can be written as the agent's spec.home",
            code="HomeUnusable",
        ) from None
    for path in (
        os.path.dirname(os.path.dirname(home.path)),
        os.path.dirname(home.path),
        home.path,
        home.runs,
    ):
        _make_private(path)
    if os.path.lexists(home.code):
        _make_private(home.code)
    kind = filesystem(home.path)
    if kind in _NETWORK:
        raise Storage(
            f"{home.path} is on a network file system ({kind}), where locks cannot be trusted",
            hint="name a directory on a local disk as the agent's spec.home",
            code="HomeUnusable",
        )


def _make(home: Home) -> None:
    if os.path.isdir(home.runs):
        return
    top = os.path.dirname(os.path.dirname(home.path))
    os.makedirs(top, mode=0o700, exist_ok=True)
    spread(top)
    os.makedirs(home.runs, mode=0o700, exist_ok=True)
    spread(home.runs)


def spread(path: str) -> None:
    """Tell the file system that the directories in `path` have nothing to do with each other (`chattr +T`).

    ext4 then lays each of them elsewhere on the disk. Laid side by side they share a table of inodes, where an ext4
    without a journal walks past everything that was removed in the last minutes for every file that is made: with
    short runs behind this one that costs more than the steps. It is a hint, which most file systems refuse.
    """
    import fcntl  # here: an attach that finds all in place does without

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(4)), sys.byteorder)
        if not flags & _TOP_OF_HIERARCHIES:
            wanted = flags | _TOP_OF_HIERARCHIES
            fcntl.ioctl(descriptor, _SET_FLAGS, wanted.to_bytes(4, sys.byteorder))
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _make_private(path: str) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise NotTrusted(
            f"{path} is not a directory of this user",
            hint="remove it, or name another directory as the agent's spec.home",
            code="HomeUnusable",
        )
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)


def filesystem(path: str) -> str:
    """The type of the file system that holds `path`, as the kernel names it; empty where it does not tell."""
    best: Tuple[int, str] = (-1, "")
    real = os.path.realpath(path)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                left, _, right = line.partition(" - ")
                point = left.split(" ")[4].encode().decode("unicode_escape")
                if (real + "/").startswith(point.rstrip("/") + "/"):
                    best = max(best, (len(point), right.split(" ")[0]), key=lambda found: found[0])
    except OSError:
        return ""
    return best[1]


def write_whole(path: str, data: bytes) -> None:
    """Replace a file by temp name and rename, durable, 0600."""
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    sync_directory(os.path.dirname(path))


def lay(path: str, data: bytes) -> None:
    """Write a file unless it is there and the same: a daemon must come up on a full disk too."""
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    write_whole(path, data)


def sync_directory(path: str) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
