"""What the state says, as the JSON of SPEC 4: every field present, None without a value, times RFC 3339 UTC.

Called by `commands` and `control`; it only reads. Each function sees one moment. Lists are newest first where
they have an order in time, else by name.
"""

from __future__ import annotations

import json
import time
from typing import Any, Sequence

from xene.model import codec, phases
from xene.model.charge import revision_of
from xene.model.units import rfc3339
from xene.store import overrides
from xene.store.agents import cpus_of
from xene.store.db import State
from xene.store.resolve import resolve_pipeline, resolve_run
from xene.store.rows import Json, Labels, Where, anything, bounded, by_workflow, instant
from xene.store.run_views import run, run_now, runs
from xene.store.slot_views import next_fires, resolve_slots, slots, triggers
from xene.store.tokens import tokens
from xene.store.webhook_views import webhooks

__all__ = [
    "agents",
    "events",
    "pipelines",
    "resolve_pipeline",
    "resolve_run",
    "resolve_slots",
    "run",
    "run_now",
    "runs",
    "secrets",
    "slots",
    "templates",
    "tokens",
    "triggers",
    "webhooks",
    "workflows",
]


# -- workflows and pipelines


def workflows(
    state: State, *, name: str | None = None, labels: Labels = anything, limit: int | None = None
) -> list[Json]:
    """`{name, source, generation, revision, suspended, labels, spec}` by name."""
    where = Where()
    where.add("kind = ?", "Workflow")
    where.add("name = ?", name)
    query = f"SELECT name, source, generation, revision, labels, data FROM objects{where} ORDER BY name"
    with state.snapshot() as conn:
        rows = bounded(conn.execute(query, where.values), limit, lambda row: labels(json.loads(row[4])))
        suspension = overrides.suspension(conn)
    return [_workflow(row, suspension.of_workflow(row[0])) for row in rows]


