"""Trying again: another attempt of an ended run on its agent (`retry`), or a new run with its inputs (`rerun`)."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, Mapping

from xene.control import safe
from xene.control.drive import drive
from xene.control.fire import Fired, HandedOver, repeat
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.taken import HeardOut, Taken
from xene.errors import Conflict, NotFound
from xene.model import phases
from xene.model.workflow import FORBID
from xene.store import db, objects, runs, views, wishes
from xene.store.db import State


def retry(place: Place, run: str, *, start: str | None = None, open: Open = open_channel) -> dict[str, Any]:
    """Have another attempt of a run: what failed and all after it, and from the task `start` on.

    Returns when its agent has taken it. Raises NotFound, Conflict where there is nothing to repeat or its workspace
    is gone, Unreachable if its agent cannot be asked (the wish stays).
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            raise NotFound(f"there is no run {run}", hint="xene get runs")
        before = views.run(state, run)
    if before["phase"] not in phases.ENDED:
        drive(place, HeardOut(before["agent"]), stored=False, open=open)
    with db.open_state(place.state) as state, state.transaction() as conn:
        attempt = ask(conn, time.time(), run, start)
    taken = Taken(run, before["agent"], "the retry", lambda state: _attempt(state, run) >= attempt)
    drive(place, taken, open=open)
    with db.open_for_reading(place.state) as state:
        return views.run(state, run)


def ask(conn: sqlite3.Connection, now: float, run: str, start: str | None) -> int:
    """Store that a run is to have another attempt, and give its number. Raises NotFound, Conflict."""
    before = views.run_now(conn, run)
    _refuse_task(before, start)
    _refuse(run, start, wishes.look_at_retry(conn, run))
    _refuse_second(conn, before)
    attempt = int(before["attempt"]) + 1
    wishes.retry(conn, now, run, attempt, start)
    return attempt


def _attempt(state: State, run: str) -> int:
    with state.snapshot() as conn:
        return wishes.look_at_retry(conn, run).attempt


def _refuse_task(run: dict[str, Any], start: str | None) -> None:
    if start is not None and start not in run["tasks"]:
        from difflib import get_close_matches

        near = get_close_matches(start, list(run["tasks"]), 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(list(run['tasks'])[:10])}"
        raise NotFound(f"run {run['id']} has no task {start}", hint=hint)


def _refuse(run: str, start: str | None, found: wishes.Retry) -> None:
    """Raises what stands against another attempt."""
    if not found.ended:
        raise Conflict(f"run {run} has not ended: it is {found.phase}", hint=f"xene wait {run}")
    if found.phase == phases.SUCCESS and start is None:
        kept = f"xene retry {run} --from TASK repeats that and all after it" if found.kept else ""
        raise Conflict(
            f"run {run} ended in Success, so there is nothing to repeat",
            hint=kept or f"xene rerun {run} starts a new run with the same inputs",
        )
    if not found.kept:
        raise Conflict(
            f"the workspace of run {run} is no longer on its agent, so it cannot go on there",
            hint=f"xene rerun {run} starts a new run with the same inputs",
        )


def _refuse_second(conn: sqlite3.Connection, run: Mapping[str, Any]) -> None:
    """With the policy Forbid an ended run is not tried again while another one goes on. Raises Conflict."""
    if runs.policy_of(objects.read_revision(conn, run["revision"])) == FORBID:
        other = runs.has_open(conn, run["workflow"], run["pipeline"])
        if other is not None:
            raise Conflict(
                f"run {other} has not ended, and the concurrencyPolicy of its pipeline is Forbid",
                hint=f"xene wait {other}; or xene cancel {other}",
            )


def rerun(
    place: Place, run: str, *, latest: bool = False, hand_over: bool = True, open: Open = open_channel
) -> Fired:
    """Start a new run with the inputs of an earlier one, at its revision or at the latest one of its pipeline.

    Raises NotFound, Usage (params that the latest revision refuses), Unplaceable, Conflict (Forbid).
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            raise NotFound(f"there is no run {run}", hint="xene get runs")
        before = views.run(state, run)
        with state.snapshot() as conn:
            safe.refuse_open_file(place.home, conn, before["workflow"], before["pipeline"])
        with state.transaction() as conn:
            fired, where = repeat(conn, time.time(), before, latest=latest)
    if not hand_over:
        return fired
    wish = HandedOver(fired.runs, where)
    drive(place, wish, open=open)
    return fired._replace(away=wish.away)
