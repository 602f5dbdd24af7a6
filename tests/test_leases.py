"""Leases end to end: real daemons, a real sshd, a wire that is cut, processes that are stopped, control that dies.

`far` is behind the wire, `near` beside control. A pipeline that may be replaced begins at `far`; whatever happens,
no slot is fired twice, nothing runs at two agents at once, and what cannot be known is unknown until it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.fleet import Fleet, fleet, until
from tests.hosts import processes
from xene.control import lock
from xene.store import db, objects, triggers

# An impatient control host, so that a lost wire is seen in seconds.
SSH_CONFIG = "Host *\n  ConnectTimeout 2\n  ServerAliveInterval 1\n  ServerAliveCountMax 1\n"
LOST_AFTER = 12.0
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  triggers:
    minutely: {cron: {schedule: "* * * * *"}}
  pipelines:
    tick:
      triggers: [minutely]
      gracePeriod: 1s
      placement: {onLost: replace, lostAfter: 12s}
      tasks: {one: {steps: [{name: s, run: 'echo "$XENE_AGENT $XENE_SCHEDULED_AT" >> %(root)s/fired'}]}}
    long:
      gracePeriod: 1s
      placement: {onLost: replace, lostAfter: 12s}
      tasks:
        one:
          steps:
            - name: s
              run: |
                beat=%(root)s/beat-$XENE_AGENT  # never half written: it may be ended at any time
                while :; do date +%%s.%%N > $beat.new; mv $beat.new $beat; sleep 0.05; done
"""
NEAR = """\
apiVersion: xene/v1
kind: Agent
metadata: {name: near}
spec: {local: {}, capacity: 4, autostart: none, home: %(root)s/near}
"""


