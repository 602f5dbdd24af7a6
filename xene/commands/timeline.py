"""`xene timeline`: the tasks of a run and their attempts as bars on one time scale. It only reads."""

from __future__ import annotations

import time

from xene.commands import freshness, kinds, listing, options, pictures
from xene.commands.call import Call
from xene.commands.graph import head
from xene.commands.tables import Row
from xene.model.ids import pipeline_key
from xene.plan import drawing
from xene.store import db, objects
from xene.store.db import State


def timeline(call: Call, run: options.Run) -> int:
    """Draw a run over time: a row for each task and instance, a bar for each attempt, how long it took at the end.

    █ is work, ░ waiting (for a free place, an approval, the next attempt), ✗ ends an attempt that failed. The tasks
    that made the run as long as it was are bold. A run under way is drawn up to now.

    -o json prints a list of {task, attempt, phase, startedAt, finishedAt}.
    """
    with db.open_for_reading(call.state) as state, state.snapshot():
        row = listing.one(state, kinds.RUNS, run)
        needs = needs_of(state, row)
    if call.structured:
        call.put_value(drawing.attempts(row["tasks"]))
        return 0
    now = time.time()
    title = head(pipeline_key(row["workflow"], row["pipeline"]), row, now)
    pictures.put(call, [title, *drawing.timeline(row, needs, now, pictures.width())])
    freshness.tell(call, call.state)
    return 0


def needs_of(state: State, run: Row) -> dict[str, list[str]]:
    """What the tasks of a run wait for, by the revision that it runs."""
    with state.snapshot() as conn:
        return drawing.needs_of(objects.read_revision(conn, run["revision"])["pipeline"])
