"""Fires: one event each that starts runs, and the pipelines of the fire that follow when others have ended.

Called by `control` inside its transactions. What follows is decided by `plan.following`.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple

from xene.store import events


class Follower(NamedTuple):
    """A pipeline that waits for others of its fire. `needs` is JSON as `model.pipeline_codec` writes it."""

    fire: str
    workflow: str
    pipeline: str
    revision: str
    needs: list[Any]
    params: Mapping[str, Any]


def create(
    conn: sqlite3.Connection, now: float, fire: str, workflow: str, trigger: str, params: Mapping[str, Any]
) -> None:
    """One event that starts runs."""
    conn.execute(
        "INSERT INTO fires (id, workflow, trigger, params, created_at) VALUES (?, ?, ?, ?, ?)",
        (fire, workflow, trigger, json.dumps(dict(params)), now),
    )


def of_slot(
    conn: sqlite3.Connection,
    now: float,
    fire: str,
    workflow: str,
    trigger: str,
    slot: float,
    params: Mapping[str, Any],
) -> None:
    """The fire of a slot, unless another pipeline of its workflow was heard of before. A pass spreads it."""
    conn.execute(
        "INSERT OR IGNORE INTO fires (id, workflow, trigger, slot, params, created_at, spread)"
        " VALUES (?, ?, ?, ?, ?, ?, 0)",
        (fire, workflow, trigger, slot, json.dumps(dict(params)), now),
    )


class Fire(NamedTuple):
    """One event that starts runs. `slot` is the instant of a cron trigger, None for any other event."""

    id: str
    workflow: str
    trigger: str
    slot: float | None
    params: Mapping[str, Any]


def unspread(conn: sqlite3.Connection) -> list[Fire]:
    """Fires of slots whose followers are not stored yet."""
    rows = conn.execute(
        "SELECT id, workflow, trigger, slot, params FROM fires INDEXED BY fires_unspread WHERE spread = 0"
    )
    return [Fire(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def read(conn: sqlite3.Connection, fire: str) -> Fire:
    """The fire with this id, which is there."""
    row = conn.execute(
        "SELECT id, workflow, trigger, slot, params FROM fires WHERE id = ?", (fire,)
    ).fetchone()
    return Fire(row[0], row[1], row[2], row[3], json.loads(row[4]))


def spread(conn: sqlite3.Connection, fire: str) -> None:
    """The fire's followers are stored."""
    conn.execute("UPDATE fires SET spread = 1 WHERE id = ?", (fire,))


def add_followers(conn: sqlite3.Connection, followers: Iterable[Follower]) -> None:
    """Pipelines that are to follow within their fire, in the manifest's order."""
    conn.executemany(
        "INSERT INTO followers (fire, workflow, pipeline, position, revision, needs, params)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                each.fire,
                each.workflow,
                each.pipeline,
                position,
                each.revision,
                json.dumps(each.needs),
                json.dumps(dict(each.params)),
            )
            for position, each in enumerate(followers)
        ],
    )


def waiting(conn: sqlite3.Connection) -> list[Follower]:
    """All pipelines that wait for others of their fire, oldest fire first."""
    rows = conn.execute(
        "SELECT fire, workflow, pipeline, revision, needs, params FROM followers INDEXED BY followers_waiting"
        " WHERE outcome IS NULL ORDER BY fire, position"
    )
    return [Follower(row[0], row[1], row[2], row[3], json.loads(row[4]), json.loads(row[5])) for row in rows]


def followers(conn: sqlite3.Connection, fire: str) -> list[Follower]:
    """All pipelines that follow in a fire, also those of which it is decided."""
    rows = conn.execute(
        "SELECT fire, workflow, pipeline, revision, needs, params FROM followers WHERE fire = ?", (fire,)
    )
    return [Follower(row[0], row[1], row[2], row[3], json.loads(row[4]), json.loads(row[5])) for row in rows]


def is_open(conn: sqlite3.Connection, fire: str) -> bool:
    """Whether some pipeline of the fire may still follow."""
    row = conn.execute(
        "SELECT 1 FROM followers INDEXED BY followers_waiting WHERE fire = ? AND outcome IS NULL", (fire,)
    ).fetchone()
    return row is not None


class Member(NamedTuple):
    """How far a pipeline of a fire is: its run with phase and reason, or `outcome` of one that got none."""

    pipeline: str
    run: str | None
    phase: str | None
    reason: str | None
    ended: bool
    outcome: str | None


def members(conn: sqlite3.Connection, fire: str) -> list[Member]:
    """The pipelines of a fire that have a run, and those that were decided to get none."""
    runs = conn.execute("SELECT pipeline, id, phase, reason, ended FROM runs WHERE fire = ?", (fire,))
    found = [Member(row[0], row[1], row[2], row[3], bool(row[4]), None) for row in runs]
    none = conn.execute(
        "SELECT pipeline, outcome FROM followers WHERE fire = ? AND outcome = 'skipped'", (fire,)
    )
    return found + [Member(row[0], None, None, None, True, row[1]) for row in none]


def runs_of(conn: sqlite3.Connection, fire: str) -> list[str]:
    """The ids of its runs, oldest first."""
    return [row[0] for row in conn.execute("SELECT id FROM runs WHERE fire = ? ORDER BY seq", (fire,))]


def followed(conn: sqlite3.Connection, fire: str, pipeline: str) -> None:
    """The pipeline has its run now."""
    conn.execute("UPDATE followers SET outcome = 'started' WHERE fire = ? AND pipeline = ?", (fire, pipeline))


def skipped(conn: sqlite3.Connection, now: float, follower: Follower, reason: str, message: str) -> None:
    """The pipeline gets no run in this fire."""
    conn.execute(
        "UPDATE followers SET outcome = 'skipped', reason = ?, message = ? WHERE fire = ? AND pipeline = ?",
        (reason, message, follower.fire, follower.pipeline),
    )
    events.note(conn, now, "Pipeline", f"{follower.workflow}/{follower.pipeline}", reason, message)


def reopen(conn: sqlite3.Connection, fire: str) -> None:
    """A run of the fire has another attempt: what was skipped because of it is looked at again."""
    conn.execute(
        "UPDATE followers SET outcome = NULL, reason = NULL, message = NULL"
        " WHERE fire = ? AND outcome = 'skipped'",
        (fire,),
    )
