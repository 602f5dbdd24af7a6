"""Backfilling: runs for instants of a cron trigger that are over, a few at a time. Called by `xene backfill`.

The command is what starts the next run when there is room; what was started goes on without it. A run and the note
that it is for its instant are one transaction, in which the instant is judged once more: so a command that was
killed, or two of them at once, start nothing twice.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any, Iterable, Mapping, Protocol

from xene.control import fire, safe, wakeup
from xene.control.drive import Wish, drive, needed
from xene.control.passes import Control, is_away
from xene.control.past import Asked, choose
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.taken import HeardOut
from xene.control.told import Told
from xene.control.world import World
from xene.errors import Conflict, NotFound
from xene.model import ids, phases
from xene.model.codec import params_from_json
from xene.model.workflow import ALLOW, FORBID
from xene.plan import inputs
from xene.plan.backfill import Choice
from xene.store import backfills, db, fires, objects, pipelines, runs, views, wishes
from xene.store.backfills import Of
from xene.store.db import State

BACKFILL = "backfill"  # the trigger of such a run


class Watcher(Protocol):
    """Who looks on."""

    def chosen(self, choices: list[Choice], resumed: int) -> None: ...

    def started(self, run: str, at: float) -> None: ...

    def ended(self, run: Mapping[str, Any]) -> None: ...

    def away(self, agent: str, why: str) -> None: ...


class Backfill(Wish):
    """Every instant that is chosen has its run, and all of these have ended. At most `most` are under way."""

    def __init__(self, asked: Asked, agent: str, most: int, watcher: Watcher) -> None:
        self._asked, self._most, self._watcher = asked, most, watcher
        self._heard = HeardOut(agent)
        self.first = (agent,)
        self._since = time.time()
        self._fire: str | None = None
        self._left: list[Choice] | None = None  # None: the agent has not been heard out, so nothing is chosen
        self._open: list[str] = []
        self._under_way = 0  # of those, how many have not ended; the logs of the others are being fetched
        self._told_away = False
        self.results: list[dict[str, Any]] = []

    @property
    def left(self) -> int:
        """How many instants have not got their run."""
        return len(self._left or ())

    @property
    def open(self) -> list[str]:
        """The runs that go on."""
        return list(self._open)

    @property
    def fire(self) -> str | None:
        """The fire that all its runs share; None as long as there is none."""
        return self._fire

    def reach(self, world: World) -> Iterable[str]:
        return [*self._heard.reach(world), *needed(world, self._open)]

    def look(self, state: State, control: Control | None) -> None:
        if self._left is None:
            self._heard.look(state, control)
            if self._heard.met(state):
                self._choose(state)
        if self._left is not None:
            self._see_ends(state)
            if self._left and self._fill(state):
                _tell(state, control)

    def met(self, _: State) -> bool:
        return self._left == [] and not self._open

    def leave(self) -> None:
        """It holds nothing."""

    def _choose(self, state: State) -> None:
        with state.snapshot() as conn:
            choices = choose(conn, self._asked, time.time(), heard=self._heard.heard)
            self._fire = backfills.open_fire(conn, self._asked.of)
            if self._fire is not None:
                self._open = backfills.runs_of(conn, self._asked.of, self._fire)
            self._left = [choice for choice in choices if choice.starts]
            _refuse(conn, self._asked.of, bool(self._left), self._fire)
        self._watcher.chosen(choices, len(self._open))

    # -- what ends

    def _see_ends(self, state: State) -> None:
        with state.snapshot() as conn:
            found = {status.id: status for status in runs.statuses(conn, self._open)}
        self._under_way = sum(not status.ended for status in found.values())
        for run in list(self._open):
            status = found.get(run)
            if status is None:  # it is no longer kept
                self._open.remove(run)
            elif status.ended and (status.archived or self._is_away(status)):
                self._open.remove(run)
                self.results.append(views.run(state, run))
                self._watcher.ended(self.results[-1])
            elif not status.ended and self._is_away(status) and not self._told_away:
                self._told_away = True
                self._watcher.away(status.agent, f"{status.agent_phase}: {status.agent_message}")

    def _is_away(self, status: runs.Status) -> bool:
        return is_away(status.agent_phase, status.tried_at, self._since)

    # -- what starts

    def _fill(self, state: State) -> bool:
        """Start runs as long as there is room; whether any was."""
        if self._under_way >= self._most or not self._has_room(state):
            return False
        started: list[tuple[float, str | None]] = []
        with state.transaction() as conn:
            firing = _Firing(conn, state.uuid, self._asked, self._fire, self._heard.heard)
            while self.left - len(started) and firing.has_room(self._most):
                choice = self._left[len(started)]  # type: ignore[index]
                started.append((choice.at, firing.start(choice.at)))
        self._fire = firing.fire
        del self._left[: len(started)]  # type: ignore[union-attr]
        for at, run in started:
            if run is not None and run not in self._open:
                self._open.append(run)
                self._watcher.started(run, at)
        return bool(started)

    def _has_room(self, state: State) -> bool:
        """Whether it is worth a transaction: under Forbid others may be in the way for long."""
        with state.snapshot() as conn:
            return not _is_barred(conn, self._asked.of)


class _Firing:
    """The runs of one backfill, as they are stored within one transaction."""

    def __init__(
        self, conn: sqlite3.Connection, state: str, asked: Asked, known: str | None, heard: bool
    ) -> None:
        self._conn, self._state, self._asked, self._now = conn, state, asked, time.time()
        self._heard = heard
        of = asked.of
        self.fire = known or backfills.open_fire(conn, of)
        self._row = _placed(conn, of)
        self._spec = objects.read_revision(conn, self._row.revision)
        declared = params_from_json(self._spec["pipeline"].get("params", {}))
        self._params = inputs.resolve(declared, asked.cron.params)

    def has_room(self, most: int) -> bool:
        """Whether one more may be under way."""
        if _is_barred(self._conn, self._asked.of):
            return False
        return self.fire is None or backfills.under_way(self._conn, self.fire) < most

    def start(self, at: float) -> str | None:
        """The run for this instant, new or of another command at the same; None if it shall have none any more."""
        (choice,) = choose(
            self._conn, self._asked._replace(start=at, until=at + 1), self._now, heard=self._heard
        )
        if not choice.starts:
            return choice.run if self.fire and self._is_ours(choice.run) else None
        run = self._create(at)
        backfills.start(self._conn, self._now, self._asked.of, at, str(self.fire), run)
        return run

    def _is_ours(self, run: str | None) -> bool:
        return run in backfills.runs_of(self._conn, self._asked.of, str(self.fire))

    def _create(self, at: float) -> str:
        conn, of, row = self._conn, self._asked.of, self._row
        if self.fire is None:
            self.fire = ids.run_id(self._now, os.urandom(8))
            fires.create(conn, self._now, self.fire, of.workflow, BACKFILL, self._asked.cron.params)
        # Of the fire and the instant: whoever creates it, it is the same.
        run = ids.slot_run_id(self._state, of.workflow, of.pipeline, f"{BACKFILL}/{self.fire}", at)
        runs.create(
            conn,
            self._now,
            run,
            fire=self.fire,
            workflow=of.workflow,
            pipeline=of.pipeline,
            revision=row.revision,
            spec=self._spec,
            agent=str(row.agent),
            trigger=BACKFILL,
            params=self._params,
            slot=at,
        )
        wishes.make_room(conn, self._now, of.workflow, of.pipeline, run, runs.policy_of(self._spec))
        return run


def _placed(conn: sqlite3.Connection, of: Of) -> pipelines.Row:
    """The pipeline, which must be on an agent. Raises NotFound, Unplaceable."""
    row = pipelines.read(conn, of.workflow, of.pipeline)
    if row is None:
        raise NotFound(f"pipeline {of.workflow}/{of.pipeline} is no longer there", hint="xene get pipelines")
    fire.refuse_unscheduled([row])
    return row


def _is_barred(conn: sqlite3.Connection, of: Of) -> bool:
    """Whether the policy is Forbid, and a run of the pipeline has not ended."""
    row = pipelines.read(conn, of.workflow, of.pipeline)
    if row is None or policy(conn, row) != FORBID:
        return False
    return runs.has_open(conn, of.workflow, of.pipeline) is not None


def policy(conn: sqlite3.Connection, row: pipelines.Row) -> str:
    """The pipeline's concurrencyPolicy."""
    return runs.policy_of(objects.read_revision(conn, row.revision))


