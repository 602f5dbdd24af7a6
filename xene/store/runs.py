"""Runs: made, wished to end, sent, ended by control, archived. What agents report is in `store.record`.

Called by `control` inside its transactions. A run's row keeps two clocks of truth: what was observed (phase,
reason, times) and what is intended (wish, sent_at and the journal it was sent to).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.model.run import RunOrder
from xene.model.units import rfc3339
from xene.model.workflow import QUEUE
from xene.store import events, tasks

__all__ = [
    "Open",
    "Status",
    "archived",
    "back_in_sight",
    "create",
    "end",
    "goes_on_elsewhere",
    "has_open",
    "is_unsent",
    "laid",
    "locked",
    "log_of",
    "log_settled",
    "lost_sight",
    "move",
    "orders",
    "policy_of",
    "released",
    "sent",
    "slot_of",
    "statuses",
    "unsettled",
    "waits",
    "workspace_dropped",
]


def create(
    conn: sqlite3.Connection,
    now: float,
    run: str,
    *,
    fire: str,
    workflow: str,
    pipeline: str,
    revision: str,
    spec: Mapping[str, Any],
    agent: str,
    trigger: str,
    params: Mapping[str, Any],
    artifacts: Sequence[Mapping[str, Any]] = (),
    slot: float | None = None,
) -> None:
    """A run that is Queued, with a row for each of its tasks and their steps. `spec` is that of `revision`.

    `slot` is the instant of a cron trigger to which its fire belongs, also for a pipeline that follows in it.
    `artifacts` are those of other runs that are laid into its workspace: what `store.artifacts.for_order` gave.
    """
    row = conn.execute(
        "INSERT INTO runs (id, fire, workflow, pipeline, revision, size, policy, secrets, agent, trigger, slot,"
        " params, artifacts, phase, phase_since, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run, fire, workflow, pipeline, revision, spec.get("size", 1), policy_of(spec),
            json.dumps(spec["pipeline"].get("secrets", {})), agent, trigger, slot,
            json.dumps(dict(params)), _artifacts(artifacts), phases.QUEUED, now, now,
        ),
    )  # fmt: skip
    tasks.create(conn, int(row.lastrowid or 0), spec["pipeline"])


def _artifacts(given: Sequence[Mapping[str, Any]]) -> str | None:
    return json.dumps([dict(each) for each in given]) if given else None


def policy_of(spec: Mapping[str, Any]) -> str:
    """The concurrencyPolicy of an executable spec."""
    return str(spec["pipeline"].get("concurrencyPolicy", QUEUE))


# Of a run `o`: its agent has lost the pipeline to another one, and with it its leave to run it.
_FENCED = (
    "EXISTS (SELECT 1 FROM holdings h WHERE h.workflow = o.workflow AND h.pipeline = o.pipeline"
    " AND h.agent = o.agent AND h.fenced_at IS NOT NULL)"
)


def has_open(conn: sqlite3.Connection, workflow: str, pipeline: str) -> str | None:
    """The oldest run of the pipeline that has not ended, None where there is none.

    One at an agent that is fenced holds up nobody: its lease has ended.
    """
    row = conn.execute(
        "SELECT id FROM runs o WHERE workflow = ? AND pipeline = ? AND ended = 0"
        f" AND NOT {_FENCED} ORDER BY seq LIMIT 1",
        (workflow, pipeline),
    ).fetchone()
    return None if row is None else str(row[0])


class Open(NamedTuple):
    """A run that control still has something to do about. `phase` is the last one known.

    `newer_ended`: it has ended, and so has a newer run of its pipeline, or the pipeline is gone.
    """

    seq: int
    id: str
    workflow: str
    pipeline: str
    revision: str
    agent: str
    phase: str
    unknown: bool
    ended: bool
    wish: str | None
    wish_seen: str | None
    sent_journal: str | None
    known: bool
    archived: bool
    released: bool
    workspace_dropped: bool
    log: str | None
    newer_ended: bool
    policy: str
    wish_reason: str | None
    retry_attempt: int | None
    retry_start: str | None
    attempt: int
    secrets: bool
    artifacts: str | None


_OPEN = (
    "SELECT seq, id, workflow, pipeline, revision, agent, coalesce(last_known_phase, phase),"
    " last_known_phase IS NOT NULL, ended, wish, wish_seen, sent_journal, known, archived, released,"
    " workspace_dropped, log,"
    " ended AND (EXISTS (SELECT 1 FROM runs n WHERE n.workflow = r.workflow AND n.pipeline = r.pipeline"
    " AND n.seq > r.seq AND n.ended = 1 AND n.started_at IS NOT NULL)"
    " OR NOT EXISTS (SELECT 1 FROM pipelines p WHERE p.workflow = r.workflow AND p.name = r.pipeline)),"
    " policy, wish_reason, retry_attempt, retry_start, attempt,"
    " secrets <> '{}', CASE WHEN ended THEN NULL ELSE artifacts END"
    " FROM runs r INDEXED BY runs_unsettled WHERE settled = 0"
)


def unsettled(conn: sqlite3.Connection, agent: str | None = None) -> list[Open]:
    """Runs that have not ended, or whose log or workspace is still on the agent; oldest first."""
    where, values = (_OPEN, ()) if agent is None else (_OPEN + " AND agent = ?", (agent,))
    return sorted(Open._make(row) for row in conn.execute(where, values))


def goes_on_elsewhere(conn: sqlite3.Connection, run: str) -> tuple[str, str] | None:
    """An older run of its pipeline that `run` must wait for, and the other agent where that goes on."""
    row = conn.execute(
        "SELECT o.id, o.agent FROM runs r JOIN runs o ON o.workflow = r.workflow AND o.pipeline = r.pipeline"
        " WHERE r.id = ? AND r.policy <> 'Allow' AND o.seq <> r.seq AND o.ended = 0 AND o.agent <> r.agent"
        f" AND o.sent_journal IS NOT NULL AND NOT {_FENCED} LIMIT 1",
        (run,),
    ).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


class Locked(NamedTuple):
    """A run that has not ended and needs secrets: their names by environment variable."""

    id: str
    agent: str
    attempt: int
    secrets: Mapping[str, str]


def locked(conn: sqlite3.Connection) -> list[Locked]:
    """All runs that have not ended and need secrets."""
    rows = conn.execute(
        "SELECT id, agent, attempt, secrets FROM runs INDEXED BY runs_open WHERE ended = 0 AND secrets <> '{}'"
    )
    return [Locked(row[0], row[1], row[2], json.loads(row[3])) for row in rows]


def sent(conn: sqlite3.Connection, now: float, journal: str, ids: Iterable[str]) -> None:
    """Record, before runs are sent, to which journal of their agent they go."""
    conn.executemany(
        "UPDATE runs SET sent_at = coalesce(sent_at, ?), sent_journal = ? WHERE id = ?",
        [(now, journal, run) for run in ids],
    )


def move(conn: sqlite3.Connection, workflow: str, pipeline: str, agent: str) -> None:
    """Runs that were never sent go with their pipeline to another agent."""
    conn.execute(
        "UPDATE runs SET agent = ? WHERE workflow = ? AND pipeline = ? AND sent_at IS NULL AND ended = 0",
        (agent, workflow, pipeline),
    )


def end(conn: sqlite3.Connection, now: float, run: str, reason: str, message: str, *, log: str) -> None:
    """Control itself ends a run, in Error: it was never sent, or its agent is gone. `log`: gone or partial."""
    row = conn.execute("SELECT seq FROM runs WHERE id = ? AND ended = 0", (run,)).fetchone()
    if row is None:
        return
    conn.execute(
        "UPDATE runs SET phase = ?, last_known_phase = NULL, phase_since = ?, reason = ?, message = ?,"
        " finished_at = ?, ended = 1, log = ? WHERE seq = ?",
        (phases.ERROR, now, reason, message, now, log, row[0]),
    )
    tasks.end_parts(conn, now, row[0], reason)
    events.note(conn, now, "Run", run, reason, message)


def lost_sight(conn: sqlite3.Connection, now: float, agent: str) -> None:
    """The agent could not be reached: what it was last known to do may have ended since."""
    conn.execute(
        "UPDATE runs SET last_known_phase = phase, phase = ?, phase_since = ?"
        " WHERE agent = ? AND ended = 0 AND last_known_phase IS NULL AND sent_at IS NOT NULL",
        (phases.UNKNOWN, now, agent),
    )


def back_in_sight(conn: sqlite3.Connection, now: float, agent: str) -> None:
    """The agent is heard again: what it was last known to do holds until it says more."""
    conn.execute(
        "UPDATE runs SET phase = last_known_phase, last_known_phase = NULL, phase_since = ?"
        " WHERE agent = ? AND ended = 0 AND last_known_phase IS NOT NULL",
        (now, agent),
    )


def archived(conn: sqlite3.Connection, run: str, log: str, message: str | None = None) -> None:
    """The log of an ended run is settled: complete, partial or gone, and why."""
    conn.execute(
        "UPDATE runs SET log = ?, log_message = ?, archived = 1, settled = released WHERE id = ? AND ended = 1",
        (log, message, run),
    )


def laid(conn: sqlite3.Connection, run: str) -> list[dict[str, Any]]:
    """The artifacts of other runs that this one gets, as `create` was given them."""
    row = conn.execute("SELECT artifacts FROM runs WHERE id = ?", (run,)).fetchone()
    return json.loads(row[0]) if row is not None and row[0] else []


def slot_of(conn: sqlite3.Connection, run: str) -> float | None:
    """The instant that a run is for, None where it is for none."""
    row = conn.execute("SELECT slot FROM runs WHERE id = ?", (run,)).fetchone()
    return None if row is None else row[0]


def waits(conn: sqlite3.Connection, now: float, run: str, reason: str, message: str) -> None:
    """Say why a run that no agent has yet is still Queued; an event tells it once."""
    changed = conn.execute(
        "UPDATE runs SET reason = ?, message = ? WHERE id = ? AND ended = 0 AND known = 0 AND message IS NOT ?",
        (reason, message, run, message),
    )
    if changed.rowcount:
        events.note(conn, now, "Run", run, reason, message)


def still_lacks(conn: sqlite3.Connection, now: float, run: str, message: str) -> None:
    """Say why a run that waits for its secrets on its agent does not get them; an event tells it once."""
    changed = conn.execute(
        "UPDATE runs SET message = ? WHERE id = ? AND ended = 0 AND reason = ? AND message IS NOT ?",
        (message, run, phases.SECRET_UNAVAILABLE, message),
    )
    if changed.rowcount:
        events.note(conn, now, "Run", run, phases.SECRET_UNAVAILABLE, message)


def is_unsent(conn: sqlite3.Connection, run: str) -> bool:
    """Whether no agent was ever told of the run."""
    row = conn.execute("SELECT 1 FROM runs WHERE id = ? AND sent_journal IS NULL", (run,)).fetchone()
    return row is not None


def log_settled(conn: sqlite3.Connection, run: str, log: str, message: str | None) -> None:
    """The log of an ended run is settled; it is archived once its artifacts are too."""
    conn.execute("UPDATE runs SET log = ?, log_message = ? WHERE id = ? AND ended = 1", (log, message, run))


def released(conn: sqlite3.Connection, run: str, *, workspace: bool = True) -> None:
    """Nothing of the run is left on its agent (or the agent itself is gone): control is done with it."""
    conn.execute(
        "UPDATE runs SET released = 1, workspace_dropped = max(workspace_dropped, ?), settled = archived"
        " WHERE id = ? AND ended = 1",
        (int(workspace), run),
    )


def workspace_dropped(conn: sqlite3.Connection, run: str) -> None:
    """The agent was told to remove the run's workspace."""
    conn.execute("UPDATE runs SET workspace_dropped = 1 WHERE id = ?", (run,))


