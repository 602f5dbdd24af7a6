"""Pipelines as a pass sees them, and where it puts them. Called by `control` inside its transactions."""

from __future__ import annotations

import sqlite3
from typing import Iterable, NamedTuple

from xene.model import phases
from xene.store import events


class Row(NamedTuple):
    """One pipeline. `placement` is canonical JSON: equal texts, equal placements. `needs` is JSON too."""

    workflow: str
    name: str
    revision: str
    placement: str
    phase: str
    reason: str | None
    message: str | None
    agent: str | None
    needs: str = "[]"


def every(conn: sqlite3.Connection) -> list[Row]:
    """All pipelines, by workflow and name."""
    rows = conn.execute(
        "SELECT workflow, name, revision, placement, phase, reason, message, agent, needs FROM pipelines"
        " ORDER BY workflow, name"
    )
    return [Row._make(row) for row in rows]


def of_workflow(conn: sqlite3.Connection, workflow: str) -> list[Row]:
    """The pipelines of one workflow, in the manifest's order."""
    rows = conn.execute(
        "SELECT workflow, name, revision, placement, phase, reason, message, agent, needs FROM pipelines"
        " WHERE workflow = ? ORDER BY position",
        (workflow,),
    )
    return [Row._make(row) for row in rows]


def read(conn: sqlite3.Connection, workflow: str, name: str) -> Row | None:
    """One pipeline, None where there is none."""
    return next((row for row in of_workflow(conn, workflow) if row.name == name), None)


def put(conn: sqlite3.Connection, now: float, rows: Iterable[Row]) -> None:
    """Store where pipelines are, or why they are nowhere; a change of agent is told as an event."""
    notes = []
    for row in rows:
        before = conn.execute(
            "SELECT agent FROM pipelines WHERE workflow = ? AND name = ?", (row.workflow, row.name)
        ).fetchone()
        conn.execute(
            "UPDATE pipelines SET phase = ?, reason = ?, message = ?, agent = ? WHERE workflow = ? AND name = ?",
            (row.phase, row.reason, row.message, row.agent, row.workflow, row.name),
        )
        if row.agent is None:
            notes.append(
                (now, "Pipeline", f"{row.workflow}/{row.name}", row.reason or row.phase, row.message)
            )
        elif before is not None and before[0] != row.agent:
            whence = f" from {before[0]}" if before[0] else ""
            message = f"placed on agent {row.agent}{whence}"
            notes.append((now, "Pipeline", f"{row.workflow}/{row.name}", phases.SCHEDULED, message))
    events.note_all(conn, notes)


def mark_placed(conn: sqlite3.Connection) -> None:
    """Placement has seen everything that is wanted now."""
    if not are_placed(conn):
        conn.execute(
            "UPDATE meta SET value = (SELECT value FROM meta WHERE key = 'changes') WHERE key = 'placed'"
        )


def look_again(conn: sqlite3.Connection) -> None:
    """What is wanted has changed beside the objects: whoever waits waits until placement has seen it."""
    conn.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")


def are_placed(conn: sqlite3.Connection) -> bool:
    """Whether placement has seen everything that is wanted now."""
    rows = conn.execute("SELECT value FROM meta WHERE key IN ('changes', 'placed')").fetchall()
    return bool(rows[0][0] == rows[1][0])


def want_placing(conn: sqlite3.Connection) -> bool:
    """Whether placement may have something to do, as far as the state alone shows."""
    if not are_placed(conn):
        return True
    row = conn.execute(
        f"SELECT EXISTS (SELECT 1 FROM pipelines WHERE phase = '{phases.NOT_SCHEDULED}' OR reason IS NOT NULL)"
    ).fetchone()
    return bool(row[0])
