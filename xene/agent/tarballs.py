"""Artifacts as files: a plain tar, made the same way from the same tree, and laid without trusting what is in it.

Called by `artifacts` on a host, and by `xene artifacts` on the control host: what came from an agent may hold
anything. So only directories, regular files and links that stay inside are taken, by names that stay inside;
nothing is ever written through a link; the reader is this page's own, since `tarfile` believes a header's sizes.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
from typing import IO, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from xene.agent import globs
from xene.agent.globs import ArtifactProblem, Found
from xene.model import phases
from xene.model.run import ARTIFACT_BYTES, ARTIFACT_FILES

MAX_BYTES, MAX_FILES = ARTIFACT_BYTES, ARTIFACT_FILES
NAME_MOST = 4096  # bytes of a path in an artifact
BLOCK = 512
PIECE = 1024 * 1024
_NAMES = ("utf-8", "surrogateescape")
_LONG_NAME, _LONG_LINK = b"L", b"K"
_FULL = (errno.ENOSPC, errno.EDQUOT)

Progress = Callable[[int], None]


class Packed(NamedTuple):
    """`files` are regular files and links; `size` is in bytes, of the whole tar."""

    size: int
    sha256: str
    files: int


class Member(NamedTuple):
    """One entry of a tar that may be laid. `link` is where a symbolic link leads to."""

    path: str
    kind: bytes
    mode: int
    size: int
    mtime: int
    link: str


# -- making one


def pack(root: str, patterns: List[str], target: str) -> Packed:
    """Write what `patterns` name below `root` to `target` (0600; by another name first, and durable).

    The bytes follow from names, contents, modes and times alone. Raises ArtifactProblem, OSError.
    """
    found = globs.find(root, patterns, MAX_FILES)
    _refuse(root, found)
    temporary = target + ".tmp"
    _unlink(temporary)
    try:
        packed = _write(root, found, temporary)
        os.rename(temporary, target)
    except BaseException:
        _unlink(temporary)
        raise
    return packed


def _refuse(root: str, found: Found) -> None:
    """Raises ArtifactProblem for what cannot be in an artifact."""
    total = 0
    for path, status in found.items():
        mode = status.st_mode
        if stat.S_ISREG(mode):
            total += status.st_size
        elif stat.S_ISLNK(mode):
            _check_link(path, os.readlink(os.path.join(root, path)))
        elif not stat.S_ISDIR(mode):
            raise ArtifactProblem(f"{path} is neither a file nor a directory nor a link")
        if len(_raw(path)) > NAME_MOST:
            raise ArtifactProblem(f"the name {path[:80]}... is longer than {NAME_MOST} bytes")
    if total > MAX_BYTES:
        raise ArtifactProblem(f"it has {total} bytes, more than {MAX_BYTES // 1024**3} Gi")


def _check_link(path: str, target: str) -> None:
    """Raises ArtifactProblem where a link might lead out of the tree, whatever stands there.

    `..` only in front: behind a name that is a link itself, it would not lead to where it seems to.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    if target.startswith("/") or not target or ".." in parts[up:] or up > path.count("/"):
        raise ArtifactProblem(f"{path} is a link that leads out of the workspace, or may: to {target}")