class Scene:
    """Control and its two agents; passes are made all the time, until `still`."""

    def __init__(self, made: Fleet, line: wire.Wire) -> None:
        self.fleet, self.line = made, line
        config = made.root / "home" / ".ssh" / "config"
        config.parent.mkdir(parents=True, mode=0o700)
        config.write_text(SSH_CONFIG)
        config.chmod(0o600)
        made.env["HOME"] = str(made.root / "home")
        agents = made.repository / "agents.yaml"
        agents.write_text(agents.read_text().replace("  capacity: 4\n", "  capacity: 4\n  autostart: none\n"))
        made.write("shop.yaml", WORKFLOW % {"root": made.root})
        made.apply()
        with db.open_state(self.state) as state, state.transaction() as conn:
            rows = triggers.of_pipeline(
                conn, "shop", "tick"
            )  # as if applied some minutes ago: it fires at once
            conn.execute("UPDATE triggers SET since = since - 180")
            assert len(rows) == 1 and objects.read(conn, "Workflow", "shop")
        made.write("near.yaml", NEAR % {"root": made.root})
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._passes, daemon=True)

    @property
    def state(self) -> str:
        return str(self.fleet.home / "state.db")

    def begin(self) -> str:
        """It fires and runs at `far`, and `near` is there; the id of the long run."""
        self.work()
        until(lambda: self.fired(), "the first slot is fired")
        self.fleet.apply()
        (run,) = self.fleet.xene("run", "shop/long").out.split()
        until(lambda: self.beat("host-1") and self.is_held("host-1", "near"), "it runs at far")
        return run

    def work(self) -> None:
        """Make passes, from now on."""
        self._over.clear()
        self._thread = threading.Thread(target=self._passes, daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Make no more passes."""
        self._over.set()
        self._thread.join()

    def _passes(self) -> None:
        while not self._over.is_set():
            self.fleet.xene("reconcile", code=None)
            self._over.wait(0.2)

    def is_held(self, agent: str, by_no: str) -> bool:
        """Whether one agent has both pipelines, and the other none that is not fenced."""
        with db.open_for_reading(self.state) as state:
            rows = state.conn.execute(
                "SELECT agent, pipeline FROM holdings WHERE fenced_at IS NULL"
            ).fetchall()
        return sorted(rows) == [(agent, "long"), (agent, "tick")] and by_no not in {row[0] for row in rows}

    def fired(self) -> list[list[str]]:
        """[agent, instant] of every run of `tick`, as they came."""
        path = self.fleet.root / "fired"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def beat(self, agent: str) -> float | None:
        """When the long run last showed a sign of life at an agent, seconds since 1970."""
        path = self.fleet.root / f"beat-{agent}"
        text = path.read_text() if path.exists() else ""
        return float(text) if text.strip() else None

    def run(self, run: str) -> Any:
        return self.fleet.get("runs", run)

    def until(self, holds: Callable[[], Any], what: str, minutes: int = 2) -> None:
        for _ in range(minutes):
            try:
                until(holds, what)
                return
            except AssertionError:
                continue
        until(holds, what)

    def check_ledger(self) -> list[Any]:
        """One row an instant without a gap; every slot that fired ran once, and nothing else did."""
        rows = self.fleet.get("slots", "--limit", "0")[::-1]
        instants = [row["at"] for row in rows]
        assert len(set(instants)) == len(instants)
        seconds = [time.strptime(at[:16], "%Y-%m-%dT%H:%M") for at in instants]
        minutes = [int(time.mktime(each)) // 60 for each in seconds]
        assert minutes == list(range(minutes[0], minutes[0] + len(minutes)))
        ran = [instant for _, instant in self.fired()]
        assert len(set(ran)) == len(ran), "a slot was fired twice"
        assert sorted(ran) == [row["at"] for row in rows if row["outcome"] == "fired"]
        return rows


@pytest.fixture(scope="module")
def line() -> Iterator[wire.Wire]:
    if why := wire.missing():
        pytest.skip(f"NETWORK NAMESPACES with veth are MISSING, so no wire can be cut: {why}")
    with wire.wire() as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, line: wire.Wire) -> Iterator[Scene]:
    line.mend()
    with fleet(tmp_path, "ssh", 1, within=line.host, address=line.ADDRESS) as made:
        made.within = line.control
        found = Scene(made, line)
        try:
            yield found
        finally:
            found.rest()
            line.mend()
            kill_runs(made)


def kill_runs(made: Fleet) -> None:
    """What is still under way ends before the hosts do."""
    for run in made.get("runs"):
        if run["phase"] not in ("Success", "Error"):
            made.xene("kill", run["id"], code=None)


@pytest.mark.slow
def test_the_wire_is_cut_and_both_sides_go_on(scene: Scene) -> None:
    first = scene.begin()
    scene.rest()
    scene.line.cut()
    control = scene.fleet.start("reconcile")  # dies in the middle of a pass; the next one counts on
    until(lambda: lock.holder(scene.state) == control.pid, "control is at work")
    control.kill()
    control.communicate()
    scene.work()
    scene.until(lambda: scene.is_held("near", "host-1"), "near gets what far has lost")
    stopped = scene.beat("host-1")
    assert stopped is not None and stopped < time.time() - 1, "it ran on at far while near had it"
    assert scene.run(first)["phase"] == "Unknown"
    (second,) = scene.fleet.xene(
        "run", "shop/long"
    ).out.split()  # what goes on there, perhaps, holds up nobody
    scene.until(lambda: scene.beat("near"), "it runs at near")
    before = len([each for each in scene.fired() if each[0] == "near"])
    scene.until(
        lambda: len([each for each in scene.fired() if each[0] == "near"]) > before,
        "near fires the next slot",
    )
    assert scene.beat("host-1") == stopped
    why = scene.fleet.xene("why", "pipeline/shop/tick").out
    assert "host-1" in why and "fenced" in why
    scene.line.mend()
    scene.until(lambda: scene.run(first)["phase"] == "Error", "far is heard")
    assert scene.run(first)["reason"] == "LeaseEnded"
    scene.until(lambda: scene.fleet.get("agents", "host-1")["phase"] == "Ready", "far is ready")
    assert scene.is_held("near", "host-1") and scene.run(second)["phase"] == "Running"
    scene.until(
        lambda: not [row for row in scene.fleet.get("slots") if row["outcome"] == "unknown"], "all is known"
    )
    scene.rest()
    rows = scene.check_ledger()
    assert {row["outcome"] for row in rows} <= {"fired", "missed"}


@pytest.mark.soak
def test_renewals_that_are_under_way_for_half_a_minute(scene: Scene) -> None:
    """They arrive, and are worth nothing any more: the lease counts from when it was asked for."""
    first = scene.begin()
    scene.rest()
    config = scene.fleet.root / "home" / ".ssh" / "config"
    config.write_text("Host *\n  ConnectTimeout 60\n")  # a patient one, that keeps its connections
    follower = scene.fleet.start("wait", first)
    until(lambda: lock.holder(scene.state) == follower.pid, "it is at work, and renews")
    scene.line.worsen(delay=15.0)
    scene.until(lambda: (beat := scene.beat("host-1")) and beat < time.time() - 5, "far has stopped it")
    scene.until(lambda: scene.is_held("near", "host-1"), "near gets what far has lost")
    scene.until(lambda: scene.fired()[-1][0] == "near", "near fires the next slot")
    scene.line.mend()
    assert follower.communicate(timeout=60) and follower.returncode == 1
    assert scene.run(first)["reason"] == "LeaseEnded"
    scene.work()
    scene.until(
        lambda: not [row for row in scene.fleet.get("slots") if row["outcome"] == "unknown"], "all is known"
    )
    scene.rest()
    assert scene.is_held("near", "host-1")
    scene.check_ledger()


def signal_all(pids: Iterable[int], number: int) -> None:
    """Some of them live for a moment only."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.slow
def test_a_host_that_stands_still_for_a_minute(scene: Scene) -> None:
    """A virtual machine that is paused: everything on it stops, and goes on as if nothing had been."""
    first = scene.begin()
    assert scene.fleet.hosts is not None
    pids = processes(scene.fleet.hosts[0].root)
    signal_all(pids, signal.SIGSTOP)
    try:
        scene.until(lambda: scene.is_held("near", "host-1"), "near gets what far has lost")
        assert scene.run(first)["phase"] == "Unknown"
        scene.until(lambda: scene.fired()[-1][0] == "near", "near fires the next slot")
    finally:
        signal_all(pids, signal.SIGCONT)
    scene.until(lambda: scene.run(first)["phase"] == "Error", "far is heard")
    assert scene.run(first)["reason"] == "LeaseEnded"
    beat = scene.beat("host-1")
    scene.until(
        lambda: not [row for row in scene.fleet.get("slots") if row["outcome"] == "unknown"], "all is known"
    )
    scene.rest()
    assert scene.is_held("near", "host-1") and scene.beat("host-1") == beat
    scene.check_ledger()
