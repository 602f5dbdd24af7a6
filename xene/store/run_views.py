"""Runs with their tasks and steps, as the JSON of SPEC 4. Used through `store.views`; it only reads."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Mapping, Sequence

from xene.errors import NotFound
from xene.store.db import State
from xene.store.rows import Json, Labels, Where, anything, bounded, by_workflow, instant

_CHUNK = 500  # ids in one IN (...)

_RUNS = (
    "SELECT seq, id, workflow, pipeline, phase, last_known_phase, phase_since, reason, message, agent, trigger,"
    " fire, slot, params, revision, attempt, log, created_at, started_at, finished_at FROM runs"
)


def runs(
    state: State,
    *,
    workflow: str | None = None,
    pipeline: str | None = None,
    agent: str | None = None,
    fire: str | None = None,
    phase: str | None = None,
    outcome: str | None = None,
    since: float | None = None,
    labels: Labels = anything,
    limit: int | None = 50,
) -> list[Json]:
    """Runs, newest first. `since`: created at or after that instant; `outcome`: success or error."""
    where = Where()
    for term, value in (
        ("workflow = ?", workflow),
        ("pipeline = ?", pipeline),
        ("agent = ?", agent),
        ("fire = ?", fire),
        ("phase = ?", phase),
        ("phase = ?", None if outcome is None else outcome.capitalize()),
        ("created_at >= ?", since),
    ):
        where.add(term, value)
    with state.snapshot() as conn:
        wanted = by_workflow(conn, labels)
        order = "seq DESC" if since is None else "created_at DESC, seq DESC"
        rows = conn.execute(f"{_RUNS}{where} ORDER BY {order}", where.values)
        return _with_tasks(conn, bounded(rows, limit, lambda row: wanted(row[2])))


def run(state: State, run_id: str) -> Json:
    """One run by its whole id. Raises NotFound."""
    with state.snapshot() as conn:
        return run_now(conn, run_id)


def run_now(conn: sqlite3.Connection, run_id: str) -> Json:
    """The same inside a transaction, for what is decided and written there."""
    rows = conn.execute(f"{_RUNS} WHERE id = ?", (run_id,)).fetchall()
    if not rows:
        raise NotFound(f"there is no run {run_id}", hint="xene get runs")
    return _with_tasks(conn, rows)[0]


def run_if_known(conn: sqlite3.Connection, run_id: str) -> Json | None:
    """The same; None where it has gone."""
    rows = conn.execute(f"{_RUNS} WHERE id = ?", (run_id,)).fetchall()
    return _with_tasks(conn, rows)[0] if rows else None


def _with_tasks(conn: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> list[Json]:
    found = {row[0]: _run(row) for row in rows}
    numbers = list(found)
    for start in range(0, len(numbers), _CHUNK):
        _add_tasks(conn, found, numbers[start : start + _CHUNK])
    return list(found.values())


def _run(row: Sequence[Any]) -> Json:
    return {
        "id": row[1],
        "workflow": row[2],
        "pipeline": row[3],
        "phase": row[4],
        "lastKnownPhase": row[5],
        "phaseSince": instant(row[6]),
        "reason": row[7],
        "message": row[8],
        "agent": row[9],
        "trigger": row[10],
        "fire": row[11],
        "slot": instant(row[12]),
        "params": json.loads(row[13]),
        "revision": row[14],
        "attempt": row[15],
        "log": row[16],
        "createdAt": instant(row[17]),
        "startedAt": instant(row[18]),
        "finishedAt": instant(row[19]),
        "tasks": {},
    }


def _add_tasks(conn: sqlite3.Connection, found: Mapping[int, Json], numbers: Sequence[int]) -> None:
    """Lay tasks, their attempts and their steps into the runs of these numbers."""
    marks = ",".join("?" * len(numbers))
    tasks: dict[tuple[int, str], Json] = {}
    for row in conn.execute(
        "SELECT run, name, phase, reason, message, attempt, started_at, finished_at, outputs FROM tasks"
        f" WHERE run IN ({marks}) ORDER BY run, position, instance",
        numbers,
    ):
        tasks[row[0], row[1]] = found[row[0]]["tasks"][row[1]] = _task(row)
    for row in conn.execute(
        "SELECT run, task, attempt, phase, reason, message, started_at, finished_at FROM task_attempts"
        f" WHERE run IN ({marks}) ORDER BY run, task, attempt",
        numbers,
    ):
        tasks[row[0], row[1]]["attempts"].append({"attempt": row[2], **_state(row[3:6]), **_times(row[6:8])})
    for row in conn.execute(
        "SELECT run, task, name, phase, reason, message, exit_code, attempt, started_at, finished_at FROM steps"
        f" WHERE run IN ({marks}) ORDER BY run, task, position",
        numbers,
    ):
        head = {"name": row[2], **_state(row[3:6]), "exitCode": row[6], "attempt": row[7]}
        tasks[row[0], row[1]]["steps"].append({**head, **_times(row[8:10])})


def _task(row: Sequence[Any]) -> Json:
    outputs = json.loads(row[8])
    return {
        **_state(row[2:5]),
        "attempt": row[5],
        **_times(row[6:8]),
        "outputs": outputs,
        "attempts": [],
        "steps": [],
    }


def _state(row: Sequence[Any]) -> Json:
    return {"phase": row[0], "reason": row[1], "message": row[2]}


def _times(row: Sequence[Any]) -> Json:
    return {"startedAt": instant(row[0]), "finishedAt": instant(row[1])}
