"""What became of artifacts under way, as rows. Called by `control.passes` inside its transactions."""

from __future__ import annotations

import sqlite3

from xene.control.archive import Packed
from xene.control.fetching import AGAIN, Settled
from xene.control.stowing import Trouble
from xene.model import phases
from xene.store import artifacts, events, runs
from xene.store.artifacts import Artifact

WAITING = "WaitingForArtifacts"


def store_packed(conn: sqlite3.Connection, packed: Packed) -> tuple[str, list[Artifact]] | None:
    """The log of a run is settled. Its agent and its artifacts, if there are any to be fetched now."""
    wanted = artifacts.awaited(conn, packed.run)
    if not wanted:
        runs.archived(conn, packed.run, packed.log, packed.message)
        return None
    runs.log_settled(conn, packed.run, packed.log, packed.message)
    (status,) = runs.statuses(conn, [packed.run])
    return status.agent, wanted


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
        return runs.waits(conn, now, trouble.run, WAITING, trouble.message)
    if runs.is_unsent(conn, trouble.run):
        runs.end(conn, now, trouble.run, phases.ARTIFACT_MISSING, trouble.message, log="gone")
        return runs.archived(conn, trouble.run, "gone", "it never started, so there is no log")
    return events.note(conn, now, "Run", trouble.run, phases.ARTIFACT_MISSING, trouble.message)
