"""What the screens ask the state: each is answered in one moment, on the reading thread. They only read."""

from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from xene.control import lock, overview
from xene.errors import NotFound
from xene.store import artifacts, calendar, objects, views
from xene.store import overview as stored
from xene.store.db import State
from xene.store.overview import Key

Json = dict[str, Any]

SIGHT = 60  # pipelines that fit on most screens
MOST = 500  # runs and events that are listed


def everything(state: State) -> Json:
    """The overview, without the runs of each pipeline: those are asked for where they can be seen."""
    return overview.look(state, time.time(), last=0)


def first(state: State) -> Json:
    """The same with `strips`, those of the pipelines that are seen first: so these are drawn once, not twice."""
    found = everything(state)
    keys = [(row["workflow"], row["name"]) for row in found["pipelines"][:SIGHT]]
    return {**found, "strips": strips(state, keys)}


def at_work(state: State) -> int | None:
    """The pid of the controller that is at work on the state: that changes without a word in it."""
    return lock.controller(state.path)


def strips(state: State, keys: Sequence[Key]) -> dict[Key, list[Json]]:
    """The last runs of some pipelines."""
    return stored.strips(state.conn, keys)


def params(state: State, pipelines: Sequence[Mapping[str, Any]]) -> Json:
    """The params of these pipelines of one workflow, as their newest revisions declare them, by name.

    Of two of a name the first one's is taken. What they are for stands in the manifest alone.
    """
    found: Json = {}
    manifest = views.workflows(state, name=pipelines[0]["workflow"])
    written = manifest[0]["spec"]["pipelines"] if manifest else {}
    for pipeline in pipelines:
        declared = objects.read_revision(state.conn, pipeline["revision"])["pipeline"].get("params", {})
        about = written.get(pipeline["name"], {}).get("params", {})
        for name, schema in declared.items():
            found.setdefault(name, {**schema, **_description(about.get(name, {}))})
    return found


def _description(param: Mapping[str, Any]) -> Json:
    return {"description": param["description"]} if param.get("description") else {}


def runs(state: State) -> list[Json]:
    """The newest runs of all pipelines."""
    return stored.newest(state.conn, MOST)


def events(state: State) -> list[Json]:
    """What happened last."""
    return views.events(state, limit=MOST)


def triggers(state: State) -> list[Json]:
    """All cron triggers, as the calendar lists them."""
    return calendar.triggers(state.conn)


def days(
    state: State, rows: Sequence[Mapping[str, Any]], starts: Sequence[float], now: float
) -> dict[Any, list[Json]]:
    """What became of the slots of these triggers, and how many are due, by day."""
    return {calendar.key(row): calendar.days(state.conn, row, starts, now) for row in rows}


def slots(state: State, trigger: Mapping[str, Any]) -> list[Json]:
    """The newest slots of one trigger."""
    return views.slots(
        state, workflow=trigger["workflow"], pipeline=trigger["pipeline"], trigger=trigger["name"], limit=MOST
    )


def run_if_there(state: State, ident: str) -> tuple[str, Json | None]:
    """The id, and what `run` finds; None for a run that retention has removed."""
    try:
        return ident, run(state, ident)
    except NotFound:
        return ident, None


def run(state: State, ident: str) -> Json:
    """`{run, body, artifacts, answers, older, newer}`: a run, its pipeline as it runs it, its neighbours' ids.

    `answers`: by task, what somebody said to its approval last: `approved by NAME: WHY`.
    """
    row = views.run(state, ident)
    body = objects.read_revision(state.conn, row["revision"])["pipeline"]
    older, newer = stored.neighbours(state.conn, ident)
    return {
        "run": row, "body": body, "artifacts": artifacts.view(state, ident), "answers": _answers(state, ident),
        "older": older, "newer": newer,
    }  # fmt: skip


def _answers(state: State, ident: str) -> dict[str, str]:
    """They stand in the run's events, for as long as those are kept."""
    found: dict[str, str] = {}
    for event in views.events(state, kind="Run", name=ident, limit=MOST):
        task, colon, words = (event["message"] or "").removeprefix("task ").partition(": ")
        if event["reason"] in ("Approved", "Rejected") and colon:
            found.setdefault(task, words)
    return found
