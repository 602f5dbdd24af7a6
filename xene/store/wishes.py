"""What people want of a run: that it ends, that it is tried again, that a task of it may start or not.

Called by `control` inside its transactions. A wish stays until the agent has journalled it.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from xene.model import phases
from xene.model.workflow import REPLACE
from xene.store import events


def end(
    conn: sqlite3.Connection, now: float, run: str, *, kill: bool, reason: str = phases.CANCELLED
) -> bool:
    """Store that the run is to end. False if it has ended already. A kill is never weakened to a cancel."""
    changed = conn.execute(
        "UPDATE runs SET wish = CASE WHEN ? OR wish = 'kill' THEN 'kill' ELSE 'cancel' END,"
        " wish_reason = coalesce(wish_reason, ?) WHERE id = ? AND ended = 0",
        (kill, reason, run),
    )
    if changed.rowcount:
        said = "KillAsked" if kill else "CancelAsked" if reason == phases.CANCELLED else reason
        events.note(conn, now, "Run", run, said)
    return bool(changed.rowcount)


def make_room(
    conn: sqlite3.Connection, now: float, workflow: str, pipeline: str, newest: str, policy: str
) -> None:
    """With the policy Replace all runs of the pipeline that have not ended make room for the newest."""
    if policy != REPLACE:
        return
    rows = conn.execute(
        "SELECT id FROM runs WHERE workflow = ? AND pipeline = ? AND ended = 0 AND id <> ? AND wish IS NULL",
        (workflow, pipeline, newest),
    ).fetchall()
    for (run,) in rows:
        end(conn, now, run, kill=False, reason=phases.REPLACED)


class Retry(NamedTuple):
    """Whether an ended run can be tried again, and what stands against it."""

    attempt: int
    phase: str
    ended: bool
    kept: bool  # its workspace is still on its agent


def look_at_retry(conn: sqlite3.Connection, run: str) -> Retry:
    """What decides whether the run can be tried again."""
    row = conn.execute(
        "SELECT attempt, phase, ended, sent_journal IS NOT NULL AND NOT released AND NOT workspace_dropped"
        " AND EXISTS (SELECT 1 FROM agents a WHERE a.name = runs.agent AND a.journal = runs.sent_journal)"
        " FROM runs WHERE id = ?",
        (run,),
    ).fetchone()
    return Retry(row[0], row[1], bool(row[2]), bool(row[3]))


def retry(conn: sqlite3.Connection, now: float, run: str, attempt: int, start: str | None) -> None:
    """Store that the run is to have another attempt, from the task `start` on."""
    conn.execute(
        "UPDATE runs SET retry_attempt = ?, retry_start = ?, wish = NULL, wish_seen = NULL, wish_reason = NULL"
        " WHERE id = ? AND ended = 1",
        (attempt, start, run),
    )
    events.note(conn, now, "Run", run, "RetryAsked", f"attempt {attempt}")


class Answer(NamedTuple):
    """What somebody said to an approval that a task waits for. `at` tells one answer from the next."""

    run: str
    task: str
    approved: bool
    message: str
    at: float


def answer(conn: sqlite3.Connection, now: float, run: str, task: str, approved: bool, message: str) -> None:
    """Store an answer, in the place of one that the agent has not taken yet."""
    conn.execute(
        "INSERT INTO answers (run, task, approved, message, at)"
        " SELECT seq, ?, ?, ?, ? FROM runs WHERE id = ?"
        " ON CONFLICT (run, task) DO UPDATE SET approved = excluded.approved, message = excluded.message,"
        " at = excluded.at",
        (task, approved, message, now, run),
    )
    events.note(conn, now, "Run", run, "Approved" if approved else "Rejected", f"task {task}: {message}")


def answers(conn: sqlite3.Connection) -> list[Answer]:
    """All answers that no agent has journalled yet."""
    rows = conn.execute(
        "SELECT r.id, a.task, a.approved, a.message, a.at FROM answers a JOIN runs r ON r.seq = a.run"
        " ORDER BY a.at"
    )
    return [Answer(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]
