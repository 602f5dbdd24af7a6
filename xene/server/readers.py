"""A few threads that read the state for HTTP, each over a connection of its own."""

from __future__ import annotations

import threading
from typing import Any, Callable, TypeVar, cast

from xene.server.jobs import Job, Waiting, settle
from xene.store import db
from xene.store.db import State

T = TypeVar("T")
Look = Callable[[State], Any]
THREADS = 4
WAITING = 1024  # reads that wait; more are refused


class Readers:
    """Reads the state at `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._waiting: Waiting[Look] = Waiting(WAITING)
        self._threads = [
            threading.Thread(target=self._serve, name="xene-http-reader", daemon=True) for _ in range(THREADS)
        ]

    def start(self) -> None:
        """Begin to take what is asked."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Answer what was asked, then end."""
        for _ in self._threads:
            self._waiting.end()
        for thread in self._threads:
            thread.join()

    async def read(self, look: Callable[[State], T]) -> T:
        """The value of `look(state)`, which runs on another thread. Raises what it raises, Storage, Busy."""
        return cast(T, await self._waiting.put(look))

    def _serve(self) -> None:
        state: State | None = None
        try:
            while jobs := self._waiting.take():
                state = self._answer(jobs[0], state)
                settle(jobs)
        finally:
            if state is not None:
                state.close()

    def _answer(self, job: Job[Look], state: State | None) -> State | None:
        """Do one job; the state to go on with, None where it is to be opened anew."""
        try:
            state = state or db.open_for_reading(self._path)
            job.value = job.act(state)
            return state if state.exists else None
        except Exception as error:  # noqa: BLE001 - it is the answer of who asked
            job.error = error
            if state is not None and state.conn.in_transaction:
                state.conn.rollback()
            return state
