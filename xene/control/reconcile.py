"""One pass over everything, for cron: every agent is asked, told and heard once. Called by `xene reconcile`."""

from __future__ import annotations

import time
from typing import Mapping, NamedTuple

from xene.control import leasing
from xene.control import world as worlds
from xene.control.lock import Lock
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.world import World
from xene.model import phases
from xene.plan import dispatch
from xene.plan.orders import KILL
from xene.store import agents, db
from xene.store.agents import Agent

TIME = 60.0  # seconds that a pass takes at most; what is missing then, the next one does
ASKING = 3.0  # seconds that it waits for agents to ask for their leases, which they do at once


class Made(NamedTuple):
    """`made` is False where somebody else is at work: then there was nothing to do. `trouble` by agent."""

    made: bool
    trouble: Mapping[str, str] = {}


def reconcile(place: Place, *, take_over: bool = False, open: Open = open_channel) -> Made:
    """Make one pass. With `take_over` agents obey this state from now on, whoever spoke to them before.

    A state that does not exist yet needs none. Raises Storage.
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists:
            return Made(True)
        with Lock(state.path) as lock:
            if not lock.acquire():
                return Made(False)
            if take_over:
                with state.transaction() as conn:
                    db.raise_epoch(conn, time.time())
                    leasing.take_over(conn, leasing.read_clock())
            since = time.time()
            with Control(place, state, open=open) as control:
                _ask_all(control, since)
                return Made(True, _trouble(control))


def _ask_all(control: Control, since: float) -> None:
    """Turns until every agent was heard and has nothing open, or is in trouble; or the time is up.

    Then, for a moment, until those that want a lease have asked for it: it ends before long without this.
    """
    deadline = time.monotonic() + TIME
    patience: float | None = None
    while (rest := deadline - time.monotonic()) > 0:
        names = [row.name for row in _rows(control)]
        if not control.turn(names, min(rest, 0.1)) and not control.dirty and _is_done(control, since):
            patience = patience or time.monotonic() + ASKING
            if time.monotonic() >= patience or not leasing.unleased(control.state.conn, control.sessions):
                return


def _rows(control: Control) -> list[Agent]:
    with control.state.snapshot() as conn:
        return agents.every(conn)


def _is_done(control: Control, since: float) -> bool:
    """Whether every agent is in trouble, or was heard out and owes no answer. Runs under way may go on."""
    links = control.sessions.links
    with control.state.snapshot() as conn:
        now = worlds.read(conn, links)
    for row in now.rows.values():
        if row.tried_at is None or row.tried_at < since:
            return False
        if row.phase == phases.READY and (row.name not in links or not links[row.name].caught_up):
            return False
    answering = {row.name for row in now.rows.values() if row.phase == phases.READY}
    return not answering & _owing(now)


def _owing(now: World) -> set[str]:
    """Agents from which an answer is due at once: to an assignment, a start, a wish, a request for a log."""
    owing = set(dispatch.untold(now.agents, now.assigned, now.held, now.runs))
    for run in now.runs:
        unheard = run.sent_journal is not None and not run.known
        unseen = run.wish is not None and run.wish_seen not in (run.wish, KILL)
        if (not run.ended and (unheard or unseen)) or (run.ended and not run.archived):
            owing.add(run.agent)
    return owing


def _trouble(control: Control) -> dict[str, str]:
    return {row.name: f"{row.phase}: {row.message}" for row in _rows(control) if row.phase != phases.READY}
