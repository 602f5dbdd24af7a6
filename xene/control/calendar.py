"""The cron triggers of a state, or of manifests that are not applied yet, with the agents of their pipelines.

Called by `xene schedule`, and by `control.apply` for `diff`. It only reads.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Iterator, Mapping

from xene.control.place import Place
from xene.engine.slots import Zone
from xene.manifest.repository import Repository
from xene.manifest.zones import zone_of
from xene.model.ids import pipeline_key
from xene.model.trigger import Cron, cron_from_json
from xene.plan.calendar import Timed
from xene.plan.diff import REMOVED, UNCHANGED, Plan
from xene.plan.placement import Decision
from xene.store import db, objects, overrides, views
from xene.store.objects import WORKFLOW
from xene.store.overrides import Suspension


def of_state(place: Place) -> list[Timed]:
    """Every cron trigger that was applied, by pipeline, where it is and whether it is suspended."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        suspension = overrides.suspension(conn)
        rows = {pipeline_key(row["workflow"], row["name"]): row for row in views.pipelines(state)}
        specs = {row["name"]: row["spec"] for row in views.workflows(state)}
    return [each._replace(agent=rows[each.key]["agent"]) for each in _timed(specs, suspension)]


def of_repository(repository: Repository, decisions: Mapping[str, Decision]) -> list[Timed]:
    """Every cron trigger of manifests, on the agent that each pipeline would get."""
    found = []
    for entry in repository.entries:
        if entry.kind == WORKFLOW:
            spec = json.loads(entry.text)["spec"]
            for pipeline, trigger, cron in crons(spec):
                decision = decisions.get(pipeline_key(entry.name, pipeline))
                agent = None if decision is None else decision.agent
                found.append(Timed(entry.name, pipeline, trigger, cron, agent, spec.get("suspend", False)))
    return found


def before_and_after(
    conn: sqlite3.Connection, repository: Repository, plan: Plan
) -> tuple[list[Timed], list[Timed]]:
    """The cron triggers of all workflows that a plan touches, as they are and as they would be."""
    touched = [change for change in plan.changes if change.kind == WORKFLOW and change.action != UNCHANGED]
    entries = {entry.name: entry for entry in repository.entries if entry.kind == WORKFLOW}
    was, will = {}, {}
    for change in touched:
        stored = objects.read(conn, WORKFLOW, change.name)
        if stored is not None:
            was[change.name] = stored["spec"]
        if change.action != REMOVED:
            will[change.name] = json.loads(entries[change.name].text)["spec"]
    suspension = overrides.suspension(conn)
    then = suspension.with_manifests({name: spec.get("suspend", False) for name, spec in will.items()})
    return list(_timed(was, suspension)), list(_timed(will, then))


def _timed(specs: Mapping[str, Mapping[str, Any]], suspension: Suspension) -> Iterator[Timed]:
    for workflow, spec in specs.items():
        for pipeline, trigger, cron in crons(spec):
            suspended = suspension.of_pipeline(workflow, pipeline)
            yield Timed(workflow, pipeline, trigger, cron, None, suspended)


def crons(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Cron]]:
    """(pipeline, trigger, Cron) of a workflow's `spec`, in the manifest's order."""
    triggers = spec.get("triggers", {})
    parsed = {name: cron_from_json(body["cron"]) for name, body in triggers.items() if "cron" in body}
    for pipeline, body in spec["pipelines"].items():
        for name in body.get("triggers", ()):
            if name in parsed:
                yield pipeline, name, parsed[name]


def zones_of(timed: Iterable[Timed]) -> dict[str, Zone]:
    """The zones that these triggers name."""
    return {name: zone_of(name) for name in {each.cron.time_zone for each in timed}}