def description(state: State, name: str, kind: str = "Workflow") -> str:
    """What the manifest says that an object is for; "" where it says nothing."""
    with state.snapshot() as conn:
        row = conn.execute("SELECT data FROM objects WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return str(json.loads(row[0]).get("description", "")) if row else ""


def _workflow(row: Sequence[Any], suspended: bool) -> Json:
    return {
        "name": row[0],
        "source": row[1],
        "generation": row[2],
        "revision": row[3],
        "suspended": suspended,
        "labels": json.loads(row[4]),
        "spec": json.loads(row[5])["spec"],
    }


_PIPELINES = (
    "SELECT p.workflow, p.name, p.phase, r.phase, p.reason, p.message, p.agent, p.revision,"
    " h.observed_revision, r.id, p.tag FROM pipelines p"
    " LEFT JOIN holdings h ON h.workflow = p.workflow AND h.pipeline = p.name AND h.agent = p.agent"
    " LEFT JOIN runs r ON r.seq = (SELECT max(seq) FROM runs WHERE workflow = p.workflow AND pipeline = p.name)"
)


def pipelines(
    state: State,
    *,
    workflow: str | None = None,
    name: str | None = None,
    agent: str | None = None,
    phase: str | None = None,
    labels: Labels = anything,
    limit: int | None = None,
) -> list[Json]:
    """`{workflow, name, phase, execution, reason, message, agent, ...}` by name; labels are the workflow's."""
    where = Where()
    for term, value in (
        ("p.workflow = ?", workflow),
        ("p.name = ?", name),
        ("p.agent = ?", agent),
        ("p.phase = ?", phase),
    ):
        where.add(term, value)
    query = f"{_PIPELINES}{where} ORDER BY p.workflow, p.position"
    with state.snapshot() as conn:
        wanted = by_workflow(conn, labels)
        rows = bounded(conn.execute(query, where.values), limit, lambda row: wanted(row[0]))
        suspension = overrides.suspension(conn)
        suspended = {row[:2] for row in rows if suspension.of_pipeline(row[0], row[1])}
        fires = next_fires(conn, [row[:2] for row in rows if row[:2] not in suspended], time.time())
    return [_pipeline(row, row[:2] in suspended, fires.get(row[:2])) for row in rows]


def _pipeline(row: Sequence[Any], suspended: bool, next_fire: float | None) -> Json:
    workflow, name, phase, execution, reason, message, agent, revision, held, run_id, tag = row
    observed = None if held is None else revision_of(held)
    if phase == phases.SCHEDULED and reason is None and _is_behind(held, revision, tag):
        reason = phases.AGENT_BEHIND
        what, new = (f"revision {observed}", revision) if observed != revision else (_EARLIER, "the new ones")
        message = f"agent {agent} still has {what}; it gets {new} when it can be reached"
    return {
        "workflow": workflow,
        "name": name,
        "phase": phase,
        "execution": execution,
        "reason": reason,
        "message": message,
        "agent": agent,
        "revision": revision,
        "observedRevision": observed,
        "suspended": suspended,
        "nextFire": instant(next_fire),
        "lastRun": None if run_id is None else {"id": run_id, "phase": execution},
    }


_EARLIER = "earlier triggers of it, or an earlier env of the agent"


def _is_behind(held: str | None, revision: str, tag: str | None) -> bool:
    """Whether an agent has confirmed something else. Without a tag what it is to have is not reckoned yet."""
    return held is not None and (revision_of(held) != revision if tag is None else held != tag)


# -- secrets


def secrets(
    state: State, *, name: str | None = None, labels: Labels = anything, limit: int | None = None
) -> list[Json]:
    """`{name, source, digest, from, labels}` by name. `digest` is that of the spec; no value is in the state.

    `source` owns the object; `from` says where the value comes from: env, file, command or age.
    """
    where = Where()
    where.add("kind = ?", "Secret")
    where.add("name = ?", name)
    query = f"SELECT name, source, labels, data FROM objects{where} ORDER BY name"
    with state.snapshot() as conn:
        rows = bounded(conn.execute(query, where.values), limit, lambda row: labels(json.loads(row[2])))
    return [_secret(row) for row in rows]


def _secret(row: Sequence[Any]) -> Json:
    spec = json.loads(row[3])["spec"]
    return {
        "name": row[0],
        "source": row[1],
        "digest": codec.digest(spec),
        "from": next(iter(spec)),
        "labels": json.loads(row[2]),
    }


# -- templates


def templates(
    state: State, *, name: str | None = None, labels: Labels = anything, limit: int | None = None
) -> list[Json]:
    """`{name, source, revision, spec, labels}` by name."""
    where = Where()
    where.add("kind = ?", "TaskTemplate")
    where.add("name = ?", name)
    query = f"SELECT name, source, revision, data, labels FROM objects{where} ORDER BY name"
    with state.snapshot() as conn:
        rows = bounded(conn.execute(query, where.values), limit, lambda row: labels(json.loads(row[4])))
    return [_template(row) for row in rows]


def _template(row: Sequence[Any]) -> Json:
    return {
        "name": row[0],
        "source": row[1],
        "revision": row[2],
        "spec": json.loads(row[3])["spec"],
        "labels": json.loads(row[4]),
    }


# -- agents and events


_AGENTS = (
    "SELECT name, phase, reason, message, cordoned, capacity, labels, version, facts, last_seen_at,"
    " (SELECT coalesce(sum(r.size), 0) FROM runs r WHERE r.agent = a.name AND r.ended = 0"
    " AND coalesce(r.reason, '') <> 'WaitingForApproval'"
    " AND coalesce(r.last_known_phase, r.phase) <> 'Queued'), EXISTS (SELECT 1 FROM overrides o"
    " WHERE o.kind = 'Agent' AND o.name = a.name AND o.field = 'drained' AND o.value),"
    " (SELECT count(*) FROM pipelines p WHERE p.agent = a.name) FROM agents a"
)


def agents(
    state: State,
    *,
    name: str | None = None,
    phase: str | None = None,
    labels: Labels = anything,
    limit: int | None = None,
) -> list[Json]:
    """`{name, phase, reason, message, cordoned, capacity, ...}` by name. A missing state has none to show."""
    if not state.exists:
        return []
    where = Where()
    where.add("name = ?", name)
    where.add("phase = ?", phase)
    with state.snapshot() as conn:
        rows = conn.execute(f"{_AGENTS}{where} ORDER BY name", where.values)
        return [_agent(row) for row in bounded(rows, limit, lambda row: labels(json.loads(row[6])))]


def _agent(row: Sequence[Any]) -> Json:
    facts = json.loads(row[8]) if row[8] else {}
    return {
        "name": row[0],
        "phase": row[1],
        "reason": row[2],
        "message": row[3],
        "cordoned": bool(row[4]),
        "drained": bool(row[11]),
        "capacity": row[5] if row[5] is not None else cpus_of(facts),
        "capacityUsed": row[10],
        "pipelines": row[12],
        "labels": json.loads(row[6]),
        "version": row[7],
        "facts": facts,
        "lastSeenAt": instant(row[9]),
    }


def events(
    state: State,
    *,
    kind: str | None = None,
    name: str | None = None,
    since: float | None = None,
    limit: int | None = 50,
) -> list[Json]:
    """`{at, kind, name, reason, message}`, newest first."""
    where = Where()
    where.add("kind = ?", kind)
    where.add("name = ?", name)
    where.add("at >= ?", since)
    query = f"SELECT at, kind, name, reason, message FROM events{where} ORDER BY id DESC LIMIT ?"
    with state.snapshot() as conn:
        rows = conn.execute(query, [*where.values, -1 if limit is None else limit]).fetchall()
    return [
        {"at": rfc3339(row[0]), "kind": row[1], "name": row[2], "reason": row[3], "message": row[4]}
        for row in rows
    ]
