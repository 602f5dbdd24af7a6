"""Runs, slots and deliveries that have had their time go from the state, with logs and artifacts, a lot at a time.

Called by `control.passes` now and then, and by `control.gc`. Needs no lock: it touches only runs with which control
is done. What goes is decided by `plan.retention`, in which order by `store.history`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import Collection, Iterable, NamedTuple

from xene.control import fetching
from xene.control.archive import part_path, zip_path
from xene.control.place import Place
from xene.model.pipeline_codec import history_from_json
from xene.plan import retention
from xene.store import deliveries, history
from xene.store.db import State
from xene.store.files import sync_directory

PAUSE = 600.0  # seconds between two looks at all pipelines
LOT = 200  # runs that go in one lot
SLOTS = 5000  # slots that go in one lot
DELIVERIES = 5000  # and deliveries of webhooks


class Pruned(NamedTuple):
    """One lot. `more`: there is more to go."""

    runs: int
    slots: int
    more: bool


def is_due(state: State, now: float) -> bool:
    """Whether it is time for a look; a clock that was set back makes it so too."""
    with state.snapshot() as conn:
        at = history.looked_at(conn)
    return at is None or not 0 <= now - at < PAUSE


def prune(place: Place, state: State, now: float, most: int = LOT) -> Pruned:
    """Remove one lot of what has had its time; note that all was looked at when nothing is left to go."""
    runs, more_runs = prune_runs(place, state, now, most)
    with state.transaction() as conn:
        slots = history.remove_slots(conn, now - retention.SLOT_AGE, SLOTS)
        gone = deliveries.remove_old(conn, now, DELIVERIES)
        more = more_runs or slots == SLOTS or gone == DELIVERIES
        if not more:
            history.looked(conn, now)
    return Pruned(runs, slots, more)


def prune_runs(place: Place, state: State, now: float, most: int = LOT) -> tuple[int, bool]:
    """Remove one lot of runs, in the order that `store.history` tells; how many went, whether there are more."""
    with state.transaction() as conn:
        ids = outlived(conn, now, most)
        history.let_go(conn, ids)
    if not ids:
        return 0, False
    remove_files(place, state.uuid, ids)
    with state.transaction() as conn:
        return history.remove(conn, ids), len(ids) == most


def outlived(
    conn: sqlite3.Connection, now: float, most: int | None = None, apart: Collection[str] = ()
) -> list[str]:
    """Runs that have had their time, at most so many."""
    needed = history.needed(conn).union(apart)
    found: list[str] = []
    for crowd in history.crowds(conn):
        said = None if crowd.history is None else history_from_json(dict(crowd.history))
        limits = retention.limits(said)
        if retention.is_crowded(limits, crowd.ended, crowd.oldest, now):
            past = [retention.Past(*run) for run in history.past(conn, crowd.workflow, crowd.pipeline)]
            found += retention.outlived(limits, past, needed, now)
        if most is not None and len(found) >= most:
            return found[:most]
    return found


def paths(place: Place, uuid: str, run: str) -> list[str]:
    """Where the files of an ended run may be: its log, whole, half or half packed, and its artifacts."""
    logs = place.logs(uuid)
    whole = zip_path(logs, run)
    return [whole, f"{whole}.tmp", part_path(logs, run), os.path.join(place.artifacts(uuid), run)]


def remove_files(place: Place, uuid: str, ids: Iterable[str]) -> None:
    """Remove the files of runs, and make sure that they stay removed."""
    for run in ids:
        whole, half, part, _ = paths(place, uuid, run)
        for path in (whole, half):
            if os.path.exists(path):
                os.unlink(path)
        shutil.rmtree(part, ignore_errors=True)
        fetching.remove(place.artifacts(uuid), run)
    for folder in (place.logs(uuid), place.artifacts(uuid)):
        if os.path.isdir(folder):
            sync_directory(folder)
