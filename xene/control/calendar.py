"""The cron triggers of a state, or of manifests that are not applied yet, with the agents of their pipelines.

Called by `xene schedule`. It only reads.
"""

from __future__ import annotations

import json
from typing import Any, Iterator, Mapping

from xene.control import apply
from xene.control.place import Place
from xene.engine.slots import Zone
from xene.manifest.repository import Repository
from xene.manifest.zones import zone_of
from xene.model.ids import pipeline_key
from xene.model.trigger import Cron, cron_from_json
from xene.plan.calendar import Timed
from xene.store import db, overrides, views
from xene.store.objects import WORKFLOW


def of_state(place: Place) -> list[Timed]:
    """Every cron trigger that was applied, by pipeline, where it is and whether it is suspended."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        suspension = overrides.suspension(conn)
        rows = {pipeline_key(row["workflow"], row["name"]): row for row in views.pipelines(state)}
        specs = {row["name"]: row["spec"] for row in views.workflows(state)}
    found = []
    for workflow, spec in specs.items():
        for pipeline, trigger, cron in crons(spec):
            row = rows[pipeline_key(workflow, pipeline)]
            suspended = suspension.of_pipeline(workflow, pipeline)
            found.append(Timed(workflow, pipeline, trigger, cron, row["agent"], suspended))
    return found


def of_repository(place: Place, repository: Repository) -> list[Timed]:
    """Every cron trigger of manifests, with the agent that each pipeline would get."""
    decisions = apply.preview(place, repository, apply.Options()).decisions
    found = []
    for entry in repository.entries:
        if entry.kind == WORKFLOW:
            spec = json.loads(entry.text)["spec"]
            for pipeline, trigger, cron in crons(spec):
                decision = decisions.get(pipeline_key(entry.name, pipeline))
                agent = None if decision is None else decision.agent
                found.append(Timed(entry.name, pipeline, trigger, cron, agent, spec.get("suspend", False)))
    return found


def crons(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, Cron]]:
    """(pipeline, trigger, Cron) of a workflow's `spec`, in the manifest's order."""
    triggers = spec.get("triggers", {})
    parsed = {name: cron_from_json(body["cron"]) for name, body in triggers.items() if "cron" in body}
    for pipeline, body in spec["pipelines"].items():
        for name in body.get("triggers", ()):
            if name in parsed:
                yield pipeline, name, parsed[name]


def zones_of(timed: list[Timed]) -> dict[str, Zone]:
    """The zones that these triggers name."""
    return {name: zone_of(name) for name in {each.cron.time_zone for each in timed}}
