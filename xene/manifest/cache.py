"""What was read before, kept so that an unchanged repository costs one stat a file.

Called by `repository`. One file per root in the user's cache directory, 0600, replaced whole. It only ever holds
files without problems. Nothing depends on it: one that is missing, of another version, damaged or not writable
is as good as empty.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import sys
from functools import cache
from typing import NamedTuple

from xene.manifest import schema
from xene.manifest.entries import Declared, Entry, Loaded, ObjectReference
from xene.manifest.files import Signature

_MAGIC = b"xene manifests 1\n"
_LARGEST = 1 << 30


class Known(NamedTuple):
    """A file as it was read: trusted by `signature` if `settled`, else only by the `digest` of its bytes."""

    signature: Signature
    settled: bool
    digest: bytes
    loaded: Loaded


def digest(data: bytes) -> bytes:
    """The digest by which a file's bytes are known."""
    return hashlib.sha256(data).digest()


def path_for(root: str) -> str:
    """The cache file of the repository at the real path `root`."""
    import platformdirs

    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    return os.path.join(platformdirs.user_cache_dir("xene"), "manifests", name)


@cache
def version() -> bytes:
    """Changes with the program, the schemas and Python: what was read by others is not trusted."""
    here = os.path.dirname(os.path.abspath(__file__))
    marks = [sys.version]
    rooms = [
        here,
        *(os.path.join(os.path.dirname(here), room) for room in ("model", "engine")),
        schema.folder(),
    ]
    for folder in rooms:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith((".py", ".json")):
                    status = entry.stat()
                    marks.append(f"{entry.path} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join(marks).encode("utf-8", "surrogateescape")).digest()


def load(root: str) -> dict[str, Known]:
    """What is known of the files below `root`, by path; empty if there is nothing that can be trusted."""
    path = path_for(root)
    try:
        if not _is_private(os.path.dirname(path)):
            return {}
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o077 or status.st_size > _LARGEST:
                return {}
            data = file.read()
    except OSError:
        return {}
    head = len(_MAGIC) + 64
    body = memoryview(data)[head:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : head] != version() + hashlib.sha256(body).digest():
        return {}
    return {rel: _known(row) for rel, row in marshal.loads(body).items()}


def _known(row: tuple[object, ...]) -> Known:
    signature, is_settled, content, entries, declared, used = row
    loaded = Loaded(
        tuple(_entry(entry) for entry in entries),  # type: ignore[attr-defined]
        tuple(Declared._make(item) for item in declared),  # type: ignore[attr-defined]
        used=used,  # type: ignore[arg-type]
    )
    return Known(signature, is_settled, content, loaded)  # type: ignore[arg-type]


def _entry(row: tuple[object, ...]) -> Entry:
    entry = Entry._make(row)
    if entry.references:
        return entry._replace(references=tuple(map(ObjectReference._make, entry.references)))
    return entry


def save(root: str, known: dict[str, Known]) -> None:
    """Replace what is known of `root`. A directory that cannot be written to is no error: the cache is a gift."""
    rows = {rel: _row(value) for rel, value in known.items()}
    body = marshal.dumps(rows)
    path = path_for(root)
    try:
        _make_private(os.path.dirname(path))
        _replace(path, _MAGIC + version() + hashlib.sha256(body).digest() + body)
    except OSError:
        return


def _is_private(directory: str) -> bool:
    found = os.lstat(directory)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _make_private(directory: str) -> None:
    """Make what is missing of a directory, 0700. Raises PermissionError where others could write to it."""
    if not os.path.isdir(directory):
        _make_private(os.path.dirname(directory))
        os.mkdir(directory, 0o700)
        os.chmod(directory, 0o700)
    elif os.path.basename(directory) in ("xene", "manifests") and not _is_private(directory):
        raise PermissionError(f"{directory} may be written by others")


def _row(known: Known) -> tuple[object, ...]:
    entries = tuple(
        (*entry[:7], tuple(map(tuple, entry.references)), entry.col) for entry in known.loaded.entries
    )
    declared = tuple(map(tuple, known.loaded.declared))
    return known.signature, known.settled, known.digest, entries, declared, known.loaded.used


def _replace(path: str, data: bytes) -> None:
    import tempfile

    fd, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")  # 0600
    try:
        with open(fd, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
