"""Reading logs: from the archive, or from the agent where a run is not archived yet. Called by `xene logs`."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from xene.control.archive import LOST, part_path, zip_path
from xene.control.drive import drive
from xene.control.follow import Ended
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.tail import Choice, Emit, Reader, Tail
from xene.errors import NotFound
from xene.model import phases
from xene.store import db, runs
from xene.store.db import State

PATIENCE = 30.0  # seconds without a word from the agent


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


def _now(place: Place, state: State, status: runs.Status, tail: Tail, open: Open) -> LogState:
    """What there is at this moment."""
    if status.archived:
        tail.from_archive(place.logs(state.uuid), status.id)
        return _found(place.logs(state.uuid), status.id, log_state(state, status.id))
    if not status.known:
        return LogState(None, f"the run is {phases.QUEUED}: there is nothing to read yet")
    trouble = _from_agent(place, state, status, tail, open)
    if trouble is None:
        return LogState("complete" if status.ended else None, None)
    tail.from_archive(place.logs(state.uuid), status.id)
    return LogState("partial", trouble)


def _found(directory: str, run: str, said: LogState) -> LogState:
    """What the state says of an archived log, unless somebody has removed it."""
    there = any(os.path.exists(path(directory, run)) for path in (zip_path, part_path))
    return said if there or said.state == "gone" else LogState("gone", LOST)


def _from_agent(place: Place, state: State, status: runs.Status, tail: Tail, open: Open) -> str | None:
    """Read what the agent has. Gives what went wrong, None where nothing did."""
    reader = Reader(place, state, open=open)
    deadline = time.monotonic() + PATIENCE
    try:
        while not tail.done:
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
