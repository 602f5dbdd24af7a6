"""What the control host can free: history that has had its time, files without a row, old bundles, reports, pages.

Called by `xene gc`, with or without the lock: nothing of it is wanted by whoever is at work. With `dry` it only
measures. What hosts can free is in `control.sweeping`.
"""

from __future__ import annotations

import os
import shutil
from typing import Any, Callable, Iterable, NamedTuple

from xene.agent.leftovers import sizes
from xene.control import pruning
from xene.control.archive import LOST
from xene.control.place import Place
from xene.errors import Storage
from xene.model.ids import is_run_id
from xene.plan import retention
from xene.store import history
from xene.store.db import State

IDLE = (
    86400.0  # seconds for which a file without a row stays: a state that was restored may yet hear of its run
)
REPORTS = 30 * 86400.0  # seconds for which crash reports stay
PAGES = 4 * 1024 * 1024  # bytes of free pages for which a state is worth to be written anew


class Freed(NamedTuple):
    """One kind of thing that was freed, or with `dry` would be; `bytes` on disk."""

    what: str
    things: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "count": self.things, "bytes": self.bytes}


def free(place: Place, state: State, now: float, *, dry: bool) -> list[Freed]:
    """Free all that can be; what was free already is left out. Raises Storage."""
    steps: tuple[Callable[[Place, State, float, bool], Freed], ...] = (
        _runs, _slots, _logs, _artifacts, _lost_logs, _revisions, _reports, _bundles, _pages,
    )  # fmt: skip
    return [freed for step in steps if (freed := step(place, state, now, dry)).things]


def weight(paths: Iterable[str]) -> int:
    """The bytes on disk of these and of all below them."""
    return sum(part for path in paths if os.path.lexists(path) for part in sizes(path))


def _runs(place: Place, state: State, now: float, dry: bool) -> Freed:
    """Runs past the history that their pipelines keep. One lot after the other, so that nobody waits for long."""
    with state.snapshot() as conn:
        ids = pruning.outlived(conn, now)
    size = sum(weight(pruning.paths(place, state.uuid, run)) for run in ids)
    count = len(ids)
    if not dry:
        count, more = 0, True
        while more:
            runs, more = pruning.prune_runs(place, state, now)
            count += runs
    return Freed("runs past their history", count, size)


def _slots(_place: Place, state: State, now: float, dry: bool) -> Freed:
    before = now - retention.SLOT_AGE
    with state.snapshot() as conn:
        count = history.old_slots(conn, before)
    while not dry:
        with state.transaction() as conn:
            if not history.remove_slots(conn, before, pruning.SLOTS):
                break
    return Freed("slots of 400 days ago and earlier", count, 0)


def _logs(place: Place, state: State, now: float, dry: bool) -> Freed:
    orphans = _orphans(place.logs(state.uuid), state, now)
    return _remove("logs of runs that are not in the state", orphans, dry)


def _artifacts(place: Place, state: State, now: float, dry: bool) -> Freed:
    orphans = _orphans(place.artifacts(state.uuid), state, now)
    return _remove("artifacts of runs that are not in the state", orphans, dry)


def _orphans(folder: str, state: State, now: float) -> list[str]:
    """Files without a row. The directory is read first: a file that comes later has its row already."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    with state.snapshot() as conn:
        known = history.known(conn)
    paths = [os.path.join(folder, name) for name in names if _run_of(name) not in known]
    return [path for path in paths if _is_idle(path, now, IDLE)]


def _run_of(name: str) -> str:
    """The run whose file has this name; what is named for none belongs to no run."""
    run = name.split(".", 1)[0]
    return run if is_run_id(run) else ""


def _is_idle(path: str, now: float, seconds: float) -> bool:
    try:
        return now - os.lstat(path).st_mtime > seconds
    except FileNotFoundError:
        return False


def _remove(what: str, paths: list[str], dry: bool) -> Freed:
    size = weight(paths)
    for path in [] if dry else paths:
        _drop(path)
    return Freed(what, len(paths), size)


def _drop(path: str) -> None:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass  # somebody else has just removed it
    except OSError as error:
        raise Storage(
            f"{error.filename or path} cannot be removed: {error.strerror}",
            hint="check its owner and its mode",
        ) from None


def _lost_logs(place: Place, state: State, _now: float, dry: bool) -> Freed:
    """Logs that the state says are here, and are not: from now on it says that they are gone."""
    folder = place.logs(state.uuid)
    with state.snapshot() as conn:
        claimed = history.claimed(conn)
    names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    lost = [run for run in claimed if f"{run}.zip" not in names and f"{run}.part" not in names]
    if lost and not dry:
        with state.transaction() as conn:
            history.lost(conn, lost, LOST)
    return Freed("logs found to be gone", len(lost), 0)


def _revisions(_place: Place, state: State, _now: float, dry: bool) -> Freed:
    if dry:
        with state.snapshot() as conn:
            unused = history.unused_revisions(conn)
    else:
        with state.transaction() as conn:
            unused = history.unused_revisions(conn)
            history.remove_revisions(conn, [digest for digest, _ in unused])
    return Freed("specs that nothing refers to", len(unused), sum(size for _, size in unused))


def _reports(place: Place, _state: State, now: float, dry: bool) -> Freed:
    folder = os.path.join(place.home, "crashes")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    old = [os.path.join(folder, name) for name in names if name.startswith("crash-")]
    return _remove("crash reports", [path for path in old if _is_idle(path, now, REPORTS)], dry)


def _bundles(_place: Place, _state: State, now: float, dry: bool) -> Freed:
    from xene.transport import bundle

    return _remove("agent code of other versions", bundle.old_files(now, IDLE), dry)


def _pages(_place: Place, state: State, _now: float, dry: bool) -> Freed:
    """Free pages of the state's file, where they are many and more than a quarter of it; and its log."""
    free, size = state.free_bytes()
    worth = free >= PAGES and free * 4 >= size
    if not dry:
        state.tidy(anew=worth)
    return Freed("free pages of the state", int(worth), free if worth else 0)
