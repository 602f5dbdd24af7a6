"""Backfills: which instants of a trigger somebody had run after the fact, and what the ledger says of each.

Called by `control.backfill` inside its transactions. One backfill is one fire. It stays open until the command that
drives it has seen all of its runs end (`told`): one that was interrupted is found here, and goes on.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from xene.store import triggers

KEPT = 400 * 86400.0  # seconds: as long as slots are


class Of(NamedTuple):
    """The cron trigger of a pipeline."""

    workflow: str
    pipeline: str
    trigger: str


class Past(NamedTuple):
    """What is known of an instant. `outcome` is None where it has no slot.

    `run` is the newest run for it, of the slot or of a backfill; its `phase` is None where it is no longer kept.
    `settled`: the slot's outcome stands. `backfilled`: a backfill started a run for it; `goes_on`: an open one did.
    """

    at: float
    outcome: str | None = None
    reason: str | None = None
    settled: bool = True
    run: str | None = None
    phase: str | None = None
    backfilled: bool = False
    goes_on: bool = False


_WHERE = "workflow = ? AND pipeline = ? AND trigger = ? AND at >= ? AND at < ?"


def pasts(conn: sqlite3.Connection, of: Of, start: float, until: float) -> dict[float, Past]:
    """What is known of every instant in [start, until) that has a slot or was backfilled, by instant."""
    found = {}
    for at, outcome, reason, settled, run, phase in conn.execute(
        f"SELECT s.at, s.outcome, s.reason, s.settled, s.run, r.phase FROM slots s LEFT JOIN runs r ON r.id = s.run"
        f" WHERE s.{_WHERE.replace('AND ', 'AND s.')}",
        (*of, start, until),
    ):
        found[at] = Past(at, outcome, reason, bool(settled), run, phase)
    for at, run, phase, told in conn.execute(
        f"SELECT b.at, b.run, r.phase, b.told FROM backfills b LEFT JOIN runs r ON r.id = b.run"
        f" WHERE b.{_WHERE.replace('AND ', 'AND b.')} ORDER BY b.told DESC, r.seq",
        (*of, start, until),
    ):
        before = found.get(at, Past(at))
        found[at] = before._replace(run=run, phase=phase, backfilled=True, goes_on=not told)
    return found


def reckoned(conn: sqlite3.Connection, of: Of, now: float, *, heard: bool) -> float:
    """The instant after which the trigger accounts for its slots itself, and has not yet.

    `heard`: the agent that has it has said all that it has to say. Else what it fired before the trigger was last
    changed may be among what it has not.
    """
    row = triggers.read(conn, *of)
    if row is None or row.cron is None:
        return now
    return row.watermark if row.watermark and not heard else max(row.since, row.watermark)


def open_fire(conn: sqlite3.Connection, of: Of) -> str | None:
    """The fire of a backfill of this trigger that was interrupted, or that another command drives."""
    row = conn.execute(
        "SELECT fire FROM backfills WHERE workflow = ? AND pipeline = ? AND trigger = ? AND told = 0 LIMIT 1",
        of,
    ).fetchone()
    return None if row is None else str(row[0])


def start(conn: sqlite3.Connection, now: float, of: Of, at: float, fire: str, run: str) -> None:
    """The run for an instant has come to be, in the same transaction."""
    conn.execute(
        "INSERT INTO backfills (workflow, pipeline, trigger, at, fire, run, started_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*of, at, fire, run, now),
    )


def under_way(conn: sqlite3.Connection, fire: str) -> int:
    """How many runs of this backfill have not ended."""
    row = conn.execute("SELECT count(*) FROM runs WHERE fire = ? AND ended = 0", (fire,)).fetchone()
    return int(row[0])


def runs_of(conn: sqlite3.Connection, of: Of, fire: str) -> list[str]:
    """The runs of a backfill that are still kept, by instant."""
    rows = conn.execute(
        "SELECT b.run FROM backfills b JOIN runs r ON r.id = b.run WHERE b.workflow = ? AND b.pipeline = ?"
        " AND b.trigger = ? AND b.fire = ? ORDER BY b.at",
        (*of, fire),
    )
    return [row[0] for row in rows]


def told(conn: sqlite3.Connection, now: float, of: Of, fire: str) -> None:
    """Somebody has seen to the end of a backfill: it is not gone on with. What is very old is forgotten."""
    conn.execute(
        "UPDATE backfills SET told = 1 WHERE workflow = ? AND pipeline = ? AND trigger = ? AND fire = ?",
        (*of, fire),
    )
    conn.execute("DELETE FROM backfills WHERE told = 1 AND started_at < ?", (now - KEPT,))
