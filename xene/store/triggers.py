"""Cron triggers as they were applied, one row for each pipeline that one starts: since when, and settled how far.

Filled by `store.objects` with each apply, asked by `control` and `store.views`. A trigger that was removed keeps
its row with `cron` NULL: agents may still account for it, and if it comes back nothing fires twice.
Whatever changes `cron` or `since` here makes the charge of the pipeline stale (see `schema.STALE`).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple

from xene.model import phases
from xene.model.trigger import SLOT_UNKNOWN, UTC
from xene.store import lapses

_ASKED = "workflow, pipeline, name, cron, since, watermark"


class Row(NamedTuple):
    """One trigger of one pipeline. `cron` is its JSON (`model.trigger.cron_from_json`), None where it was removed.

    No instant at or below `since` is accounted for by whoever has the pipeline now; `watermark` is the greatest
    instant that some agent has settled. Both are seconds since 1970.
    """

    workflow: str
    pipeline: str
    name: str
    cron: str | None
    since: float
    watermark: float


def of_pipeline(conn: sqlite3.Connection, workflow: str, pipeline: str) -> list[Row]:
    """The cron triggers that a pipeline has, by name; those that were removed are left out."""
    rows = conn.execute(
        f"SELECT {_ASKED} FROM triggers WHERE workflow = ? AND pipeline = ? AND cron IS NOT NULL ORDER BY name",
        (workflow, pipeline),
    )
    return [Row._make(row) for row in rows]


def read(conn: sqlite3.Connection, workflow: str, pipeline: str, name: str) -> Row | None:
    """One row, also of a trigger that was removed."""
    row = conn.execute(
        f"SELECT {_ASKED} FROM triggers WHERE workflow = ? AND pipeline = ? AND name = ?",
        (workflow, pipeline, name),
    ).fetchone()
    return None if row is None else Row._make(row)


def starting(conn: sqlite3.Connection, workflow: str, trigger: str) -> list[str]:
    """The pipelines of a workflow that the trigger starts."""
    rows = conn.execute(
        "SELECT pipeline FROM triggers WHERE workflow = ? AND name = ? AND cron IS NOT NULL",
        (workflow, trigger),
    )
    return [row[0] for row in rows]


def zones(conn: sqlite3.Connection) -> list[str]:
    """The names of all time zones that triggers have, or had in a lapse that is still to be written."""
    zone = f"SELECT coalesce(json_extract(cron, '$.timeZone'), '{UTC}') FROM"
    rows = conn.execute(f"{zone} triggers WHERE cron IS NOT NULL UNION {zone} lapses")
    return [row[0] for row in rows]


def held_by(conn: sqlite3.Connection, agent: str) -> list[Row]:
    """The triggers of all pipelines that an agent has, or may have."""
    rows = conn.execute(
        "SELECT t.workflow, t.pipeline, t.name, t.cron, t.since, t.watermark FROM holdings h"
        " JOIN triggers t ON t.workflow = h.workflow AND t.pipeline = h.pipeline WHERE h.agent = ?",
        (agent,),
    )
    return [Row._make(row) for row in rows]


def put(conn: sqlite3.Connection, now: float, workflow: str, data: Mapping[str, Any]) -> None:
    """Make the rows match the workflow, given as its JSON.

    What is new, has come back or has changed (by more than its params) counts from `now`.
    """
    wanted = _wanted(data)
    known = {(row.pipeline, row.name): row for row in _of_workflow(conn, workflow)}
    for key in known.keys() - wanted.keys():
        _remove(conn, now, known[key])
    for (pipeline, name), cron in wanted.items():
        before = known.get((pipeline, name))
        text = json.dumps(cron, sort_keys=True)
        if before is None:
            conn.execute(
                "INSERT INTO triggers (workflow, pipeline, name, cron, since) VALUES (?, ?, ?, ?, ?)",
                (workflow, pipeline, name, text, now),
            )
        elif before.cron != text:
            _change(conn, now, before, text)


def remove(conn: sqlite3.Connection, now: float, workflow: str) -> None:
    """The workflow has gone; its rows stay, without their crons."""
    for row in _of_workflow(conn, workflow):
        _remove(conn, now, row)


def raised(conn: sqlite3.Connection, rows: Iterable[Row], since: float) -> None:
    """Nothing at or below `since` is accounted for by whoever has the pipeline from now on."""
    for row in rows:
        conn.execute(
            "UPDATE triggers SET since = max(since, watermark, ?) WHERE workflow = ? AND pipeline = ? AND name = ?",
            (since, row.workflow, row.pipeline, row.name),
        )
        lapses.close(conn, row.workflow, row.pipeline, row.name, max(row.since, row.watermark, since))


def resumed(conn: sqlite3.Connection, now: float, workflow: str, pipeline: str) -> None:
    """Nothing that passed while the pipeline was suspended fires; where no agent had it, it is missed."""
    for row in of_pipeline(conn, workflow, pipeline):
        _give_up(conn, now, row)
    conn.execute(
        "UPDATE triggers SET since = max(since, ?) WHERE workflow = ? AND pipeline = ?",
        (now, workflow, pipeline),
    )


def settled_to(conn: sqlite3.Connection, workflow: str, pipeline: str, name: str, at: float) -> None:
    """An agent has accounted for this instant."""
    conn.execute(
        "UPDATE triggers SET watermark = max(watermark, ?) WHERE workflow = ? AND pipeline = ? AND name = ?",
        (at, workflow, pipeline, name),
    )


def _of_workflow(conn: sqlite3.Connection, workflow: str) -> list[Row]:
    rows = conn.execute(f"SELECT {_ASKED} FROM triggers WHERE workflow = ?", (workflow,))
    return [Row._make(row) for row in rows]


def _wanted(data: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    crons = {name: body["cron"] for name, body in data["spec"].get("triggers", {}).items() if "cron" in body}
    return {
        (pipeline, name): crons[name]
        for pipeline, body in data["spec"]["pipelines"].items()
        for name in body.get("triggers", ())
        if name in crons
    }


def _change(conn: sqlite3.Connection, now: float, before: Row, cron: str) -> None:
    """One that changes in its params alone goes on where it is."""
    since = before.since
    if before.cron is None or _timing(before.cron) != _timing(cron):
        since = max(now, before.watermark)
        _give_up(conn, now, before)
    conn.execute(
        "UPDATE triggers SET cron = ?, since = ? WHERE workflow = ? AND pipeline = ? AND name = ?",
        (cron, since, before.workflow, before.pipeline, before.name),
    )


def _timing(cron: str) -> dict[str, Any]:
    """A cron without what does not say when it fires."""
    return {key: value for key, value in json.loads(cron).items() if key != "params"}


def _remove(conn: sqlite3.Connection, now: float, row: Row) -> None:
    if row.cron is not None:
        _give_up(conn, now, row)
        conn.execute(
            "UPDATE triggers SET cron = NULL WHERE workflow = ? AND pipeline = ? AND name = ?",
            (row.workflow, row.pipeline, row.name),
        )


def _give_up(conn: sqlite3.Connection, now: float, row: Row) -> None:
    """What was due under the old cron and is not settled: missed where no agent had it.

    Where one has the pipeline, or may have it, it is unknown until that agent says, or turns out not to have it.
    """
    holders = conn.execute(
        "SELECT agent FROM holdings WHERE workflow = ? AND pipeline = ?", (row.workflow, row.pipeline)
    ).fetchall()
    if not holders:
        message = "no agent had the pipeline, and the trigger was changed, removed or resumed meanwhile"
        lapses.add(conn, row, now, phases.NOT_PLACED, message)
    for (agent,) in holders:
        message = f"agent {agent} has not said what became of it; the trigger was changed, removed or resumed"
        lapses.add(conn, row, now, phases.AGENT_SILENT, message, agent, SLOT_UNKNOWN)
