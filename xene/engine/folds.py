"""One event after another folded into the state of a run: the only code that changes it. Pure."""

from __future__ import annotations

import heapq
from typing import Callable, Dict

from xene.engine.clock import of_event, passed
from xene.engine.progress import Planned, RunProgress, StepProgress, TaskProgress
from xene.engine.retries import is_fault
from xene.model import phases
from xene.model.events import Event
from xene.model.workflow import OUTCOME_ERROR, Connector


def fold(run: RunProgress, event: Event) -> None:
    """Add one event. Types that say nothing about a run's progress are passed over."""
    act = _FOLDS.get(event["type"])
    if act is not None:
        act(run, event)


# -- the run


def _run_held(run: RunProgress, event: Event) -> None:
    run.held = (event["reason"], event["message"])
    run.reason, run.message = run.held


def _run_freed(run: RunProgress, _: Event) -> None:
    run.held = run.reason = run.message = None


def _run_started(run: RunProgress, event: Event) -> None:
    run.phase, run.started_at = phases.STARTING_UP, event["at"]
    run.running_since = of_event(event)
    run.reason = run.message = None


def _run_waiting(run: RunProgress, event: Event) -> None:
    now = of_event(event)
    run.ran += passed(run.running_since, now) if run.running_since else 0.0
    run.paused, run.answered = True, False
    run.reason, run.message = phases.WAITING_FOR_APPROVAL, f"of {', '.join(run.asked)}"


def _run_resumed(run: RunProgress, event: Event) -> None:
    run.running_since = of_event(event)
    run.paused = run.answered = False
    run.reason = run.message = None


def _cancel_asked(run: RunProgress, event: Event) -> None:
    run.cancel_asked = run.cancel_asked or event.get("reason", phases.CANCELLED)
    run.kill_asked = run.kill_asked or event["kill"]


def _run_stopping(run: RunProgress, event: Event) -> None:
    run.stopping = True
    run.phase = phases.SHUTTING_DOWN
    run.reason = run.message = None
    if event.get("reason") is not None:
        run.stop = (event["reason"], event["message"])
    run.open_finals()


def _run_ended(run: RunProgress, event: Event) -> None:
    run.phase, run.reason, run.message = event["phase"], event["reason"], event["message"]
    run.finished_at = event["at"]


def _run_retried(run: RunProgress, event: Event) -> None:
    again = dict.fromkeys(event["tasks"])
    run.attempt = event["attempt"]
    for name in again:
        task = run.tasks.get(name)
        if task is None or task.parent is not None:
            continue
        children = task.children or []
        kept = children if any(child.name in again for child in children) else None
        for child in children:
            if kept is None:
                run.former[child.name] = run.tasks.pop(child.name)
            if kept is None or child.name in again:
                _begin_anew(child)
        _begin_anew(task)
        task.children, task.approved = kept, kept is not None
    run.restart()


def _begin_anew(task: TaskProgress) -> None:
    if not task.is_sum:
        task.set_aside(task.reason, task.message, task.finished_at or 0.0)
    task.reset()


def _run_released(run: RunProgress, _: Event) -> None:
    run.released = True


# -- tasks


