"""Any DAG, any outcome of its steps, a cancel at any moment: what `advance` promises."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.probe import make_order
from xene.engine.advance import Clock, advance, done, ending
from xene.engine.progress import RunProgress, begin, fold, view
from xene.model import events, phases

NOW = Clock(1_000_000.0, "boot-1", 5.0)
FINAL = {phases.SUCCESS, phases.ERROR, phases.NOT_EXECUTED}


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 12))
    tasks: dict[str, Any] = {}
    for index in range(count):
        needs = draw(st.lists(st.sampled_from(range(index)), unique=True, max_size=4)) if index else []
        steps = [
            {"name": f"s{number}", "exec": ["x"], "continueOnError": draw(st.booleans())}
            for number in range(draw(st.integers(1, 3)))
        ]
        outputs = ["v"] if draw(st.booleans()) else []
        tasks[f"t{index}"] = {"needs": [f"t{need}" for need in needs], "outputs": outputs, "steps": steps}
    return {"maxParallel": draw(st.integers(1, 4)), "tasks": tasks}


class Simulation:
    """An agent without processes: `draw` decides which running step ends next, and how."""

    def __init__(self, pipeline: dict[str, Any]) -> None:
        order = make_order(pipeline)
        self.journal = [events.run_accepted(NOW.at, order.id, order.to_json())]
        self.run = begin(self.journal[0])
        self.started: list[str] = []
        self.record(events.run_started(NOW.at, order.id))

    def record(self, event: dict[str, Any]) -> None:
        self.journal.append(event)
        fold(self.run, event)
        if event["type"] == "task.started":
            self.started.append(event["task"])
            for need in self.run.pipeline.tasks[event["task"]].needs:
                assert self.run.tasks[need].phase == phases.SUCCESS, "a task started before its needs"

    def settle(self) -> None:
        while found := advance(self.run, NOW):
            for event in found:
                self.record(event)
            assert len(self.run.running) <= self.run.pipeline.max_parallel
        assert advance(self.run, NOW) == []

    def live(self) -> list[int]:
        return [seq for seq, (_, step) in self.run.by_seq.items() if step.phase == phases.RUNNING]

    def end_step(self, seq: int, phase: str, outputs: dict[str, str]) -> None:
        task, step = self.run.by_seq[seq]
        reason = None
        if phase == phases.ERROR:
            reason = phases.CANCELLED if self.run.cancel_asked else phases.STEP_FAILED
        run = self.run.order.id
        event = events.step_ended(
            NOW.at, run, task.name, step.spec.name, 1, phase, reason, reason, 0, outputs
        )
        self.record(event)

    def play(self, data: st.DataObject) -> None:
        self.settle()
        for _ in range(200):
            if done(self.run):
                self.record(ending(self.run, NOW))
                self.settle()
                return
            if not self.run.cancel_asked and data.draw(st.integers(0, 12)) == 0:
                self.record(events.cancel_asked(NOW.at, self.run.order.id, data.draw(st.booleans())))
                self.settle()
                continue
            live = self.live()
            assert live, "nothing runs and the run is not done: it would hang"
            phase = data.draw(st.sampled_from([phases.SUCCESS, phases.SUCCESS, phases.ERROR]))
            outputs = data.draw(st.sampled_from([{}, {"v": "1"}]))
            self.end_step(data.draw(st.sampled_from(live)), phase, outputs)
            self.settle()
        raise AssertionError("the run has no end")


def check(run: RunProgress) -> None:
    assert run.ended
    for task in run.by_index:
        assert task.ended and task.phase in FINAL
        needs = [run.tasks[name] for name in run.pipeline.tasks[task.name].needs]
        if task.reason == phases.OMITTED:
            assert any(need.phase != phases.SUCCESS for need in needs)
        if task.phase == phases.NOT_EXECUTED:
            assert task.reason in (phases.OMITTED, phases.CANCELLED)
            assert task.started_at is None
    failed = any(task.phase == phases.ERROR for task in run.by_index)
    cancelled = any(task.reason == phases.CANCELLED for task in run.by_index)
    assert (run.phase == phases.ERROR) == (failed or cancelled)
    if cancelled:
        assert run.reason == (phases.KILLED if run.kill_asked else phases.CANCELLED)


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.data())
def test_any_dag_with_any_outcome_ends_with_every_task_in_one_state(
    pipeline: dict[str, Any], data: st.DataObject
) -> None:
    simulation = Simulation(pipeline)
    simulation.play(data)
    check(simulation.run)
    assert len(simulation.started) == len(set(simulation.started))


@settings(max_examples=60, deadline=None)
@given(pipelines(), st.data())
def test_the_same_journal_gives_the_same_state_and_the_same_next_events(
    pipeline: dict[str, Any], data: st.DataObject
) -> None:
    simulation = Simulation(pipeline)
    simulation.play(data)
    cut = data.draw(st.integers(1, len(simulation.journal)))
    first, second = begin(simulation.journal[0]), begin(simulation.journal[0])
    for event in simulation.journal[1:cut]:
        fold(first, event)
        fold(second, event)
        advance(first, NOW)  # asking must not change the state
    assert view(first) == view(second)
    assert advance(first, NOW) == advance(second, NOW)
    for event in simulation.journal[cut:]:
        fold(first, event)
    assert view(first) == view(simulation.run)


def test_a_cancel_after_all_is_done_changes_nothing() -> None:
    simulation = Simulation({"tasks": {"t": {"steps": [{"name": "s", "exec": ["x"]}]}}})
    simulation.settle()
    simulation.end_step(1, phases.SUCCESS, {})
    simulation.settle()
    simulation.record(events.cancel_asked(NOW.at, simulation.run.order.id, False))
    simulation.settle()
    assert ending(simulation.run, NOW)["phase"] == phases.SUCCESS


def test_a_run_that_is_cancelled_before_it_starts_runs_nothing() -> None:
    order = make_order({"tasks": {"t": {"steps": [{"name": "s", "exec": ["x"]}]}}})
    run = begin(events.run_accepted(NOW.at, order.id, order.to_json()))
    assert advance(run, NOW) == []
    fold(run, events.cancel_asked(NOW.at, order.id, False))
    while found := advance(run, NOW):
        for event in found:
            fold(run, event)
    assert done(run)
    assert ending(run, NOW)["reason"] == phases.CANCELLED


def test_seq_numbers_follow_the_order_of_the_manifest() -> None:
    tasks = {name: {"steps": [{"name": "s", "exec": ["x"]}]} for name in ("z", "a", "m")}
    simulation = Simulation({"tasks": tasks})
    simulation.settle()
    assert [(seq, task.name) for seq, (task, _) in simulation.run.by_seq.items()] == [
        (1, "z"),
        (2, "a"),
        (3, "m"),
    ]
