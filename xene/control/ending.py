"""Ending runs before their time: `cancel` and `kill`. The wish is stored first; then the agent is told."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from xene.control.drive import drive
from xene.control.follow import Ended
from xene.control.passes import is_away
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.errors import Conflict, NotFound, Unreachable
from xene.store import db, runs, views, wishes
from xene.store.db import State


class _Over(Ended):
    """The run has ended; or its agent is away, so that nobody can say."""

    def __init__(self, place: Place, run: str, agent: str, open: Open) -> None:
        super().__init__(place, [run], first=[agent], open=open)
        self._run, self._from = run, time.time()

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            (status,) = runs.statuses(conn, [self._run])
        if not status.ended and is_away(status.agent_phase, status.tried_at, self._from):
            raise Unreachable(
                f"it cannot be confirmed that run {self._run} ends: agent {status.agent} is"
                f" {status.agent_phase} ({status.agent_message})",
                hint="the wish is kept, and told to the agent when it is back",
                code=str(status.agent_phase),
            )
        return super().met(state)


def ask(conn: sqlite3.Connection, now: float, run: str, *, kill: bool) -> None:
    """Store that a run is to end. Raises NotFound, Conflict if it has ended already."""
    found = runs.statuses(conn, [run])
    if not found:
        raise NotFound(f"there is no run {run}", hint="xene get runs")
    if not wishes.end(conn, now, run, kill=kill):
        raise Conflict(f"run {run} has ended already, in {found[0].phase}", hint=f"xene describe run {run}")


def end(place: Place, run: str, *, kill: bool, open: Open = open_channel) -> dict[str, Any]:
    """Cancel or kill a run; give it when it has ended.

    Raises Conflict if it had ended before, Unreachable if its agent cannot be asked (the wish stays), NotFound.
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            raise NotFound(f"there is no run {run}", hint="xene get runs")
        before = views.run(state, run)
        with state.transaction() as conn:
            ask(conn, time.time(), run, kill=kill)
    drive(place, _Over(place, run, before["agent"], open), open=open)
    with db.open_for_reading(place.state) as state:
        return views.run(state, run)
