"""The rows of a run's tasks, instances of matrices and steps: made when the run is, and when a matrix is expanded.

Called by `store.runs` and `store.record`. What becomes of them is folded in `store.folds`.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Iterable, Mapping

from xene.engine.matrix import TooMany, static_instances
from xene.model import phases
from xene.model.pipeline_codec import matrix_from_json

_IDLE = phases.NOT_EXECUTED


def create(conn: sqlite3.Connection, run: int, pipeline: Mapping[str, Any]) -> None:
    """Every task of the pipeline (the JSON of a revision), `finally` too, with the instances that are known."""
    tasks = {**pipeline["tasks"], **pipeline.get("finally", {})}
    rows: list[tuple[Any, ...]] = []
    steps: list[tuple[Any, ...]] = []
    for position, (name, task) in enumerate(tasks.items()):
        rows.append((run, position, 0, name, _IDLE))
        names = [name]
        if "matrix" in task:
            names = instance_names(name, task["matrix"])
            rows += [(run, position, number, each, _IDLE) for number, each in enumerate(names, 1)]
        steps += _steps(run, names, [step["name"] for step in task["steps"]])
    _insert(conn, rows, steps)


def instance_names(task: str, matrix: Mapping[str, Any]) -> list[str]:
    """The names of the instances of a matrix that are known before the run."""
    try:
        return [each.name for each in static_instances(task, matrix_from_json(dict(matrix))) or ()]
    except TooMany:
        return []  # the run says so when it gets there


def expand(conn: sqlite3.Connection, run: int, task: str, names: Iterable[str], steps: Iterable[str]) -> None:
    """The instances of a matrix as they are now; rows of an earlier expansion that are none of them go."""
    position = conn.execute(
        "SELECT position FROM tasks WHERE run = ? AND name = ? AND instance = 0", (run, task)
    ).fetchone()
    if position is None:
        raise ValueError(f"there is no task {task}")
    names = list(names)
    marks = ",".join("?" * len(names))
    conn.execute(
        f"DELETE FROM tasks WHERE run = ? AND position = ? AND instance > 0 AND name NOT IN ({marks})",
        (run, position[0], *names),
    )
    rows = [(run, position[0], number, name, _IDLE) for number, name in enumerate(names, 1)]
    _insert(conn, rows, _steps(run, names, list(steps)))


def _steps(run: int, tasks: Iterable[str], names: list[str]) -> list[tuple[Any, ...]]:
    return [(run, task, position, name, _IDLE) for task in tasks for position, name in enumerate(names)]


def _insert(conn: sqlite3.Connection, rows: list[tuple[Any, ...]], steps: list[tuple[Any, ...]]) -> None:
    conn.executemany(
        "INSERT OR IGNORE INTO tasks (run, position, instance, name, phase) VALUES (?, ?, ?, ?, ?)", rows
    )
    conn.executemany(
        "INSERT OR IGNORE INTO steps (run, task, position, name, phase) VALUES (?, ?, ?, ?, ?)", steps
    )


def instances_between(task: str) -> tuple[str, str]:
    """All names of instances of a task lie between these two."""
    return task + "[", task + "\\"


def begin_anew(conn: sqlite3.Connection, run: int, names: Iterable[str]) -> None:
    """Tasks that another attempt of the run repeats: as before they started, but for what was tried before."""
    names = list(names)
    whole = set(names) - {name.partition("[")[0] for name in names if "[" in name}
    for name in names:
        low, high = instances_between(name) if name in whole else (name, name)  # all instances with their sum
        conn.execute(
            "UPDATE tasks SET phase = ?, reason = NULL, message = NULL, started_at = NULL, finished_at = NULL,"
            " ended = 0, outputs = '{}' WHERE run = ? AND (name = ? OR (name > ? AND name < ?))",
            (_IDLE, run, name, low, high),
        )
        clear_steps(conn, run, name, low, high)


def clear_steps(conn: sqlite3.Connection, run: int, task: str, low: str = "", high: str = "") -> None:
    """The steps of a task before its next attempt; those of the tasks between two names too."""
    conn.execute(
        "UPDATE steps SET phase = ?, reason = NULL, message = NULL, exit_code = NULL, started_at = NULL,"
        " finished_at = NULL, ended = 0 WHERE run = ? AND (task = ? OR (task > ? AND task < ?))",
        (_IDLE, run, task, low, high),
    )


def end_parts(conn: sqlite3.Connection, now: float, seq: int, reason: str) -> None:
    """Tasks and steps of a run (by its `seq`) about which nobody will say more."""
    for table in ("tasks", "task_attempts", "steps"):
        conn.execute(
            f"UPDATE {table} SET phase = ?, reason = ?, finished_at = ? WHERE run = ? AND phase = ?",
            (phases.ERROR, reason, now, seq, phases.RUNNING),
        )
    for table in ("tasks", "steps"):
        conn.execute(
            f"UPDATE {table} SET reason = coalesce(reason, ?), ended = 1 WHERE run = ? AND ended = 0",
            (reason, seq),
        )