class Status(NamedTuple):
    """How far a run is, and whether its agent was lately found. `phase` may be Unknown."""

    id: str
    workflow: str
    pipeline: str
    agent: str
    phase: str
    known: bool
    ended: bool
    archived: bool
    agent_phase: str | None
    agent_message: str | None
    tried_at: float | None


def statuses(conn: sqlite3.Connection, ids: Iterable[str]) -> list[Status]:
    """The status of each of these runs that exist, in the order of their creation."""
    found = []
    for run in ids:
        row = conn.execute(
            "SELECT r.id, r.workflow, r.pipeline, r.agent, r.phase, r.known, r.ended, r.archived,"
            " a.phase, a.message, a.tried_at"
            " FROM runs r LEFT JOIN agents a ON a.name = r.agent WHERE r.id = ?",
            (run,),
        ).fetchone()
        if row is not None:
            found.append(Status._make(row))
    return found


def log_of(conn: sqlite3.Connection, run: str) -> tuple[str | None, str | None]:
    """How complete the log of a run is, and why it is not."""
    row = conn.execute("SELECT log, log_message FROM runs WHERE id = ?", (run,)).fetchone()
    return (row[0], row[1]) if row else (None, None)


def orders(conn: sqlite3.Connection, ids: Iterable[str]) -> list[RunOrder]:
    """What each of these runs needs on its agent: frozen when it was fired, but for the agent's own things."""
    specs: dict[str, Mapping[str, Any]] = {}
    found = []
    for run in ids:
        row = conn.execute(
            "SELECT r.id, r.workflow, r.pipeline, r.revision, v.spec, r.params, r.trigger, r.created_at, a.name,"
            " a.spec, a.labels, r.artifacts, r.slot FROM runs r JOIN revisions v ON v.digest = r.revision"
            " JOIN agents a ON a.name = r.agent WHERE r.id = ?",
            (run,),
        ).fetchone()
        if row is not None:
            if row[3] not in specs:
                specs[row[3]] = json.loads(row[4])
            found.append(
                RunOrder(
                    id=row[0],
                    workflow=row[1],
                    pipeline=row[2],
                    revision=row[3],
                    spec=specs[row[3]],
                    params=json.loads(row[5]),
                    trigger=row[6],
                    created_at=row[7],
                    agent=row[8],
                    agent_env=json.loads(row[9]).get("env", {}),
                    agent_labels=json.loads(row[10]),
                    scheduled_at=None if row[12] is None else rfc3339(row[12]),
                    artifacts=tuple(json.loads(row[11] or "[]")),
                )
            )
    return found
