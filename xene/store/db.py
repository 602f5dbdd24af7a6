"""Opening a state, and its transactions: the only place that knows SQLite's pragmas and its errors.

Called by `control` and `commands`. Everything that goes wrong with the file becomes `errors.Storage` with a
remedy. A file that is missing reads as empty; it is created by the first write alone.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from typing import Iterator

from xene.errors import Storage, XeneError
from xene.store import files, migrations, schema, turns

BUSY_SECONDS = 10.0


class State:
    """An open state. `path` is absolute; `exists` is False for one that is only read as empty."""

    def __init__(
        self, path: str, conn: sqlite3.Connection, *, exists: bool, patience: float = BUSY_SECONDS
    ) -> None:
        self.path, self.patience = path, patience
        self.conn = conn
        self.exists = exists
        with translated(path):
            self.uuid: str = conn.execute("SELECT value FROM meta WHERE key = 'uuid'").fetchone()[0]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write: all of it or nothing, on disk when the block is left. Raises Storage."""
        if not self.exists:
            raise Storage(f"{self.path} was opened for reading and does not exist")
        turn = turns.of(self.path)
        if not turn.take(self.patience):
            raise _locked(self.path, self.patience)
        try:
            with translated(self.path, self.patience):
                self.conn.execute("BEGIN IMMEDIATE")
                try:
                    yield self.conn
                    self.conn.execute("COMMIT")
                except BaseException:
                    if self.conn.in_transaction:
                        self.conn.execute("ROLLBACK")
                    raise
        finally:
            turn.give()

    @contextmanager
    def savepoint(self) -> Iterator[sqlite3.Connection]:
        """A part of a transaction that is taken back alone when it raises. Raises Storage."""
        with translated(self.path):
            self.conn.execute("SAVEPOINT part")
            try:
                yield self.conn
            except BaseException:
                if self.conn.in_transaction:  # a full disk has taken back the whole of it already
                    self.conn.execute("ROLLBACK TO part")
                    self.conn.execute("RELEASE part")
                raise
            self.conn.execute("RELEASE part")

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads that see one and the same moment. Inside a transaction it is that one."""
        if self.conn.in_transaction:
            yield self.conn
            return
        with translated(self.path):
            self.conn.execute("BEGIN")
            try:
                yield self.conn
            finally:
                self.conn.execute("COMMIT")

    def data_version(self) -> int:
        """A number that changes when another process has written."""
        with translated(self.path):
            return int(self.conn.execute("PRAGMA data_version").fetchone()[0])

    def is_current(self) -> bool:
        """Whether its schema is still the one that this Xene knows: a newer one may have changed it meanwhile."""
        with translated(self.path):
            return _version(self.conn) == migrations.VERSION

    def meta(self, key: str) -> str:
        """A fact of the state itself: `uuid`, `epoch`, `created_at`."""
        row = self.conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0])

    def free_bytes(self) -> tuple[int, int]:
        """Bytes of the file's pages that hold nothing any more, and of the whole file."""
        with translated(self.path):
            pages, free, size = (
                int(self.conn.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_count", "freelist_count", "page_size")
            )
        return free * size, pages * size

    def tidy(self, *, anew: bool) -> None:
        """Take what stands in the write-ahead log into the file; `anew`: write the file without its free pages.

        A log that readers are still in is left for the next time. Raises Storage where others hold the state, or
        the disk has no room for another file of that size.
        """
        with translated(self.path):
            if anew:
                self.conn.execute("VACUUM")
            self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def epoch(self) -> int:
        return int(self.meta("epoch"))

    def close(self) -> None:
        self.conn.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def raise_epoch(conn: sqlite3.Connection, now: float) -> int:
    """Make every message of controls before this moment stale; give the new epoch.

    It is at least the seconds since 1970: a state restored from a backup does not know how often its later
    self was taken over, but it was earlier.
    """
    row = conn.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    epoch = max(int(row[0]) + 1, int(now))
    conn.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(epoch),))
    return epoch


@contextmanager
def translated(path: str, patience: float = BUSY_SECONDS) -> Iterator[None]:
    """Turn SQLite's errors into Storage errors with a remedy. `patience` is for how long it was waited."""
    try:
        yield
    except sqlite3.Error as error:
        raise _storage_error(path, error, patience) from error


def _storage_error(path: str, error: sqlite3.Error, patience: float) -> XeneError:
    text = str(error)
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return XeneError(f"the state refused a write: {text}")  # ours to mend, not the user's
    if "locked" in text or "busy" in text:
        return _locked(path, patience)
    if "full" in text or ("disk I/O" in text and _is_full(path)):
        return Storage(f"the disk that holds {path} is full", hint="free some space; nothing was changed")
    if getattr(error, "sqlite_errorname", "") in _CANNOT_WRITE:
        return Storage(
            f"{path} cannot be written: {text} ({error.sqlite_errorname})",
            hint="look for space, quotas, limits (ulimit -f) and the health of its disk; nothing was changed",
        )
    if "readonly" in text or "unable to open" in text:
        return Storage(
            f"{path} cannot be written: {text}", hint="check the owner and mode of file and directory"
        )
    if "no such table" in text or "no such column" in text:
        return Storage(
            f"{path} is damaged: {text}", hint="restore a backup; or name another file with --state"
        )
    return Storage(
        f"{path} cannot be read: {text}",
        hint=f"if it is damaged: sqlite3 {path} .recover | sqlite3 recovered.db; or restore a backup",
    )


