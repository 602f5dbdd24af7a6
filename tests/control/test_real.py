"""The same over the real agent of this host: real processes, a real journal, a daemon that dies."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.control.conftest import RealHost, agent, alive, eventually, pipeline, workflow
from xene.control import ending, logs, reconcile
from xene.store import runs


class Ears:
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.heard: dict[Any, bytes] = {}

    def moved(self, row: dict[str, Any]) -> None:
        self.phases.append(row["phase"])

    def said(self, source: Any, data: bytes) -> None:
        self.heard[source[1:]] = self.heard.get(source[1:], b"") + data


def daemon(host: RealHost) -> int:
    for folder, _, names in os.walk(host.place.home):
        if "daemon.pid" in names:
            with open(os.path.join(folder, "daemon.pid")) as file:
                return int(file.read().split()[0])
    raise AssertionError("there is no daemon")


def test_outputs_logs_and_the_end(real: RealHost) -> None:
    tasks = {
        "one": {"outputs": ["v"], "steps": [{"name": "s", "run": "echo hello; echo v=7 >> $XENE_OUTPUT"}]},
        "two": {
            "needs": ["one"],
            "steps": [{"name": "s", "run": "echo got $V", "env": {"V": "${{ tasks.one.outputs.v }}"}}],
        },
    }
    done = real.apply(workflow("shop", {"build": {"tasks": tasks}}))
    assert (done.untold, done.unscheduled) == ({}, [])
    ears = Ears()
    (row,) = real.ended(*real.fire("shop").runs, show=ears, logs=True)
    assert (row["phase"], row["log"], row["tasks"]["one"]["outputs"]) == ("Success", "complete", {"v": "7"})
    assert ears.heard == {("one", "s", 1): b"hello\n", ("two", "s", 1): b"got 7\n"}
    assert ears.phases[-1] == "Success"
    again = Ears()
    assert logs.read(real.place, row["id"], again.said).state == "complete"
    assert again.heard == ears.heard
    reconcile.reconcile(real.place)
    with real.state() as state:
        assert runs.unsettled(state.conn) == []


def test_a_failing_step(real: RealHost) -> None:
    real.apply(workflow("shop", {"build": pipeline("echo oh; exit 3", "echo never")}))
    (row,) = real.ended(*real.fire("shop").runs)
    first, second = row["tasks"]["one"]["steps"]
    assert (row["phase"], row["reason"]) == ("Error", "StepFailed")
    assert (first["exitCode"], second["phase"]) == (3, "NotExecuted")


@pytest.mark.parametrize("kill", [False, True])
def test_cancel_and_kill(real: RealHost, kill: bool) -> None:
    real.apply(workflow("shop", {"build": pipeline("echo begun; sleep 600")}))
    (run,) = real.fire("shop").runs
    eventually(lambda: real.run(run)["phase"] == "Running" or reconcile.reconcile(real.place) is None)
    row = ending.end(real.place, run, kill=kill)
    assert (row["phase"], row["reason"]) == ("Error", "Killed" if kill else "Cancelled")


def test_a_daemon_that_is_killed_loses_nothing(real: RealHost, tmp_path: Any) -> None:
    gate = tmp_path / "gate"
    script = f"echo before; while [ ! -e {gate} ]; do sleep 0.02; done; echo after"
    real.apply(workflow("shop", {"build": pipeline(script)}))
    (run,) = real.fire("shop").runs
    eventually(lambda: reconcile.reconcile(real.place) and real.run(run)["phase"] == "Running")
    pid = daemon(real)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    gate.touch()
    ears = Ears()
    (row,) = real.ended(run, show=ears, logs=True)
    assert row["phase"] == "Success" and daemon(real) != pid
    assert ears.heard == {("one", "s1", 1): b"before\nafter\n"}


def test_the_implicit_agent_leaves_no_daemon_behind(real: RealHost, tmp_path: Any) -> None:
    real.apply(workflow("shop"))
    pid = daemon(real)
    real.apply(workflow("shop"), agent("here", local={}, home=str(tmp_path / "home" / "here")))
    assert list(real.agents()) == ["here"] and real.pipelines()["shop/build"]["agent"] == "here"
    eventually(lambda: not alive(pid), "the end of the implicit agent's daemon")


def test_many_runs_at_once(real: RealHost) -> None:
    pipelines = {f"p{number}": pipeline("echo one", "echo two", "echo three") for number in range(12)}
    real.apply(workflow("shop", pipelines))
    fired = [run for _ in range(3) for run in real.fire("shop").runs]
    rows = real.ended(*fired)
    assert {(row["phase"], row["log"]) for row in rows} == {("Success", "complete")}
