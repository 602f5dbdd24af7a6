"""Ended runs that have had their time: what there is to decide over, and the two steps in which they go.

Called by `control.pruning` inside its transactions; which runs go is decided by `plan.retention`. First a run's
row says that its log and its artifacts are gone (`let_go`), then its files are removed, then the row goes
(`remove`). So a crash in between leaves no row that claims what is not there, and no file without a row.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Collection, Iterable, Mapping, NamedTuple

from xene.model.charge import revision_of
from xene.store.artifacts import GONE, KEPT

LOOKED_AT = "history_looked_at"  # in `meta`: when all pipelines were last looked at, seconds since 1970
PRUNED = "it is older than the history that its pipeline keeps"


class Crowd(NamedTuple):
    """The runs of one pipeline, in figures. `history` is what its manifest says, None where it has gone.

    `oldest`: when its oldest run ended, None where that has not.
    """

    workflow: str
    pipeline: str
    ended: int
    oldest: float | None
    history: Mapping[str, Any] | None


def crowds(conn: sqlite3.Connection) -> list[Crowd]:
    """All pipelines that have runs, those too that are no longer in the state."""
    rows = conn.execute(
        "SELECT g.workflow, g.pipeline, g.runs, r.finished_at, p.history FROM"
        " (SELECT workflow, pipeline, count(*) AS runs, min(seq) AS first FROM runs GROUP BY workflow, pipeline) g"
        " JOIN runs r ON r.seq = g.first"
        " LEFT JOIN pipelines p ON p.workflow = g.workflow AND p.name = g.pipeline"
    ).fetchall()
    going_on = _open(conn)
    return [Crowd(row[0], row[1], row[2] - going_on.get(row[:2], 0), row[3], _json(row[4])) for row in rows]


def _open(conn: sqlite3.Connection) -> dict[tuple[str, str], int]:
    rows = conn.execute(
        "SELECT workflow, pipeline, count(*) FROM runs INDEXED BY runs_open WHERE ended = 0 GROUP BY 1, 2"
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _json(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


class Past(NamedTuple):
    """An ended run. `done`: control is done with it, and nothing more is asked of it."""

    id: str
    finished_at: float
    done: bool


def past(conn: sqlite3.Connection, workflow: str, pipeline: str) -> list[Past]:
    """The ended runs of a pipeline, oldest first."""
    rows = conn.execute(
        "SELECT id, coalesce(finished_at, created_at), settled AND retry_attempt IS NULL FROM runs"
        " WHERE workflow = ? AND pipeline = ? AND ended = 1 ORDER BY seq",
        (workflow, pipeline),
    )
    return [Past(row[0], row[1], bool(row[2])) for row in rows]


def needed(conn: sqlite3.Connection) -> set[str]:
    """Runs of fires in which something may still follow, and those whose artifacts an open run is to get."""
    of_fires = conn.execute(
        "SELECT r.id FROM followers f INDEXED BY followers_waiting JOIN runs r ON r.fire = f.fire"
        " WHERE f.outcome IS NULL"
    )
    sources = conn.execute(
        "SELECT json_extract(a.value, '$.run') FROM runs r INDEXED BY runs_open, json_each(r.artifacts) a"
        " WHERE r.ended = 0 AND r.artifacts IS NOT NULL"
    )
    return {row[0] for row in of_fires} | {row[0] for row in sources}


def let_go(conn: sqlite3.Connection, ids: Iterable[str], why: str = PRUNED) -> None:
    """Say of runs with which control is done that their logs and artifacts are gone: they are about to be."""
    for run in ids:
        conn.execute(
            "UPDATE runs SET log = 'gone', log_message = ? WHERE id = ? AND ended = 1 AND settled = 1",
            (why, run),
        )
        conn.execute(
            f"UPDATE artifacts SET state = '{GONE}', message = ? WHERE state = '{KEPT}'"
            " AND run = (SELECT seq FROM runs WHERE id = ? AND settled = 1)",
            (why, run),
        )


def remove(conn: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Delete the rows of runs whose files are gone, and fires of which nothing is left; how many runs went."""
    count = 0
    for run in ids:
        row = conn.execute(
            "SELECT seq, fire FROM runs WHERE id = ? AND ended = 1 AND settled = 1 AND log = 'gone'"
            " AND retry_attempt IS NULL",
            (run,),
        ).fetchone()
        if row is not None:
            count += 1
            conn.execute("DELETE FROM runs WHERE seq = ?", (row[0],))
            _left_by(conn, row[1])
    return count


def _left_by(conn: sqlite3.Connection, fire: str) -> None:
    """A fire has one run less. What was skipped in it stays so: how that run ended is not known any more.

    That of a slot stays as long as the slot: an agent that was away may yet report another run of it, and what
    follows in a fire must not be decided twice.
    """
    conn.execute("UPDATE followers SET outcome = 'final' WHERE fire = ? AND outcome = 'skipped'", (fire,))
    empty = conn.execute(
        f"SELECT 1 FROM fires WHERE id = ? AND slot IS NULL AND {_EMPTY}", (fire,)
    ).fetchone()
    if empty is not None:
        _remove_fire(conn, fire)


