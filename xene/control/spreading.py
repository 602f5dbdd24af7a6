"""The fires of slots beyond the runs that agents have started: what follows in them, and who takes no part.

Called by `control.following`, in a pass's transaction. Agents start what a trigger names, each on its own; what
follows is control's, from the first report of the slot on, whichever comes first.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Collection, Mapping

from xene.model.codec import params_from_json
from xene.model.pipeline_codec import pipeline_connectors_from_json
from xene.model.trigger import RESERVED
from xene.model.workflow import OUTCOME_SKIPPED
from xene.plan import inputs
from xene.plan.following import outcome_of_slot, reached
from xene.store import agents, fires, objects, pipelines, slots, triggers
from xene.store.fires import Fire, Follower

BAD_PARAMS = "BadParams"


def spread(conn: sqlite3.Connection, now: float, fire: Fire) -> None:
    """Store the pipelines that follow from those which the trigger starts, as the workflow is now."""
    rows = {row.name: row for row in pipelines.of_workflow(conn, fire.workflow)}
    needs = {name: pipeline_connectors_from_json(json.loads(row.needs)) for name, row in rows.items()}
    begun = {each.pipeline for each in fires.members(conn, fire.id)}
    begun.update(triggers.starting(conn, fire.workflow, fire.trigger))
    made = [_follower(conn, fire, rows[name]) for name in reached(needs, begun)]
    fires.add_followers(conn, [follower for follower, _ in made])
    for follower, problems in made:
        if problems:
            fires.skipped(conn, now, follower, BAD_PARAMS, "; ".join(problems))
    fires.spread(conn, fire.id)


def _follower(conn: sqlite3.Connection, fire: Fire, row: pipelines.Row) -> tuple[Follower, list[str]]:
    """A pipeline that waits, with those of the fire's params that it declares; and what is wrong with these."""
    declared = params_from_json(objects.read_revision(conn, row.revision)["pipeline"].get("params", {}))
    given: Mapping[str, Any] = {name: value for name, value in fire.params.items() if name in declared}
    values, problems = inputs.check(declared, given)
    return Follower(fire.id, row.workflow, row.name, row.revision, json.loads(row.needs), values), problems


def absent(conn: sqlite3.Connection, fire_id: str, there: Collection[str]) -> dict[str, str | None]:
    """The outcomes, in a trigger's fire, of pipelines that others wait for and that are not among those `there`.

    Those that follow themselves are left out: they have none until it is decided.
    """
    fire = fires.read(conn, fire_id)
    if fire.trigger in RESERVED:
        return {}
    needs = {
        each.pipeline: pipeline_connectors_from_json(each.needs) for each in fires.followers(conn, fire_id)
    }
    wanted = {connector.pipeline for connectors in needs.values() for connector in connectors}
    absent = wanted - needs.keys() - set(there)
    if fire.slot is None:  # of a webhook, which started at once whatever it starts
        return dict.fromkeys(absent, OUTCOME_SKIPPED)
    return {name: _outcome(conn, fire, fire.slot, name) for name in absent}


def _outcome(conn: sqlite3.Connection, fire: Fire, at: float, pipeline: str) -> str | None:
    key = (fire.workflow, pipeline, fire.trigger)
    return outcome_of_slot(slots.standing(conn, *key, at), _is_accountable(conn, key, at))


def _is_accountable(conn: sqlite3.Connection, key: tuple[str, str, str], at: float) -> bool:
    """Whether some agent may still say what became of a slot."""
    row = triggers.read(conn, *key)
    if row is None:
        return False
    if any(fenced_at >= at for _, fenced_at in agents.fences(conn, *key[:2])):
        return True
    if at <= row.watermark:
        return False
    return bool(agents.holders(conn, *key[:2])) or (row.cron is not None and at > row.since)
