"""A run's tasks as JSON, in the form of SPEC 4. Pure; used where a run is shown without a state."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from xene.engine.matrix import TooMany, static_instances
from xene.engine.progress import Past, RunProgress, StepProgress, TaskProgress
from xene.model.units import rfc3339


def view(run: RunProgress) -> Dict[str, Any]:
    """`{NAME: {phase, reason, ..., attempts, steps}}`: every task of the run, in the manifest's order."""
    found: Dict[str, Any] = {}
    for task in run.ordered():
        if not task.internal:
            found[task.name] = _task_view(task)
        if task.is_sum and task.children is None:
            found.update(_unexpanded(run, task))
    return found


def _unexpanded(run: RunProgress, task: TaskProgress) -> Dict[str, Any]:
    """The instances of a matrix that has not been reached, as far as they are known."""
    former = [child for child in run.former.values() if child.parent is task]
    if not former and task.spec.matrix is not None:
        try:
            known = static_instances(task.name, task.spec.matrix) or []
        except TooMany:
            known = []
        former = [TaskProgress(task.spec, each.name, (0, 0)) for each in known]
        for child in former:
            child.parent = task
    found = {child.name: _task_view(child) for child in sorted(former, key=lambda child: child.order)}
    if task.ended:
        found = {
            name: {**seen, "reason": task.reason, "message": task.message} for name, seen in found.items()
        }
    return found


def _task_view(task: TaskProgress) -> Dict[str, Any]:
    times = {"startedAt": _instant(task.started_at), "finishedAt": _instant(task.finished_at)}
    state = {"phase": task.phase, "reason": task.reason, "message": task.message}
    last = [] if task.attempt is None or task.is_set_aside else [{"attempt": task.attempt, **state, **times}]
    return {
        **state,
        "attempt": task.attempt,
        **times,
        "outputs": dict(task.published),
        "attempts": [*map(_past_view, task.earlier), *last],
        "steps": [] if task.is_sum else [_step_view(step) for step in task.steps if not step.internal],
    }


def _past_view(past: Past) -> Dict[str, Any]:
    return {
        "attempt": past.attempt,
        "phase": past.phase,
        "reason": past.reason,
        "message": past.message,
        "startedAt": _instant(past.started_at),
        "finishedAt": _instant(past.finished_at),
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