def _refuse(conn: sqlite3.Connection, of: Of, starts: bool, fire_id: str | None) -> None:
    """A backfill does not begin while Forbid bars it: a command is told so. One that goes on waits."""
    other = runs.has_open(conn, of.workflow, of.pipeline)
    if starts and fire_id is None and _is_barred(conn, of):
        raise Conflict(
            f"run {other} of {of.workflow}/{of.pipeline} has not ended, and its concurrencyPolicy is Forbid",
            hint=f"xene wait {other}; or xene cancel {other}",
        )


def _tell(state: State, control: Control | None) -> None:
    """Whoever is at work looks at what was written."""
    if control is None:
        wakeup.nudge(state.path)
    else:
        control.dirty = True


def prepare(
    place: Place, asked: Asked, most: int, watcher: Watcher, *, open: Open = open_channel
) -> Backfill:
    """What `drive_through` takes: at most `most` runs at a time. Raises NotFound, NotTrusted, Unplaceable."""
    with db.open_state(place.state, create=False) as state:
        row = _first_look(place, state, asked.of, open)
    return Backfill(asked, str(row.agent), most, watcher)


def drive_through(place: Place, wish: Backfill, *, open: Open = open_channel) -> None:
    """Start the runs and see all of them end; `results` has them.

    Raises Usage (bad params), Unplaceable, Conflict (Forbid, before the first run); what was started goes on.
    """
    drive(place, wish, open=open)


def finish(place: Place, asked: Asked, wish: Backfill) -> None:
    """The user has been told how it ended: it is not gone on with. Before that, the same command tells it again."""
    if wish.fire is not None:
        with db.open_state(place.state) as state, state.transaction() as conn:
            backfills.told(conn, time.time(), asked.of, wish.fire)


def _first_look(place: Place, state: State, of: Of, open: Open) -> pipelines.Row:
    """The pipeline, placed; perhaps an agent is there by now."""
    with state.snapshot() as conn:
        row = pipelines.read(conn, of.workflow, of.pipeline)
    if row is None or row.agent is None or row.phase != phases.SCHEDULED:
        drive(place, Told(), stored=False, open=open)
    with state.snapshot() as conn:
        safe.refuse_open_file(place.home, conn, of.workflow, of.pipeline)
        return _placed(conn, of)


def at_once(place: Place, of: Of, wanted: int) -> int:
    """How many runs may be under way: where the concurrencyPolicy lets only one go on, one."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        row = pipelines.read(conn, of.workflow, of.pipeline)
        return wanted if row is None or policy(conn, row) == ALLOW else 1
