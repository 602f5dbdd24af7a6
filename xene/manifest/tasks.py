"""Checks of one task and its steps: names, contexts, limits, and what their templates name. Pure.

Called by `checks` for the tasks of a pipeline and for those of its `finally`.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any, Iterator

from xene.engine.texts import OPEN
from xene.manifest import places, templates
from xene.manifest.connectors import Need
from xene.manifest.durations import duration_findings
from xene.manifest.findings import Finding, Path
from xene.manifest.matrices import matrix_findings
from xene.manifest.paths import work_dir_findings
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import did_you_mean, quoted
from xene.manifest.reach import Ground, Reach, with_env
from xene.manifest.retries import retry_findings
from xene.model.workflow import DEFAULT_CONTEXT

RESERVED = "xene-"
_PLAIN = {"description", "needs", "env", "outputs", "steps"}


def task_findings(name: str, task: Any, path: Path, contexts: Any, judge: Judge | None) -> Iterator[Finding]:
    """What is wrong with one task, its connectors apart. `contexts` are those that the pipeline declares.

    `judge` is None where the file holds no template and no condition.
    """
    if name.startswith(RESERVED):
        yield _reserved(name, path)
    if isinstance(task, dict) and not task.keys() <= _PLAIN:  # most tasks have nothing but these
        yield from _context(task, path, contexts)
        yield from duration_findings(task, path)
        yield from retry_findings(task, path)
        yield from duration_findings(fields(task, "approval"), (*path, "approval"), ("timeout",))
        yield from matrix_findings(task, path)
    seen: dict[str, int] = {}
    for index, step in enumerate(items(task, "steps")):
        place = (*path, "steps", index)
        step_name = text(step, "name")
        if step_name is not None and seen.setdefault(step_name, index) != index:
            message = f"this task has two steps named {quoted(step_name)}"
            yield Finding((*place, "name"), "duplicate-name", message, "give each step a name of its own")
        elif step_name is not None and step_name.startswith(RESERVED):
            yield _reserved(step_name, (*place, "name"), at_key=False)
        yield from _step(step, place)
        if judge is not None:
            yield from judge.step(step, index)


class Judge:
    """Judges the templates and conditions of one task, each with what is in reach of it."""

    def __init__(self, ground: Ground, name: str, task: Any, path: Path, in_finally: bool) -> None:
        self._ground = ground
        self._whose = (name, task)
        self._task = task
        self._path = path
        self._in_finally = in_finally

    def conditions(self, needs: list[Need]) -> Iterator[Finding]:
        """What comes before the steps: the task's env, `when`, approval and matrix, and its connectors."""
        task, path = self._task, self._path
        for place in places.of(task, places.TASK, path):
            reach = self._of_env if place.sort == places.TEXTS else self._of_conditions
            yield from templates.findings((place,), reach)
        for key, kind in (("approval", places.APPROVAL), ("matrix", places.MATRIX)):
            if isinstance(task, dict) and key in task:
                yield from templates.findings(places.of(task[key], kind, (*path, key)), self._of_conditions)
        for index, need in enumerate(needs):
            if need.body is not None:
                found = places.of(need.body, places.NEED, (*path, "needs", index))
                yield from templates.findings(found, partial(self._of_connector, need))

    def step(self, step: Any, index: int) -> Iterator[Finding]:
        """A step, which is number `index`."""
        for place in places.of(step, places.STEP, (*self._path, "steps", index)):
            reach = partial(self._of_step, index, None if place.sort == places.TEXTS else step)
            yield from templates.findings((place,), reach)

    def _of_env(self) -> Reach:
        return self._ground.of_task_env(*self._whose, self._in_finally)

    def _of_conditions(self) -> Reach:
        return self._ground.of_conditions(*self._whose, self._in_finally)

    def _of_connector(self, need: Need) -> Reach:
        return self._ground.of_connector(*self._whose, need, self._in_finally)

    @cached_property
    def _steps(self) -> Reach:
        return self._ground.of_steps(*self._whose, self._in_finally)

    def _of_step(self, index: int, behind: Any) -> Reach:
        """What step `index` may name; `behind` is the step itself where its own env is there already."""
        reach = self._steps._replace(at=index)
        return reach if behind is None else with_env(reach, behind)


def _reserved(name: str, path: Path, at_key: bool = True) -> Finding:
    message = f"{quoted(name)} may not be a name here: names that begin with {RESERVED} are Xene's own"
    return Finding(path, "bad-name", message, at_key=at_key)


def _context(task: Any, path: Path, contexts: Any) -> Iterator[Finding]:
    context = text(task, "context")
    if context is not None and context != DEFAULT_CONTEXT and context not in contexts:
        hint = did_you_mean(context, [*contexts, DEFAULT_CONTEXT], "declare it in the pipeline's 'contexts'")
        message = f"the pipeline declares no context {quoted(context)}"
        yield Finding((*path, "context"), "unknown-context", message, hint)


def _step(step: Any, path: Path) -> Iterator[Finding]:
    yield from duration_findings(step, path)
    yield from retry_findings(step, path)
    yield from work_dir_findings(step, path)
    arguments = items(step, "exec")
    if arguments and arguments[0] == "":
        yield Finding((*path, "exec", 0), "wrong-value", "the program to start must not be empty")
    shell = text(step, "shell")
    if shell is not None and OPEN not in shell and "exec" in step and "run" not in step:
        message = "'shell' goes with 'run'; 'exec' starts a program without a shell"
        yield Finding((*path, "shell"), "wrong-value", message, "leave 'shell' out", at_key=True)
