"""The ledger: one row for each instant at which a cron trigger was due, with what became of it.

Filled by `store.slot_folds` (what agents say), `control.accounting` (what control itself must say of silent agents
and of pipelines on none) and `control.agents`. A row that is not `settled` is control's own word, and gives way to
that of an agent. A settled row changes in one way alone: what has run is `fired`, whatever was said of it before
(an agent whose clock was set back fires what it had passed over).
"""

from __future__ import annotations

import sqlite3
from typing import Iterable, NamedTuple

from xene.model import phases
from xene.model.trigger import MISSED, SLOT_UNKNOWN
from xene.store import lapses, triggers


class Slot(NamedTuple):
    """One instant, in seconds since 1970. `run` is that of one that fired."""

    workflow: str
    pipeline: str
    trigger: str
    at: float
    outcome: str
    reason: str | None
    message: str | None
    run: str | None = None
    agent: str | None = None


_PUT = (
    "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, reason, message, run, agent, settled,"
    " recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (workflow, pipeline, trigger, at) DO UPDATE SET"
    " outcome = excluded.outcome, reason = excluded.reason, message = excluded.message, run = excluded.run,"
    " agent = excluded.agent, settled = excluded.settled, recorded_at = excluded.recorded_at"
    " WHERE slots.settled = 0"
)
# What really ran is told, whatever was said before: only another run is not overwritten.
_FIRED = _PUT + " OR (slots.run IS NULL AND excluded.run IS NOT NULL)"


def settle(conn: sqlite3.Connection, now: float, rows: Iterable[Slot]) -> None:
    """Slots that did not fire, as their agent says, or as nobody will ever say otherwise."""
    conn.executemany(_PUT, [(*row, 1, now) for row in rows])


def fire(conn: sqlite3.Connection, now: float, row: Slot) -> str | None:
    """A slot that has its run; the outcome that it had before, None where it had none. Its run is there already."""
    before = read(conn, row.workflow, row.pipeline, row.trigger, row.at)
    conn.execute(_FIRED, (*row, 1, now))
    return None if before is None else before.outcome


def guess(conn: sqlite3.Connection, now: float, rows: Iterable[Slot]) -> None:
    """Slots of which control knows no more than this, until an agent says."""
    conn.executemany(_PUT, [(*row, 0, now) for row in rows])


def read(conn: sqlite3.Connection, workflow: str, pipeline: str, trigger: str, at: float) -> Slot | None:
    row = conn.execute(
        "SELECT workflow, pipeline, trigger, at, outcome, reason, message, run, agent FROM slots"
        " WHERE workflow = ? AND pipeline = ? AND trigger = ? AND at = ?",
        (workflow, pipeline, trigger, at),
    ).fetchone()
    return None if row is None else Slot._make(row)


def standing(
    conn: sqlite3.Connection, workflow: str, pipeline: str, trigger: str, at: float
) -> tuple[str, bool] | None:
    """The outcome of a slot, and whether it is settled. None where nothing is known of it."""
    row = conn.execute(
        "SELECT outcome, settled FROM slots WHERE workflow = ? AND pipeline = ? AND trigger = ? AND at = ?",
        (workflow, pipeline, trigger, at),
    ).fetchone()
    return None if row is None else (str(row[0]), bool(row[1]))


def last_guess(conn: sqlite3.Connection, workflow: str, pipeline: str, trigger: str) -> float | None:
    """The newest instant of which control has said something itself, and no agent yet."""
    row = conn.execute(
        "SELECT max(at) FROM slots INDEXED BY slots_provisional"
        " WHERE workflow = ? AND pipeline = ? AND trigger = ? AND settled = 0",
        (workflow, pipeline, trigger),
    ).fetchone()
    return None if row is None or row[0] is None else float(row[0])


class Watch(NamedTuple):
    """A trigger that nobody seems to fire. `agent` may have the pipeline and is in trouble; None: none has it.

    `lost_after` is in seconds, `heard_at` when the agent was last heard, `fenced_at` up to when it may have fired.
    """

    row: triggers.Row
    agent: str | None
    placement: str
    heard_at: float | None
    fenced_at: float | None


_SILENT = (
    "SELECT t.workflow, t.pipeline, t.name, t.cron, t.since, t.watermark, h.agent, coalesce(p.placement, '{}'),"
    " a.last_seen_at, h.fenced_at FROM agents a JOIN holdings h ON h.agent = a.name"
    " JOIN triggers t ON t.workflow = h.workflow AND t.pipeline = h.pipeline AND t.cron IS NOT NULL"
    " LEFT JOIN pipelines p ON p.workflow = h.workflow AND p.name = h.pipeline"
    f" WHERE a.phase <> '{phases.READY}'"
)
_UNHELD = (
    "SELECT t.workflow, t.pipeline, t.name, t.cron, t.since, t.watermark, NULL, p.placement, NULL, NULL"
    " FROM pipelines p JOIN triggers t ON t.workflow = p.workflow AND t.pipeline = p.name AND t.cron IS NOT NULL"
    " WHERE NOT EXISTS (SELECT 1 FROM holdings h WHERE h.workflow = p.workflow AND h.pipeline = p.name)"
)


