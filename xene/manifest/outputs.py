"""Names of what tasks and steps have made: whether it is declared, and surely there by then. Pure.

Called by `names`.
"""

from __future__ import annotations

from xene.engine.mismatch import LIST, TEXT, shown
from xene.engine.tree import Name
from xene.manifest.expression_types import Fault
from xene.manifest.keys import UNKNOWN, behind, written_keys
from xene.manifest.problems import did_you_mean, listed, quoted
from xene.manifest.reach import Reach


def of_task(name: Name, reach: Reach, more: list[Fault]) -> str | Fault:
    """The type of `tasks.TASK.outputs.NAME` or `tasks.TASK.outcome`. `more` takes what else is wrong with it."""
    tasks = reach.tasks
    if tasks is None:
        hint = "use it in the env of the task or the step that needs it"
        return Fault(name.offset, f"{reach.whose} cannot use outputs of tasks", hint, UNKNOWN)
    keys = written_keys(name)
    if isinstance(keys, Fault):
        return keys
    if not keys or keys[0] not in tasks.outputs:
        return _no_task(name, keys[0] if keys else "", reach)
    if keys[1:2] == ("outcome",):
        return _not_ended(name, keys[0], "outcome is known", reach) or behind(TEXT, name, 2)
    if keys[1:2] != ("outputs",) or len(keys) < 3:
        return Fault(name.offset, *_form_of_task(name, keys, tasks.outputs[keys[0]]), UNKNOWN)
    early = _not_ended(name, keys[0], "outputs are there", reach)
    if keys[2] not in tasks.outputs[keys[0]]:
        if early is not None and keys[0] != reach.task:
            more.append(early)
        return _undeclared(name, f"the task {quoted(keys[0])}", keys[2], tasks.outputs[keys[0]])
    if early is None and keys[0] in reach.failed:
        return _never(name, keys[0], reach.task)
    return early or behind(LIST if keys[0] in tasks.lists else TEXT, name, 3)


def _no_task(name: Name, task: str, reach: Reach) -> Fault:
    tasks = reach.tasks
    assert tasks is not None
    if not task:
        return Fault(name.offset, "an output is named like tasks.TASK.outputs.NAME", "", UNKNOWN)
    hint = did_you_mean(task, [other for other in tasks.outputs if other != reach.task])
    return Fault(name.offset, f"there is no task {quoted(task)} in this pipeline", hint, "unknown-task")


def _not_ended(name: Name, task: str, what: str, reach: Reach) -> Fault | None:
    """Why `task` need not have ended when this place is worked out; None if it has."""
    tasks = reach.tasks
    assert tasks is not None
    upstream = tasks.upstream
    if task == reach.task:
        hint = (
            "use steps.STEP.outputs.NAME of an earlier step"
            if reach.steps is not None
            else "name a task that it needs"
        )
        message = f"a task's {what} only when it has ended"
        return Fault(name.offset, message, hint, "not-upstream")
    at = reach.via if reach.via and reach.task in upstream.loose else reach.task
    if task == at or not upstream.known(at) or upstream.holds(at, task):
        return None
    message = f"the task {quoted(task)} need not have ended before {quoted(reach.task)} starts"
    return Fault(name.offset, *_way_out(task, message, reach), "not-upstream")


def _way_out(task: str, message: str, reach: Reach) -> tuple[str, str]:
    """The message, or a better one, and a hint: what to change that `task` has ended by then."""
    tasks = reach.tasks
    assert tasks is not None
    if task in tasks.last and not reach.in_finally:
        return f"{quoted(task)} is a task of 'finally', which starts when all others have ended", ""
    if tasks.upstream.known(task) and tasks.upstream.holds(task, reach.task):
        return f"the task {quoted(task)} starts only when {quoted(reach.task)} has ended", ""
    if reach.task in tasks.upstream.loose:
        sure = f"{quoted(reach.via)} and what is" if reach.via else "what is"
        whom = "it" if reach.via else "all that it needs"
        return message, f"with 'join: any' only {sure} upstream of {whom} has surely ended"
    return message, f"add {quoted(task)} to the 'needs' of {quoted(reach.task)}"


def of_step(name: Name, reach: Reach) -> str | Fault:
    """The type of `steps.STEP.outputs.NAME`."""
    if reach.steps is None:
        hint = "they are in reach of later steps of the same task"
        return Fault(name.offset, f"{reach.whose} cannot use outputs of steps", hint, UNKNOWN)
    keys = written_keys(name)
    if isinstance(keys, Fault):
        return keys
    if len(keys) < 3 or keys[1] != "outputs":
        return Fault(name.offset, "an output of a step is named like steps.STEP.outputs.NAME", "", UNKNOWN)
    if keys[0] not in reach.steps:
        hint = did_you_mean(keys[0], [step for step, at in reach.steps.items() if at < reach.at])
        return Fault(name.offset, f"this task has no step {quoted(keys[0])}", hint, UNKNOWN)
    if reach.steps[keys[0]] >= reach.at:
        message = f"the step {quoted(keys[0])} has not ended by then: only earlier steps are in reach"
        return Fault(name.offset, message, "", "not-upstream")
    if keys[2] not in reach.declared:
        return _undeclared(name, f"the task {quoted(reach.task)}", keys[2], reach.declared)
    return behind(TEXT, name, 3)


def _form_of_task(name: Name, keys: tuple[str, ...], declared: tuple[str, ...]) -> tuple[str, str]:
    """Message and hint where neither an output nor the outcome of a task is named."""
    if len(keys) == 2 and keys[1] in declared:
        written = f"tasks.{keys[0]}.outputs.{keys[1]}"
        return "an output is named like tasks.TASK.outputs.NAME", f"did you mean {quoted(written)}?"
    if len(keys) == 2 and keys[1] != "outputs":
        options = [f"tasks.{keys[0]}.{key}" for key in ("outcome", "outputs.NAME")]
        return f"there is no {quoted(shown(name))}", did_you_mean(shown(name), options)
    return "an output is named like tasks.TASK.outputs.NAME", ""


def _undeclared(name: Name, whose: str, output: str, declared: tuple[str, ...]) -> Fault:
    hint = did_you_mean(output, declared, f"it declares {listed(declared)}" if declared else "")
    message = f"{whose} declares no output {quoted(output)}"
    return Fault(name.offset, message, hint or f"declare it: outputs: [{output}]", "unknown-output")


def _never(name: Name, needed: str, task: str) -> Fault:
    message = (
        f"{quoted(task)} starts only when {quoted(needed)} has not succeeded, and then it has no outputs"
    )
    return Fault(name.offset, message, f"add success to the 'on' of {quoted(needed)}", "unknown-output")
