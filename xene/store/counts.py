"""How many there are of each, and how far runs are, for metrics: read through indexes, however long the history.

Called by `server.metrics` and `server.progress` at each scrape. It only reads.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Iterable, NamedTuple

RUNS = "SELECT phase, count(*) FROM runs GROUP BY phase"
SLOTS = "SELECT outcome, count(*) FROM slots GROUP BY outcome"
LATE_SLOTS = "SELECT count(*) FROM slots INDEXED BY slots_outcome WHERE outcome = ? AND at >= ?"
AGENTS = "SELECT name, phase, last_seen_at FROM agents"  # one for each host: few
PIPELINES = "SELECT phase, count(*) FROM pipelines GROUP BY phase"
NOTICES = "SELECT count(*) FROM notices INDEXED BY notices_waiting WHERE state = 'waiting'"
WAITING = "SELECT min(created_at) FROM runs INDEXED BY runs_open WHERE ended = 0 AND started_at IS NULL"

_RUN = "SELECT seq, created_at, sent_at, started_at, attempt, phase, ended, slot IS NOT NULL FROM runs"
OPEN = f"{_RUN} INDEXED BY runs_open WHERE ended = 0"
AFTER = f"{_RUN} WHERE seq > ? ORDER BY seq LIMIT ?"
THESE = f"{_RUN} WHERE seq IN (SELECT value FROM json_each(?))"
BEFORE = (
    "SELECT seq FROM runs INDEXED BY runs_created WHERE created_at < ?"
    " ORDER BY created_at DESC, seq DESC LIMIT 1"
)


class Agent(NamedTuple):
    """`seen_at` is when control last heard of it, in seconds since 1970; None: never."""

    name: str
    phase: str
    seen_at: float | None


class Counts(NamedTuple):
    """At one moment; by phase or outcome. `late` are the slots due since some instant."""

    runs: dict[str, int]
    slots: dict[str, int]
    pipelines: dict[str, int]
    late: dict[str, int]
    agents: list[Agent]
    notices: int
    waiting_since: float | None  # when the oldest run that has not started was created
    epoch: int


def counts(conn: sqlite3.Connection, outcomes: Iterable[str], since: float) -> Counts:
    """All of them; of slots due at or after `since` (seconds since 1970) those of these outcomes."""
    epoch = conn.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return Counts(
        runs=_by(conn, RUNS),
        slots=_by(conn, SLOTS),
        pipelines=_by(conn, PIPELINES),
        late={outcome: conn.execute(LATE_SLOTS, (outcome, since)).fetchone()[0] for outcome in outcomes},
        agents=[Agent._make(row) for row in conn.execute(AGENTS)],
        notices=conn.execute(NOTICES).fetchone()[0],
        waiting_since=conn.execute(WAITING).fetchone()[0],
        epoch=int(epoch[0]) if epoch is not None else 0,
    )


def _by(conn: sqlite3.Connection, statement: str) -> dict[str, int]:
    return {str(key): int(count) for key, count in conn.execute(statement)}


class Run(NamedTuple):
    """How far a run is; instants are seconds since 1970. `of_slot`: it is a slot's, fired mostly by its agent."""

    seq: int
    created_at: float
    sent_at: float | None
    started_at: float | None
    attempt: int
    phase: str
    ended: int
    of_slot: int


def open_runs(conn: sqlite3.Connection) -> list[Run]:
    """All that have not ended."""
    return [Run._make(row) for row in conn.execute(OPEN)]


def runs_after(conn: sqlite3.Connection, seq: int, most: int) -> list[Run]:
    """Those that came after the one of that number, in turn, at most so many."""
    return [Run._make(row) for row in conn.execute(AFTER, (seq, most))]


def these_runs(conn: sqlite3.Connection, seqs: Iterable[int]) -> list[Run]:
    """Those of these numbers that are still there."""
    return [Run._make(row) for row in conn.execute(THESE, (json.dumps(list(seqs)),))]


def newest_before(conn: sqlite3.Connection, instant: float) -> int:
    """The number of the newest run created before that instant, 0 where there is none."""
    row = conn.execute(BEFORE, (instant,)).fetchone()
    return int(row[0]) if row is not None else 0