def watched(conn: sqlite3.Connection) -> list[Watch]:
    """Triggers of pipelines that agents in trouble may have, or that no agent has."""
    rows = [*conn.execute(_SILENT), *conn.execute(_UNHELD)]
    return [Watch(triggers.Row._make(row[:6]), *row[6:]) for row in rows]


def give_up(conn: sqlite3.Connection, now: float, agent: str, reason: str, message: str) -> None:
    """The agent will never account for what it has: what it may have fired is missed, as far as anybody knows.

    Call it before its holdings go. Nobody else fires what it may have fired.
    """
    conn.execute(
        "UPDATE slots SET outcome = ?, reason = ?, message = ?, settled = 1, recorded_at = ?"
        " WHERE agent = ? AND settled = 0 AND outcome = ?",
        (MISSED, reason, message, now, agent, SLOT_UNKNOWN),
    )
    lapses.give_up(conn, agent, reason, message)
    rows = conn.execute(
        "SELECT t.workflow, t.pipeline, t.name, t.cron, t.since, t.watermark, h.fenced_at FROM holdings h"
        " JOIN triggers t ON t.workflow = h.workflow AND t.pipeline = h.pipeline WHERE h.agent = ?",
        (agent,),
    ).fetchall()
    for row in rows:
        lost, fenced_at = triggers.Row._make(row[:6]), row[6]
        if fenced_at is None:
            lapses.add(conn, lost, now, reason, message, agent)
            triggers.raised(conn, [lost], now)


def forgotten(conn: sqlite3.Connection, agent: str, until: float) -> None:
    """The agent has forgotten what became of slots up to `until`, and this state, a restored copy, never heard.

    They stay unknown for good, but for those of which the agent, or its successor, still tells.
    """
    message = (
        f"the state is an older copy: agent {agent} told a later one what became of it, and has forgotten it"
    )
    for row in triggers.held_by(conn, agent):
        lapses.add(conn, row, until, phases.STATE_RESTORED, message, agent, SLOT_UNKNOWN)


def let_go(conn: sqlite3.Connection, now: float, agent: str, key: str) -> None:
    """The agent has no more to say of `WORKFLOW/PIPELINE`: what it has not accounted for it did not fire."""
    workflow, _, pipeline = key.partition("/")
    message = f"agent {agent} let go of the pipeline without firing it"
    conn.execute(
        "UPDATE slots INDEXED BY slots_unsettled SET outcome = ?, reason = ?, message = ?, settled = 1,"
        " recorded_at = ? WHERE agent = ? AND settled = 0 AND outcome = ? AND reason <> ?"
        " AND workflow = ? AND pipeline = ?",
        (
            MISSED,
            phases.AGENT_GONE,
            message,
            now,
            agent,
            SLOT_UNKNOWN,
            phases.STATE_RESTORED,
            workflow,
            pipeline,
        ),
    )
    lapses.give_up(conn, agent, phases.AGENT_GONE, message, (workflow, pipeline))


def overtaken(conn: sqlite3.Connection, now: float) -> None:
    """Unknown slots of agents that are heard, and go by a charge in which these no longer count: they did not fire.

    An agent accounts for all that it has not fired under the charge before, ahead of taking the next one; perhaps
    it never had that one. Asked in each pass, whatever came first: the agent's word, or the next change.
    """
    message = "its agent had not fired it when the trigger was changed or removed"
    conn.execute(
        "UPDATE slots INDEXED BY slots_unsettled SET outcome = ?, reason = ?, message = ?, settled = 1,"
        " recorded_at = ? WHERE settled = 0 AND outcome = ? AND reason <> ?"
        " AND agent IN (SELECT name FROM agents WHERE phase = ?)"
        " AND EXISTS (SELECT 1 FROM pipelines p JOIN holdings h ON h.workflow = p.workflow AND h.pipeline = p.name"
        " AND h.agent = p.agent AND h.observed_revision = p.tag"
        " WHERE p.workflow = slots.workflow AND p.name = slots.pipeline AND p.agent = slots.agent)"
        " AND EXISTS (SELECT 1 FROM triggers t WHERE t.workflow = slots.workflow AND t.pipeline = slots.pipeline"
        " AND t.name = slots.trigger AND (t.cron IS NULL OR slots.at <= t.since))",
        (MISSED, phases.TRIGGER_CHANGED, message, now, SLOT_UNKNOWN, phases.STATE_RESTORED, phases.READY),
    )
