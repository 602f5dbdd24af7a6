"""What became of slots day by day, and how many are due: the calendar of the live screen. It only reads.

A day is counted through the key of the slots; what lies ahead is reckoned, up to `MANY` a day.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import pairwise
from typing import Any, Mapping, Sequence

from xene.store import overrides
from xene.store.rows import Json, instant
from xene.store.schedules import Schedules

MANY = 100  # slots of a day that are counted, told as `99+`; a trigger that is due each minute has more

_TRIGGERS = "SELECT workflow, pipeline, name, cron FROM triggers WHERE cron IS NOT NULL"
_DAY = (
    "SELECT outcome, count(*) FROM slots WHERE workflow = ? AND pipeline = ? AND trigger = ?"
    " AND at >= ? AND at < ? GROUP BY outcome"
)

Trigger = Mapping[str, Any]


def key(trigger: Trigger) -> tuple[str, str, str]:
    """What names a trigger."""
    return trigger["workflow"], trigger["pipeline"], trigger["name"]


def triggers(conn: sqlite3.Connection) -> list[Json]:
    """`{workflow, pipeline, name, schedule, timeZone, suspended, cron}` of all cron triggers, by name."""
    suspension = overrides.suspension(conn)
    return [_trigger(row, suspension.of_pipeline(row[0], row[1])) for row in conn.execute(_TRIGGERS)]


def _trigger(row: Sequence[Any], suspended: bool) -> Json:
    cron = json.loads(row[3])
    schedule = cron["schedule"]
    return {
        "workflow": row[0],
        "pipeline": row[1],
        "name": row[2],
        "schedule": schedule if isinstance(schedule, str) else ", ".join(schedule),
        "timeZone": cron.get("timeZone", "UTC"),
        "suspended": suspended,
        "cron": row[3],
    }


def days(conn: sqlite3.Connection, trigger: Trigger, starts: Sequence[float], now: float) -> list[Json]:
    """`{outcomes: {OUTCOME: count}, due, next}` for each of the days that begin at `starts`, but the last of them.

    `due` counts the instants that are ahead, `MANY` at the most; `next` is the first of them. Nothing is due of a
    trigger that is suspended: its slots will be skipped.
    """
    schedules = Schedules(conn)
    found = []
    for begin, end in pairwise(starts):
        outcomes = dict(conn.execute(_DAY, (*key(trigger), begin, end))) if begin <= now else {}
        ahead = (
            _ahead(schedules, trigger["cron"], max(begin - 1, now), end)
            if end > now and not trigger["suspended"]
            else []
        )
        found.append({"outcomes": outcomes, "due": len(ahead), "next": instant(ahead[0]) if ahead else None})
    return found


def _ahead(schedules: Schedules, cron: str, after: float, until: float) -> list[float]:
    found: list[float] = []
    due = schedules.next_after(cron, after)
    while due is not None and due < until and len(found) < MANY:
        found.append(due)
        due = schedules.next_after(cron, due)
    return found
