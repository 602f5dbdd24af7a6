"""What a schema cannot say about a workflow: names that must exist, circles, places of templates. Pure.

Called by `load`, for data that may still be wrong in other ways: whatever is not of the sort that is wanted is
passed over, since the schema has said so already. Findings come lazily; the caller takes as many as it wants.
"""

from __future__ import annotations

import posixpath
from typing import Any, Iterator, Mapping

from xene.engine.expressions import OPEN
from xene.manifest import graph, templates
from xene.manifest.findings import Finding, Path
from xene.manifest.params import param_findings
from xene.manifest.problems import did_you_mean, quoted
from xene.manifest.templates import Reach
from xene.model.units import parse_duration
from xene.model.workflow import DEFAULT_CONTEXT

_LONGEST = 3660 * 86400.0  # seconds; a longer duration is a slip of the pen


def fields(data: Any, key: str) -> Mapping[str, Any]:
    """The mapping at `key`; an empty one where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def items(data: Any, key: str) -> list[Any]:
    """The list at `key`; an empty one where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def text(data: Any, key: str) -> str | None:
    """The text at `key`; None where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None


def workflow_findings(data: Any, has_templates: bool) -> Iterator[Finding]:
    """Everything that is wrong with a workflow's meaning."""
    spec = fields(data, "spec")
    pipelines = fields(spec, "pipelines")
    for name, pipeline in pipelines.items():
        yield from _Pipeline(pipeline, ("spec", "pipelines", name), has_templates).findings()
    if has_templates:
        shared = [frozenset(fields(pipeline, "params")) for pipeline in pipelines.values()]
        params = frozenset.intersection(*shared) if shared else frozenset()
        reach = Reach(params, "the workflow's env", shared_params=True)
        yield from _env(spec, ("spec",), reach)
        yield from misplaced_templates(data, ())


class _Pipeline:
    """One pipeline under check. `path` leads to it."""

    def __init__(self, data: Any, path: Path, has_templates: bool) -> None:
        self.data = data
        self.path = path
        self.has_templates = has_templates
        self.tasks = fields(data, "tasks")
        self.params = frozenset(fields(data, "params"))
        needs = {name: _needs(task) for name, task in self.tasks.items()}
        self.needs: graph.Needs = needs
        self.outputs = {
            name: tuple(o for o in items(task, "outputs") if isinstance(o, str))
            for name, task in self.tasks.items()
        }
        self.upstream = graph.Upstream(needs)

    def findings(self) -> Iterator[Finding]:
        data, path = self.data, self.path
        yield from param_findings(fields(data, "params"), (*path, "params"))
        yield from _requirements(data, path)
        yield from graph.findings(self.needs, (*path, "tasks"))
        for name, context in fields(data, "contexts").items():
            yield from self._context(context, (*path, "contexts", name))
        for name, task in self.tasks.items():
            yield from self._task(name, task, (*path, "tasks", name))
        if self.has_templates:
            yield from _env(data, path, Reach(self.params, "a pipeline's env"))

    def _context(self, context: Any, path: Path) -> Iterator[Finding]:
        reach = Reach(self.params, "a context")
        yield from _work_dir(context, path, reach)
        if self.has_templates:
            yield from _shell(context, path)
            yield from _env(context, path, reach)

    def _task(self, name: str, task: Any, path: Path) -> Iterator[Finding]:
        context, contexts = text(task, "context"), fields(self.data, "contexts")
        if context is not None and context != DEFAULT_CONTEXT and context not in contexts:
            hint = did_you_mean(
                context, [*contexts, DEFAULT_CONTEXT], "declare it in the pipeline's 'contexts'"
            )
            message = f"the pipeline declares no context {quoted(context)}"
            yield Finding((*path, "context"), "unknown-context", message, hint)
        reach = Reach(self.params, "", self.outputs, self.upstream, name)
        if self.has_templates:
            yield from _env(task, path, reach)
        seen: dict[str, int] = {}
        for index, step in enumerate(items(task, "steps")):
            place = (*path, "steps", index)
            step_name = text(step, "name")
            if step_name is not None and seen.setdefault(step_name, index) != index:
                message = f"this task has two steps named {quoted(step_name)}"
                yield Finding((*place, "name"), "duplicate-name", message, "give each step a name of its own")
            yield from self._step(step, place, reach)

    def _step(self, step: Any, path: Path, reach: Reach) -> Iterator[Finding]:
        yield from _durations(step, path)
        yield from _work_dir(step, path, reach)
        arguments = items(step, "exec")
        if arguments and arguments[0] == "":
            yield Finding((*path, "exec", 0), "wrong-value", "the program to start must not be empty")
        shell = text(step, "shell")
        if shell is not None and OPEN not in shell and "exec" in step and "run" not in step:
            message = "'shell' goes with 'run'; 'exec' starts a program without a shell"
            yield Finding((*path, "shell"), "wrong-value", message, "leave 'shell' out", at_key=True)
        if not self.has_templates:
            return
        script = text(step, "run")
        if script is not None and OPEN in script:
            yield templates.in_script(script, (*path, "run"), "a script")
        yield from _shell(step, path)
        yield from templates.in_arguments(arguments, (*path, "exec"), reach)
        yield from _env(step, path, reach)


