"""How far a run has come: its events folded into one state, on the agent and wherever a run is shown. Pure.

`begin` makes the state of a run that was accepted, `fold` adds one event. Nothing else changes it, so the same
journal always gives the same state. The indexes (`waits_for`, `ready`, `open_tasks`) are kept by `fold` so that
`advance` need not look at tasks that nothing happened to.
"""

from __future__ import annotations

import heapq
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from xene.model import phases
from xene.model.codec import pipeline_from_json
from xene.model.events import Event
from xene.model.run import RunOrder
from xene.model.units import rfc3339
from xene.model.workflow import Pipeline, Step


class StepProgress:
    """One step of a task, at its newest attempt."""

    __slots__ = (
        "attempt",
        "boot",
        "exit_code",
        "finished_at",
        "message",
        "phase",
        "reason",
        "seq",
        "spec",
        "started_at",
        "up",
    )

    def __init__(self, spec: Step) -> None:
        self.spec = spec
        self.phase = phases.NOT_EXECUTED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.exit_code: Optional[int] = None
        self.attempt: Optional[int] = None
        self.seq = 0
        self.boot = ""
        self.up = 0.0
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None


class TaskProgress:
    """One task: `at_step` is the index of the step that is running or comes next."""

    __slots__ = (
        "at_step", "attempt", "ended", "failed_step", "finished_at", "index", "message", "name", "outputs",
        "phase", "published", "reason", "started_at", "steps",
    )  # fmt: skip

    def __init__(self, name: str, index: int, steps: List[StepProgress]) -> None:
        self.name = name
        self.index = index
        self.steps = steps
        self.phase = phases.NOT_EXECUTED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.attempt: Optional[int] = None
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.outputs: Dict[str, str] = {}  # collected from steps, published when the task has succeeded
        self.published: Dict[str, str] = {}
        self.at_step = 0
        self.failed_step: Optional[StepProgress] = None
        self.ended = False


class RunProgress:
    """One run. `ready` is a heap of the indexes of tasks whose needs are met and that have not started."""

    def __init__(self, order: RunOrder, pipeline: Pipeline, accepted_at: float) -> None:
        self.order = order
        self.pipeline = pipeline
        self.phase = phases.QUEUED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.accepted_at = accepted_at
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.cancel_asked = False
        self.kill_asked = False
        self.stopping = False
        self.released = False
        self.steps_started = 0
        self.tasks: Dict[str, TaskProgress] = {
            name: TaskProgress(name, index, [StepProgress(step) for step in task.steps])
            for index, (name, task) in enumerate(pipeline.tasks.items())
        }
        self.by_index = list(self.tasks.values())
        self.by_seq: Dict[int, Tuple[TaskProgress, StepProgress]] = {}
        self.needed_by: Dict[str, List[str]] = {name: [] for name in self.tasks}
        self.waits_for: Dict[str, int] = {}
        for name, task in pipeline.tasks.items():
            self.waits_for[name] = len(task.needs)
            for need in task.needs:
                self.needed_by[need].append(name)
        self.ready = [task.index for task in self.by_index if not self.waits_for[task.name]]
        self.to_omit: Dict[str, None] = {}  # tasks that can no longer run, not yet recorded as ended
        self.running: Dict[str, TaskProgress] = {}
        self.open_tasks = len(self.tasks)
        self.first_error: Optional[TaskProgress] = None

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in phases.ENDED


def begin(accepted: Event) -> RunProgress:
    """The state of a run right after its `run.accepted` event."""
    order = RunOrder.from_json(accepted["order"])
    pipeline = pipeline_from_json(order.pipeline, order.spec["pipeline"])
    return RunProgress(order, pipeline, accepted["at"])


def fold(run: RunProgress, event: Event) -> None:
    """Add one event. Types that say nothing about a run's progress are passed over."""
    act = _FOLDS.get(event["type"])
    if act is not None:
        act(run, event)


def _run_started(run: RunProgress, event: Event) -> None:
    run.phase, run.started_at = phases.STARTING_UP, event["at"]
    run.reason = run.message = None


