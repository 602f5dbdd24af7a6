"""Cron triggers end to end, here and behind sshd: they fire with control off; nothing is told twice.

A trigger that is stored as if it had been applied an hour ago catches up at once: nobody waits for a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until
from xene.model import codec
from xene.store import db, objects

STEP = 'echo "$XENE_PIPELINE $XENE_TRIGGER $XENE_SCHEDULED_AT $XENE_PARAM_LEVEL" >> {ran}'
HOUR = 3600.0


def schedule() -> str:
    """Every hour, at what was the minute 15, 30 and 45 minutes ago."""
    minutes = sorted(int(time.time() / 60 - ago) % 60 for ago in (15, 30, 45))
    return f"{','.join(map(str, minutes))} * * * *"


class Clockwork:
    """A fleet, and workflows whose runs say in a file of their own that they ran, and for which slot."""

    def __init__(self, hosts: Fleet) -> None:
        self.hosts, self.count = hosts, 0
        agents = hosts.repository / "agents.yaml"  # the crontab of whoever runs the tests is theirs
        text = agents.read_text().replace("capacity: 4,", "capacity: 4, autostart: none,")
        agents.write_text(text.replace("  capacity: 4\n", "  capacity: 4\n  autostart: none\n"))
        hosts.apply()

    @property
    def state(self) -> str:
        return str(self.hosts.home / "state.db")

    def ran(self, name: str) -> list[str]:
        path = self.hosts.root / f"ran-{name}"
        return path.read_text().splitlines() if path.exists() else []

    def store(self, catch_up: str = "latest") -> str:
        """A workflow that was applied an hour ago, as far as its triggers know; its name.

        It was due three times since, and is due again in a quarter of an hour.
        """
        self.count += 1
        name = f"shop-{self.count}"
        thing = self._workflow(name, schedule(), catch_up)
        with db.open_state(self.state) as state, state.transaction() as conn:
            objects.put(
                conn, 1.0, "Workflow", name,
                source="tests", labels={}, revision=codec.digest(thing), text=json.dumps(thing),
            )  # fmt: skip
            conn.execute("UPDATE triggers SET since = strftime('%s') - ? WHERE workflow = ?", (HOUR, name))
        return name

    def _workflow(self, name: str, schedule: str, catch_up: str) -> dict[str, Any]:
        step = {"name": "s", "run": STEP.format(ran=self.hosts.root / f"ran-{name}")}
        params = {"level": {"type": "string", "default": "quick"}}
        cron = {"schedule": schedule, "catchUp": catch_up, "params": {"level": "full"}}
        build = {"triggers": ["tick"], "params": params, "tasks": {"one": {"steps": [step]}}}
        scan = {"needs": [{"pipeline": "build"}], "params": params, "tasks": {"one": {"steps": [step]}}}
        return {
            "apiVersion": "xene/v1",
            "kind": "Workflow",
            "metadata": {"name": name},
            "spec": {"triggers": {"tick": {"cron": cron}}, "pipelines": {"build": build, "scan": scan}},
        }

    def entrust(self, name: str, builds: int) -> None:
        """One pass; then control is off, and the agent has fired so often."""
        self.hosts.xene("reconcile")
        until(lambda: len(self.built(name)) == builds, "it fires by itself")

    def fire_alone(self, name: str) -> None:
        """Control dies as soon as the agent has what it needs: it fires, and nobody is there to hear of it."""
        died = self.hosts.dying("after send assign@transport.session._send#1", "--", "reconcile")
        assert died == -signal.SIGKILL
        until(lambda: len(self.built(name)) == 3, "it fires by itself")
        assert self.hosts.get("slots", name, "--outcome", "fired") == []

    def built(self, name: str) -> list[str]:
        return [line for line in self.ran(name) if line.startswith("build")]

    def settle(self) -> None:
        for _ in range(6):
            self.hosts.xene("reconcile")

    def ledger(self, name: str) -> list[dict[str, Any]]:
        """Oldest first. Every slot that fired has its run, which is that of no other slot."""
        rows: list[dict[str, Any]] = self.hosts.get("slots", name)[::-1]
        assert len({row["at"] for row in rows}) == len(rows)
        for row in rows:
            assert (row["run"] is not None) == (row["outcome"] == "fired")
            if row["run"] is not None:
                assert self.hosts.get("run", row["run"])["slot"] == row["at"]
        return rows


@pytest.fixture(scope="module", params=["local", "ssh"])
def clockwork(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clockwork]:
    with fleet(tmp_path_factory.mktemp(request.param), request.param, count=1) as made:
        yield Clockwork(made)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clockwork]:
    with fleet(tmp_path_factory.mktemp("here"), "local", count=1) as made:
        yield Clockwork(made)


def test_it_fires_with_control_off_and_hands_everything_over(clockwork: Clockwork) -> None:
    name = clockwork.store()
    clockwork.entrust(name, builds=1)
    clockwork.settle()
    rows = clockwork.ledger(name)
    assert [row["outcome"] for row in rows] == ["missed", "missed", "fired"]
    assert [row["reason"] for row in rows] == ["Late", "Late", None]
    build = clockwork.hosts.get("run", rows[-1]["run"])
    assert (build["phase"], build["trigger"], build["log"]) == ("Success", "tick", "complete")
    assert build["params"] == {"level": "full"}
    assert clockwork.ran(name) == [
        f"build tick {rows[-1]['at']} full",
        f"scan pipeline {rows[-1]['at']} full",
    ]
    scan = clockwork.hosts.get("run", f"{name}/scan")
    assert (scan["fire"], scan["slot"], scan["trigger"]) == (build["fire"], build["slot"], "pipeline")


def test_what_can_be_asked_of_it(clockwork: Clockwork) -> None:
    name = clockwork.store()
    clockwork.entrust(name, builds=1)
    clockwork.settle()
    xene = clockwork.hosts.xene
    assert len(xene("get", "slots", name, "--outcome", "missed", "-o", "json").json) == 2
    assert xene("get", "slots", name, "--since", "1ms").out == ""
    (fired,) = xene("get", "slots", f"{name}/build/tick", "--outcome", "fired", "-o", "json").json
    assert fired["run"] in xene("why", f"slot/{name}/build").out
    assert "Late" in xene("why", f"slot/{name}/build/tick@{clockwork.ledger(name)[0]['at']}").out
    assert "trigger tick is due at" in xene("why", f"pipeline/{name}/build").out
    assert " * * * *" in xene("describe", "workflow", name).out
    assert "build/tick" in xene("describe", "pipeline", f"{name}/build").out
    assert fired["at"] in xene("describe", "run", fired["run"]).out
    assert fired["run"] in xene("describe", "slot", f"{name}/build").out
    pipeline = xene("get", "pipeline", f"{name}/build", "-o", "json").json
    assert pipeline["nextFire"] > fired["at"] and pipeline["suspended"] is False
    xene("suspend", name)
    pipeline = xene("get", "pipeline", f"{name}/build", "-o", "json").json
    assert pipeline["nextFire"] is None and pipeline["suspended"] is True
    xene("run", f"{name}/build", "--wait")  # a person is not a trigger


POINTS = [
    "before commit@control.hearing.take#1",  # what it has journalled
    "after commit@control.hearing.take#1",
    "before commit@control.passes._pass_once#2",  # what follows
    "after commit@control.passes._pass_once#2",
    "after send assign@transport.session._send#1",
    "after send start@transport.session._send#1",
    "after commit@control.hearing.take#2",
    "before commit@control.passes._store_packed#1",
    "after send release@transport.session._send#1",
]


@pytest.mark.parametrize("point", POINTS)
def test_control_is_killed_while_it_records(here: Clockwork, point: str) -> None:
    name = here.store("all")
    here.fire_alone(name)
    assert here.hosts.dying(point, "--", "reconcile") == -signal.SIGKILL, (
        "it does not pass this point any more"
    )
    is_whole(here, name)


def is_whole(here: Clockwork, name: str) -> None:
    """All three slots fired once, and what follows followed once."""
    here.settle()
    rows = here.ledger(name)
    assert [row["outcome"] for row in rows] == ["fired"] * 3
    assert sorted(here.ran(name)) == sorted(
        [f"build tick {row['at']} full" for row in rows] + [f"scan pipeline {row['at']} full" for row in rows]
    )
    runs = [run for run in here.hosts.get("runs", "--limit", "0") if run["workflow"] == name]
    assert len(runs) == 6 and {run["phase"] for run in runs} == {"Success"}


@pytest.mark.soak
def test_control_is_killed_at_every_point_of_recording(here: Clockwork) -> None:
    here.fire_alone(here.store("all"))
    points = here.hosts.points("reconcile")
    died = 0
    for point in points:
        name = here.store("all")
        here.fire_alone(name)
        died += here.hosts.dying(point, "--", "reconcile") == -signal.SIGKILL
        is_whole(here, name)
    assert died > 0.7 * len(points) > 10


def test_a_restored_copy_of_the_state_doubles_nothing(here: Clockwork) -> None:
    name = here.store("all")
    here.fire_alone(name)
    copy = copied(here.state)
    here.settle()
    before = here.ledger(name)
    assert len(before) == 3
    restored(here.state, copy)
    here.hosts.xene("reconcile", "--take-over")
    here.settle()
    assert here.ledger(name) == before
    assert sorted(here.built(name)) == [f"build tick {row['at']} full" for row in before]


def copied(state: str) -> Path:
    copy = Path(state + ".copy")
    with closing(sqlite3.connect(state)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)
    return copy


def restored(state: str, copy: Path) -> None:
    for end in ("-wal", "-shm"):
        if os.path.exists(state + end):
            os.unlink(state + end)
    shutil.move(str(copy), state)
