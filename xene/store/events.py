"""What happened, for people: one line each, bounded by count.

Called by whatever writes to the state, with its open transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Iterable

KEEP = 20_000
_SLACK = 2_000  # pruned in lots, not one by one
TEXT_MAX = 2_000  # characters of a message: some come from agents


def note(
    conn: sqlite3.Connection, at: float, kind: str, name: str, reason: str, message: str | None = None
) -> None:
    """Record one event about an object: `kind` is Run, Pipeline, Workflow or Agent."""
    note_all(conn, [(at, kind, name, reason, message)])


def note_news(conn: sqlite3.Connection, at: float, kind: str, name: str, reason: str, message: str) -> None:
    """Record one event, unless the last one about the object that has this reason says the same."""
    row = conn.execute(
        "SELECT message FROM events WHERE kind = ? AND name = ? AND reason = ? ORDER BY id DESC LIMIT 1",
        (kind, name, reason),
    ).fetchone()
    if row is None or row[0] != plain(message):
        note(conn, at, kind, name, reason, message)


def note_all(
    conn: sqlite3.Connection, events: Iterable[tuple[float, str, str, str, str | None]], *, keep: int = KEEP
) -> None:
    """Record several: (at, kind, name, reason, message)."""
    rows = [(*event[:4], event[4] and plain(event[4])) for event in events]
    conn.executemany("INSERT INTO events (at, kind, name, reason, message) VALUES (?, ?, ?, ?, ?)", rows)
    row = conn.execute("SELECT min(id), max(id) FROM events").fetchone()
    if row[0] is not None and row[1] - row[0] > keep + _SLACK:
        conn.execute("DELETE FROM events WHERE id <= ?", (row[1] - keep,))


def plain(text: str) -> str:
    """Text of any origin as SQLite can keep it: bounded, without lone surrogates."""
    return text[:TEXT_MAX].encode("utf-8", "replace").decode()
