"""A state as it is after years: thousands of pipelines and hundreds of thousands of runs, laid down in seconds.

Used by the tests that ask what reading such a state costs. Rows go in by SQL, as no pass could in that time; the
objects and the placement are written by the code that always writes them.
"""

from __future__ import annotations

import json
from typing import Any

from xene.manifest import zones
from xene.model import codec
from xene.store import charges, objects, triggers
from xene.store.db import State

AGENTS = 20
NOW = 1_795_401_000.0  # 2026-11-23T02:30:00Z
_WORKFLOW_PIPELINES = 10


def fill(state: State, pipelines: int, runs: int, *, now: float = NOW) -> None:
    """Workflows of ten pipelines each, all placed, with `runs` runs in turn; every 1000th of those is open."""
    names = [
        (f"w{number // _WORKFLOW_PIPELINES:04}", f"p{number % _WORKFLOW_PIPELINES}")
        for number in range(pipelines)
    ]
    with state.transaction() as conn:
        _agents(conn, now)
        utc = zones.zone_bytes("UTC")
        charges.put_zone(conn, "UTC", zones.digest(utc), utc)
        for workflow in sorted({name for name, _ in names}):
            body = {pipeline: _pipeline() for each, pipeline in names if each == workflow}
            _put(conn, now, workflow, body)
        conn.execute(
            "UPDATE pipelines SET phase = 'Scheduled', reason = NULL, message = NULL,"
            f" agent = 'a' || (abs(random()) % {AGENTS})"
        )
        _runs(conn, names, runs, now)
        conn.execute("ANALYZE")


def _agents(conn: Any, now: float) -> None:
    conn.executemany(
        "INSERT INTO agents (name, phase, capacity, last_seen_at, version) VALUES (?, 'Ready', 8, ?, 'f00d')",
        [(f"a{number}", now - number) for number in range(AGENTS)],
    )


def _pipeline() -> dict[str, Any]:
    return {
        "triggers": ["often"],
        "tasks": {
            "make": {"steps": [{"name": "s", "run": "true"}]},
            "ship": {"needs": ["make"], "steps": [{"name": "s", "run": "true"}]},
        },
    }


def _put(conn: Any, now: float, name: str, pipelines: dict[str, Any]) -> None:
    labels = {"team": f"t{int(name[1:]) % 7}"}
    cron = {"cron": {"schedule": f"{int(name[1:]) % 60} * * * *"}}
    data = {
        "apiVersion": "xene/v1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels},
        "spec": {"triggers": {"often": cron}, "pipelines": pipelines},
    }
    objects.put(
        conn,
        now,
        "Workflow",
        name,
        source="large",
        labels=labels,
        revision=codec.digest(data),
        text=json.dumps(data),
    )
    triggers.put(conn, now, name, data)


def _runs(conn: Any, names: list[tuple[str, str]], count: int, now: float) -> None:
    revisions = {row[:2]: row[2] for row in conn.execute("SELECT workflow, name, revision FROM pipelines")}
    conn.executemany(
        "INSERT INTO fires (id, workflow, trigger, params, created_at) VALUES (?, ?, 'often', '{}', ?)",
        ((f"f{number}", names[number % len(names)][0], now) for number in range(count)),
    )
    conn.executemany(
        "INSERT INTO runs (id, fire, workflow, pipeline, revision, size, agent, trigger, params, phase,"
        " phase_since, reason, created_at, started_at, finished_at, ended, settled, known, archived, released)"
        " VALUES (?, ?, ?, ?, ?, 1, ?, 'often', '{}', ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 1)",
        (_run(number, count, names[number % len(names)], revisions, now) for number in range(count)),
    )


def _run(
    number: int, count: int, key: tuple[str, str], revisions: dict[Any, str], now: float
) -> tuple[Any, ...]:
    begin = now - (count - number) * 10.0
    is_open = number % 1000 == 999
    phase = "Running" if is_open else "Error" if number % 17 == 0 else "Success"
    reason = "TaskFailed" if phase == "Error" else None
    end = None if is_open else begin + number % 90
    return (
        f"20251123-{number:06}-aaaaaaaa", f"f{number}", *key, revisions[key], f"a{number % AGENTS}",
        phase, begin, reason, begin, begin + 1, end, int(not is_open), int(not is_open),
    )  # fmt: skip


def fill_more(state: State, runs: int, *, now: float = NOW) -> None:
    """What else it holds: tasks and what they left, of the newest `runs` runs; slots, events, followers."""
    with state.transaction() as conn:
        newest = "FROM runs WHERE seq > (SELECT max(seq) FROM runs) - ?"
        for position, task in enumerate(("make", "ship")):
            conn.execute(
                "INSERT INTO tasks (run, position, name, phase, attempt, started_at, finished_at, ended)"
                f" SELECT seq, ?, ?, phase, 1, started_at, finished_at, ended {newest}",
                (position, task, runs),
            )
        conn.execute(
            "INSERT INTO task_attempts (run, task, attempt, phase, started_at, finished_at)"
            " SELECT run, name, 1, phase, started_at, finished_at FROM tasks"
        )
        conn.execute(
            "INSERT INTO steps (run, task, position, name, phase, attempt, seq, started_at, finished_at, ended)"
            " SELECT run, name, 0, 's', phase, 1, position + 1, started_at, finished_at, ended FROM tasks"
        )
        conn.execute(
            "INSERT INTO artifacts (run, task, name, size, sha256, files, state)"
            " SELECT run, name, 'all', 1, 'f00d', 1, 'here' FROM tasks"
        )
        conn.execute(
            "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, run, agent, recorded_at)"
            " SELECT workflow, pipeline, 'often', max(created_at), iif(seq % 50, 'fired', 'missed'), id, agent,"
            " created_at FROM runs GROUP BY workflow, pipeline, CAST(created_at AS INTEGER)"
        )
        conn.executemany(
            "INSERT INTO events (at, kind, name, reason, message) VALUES (?, 'Run', ?, 'Late', 'a word')",
            [(now - number, f"r{number}") for number in range(20_000)],
        )
        conn.execute(
            "INSERT INTO followers (fire, workflow, pipeline, position, revision, needs, params, outcome)"
            " SELECT fire, workflow, 'p9', 1, revision, '[\"p0\"]', '{}', iif(seq % 100, 'ran', NULL)"
            " FROM runs WHERE pipeline = 'p0'"
        )
