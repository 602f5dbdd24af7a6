"""Instants of a cron trigger that are over, and what a backfill would make of each. Called by `control.backfill`
and by `xene backfill`. It only reads.
"""

from __future__ import annotations

import sqlite3
import time
from math import ceil
from typing import Any, Mapping, NamedTuple

from xene.control.place import Place
from xene.engine.slots import Schedule
from xene.errors import NotFound, Usage
from xene.manifest.zones import zone_of
from xene.model.trigger import Cron, cron_from_json
from xene.plan import backfill as choosing
from xene.plan.backfill import Choice
from xene.store import backfills, db, objects, views
from xene.store.backfills import Of

MOST = 100_000  # instants of one backfill


class Asked(NamedTuple):
    """What is to be backfilled: the instants with `start` <= at < `until` of one trigger of one pipeline."""

    of: Of
    cron: Cron
    start: float
    until: float
    reprocess: str


def ask(
    place: Place, target: str, trigger: str | None, start: float, until: float, reprocess: str, now: float
) -> Asked:
    """Read what is meant. Instants after `now` are left to the trigger. Raises NotFound, Usage."""
    with db.open_for_reading(place.state) as state:
        workflow, pipeline = views.resolve_pipeline(state, target)
        with state.snapshot() as conn:
            data = objects.read(conn, objects.WORKFLOW, workflow)
    if data is None:
        raise NotFound(f"workflow {workflow} is no longer there", hint="xene get workflows")
    name, cron = _trigger(data["spec"], f"{workflow}/{pipeline}", pipeline, trigger)
    return Asked(Of(workflow, pipeline, name), cron, start, min(until, now), reprocess)


def _trigger(spec: Mapping[str, Any], key: str, pipeline: str, wanted: str | None) -> tuple[str, Cron]:
    """The cron trigger of the pipeline that is meant. Raises NotFound, Usage."""
    named = spec["pipelines"].get(pipeline, {}).get("triggers", [])
    crons = [name for name in named if "cron" in spec.get("triggers", {}).get(name, {})]
    if not crons:
        raise Usage(
            f"{key} has no cron trigger, so there are no instants to be backfilled", hint=f"xene run {key}"
        )
    if wanted is None and len(crons) > 1:
        raise Usage(f"{key} has several cron triggers", hint=f"name one: --trigger {' or '.join(crons)}")
    name = wanted or crons[0]
    if name not in crons:
        raise NotFound(f"{key} has no cron trigger {name}", hint=f"it has {', '.join(crons)}")
    return name, cron_from_json(spec["triggers"][name]["cron"])


def choose(conn: sqlite3.Connection, asked: Asked, now: float, *, heard: bool = True) -> list[Choice]:
    """What becomes of each instant, oldest first. `heard`: its agent has told all of it.

    Raises Usage for too many.
    """
    pasts = backfills.pasts(conn, asked.of, asked.start, asked.until)
    reckoned = backfills.reckoned(conn, asked.of, now, heard=heard)
    return choosing.choose(_instants(asked), pasts, reckoned, asked.reprocess)


def _instants(asked: Asked) -> list[int]:
    schedule = Schedule(asked.cron, zone_of(asked.cron.time_zone))
    found = []
    for instant in schedule.between(ceil(asked.start) - 1, ceil(asked.until) - 1):
        found.append(instant.at)
        if len(found) > MOST:
            raise Usage(f"there are more than {MOST:,} instants in that range", hint="backfill it in pieces")
    return found


def preview(place: Place, asked: Asked) -> list[Choice]:
    """What a backfill would do, as far as the state knows now. It only reads."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        return choose(conn, asked, time.time())
