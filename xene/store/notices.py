"""Notices: what people are still to be told, and what they were told.

Made by triggers of the database (`schema.NOTICES`) in the statement that ends a run or writes a slot, so that none
is lost; sent by `notify`, which marks here what came of it. A try is written down before it is made: after a crash
the notice waits for its next try, and is told twice at the most for each crash.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"
KEPT = 7 * 86400.0  # seconds that one stays after it was delivered or given up
_COLUMNS = (
    "id, kind, workflow, pipeline, run, attempt, trigger, since, until, count, target, made_at, tries, error"
)


class Notice(NamedTuple):
    """One. `target` is JSON (see `model.notice`); `since` and `until` are the first and last of so many `slots`."""

    id: int
    kind: str
    workflow: str
    pipeline: str
    run: str | None
    attempt: int | None
    trigger: str | None
    since: float | None
    until: float | None
    slots: int
    target: Mapping[str, Any]
    made_at: float
    tries: int
    error: str | None


def _notice(row: tuple[Any, ...]) -> Notice:
    return Notice._make((*row[:10], json.loads(row[10]), *row[11:]))


def due(conn: sqlite3.Connection, now: float, each: int) -> list[Notice]:
    """Those whose time has come, the longest waiting first; of each target so many at the most.

    So what waits for a dead target, be it thousands, hides nothing that waits for another.
    """
    found: list[tuple[float, Notice]] = []
    for target in _targets(conn):
        rows = conn.execute(
            f"SELECT {_COLUMNS}, next_at FROM notices INDEXED BY notices_target"
            f" WHERE state = '{WAITING}' AND target = ? AND next_at <= ? ORDER BY next_at LIMIT ?",
            (target, now, each),
        )
        found += [(row[-1], _notice(row[:-1])) for row in rows]
    return [notice for _, notice in sorted(found, key=lambda pair: pair[0])]


def _targets(conn: sqlite3.Connection) -> Iterator[str]:
    """Every target for which something waits; each step is one seek in the index."""
    first = f"SELECT min(target) FROM notices INDEXED BY notices_target WHERE state = '{WAITING}'"
    target = conn.execute(first).fetchone()[0]
    while target is not None:
        yield target
        target = conn.execute(f"{first} AND target > ?", (target,)).fetchone()[0]


def latest(conn: sqlite3.Connection) -> float | None:
    """When the last one of those that wait is due, in seconds since 1970; None where none waits."""
    row = conn.execute(
        f"SELECT max(next_at) FROM notices INDEXED BY notices_waiting WHERE state = '{WAITING}'"
    ).fetchone()
    return None if row[0] is None else float(row[0])


def pull_in(conn: sqlite3.Connection, now: float, horizon: float) -> None:
    """Those that are due after `horizon`, later than any pause, are due now: the clock was set back."""
    conn.execute(f"UPDATE notices SET next_at = ? WHERE state = '{WAITING}' AND next_at > ?", (now, horizon))


def trying(conn: sqlite3.Connection, tries: Iterable[tuple[int, float]]) -> None:
    """These (id, and when they are tried again should nobody live to say what came of it) are tried now."""
    conn.executemany(
        "UPDATE notices SET tries = tries + 1, next_at = ? WHERE id = ?",
        [(again, notice) for notice, again in tries],
    )


def delivered(conn: sqlite3.Connection, now: float, notice: int) -> None:
    """It was told."""
    conn.execute(
        "UPDATE notices SET state = ?, error = NULL, done_at = ? WHERE id = ?", (DELIVERED, now, notice)
    )


def failed(conn: sqlite3.Connection, notice: int, again: float, error: str) -> None:
    """The try came to nothing, for this reason; the next one is due at `again`."""
    conn.execute("UPDATE notices SET error = ?, next_at = ? WHERE id = ?", (error, again, notice))


def give_up(conn: sqlite3.Connection, now: float, notice: int, error: str) -> None:
    """It is not tried any more."""
    conn.execute(
        "UPDATE notices SET state = ?, error = ?, done_at = ? WHERE id = ?", (GIVEN_UP, error, now, notice)
    )


def prune(conn: sqlite3.Connection, now: float) -> None:
    """Those that are done and old go."""
    conn.execute(
        f"DELETE FROM notices WHERE state <> '{WAITING}' AND done_at <= ?",
        (now - KEPT,),
    )


def waiting(conn: sqlite3.Connection) -> list[Notice]:
    """Those that are not told yet, oldest first."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM notices WHERE state = '{WAITING}' ORDER BY id")
    return [_notice(row) for row in rows]
