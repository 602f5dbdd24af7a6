"""What `xene status` shows, read in one moment: pipelines with their last runs, what is open, agents, alarms.

Called by the command `status` and by the live screen. It only reads, through indexes alone, and never more of the
runs than is shown of them: a state with 5,000 pipelines and 200,000 runs is read in a fraction of a second.
`plan.overview` makes words and marks of it.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, Sequence

from xene.store import views
from xene.store.db import State
from xene.store.rows import Json, Labels, anything, instant

Key = tuple[str, str]  # workflow and pipeline

LAST = 20  # runs of a pipeline that a strip shows
BAD_SLOTS = ("missed", "expired", "unknown")

_STRIP = (
    "SELECT id, phase, reason, started_at, finished_at FROM runs INDEXED BY runs_pipeline"
    " WHERE workflow = ? AND pipeline = ? ORDER BY seq DESC LIMIT ?"
)
# Of each group the columns that are not grouped are its oldest run's: SQLite takes them from the row of min().
_OPEN = (
    "SELECT workflow, pipeline, phase, reason, agent, count(*), min(seq), id, message, phase_since"
    " FROM runs INDEXED BY runs_open WHERE ended = 0 GROUP BY workflow, pipeline, phase, reason, agent"
)
_NEWEST_RUNS = (
    "SELECT id, workflow, pipeline, phase, reason, message, agent, trigger, created_at, started_at, finished_at"
    " FROM runs ORDER BY seq DESC LIMIT ?"
)
_NEAR = (
    "SELECT id FROM runs INDEXED BY runs_pipeline"
    " WHERE workflow = ? AND pipeline = ? AND seq {} ? ORDER BY seq {}"
)
_OLDER, _NEWER = _NEAR.format("<", "DESC LIMIT 1"), _NEAR.format(">", "LIMIT 1")
_FOLLOWERS = (
    "SELECT workflow, pipeline, count(*), needs FROM followers INDEXED BY followers_waiting"
    " WHERE outcome IS NULL GROUP BY workflow, pipeline"
)
_LABELS = "SELECT name, labels FROM objects WHERE kind = 'Workflow'"
_BAD = "SELECT count(*), max(at) FROM slots INDEXED BY slots_outcome WHERE outcome = ? AND at >= ?"
_NEWEST = (
    "SELECT workflow, pipeline, trigger FROM slots INDEXED BY slots_outcome"
    " WHERE outcome = ? AND at = ? LIMIT 1"
)
_LOST = "SELECT count(*), max(seq) FROM runs INDEXED BY runs_phase WHERE phase = 'Unknown'"


def overview(state: State, *, labels: Labels = anything, since: float, last: int = LAST) -> Json:
    """`{pipelines, agents, alarms, asOf}` of one moment; `plan.overview` says what each holds.

    `labels` are those of the workflows. Slots that were missed count when they were due at or after `since`. With
    `last` 0 no runs are read.
    """
    with state.snapshot() as conn:
        rows = views.pipelines(state, labels=labels)
        keys = [(row["workflow"], row["name"]) for row in rows]
        found = strips(conn, keys, last) if last else {}
        opened, waiting, named = open_runs(conn), followers(conn), labels_of(conn)
        agents = views.agents(state)
        for key, row in zip(keys, rows, strict=True):
            row["labels"], row["runs"] = named.get(key[0], {}), found.get(key, [])
            row["open"], row["followers"] = opened.get(key, []), waiting.get(key)
        seen = [agent["lastSeenAt"] for agent in agents if agent["lastSeenAt"]]
        alarmed = alarms(conn, since)
    return {"pipelines": rows, "agents": agents, "alarms": alarmed, "asOf": max(seen, default=None)}


def labels_of(conn: sqlite3.Connection) -> dict[str, dict[str, str]]:
    """The labels of all workflows, by name."""
    return {name: json.loads(text) for name, text in conn.execute(_LABELS)}


def strips(conn: sqlite3.Connection, keys: Iterable[Key], last: int = LAST) -> dict[Key, list[Json]]:
    """The newest runs of these pipelines, oldest first: `{id, phase, reason, startedAt, finishedAt}`."""
    found = {}
    for key in keys:
        rows = conn.execute(_STRIP, (*key, last)).fetchall()
        found[key] = [_of_strip(row) for row in reversed(rows)]
    return found


def _of_strip(row: Sequence[Any]) -> Json:
    return {
        "id": row[0],
        "phase": row[1],
        "reason": row[2],
        "startedAt": instant(row[3]),
        "finishedAt": instant(row[4]),
    }


def open_runs(conn: sqlite3.Connection) -> dict[Key, list[Json]]:
    """What has not ended, by pipeline and kind: `{phase, reason, agent, count, oldest, message, since}`.

    `oldest` is the id of the oldest run of that kind; `message` and `since` are that run's.
    """
    found: dict[Key, list[Json]] = {}
    for row in conn.execute(_OPEN):
        found.setdefault((row[0], row[1]), []).append(
            {
                "phase": row[2],
                "reason": row[3],
                "agent": row[4],
                "count": row[5],
                "oldest": row[7],
                "message": row[8],
                "since": instant(row[9]),
            }
        )
    return found


def followers(conn: sqlite3.Connection) -> dict[Key, Json]:
    """Pipelines that wait for others of their fire: `{count, needs}`; `needs` are the names of those."""
    return {(row[0], row[1]): {"count": row[2], "needs": _needed(row[3])} for row in conn.execute(_FOLLOWERS)}


def _needed(text: str) -> list[str]:
    return [str(need if isinstance(need, str) else need["pipeline"]) for need in json.loads(text)]


def alarms(conn: sqlite3.Connection, since: float) -> Json:
    """`{unknownRuns: {count, newest}, slots: {OUTCOME: {count, newest, at}}}`; None where there is no newest."""
    count, seq = conn.execute(_LOST).fetchone()
    newest = None if seq is None else conn.execute("SELECT id FROM runs WHERE seq = ?", (seq,)).fetchone()[0]
    slots: Mapping[str, Json] = {outcome: _bad(conn, outcome, since) for outcome in BAD_SLOTS}
    return {"unknownRuns": {"count": count, "newest": newest}, "slots": slots}


def _bad(conn: sqlite3.Connection, outcome: str, since: float) -> Json:
    count, at = conn.execute(_BAD, (outcome, since)).fetchone()
    if not count:
        return {"count": 0, "newest": None, "at": None}
    workflow, pipeline, trigger = conn.execute(_NEWEST, (outcome, at)).fetchone()
    return {"count": count, "newest": f"{workflow}/{pipeline}/{trigger}", "at": instant(at)}


def newest(conn: sqlite3.Connection, limit: int) -> list[Json]:
    """The newest runs of all pipelines, without their tasks, newest first."""
    return [_newest(row) for row in conn.execute(_NEWEST_RUNS, (limit,))]


def _newest(row: Sequence[Any]) -> Json:
    return {
        "id": row[0],
        "workflow": row[1],
        "pipeline": row[2],
        "phase": row[3],
        "reason": row[4],
        "message": row[5],
        "agent": row[6],
        "trigger": row[7],
        "createdAt": instant(row[8]),
        "startedAt": instant(row[9]),
        "finishedAt": instant(row[10]),
    }


def neighbours(conn: sqlite3.Connection, run: str) -> tuple[str | None, str | None]:
    """The runs of the same pipeline before and after this one, by id; None where there is none."""
    row = conn.execute("SELECT workflow, pipeline, seq FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        return None, None
    found = [conn.execute(query, row).fetchone() for query in (_OLDER, _NEWER)]
    return (found[0] and found[0][0]), (found[1] and found[1][0])