def _matrix_expanded(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    run.reached.pop(task.name, None)
    task.children = []
    for number, (name, values) in enumerate(event["instances"], 1):
        child = run.former.pop(name, None) or TaskProgress(task.spec, name, task.order, final=task.final)
        child.order, child.parent, child.values = (task.order[0], number), task, values
        run.tasks[name] = child
        task.children.append(child)
    run.expand(task)


def _approval_asked(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    task.asked = of_event(event)
    task.reason, task.message = phases.WAITING_FOR_APPROVAL, event["message"]
    run.asked[task.name] = task
    run.reached.pop(task.name, None)
    if run.phase == phases.STARTING_UP:
        run.phase = phases.RUNNING


def _approval_answered(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    run.asked.pop(task.name, None)
    task.reason = task.message = None
    task.approved = event["approved"]
    task.rejected = None if event["approved"] else event["message"]
    run.reached[task.name] = None
    run.answered = True


def _task_started(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    task.begin_attempt(of_event(event))
    task.phase, task.attempt, task.started_at = phases.RUNNING, event["attempt"], event["at"]
    task.reason = task.message = None
    run.running[task.name] = task
    _drop_started(run)
    if task.parent is not None and task.parent.started_at is None:
        task.parent.phase, task.parent.started_at = phases.RUNNING, event["at"]
        task.parent.attempt = run.attempt
    if run.phase == phases.STARTING_UP:
        run.phase = phases.RUNNING


def _drop_started(run: RunProgress) -> None:
    """Take from the top of `ready` what is no longer waiting."""
    while run.ready and not _waits(run.tasks[run.ready[0][1]]):
        heapq.heappop(run.ready)


def _waits(task: TaskProgress) -> bool:
    return task.started_at is None and not task.ended


def _retry_planned(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    step = None if event["step"] is None else task.by_step[event["step"]]
    task.planned = Planned(step, event["after"], of_event(event))
    task.failed = None
    if step is None:
        task.phase = phases.ERROR
        task.set_aside(event["reason"], event["message"], event["at"])
        task.phase, task.stop = phases.RUNNING, None
        task.began = None  # the pause belongs to no attempt: its timeout does not go on
        task.faults += is_fault(event["reason"])
        task.tries += not is_fault(event["reason"])
    task.reason, task.message = phases.WAITING_FOR_RETRY, event["message"]


def _task_stopping(run: RunProgress, event: Event) -> None:
    run.tasks[event["task"]].stop = (event["reason"], event["message"])


def _task_ended(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    task.phase, task.reason, task.message = event["phase"], event["reason"], event["message"]
    task.finished_at = event["at"] if task.started_at is not None else None
    task.published = event["outputs"]
    task.artifacts = event.get("artifacts", [])
    task.ended, task.planned = True, None
    run.running.pop(task.name, None)
    run.asked.pop(task.name, None)
    for index in (run.to_omit, run.reached, run.to_sum, run.to_cut):
        index.pop(task.name, None)
    _drop_started(run)
    if task.parent is not None:
        return _child_ended(run, task, task.parent)
    if task.is_failure:
        run.failures.append(task)
    if task.final:
        run.open_final -= 1
    else:
        run.open_main -= 1
    for name, connector in run.needed_by[task.name]:
        _tell(run, run.tasks[name], connector, task.satisfies(connector.on))
    run.open_finals()


def _child_ended(run: RunProgress, child: TaskProgress, parent: TaskProgress) -> None:
    parent.open_children -= 1
    matrix = parent.spec.matrix
    if matrix is not None and matrix.fail_fast and child.outcome == OUTCOME_ERROR and not parent.cut:
        parent.cut = True
        run.to_cut[parent.name] = None
    if parent.open_children == 0:
        run.to_cut.pop(parent.name, None)
        run.to_sum[parent.name] = None
    while parent.pending:
        following = parent.pending.pop()
        if _waits(following):
            run.enqueue(following)
            break


def _tell(run: RunProgress, task: TaskProgress, connector: Connector, holds: bool) -> None:
    """A task hears that one that it needs has ended."""
    task.open_needs -= 1
    if holds:
        task.holding.append(connector)
    if _waits(task) and (run.final_opened or not task.final):
        run.consider(task)


# -- steps


def _step_started(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    step = task.by_step[event["step"]]
    task.at_step, task.failed, task.planned = step.index, None, None
    task.reason = task.message = None
    step.phase, step.attempt, step.seq = phases.RUNNING, event["attempt"], event["seq"]
    step.reason = step.message = step.exit_code = step.finished_at = None
    step.started_at, step.boot, step.up = event["at"], event["boot"], event["up"]
    run.steps_started = max(run.steps_started, step.seq)
    run.by_seq[step.seq] = (task, step, step.attempt or 1)


def _step_ended(run: RunProgress, event: Event) -> None:
    task = run.tasks[event["task"]]
    step = task.by_step[event["step"]]
    step.phase, step.reason, step.message = event["phase"], event["reason"], event["message"]
    step.exit_code, step.finished_at = event["exitCode"], event["at"]
    if step.phase == phases.SUCCESS:
        _succeeded(task, step, event)
    else:
        step.faults += is_fault(step.reason)
        step.tries += not is_fault(step.reason)
        task.failed = step


def _succeeded(task: TaskProgress, step: StepProgress, event: Event) -> None:
    step.outputs = event["outputs"]
    task.outputs.update(event["outputs"])
    task.artifacts = [*task.artifacts, *event.get("artifacts", ())]
    task.at_step = step.index + 1


_FOLDS: Dict[str, Callable[[RunProgress, Event], None]] = {
    "run.held": _run_held,
    "run.freed": _run_freed,
    "run.started": _run_started,
    "run.waiting": _run_waiting,
    "run.resumed": _run_resumed,
    "matrix.expanded": _matrix_expanded,
    "approval.asked": _approval_asked,
    "approval.answered": _approval_answered,
    "task.started": _task_started,
    "task.stopping": _task_stopping,
    "task.ended": _task_ended,
    "retry.planned": _retry_planned,
    "step.started": _step_started,
    "step.ended": _step_ended,
    "cancel.asked": _cancel_asked,
    "run.stopping": _run_stopping,
    "run.ended": _run_ended,
    "run.retried": _run_retried,
    "run.released": _run_released,
}
