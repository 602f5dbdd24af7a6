"""When stored triggers are due, reckoned with the rules of their zones that the state keeps. It only reads.

Called by `store.views` and `control.accounting`. Parsed schedules are kept: thousands of pipelines are asked again
and again.
"""

from __future__ import annotations

import json
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
        name = json.loads(cron).get("timeZone", UTC)
        if name not in self._zones:
            row = self._conn.execute("SELECT data FROM zones WHERE name = ?", (name,)).fetchone()
            self._zones[name] = None if row is None else bytes(row[0])
        data = self._zones[name]
        return None if data is None else _schedule(cron, data)

    def next_after(self, cron: str, after: float) -> float | None:
        """The first instant later than `after` at which a cron is due, None where it is not known to be ever."""
        schedule = self.of(cron)
        found = None if schedule is None else schedule.next_after(after)
        return None if found is None else float(found.at)


@lru_cache(maxsize=256)
def _zone(data: bytes) -> Zone:
    return load_zone(data)


@lru_cache(maxsize=16384)
def _schedule(cron: str, zone: bytes) -> Schedule:
    return Schedule(cron_from_json(json.loads(cron)), _zone(zone))