class _Hashing:
    """A file that is being written, with its digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def fill(self, block: int) -> None:
        self.write(b"\0" * (-self.size % block))

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _write(root: str, found: Found, path: str) -> Packed:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    files = 0
    with open(descriptor, "wb") as raw:
        out = _Hashing(raw)
        for name in sorted(found, key=_raw):
            files += not stat.S_ISDIR(found[name].st_mode)
            _add(out, root, name, found[name])
        out.write(b"\0" * (2 * BLOCK))
        raw.flush()
        os.fsync(raw.fileno())
    return Packed(out.size, out.hexdigest(), files)


def _add(out: _Hashing, root: str, name: str, status: os.stat_result) -> None:
    where = os.path.join(root, name)
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = status.st_mode & 0o777, max(0, int(status.st_mtime))
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(where), 0o777
        _check_link(name, info.linkname)
        out.write(_head(info))
    elif stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        out.write(_head(info))
    else:
        _add_file(out, info, where, name)


def _head(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT, *_NAMES)


def _add_file(out: _Hashing, info: tarfile.TarInfo, where: str, name: str) -> None:
    descriptor = os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactProblem(f"{name} changed while it was collected")
        info.size = left = status.st_size
        out.write(_head(info))
        while left:
            data = file.read(min(PIECE, left))
            if not data:
                raise ArtifactProblem(f"{name} changed while it was collected")
            out.write(data)
            left -= len(data)
        out.fill(BLOCK)


# -- laying one


def digest(file: IO[bytes]) -> Tuple[int, str]:
    """Size and sha256 of an open file, read from its beginning to its end."""
    file.seek(0)
    made, size = hashlib.sha256(), 0
    while data := file.read(PIECE):
        made.update(data)
        size += len(data)
    return size, made.hexdigest()


def lay(path: str, size: int, sha256: str, directory: str, progress: Optional[Progress] = None) -> int:
    """Lay the artifact at `path` into `directory`, once its bytes are those that were announced; how many files.

    What stands there under the same names is replaced. Raises ArtifactProblem, OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ArtifactProblem("its file is not here any more", code=phases.ARTIFACT_MISSING) from None
    with open(descriptor, "rb") as file:
        if digest(file) != (size, sha256):
            raise ArtifactProblem("its bytes are not those that were announced: the sha256 differs")
        file.seek(0)
        with _Tree(directory) as tree:
            return sum(tree.take(member, file, progress) for member in members(file))


def members(file: IO[bytes]) -> Iterator[Member]:
    """The entries of a tar, checked; the file stands at the contents of each when it is given.

    Raises ArtifactProblem for whatever `pack` would not have written.
    """
    long: Dict[bytes, str] = {}
    count = 0
    while True:
        info = _info(file)
        if info is None:
            return
        if info.type in (_LONG_NAME, _LONG_LINK):
            long[info.type] = _long(file, info)
            continue
        count += 1
        if count > MAX_FILES:
            raise ArtifactProblem(f"it has more than {MAX_FILES} files")
        after = file.tell() + info.size + -info.size % BLOCK
        yield _member(info, long)
        long = {}
        file.seek(after)


def _info(file: IO[bytes]) -> Optional[tarfile.TarInfo]:
    """The next header; None at the end."""
    block = file.read(BLOCK)
    if block == b"\0" * BLOCK:
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, *_NAMES)
    except (tarfile.HeaderError, ValueError):
        raise ArtifactProblem("it is no tar, or is damaged or cut short") from None
    if info.size < 0 or (info.size and info.type not in (*tarfile.REGULAR_TYPES, _LONG_NAME, _LONG_LINK)):
        raise ArtifactProblem("it holds an entry with a size that makes no sense")
    return info


def _long(file: IO[bytes], info: tarfile.TarInfo) -> str:
    if info.size > NAME_MOST + 1:
        raise ArtifactProblem(f"it holds a name of more than {NAME_MOST} bytes")
    data = file.read(info.size + -info.size % BLOCK)[: info.size]
    return data.rstrip(b"\0").decode(*_NAMES)


def _member(info: tarfile.TarInfo, long: Dict[bytes, str]) -> Member:
    path = long.get(_LONG_NAME, info.name).rstrip("/")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path:
        raise ArtifactProblem(f"it holds {path!r}, a name that may lead out of the directory")
    kind = tarfile.REGTYPE if info.type == tarfile.AREGTYPE else info.type
    link = long.get(_LONG_LINK, info.linkname)
    if kind == tarfile.SYMTYPE:
        _check_link(path, link)
    elif kind not in (tarfile.REGTYPE, tarfile.DIRTYPE):
        raise ArtifactProblem(f"it holds {path}, which is neither a file nor a directory nor a link")
    return Member(path, kind, info.mode & 0o777, info.size, max(0, int(info.mtime)), link)


