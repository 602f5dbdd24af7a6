"""What happens next in a run: its state in, the events that announce the next acts out. Pure.

The agent journals what `advance` returns, folds it, and only then acts: a `step.started` is the intent to start
that process, so a crash in between is told apart from a step that never was to start. Called again with nothing
new it returns nothing.
"""

from __future__ import annotations

import heapq
from typing import List, Optional

from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.model import events, phases
from xene.model.events import Event

FIRST_ATTEMPT = 1


class Clock:
    """The instants of one decision: `at` in seconds since 1970, `up` of CLOCK_BOOTTIME under `boot`."""

    __slots__ = ("at", "boot", "up")

    def __init__(self, at: float, boot: str, up: float) -> None:
        self.at, self.boot, self.up = at, boot, up


def advance(run: RunProgress, now: Clock) -> List[Event]:
    """The next events of `run`, at most one layer deep: fold them and call again until there are none."""
    if run.ended or (run.started_at is None and not run.cancel_asked):
        return []
    if run.cancel_asked and not run.stopping:
        return [events.run_stopping(now.at, run.order.id), *_cancellations(run, now)]
    if run.to_omit:
        return [_omission(run, run.tasks[name], now) for name in run.to_omit]
    found: List[Event] = []
    for task in list(run.running.values()):
        found += _next_in_task(run, task, now)
    if not run.stopping:
        found += _task_starts(run, now)
        if not run.open_tasks:
            found.append(events.run_stopping(now.at, run.order.id))
    return _numbered(run, found)


def done(run: RunProgress) -> bool:
    """Whether nothing is left to do but to clean up and to record `ending`."""
    return run.stopping and not run.open_tasks and not run.ended


def ending(run: RunProgress, now: Clock) -> Event:
    """The `run.ended` of a run that is `done` and of which no process is left.

    A cancel that came when all had ended changes nothing.
    """
    if any(task.reason == phases.CANCELLED for task in run.by_index):
        reason = phases.KILLED if run.kill_asked else phases.CANCELLED
        return events.run_ended(now.at, run.order.id, phases.ERROR, reason, f"the run was {reason.lower()}")
    failed = run.first_error
    if failed is None:
        return events.run_ended(now.at, run.order.id, phases.SUCCESS)
    message = f"task {failed.name}: {failed.message}"
    return events.run_ended(now.at, run.order.id, phases.ERROR, failed.reason, message)


def _next_in_task(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    """What follows in a task that is under way: its next step, its end, or nothing while a step runs."""
    failed = task.failed_step
    if failed is not None:
        return [
            _task_end(
                run, task, now, phases.ERROR, failed.reason, f"step {failed.spec.name}: {failed.message}"
            )
        ]
    declared = run.pipeline.tasks[task.name].outputs
    undeclared = [name for name in task.outputs if name not in declared]
    if undeclared:
        message = f"'{undeclared[0]}' is written but not declared: add it to the task's outputs"
        return [_task_end(run, task, now, phases.ERROR, phases.OUTPUT_UNDECLARED, message)]
    if task.at_step == len(task.steps):
        missing = [name for name in declared if name not in task.outputs]
        if missing:
            message = f"'{missing[0]}' is declared but no step wrote it"
            return [_task_end(run, task, now, phases.ERROR, phases.OUTPUT_MISSING, message)]
        return [_task_end(run, task, now, phases.SUCCESS)]
    step = task.steps[task.at_step]
    if step.phase == phases.RUNNING:
        return []
    if run.stopping:
        message = f"the run was cancelled before step {step.spec.name}"
        return [_task_end(run, task, now, phases.ERROR, phases.CANCELLED, message)]
    return [_step_start(run, task, step, now)]


def _task_starts(run: RunProgress, now: Clock) -> List[Event]:
    room = run.pipeline.max_parallel - len(run.running)
    found: List[Event] = []
    for index in heapq.nsmallest(room, run.ready) if room > 0 else ():
        task = run.by_index[index]
        found.append(events.task_started(now.at, run.order.id, task.name, FIRST_ATTEMPT))
        found.append(_step_start(run, task, task.steps[0], now))
    return found


def _step_start(run: RunProgress, task: TaskProgress, step: StepProgress, now: Clock) -> Event:
    return events.step_started(
        now.at, run.order.id, task.name, step.spec.name, FIRST_ATTEMPT, 0, now.boot, now.up
    )


def _numbered(run: RunProgress, found: List[Event]) -> List[Event]:
    """Give each step attempt its `seq`, in the order in which they will start."""
    seq = run.steps_started
    for event in found:
        if event["type"] == "step.started":
            seq += 1
            event["seq"] = seq
    return found


def _task_end(
    run: RunProgress,
    task: TaskProgress,
    now: Clock,
    phase: str,
    reason: Optional[str] = None,
    message: Optional[str] = None,
) -> Event:
    outputs = task.outputs if phase == phases.SUCCESS else None
    return events.task_ended(now.at, run.order.id, task.name, FIRST_ATTEMPT, phase, reason, message, outputs)


def _omission(run: RunProgress, task: TaskProgress, now: Clock) -> Event:
    needs = run.pipeline.tasks[task.name].needs
    lost = [name for name in needs if run.tasks[name].ended and run.tasks[name].phase != phases.SUCCESS]
    message = f"needs {', '.join(lost)}, which did not succeed"
    return _task_end(run, task, now, phases.NOT_EXECUTED, phases.OMITTED, message)


def _cancellations(run: RunProgress, now: Clock) -> List[Event]:
    message = "the run was cancelled before it started"
    return [
        _task_end(run, task, now, phases.NOT_EXECUTED, phases.CANCELLED, message)
        for task in run.by_index
        if task.started_at is None and not task.ended
    ]