_CANNOT_WRITE = ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN")
_NEEDED = 256 * 1024  # bytes without which nothing can be done with a state: it wants two more files


def _is_full(path: str) -> bool:
    try:
        found = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _NEEDED


def _locked(path: str, patience: float) -> Storage:
    pid = files.writer(path)
    who = f"process {pid} ({files.program(pid)})" if pid is not None else "another process"
    return Storage(
        f"{path} has been held by {who} for more than {patience:g} s; nothing was changed",
        hint=f"try again when it has finished: ps -fp {pid}"
        if pid
        else "see who has it open: fuser -v " + path,
    )


def open_state(path: str, *, create: bool = True, patience: float = BUSY_SECONDS) -> State:
    """Open the state at `path` for reading and writing. Raises Storage.

    With `create` a missing one is made, with its directory; without, it reads as empty. A write waits `patience`
    seconds for one that is under way.
    """
    path = os.path.abspath(path)
    files.refuse_foreign(path)
    if not _has_content(path):
        if not create:
            return _empty(path)
        files.refuse_network(path)
        files.make_private_directory(os.path.dirname(path))
    else:
        files.refuse_network(path)
    files.make_private_file(path)
    conn = _connect(path, patience)
    try:
        with translated(path, patience):
            _prepare(conn, path)
        return State(path, conn, exists=True, patience=patience)
    except BaseException:
        conn.close()
        raise


def open_for_reading(path: str) -> State:
    """Open the state at `path` for reading alone. A missing one reads as empty. Raises Storage."""
    path = os.path.abspath(path)
    files.refuse_foreign(path)
    if not _has_content(path):
        return _empty(path)
    if not os.access(path, os.W_OK):
        return _open_read_only(path)
    state = open_state(path)
    state.conn.execute("PRAGMA query_only = ON")
    return state


def _open_read_only(path: str) -> State:
    """A state of somebody else: no pragma or migration may write to it."""
    with translated(path):
        conn = sqlite3.connect(f"file:{files.quoted(path)}?mode=ro", uri=True, isolation_level=None)
        try:
            _examine(conn, path)
        except BaseException:
            conn.close()
            raise
        return State(path, conn, exists=True)


def _examine(conn: sqlite3.Connection, path: str) -> None:
    """Raise Storage for what cannot be read as it is."""
    _try(conn, path)
    _refuse_foreign(conn, path)
    if (found := _version(conn)) != migrations.VERSION:
        raise Storage(
            f"{path} has schema {found}; this Xene reads {migrations.VERSION} and may not write to it",
            hint="let its owner run any `xene` command once, to bring it up to date",
        )


def _try(conn: sqlite3.Connection, path: str) -> None:
    """Raise Storage where SQLite wants a file beside the state that can be neither found nor made."""
    try:
        conn.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CANTOPEN:
            raise
        raise Storage(
            f"{path} cannot be read where it is: nothing may be written beside it",
            hint="copy it, and its -wal if there is one, to a directory of yours; or 'VACUUM INTO' a copy",
        ) from None


def _has_content(path: str) -> bool:
    """An empty file is what a process leaves that died while it made a state."""
    try:
        return os.stat(path).st_size > 0 or os.path.exists(path + "-wal")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Storage(f"{path} cannot be reached: {error.strerror}", hint="give --state FILE") from None


def _empty(path: str) -> State:
    """A state in memory that holds nothing."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.execute("BEGIN")
    migrations.begin(conn, time.time())
    conn.execute("COMMIT")
    return State(path, conn, exists=False)


def _connect(path: str, patience: float) -> sqlite3.Connection:
    with translated(path, patience):
        conn = sqlite3.connect(path, timeout=patience, isolation_level=None, cached_statements=256)
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("PRAGMA synchronous = FULL")
        return conn


def _prepare(conn: sqlite3.Connection, path: str) -> None:
    """Make the tables of a new state; bring an older one up to date; refuse one that is not ours to read."""
    version = _version(conn)
    if version == 0:
        _begin(conn)
        version = _version(conn)
    _refuse_foreign(conn, path)
    if version > migrations.VERSION:
        raise Storage(
            f"{path} was written by a newer Xene: its schema is {version}, this one knows {migrations.VERSION}",
            hint="upgrade Xene on this host, or name another file with --state",
        )
    if version < migrations.VERSION:
        migrations.upgrade(conn, path, version)


def _begin(conn: sqlite3.Connection) -> None:
    _use_wal(conn)
    conn.execute("BEGIN IMMEDIATE")
    try:
        if _version(conn) == 0 and not conn.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            migrations.begin(conn, time.time())
        conn.execute("COMMIT")
    except BaseException:
        conn.execute("ROLLBACK")
        raise


def _use_wal(conn: sqlite3.Connection) -> None:
    """Readers never wait for the writer. SQLite does not wait for others while it changes the mode: we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            conn.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def _refuse_foreign(conn: sqlite3.Connection, path: str) -> None:
    if conn.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        raise Storage(f"{path} is a SQLite file, but not a state of Xene", hint="give --state FILE")
