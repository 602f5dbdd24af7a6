"""What agents report, folded into rows: exactly once, and only about what is theirs.

Called by `control`, inside its transaction. Agents are not trusted: an event about a run that is not assigned to
that agent, or one that is malformed, is dropped and leaves an event for people. What each type of event does is in
`store.folds` (runs) and `store.slot_folds` (slots of cron triggers, and the runs that they start).
"""

from __future__ import annotations

import sqlite3
from typing import Any, Iterable, Mapping

from xene.store import agents, reported, slot_folds, slots
from xene.store.batch import Batch
from xene.store.folds import FOLDS

_MOST = 2**53  # a number beyond this counts nothing
_AFTER_THE_END = ("run.released", "run.retried")


def record(
    conn: sqlite3.Connection, agent: str, journal: str, batch: Iterable[Mapping[str, Any]], now: float
) -> list[str]:
    """Fold a batch of events, oldest first, and move the cursor. Give the ids of runs that ended in it.

    Events at or below the cursor, or of a journal that is not the agent's present one, are passed over.
    """
    row = conn.execute(
        "SELECT cursor FROM agents WHERE name = ? AND journal = ?", (agent, journal)
    ).fetchone()
    if row is None:
        return []
    folding = Batch(conn, agent, journal, now)
    cursor: int = row[0]
    for event in batch:
        number = event.get("n")
        if not isinstance(number, int) or not cursor < number < _MOST:
            continue
        cursor = number
        _add(folding, event)
    folding.write()
    conn.execute("UPDATE agents SET cursor = ?, last_seen_at = ? WHERE name = ?", (cursor, now, agent))
    return folding.ended


def _add(batch: Batch, event: Mapping[str, Any]) -> None:
    kind = event.get("type")
    try:
        if kind == "assigned":
            gone = reported.names(event["gone"])
            agents.confirm(batch.conn, batch.agent, reported.revisions(event["set"]), gone)
            for key in gone:
                slots.let_go(batch.conn, batch.now, batch.agent, key)
        elif kind == "autostart":
            comes_back = reported.name(event["how"]), reported.text(event["message"])
            agents.comes_back(batch.conn, batch.now, batch.agent, *comes_back)
        elif kind == "clock.stepped":
            batch.notes[batch.agent, "ClockStepped"] = f"its clock was set by {float(event['by']):+.1f} s"
        elif kind == "slots.settled":
            slot_folds.settled(batch, event)
        elif kind == "run.accepted" and event.get("fired") is not None:
            if slot_folds.fired(batch, event):
                _about_run(batch, event)
        elif kind in FOLDS:
            _about_run(batch, event)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        batch.notes[batch.agent, "MalformedReport"] = (
            f"event {event.get('n')} ({kind}) was dropped: {error!r}"
        )


def _about_run(batch: Batch, event: Mapping[str, Any]) -> None:
    run = batch.run(event["run"])
    if run is None:
        if event["type"] != "run.released":  # of a run that control was already done with
            batch.notes[batch.agent, "ForeignReport"] = (
                f"a report about run {event['run']}, which is not assigned to it, was dropped"
            )
        return
    if run.ended and event["type"] not in _AFTER_THE_END:
        return  # the end never changes
    run.changed = True
    FOLDS[event["type"]](batch, run, event)
