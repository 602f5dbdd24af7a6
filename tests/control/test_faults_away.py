"""A real host that goes away under a run and comes back: what is shown meanwhile, what is answered, how it ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, fleet, until
from tests.hosts import Host


class Away:
    """One sshd host, and a pipeline whose step waits for a gate."""

    def __init__(self, hosts: Fleet) -> None:
        assert hosts.hosts is not None
        self.hosts, self.gate, self.ran = hosts, hosts.root / "gate", hosts.root / "ran"
        self.ran.touch()
        self.host: Host = hosts.hosts[0]
        wait = f"while [ ! -e {self.gate} ]; do sleep 0.02; done"
        script = f"echo $XENE_RUN >> {self.ran}; echo one; {wait}; echo two"
        hosts.write("w.yaml", json.dumps({
            "apiVersion": "xene/v1", "kind": "Workflow", "metadata": {"name": "w"},
            "spec": {"pipelines": {"p": {
                "concurrencyPolicy": "Allow", "tasks": {"t": {"steps": [{"name": "s", "run": script}]}},
            }}},
        }))  # fmt: skip
        hosts.apply()

    def start(self) -> str:
        run = self.hosts.xene("run", "w").out.strip()
        until(lambda: self.ran.read_text(), "the step runs")
        self.hosts.xene("reconcile")
        assert self.run(run)["phase"] == "Running"
        return run

    def run(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.hosts.get("runs", run)
        return found

    def said(self, run: str) -> list[str]:
        return [line.split()[-1] for line in self.hosts.xene("logs", run).out.splitlines()]


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Away]:
    with fleet(tmp_path, "ssh", count=1) as hosts:
        made = Away(hosts)
        yield made
        made.gate.touch()


def test_unknown_is_shown_with_since_when_and_taken_back(away: Away) -> None:
    run = away.start()
    since = away.run(run)["phaseSince"]
    away.host.stop()
    assert away.hosts.xene("reconcile").code == 0
    row = away.run(run)
    assert (row["phase"], row["lastKnownPhase"]) == ("Unknown", "Running") and row["phaseSince"] > since
    away.hosts.xene("reconcile")
    assert (
        away.run(run)["phaseSince"] == row["phaseSince"]
    )  # since it was lost, not since it was last looked for
    (agent,) = away.hosts.get("agents")
    assert (agent["phase"], agent["reason"]) == ("Unreachable", "ConnectionRefused")
    for words in (["describe", "run", run], ["why", f"run/{run}"]):
        told = away.hosts.xene(*words).out
        assert "Unknown" in told and "Running" in told and "host-1" in told, told
    away.host.start()
    away.hosts.xene("reconcile")
    row = away.run(run)
    assert (row["phase"], row["lastKnownPhase"]) == ("Running", None)
    away.gate.touch()
    away.hosts.xene("wait", run)
    assert away.said(run) == ["one", "two"] and away.run(run)["log"] == "complete"


@pytest.mark.parametrize(("verb", "reason"), [("cancel", "Cancelled"), ("kill", "Killed")])
def test_a_wish_while_the_host_is_away(away: Away, verb: str, reason: str) -> None:
    """It cannot be confirmed, which is said; it stays, and is carried out when the host is back."""
    run = away.start()
    away.host.stop()
    told = away.hosts.xene(verb, run, code=5)
    assert "host-1" in told.err and "kept" in told.err, told.err
    assert away.run(run)["phase"] == "Unknown"
    away.host.start()
    away.hosts.xene("reconcile")
    away.hosts.xene("wait", run, code=1)
    row = away.run(run)
    assert (row["phase"], row["reason"], row["log"]) == ("Error", reason, "complete")
    away.hosts.xene(verb, run, code=7)


def test_a_wish_that_comes_too_late(away: Away) -> None:
    """The run ended while its host was away: its end stands, whatever was wished meanwhile."""
    run = away.start()
    away.host.stop()
    away.hosts.xene("kill", run, code=5)
    away.gate.touch()
    until(
        lambda: list(away.host.home.rglob("journal")) and b'"run.ended"' in _journal(away), "it ended there"
    )
    away.host.start()
    away.hosts.xene("kill", run, code=7)
    assert (away.run(run)["phase"], away.run(run)["log"]) == ("Success", "complete")
    assert away.said(run) == ["one", "two"]


def _journal(away: Away) -> bytes:
    (path,) = away.host.home.rglob("journal")
    return path.read_bytes()


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.soak)])
def test_whoever_waits_is_served_when_it_is_back(away: Away, times: int) -> None:
    children: list[subprocess.Popen[str]] = [
        away.hosts.start("run", "w", "--follow"),
        away.hosts.start("run", "w", "--wait"),
    ]
    until(lambda: len(away.ran.read_text().split()) == 2, "both run")
    runs = [row["id"] for row in away.hosts.get("runs")]
    children += [away.hosts.start("wait", run) for run in runs]
    for _ in range(times):
        away.host.stop()
        until(lambda: {row["phase"] for row in away.hosts.get("runs")} == {"Unknown"}, "Unknown is shown")
        away.host.start()
        until(lambda: {row["phase"] for row in away.hosts.get("runs")} == {"Running"}, "they are heard again")
    away.host.stop()
    away.gate.touch()
    away.host.start()
    ends = [child.communicate(timeout=90) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0, 0], ends
    followed = [
        line.split()[-1] for line in ends[0][1].splitlines() if " | " in line or line.startswith("t/s")
    ]
    assert [word for word in followed if word in ("one", "two")] == ["one", "two"], ends[0][1]
    for run in runs:
        assert (away.run(run)["log"], away.said(run)) == ("complete", ["one", "two"])
    assert sorted(away.ran.read_text().split()) == sorted(runs)
