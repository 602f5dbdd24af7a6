"""Artifacts of runs: what agents said they have, and whether it is here now.

Filled by `store.record`, settled by `control.carrying`, asked by `control.supplies` and `xene artifacts`. Agents
are not trusted: `announced` takes nothing that could not be a name, a digest or a size.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Iterable, NamedTuple

from xene.model.ids import is_name, is_task_name
from xene.model.run import ARTIFACT_BYTES, ARTIFACT_FILES
from xene.store import events
from xene.store.db import State

AWAITED, KEPT, GONE = "awaited", "kept", "gone"
RUN_COUNT = 1000  # of artifacts of one run
RUN_BYTES = 100 * 1024**3  # of all artifacts of one run
TAR_BYTES = ARTIFACT_BYTES + 2 * 1024 * ARTIFACT_FILES  # contents, and headers and padding of each file
_SHA256 = re.compile(r"[0-9a-f]{64}")

Json = dict[str, Any]


class Artifact(NamedTuple):
    """One artifact of a run. `size` is in bytes, of the tar; `state` is awaited, kept or gone, `message` why."""

    run: str
    task: str
    name: str
    size: int
    sha256: str
    files: int
    state: str
    message: str | None


_READ = (
    "SELECT r.id, a.task, a.name, a.size, a.sha256, a.files, a.state, a.message"
    " FROM artifacts a JOIN runs r ON r.seq = a.run WHERE r.id = ?"
)


def announced(conn: sqlite3.Connection, seq: int, task: str, said: Any) -> None:
    """A task (of the run with this `seq`) has succeeded, with these artifacts. Raises ValueError, KeyError."""
    rows = [_checked(task, each) for each in _list(said)]
    known = conn.execute("SELECT task, name, size FROM artifacts WHERE run = ?", (seq,))
    sizes = {row[:2]: row[2] for row in known} | {row[:2]: row[2] for row in rows}
    if len(sizes) > RUN_COUNT or sum(sizes.values()) > RUN_BYTES:
        raise ValueError("its artifacts are too many or too large")
    conn.executemany(
        "INSERT INTO artifacts (run, task, name, size, sha256, files) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (run, task, name) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256,"
        " files = excluded.files, message = NULL, state = CASE WHEN artifacts.sha256 = excluded.sha256"
        f" AND state = '{KEPT}' THEN state ELSE '{AWAITED}' END",
        [(seq, *row) for row in rows],
    )


def _list(said: Any) -> list[Any]:
    if not isinstance(said, list) or len(said) > RUN_COUNT:
        raise ValueError("a list of artifacts is expected")
    return said


def _checked(task: str, each: Any) -> tuple[str, str, int, str, int]:
    """`task`, or an instance of it: the sum of a matrix tells those of its instances again."""
    owner, name, sha256 = each["task"], each["name"], each["sha256"]
    if not (isinstance(owner, str) and is_task_name(owner) and owner.isprintable()):
        raise ValueError("an artifact names no task")
    if owner != task and not owner.startswith(task + "["):
        raise ValueError("an artifact is of another task")
    if not (
        isinstance(name, str) and is_name(name) and isinstance(sha256, str) and _SHA256.fullmatch(sha256)
    ):
        raise ValueError("an artifact has no name or no sha256")
    return owner, name, _count(each["size"], TAR_BYTES), sha256, _count(each["files"], ARTIFACT_FILES)


def _count(value: Any, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError("an artifact has a size that makes no sense")
    return value


def of_run(conn: sqlite3.Connection, run: str) -> list[Artifact]:
    """All artifacts of a run, by task and name."""
    rows = conn.execute(f"{_READ} ORDER BY a.task, a.name", (run,))
    return [Artifact._make(row) for row in rows]


def awaited(conn: sqlite3.Connection, run: str) -> list[Artifact]:
    """Those that are still only on the agent."""
    rows = conn.execute(f"{_READ} AND a.state = '{AWAITED}' ORDER BY a.task, a.name", (run,))
    return [Artifact._make(row) for row in rows]


def settled(
    conn: sqlite3.Connection, now: float, run: str, sha256: str, state: str, message: str | None
) -> None:
    """What was awaited under this digest is kept now, or gone; that it is gone is told by an event too."""
    about = f"run = (SELECT seq FROM runs WHERE id = ?) AND sha256 = ? AND state = '{AWAITED}'"
    if state == GONE:
        names = conn.execute(f"SELECT task, name FROM artifacts WHERE {about}", (run, sha256)).fetchall()
        for task, name in names:
            events.note(conn, now, "Run", run, "ArtifactGone", f"artifact {name} of task {task}: {message}")
    conn.execute(f"UPDATE artifacts SET state = ?, message = ? WHERE {about}", (state, message, run, sha256))


def for_order(found: Iterable[Artifact]) -> list[Json]:
    """Artifacts as a RunOrder takes them: `{name, sha256, size, run, task}`."""
    return [
        {"name": each.name, "sha256": each.sha256, "size": each.size, "run": each.run, "task": each.task}
        for each in found
    ]


def view(state: State, run: str) -> list[Json]:
    """The artifacts of a run as JSON."""
    with state.snapshot() as conn:
        return [_json(each) for each in of_run(conn, run)]


def _json(each: Artifact) -> Json:
    return {
        "run": each.run,
        "task": each.task,
        "name": each.name,
        "files": each.files,
        "size": each.size,
        "sha256": each.sha256,
        "state": each.state,
        "message": each.message,
    }
