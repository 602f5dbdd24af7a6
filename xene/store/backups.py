"""A copy of the state that is whole and can be opened: made while others work, looked through, then put in place.

Called by `xene backup`. It decides nothing but whether the copy is good.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import NamedTuple

from xene.errors import Conflict, NotFound, Storage
from xene.store import files, migrations, schema
from xene.store.db import State, translated


class Backup(NamedTuple):
    """A copy that was verified. `bytes` is its size; `runs` how many runs it holds; `epoch` that of the state."""

    path: str
    bytes: int
    uuid: str
    schema: int
    epoch: int
    runs: int


def back_up(state: State, path: str, *, force: bool = False) -> Backup:
    """Copy the state to `path` (0600). Raises NotFound, Conflict where the path is taken, Storage.

    The copy gets its name only when it was found good; until then another file may stand under that name. `force`
    replaces a file, and never the state itself.
    """
    path = os.path.abspath(path)
    if not state.exists:
        raise NotFound(f"there is no state at {state.path}", hint="give --state FILE")
    _refuse_taken(state, path, force)
    part = f"{path}.{os.getpid()}.{time.monotonic_ns()}.part"
    try:
        _copy(state, part)
        found = verify(part, state.uuid)._replace(path=path)
        _put(part, path, force)
    except (sqlite3.Error, OSError) as error:
        raise Storage(
            f"no copy could be written to {path}: {error}",
            hint="free some space there, or name another place",
        ) from error
    finally:
        if os.path.lexists(part):
            os.unlink(part)
    files.sync_directory(os.path.dirname(path))
    return found


def _refuse_taken(state: State, path: str, force: bool) -> None:
    own = {os.path.realpath(state.path + end) for end in ("", "-wal", "-shm", ".lock", ".wake")}
    if os.path.realpath(path) in own:
        raise Conflict(f"{path} belongs to the state itself", hint="name another file")
    if os.path.isdir(path):
        raise Conflict(f"{path} is a directory", hint=f"name a file in it: {os.path.join(path, 'state.db')}")
    if os.path.lexists(path) and not force:
        raise Conflict(f"{path} exists already", hint="name another file, or give --force to replace it")


def _copy(state: State, part: str) -> None:
    files.make_private_file(part)
    copy = sqlite3.connect(part)
    try:
        state.conn.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    finally:
        copy.close()
    handle = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put(part: str, path: str, force: bool) -> None:
    """Give the copy its name. Without `force` by a link, which never replaces what came there meanwhile."""
    if force:
        os.rename(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise Conflict(f"{path} exists already", hint="name another file, or give --force") from None
    except OSError:  # a file system without hard links
        os.rename(part, path)


def verify(path: str, uuid: str) -> Backup:
    """Open a copy as a restore would, and look through all of it. Raises Storage where it is not good."""
    with translated(path):
        conn = sqlite3.connect(f"file:{files.quoted(path)}?mode=ro", uri=True, isolation_level=None)
        try:
            _check(conn, uuid)
            meta = dict(conn.execute("SELECT key, value FROM meta"))
            (runs,) = conn.execute("SELECT count(*) FROM runs").fetchone()
            (version,) = conn.execute("PRAGMA user_version").fetchone()
            return Backup(path, os.path.getsize(path), meta["uuid"], version, int(meta["epoch"]), runs)
        finally:
            conn.close()


def _check(conn: sqlite3.Connection, uuid: str) -> None:
    """Every page, every reference, and that it is the state that it should be."""
    trouble = [row[0] for row in conn.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    trouble += [f"a row of {row[0]} refers to nothing" for row in conn.execute("PRAGMA foreign_key_check")][
        :5
    ]
    if conn.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        trouble.append("it is no state of Xene")
    elif conn.execute("PRAGMA user_version").fetchone()[0] != migrations.VERSION:
        trouble.append("its schema is not that of the state")
    elif conn.execute("SELECT value FROM meta WHERE key = 'uuid'").fetchone() != (uuid,):
        trouble.append("it is another state")
    if trouble:
        raise Storage(
            f"the copy is not good, and was dropped: {'; '.join(trouble)}",
            hint="the state itself may be damaged: run `xene doctor`; keep older backups",
        )
