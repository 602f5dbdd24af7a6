"""Spans of time for which control itself must account: their slots are written a pass at a time.

Filled by whoever finds that out, inside its transaction; `control.accounting` writes the slots and shortens or
removes the span, so that a year of minutes neither holds up a command nor is passed over in silence. The outcome is
`missed` where no agent will ever say more, and `unknown` where one that lost the pipeline may yet be heard.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from xene.model import phases
from xene.model.trigger import MISSED, SLOT_UNKNOWN

if TYPE_CHECKING:
    from xene.store.triggers import Row


class Lapse(NamedTuple):
    """The slots of one trigger in (since, until] end with this outcome. `cron` is JSON, as it was then."""

    id: int
    workflow: str
    pipeline: str
    trigger: str
    cron: str
    since: float
    until: float
    outcome: str
    reason: str
    message: str
    agent: str | None


def add(
    conn: sqlite3.Connection,
    row: Row,
    until: float,
    reason: str,
    message: str,
    agent: str | None = None,
    outcome: str = MISSED,
) -> None:
    """What is not settled of a trigger up to `until` ends so. `agent` is the one that may have fired it."""
    since = max(row.since, row.watermark)
    if row.cron is not None and since < until:
        conn.execute(
            "INSERT INTO lapses (workflow, pipeline, trigger, cron, since, until, outcome, reason, message, agent)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.workflow, row.pipeline, row.name, row.cron, since, until, outcome, reason, message, agent,
            ),
        )  # fmt: skip


def every(conn: sqlite3.Connection) -> list[Lapse]:
    """All of them, oldest first."""
    rows = conn.execute(
        "SELECT id, workflow, pipeline, trigger, cron, since, until, outcome, reason, message, agent FROM lapses"
        " ORDER BY id"
    )
    return [Lapse._make(row) for row in rows]


def give_up(
    conn: sqlite3.Connection, agent: str, reason: str, message: str, only: tuple[str, str] | None = None
) -> None:
    """The agent will never say what it did: what was unknown is missed.

    With `only` it has said all that it knows of that pipeline; what it has forgotten it may have fired.
    """
    where, values = ("", ()) if only is None else (" AND workflow = ? AND pipeline = ?", only)
    where += "" if only is None else f" AND reason <> '{phases.STATE_RESTORED}'"
    conn.execute(
        f"UPDATE lapses SET outcome = ?, reason = ?, message = ? WHERE agent = ? AND outcome = ?{where}",
        (MISSED, reason, message, agent, SLOT_UNKNOWN, *values),
    )


def written(conn: sqlite3.Connection, lapse: Lapse, upto: float) -> None:
    """Its slots up to this instant have been written."""
    if upto >= lapse.until:
        conn.execute("DELETE FROM lapses WHERE id = ?", (lapse.id,))
    else:
        conn.execute("UPDATE lapses SET since = ? WHERE id = ?", (upto, lapse.id))


def close(conn: sqlite3.Connection, workflow: str, pipeline: str, trigger: str, upto: float) -> None:
    """Slots up to this instant that were missed while no agent had the pipeline stay so."""
    conn.execute(
        "UPDATE slots INDEXED BY slots_provisional SET settled = 1"
        " WHERE workflow = ? AND pipeline = ? AND trigger = ? AND at <= ?"
        " AND settled = 0 AND agent IS NULL",
        (workflow, pipeline, trigger, upto),
    )
