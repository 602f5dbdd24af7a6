"""How many there are of each, for metrics: every answer comes from an index, however long the history is.

Called by `server.metrics` at each scrape.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

RUNS = "SELECT phase, count(*) FROM runs GROUP BY phase"
SLOTS = "SELECT outcome, count(*) FROM slots GROUP BY outcome"
AGENTS = "SELECT phase, count(*) FROM agents GROUP BY phase"
PIPELINES = "SELECT phase, count(*) FROM pipelines GROUP BY phase"
NOTICES = "SELECT count(*) FROM notices INDEXED BY notices_waiting WHERE state = 'waiting'"
RECENT = (
    "SELECT seq, created_at, sent_at, started_at FROM runs WHERE seq > ? AND started_at IS NOT NULL"
    " ORDER BY seq LIMIT ?"
)


class Counts(NamedTuple):
    """At one moment; by phase or outcome."""

    runs: dict[str, int]
    slots: dict[str, int]
    agents: dict[str, int]
    pipelines: dict[str, int]
    notices: int
    epoch: int


def counts(conn: sqlite3.Connection) -> Counts:
    """All of them."""
    epoch = conn.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    runs, slots, agents, pipelines = (
        dict(conn.execute(statement).fetchall()) for statement in (RUNS, SLOTS, AGENTS, PIPELINES)
    )
    waiting = int(conn.execute(NOTICES).fetchone()[0])
    return Counts(runs, slots, agents, pipelines, waiting, int(epoch[0]) if epoch is not None else 0)


class Started(NamedTuple):
    """A run that has started; instants are seconds since 1970."""

    seq: int
    created_at: float
    sent_at: float | None
    started_at: float


def started(conn: sqlite3.Connection, after: int, most: int) -> list[Started]:
    """Runs that have started, from the one after `after` on."""
    return [Started._make(row) for row in conn.execute(RECENT, (after, most))]


def newest(conn: sqlite3.Connection) -> int:
    """The number of the newest run, 0 where there is none."""
    return int(conn.execute("SELECT coalesce(max(seq), 0) FROM runs").fetchone()[0])
