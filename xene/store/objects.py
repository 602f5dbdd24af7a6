"""Desired objects: what was applied, by whom, and the rows that follow from it (pipelines, agents).

Called by `control.apply` inside its transaction. It stores; what should change is decided by `plan.diff`.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Mapping, NamedTuple

from xene.model import codec, phases
from xene.model.pipeline_codec import history_from_json, history_to_json
from xene.store import overrides, triggers

WORKFLOW, AGENT, SECRET, TEMPLATE = "Workflow", "Agent", "Secret", "TaskTemplate"


_STAND_IN = '{"pipeline":{"tasks":{}}}'  # no manifest gives this: a pipeline has at least one task


class Stored(NamedTuple):
    """An object in the state, without its data. `revision` is the digest of the whole object."""

    kind: str
    name: str
    source: str
    generation: int
    revision: str


def index(conn: sqlite3.Connection) -> dict[tuple[str, str], Stored]:
    """All objects by (kind, name), data left where it is: quick for thousands."""
    rows = conn.execute("SELECT kind, name, source, generation, revision FROM objects ORDER BY kind, name")
    return {(row[0], row[1]): Stored._make(row) for row in rows}


def read(conn: sqlite3.Connection, kind: str, name: str) -> dict[str, Any] | None:
    """The object's JSON as its manifest said it, None where there is none."""
    row = conn.execute("SELECT data FROM objects WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else json.loads(row[0])


def secrets(conn: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The JSON of every Secret by its name: where the values come from, for `codec.secret_from_json`."""
    rows = conn.execute("SELECT name, data FROM objects WHERE kind = ?", (SECRET,))
    return {name: json.loads(data) for name, data in rows}


def templates(conn: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The JSON of every TaskTemplate by its name: what workflows may use beside those of their manifests."""
    rows = conn.execute("SELECT name, data FROM objects WHERE kind = ?", (TEMPLATE,))
    return {name: json.loads(data) for name, data in rows}


def revision_of(conn: sqlite3.Connection, kind: str, name: str) -> str | None:
    """The digest of the object, None where there is none."""
    row = conn.execute("SELECT revision FROM objects WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else str(row[0])


def put(
    conn: sqlite3.Connection,
    now: float,
    kind: str,
    name: str,
    *,
    source: str,
    labels: Mapping[str, str],
    revision: str,
    text: str,
) -> None:
    """Store an object that is new or has changed; its generation goes up. `text` is its JSON."""
    before = overrides.suspension(conn)
    conn.execute(
        "INSERT INTO objects (kind, name, source, generation, revision, labels, data, created_at, updated_at)"
        " VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET source = excluded.source,"
        " generation = generation + 1, revision = excluded.revision, labels = excluded.labels,"
        " data = excluded.data, updated_at = excluded.updated_at",
        (kind, name, source, revision, json.dumps(dict(labels)), text, now, now),
    )
    _moved(conn)
    if kind == WORKFLOW:
        data = json.loads(text)
        _put_pipelines(conn, now, name, data)
        triggers.put(conn, now, name, data)
        overrides.resumed(conn, now, before, name)
    elif kind == AGENT:
        _put_agent(conn, name, json.loads(text))


def own(conn: sqlite3.Connection, kind: str, name: str, source: str) -> None:
    """Give an unchanged object to another source."""
    conn.execute("UPDATE objects SET source = ? WHERE kind = ? AND name = ?", (source, kind, name))


def remove(conn: sqlite3.Connection, now: float, kind: str, name: str) -> None:
    """Take an object out of the desired state. Runs, slots, and what agents still hold, stay."""
    conn.execute("DELETE FROM objects WHERE kind = ? AND name = ?", (kind, name))
    _moved(conn)
    if kind == WORKFLOW:
        conn.execute("DELETE FROM pipelines WHERE workflow = ?", (name,))
        overrides.forget(conn, overrides.WORKFLOW, name)
        triggers.remove(conn, now, name)
    elif kind == AGENT:
        conn.execute("UPDATE agents SET leaving = 1 WHERE name = ?", (name,))


def _moved(conn: sqlite3.Connection) -> None:
    """What is wanted has changed: whoever waits for an apply waits until placement has seen this."""
    conn.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")


def put_revision(conn: sqlite3.Connection, now: float, spec: Mapping[str, Any]) -> str:
    """Store an executable spec by its digest; give the digest."""
    digest = codec.digest(spec)
    # In the manifest's order, which `canonical` would lose: tasks are shown and started in it.
    text = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
    conn.execute(
        "INSERT INTO revisions (digest, spec, created_at) VALUES (?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET spec = excluded.spec WHERE revisions.spec = ?",
        (digest, text, now, _STAND_IN),
    )
    return digest


def is_known_revision(conn: sqlite3.Connection, digest: str) -> bool:
    """Whether the spec with this digest is here, and not a stand-in for it."""
    row = conn.execute(
        "SELECT 1 FROM revisions WHERE digest = ? AND spec <> ?", (digest, _STAND_IN)
    ).fetchone()
    return row is not None


def stand_in(conn: sqlite3.Connection, now: float, digest: str) -> None:
    """Make the digest known, without its spec: an agent runs what was applied after this state was copied."""
    conn.execute(
        "INSERT OR IGNORE INTO revisions (digest, spec, created_at) VALUES (?, ?, ?)",
        (digest, _STAND_IN, now),
    )


def read_revision(conn: sqlite3.Connection, digest: str) -> dict[str, Any]:
    """The executable spec with this digest."""
    row = conn.execute("SELECT spec FROM revisions WHERE digest = ?", (digest,)).fetchone()
    spec: dict[str, Any] = json.loads(row[0])
    return spec


def _put_pipelines(conn: sqlite3.Connection, now: float, workflow: str, data: Mapping[str, Any]) -> None:
    """Make the pipelines' rows match the workflow; those that stay keep their agent and phase."""
    pipelines: Mapping[str, Any] = data["spec"]["pipelines"]
    gone = [
        (workflow, name)
        for (name,) in conn.execute("SELECT name FROM pipelines WHERE workflow = ?", (workflow,))
        if name not in pipelines
    ]
    conn.executemany("DELETE FROM pipelines WHERE workflow = ? AND name = ?", gone)
    overrides.forget_pipelines(conn, workflow, pipelines)
    rows = []
    for position, (name, body) in enumerate(pipelines.items()):
        revision = put_revision(conn, now, codec.executable_spec(data, name))
        placement = body.get("placement", {})
        rows.append(
            (
                workflow,
                name,
                position,
                revision,
                codec.canonical(placement),
                placement.get("size", 1),
                json.dumps(body.get("needs", [])),
                json.dumps(history_to_json(history_from_json(body.get("history", {})))),
                json.dumps([*data["spec"].get("notify", ()), *body.get("notify", ())], sort_keys=True),
            )
        )
    conn.executemany(
        "INSERT INTO pipelines (workflow, name, position, revision, placement, size, needs, history, notify,"
        f" phase, reason, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '{phases.NOT_SCHEDULED}', 'New',"
        " 'it has not been placed yet')"
        " ON CONFLICT (workflow, name) DO UPDATE SET position = excluded.position,"
        " revision = excluded.revision, placement = excluded.placement, size = excluded.size,"
        " needs = excluded.needs, history = excluded.history, notify = excluded.notify",
        rows,
    )


def _put_agent(conn: sqlite3.Connection, name: str, data: Mapping[str, Any]) -> None:
    """Make the agent's row match its object. A new way to reach it is a new first contact."""
    spec = data["spec"]
    _retire_implicit(conn, name)
    said = overrides.word(conn, overrides.AGENT, name, overrides.CORDONED)
    row = conn.execute("SELECT spec FROM agents WHERE name = ?", (name,)).fetchone()
    conn.execute(
        "INSERT INTO agents (name, phase, reason, message, cordoned, capacity, labels, spec)"
        f" VALUES (?, '{phases.NOT_READY}', 'NeverContacted', 'it has not been contacted yet', ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET implicit = 0, leaving = 0, cordoned = excluded.cordoned,"
        " capacity = excluded.capacity, labels = excluded.labels, spec = excluded.spec",
        (
            name,
            int(spec.get("cordon", False) if said is None else said),
            spec.get("capacity"),
            json.dumps(data["metadata"].get("labels", {})),
            json.dumps(spec),
        ),
    )
    if row is not None and _reach(json.loads(row[0])) != _reach(spec):
        conn.execute(
            "UPDATE agents SET phase = ?, reason = 'NeverContacted', tried_at = NULL,"
            " message = 'the way to reach it has changed; it has not been contacted since' WHERE name = ?",
            (phases.NOT_READY, name),
        )


def _reach(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of an agent's spec says how it is reached."""
    return tuple(spec.get(key) for key in ("ssh", "local", "python", "home"))


def _retire_implicit(conn: sqlite3.Connection, declared: str) -> None:
    """With the first Agent object the implicit agent goes, unless it is that object."""
    conn.execute("UPDATE agents SET leaving = 1 WHERE implicit = 1 AND name <> ?", (declared,))
