"""Artifacts of other pipelines, sent by control before the run that lays them: kept by their sha256.

Called by `requests`. A piece is on disk before it is answered for. A connection that is cut costs nothing: the next
one goes on from there; a daemon that dies has the part sent anew, since only the bytes that it saw are hashed.
"""

from __future__ import annotations

import errno
import os
import re
import time
from typing import TYPE_CHECKING, Collection, Dict, List, Set

from xene.agent.home import sync_directory
from xene.model.ids import is_run_id
from xene.model.run import ARTIFACT_BYTES

if TYPE_CHECKING:
    import hashlib

QUOTA = 64 * 1024**3  # bytes of all that wait here
KEPT = 3600.0  # seconds that a whole or half artifact waits for a run that nobody starts
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PART = ".part"


class Incoming:
    """The directory, made when the first piece comes. Files are 0600, a half one is `SHA256.part`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._parts: Dict[str, _Part] = {}
        self._wanted: Dict[str, Dict[str, float]] = {}  # by sha256: runs that are to come, and since when

    def stow(self, run: str, sha256: str, size: int, offset: int, data: bytes) -> int:
        """Keep a piece; how many bytes are here now, all of them only where the sha256 holds.

        A piece that does not begin where the last one ended changes nothing. Raises ValueError, OSError.
        """
        if not (is_run_id(run) and _SHA256.match(sha256)):
            raise ValueError("this names no run or no artifact")
        if not (_is_count(size) and _is_count(offset)) or not 0 < size <= ARTIFACT_BYTES:
            raise ValueError(f"{size!r} is no size of an artifact")
        os.makedirs(self._path, mode=0o700, exist_ok=True)
        self._wanted.setdefault(sha256, {})[run] = time.monotonic()
        whole = os.path.join(self._path, sha256)
        if os.path.exists(whole):
            os.utime(whole)
            return os.path.getsize(whole)
        part = self._parts.get(sha256)
        if part is None:
            self._check_quota(size)
            part = self._parts[sha256] = _Part(whole + _PART)
        if data and offset == part.size and offset + len(data) <= size:
            part.add(data)
        if part.size < size:
            return part.size
        return self._complete(sha256, part, whole)

    def _complete(self, sha256: str, part: _Part, whole: str) -> int:
        """0 where the bytes are not those that the name says: they are sent anew."""
        del self._parts[sha256]
        if part.hexdigest() != sha256:
            part.discard()
            return 0
        part.sync()
        os.rename(part.path, whole)
        sync_directory(self._path)
        return part.size

    def _check_quota(self, size: int) -> None:
        with os.scandir(self._path) as entries:
            waiting = sum(entry.stat().st_size for entry in entries)
        if waiting + size > QUOTA:
            raise OSError(errno.EDQUOT, f"more than {QUOTA // 1024**3} Gi of artifacts wait here")

    def taken(self, run: str) -> None:
        """The run was accepted: from now on the ledger says what it needs."""
        for runs in self._wanted.values():
            runs.pop(run, None)

    def tidy(self, needed: Collection[str], released: Collection[str] = ()) -> None:
        """Remove what no known run, and none that is to come, will lay: what `released` runs had, or is old."""
        paths = self.idle(needed, released)
        self.abandon(paths)
        for path in paths:
            os.unlink(path)

    def idle(self, needed: Collection[str], released: Collection[str] = ()) -> List[str]:
        """The paths of what `tidy` would remove."""
        late = time.monotonic() - KEPT
        coming: Set[str] = set()
        for sha256, runs in list(self._wanted.items()):
            self._wanted[sha256] = {run: since for run, since in runs.items() if since >= late}
            if self._wanted[sha256]:
                coming.add(sha256)
            else:
                del self._wanted[sha256]
        try:
            with os.scandir(self._path) as found:
                entries = list(found)
        except FileNotFoundError:
            return []
        return [
            entry.path
            for entry in entries
            if entry.name[:64] not in needed
            and entry.name[:64] not in coming
            and (entry.name[:64] in released or _is_old(entry))
        ]

    def abandon(self, paths: Collection[str]) -> None:
        """These are about to be removed: what comes of them is begun anew."""
        for path in paths:
            self._parts.pop(os.path.basename(path)[:64], None)


class _Part:
    """A half artifact of this daemon's time."""

    def __init__(self, path: str) -> None:
        import hashlib  # loads libcrypto, which an idle agent does not need

        self.path, self.size = path, 0
        self._digest: hashlib._Hash = hashlib.sha256()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(path, flags, 0o600))

    def add(self, data: bytes) -> None:
        """Append, durable; what was half written on a full disk is written over next time."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(descriptor, data[written:], self.size + written)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._digest.update(data)
        self.size += len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, self.size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def discard(self) -> None:
        os.unlink(self.path)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_old(entry: os.DirEntry[str]) -> bool:
    """An earlier daemon's: its run may be about to be started."""
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > KEPT
