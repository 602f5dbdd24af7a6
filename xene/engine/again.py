"""Which tasks of an ended run begin anew when it is retried. Pure; the agent records it as `run.retried`."""

from __future__ import annotations

from typing import Dict, List, Optional

from xene.engine.progress import RunProgress, TaskProgress
from xene.model.workflow import OUTCOME_SKIPPED, OUTCOME_SUCCESS


def to_repeat(run: RunProgress, start: Optional[str]) -> List[str]:
    """What failed and all after it (and `start` with all after it), in order; `finally` always.

    Of a matrix only the instances that failed, unless what it needs is repeated: then it is expanded anew. Empty
    where there is nothing to repeat.
    """
    seeds = [task for task in _tops(run) if not task.final and _is_bad(task)]
    if start is not None:
        seeds.append(run.tasks[start].parent or run.tasks[start])
    if not seeds:
        seeds = [task for task in _tops(run) if task.final and _is_bad(task)]
        return _names(run, {task.name: False for task in run.tasks.values() if task.final}) if seeds else []
    again: Dict[str, bool] = {
        task.name: False for task in seeds
    }  # name -> whether something it needs is repeated
    todo = list(again)
    while todo:
        for name, _ in run.needed_by[todo.pop()]:
            if not again.get(name, False):
                todo += [] if name in again else [name]
                again[name] = True
    again.update({task.name: True for task in _tops(run) if task.final})
    return _names(run, again, start)


def _tops(run: RunProgress) -> List[TaskProgress]:
    return [task for task in run.tasks.values() if task.parent is None]


def _is_bad(task: TaskProgress) -> bool:
    """Whether a new attempt may end otherwise: all but what succeeded, and what was skipped for good reason."""
    return task.outcome not in (OUTCOME_SUCCESS, OUTCOME_SKIPPED)


def _names(run: RunProgress, again: Dict[str, bool], start: Optional[str] = None) -> List[str]:
    found: List[str] = []
    for task in run.ordered():
        if task.parent is None:
            found += [task.name] if task.name in again else []
        elif task.parent.name in again and not again[task.parent.name]:
            whole = start in (task.parent.name, task.name)
            found += [task.name] if _is_bad(task) or whole else []
    return found
