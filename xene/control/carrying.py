"""What became of artifacts under way, as rows. Called by `control.passes` inside its transactions."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from xene.control.archive import Packed
from xene.control.fetching import AGAIN, Settled
from xene.control.stowing import Trouble
from xene.model import phases
from xene.store import artifacts, events, runs
from xene.store.artifacts import Artifact


class Wanted(NamedTuple):
    """The artifacts of a run that are to be fetched from its agent."""

    agent: str
    run: str
    attempt: int
    artifacts: list[Artifact]


def store_packed(conn: sqlite3.Connection, packed: Packed) -> Wanted | None:
    """The log of a run is settled. Its artifacts, if there are any to be fetched now."""
    wanted = artifacts.awaited(conn, packed.run)
    if not wanted:
        runs.archived(conn, packed.run, packed.log, packed.message)
        return None
    runs.log_settled(conn, packed.run, packed.log, packed.message)
    row = conn.execute("SELECT agent, attempt FROM runs WHERE id = ?", (packed.run,)).fetchone()
    return Wanted(row[0], packed.run, row[1], wanted)


def store_settled(conn: sqlite3.Connection, now: float, settled: Settled) -> None:
    """An artifact is kept, or gone."""
    if settled.state != AGAIN:
        artifacts.settled(conn, now, settled.run, settled.sha256, settled.state, settled.message)


def finish(conn: sqlite3.Connection, run: str) -> None:
    """The log of a run and all its artifacts are settled: control needs no more of it."""
    log, message = runs.log_of(conn, run)
    if log is not None:
        runs.archived(conn, run, log, message)


def store_trouble(conn: sqlite3.Connection, now: float, trouble: Trouble) -> None:
    """A run waits for artifacts that do not arrive; or ends, where they are no more."""
    if not trouble.final:
        return runs.waits(conn, now, trouble.run, phases.WAITING_FOR_ARTIFACTS, trouble.message)
    if runs.is_unsent(conn, trouble.run):
        runs.end(conn, now, trouble.run, phases.ARTIFACT_MISSING, trouble.message, log="gone")
        return runs.archived(conn, trouble.run, "gone", "it never started, so there is no log")
    return events.note(conn, now, "Run", trouble.run, phases.ARTIFACT_MISSING, trouble.message)
