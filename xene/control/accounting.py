"""Writes down the slots for which control itself must account: a bounded number in each pass. Called by a pass.

What to say is decided by `plan.silence`, and by whoever stored a lapse.
"""

from __future__ import annotations

import sqlite3
from itertools import islice
from typing import Iterator

from xene.control.placing import parse
from xene.engine.slots import Schedule
from xene.model.ids import pipeline_key
from xene.model.trigger import SLOT_UNKNOWN
from xene.plan import silence
from xene.plan.silence import Span, Watched
from xene.store import lapses, overrides, slots
from xene.store.lapses import Lapse
from xene.store.schedules import Schedules
from xene.store.slots import Slot

MOST = 5000  # slots that are written in one pass

_Key = tuple[str, str, float]


class Accounting:
    """Remembers when each trigger that is watched is due next, so that a pass in between costs next to nothing."""

    def __init__(self) -> None:
        self._next: dict[_Key, float] = {}

    def account(self, conn: sqlite3.Connection, now: float) -> bool:
        """Write what is to be written. True if there is more than one pass may write."""
        slots.overtaken(conn, now)
        left = MOST
        schedules = Schedules(conn)
        for lapse in lapses.every(conn):
            left -= _write_lapse(conn, now, schedules, lapse, left)
            if left <= 0:
                return True
        watches = slots.watched(conn)
        crons = {(pipeline_key(*each.row[:2]), each.row.name): str(each.row.cron) for each in watches}
        for span in silence.spans(_watched(conn, watches), now):
            schedule = schedules.of(crons[span.key, span.trigger])
            if schedule is not None and self._is_due(schedule, crons[span.key, span.trigger], span):
                left -= _write_span(conn, now, schedule, span, left)
            if left <= 0:
                return True
        return False

    def _is_due(self, schedule: Schedule, cron: str, span: Span) -> bool:
        key = (span.key, cron, span.since)
        if key not in self._next:
            if len(self._next) > 50_000:
                self._next.clear()
            found = schedule.next_after(span.since)
            self._next[key] = float("inf") if found is None else found.at
        return self._next[key] <= span.until


def _watched(conn: sqlite3.Connection, watches: list[slots.Watch]) -> list[Watched]:
    suspended = overrides.suspension(conn)
    return [
        Watched(
            key=pipeline_key(each.row.workflow, each.row.pipeline),
            trigger=each.row.name,
            since=each.row.since,
            accounted=max(each.row.watermark, slots.last_guess(conn, *each.row[:3]) or 0.0),
            suspended=suspended.of_pipeline(each.row.workflow, each.row.pipeline),
            agent=each.agent,
            heard_at=each.heard_at,
            lost_after=parse(each.placement).lost_after,
            fenced=each.fenced_at is not None,
        )
        for each in watches
    ]


def _write_lapse(conn: sqlite3.Connection, now: float, schedules: Schedules, lapse: Lapse, most: int) -> int:
    """Slots of a lapse; how many. One whose zone nobody knows has none that anybody could name."""
    schedule = schedules.of(lapse.cron)
    instants = [] if schedule is None else list(_instants(schedule, lapse.since, lapse.until, most))
    rows = [
        Slot(
            lapse.workflow, lapse.pipeline, lapse.trigger, at, lapse.outcome, lapse.reason, lapse.message,
            None, lapse.agent,
        )
        for at in instants
    ]  # fmt: skip
    write = slots.guess if lapse.outcome == SLOT_UNKNOWN else slots.settle
    write(conn, now, rows)
    lapses.written(conn, lapse, instants[-1] if len(instants) == most else lapse.until)
    return len(rows)


def _write_span(conn: sqlite3.Connection, now: float, schedule: Schedule, span: Span, most: int) -> int:
    workflow, _, pipeline = span.key.partition("/")
    rows = [
        Slot(workflow, pipeline, span.trigger, at, span.outcome, span.reason, span.message, None, span.agent)
        for at in _instants(schedule, span.since, span.until, most)
    ]
    slots.guess(conn, now, rows)
    return len(rows)


def _instants(schedule: Schedule, since: float, until: float, most: int) -> Iterator[int]:
    return (instant.at for instant in islice(schedule.between(since, until), most))
