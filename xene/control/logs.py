"""Reading logs: from the archive, or from the agent where a run is not archived yet.

Called by `xene logs`, and by `server.logs` beside a controller.
"""

from __future__ import annotations

import os
import time
from typing import Callable, NamedTuple

from xene.control.archive import LOST, part_path, zip_path
from xene.control.drive import drive
from xene.control.follow import Ended
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.tail import Choice, Emit, Reader, Tail
from xene.errors import NotFound, Unreachable
from xene.model import phases
from xene.store import db, runs
from xene.store.db import State

PATIENCE = 30.0  # seconds without a word from the agent
LOOK = 0.05  # seconds between looks at a run that is followed beside whoever is at work


class LogState(NamedTuple):
    """What was given out: `state` is complete, partial or gone (None: the run has not ended), `message` why."""

    state: str | None
    message: str | None


def read(
    place: Place,
    run: str,
    emit: Emit,
    *,
    choice: Choice | None = None,
    live: bool = False,
    open: Open = open_channel,
) -> LogState:
    """Give out the logs of a run; `live` goes on until it has ended. Raises NotFound."""
    choice = choice or Choice()
    tail = Tail([run], emit, choice, live=live)
    with db.open_for_reading(place.state) as state:
        status = _status(state, run)
        if not live or status.archived:
            return _now(place, state, status, tail, open)
    drive(place, Ended(place, [run], tail=tail, first=[status.agent], open=open), open=open)
    with db.open_for_reading(place.state) as state:
        return log_state(state, run)


def read_beside(
    place: Place,
    run: str,
    emit: Emit,
    look: Callable[[], None],
    *,
    choice: Choice | None = None,
    live: bool = False,
    open: Open = open_channel,
) -> LogState:
    """The same for the process that holds the lock, on a thread of its own: it never takes the lock.

    `look` is called all the while; what it or `emit` raises ends the reading. Raises NotFound, Unreachable where
    the agent does not give all of it.
    """
    choice = choice or Choice()
    tail = Tail([run], emit, choice, live=live)
    with db.open_for_reading(place.state) as state:
        status = _status(state, run)
        if not live or status.archived:
            found = _now(place, state, status, tail, open, look)
            if found.state == "partial" and not status.archived:
                raise Unreachable(f"the log of run {run} is not to be had whole: {found.message}")
            return found
        _follow(state, Ended(place, [run], tail=tail, open=open), look)
        return log_state(state, run)


def _follow(state: State, wish: Ended, look: Callable[[], None]) -> None:
    """Look on until the run has ended, or is there no more; whoever is at work makes it move."""
    version = -1
    try:
        while True:
            look()
            found = state.data_version()
            if found != version and wish.met(state):
                return
            version = found
            wish.look(state, None)
            time.sleep(LOOK)
    finally:
        wish.leave()


def _status(state: State, run: str) -> runs.Status:
    with state.snapshot() as conn:
        found = runs.statuses(conn, [run])
    if not found:
        raise NotFound(f"there is no run {run}", hint="xene get runs")
    return found[0]


def log_state(state: State, run: str) -> LogState:
    """How complete the log of a run is, as the state has it."""
    with state.snapshot() as conn:
        return LogState(*runs.log_of(conn, run))


def _now(
    place: Place,
    state: State,
    status: runs.Status,
    tail: Tail,
    open: Open,
    look: Callable[[], None] = lambda: None,
) -> LogState:
    """What there is at this moment."""
    if status.archived:
        tail.from_archive(place.logs(state.uuid), status.id)
        return _found(place.logs(state.uuid), status.id, log_state(state, status.id))
    if not status.known:
        return LogState(None, f"the run is {phases.QUEUED}: there is nothing to read yet")
    trouble = _from_agent(place, state, status, tail, open, look)
    if trouble is None:
        return LogState("complete" if status.ended else None, None)
    tail.from_archive(place.logs(state.uuid), status.id)
    return LogState("partial", trouble)


def _found(directory: str, run: str, said: LogState) -> LogState:
    """What the state says of an archived log, unless somebody has removed it."""
    there = any(os.path.exists(path(directory, run)) for path in (zip_path, part_path))
    return said if there or said.state == "gone" else LogState("gone", LOST)


def _from_agent(
    place: Place, state: State, status: runs.Status, tail: Tail, open: Open, look: Callable[[], None]
) -> str | None:
    """Read what the agent has. Gives what went wrong, None where nothing did."""
    reader = Reader(place, state, open=open)
    deadline = time.monotonic() + PATIENCE
    try:
        while not tail.done:
            look()
            tail.ask([status], reader.sessions, place.logs(state.uuid))
            heard = reader.turn(state, [status.agent], tail, wait=0.1)
            deadline = time.monotonic() + PATIENCE if heard else deadline
            trouble = reader.trouble.get(status.agent) or tail.failure(status.id)
            if trouble:
                return trouble
            if time.monotonic() > deadline:
                return f"agent {status.agent} has not answered for {PATIENCE:.0f} s"
        return None
    finally:
        reader.close()
