"""Leases that were granted, and by how long each holding may outlive its grant: the rows behind `plan.leases`.

Called by `control` inside its transactions. A grant is stored before the agent hears of it; what an agent is told
of a pipeline is stored (`sent`) before it is sent. So what stands here is never less than what an agent may have.
"""

from __future__ import annotations

import sqlite3
from typing import Iterable, Mapping, NamedTuple

from xene.store import events

FENCED = "Fenced"


class Row(NamedTuple):
    """What is known of one agent's lease; see `plan.leases.Lease`."""

    agent: str
    boot: str
    up: float | None
    at: float | None
    silent: float | None


def every(conn: sqlite3.Connection) -> list[Row]:
    """All of them."""
    return [Row._make(row) for row in conn.execute("SELECT agent, boot, up, at, silent FROM leases")]


def put(conn: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Store leases, in the place of what was known of these agents."""
    conn.executemany(
        "INSERT OR REPLACE INTO leases (agent, boot, up, at, silent) VALUES (?, ?, ?, ?, ?)", rows
    )


class Bound(NamedTuple):
    """A holding that is not fenced, and the longest lostAfter of what the agent may have of it, in seconds."""

    key: str
    agent: str
    bound: float


def bounds(conn: sqlite3.Connection) -> list[Bound]:
    """What may be replaced, and is not fenced yet."""
    rows = conn.execute(
        "SELECT workflow || '/' || pipeline, agent, bound FROM holdings INDEXED BY holdings_replaceable"
        " WHERE bound IS NOT NULL AND fenced_at IS NULL"
    )
    return [Bound._make(row) for row in rows]


def fenced(conn: sqlite3.Connection) -> set[tuple[str, str]]:
    """(key, agent) of what an agent has lost, and not let go of."""
    rows = conn.execute(
        "SELECT workflow || '/' || pipeline, agent FROM holdings INDEXED BY holdings_fenced"
        " WHERE fenced_at IS NOT NULL"
    )
    return {(row[0], row[1]) for row in rows}


def sent(conn: sqlite3.Connection, agent: str, told: Mapping[str, tuple[str, float | None]]) -> None:
    """An agent is about to be told these pipelines, `WORKFLOW/PIPELINE`: (tag, lostAfter).

    lostAfter is None for one that may be fired without a lease. Until the agent confirms the tag, it may have
    either this or what it had before: the longer bound holds, and none where one of them has no lease.
    What was known of its silence is from before: it can be told, so it is there, and is to ask for a lease.
    """
    updated = conn.executemany(
        # `sent` is '' where it is not known what the agent has: only what it confirms then counts.
        "UPDATE holdings SET sent = :tag,"
        " bound = CASE WHEN sent IS NULL AND observed_revision IS NULL THEN :bound ELSE max(bound, :bound) END,"
        " sent_bound = CASE WHEN sent IS NULL OR sent = observed_revision OR sent = '' THEN :bound"
        " ELSE max(sent_bound, :bound) END"
        " WHERE workflow = :workflow AND pipeline = :pipeline AND agent = :agent AND sent IS NOT :tag",
        [{"tag": tag, "bound": bound, "agent": agent, **_named(key)} for key, (tag, bound) in told.items()],
    )
    if updated.rowcount:
        conn.execute("UPDATE leases SET silent = NULL WHERE agent = ?", (agent,))


def _named(key: str) -> dict[str, str]:
    workflow, _, pipeline = key.partition("/")
    return {"workflow": workflow, "pipeline": pipeline}


def fence(conn: sqlite3.Connection, now: float, key: str, agent: str, fenced_at: float) -> None:
    """Another agent may have the pipeline: this one fires no instant after `fenced_at`, and gets no lease until
    it has let go."""
    conn.execute(
        "UPDATE holdings SET fenced_at = :at"
        " WHERE workflow = :workflow AND pipeline = :pipeline AND agent = :agent",
        {"at": fenced_at, "agent": agent, **_named(key)},
    )
    message = f"agent {agent} is lost, and its lease has ended: another agent gets the pipeline"
    events.note(conn, now, "Pipeline", key, FENCED, message)


def is_fenced(conn: sqlite3.Connection, agent: str) -> bool:
    """Whether the agent has not let go of something that another may have: then it gets no lease."""
    row = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM holdings WHERE agent = ? AND fenced_at IS NOT NULL)", (agent,)
    ).fetchone()
    return bool(row[0])


class Held(NamedTuple):
    """A holding that wants a lease, or is fenced. `length`: of its lease, by the charge that was last reckoned."""

    key: str
    agent: str
    bound: float | None
    fenced_at: float | None
    length: float | None


def held(
    conn: sqlite3.Connection, *, agent: str | None = None, workflow: str = "", pipeline: str = ""
) -> list[Held]:
    """Those of an agent, or of a pipeline, by pipeline and agent."""
    mine = "h.agent = ?" if agent is not None else "h.workflow = ? AND h.pipeline = ?"
    rows = conn.execute(
        "SELECT h.workflow || '/' || h.pipeline, h.agent, h.bound, h.fenced_at, json_extract(c.charge, '$.lease')"
        " FROM holdings h LEFT JOIN charges c ON c.workflow = h.workflow AND c.pipeline = h.pipeline"
        f" WHERE {mine} AND (h.bound IS NOT NULL OR h.fenced_at IS NOT NULL) ORDER BY 1, 2",
        (agent,) if agent is not None else (workflow, pipeline),
    )
    return [Held._make(row) for row in rows]
