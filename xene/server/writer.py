"""The one thread that writes for HTTP: what waits is stored in one transaction, then all who asked are answered.

A commit costs a sync of the disk; with 50 connections one sync serves them all. Each act has its own savepoint, so
that one that is refused harms no other. An answer is given only after the commit: who was told 202 has it on disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import Any, Callable, Protocol, TypeVar, cast

from xene.errors import Storage
from xene.server.jobs import Job, Waiting, settle
from xene.store import db
from xene.store.db import State

T = TypeVar("T")
Act = Callable[[sqlite3.Connection, float], Any]
GROUP = 256  # acts in one transaction: others want to write too
WAITING = 4096  # acts that wait; more are refused
PATIENCE = 5.0  # seconds that the state may be locked by others: senders of webhooks wait 10 s at the most


class Writing(Protocol):
    """Whatever stores for a request."""

    async def submit(self, act: Callable[[sqlite3.Connection, float], T]) -> T: ...


class Writer:
    """Writes to the state at `path`, and calls `nudge` after each commit."""

    def __init__(
        self, path: str, nudge: Callable[[], None], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._nudge, self._clock = path, nudge, clock
        self._waiting: Waiting[Act] = Waiting(WAITING)
        self._state: State | None = None
        self._file: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._serve, name="xene-http-writer", daemon=True)

    def start(self) -> None:
        """Begin to take what is submitted."""
        self._thread.start()

    def stop(self) -> None:
        """Store what waits, then end."""
        self._waiting.end()
        self._thread.join()

    async def submit(self, act: Callable[[sqlite3.Connection, float], T]) -> T:
        """Have `act(conn, now)` done inside a transaction; its value once that is on disk.

        Raises what `act` raises (then nothing of it is stored), Storage where the state cannot be written, Busy
        where too much waits. `act` runs on another thread, may not commit, and is done also if who asked has gone.
        """
        return cast(T, await self._waiting.put(act))

    def _serve(self) -> None:
        try:
            while group := self._waiting.take(GROUP):
                self._carry_out(group)
        finally:
            self._close()

    def _carry_out(self, group: list[Job[Act]]) -> None:
        """Store a group and answer it."""
        try:
            state = self._open()
            before = state.conn.total_changes
            with state.transaction() as conn:
                for job in group:
                    self._do(state, job, self._clock())
                if not conn.in_transaction:
                    raise AssertionError("an act has ended the transaction of its group")
        except Exception as error:  # noqa: BLE001 - it is the answer of everyone in the group
            self._close()  # the file may have been put in place anew
            for job in group:
                job.error = error
        else:
            if state.conn.total_changes != before:
                self._nudge()
        settle(group)

    def _do(self, state: State, job: Job[Act], now: float) -> None:
        try:
            with state.savepoint() as conn:
                job.value = job.act(conn, now)
        except Exception as error:
            if not state.conn.in_transaction:
                raise  # SQLite has taken back everything: nobody's act is stored
            job.error = error

    def _open(self) -> State:
        """The state, as long as it is the file of that name: what is written to one that was replaced is lost."""
        if self._state is None:
            self._state = db.open_state(self._path, create=False, patience=PATIENCE)
            self._file = _identity(self._path)
        if self._file != _identity(self._path) or not self._state.exists:
            raise Storage(f"{self._path} was removed or replaced", hint="start the controller again")
        return self._state

    def _close(self) -> None:
        state, self._state = self._state, None
        if state is not None:
            state.close()


def _identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another of the same name. None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