class _Tree:
    """A directory that members are laid into. Every step into a directory refuses a link in its place."""

    def __init__(self, path: str) -> None:
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._place: List[str] = []
        self._inside = os.dup(self._root)
        self._directories: List[Member] = []

    def __enter__(self) -> _Tree:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is None:
                for member in reversed(self._directories):
                    self._finish(member)
        finally:
            os.close(self._inside)
            os.close(self._root)

    def _finish(self, member: Member) -> None:
        """Modes and times of directories last: one may be closed to its owner, and each file changes its time."""
        self._enter(member.path.split("/"))
        os.fchmod(self._inside, member.mode)
        os.utime(self._inside, (member.mtime, member.mtime))

    def _enter(self, parts: List[str]) -> None:
        """Make `parts` the directory that is being filled; made where it is missing."""
        if parts == self._place:
            return
        inside = os.dup(self._root)
        try:
            for part in parts:
                below = _open_directory(inside, part, "/".join(parts))
                os.close(inside)
                inside = below
        except BaseException:
            os.close(inside)
            raise
        os.close(self._inside)
        self._inside, self._place = inside, parts

    def take(self, member: Member, file: IO[bytes], progress: Optional[Progress]) -> int:
        """Lay one entry; 1 where it counts as a file."""
        *place, name = member.path.split("/")
        if member.kind == tarfile.DIRTYPE:
            self._enter([*place, name])
            self._directories.append(member)
            return 0
        self._enter(place)
        _make_way(self._inside, name, member.path)
        if member.kind == tarfile.SYMTYPE:
            os.symlink(member.link, name, dir_fd=self._inside)
            when = (member.mtime, member.mtime)
            os.utime(name, when, dir_fd=self._inside, follow_symlinks=False)
        else:
            self._file(member, name, file, progress)
        return 1

    def _file(self, member: Member, name: str, file: IO[bytes], progress: Optional[Progress]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._inside)
        with open(descriptor, "wb") as out:
            left = member.size
            while left:
                data = file.read(min(PIECE, left))
                if not data:
                    raise ArtifactProblem("it is cut short")
                out.write(data)
                left -= len(data)
                if progress is not None:
                    progress(len(data))
            out.flush()
            os.fchmod(descriptor, member.mode)
            os.utime(descriptor, (member.mtime, member.mtime))


def _open_directory(inside: int, name: str, path: str) -> int:
    try:
        os.mkdir(name, 0o777, dir_fd=inside)
    except FileExistsError:
        pass
    try:
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise ArtifactProblem(f"a file or a link stands where the directory {path} is to be") from None
        raise
    status = os.fstat(found)
    if status.st_mode & 0o700 != 0o700 and status.st_uid == os.geteuid():
        os.fchmod(found, stat.S_IMODE(status.st_mode) | 0o700)  # laid before, closed to its owner
    return found


def _make_way(inside: int, name: str, path: str) -> None:
    try:
        os.unlink(name, dir_fd=inside)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.EPERM):
            raise ArtifactProblem(f"a directory stands where the file {path} is to be") from None
        raise


def why(error: OSError) -> str:
    """What went wrong, in words; a full disk by its name."""
    if error.errno in _FULL:
        return f"no space is left for it ({error.strerror})"
    name = error.filename
    shown = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
    return f"{shown}: {error.strerror}" if shown else str(error.strerror or error)


def size_text(size: int) -> str:
    """A size for people: `812`, `3.4Ki`, `12Mi`."""
    value, unit = float(size), ""
    for unit in ("", "Ki", "Mi", "Gi"):
        if value < 1024 or unit == "Gi":
            break
        value /= 1024
    return f"{value:.1f}{unit}" if unit and value < 10 else f"{value:.0f}{unit}"


def _raw(path: str) -> bytes:
    return os.fsencode(path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
