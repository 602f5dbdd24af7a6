"""Where a state may lie: private directories and files, never on a network file system.

Called by `store.db` and `control`; it knows nothing of SQLite. Modes are set whatever the umask.
"""

from __future__ import annotations

import errno
import os
import re
import stat

from xene.errors import NotTrusted, Storage

NETWORK = ("nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "ncpfs")
_REMOTE_FUSE = ("sshfs", "glusterfs", "s3fs", "rclone", "gcsfuse", "davfs", "curlftpfs", "smbnetfs", "ceph")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def make_private_directory(path: str) -> None:
    """Create `path` (0700) and what is missing above it (0700 too). One that exists keeps its mode."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    make_private_directory(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise Storage(f"{path} is not a directory", hint="move it away, or name another place") from None
        return
    except OSError as error:
        raise Storage(
            f"{path} cannot be created: {error.strerror}", hint="set XENE_HOME, or give --state FILE"
        ) from None
    os.chmod(path, 0o700)


def make_private_file(path: str) -> None:
    """Create an empty file (0600) where there is none; take the bits of others from one of ours.

    One that is there is never opened: closing any descriptor of a file drops every POSIX lock that this process
    has on it, and SQLite's are such locks (sqlite.org/howtocorrupt.html, 2.2). Another process would then take
    itself for the last one that has the state open, and remove the log that we go on writing to.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _make_private(path)
    except OSError as error:
        raise _unusable(path, error.strerror) from None
    os.fchmod(handle, 0o600)
    return os.close(handle)


def _make_private(path: str) -> None:
    try:
        found = os.stat(path)
        if found.st_mode & 0o777 != 0o600 and found.st_uid == os.geteuid():
            os.chmod(path, 0o600)
    except OSError as error:
        raise _unusable(path, error.strerror) from None
    if stat.S_ISDIR(found.st_mode):
        raise _unusable(path, os.strerror(errno.EISDIR))
    if not os.access(path, os.R_OK | os.W_OK):
        raise _unusable(path, os.strerror(errno.EACCES))


def _unusable(path: str, why: str | None) -> Storage:
    return Storage(
        f"{path} cannot be opened: {why}",
        hint="check the owner and the mode of the file and of its directory",
    )


def refuse_foreign(path: str) -> None:
    """Raise NotTrusted where somebody else made the file `path`, or may put another in its place."""
    folder = os.path.dirname(os.path.abspath(path))
    for each in (folder, path):
        try:
            found = os.stat(each)
        except OSError:
            continue  # it is not there yet; what else may be wrong is told by whoever opens it
        loose = found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX
        if found.st_uid not in (os.geteuid(), 0) or loose:
            raise NotTrusted(
                f"{each} {'may be written by everybody' if loose else 'belongs to another user'}",
                hint="name a place of your own: set XENE_HOME, or give --state FILE",
                code="StateUnsafe",
            )


def file_system(path: str, mountinfo: str = "/proc/self/mountinfo") -> str:
    """The type of the file system that holds `path` (`ext4`, `nfs4`, `fuse.sshfs`), "" where it is unknown."""
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                mount, found = _mount(line)
                if len(mount) >= len(best) and _covers(mount, real):
                    best, kind = mount, found
    except OSError:
        return ""  # no /proc: nothing is known, so nothing is refused
    return kind


def _mount(line: str) -> tuple[str, str]:
    """Mount point and type of one line of mountinfo, whose optional fields end with a lone '-'."""
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    if len(fields) < 5 or not after:
        return "", ""
    point = _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
    return point, after.split(" ", 1)[0]


def _covers(mount: str, path: str) -> bool:
    return mount == "/" or path == mount or path.startswith(mount + "/")


def is_network(kind: str) -> bool:
    """Whether SQLite's locks cannot be trusted on a file system of this type."""
    if kind.startswith("fuse."):
        return any(name in kind for name in _REMOTE_FUSE)
    return kind in NETWORK


def refuse_network(path: str) -> None:
    """Raise Storage where `path` (or the nearest directory above it that exists) is on a network file system."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    kind = file_system(path)
    if is_network(kind):
        raise Storage(
            f"{path} is on a network file system ({kind}): its locks cannot be relied on",
            hint="keep the state on a local disk: set XENE_HOME, or give --state FILE",
        )


def quoted(path: str) -> str:
    """A path as it stands in a `file:` URI."""
    from urllib.parse import quote

    return quote(path)


def sync_directory(path: str) -> None:
    """Make a rename in `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_WRITE_LOCK = 120  # the byte of `-shm` that a writer locks (sqlite.org/walformat.html, 2.3)


def writer(path: str, locks: str = "/proc/locks") -> int | None:
    """The pid of the process that is writing to the state at `path`; None where nobody does, or it is unknown."""
    try:
        inode = str(os.stat(path + "-shm").st_ino)
        with open(locks, encoding="ascii") as lines:
            held = [line.split() for line in lines]
    except OSError:
        return None
    for line in held:  # 1: POSIX ADVISORY WRITE 4711 08:01:131 120 120
        ours = line[1:4] == ["POSIX", "ADVISORY", "WRITE"] and line[5].rpartition(":")[2] == inode
        if ours and int(line[6]) <= _WRITE_LOCK and (line[7] == "EOF" or int(line[7]) >= _WRITE_LOCK):
            return int(line[4]) if int(line[4]) > 0 else None  # 0: it is in another container
    return None


def program(pid: int) -> str:
    """What a process is called, for people."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() or "?"
    except OSError:
        return "?"
