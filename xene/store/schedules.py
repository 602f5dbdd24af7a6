"""When stored triggers are due, reckoned with the rules of their zones that the state keeps. It only reads.

Called by `store.views` and `control.accounting`. Parsed schedules are kept: thousands of pipelines are asked again
and again.
"""

from __future__ import annotations

import json
import math
import sqlite3
from functools import lru_cache

from xene.engine.slots import Schedule, Zone, load_zone
from xene.model.trigger import UTC, cron_from_json


class Schedules:
    """Schedules by the JSON of their crons, at one moment of the state."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._zones: dict[str, bytes | None] = {}

    def of(self, cron: str) -> Schedule | None:
        """The schedule of a cron; None where its zone is not known, so that nobody can say when it is due."""
        data = self._rules(cron)
        return None if data is None else _schedule(cron, data)

    def next_after(self, cron: str, after: float) -> float | None:
        """The first instant later than `after` at which a cron is due, None where it is not known to be ever."""
        data = self._rules(cron)
        return None if data is None else _remembered(cron, data).next_after(after)

    def _rules(self, cron: str) -> bytes | None:
        """What the state keeps of the zone of a cron."""
        name = _zone_name(cron)
        if name not in self._zones:
            row = self._conn.execute("SELECT data FROM zones WHERE name = ?", (name,)).fetchone()
            self._zones[name] = None if row is None else bytes(row[0])
        return self._zones[name]


class Remembered:
    """A schedule with the instant that it gave last, which is the next one at every moment from then up to it."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._last: tuple[float, float | None] = (math.inf, None)  # one value: threads may ask side by side

    def next_after(self, after: float) -> float | None:
        """The first instant later than `after`; None where there is none any more."""
        since, due = self._last
        if since <= after and (due is None or after < due):
            return due
        found = self._schedule.next_after(after)
        due = None if found is None else float(found.at)
        self._last = (after, due)
        return due


@lru_cache(maxsize=16384)
def _remembered(cron: str, zone: bytes) -> Remembered:
    return Remembered(_schedule(cron, zone))


@lru_cache(maxsize=16384)
def _zone_name(cron: str) -> str:
    return str(json.loads(cron).get("timeZone", UTC))


@lru_cache(maxsize=256)
def _zone(data: bytes) -> Zone:
    return load_zone(data)


@lru_cache(maxsize=16384)
def _schedule(cron: str, zone: bytes) -> Schedule:
    return Schedule(cron_from_json(json.loads(cron)), _zone(zone))