def _needs(task: Any) -> tuple[str, ...]:
    return tuple(need if isinstance(need, str) else "" for need in items(task, "needs"))


def _env(holder: Any, path: Path, reach: Reach) -> Iterator[Finding]:
    for name, value in fields(holder, "env").items():
        yield from templates.in_value(value, (*path, "env", name), reach)


def _shell(holder: Any, path: Path) -> Iterator[Finding]:
    shell = text(holder, "shell")
    if shell is not None and OPEN in shell:
        yield templates.in_script(shell, (*path, "shell"), "'shell'")


def _work_dir(holder: Any, path: Path, reach: Reach) -> Iterator[Finding]:
    directory = text(holder, "workDir")
    if directory is None:
        return
    place = (*path, "workDir")
    if directory.startswith(("/", "~")):
        message = f"{quoted(directory)} is not relative to the workspace"
        yield Finding(
            place, "bad-path", message, "steps start in the run's workspace; name a directory in it"
        )
    elif ".." in directory.split("/"):
        message = f"{quoted(directory)} leads out of the workspace"
        better = posixpath.normpath(directory)
        hint = (
            f"write {quoted(better)}" if not better.startswith("..") else "name a directory in the workspace"
        )
        yield Finding(place, "bad-path", message, hint)
    else:
        yield from templates.in_value(directory, place, reach)


def _durations(step: Any, path: Path) -> Iterator[Finding]:
    for key in ("timeout", "gracePeriod"):
        value = text(step, key)
        if not value:
            continue
        try:
            seconds = parse_duration(value)
        except ValueError:
            hint = "write it like 500ms, 90s, 10m, 2h, 1d or 1h30m"
            yield Finding((*path, key), "bad-duration", f"{quoted(value)} is not a duration", hint)
            continue
        if seconds > _LONGEST:
            yield Finding((*path, key), "bad-duration", f"{quoted(value)} is longer than ten years")
        elif key == "timeout" and seconds == 0:
            message = "a timeout must be longer than nothing"
            yield Finding((*path, key), "bad-duration", message, "leave it out for no limit")


def _requirements(pipeline: Any, path: Path) -> Iterator[Finding]:
    """`values` belong to In and NotIn, and to nothing else."""
    selector = fields(fields(pipeline, "placement"), "agentSelector")
    for index, line in enumerate(items(selector, "matchExpressions")):
        place = (*path, "placement", "agentSelector", "matchExpressions", index)
        operator = text(line, "operator")
        if operator in ("In", "NotIn") and "values" not in line:
            hint = "for example values: [a, b]"
            yield Finding(place, "missing-key", f"'values' is missing: {operator} compares with them", hint)
        elif operator in ("Exists", "DoesNotExist") and "values" in line:
            yield Finding((*place, "values"), "wrong-value", f"{operator} takes no 'values'", at_key=True)


# -- templates where none may be

_PLACES = ("env", "exec", "run", "shell", "workDir")


def misplaced_templates(value: Any, path: Path) -> Iterator[Finding]:
    """Templates in texts that nobody renders: names, labels, descriptions and all the rest."""
    if isinstance(value, str):
        if OPEN in value:
            yield templates.elsewhere(path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not (key in _PLACES and _is_place(path)):
                yield from misplaced_templates(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from misplaced_templates(inner, (*path, index))


def _is_place(path: Path) -> bool:
    """Whether `path` leads to something that has env, exec, run, shell and workDir, and to no map of the user's."""
    spec = path == ("spec",)
    pipeline = len(path) == 3 and path[:2] == ("spec", "pipelines")
    inner = len(path) == 5 and path[3] in ("contexts", "tasks")
    step = len(path) == 7 and path[5] == "steps"
    return spec or pipeline or inner or step
