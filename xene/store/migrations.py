"""How a state of an older Xene becomes one of this version; how a new one begins.

Called by `store.db` inside an exclusive moment. A new state gets `schema.SQL` at once; an older one is copied
beside itself and then goes through the named migrations that it lacks (sqlite-utils, imported only then).
To change the schema: change `schema.py`, and add a function here that brings an older state to it.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from typing import TYPE_CHECKING, Any, Callable, Sequence

from xene.errors import Storage
from xene.model import phases
from xene.model.agent import LOCAL
from xene.store import files, schema

if TYPE_CHECKING:
    from sqlite_utils import Database

Migration = Callable[["Database"], None]

FIRST = "0001-begin"  # what `schema.SQL` was in the first version; there is nothing before it
MIGRATIONS: tuple[tuple[str, Migration], ...] = ()
VERSION = 1 + len(MIGRATIONS)


def begin(conn: sqlite3.Connection, now: float) -> None:
    """Make the tables of a new state, with its uuid and its implicit agent, inside an open transaction."""
    for statement in _statements(schema.SQL):
        conn.execute(statement)
    conn.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version = {VERSION}")
    facts = {"uuid": str(uuid.uuid4()), "epoch": "1", "created_at": repr(now), "changes": "0", "placed": "0"}
    conn.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", facts.items())
    conn.execute(
        "INSERT INTO agents (name, implicit, phase, reason, message) VALUES (?, 1, ?, 'NeverContacted', ?)",
        (LOCAL, phases.NOT_READY, "it has not been contacted yet"),
    )


def _statements(script: str) -> list[str]:
    """The statements of a script one by one: `executescript` would commit the transaction."""
    return [statement for statement in script.split(";\n") if statement.strip()]


def upgrade(
    conn: sqlite3.Connection,
    path: str,
    version: int,
    migrations: Sequence[tuple[str, Migration]] = MIGRATIONS,
) -> None:
    """Bring a state of `version` to the newest. A copy is left at `PATH.backup-vN`. Raises Storage."""
    due = migrations[version - 1 :]
    back_up(conn, f"{path}.backup-v{version}")
    from sqlite_utils import Database  # 100 ms: only when a migration is due
    from sqlite_utils.migrations import Migrations

    named = Migrations("xene")
    for offset, (name, act) in enumerate(due):
        named(name=name)(_raising_version(act, version + offset + 1))
    try:
        named.apply(Database(conn))
    except sqlite3.Error as error:
        raise Storage(
            f"{path} could not be brought to schema {len(migrations) + 1}: {error}",
            hint=f"a copy from before is at {path}.backup-v{version}",
        ) from error


def _raising_version(act: Migration, version: int) -> Any:
    """The migration, which also says in the same transaction that it was made."""

    def step(db: Database) -> None:
        found = db.conn.execute("PRAGMA user_version").fetchone()[0]
        if found < version:  # else another process was quicker
            act(db)
            db.conn.execute(f"PRAGMA user_version = {version}")

    step.__name__ = getattr(act, "__name__", "step")
    return step


def back_up(conn: sqlite3.Connection, path: str) -> None:
    """Copy the whole state to `path` (0600), by a temporary name beside it. Raises Storage."""
    part = f"{path}.{os.getpid()}.{time.monotonic_ns()}.part"
    files.make_private_file(part)
    try:
        copy = sqlite3.connect(part)
        try:
            conn.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            copy.close()
        os.rename(part, path)
        files.sync_directory(os.path.dirname(os.path.abspath(path)))
    except (sqlite3.Error, OSError) as error:
        os.unlink(part)
        raise Storage(f"no copy could be written to {path}: {error}", hint="free some disk space") from error
