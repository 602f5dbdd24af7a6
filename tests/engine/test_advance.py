"""Any DAG, any outcome of its steps, a cancel at any moment: what `advance` promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.probe import make_order
from xene.engine import retries
from xene.engine.advance import advance, done, ending
from xene.engine.again import to_repeat
from xene.engine.clock import Clock
from xene.engine.folds import fold
from xene.engine.progress import RunProgress, TaskProgress, begin
from xene.engine.timers import next_due
from xene.engine.view import view
from xene.model import events, phases

FINAL = {phases.SUCCESS, phases.ERROR, phases.NOT_EXECUTED}
EARLY = {phases.OMITTED, phases.CANCELLED, phases.REJECTED, phases.EMPTY_MATRIX, phases.SKIPPED}
RETRY = {"maxAttempts": 3, "backoff": {"initial": "1s", "factor": 2, "max": "3s"}}
STEP = {"steps": [{"name": "s", "exec": ["x"]}]}


@st.composite
def tasks(draw: st.DrawFn, index: int, names: list[str]) -> dict[str, Any]:
    needs = draw(st.lists(st.sampled_from(names), unique=True, max_size=4)) if names else []
    ons = st.sampled_from([None, "error", "skipped", "any", ["success", "error"]])
    steps = [
        {
            "name": f"s{number}",
            "exec": ["x"],
            "continueOnError": draw(st.booleans()),
            **({"retry": RETRY} if draw(st.integers(0, 3)) == 0 else {}),
        }
        for number in range(draw(st.integers(1, 3)))
    ]
    made: dict[str, Any] = {
        "needs": [{"task": need, **({"on": on} if (on := draw(ons)) else {})} for need in needs],
        "steps": steps,
    }
    if draw(st.booleans()):
        made["outputs"] = ["v"]
    if draw(st.integers(0, 3)) == 0:
        made["join"] = "any"
    if draw(st.integers(0, 4)) == 0:
        made["retry"] = RETRY
    if draw(st.integers(0, 4)) == 0:
        made["continueOnError"] = True
    if draw(st.integers(0, 4)) == 0:
        made["timeout"] = "4s"
    if draw(st.integers(0, 4)) == 0:
        made["approval"] = {"timeout": "10s"} if draw(st.booleans()) else {}
    if draw(st.integers(0, 3)) == 0:
        made["matrix"] = {
            "a": draw(st.sampled_from([[1], [1, 2], [1, 2, 3], ["x", True]])),
            "b": draw(st.sampled_from([["y"], ["y", "z"]])),
            **({"exclude": [{"a": 1}]} if draw(st.booleans()) else {}),
            **({"maxParallel": 1} if draw(st.booleans()) else {}),
            **({"failFast": True} if draw(st.booleans()) else {}),
        }
    return made


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, Any]:
    names: list[str] = []
    made: dict[str, Any] = {}
    for index in range(draw(st.integers(1, 8))):
        made[f"t{index}"] = draw(tasks(index, names))
        names.append(f"t{index}")
    pipeline: dict[str, Any] = {"maxParallel": draw(st.integers(1, 4)), "tasks": made}
    if draw(st.booleans()):
        pipeline["finally"] = {"f0": STEP, "f1": {**STEP, "needs": ["f0"]}}
    if draw(st.integers(0, 3)) == 0:
        pipeline["failFast"] = True
    if draw(st.integers(0, 3)) == 0:
        pipeline["timeout"] = "20s"
    return pipeline


class Simulation:
    """An agent without processes: `data` decides which running step ends next, and how."""

    def __init__(self, pipeline: dict[str, Any], run: str = "20261123-023000-aaaaaaaa") -> None:
        order = replace(make_order(pipeline), id=run)
        self.seconds = 0.0
        self.journal = [events.run_accepted(self.now.at, order.id, order.to_json())]
        self.run = begin(self.journal[0])
        self.attempts: dict[tuple[str, str], int] = {}
        self.record(events.run_started(self.now, order.id))

    @property
    def now(self) -> Clock:
        return Clock(1_000_000.0 + self.seconds, "boot-1", 5.0 + self.seconds)

    def record(self, event: dict[str, Any]) -> None:
        self.journal.append(event)
        if event["type"] == "task.started":
            self.check_start(self.run.tasks[event["task"]])
        if event["type"] == "step.started":
            key = event["task"], event["step"]
            assert event["attempt"] == self.attempts.get(key, 0) + 1, "an attempt was counted twice"
            self.attempts[key] = event["attempt"]
        fold(self.run, event)

    def check_start(self, task: TaskProgress) -> None:
        run, spec = self.run, task.spec
        held = [run.tasks[need.task].ended and run.tasks[need.task].satisfies(need.on) for need in spec.needs]
        assert not held or (any if spec.join == "any" else all)(held), "a task started before its needs held"
        assert task.final == run.stopping, "only `finally` starts when a run stops, and not before"
        assert not run.paused
        if spec.matrix is not None:
            running = [
                c for c in (task.parent.children if task.parent else []) or [] if c.name in run.running
            ]
            assert (
                task.parent is not None and len(running) < (spec.matrix.max_parallel or 99)
            ) or task.attempt

    def settle(self) -> None:
        while found := advance(self.run, self.now):
            for event in found:
                self.record(event)
            assert len(self.run.running) <= self.run.pipeline.max_parallel
            if self.run.paused and self.run.answered:
                self.record(events.run_resumed(self.now, self.run.order.id))
        if self.run.paused and self.run.answered:
            self.record(events.run_resumed(self.now, self.run.order.id))
            return self.settle()
        assert advance(self.run, self.now) == []

    def live(self) -> list[int]:
        return [
            seq
            for seq, (_, step, _) in self.run.by_seq.items()
            if step.seq == seq and step.phase == phases.RUNNING
        ]

    def end_step(self, seq: int, phase: str, outputs: dict[str, str]) -> None:
        task, step, attempt = self.run.by_seq[seq]
        reason = None
        if phase == phases.ERROR:
            reason = task.stop[0] if task.stop else phases.STEP_FAILED
        run = self.run.order.id
        self.record(
            events.step_ended(
                self.now.at, run, task.name, step.spec.name, attempt, phase, reason, reason, 0, outputs
            )
        )

    def play(self, data: st.DataObject) -> None:
        self.settle()
        for _ in range(600):
            if done(self.run):
                self.record(ending(self.run, self.now))
                self.settle()
                return
            self.one_move(data)
            self.settle()
        raise AssertionError("the run has no end")

    def one_move(self, data: st.DataObject) -> None:
        run, live = self.run, self.live()
        if data.draw(st.integers(0, 40)) == 0 and not run.kill_asked:
            return self.record(events.cancel_asked(self.now.at, run.order.id, data.draw(st.booleans())))
        if run.asked and (not live or data.draw(st.booleans())):
            name = data.draw(st.sampled_from(sorted(run.asked)))
            approved = data.draw(st.integers(0, 3)) > 0
            if data.draw(st.booleans()) or run.asked[name].spec.approval.timeout is None:  # type: ignore[union-attr]
                return self.record(
                    events.approval_answered(self.now.at, run.order.id, name, approved, "said so")
                )
        due = next_due(run, self.now)
        if due is not None and (not live or data.draw(st.integers(0, 4)) == 0):
            self.seconds += max(0.0, due - self.now.up) + 0.001
            return None
        assert live, "nothing runs and the run is not done: it would hang"
        phase = data.draw(st.sampled_from([phases.SUCCESS, phases.SUCCESS, phases.ERROR]))
        outputs = data.draw(st.sampled_from([{}, {"v": "1"}]))
        return self.end_step(data.draw(st.sampled_from(live)), phase, outputs)


def check(run: RunProgress) -> None:
    assert run.ended
    for task in run.tasks.values():
        assert task.ended and task.phase in FINAL, task.name
        if task.phase == phases.NOT_EXECUTED:
            assert task.reason in EARLY and (task.started_at is None or task.is_sum)
        if task.children is not None and task.phase == phases.SUCCESS:
            assert all(child.phase == phases.SUCCESS for child in task.children)
            assert all(len(values) == len(task.children) for values in task.published.values())
    failed = any(task.is_failure for task in run.tasks.values() if task.parent is None)
    stopped = run.stop is not None or any(
        task.reason == phases.CANCELLED and not task.parent for task in run.tasks.values()
    )
    assert (run.phase == phases.ERROR) == (failed or stopped)
    if run.stop and run.stop[0] == phases.CANCELLED:
        assert run.reason == (phases.KILLED if run.kill_asked else phases.CANCELLED)


@settings(max_examples=400, deadline=None)
@given(pipelines(), st.data())
def test_any_dag_with_any_outcome_ends_with_every_task_in_one_state(
    pipeline: dict[str, Any], data: st.DataObject
) -> None:
    simulation = Simulation(pipeline)
    simulation.play(data)
    check(simulation.run)


@settings(max_examples=150, deadline=None)
@given(pipelines(), st.data())
def test_a_retried_run_repeats_what_failed_and_ends_again(
    pipeline: dict[str, Any], data: st.DataObject
) -> None:
    simulation = Simulation(pipeline)
    simulation.play(data)
    run = simulation.run
    start = data.draw(st.sampled_from([None, *pipeline["tasks"]]))
    again = to_repeat(run, start)
    if run.phase == phases.ERROR or start is not None:
        assert again or run.reason in (phases.CANCELLED, phases.KILLED, phases.TIMEOUT), run.reason
    kept = {name: view(run)[name] for name in run.tasks if not {name, name.partition("[")[0]} & set(again)}
    simulation.record(events.run_retried(simulation.now.at, run.order.id, 2, again))
    assert run.phase == phases.QUEUED and not run.ended
    simulation.record(events.run_started(simulation.now, run.order.id))
    simulation.play(data)
    check(run)
    after = view(run)
    assert all(after[name] == before for name, before in kept.items() if name in after)


@settings(max_examples=100, deadline=None)
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
        advance(first, simulation.now)  # asking must not change the state
    assert view(first) == view(second)
    assert advance(first, simulation.now) == advance(second, simulation.now)
    for event in simulation.journal[cut:]:
        fold(first, event)
    assert view(first) == view(simulation.run)


def test_a_cancel_after_all_is_done_changes_nothing() -> None:
    simulation = Simulation({"tasks": {"t": STEP}})
    simulation.settle()
    simulation.end_step(1, phases.SUCCESS, {})
    simulation.settle()
    simulation.record(events.cancel_asked(simulation.now.at, simulation.run.order.id, False))
    simulation.settle()
    assert ending(simulation.run, simulation.now)["phase"] == phases.SUCCESS


def test_a_run_that_is_cancelled_before_it_starts_runs_nothing() -> None:
    order = make_order({"tasks": {"t": STEP}, "finally": {"f": STEP}})
    now = Clock(0.0, "boot", 0.0)
    run = begin(events.run_accepted(now.at, order.id, order.to_json()))
    assert advance(run, now) == []
    fold(run, events.cancel_asked(now.at, order.id, False))
    while found := advance(run, now):
        for event in found:
            assert event["type"] != "step.started"
            fold(run, event)
    assert done(run)
    assert ending(run, now)["reason"] == phases.CANCELLED


def test_seq_numbers_follow_the_order_of_the_manifest() -> None:
    simulation = Simulation({"tasks": dict.fromkeys(("z", "a", "m"), STEP)})
    simulation.settle()
    started = [(seq, task.name) for seq, (task, _, _) in simulation.run.by_seq.items()]
    assert started == [(1, "z"), (2, "a"), (3, "m")]


def test_a_pause_between_attempts_of_a_task_is_not_in_its_timeout() -> None:
    retry = {"maxAttempts": 2, "backoff": {"initial": "10s", "max": "10s"}}
    simulation = Simulation({"tasks": {"t": {**STEP, "timeout": "1s", "retry": retry}}})
    simulation.settle()
    simulation.end_step(1, phases.ERROR, {})
    simulation.settle()
    simulation.seconds = 5.0
    simulation.settle()
    task = simulation.run.tasks["t"]
    assert task.reason == phases.WAITING_FOR_RETRY and not task.ended
    due = next_due(simulation.run, simulation.now)
    assert due is not None and due > simulation.now.up + 1.0
    simulation.seconds = 11.0
    simulation.settle()
    assert task.attempt == 2 and simulation.live() == [2]


def test_pauses_grow_to_their_maximum_and_are_the_same_each_time() -> None:
    from xene.model.pipeline_codec import retry_from_json

    retry = retry_from_json(RETRY)
    pauses = [retries.pause(retry, failures, "salt") for failures in (1, 2, 3, 4)]
    assert pauses == [retries.pause(retry, failures, "salt") for failures in (1, 2, 3, 4)]
    assert 1.0 <= pauses[0] <= 1.1 and 2.0 <= pauses[1] <= 2.2
    assert all(3.0 / 1.1 <= pause <= 3.0 for pause in pauses[2:])
    assert len({retries.pause(retry, 9, f"salt {n}") for n in range(20)}) > 15
