"""Pipelines that follow others within a fire: their runs come to be, or it is recorded why they do not.

Called by a pass, in its transaction, so that a fire goes on whoever works on the state, and after any crash.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Mapping

from xene.control import spreading
from xene.control.supplies import artifacts_for, wanted_names
from xene.errors import Conflict, NotFound
from xene.model import ids, phases
from xene.model.pipeline_codec import pipeline_connectors_from_json
from xene.model.workflow import FORBID
from xene.plan.following import Verdict, judge, outcome_of
from xene.store import fires, objects, pipelines, runs, wishes
from xene.store.fires import Follower

PIPELINE = "pipeline"  # the trigger of such a run
_NEVER = "ConnectorsNotMet"
_GONE = "PipelineRemoved"
_NO_ARTIFACTS = phases.ARTIFACT_MISSING
_FORBIDDEN = "ConcurrencyForbidden"


def follow(conn: sqlite3.Connection, now: float) -> bool:
    """Start what can start now, and give up what never will. True if anything was decided."""
    decided = False
    for fire in fires.unspread(conn):
        spreading.spread(conn, now, fire)
        decided = True
    outcomes: dict[str, Mapping[str, str | None]] = {}
    for follower in fires.waiting(conn):
        if follower.fire not in outcomes:
            outcomes[follower.fire] = _outcomes(conn, follower)
        verdict = judge(pipeline_connectors_from_json(follower.needs), outcomes[follower.fire])
        if _carry_out(conn, now, follower, verdict):
            decided = True
            del outcomes[follower.fire]
    return decided


def _outcomes(conn: sqlite3.Connection, follower: Follower) -> dict[str, str | None]:
    """By pipeline of its fire. A run that waits to be tried again has not ended."""
    found = {
        each.pipeline: each.outcome or outcome_of(each.phase, each.reason, each.ended)
        for each in fires.members(conn, follower.fire)
    }
    return {**spreading.absent(conn, follower.fire, found), **found}


def _carry_out(conn: sqlite3.Connection, now: float, follower: Follower, verdict: Verdict) -> bool:
    if verdict.skip:
        fires.skipped(conn, now, follower, _NEVER, verdict.skip)
        return True
    if not verdict.starts:
        return False
    row = pipelines.read(conn, follower.workflow, follower.pipeline)
    if row is None:
        fires.skipped(conn, now, follower, _GONE, "the pipeline is no longer there")
        return True
    if row.agent is None or row.phase != phases.SCHEDULED or not _is_archived(conn, follower):
        return False  # it waits until an agent can take it, and until what it is handed over is here
    try:
        _create_run(conn, now, follower, row.agent)
    except (NotFound, Conflict) as error:
        fires.skipped(
            conn, now, follower, _NO_ARTIFACTS if isinstance(error, NotFound) else _FORBIDDEN, error.message
        )
    return True


def _suppliers(conn: sqlite3.Connection, follower: Follower) -> dict[str, str]:
    """The runs of the fire from which it takes artifacts, by pipeline."""
    wanted = wanted_names(follower.needs)
    found = {each.pipeline: each.run for each in fires.members(conn, follower.fire)}
    return {pipeline: run for pipeline in wanted if (run := found.get(pipeline)) is not None}


def _is_archived(conn: sqlite3.Connection, follower: Follower) -> bool:
    """Whether all that it takes artifacts from has been brought here, as far as it can be had."""
    statuses = runs.statuses(conn, _suppliers(conn, follower).values())
    return all(status.archived for status in statuses)


def _create_run(conn: sqlite3.Connection, now: float, follower: Follower, agent: str) -> str:
    """The run of a pipeline that follows; its id. Raises NotFound (artifacts), Conflict (Forbid)."""
    run = ids.run_id(now, os.urandom(8))
    spec = objects.read_revision(conn, follower.revision)
    other = runs.has_open(conn, follower.workflow, follower.pipeline)
    if other is not None and runs.policy_of(spec) == FORBID:
        raise Conflict(f"run {other} has not ended, and its concurrencyPolicy is Forbid")
    suppliers, wanted = _suppliers(conn, follower), wanted_names(follower.needs)
    laid = [
        each
        for pipeline, source in suppliers.items()
        for each in artifacts_for(conn, [source], wanted[pipeline])
    ]
    runs.create(
        conn,
        now,
        run,
        fire=follower.fire,
        workflow=follower.workflow,
        pipeline=follower.pipeline,
        revision=follower.revision,
        spec=spec,
        agent=agent,
        trigger=PIPELINE,
        params=follower.params,
        artifacts=laid,
        slot=fires.read(conn, follower.fire).slot,
    )
    fires.followed(conn, follower.fire, follower.pipeline)
    wishes.make_room(conn, now, follower.workflow, follower.pipeline, run, runs.policy_of(spec))
    return run
