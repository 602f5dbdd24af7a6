"""Firing: runs come to be, Queued, and are handed to their agents. Called by `xene run`, and for webhooks."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import Any, Collection, Iterable, Mapping, NamedTuple, Sequence

from xene.control import bringing, safe, supplies
from xene.control.drive import Wish, drive, needed
from xene.control.passes import Control, is_away
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.told import Told
from xene.control.world import World
from xene.errors import Conflict, NotFound, Unplaceable
from xene.model import ids, phases
from xene.model.codec import params_from_json
from xene.model.pipeline_codec import pipeline_connectors_from_json
from xene.model.workflow import FORBID
from xene.plan import fires, inputs
from xene.plan.following import reached
from xene.store import agents, db, objects, pipelines, runs, views, wishes
from xene.store import fires as fire_rows
from xene.store.db import State
from xene.store.fires import Follower

MANUAL, RERUN = "manual", "rerun"  # triggers


class Fired(NamedTuple):
    """A fire and its runs. `away`: agents that could not be reached, with why; their runs stay Queued."""

    fire: str
    runs: tuple[str, ...]
    away: Mapping[str, str]


class HandedOver(Wish):
    """Each run is known to its agent, or has ended, or its agent was found to be away."""

    def __init__(self, run_ids: Iterable[str], first: Iterable[str] = ()) -> None:
        self._ids = list(run_ids)
        self.first = tuple(dict.fromkeys(first))
        self._since = time.time()
        self.away: dict[str, str] = {}

    def reach(self, world: World) -> Iterable[str]:
        return needed(world, self._ids)

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            waiting = [
                status for status in runs.statuses(conn, self._ids) if not (status.known or status.ended)
            ]
            self.away = {status.agent: why for status in waiting if (why := self._why_away(conn, status))}
        return all(status.agent in self.away for status in waiting)

    def _why_away(self, conn: sqlite3.Connection, status: runs.Status) -> str:
        """Why the run will not be taken soon: its agent is away, or one that must let go of its pipeline is."""
        if is_away(status.agent_phase, status.tried_at, self._since):
            return f"{status.agent_phase}: {status.agent_message}"
        for holder in agents.holders(conn, status.workflow, status.pipeline):
            if holder.name != status.agent and is_away(holder.phase, holder.tried_at, self._since):
                why = f"which is {holder.phase}: {holder.message}"
                return f"it waits until {holder.name} lets go of the pipeline, {why}"
        older = runs.goes_on_elsewhere(conn, status.id)
        if older is not None:
            return f"it waits until run {older[0]} of the same pipeline has ended, on agent {older[1]}"
        return ""

    def look(self, state: State, control: Control | None) -> None:
        """It only waits."""

    def leave(self) -> None:
        """It holds nothing."""


def fire(
    place: Place,
    target: str,
    given: Mapping[str, str],
    *,
    artifacts_from: str | None = None,
    hand_over: bool = True,
    open: Open = open_channel,
) -> Fired:
    """Start `WORKFLOW` (all its pipelines) or `WORKFLOW/PIPELINE`, and hand the runs to their agents.

    Without `hand_over` the runs are only stored: whoever follows them drives them. `artifacts_from` is a run (any
    way to name one) whose artifacts take the place of those that the pipeline's connectors want. Raises NotFound,
    Usage (bad params), NotTrusted (an open `secrets.env`), Conflict (artifacts of a run that has not ended),
    Unplaceable; then there is no run.
    """
    with db.open_state(place.state, create=False) as state:
        workflow, only = resolve_target(state, target)
        if _missing(state, workflow, only):
            drive(place, Told(), stored=False, open=open)  # perhaps an agent is there by now
        with state.snapshot() as conn:
            safe.refuse_open_file(place.home, conn, workflow, only)
        source = bringing.bring(place, state, artifacts_from, open=open) if artifacts_from else None
        fired, where = store(state, workflow, only, given, source)
    away: Mapping[str, str] = {}
    if hand_over:
        wish = HandedOver(fired.runs, where)
        drive(place, wish, open=open)
        away = wish.away
    return fired._replace(away=away)


def resolve_target(state: State, target: str) -> tuple[str, str | None]:
    """The workflow, and the pipeline if only one is meant. Raises NotFound."""
    if "/" not in target:
        if state.exists and objects.revision_of(state.conn, objects.WORKFLOW, target) is not None:
            return target, None
        try:
            return views.resolve_pipeline(state, target)
        except NotFound as error:
            if "several" in error.message:
                raise
            raise NotFound(f"there is no workflow {target}", hint=error.hint) from None
    return views.resolve_pipeline(state, target)


def _missing(state: State, workflow: str, only: str | None) -> list[pipelines.Row]:
    """The pipelines of the fire that are on no agent."""
    with state.snapshot() as conn:
        rows = pipelines.of_workflow(conn, workflow)
    return [
        row
        for row in rows
        if row.agent is None and (row.name == only or (only is None and row.needs == "[]"))
    ]


def store(
    state: State, workflow: str, only: str | None, given: Mapping[str, str], source: str | None = None
) -> tuple[Fired, list[str]]:
    """Create the runs of one fire in one transaction; give them and their agents. Pipelines with `needs` follow.

    `source` is the id of the run that artifacts are taken from.
    """
    with state.transaction() as conn:
        return begin(conn, time.time(), workflow, MANUAL, given, only=only, source=source)


def begin(
    conn: sqlite3.Connection,
    now: float,
    workflow: str,
    trigger: str,
    given: Mapping[str, Any],
    *,
    only: str | None = None,
    named: Collection[str] | None = None,
    source: str | None = None,
) -> tuple[Fired, list[str]]:
    """`store` inside a transaction. `named`: the pipelines without `needs` that start, None for all of them.

    Raises NotFound, Usage, Unplaceable, Conflict; then nothing was stored.
    """
    rows = {row.name: row for row in pipelines.of_workflow(conn, workflow)}
    specs = {name: objects.read_revision(conn, row.revision) for name, row in rows.items()}
    declared = {name: params_from_json(spec["pipeline"].get("params", {})) for name, spec in specs.items()}
    needs = {name: json.loads(row.needs) for name, row in rows.items()}
    needing = {name for name in needs if needs[name]}
    begun = fires.starts(workflow, declared, only, given, needing, _among(needs, named))
    at_once = [start for start in begun if not start.follows]
    refuse_unscheduled([rows[start.pipeline] for start in at_once])
    _refuse_second(conn, [rows[start.pipeline] for start in at_once], specs)
    laid = supplies.for_fire(conn, workflow, only, needs, source)
    firing = _Firing(conn, now, workflow, trigger, given)
    made = [
        firing.start(rows[start.pipeline], specs[start.pipeline], start.params, laid) for start in at_once
    ]
    firing.follow(
        (rows[start.pipeline], needs[start.pipeline], start.params) for start in begun if start.follows
    )
    return Fired(firing.id, tuple(made), {}), [str(rows[start.pipeline].agent) for start in at_once]


def _among(needs: Mapping[str, list[Any]], named: Collection[str] | None) -> Collection[str] | None:
    """Those that start, and what follows from them."""
    if named is None:
        return None
    read = {name: pipeline_connectors_from_json(each) for name, each in needs.items()}
    return {*named, *reached(read, named)}


def repeat(
    conn: sqlite3.Connection, now: float, run: Mapping[str, Any], *, latest: bool
) -> tuple[Fired, list[str]]:
    """Create a run with the params and the instant of an earlier one; its agent.

    Raises NotFound, Usage, Unplaceable, Conflict.
    """
    row = pipelines.read(conn, run["workflow"], run["pipeline"])
    if row is None:
        raise NotFound(
            f"pipeline {run['workflow']}/{run['pipeline']} is no longer there", hint="xene get pipelines"
        )
    row = row if latest else row._replace(revision=run["revision"])
    spec = objects.read_revision(conn, row.revision)
    params = inputs.resolve(params_from_json(spec["pipeline"].get("params", {})), run["params"])
    refuse_unscheduled([row])
    _refuse_second(conn, [row], {row.name: spec})
    firing = _Firing(conn, now, row.workflow, RERUN, params)
    laid = runs.laid(conn, run["id"])
    new = firing.start(row, spec, params, laid, runs.slot_of(conn, run["id"]))
    return Fired(firing.id, (new,), {}), [str(row.agent)]


class _Firing:
    """One fire as it is stored."""

    def __init__(
        self, conn: sqlite3.Connection, now: float, workflow: str, trigger: str, given: Mapping[str, Any]
    ) -> None:
        self._conn, self._now, self._workflow, self._trigger = conn, now, workflow, trigger
        self.id = ids.run_id(now, os.urandom(8))
        fire_rows.create(conn, now, self.id, workflow, trigger, given)

    def start(
        self,
        row: pipelines.Row,
        spec: Mapping[str, Any],
        params: Mapping[str, Any],
        artifacts: Sequence[Mapping[str, Any]] = (),
        slot: float | None = None,
    ) -> str:
        """Store one run, which gets these artifacts of others, for an instant if it is for one; its id."""
        run = ids.run_id(self._now, os.urandom(8))
        runs.create(
            self._conn,
            self._now,
            run,
            fire=self.id,
            workflow=self._workflow,
            pipeline=row.name,
            revision=row.revision,
            spec=spec,
            agent=str(row.agent),
            trigger=self._trigger,
            params=params,
            artifacts=artifacts,
            slot=slot,
        )
        wishes.make_room(self._conn, self._now, self._workflow, row.name, run, runs.policy_of(spec))
        return run

    def follow(self, pipelines: Iterable[tuple[pipelines.Row, list[Any], Mapping[str, Any]]]) -> None:
        """Store the pipelines that are to start when others have ended."""
        fire_rows.add_followers(
            self._conn,
            [
                Follower(self.id, self._workflow, row.name, row.revision, needs, params)
                for row, needs, params in pipelines
            ],
        )


def refuse_unscheduled(rows: Iterable[pipelines.Row]) -> None:
    """Nothing starts of a pipeline that is on no agent. Raises Unplaceable."""
    for row in rows:
        if row.agent is None or row.phase != phases.SCHEDULED:
            raise Unplaceable(
                f"{row.workflow}/{row.name} is not scheduled: {row.reason}: {row.message}",
                hint=f"xene why pipeline/{row.workflow}/{row.name}",
            )


def _refuse_second(
    conn: sqlite3.Connection, rows: Iterable[pipelines.Row], specs: Mapping[str, Mapping[str, Any]]
) -> None:
    """With the policy Forbid nothing starts while a run of the pipeline has not ended. Raises Conflict."""
    for row in rows:
        if runs.policy_of(specs[row.name]) == FORBID:
            other = runs.has_open(conn, row.workflow, row.name)
            if other is not None:
                raise Conflict(
                    f"run {other} of {row.workflow}/{row.name} has not ended, and its concurrencyPolicy is Forbid",
                    hint=f"xene wait {other}; or xene cancel {other}",
                )
