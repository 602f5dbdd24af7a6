"""The daemon killed -9 at every point between journal and act: the run ends right, its steps ran exactly once.

`POINTS` is the list of all fault points; a point that is not reached fails its test, so the list cannot rot.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.agent.faulty import Stubborn, arm, pending
from tests.agent.probe import STATE, stop_daemon
from tests.agent.test_runs import wait_until
from xene.agent import process
from xene.model import phases
from xene.wire import messages

COUNT = 'echo "$XENE_TASK.$XENE_STEP" >> ../count; echo "said by $XENE_TASK.$XENE_STEP"'
STEPS = ["a.one", "a.two", "b.one", "c.one"]
PIPELINE = {
    "tasks": {
        "a": {"steps": [{"name": "one", "run": COUNT}, {"name": "two", "run": COUNT}]},
        "b": {"steps": [{"name": "one", "run": COUNT + "; sleep 0.1"}]},
        "c": {"needs": ["a", "b"], "steps": [{"name": "one", "run": COUNT}]},
    }
}


def both(*names: str) -> list[str]:
    return [f"{name}:{side}" for name in names for side in ("before", "after")]


WORKING = [
    *both("order", "append run.accepted", "append run.started", "append step.started", "append step.ended"),
    *both("append run.ended", "act", "start", "script", "spawn", "step ended", "exited", "sweep", "make run"),
    *both("fdatasync"),
    "write:half#1",
    "write:half#4",
    "spawn:after#2",
    "fdatasync:before#4",
]
LATER = [  # the same points, met later in a run
    *[f"{point}#{hit}" for point in both("start", "spawn", "step ended") for hit in (2, 3, 4)],
    *[f"{point}#{hit}" for point in both("fdatasync") for hit in range(2, 9)],
    *[f"write:half#{hit}" for hit in (2, 3, 5, 6, 7, 8)],
]
COMING_UP = both(
    "prepare", "start daemon", "lock", "listen", "rename journal", "rename wrapper", "rename pid", "say"
)
RECOVERING = both("recover", "recover step", "adopt", "listen", "lock", "fdatasync", "act")
RELEASING = [
    *both("release", "append run.released", "remove", "trash", "rename journal"),
    "fdatasync:before",
    "fdatasync:after",
]
HANDING_OVER = [
    "exec:before",
    "handed:before",
    "greet:before",
    "greet:after",
    "recover:before",
    "recover:after",
]


@pytest.fixture
def control(home: str):
    control = Stubborn(home)
    yield control
    control.close()
    stop_daemon(home)
    for run in control.orders:
        assert not process.members(f"XENE_RUN={run}", None)


def right(control: Stubborn, run: str) -> None:
    """The invariants of a run that met faults."""
    state = control.ended(run)
    assert (state.phase, state.reason) == (phases.SUCCESS, None)
    with open(os.path.join(directory(control, run), "count")) as file:
        assert sorted(file.read().split()) == STEPS
    said = {f"{task}.{step}": text for (task, step), text in control.logs(run).items()}
    assert said == {step: f"said by {step}\n".encode() for step in STEPS}
    numbers = [event["n"] for event in control.events]
    assert numbers == sorted(set(numbers))
    kinds = [event["type"] for event in control.events if event.get("run") == run]
    assert [kinds.count(kind) for kind in ("run.accepted", "run.started", "run.ended")] == [1, 1, 1]
    assert [kinds.count(kind) for kind in ("step.started", "step.ended")] == [4, 4]
    assert not pending(control.home), "nobody died there"
    assert len(control.journals) == 1


def directory(control: Stubborn, run: str) -> str:
    return os.path.join(control.home, STATE, "probe", "runs", run)


@pytest.mark.parametrize("point", [*WORKING, *(pytest.param(p, marks=pytest.mark.soak) for p in LATER)])
def test_killed_at_work(control: Stubborn, point: str) -> None:
    arm(control.home, point)
    right(control, control.order(PIPELINE))


@pytest.mark.parametrize("point", COMING_UP)
def test_killed_while_it_comes_up(control: Stubborn, point: str) -> None:
    arm(control.home, point)
    right(control, control.order(PIPELINE))


@pytest.mark.parametrize("point", RECOVERING)
def test_killed_while_it_recovers(control: Stubborn, point: str) -> None:
    arm(control.home, "spawn:after#2", point)
    right(control, control.order(PIPELINE))


@pytest.mark.parametrize("point", RELEASING)
def test_killed_while_a_run_is_released(control: Stubborn, point: str) -> None:
    arm(control.home)
    first = control.order(PIPELINE)
    right(control, first)
    control.wishes.clear()
    arm(control.home, point)
    control.wish(messages.release(1, [first], []))
    control.until(lambda: control.has("run.released", first))
    control.until(lambda: control.probe and not pending(control.home))
    wait_until(lambda: not os.path.exists(directory(control, first)))
    assert sum(event["type"] == "run.released" for event in control.events) == 1
    control.wishes.clear()
    right(control, control.order(PIPELINE))


@pytest.mark.parametrize("point", HANDING_OVER)
def test_killed_while_newer_code_takes_over(control: Stubborn, point: str) -> None:
    arm(control.home)
    waits = {
        **PIPELINE["tasks"]["b"]["steps"][0],
        "run": COUNT + "; while [ ! -e ../go ]; do sleep 0.02; done",
    }
    run = control.order({"tasks": {**PIPELINE["tasks"], "b": {"steps": [waits]}}})
    control.until(lambda: os.path.exists(os.path.join(directory(control, run), "count")))
    assert control.probe is not None
    newer = os.path.join(control.home, "agent", "f" * 64)
    shutil.copytree(os.path.join(control.home, "agent", control.probe.hello["version"]), newer)
    control.close()
    arm(control.home, point)
    control.version = "f" * 64
    control.until(lambda: control.probe and not pending(control.home))
    open(os.path.join(directory(control, run), "go"), "w").close()
    right(control, run)
