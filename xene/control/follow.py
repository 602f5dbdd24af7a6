"""Waiting for runs, and showing them while they run. Called by `run`, `wait` and `logs -f`."""

from __future__ import annotations

import math
import sqlite3
import time
from typing import Any, Callable, Iterable, Protocol, Sequence

from xene.control.drive import Wish, drive, needed
from xene.control.passes import Control, is_away
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.tail import Choice, Reader, Source, Tail, following
from xene.control.world import World
from xene.errors import NotFound
from xene.store import db, fires, runs, views
from xene.store.db import State

SHOW = 0.05  # seconds between two pictures of runs that move


class Show(Protocol):
    """Who looks on."""

    def moved(self, run: dict[str, Any]) -> None: ...

    def said(self, source: Source, data: bytes) -> None: ...


class Ended(Wish):
    """All of these runs have ended and their logs are settled; or they have come to `phase`."""

    def __init__(
        self,
        place: Place,
        ids: Sequence[str],
        *,
        phase: str | None = None,
        moved: Callable[[dict[str, Any]], None] | None = None,
        tail: Tail | None = None,
        first: Sequence[str] = (),
        fire: str | None = None,
        open: Open = open_channel,
    ) -> None:
        self._place, self._ids, self._phase = place, list(ids), phase
        self._fire, self._more_may_come = fire, fire is not None
        self._moved, self._tail, self._open = moved, tail, open
        self.first = tuple(first)
        self._since = time.time()
        self._reader: Reader | None = None
        self._shown: dict[str, dict[str, Any]] = {}
        self._shown_at = 0.0
        self._pending = False  # whether something may have moved since the last picture

    def reach(self, world: World) -> Iterable[str]:
        return needed(world, self._ids)

    @property
    def ids(self) -> list[str]:
        """The runs that are waited for, those of the fire that came later too."""
        return list(self._ids)

    def _find_more(self, conn: sqlite3.Connection) -> None:
        """Runs that have followed within the fire."""
        if self._fire is None or not self._more_may_come:
            return
        self._more_may_come = fires.is_open(conn, self._fire)
        for run in fires.runs_of(conn, self._fire):
            if run not in self._ids:
                self._ids.append(run)
                if self._tail is not None:
                    self._tail.add(run)

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            self._find_more(conn)
            found = runs.statuses(conn, self._ids)
        if self._more_may_come:
            return False
        if self._phase is not None:
            return all(status.ended or status.phase == self._phase for status in found)
        if not all(status.ended and (status.archived or self._is_cut_off(status)) for status in found):
            return False
        if self._tail is not None and not self._tail.done:
            self._rest_of_logs(state, found)
        self._show(state)
        return True

    def _is_cut_off(self, status: runs.Status) -> bool:
        """The run has ended, but its agent went away before its log was fetched."""
        return is_away(status.agent_phase, status.tried_at, self._since)

    def _rest_of_logs(self, state: State, found: Sequence[runs.Status]) -> None:
        assert self._tail is not None
        for status in found:
            if not self._tail.is_done(status.id):
                self._tail.from_archive(self._place.logs(state.uuid), status.id)

    def look(self, state: State, control: Control | None) -> None:
        if self._moved is not None:
            self._pending = time.monotonic() - self._shown_at < SHOW
            if not self._pending:
                self._show(state)
        if self._tail is None:
            return
        with state.snapshot() as conn:
            self._find_more(conn)
            found = runs.statuses(conn, self._ids)
        directory = self._place.logs(state.uuid)
        if control is not None:
            self._close_reader()
            control.on_log = self._tail.take
            self._tail.ask(found, control.sessions, directory)
            return
        if self._reader is None:
            self._reader = Reader(self._place, state, open=self._open)
        self._reader.turn(state, following(found), self._tail)
        self._tail.ask(found, self._reader.sessions, directory)

    def due(self) -> float:
        return max(0.0, self._shown_at + SHOW - time.monotonic()) if self._pending else math.inf

    def _show(self, state: State) -> None:
        """Tell how the runs that moved are now."""
        if self._moved is None:
            return
        self._shown_at = time.monotonic()
        for run in self._ids:
            now = views.run(state, run)
            if now != self._shown.get(run):
                self._shown[run] = now
                self._moved(now)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def leave(self) -> None:
        self._close_reader()


def until_ended(
    place: Place,
    ids: Sequence[str],
    *,
    timeout: float | None = None,
    show: Show | None = None,
    logs: bool = False,
    phase: str | None = None,
    fire: str | None = None,
    open: Open = open_channel,
) -> list[dict[str, Any]]:
    """Wait until all of these runs have ended (or are in `phase`), and give them as JSON.

    With `fire` also for all runs that follow them in that fire, and those are given too.
    `show` is told of every move, and with `logs` of every piece of output. Raises TimedOut, NotFound.
    """
    first = _agents_of(place, ids)
    tail = Tail(ids, show.said, Choice()) if show is not None and logs else None
    moved = show.moved if show is not None else None
    wish = Ended(place, ids, phase=phase, moved=moved, tail=tail, first=first, fire=fire, open=open)
    drive(place, wish, timeout=timeout, open=open)
    with db.open_for_reading(place.state) as state:
        return [views.run(state, run) for run in wish.ids]


def _agents_of(place: Place, ids: Sequence[str]) -> tuple[str, ...]:
    """The agents that are needed for these runs at once. Raises NotFound for a run that does not exist."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        found = {status.id: status for status in runs.statuses(conn, ids)}
    for run in ids:
        if run not in found:
            raise NotFound(f"there is no run {run}", hint="xene get runs")
    return tuple({status.agent: None for status in found.values() if not status.archived})
