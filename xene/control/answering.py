"""Approving and rejecting: the answer is stored first; then the agent that waits for it is told."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from xene.control.drive import drive
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.taken import HeardOut, Taken
from xene.errors import Conflict, NotFound
from xene.model import phases
from xene.store import db, views, wishes
from xene.store.db import State


def answer(
    place: Place, run: str, task: str, *, approved: bool, message: str, open: Open = open_channel
) -> dict[str, Any]:
    """Answer the approval that a task waits for; give the run when its agent has taken the answer.

    Raises NotFound, Conflict where the task does not wait for one, Unreachable if its agent cannot be asked (the
    answer stays).
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            raise NotFound(f"there is no run {run}", hint="xene get runs")
        before = views.run(state, run)
    if not _is_waiting(before, task):
        drive(place, HeardOut(before["agent"]), stored=False, open=open)
    with db.open_state(place.state) as state, state.transaction() as conn:
        ask(conn, time.time(), run, task, approved, message)
    wish = Taken(
        run, before["agent"], f"the answer to task {task}", lambda state: not _waits(state, run, task)
    )
    drive(place, wish, open=open)
    with db.open_for_reading(place.state) as state:
        return views.run(state, run)


def ask(conn: sqlite3.Connection, now: float, run: str, task: str, approved: bool, message: str) -> None:
    """Store the answer. Raises NotFound, Conflict where the task does not wait for one."""
    _refuse(views.run_now(conn, run), task)
    wishes.answer(conn, now, run, task, approved, message)


def _is_waiting(run: dict[str, Any], task: str) -> bool:
    found = run["tasks"].get(task)
    return found is not None and found["reason"] == phases.WAITING_FOR_APPROVAL


def _refuse(run: dict[str, Any], task: str) -> None:
    """Raises what stands against an answer."""
    found = run["tasks"].get(task)
    waiting = [name for name, each in run["tasks"].items() if each["reason"] == phases.WAITING_FOR_APPROVAL]
    hint = f"waiting for approval: {', '.join(waiting)}" if waiting else "no task of it waits for an approval"
    if found is None:
        raise NotFound(f"run {run['id']} has no task {task}", hint=hint)
    if run["phase"] in phases.ENDED:
        raise Conflict(
            f"run {run['id']} has ended already, in {run['phase']}", hint=f"xene why run/{run['id']}"
        )
    if not _is_waiting(run, task):
        raise Conflict(f"task {task} does not wait for an approval: it is {found['phase']}", hint=hint)


def _waits(state: State, run: str, task: str) -> bool:
    """Whether the answer is still to be taken: it goes with the event that says so, or with the run's end."""
    with state.snapshot() as conn:
        left = any(each.run == run and each.task == task for each in wishes.answers(conn))
    return left and views.run(state, run)["phase"] not in phases.ENDED
