"""What happens next within one task: its next step, another try, its end. Pure; asked by `advance`."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from xene.engine import retries
from xene.engine.clock import Clock, passed
from xene.engine.outputs import too_large
from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.model import events, phases
from xene.model.events import Event
from xene.model.units import format_duration


def start_task(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    """Its next attempt, and the first step of that."""
    begun = events.task_started(now, run.order.id, task.name, (task.attempt or 0) + 1)
    return [begun, _step_start(run, task, task.steps[0], now)]


def next_in_task(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    """What follows in a task that is under way; nothing while a step runs, or a pause goes on."""
    if task.stop is None:
        stop = _why_stop(run, task, now)
        if stop is not None:
            return [events.task_stopping(now.at, run.order.id, task.name, *stop)]
    if task.running_step is not None:
        return []
    if task.stop is not None:
        return _attempt_failed(run, task, now, *task.stop)
    if task.planned is not None:
        return _after_pause(run, task, now)
    return _after_step(run, task, now)


def _why_stop(run: RunProgress, task: TaskProgress, now: Clock) -> Optional[tuple[str, str]]:
    if run.stopping and (run.stop is not None or run.kill_asked) and (not task.final or run.kill_asked):
        return phases.CANCELLED, run.stop[1] if run.stop is not None else "the run was killed"
    limit = task.spec.timeout
    if limit is not None and task.began is not None and passed(task.began, now) >= limit:
        return phases.TIMEOUT, f"the task took longer than {format_duration(limit)}"
    return None


def _after_pause(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    planned = task.planned
    if planned is None or passed(planned.since, now) < planned.after or run.held is not None:
        return []
    return start_task(run, task, now) if planned.step is None else [_step_start(run, task, planned.step, now)]


def _after_step(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    at = task.at_step
    if task.failed is not None:
        failed = task.failed
        retry, code = failed.spec.retry, failed.exit_code
        if retries.allowed(retry, failed.tries, failed.faults, failed.reason, code):
            return [_plan(run, task, failed, now)]
        if not failed.spec.continue_on_error or failed.reason in (phases.CANCELLED, phases.KILLED):
            message = failed.message if failed.internal else f"step {failed.spec.name}: {failed.message}"
            return _attempt_failed(run, task, now, failed.reason, message, code)
        at = failed.index + 1
    undeclared = next((name for name in task.outputs if name not in task.spec.outputs), None)
    if undeclared is not None:
        message = f"'{undeclared}' is written but not declared: add it to the task's outputs"
        return _attempt_failed(run, task, now, phases.OUTPUT_UNDECLARED, message)
    if at == len(task.steps):
        return _completed(run, task, now)
    return [] if run.held is not None else [_step_start(run, task, task.steps[at], now)]


def _completed(run: RunProgress, task: TaskProgress, now: Clock) -> List[Event]:
    missing = next((name for name in task.spec.outputs if name not in task.outputs), None)
    if missing is not None:
        message = f"'{missing}' is declared but no step wrote it"
        return _attempt_failed(run, task, now, phases.OUTPUT_MISSING, message)
    large = too_large(task.outputs)
    if large is not None:
        return _attempt_failed(run, task, now, phases.OUTPUT_INVALID, large)
    return [task_end(run, task, now, phases.SUCCESS, outputs=task.outputs, artifacts=task.artifacts)]


def _attempt_failed(
    run: RunProgress,
    task: TaskProgress,
    now: Clock,
    reason: Optional[str],
    message: Optional[str],
    code: Optional[int] = None,
) -> List[Event]:
    """Another try of the whole task, or its end."""
    fault = retries.is_fault(reason)
    tries, faults = task.tries + (not fault), task.faults + fault
    if not retries.allowed(task.spec.retry, tries, faults, reason, code):
        return [task_end(run, task, now, phases.ERROR, reason, message)]
    salt = f"{run.order.id} {task.name} {task.attempt}"
    after = retries.pause(task.spec.retry, tries + faults, salt)
    attempt = task.attempt or 1
    return [events.retry_planned(now, run.order.id, task.name, None, attempt, after, reason, message)]


def _plan(run: RunProgress, task: TaskProgress, step: StepProgress, now: Clock) -> Event:
    """Another try of a step that has failed."""
    attempt = step.attempt or 1
    salt = f"{run.order.id} {task.name} {step.spec.name} {attempt}"
    after = retries.pause(step.spec.retry, step.tries + step.faults, salt)
    name, message = step.spec.name, f"step {step.spec.name}: {step.message}"
    return events.retry_planned(now, run.order.id, task.name, name, attempt, after, step.reason, message)


def _step_start(run: RunProgress, task: TaskProgress, step: StepProgress, now: Clock) -> Event:
    attempt = (step.attempt or 0) + 1
    return events.step_started(now, run.order.id, task.name, step.spec.name, attempt, 0)


def task_end(
    run: RunProgress,
    task: TaskProgress,
    now: Clock,
    phase: str,
    reason: Optional[str] = None,
    message: Optional[str] = None,
    *,
    outputs: Optional[Mapping[str, Any]] = None,
    artifacts: Optional[List[Any]] = None,
) -> Event:
    """The end of a task. Only one that has succeeded publishes anything."""
    attempt = task.attempt or 1
    return events.task_ended(
        now.at, run.order.id, task.name, attempt, phase, reason, message, outputs, artifacts
    )
