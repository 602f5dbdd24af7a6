"""Slots and what is due next, as the JSON of SPEC 4. Used through `store.views`; it only reads.

A list is read newest first through an index, trigger by trigger where a workflow is named: a year of minutes costs
no more than what is shown of it.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
import time
from datetime import datetime
from itertools import chain
from typing import Any, Iterable, Iterator, Sequence

from xene.errors import NotFound
from xene.store.db import State
from xene.store.resolve import resolve_pipeline
from xene.store.rows import Json, Labels, anything, bounded, by_workflow, instant
from xene.store.schedules import Schedules

_SLOTS = "SELECT workflow, pipeline, trigger, at, outcome, reason, message, run, agent FROM slots"
_TIME = re.compile(r"(?P<name>[^@]+)(?:@(?P<at>.+))?\Z")


def slots(
    state: State,
    *,
    workflow: str | None = None,
    pipeline: str | None = None,
    trigger: str | None = None,
    since: float | None = None,
    outcome: str | None = None,
    labels: Labels = anything,
    limit: int | None = 50,
) -> list[Json]:
    """`{workflow, pipeline, trigger, at, outcome, reason, run, message, agent}`, newest first.

    `since`: due at or after that instant.
    """
    with state.snapshot() as conn:
        wanted = by_workflow(conn, labels)
        values = [since if since is not None else 0.0, *([] if outcome is None else [outcome])]
        terms = "at >= ?" + ("" if outcome is None else " AND outcome = ?")
        rows: Iterable[Any]
        if workflow is None:
            index = "slots_at" if outcome is None else "slots_outcome"
            for column, name in (("pipeline", pipeline), ("trigger", trigger)):
                if name is not None:
                    terms, values = f"{terms} AND {column} = ?", [*values, name]
            rows = conn.execute(f"{_SLOTS} INDEXED BY {index} WHERE {terms} ORDER BY at DESC", values)
        else:
            known = _triggers(conn, workflow, pipeline, trigger)
            rows = _merged(conn, [(workflow, *key) for key in known], terms, values)
        return [_slot(row) for row in bounded(rows, limit, lambda row: wanted(row[0]))]


def _triggers(
    conn: sqlite3.Connection, workflow: str, pipeline: str | None, trigger: str | None
) -> list[tuple[str, str]]:
    """(pipeline, trigger) of all that there are or were."""
    rows = conn.execute("SELECT pipeline, name FROM triggers WHERE workflow = ?", (workflow,))
    return [(row[0], row[1]) for row in rows if pipeline in (None, row[0]) and trigger in (None, row[1])]


def _merged(
    conn: sqlite3.Connection, keys: Sequence[tuple[str, str, str]], terms: str, values: Sequence[Any]
) -> Iterator[Any]:
    """The slots of several triggers, newest first; each is read only as far as it is wanted."""
    query = f"{_SLOTS} WHERE workflow = ? AND pipeline = ? AND trigger = ? AND {terms} ORDER BY at DESC"
    streams = [conn.execute(query, (*key, *values)) for key in keys]
    return heapq.merge(*streams, key=lambda row: -row[3])


def _slot(row: Sequence[Any]) -> Json:
    return {
        "workflow": row[0],
        "pipeline": row[1],
        "trigger": row[2],
        "at": instant(row[3]),
        "outcome": row[4],
        "reason": row[5],
        "message": row[6],
        "run": row[7],
        "agent": row[8],
    }


def triggers(state: State, workflow: str, pipeline: str | None = None) -> list[Json]:
    """`{pipeline, name, cron, since, nextDue}` of the cron triggers of a workflow, by pipeline and name.

    `cron` is as the manifest says it; `nextDue` does not look at whether something is suspended.
    """
    now = time.time()
    with state.snapshot() as conn:
        schedules = Schedules(conn)
        rows = conn.execute(
            "SELECT pipeline, name, cron, since FROM triggers WHERE workflow = ? AND cron IS NOT NULL",
            (workflow,),
        )
        return [
            {
                "pipeline": row[0],
                "name": row[1],
                "cron": json.loads(row[2]),
                "since": instant(row[3]),
                "nextDue": instant(schedules.next_after(row[2], now)),
            }
            for row in rows
            if pipeline in (None, row[0])
        ]


def next_fires(
    conn: sqlite3.Connection, keys: Sequence[tuple[str, str]], now: float
) -> dict[tuple[str, str], float]:
    """The instants at which these pipelines are due next, of those that are due at all."""
    schedules = Schedules(conn)
    found: dict[tuple[str, str], float] = {}
    for key, cron in _crons(conn, keys):
        due = schedules.next_after(cron, now)
        if due is not None:
            found[key] = min(due, found.get(key, due))
    return found


_MANY = 50  # pipelines from which on all triggers are read at once


def _crons(
    conn: sqlite3.Connection, keys: Sequence[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], str]]:
    if len(keys) > _MANY:
        wanted = set(keys)
        rows = conn.execute("SELECT workflow, pipeline, cron FROM triggers WHERE cron IS NOT NULL")
        return ((row[:2], row[2]) for row in rows if row[:2] in wanted)
    query = "SELECT workflow, pipeline, cron FROM triggers WHERE workflow = ? AND pipeline = ? AND cron IS NOT NULL"
    return ((row[:2], row[2]) for row in chain.from_iterable(conn.execute(query, key) for key in keys))


def resolve_slots(state: State, text: str) -> dict[str, Any]:
    """What `WORKFLOW`, `WORKFLOW/PIPELINE` or `WORKFLOW/PIPELINE/TRIGGER` names, as arguments of `slots`.

    Also with `@TIME` behind it, for one instant (`at`). Raises NotFound.
    """
    match = _TIME.match(text)
    name, at = (match["name"], match["at"]) if match else (text, None)
    words = name.split("/")
    found: dict[str, Any] = {}
    if len(words) == 3:
        found = dict(zip(("workflow", "pipeline", "trigger"), words, strict=True))
    elif len(words) == 2:
        found = dict(zip(("workflow", "pipeline"), words, strict=True))
    with state.snapshot() as conn:
        if (
            len(words) == 1
            and conn.execute("SELECT 1 FROM triggers WHERE workflow = ? LIMIT 1", (name,)).fetchone()
        ):
            found = {"workflow": name}
        elif len(words) == 1:
            found = dict(zip(("workflow", "pipeline"), resolve_pipeline(state, name), strict=True))
        if not found or not _triggers(conn, found["workflow"], found.get("pipeline"), found.get("trigger")):
            raise NotFound(f"{name} has no cron trigger", hint="xene get slots; or xene get pipelines")
    return found if at is None else {**found, "at": _instant(text, at)}


def _instant(text: str, at: str) -> float:
    try:
        when = datetime.fromisoformat(at.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise NotFound(f"{text}: {at} is no time", hint="write it like 2026-11-23T02:30:00Z") from None
    if when.tzinfo is None:
        raise NotFound(f"{text}: {at} has no offset", hint=f"write {at}Z for UTC")
    return when.timestamp()
