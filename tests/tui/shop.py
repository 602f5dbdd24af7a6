"""A state with something of everything that the screen shows, at a moment that stands still."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from tests.instants import instant
from tests.store.conftest import Filled, agent, workflow
from xene.manifest import zones
from xene.model import events as ev
from xene.store import charges, db, triggers
from xene.store import runs as run_rows

NOW = 1795401000.0  # 2026-11-23T02:30:00Z, a Monday
PARAMS = {
    "sha": {"type": "string", "pattern": "[0-9a-f]+|HEAD", "default": "HEAD"},
    "level": {"type": "string", "enum": ["quick", "full"], "default": "quick"},
    "dry": {"type": "boolean", "default": False},
    "count": {"type": "integer", "description": "how many hosts at a time"},
}
BUILD: dict[str, Any] = {
    "triggers": ["hourly"],
    "params": PARAMS,
    "tasks": {
        "fetch": {"outputs": ["version"], "steps": [{"name": "clone", "run": "x"}]},
        "lint": {"needs": ["fetch"], "steps": [{"name": "ruff", "run": "x"}]},
        "test": {"needs": ["fetch"], "steps": [{"name": "unit", "run": "x"}, {"name": "api", "run": "x"}]},
        "ship": {
            "needs": ["lint", "test"],
            "approval": {"message": "Ship it?"},
            "steps": [{"name": "ship", "run": "x"}],
        },
    },
}


def plain(**more: Any) -> dict[str, Any]:
    return {"tasks": {"one": {"steps": [{"name": "s", "run": "x"}]}}, **more}


def ident(number: int) -> str:
    """The id of the run so many hours ago."""
    return f"20261122-{23 - number:02}0000-k7q2m4x{chr(97 + number)}"


FAILED, ASKING, UNKNOWN, QUEUED = (
    ident(3),
    "20261123-020000-asksasks",
    "20261123-021000-lostlost",
    "20261123-022500-waitwait",
)


def lay(home: Path) -> str:
    """Make it; the path of the state."""
    path = str(home / "state.db")
    with db.open_state(path) as state:
        filled = Filled(state)
        _objects(filled)
        for number in range(14, -1, -1):
            at = NOW - 3600 * (number + 4)
            _ended(filled, ident(number), at, failed=number == 3, more=number * 7 % 23)
        _asking(filled)
        _open(filled)
        _slots(filled)
        _settle(filled)
        _log(home / "logs" / state.uuid, FAILED)
    return path


def _objects(filled: Filled) -> None:
    shop = workflow("shop", {"build": BUILD, "scan": plain(), "ship": plain()}, team="web")
    shop["spec"]["triggers"] = {"hourly": {"cron": {"schedule": "5 * * * *", "timeZone": "Europe/Berlin"}}}
    filled.put(
        shop,
        workflow("docs", {"publish": plain()}, team="docs"),
        workflow("shed", {"dig": plain(), "rake": plain()}, team="garden"),
        agent("build-1"),
        agent("build-2", ssh={"host": "build-2.example.com"}),
        now=NOW - 90000,
    )
    with filled.state.transaction() as conn:
        for zone in ("UTC", "Europe/Berlin"):
            data = zones.zone_bytes(zone)
            charges.put_zone(conn, zone, zones.digest(data), data)
        triggers.put(conn, NOW - 90000, "shop", shop)
        for name, labels in (("build-1", {"os": "linux"}), ("build-2", {"os": "linux", "gpu": "yes"})):
            conn.execute("UPDATE agents SET labels = ? WHERE name = ?", (json.dumps(labels), name))
    facts = {"cpus": 4, "hostname": "build-1.example.com", "python": "3.11.2"}
    filled.hear("build-1", "J1", now=NOW - 3, **facts)
    filled.hear("build-2", "J2", now=NOW - 540, **{**facts, "hostname": "build-2.example.com"})


def _run(filled: Filled, run: str, at: float, pipeline: str = "build", **more: Any) -> None:
    spec = BUILD if pipeline == "build" else plain()
    tasks = {name: [step["name"] for step in task["steps"]] for name, task in spec["tasks"].items()}
    filled.run(run, pipeline=pipeline, tasks=tasks, pipeline_spec=spec, now=at, **more)


def _report(filled: Filled, name: str, journal: str, *events: dict[str, Any]) -> None:
    row = filled.state.conn.execute("SELECT cursor FROM agents WHERE name = ?", (name,)).fetchone()
    filled.report(*events, first=row[0] + 1, name=name, journal=journal)


def _step(at: float, run: str, task: str, step: str, seconds: float, code: int = 0) -> list[dict[str, Any]]:
    phase, reason = ("Error", "StepFailed") if code else ("Success", None)
    return [
        ev.step_started(instant(at), run, task, step, 1, 1),
        ev.step_ended(at + seconds, run, task, step, 1, phase, reason, exit_code=code),
    ]


def _ended(filled: Filled, run: str, at: float, *, failed: bool, more: float) -> None:
    """A run of a minute or so: `more` seconds longer than the others."""
    _run(filled, run, at, agent="build-1", journal="J1")
    found: list[dict[str, Any]] = [ev.run_started(instant(at + 1), run)]
    for task, steps in (("fetch", ["clone"]), ("lint", ["ruff"]), ("test", ["unit", "api"])):
        found.append(ev.task_started(instant(at + 2), run, task, 1))
        for number, step in enumerate(steps):
            code = 3 if failed and step == "ruff" else 0
            found += _step(at + 2 + 10 * number, run, task, step, 9.0, code)
        if failed and task == "lint":
            found.append(ev.task_ended(at + 11, run, task, 1, "Error", "StepFailed"))
        else:
            outputs = {"version": "1.4.2"} if task == "fetch" else None
            found.append(ev.task_ended(at + 22, run, task, 1, "Success", outputs=outputs))
    found.append(
        ev.run_ended(at + 42 + more, run, "Error" if failed else "Success", "TaskFailed" if failed else None)
    )
    _report(filled, "build-1", "J1", *found)


def _asking(filled: Filled) -> None:
    at = NOW - 1800
    _run(filled, ASKING, at, agent="build-1", journal="J1")
    found: list[dict[str, Any]] = [ev.run_started(instant(at + 1), ASKING)]
    for task, steps in (("fetch", ["clone"]), ("lint", ["ruff"]), ("test", ["unit", "api"])):
        found.append(ev.task_started(instant(at + 2), ASKING, task, 1))
        for step in steps:
            found += _step(at + 2, ASKING, task, step, 5.0)
        found.append(ev.task_ended(at + 12, ASKING, task, 1, "Success"))
    found += [
        ev.approval_asked(instant(at + 13), ASKING, "ship", "Ship it?"),
        ev.run_waiting(instant(at + 13), ASKING),
    ]
    _report(filled, "build-1", "J1", *found)


def _open(filled: Filled) -> None:
    _run(filled, UNKNOWN, NOW - 1200, "ship", agent="build-2", journal="J2")
    _report(filled, "build-2", "J2", ev.run_started(instant(NOW - 1199), UNKNOWN))
    _run(filled, QUEUED, NOW - 300, "scan", agent="build-1", journal=None)
    with filled.state.transaction() as conn:
        run_rows.lost_sight(conn, NOW - 500, "build-2")
        conn.execute(
            "UPDATE agents SET phase = 'Unreachable', reason = 'ConnectionRefused',"
            " message = 'port 22 of build-2.example.com refused' WHERE name = 'build-2'"
        )


def _slots(filled: Filled) -> None:
    rows = []
    for hours in range(1, 24 * 6):
        at = NOW - 1500 - 3600 * hours
        outcome = "missed" if hours in (30, 31) else "skipped" if hours % 9 == 0 else "fired"
        reason = "Late" if outcome == "missed" else "ConcurrencyForbid" if outcome == "skipped" else None
        rows.append((at, outcome, reason, ident(hours) if hours < 10 and outcome == "fired" else None))
    with filled.state.transaction() as conn:
        conn.executemany(
            "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, reason, run, agent, recorded_at)"
            " VALUES ('shop', 'build', 'hourly', ?, ?, ?, ?, 'build-1', 0)",
            rows,
        )


def _settle(filled: Filled) -> None:
    """Where the pipelines are; what is an accident of the moment gets the moment that stands still."""
    with filled.state.transaction() as conn:
        conn.execute(
            "UPDATE pipelines SET phase = 'Scheduled', reason = NULL, message = NULL, agent = 'build-1'"
        )
        conn.execute("UPDATE pipelines SET agent = 'build-2' WHERE workflow = 'shop' AND name = 'ship'")
        conn.execute(
            "UPDATE pipelines SET phase = 'NotScheduled', agent = NULL, reason = 'NoAgentMatches',"
            " message = 'no agent has disk=ssd' WHERE workflow = 'docs'"
        )
        conn.execute(
            "INSERT INTO overrides (kind, name, field, value, at)"
            " VALUES ('Pipeline', 'shed/rake', 'suspended', 1, 0)"
        )
        conn.execute("DELETE FROM agents WHERE implicit = 1")
        conn.execute("UPDATE agents SET last_seen_at = ? WHERE name = 'build-1'", (NOW - 3,))
        conn.execute("UPDATE agents SET last_seen_at = ? WHERE name = 'build-2'", (NOW - 540,))
        conn.execute("UPDATE runs SET log = 'complete', archived = 1 WHERE ended = 1")
        conn.execute("UPDATE events SET at = ? - 60 * (40 - id)", (NOW,))


LOG = {
    "1.fetch.clone.1.log": "cloning into 'src'...\n",
    "2.lint.ruff.1.log": "\x1b[1;31mE501\x1b[0m line too long\n"
    + "".join(f"line {n}\n" for n in range(40))
    + "3 errors\n",
    "3.test.unit.1.log": "ok\n",
    "4.test.api.1.log": "ok\n",
}


def _log(directory: Path, run: str) -> None:
    os.makedirs(directory, mode=0o700)
    with zipfile.ZipFile(directory / f"{run}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in LOG.items():
            archive.writestr(name, text)
