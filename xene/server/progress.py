"""Which runs started and ended since the last look: what metrics count of runs, from their rows.

Called by `metrics` at each scrape, one at a time. It reads what is open and what is new, never the history. A run
that waits is kept in mind until it starts, however many start before it: those that wait long are looked for.
"""

from __future__ import annotations

import sqlite3
from typing import Iterable, NamedTuple

from xene.store import counts
from xene.store.counts import Run

MOST = 20_000  # new runs that one look takes; the next one goes on from there


class Moves(NamedTuple):
    """Runs as they are now that have started for the first time, and that have ended."""

    started: list[Run]
    ended: list[Run]


class Progress:
    """Of runs created from `since` on (seconds since 1970), and of those that are open at the first look."""

    def __init__(self, since: float, most: int = MOST) -> None:
        self._since, self._most = since, most
        self._after: int | None = None
        self._open: dict[int, Run] = {}

    def look(self, conn: sqlite3.Connection) -> Moves:
        """What has changed. Changes nothing of what it knows where a read fails."""
        after, known = self._known(conn)
        new = counts.runs_after(conn, after, self._most)
        after = new[-1].seq if new else after
        still = {run.seq: run for run in counts.open_runs(conn) if run.seq <= after}
        gone = counts.these_runs(conn, known.keys() - still.keys())
        there = {run.seq: run for run in (*still.values(), *gone, *new)}
        self._after, self._open = after, still
        return moves(known, there.values())

    def _known(self, conn: sqlite3.Connection) -> tuple[int, dict[int, Run]]:
        if self._after is not None:
            return self._after, self._open
        after = counts.newest_before(conn, self._since)
        return after, {run.seq: run for run in counts.open_runs(conn) if run.seq <= after}


def moves(known: dict[int, Run], there: Iterable[Run]) -> Moves:
    """What has changed from `known` to `there`. A retry is no start: nobody waited for it all that time."""
    found = Moves([], [])
    for run in there:
        before = known.get(run.seq)
        waited = before is None or before.started_at is None
        if waited and run.attempt == 1 and run.started_at is not None:
            found.started.append(run)
        if run.ended:
            found.ended.append(run)
    return found
