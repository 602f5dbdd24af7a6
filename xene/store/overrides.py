"""Overrides: what people said on top of the manifests by `suspend`, `resume`, `cordon`, `uncordon`, `drain`.

Called by `control` inside its transactions, and by whoever asks whether a pipeline is suspended. One row is one
word: (Workflow, NAME, suspended), (Pipeline, WORKFLOW/NAME, suspended), (Agent, NAME, cordoned | drained). A
pipeline's word goes before its workflow's, that before the manifest. A word stays over later applies until its
opposite is said; the opposite takes it back, and stores a word of its own only where the manifest says otherwise.
"""

from __future__ import annotations

import sqlite3
from typing import Iterable, Mapping, NamedTuple

from xene.model.ids import pipeline_key
from xene.store import triggers

WORKFLOW, PIPELINE, AGENT = "Workflow", "Pipeline", "Agent"
SUSPENDED, CORDONED, DRAINED = "suspended", "cordoned", "drained"

# Through an index of those alone: the data of workflows that suspend nothing is never looked at.
_BY_MANIFEST = (
    "SELECT name FROM objects INDEXED BY objects_suspended"
    " WHERE kind = 'Workflow' AND json_extract(data, '$.spec.suspend')"
)


class Override(NamedTuple):
    """One word. `name` is that of the object, `WORKFLOW/PIPELINE` for a pipeline; `at` is when it was said."""

    kind: str
    name: str
    field: str
    value: bool
    at: float


def every(conn: sqlite3.Connection) -> list[Override]:
    """All of them, by kind and name."""
    rows = conn.execute("SELECT kind, name, field, value, at FROM overrides ORDER BY kind, name, field")
    return [Override(row[0], row[1], row[2], bool(row[3]), row[4]) for row in rows]


def word(conn: sqlite3.Connection, kind: str, name: str, field: str) -> bool | None:
    """What was said of one object, None where nothing was."""
    row = conn.execute(
        "SELECT value FROM overrides WHERE kind = ? AND name = ? AND field = ?", (kind, name, field)
    ).fetchone()
    return None if row is None else bool(row[0])


def say(conn: sqlite3.Connection, now: float, kind: str, name: str, field: str, value: bool) -> None:
    """Store a word, in the place of an earlier one."""
    conn.execute(
        "INSERT INTO overrides (kind, name, field, value, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, name, field) DO UPDATE SET value = excluded.value, at = excluded.at",
        (kind, name, field, int(value), now),
    )


def take_back(conn: sqlite3.Connection, kind: str, name: str, field: str) -> None:
    """Forget a word: what stands below it holds again."""
    conn.execute("DELETE FROM overrides WHERE kind = ? AND name = ? AND field = ?", (kind, name, field))


def forget(conn: sqlite3.Connection, kind: str, name: str) -> None:
    """The object has gone, and with it what was said of it; of a workflow also what was said of its pipelines."""
    conn.execute("DELETE FROM overrides WHERE kind = ? AND name = ?", (kind, name))
    if kind == WORKFLOW:
        forget_pipelines(conn, name, ())


def forget_pipelines(conn: sqlite3.Connection, workflow: str, but: Iterable[str]) -> None:
    """What was said of the pipelines of a workflow, `but` that of those which it still has."""
    kept = {pipeline_key(workflow, name) for name in but}
    # "0" is the character after "/": exactly the names that begin with `WORKFLOW/`.
    rows = conn.execute(
        "SELECT name FROM overrides WHERE kind = 'Pipeline' AND name > ? AND name < ?",
        (f"{workflow}/", f"{workflow}0"),
    ).fetchall()
    for (name,) in rows:
        if name not in kept:
            conn.execute("DELETE FROM overrides WHERE kind = 'Pipeline' AND name = ?", (name,))


# -- suspended


class Suspension:
    """What is suspended, at one moment. Reading it costs as much as there are suspended things."""

    def __init__(self, by_manifest: frozenset[str], said: Mapping[tuple[str, str], bool]) -> None:
        self._by_manifest, self._said = by_manifest, said

    def of_workflow(self, workflow: str) -> bool:
        """Whether the triggers of a workflow do not fire, unless something else was said of a pipeline."""
        return self._said.get((WORKFLOW, workflow), workflow in self._by_manifest)

    def of_pipeline(self, workflow: str, pipeline: str) -> bool:
        """Whether triggers do not start the pipeline."""
        said = self._said.get((PIPELINE, pipeline_key(workflow, pipeline)))
        return self.of_workflow(workflow) if said is None else said

    def with_manifests(self, manifests: Mapping[str, bool]) -> Suspension:
        """What would be suspended, did the manifests of these workflows say so or not."""
        asked = {name for name, suspended in manifests.items() if suspended}
        return Suspension((self._by_manifest - manifests.keys()) | asked, self._said)

    def by_manifest(self, workflow: str) -> bool:
        """What the manifest says of the workflow."""
        return workflow in self._by_manifest


def suspension(conn: sqlite3.Connection) -> Suspension:
    """What is suspended now, for whoever asks about many pipelines."""
    names = frozenset(name for (name,) in conn.execute(_BY_MANIFEST))
    rows = conn.execute(
        "SELECT kind, name, value FROM overrides WHERE kind IN ('Workflow', 'Pipeline') AND field = 'suspended'"
    )
    return Suspension(names, {(kind, name): bool(value) for kind, name, value in rows})


def suspended(conn: sqlite3.Connection, workflow: str, pipeline: str) -> bool:
    """Whether triggers do not start the pipeline: by its own word, its workflow's, or the manifest."""
    return suspension(conn).of_pipeline(workflow, pipeline)


def resumed(conn: sqlite3.Connection, now: float, before: Suspension, workflow: str) -> list[str]:
    """After a change of words or manifest: stamp the triggers of what was suspended `before` and no longer is.

    Their `since` becomes `now`, so that nothing which passed meanwhile fires. Give the pipelines' names.
    """
    after = suspension(conn)
    rows = conn.execute("SELECT name FROM pipelines WHERE workflow = ? ORDER BY position", (workflow,))
    names = [
        name
        for (name,) in rows
        if before.of_pipeline(workflow, name) and not after.of_pipeline(workflow, name)
    ]
    for name in names:
        triggers.resumed(conn, now, workflow, name)
    return names
