"""What stands between a task whose needs have ended and its start: conditions, approval, matrix. Pure.

`judge` looks at one reached task and says what is to be recorded of it, or that it may start, or that it waits.
The order is: conditions of connectors, the task's own `when`, approval, matrix.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Union

from xene.engine.clock import Clock
from xene.engine.matrix import TooMany, instances
from xene.engine.progress import RunProgress, TaskProgress
from xene.engine.scope import Scope, for_conditions
from xene.engine.texts import ExpressionError, condition, prepare, render, value
from xene.model import events, phases
from xene.model.events import Event
from xene.model.workflow import JOIN_ALL, Connector, Matrix

START, WAIT = "start", "wait"
FORESEEN = 8  # tasks behind one of which the conditions are read ahead


class Refusal(NamedTuple):
    """The task does not run: the phase, reason and message that it ends with."""

    phase: str
    reason: str
    message: str


Verdict = Union[str, Refusal, Event]


def judge(run: RunProgress, task: TaskProgress, now: Clock) -> Verdict:
    """START, WAIT (for another connector), how it ends without running, or the event to be recorded next."""
    try:
        return _judge(run, task, for_conditions(run, task), now)
    except (ExpressionError, TooMany) as error:
        return Refusal(phases.ERROR, phases.EXPRESSION_FAILED, str(error))


def foresee(run: RunProgress, name: str) -> None:
    """Read the conditions that will be looked at when task `name` has ended, the first few of them.

    Called while that task runs, when there is nothing better to do: then its end is not waited upon for longer.
    """
    texts: Dict[str, None] = {}
    for behind, connector in run.needed_by.get(name, ())[:FORESEEN]:
        for text in (connector.when, run.tasks[behind].spec.when):
            if text is not None:
                texts[text] = None
    for text in texts:
        prepare(text)


def _judge(run: RunProgress, task: TaskProgress, scope: Scope, now: Clock) -> Verdict:
    if task.rejected is not None:
        return Refusal(phases.NOT_EXECUTED, phases.REJECTED, task.rejected)
    if not task.approved:
        held_up = _by_connectors(task, scope)
        if held_up is not None:
            return held_up
        if task.spec.when is not None and not condition(task.spec.when, scope):
            return Refusal(phases.NOT_EXECUTED, phases.SKIPPED, f"its condition is false: {task.spec.when}")
        if task.spec.approval is not None:
            message = render(task.spec.approval.message, scope)
            return events.approval_asked(now, run.order.id, task.name, message)
    if task.spec.matrix is not None:
        return _expansion(run, task, task.spec.matrix, scope, now)
    return START


def _by_connectors(task: TaskProgress, scope: Scope) -> Optional[Verdict]:
    """None where the conditions of its connectors hold."""
    false = _first_false(task.holding, scope, wanted=task.spec.join == JOIN_ALL)
    if false is None:
        return None
    if task.spec.join != JOIN_ALL and task.open_needs:
        return WAIT
    message = f"needs {false.task}, and the condition of that is false: {false.when}"
    return Refusal(phases.NOT_EXECUTED, phases.OMITTED, message)


def _first_false(holding: Sequence[Connector], scope: Scope, *, wanted: bool) -> Optional[Connector]:
    """The first connector with a false condition; where not all are `wanted`, only if none has a true one."""
    false: List[Connector] = []
    for connector in holding:
        if connector.when is not None and not condition(connector.when, scope):
            false.append(connector)
            if wanted:
                break
        elif not wanted:
            return None
    return false[0] if false else None


def _expansion(run: RunProgress, task: TaskProgress, matrix: Matrix, scope: Scope, now: Clock) -> Verdict:
    axes: Dict[str, Sequence[Any]] = {}
    for name, axis in matrix.axes.items():
        values = value(axis, scope) if isinstance(axis, str) else axis
        if not isinstance(values, (list, tuple)):
            raise ExpressionError(f"the matrix wants a list for '{name}', and {axis} gives none", 0)
        axes[name] = values
    found = instances(task.name, matrix, axes)
    if not found:
        return Refusal(phases.NOT_EXECUTED, phases.EMPTY_MATRIX, "its matrix has no combination")
    return events.matrix_expanded(
        now.at, run.order.id, task.name, [[each.name, each.values] for each in found]
    )