_EMPTY = (
    "NOT EXISTS (SELECT 1 FROM runs r WHERE r.fire = fires.id)"
    " AND NOT EXISTS (SELECT 1 FROM followers f WHERE f.fire = fires.id AND f.outcome IS NULL)"
)


def _remove_fire(conn: sqlite3.Connection, fire: str) -> None:
    conn.execute("DELETE FROM followers WHERE fire = ?", (fire,))
    conn.execute("DELETE FROM fires WHERE id = ?", (fire,))


# -- slots


def old_slots(conn: sqlite3.Connection, before: float) -> int:
    """How many slots there are of instants before `before`."""
    return int(conn.execute("SELECT count(*) FROM slots WHERE at < ?", (before,)).fetchone()[0])


def remove_slots(conn: sqlite3.Connection, before: float, most: int) -> int:
    """Delete the oldest slots of instants before `before`, at most so many; how many went.

    The watermark of their triggers stays at or above them: no instant that is not accounted for any more may
    ever fire again.
    """
    rows = conn.execute(
        "SELECT workflow, pipeline, trigger, at FROM slots INDEXED BY slots_at WHERE at < ? ORDER BY at LIMIT ?",
        (before, most),
    ).fetchall()
    conn.executemany(
        "UPDATE triggers SET watermark = max(watermark, ?4) WHERE workflow = ?1 AND pipeline = ?2 AND name = ?3",
        rows,
    )
    conn.executemany("DELETE FROM slots WHERE workflow = ? AND pipeline = ? AND trigger = ? AND at = ?", rows)
    if rows:
        gone = conn.execute(f"SELECT id FROM fires WHERE slot <= ? AND {_EMPTY}", (rows[-1][3],)).fetchall()
        for (fire,) in gone:
            _remove_fire(conn, fire)
    return len(rows)


# -- specs


def unused_revisions(conn: sqlite3.Connection) -> list[tuple[str, int]]:
    """Specs that nothing refers to, with their sizes in bytes; none while an agent may still know an older one.

    An agent that fires by itself reports runs of the spec that it has, which need not be the newest.
    """
    if _some_agent_is_behind(conn):
        return []
    rows = conn.execute(
        "SELECT digest, length(CAST(spec AS BLOB)) FROM revisions v"
        " WHERE NOT EXISTS (SELECT 1 FROM pipelines p WHERE p.revision = v.digest)"
        " AND digest NOT IN (SELECT revision FROM runs UNION SELECT revision FROM followers)"
    )
    return [(row[0], row[1]) for row in rows]


def _some_agent_is_behind(conn: sqlite3.Connection) -> bool:
    rows = conn.execute(
        "SELECT h.observed_revision, p.revision FROM holdings h"
        " LEFT JOIN pipelines p ON p.workflow = h.workflow AND p.name = h.pipeline"
    )
    return any(observed is None or revision_of(observed) != wanted for observed, wanted in rows)


def remove_revisions(conn: sqlite3.Connection, digests: Iterable[str]) -> None:
    """Delete specs that nothing refers to."""
    conn.executemany("DELETE FROM revisions WHERE digest = ?", [(digest,) for digest in digests])


# -- what the state says is on disk


def known(conn: sqlite3.Connection) -> set[str]:
    """The ids of all runs."""
    return {row[0] for row in conn.execute("SELECT id FROM runs")}


def unknown(conn: sqlite3.Connection, ids: Iterable[str]) -> list[str]:
    """Those of these that are no run of this state."""
    return [run for run in ids if not conn.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone()]


def claimed(conn: sqlite3.Connection) -> set[str]:
    """Runs whose log is archived, as the state has it."""
    rows = conn.execute("SELECT id FROM runs WHERE archived = 1 AND log IN ('complete', 'partial')")
    return {row[0] for row in rows}


def lost(conn: sqlite3.Connection, ids: Collection[str], why: str) -> None:
    """The archived logs of these runs are not there any more, whoever removed them."""
    conn.executemany(
        "UPDATE runs SET log = 'gone', log_message = ? WHERE id = ? AND archived = 1 AND log <> 'gone'",
        [(why, run) for run in ids],
    )


# -- when


def looked_at(conn: sqlite3.Connection) -> float | None:
    """When all pipelines were last looked at."""
    row = conn.execute("SELECT value FROM meta WHERE key = ?", (LOOKED_AT,)).fetchone()
    return None if row is None else float(row[0])


def looked(conn: sqlite3.Connection, now: float) -> None:
    """All pipelines were looked at."""
    conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (LOOKED_AT, repr(now)))