def _task_started(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    task.phase, task.attempt, task.started_at = phases.RUNNING, event["attempt"], event["at"]
    run.running[task.name] = task
    if run.ready and run.ready[0] == task.index:
        heapq.heappop(run.ready)
    if run.phase == phases.STARTING_UP:
        run.phase = phases.RUNNING


def _step_started(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    step = _step(task, event["step"])
    step.phase, step.attempt, step.seq = phases.RUNNING, event["attempt"], event["seq"]
    step.started_at, step.boot, step.up = event["at"], event["boot"], event["up"]
    run.steps_started = max(run.steps_started, step.seq)
    run.by_seq[step.seq] = (task, step)


def _step_ended(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    step = _step(task, event["step"])
    step.phase, step.reason, step.message = event["phase"], event["reason"], event["message"]
    step.exit_code, step.finished_at, step.attempt = event["exitCode"], event["at"], event["attempt"]
    task.at_step += 1
    if step.phase == phases.SUCCESS:
        task.outputs.update(event["outputs"])
    elif not step.spec.continue_on_error or step.reason == phases.CANCELLED:
        task.failed_step = step


def _task_ended(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    task.phase, task.reason, task.message = event["phase"], event["reason"], event["message"]
    task.finished_at = event["at"] if task.started_at is not None else None
    task.published = event["outputs"]
    task.ended = True
    run.running.pop(task.name, None)
    run.to_omit.pop(task.name, None)
    run.open_tasks -= 1
    if task.phase == phases.ERROR and run.first_error is None:
        run.first_error = task
    for name in run.needed_by[task.name]:
        if task.phase != phases.SUCCESS:
            if not run.tasks[name].ended:
                run.to_omit[name] = None
            continue
        run.waits_for[name] -= 1
        if not run.waits_for[name]:
            heapq.heappush(run.ready, run.tasks[name].index)


def _cancel_asked(run: RunProgress, event: Event) -> None:
    run.cancel_asked = True
    run.kill_asked = run.kill_asked or event["kill"]


def _run_stopping(run: RunProgress, _: Event) -> None:
    run.stopping = True
    run.phase = phases.SHUTTING_DOWN


def _run_ended(run: RunProgress, event: Event) -> None:
    run.phase, run.reason, run.message = event["phase"], event["reason"], event["message"]
    run.finished_at = event["at"]


def _run_released(run: RunProgress, _: Event) -> None:
    run.released = True


_FOLDS: Dict[str, Callable[[RunProgress, Event], None]] = {
    "run.started": _run_started,
    "task.started": _task_started,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "task.ended": _task_ended,
    "cancel.asked": _cancel_asked,
    "run.stopping": _run_stopping,
    "run.ended": _run_ended,
    "run.released": _run_released,
}


def _step(task: TaskProgress, name: str) -> StepProgress:
    step = task.steps[task.at_step]
    if step.spec.name != name:
        raise ValueError(f"the journal has step {name} of task {task.name} out of turn")
    return step


# -- as JSON, in the form of SPEC 4


def view(run: RunProgress) -> Dict[str, Any]:
    """`{NAME: {phase, reason, ..., attempts, steps}}`: every task of the run, in the manifest's order."""
    return {task.name: _task_view(task) for task in run.by_index}


def _task_view(task: TaskProgress) -> Dict[str, Any]:
    times = {"startedAt": _instant(task.started_at), "finishedAt": _instant(task.finished_at)}
    state = {"phase": task.phase, "reason": task.reason, "message": task.message}
    attempts = [] if task.attempt is None else [{"attempt": task.attempt, **state, **times}]
    return {
        **state,
        "attempt": task.attempt,
        **times,
        "outputs": dict(task.published),
        "attempts": attempts,
        "steps": [_step_view(step) for step in task.steps],
    }


def _step_view(step: StepProgress) -> Mapping[str, Any]:
    return {
        "name": step.spec.name,
        "phase": step.phase,
        "reason": step.reason,
        "message": step.message,
        "exitCode": step.exit_code,
        "attempt": step.attempt,
        "startedAt": _instant(step.started_at),
        "finishedAt": _instant(step.finished_at),
    }


def _instant(at: Optional[float]) -> Optional[str]:
    return None if at is None else rfc3339(at)
