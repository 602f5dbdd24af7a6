"""What a schema cannot say about a workflow: names that must exist, circles, places of templates. Pure.

Called by `load`, for data that may still be wrong in other ways: whatever is not of the sort that is wanted is
passed over, since the schema has said so already. Findings come lazily; the caller takes as many as it wants.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Iterator

from xene.manifest import connectors, graph, places, templates
from xene.manifest.containers import container_findings
from xene.manifest.durations import duration_findings
from xene.manifest.findings import Finding, Path
from xene.manifest.notices import notice_findings
from xene.manifest.params import param_findings
from xene.manifest.paths import artifact_findings, work_dir_findings
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import quoted
from xene.manifest.reach import Ground, of_workflow_env
from xene.manifest.staying import staying_findings
from xene.manifest.tasks import Judge, task_findings
from xene.manifest.triggers import trigger_findings
from xene.model.workflow import JOIN_ANY

__all__ = ["fields", "items", "text", "workflow_findings"]

_BARRIER = ""  # in the graph of what is upstream: all of `tasks` have ended, which comes before `finally`


def workflow_findings(data: Any, has_templates: bool, has_conditions: bool = True) -> Iterator[Finding]:
    """Everything that is wrong with a workflow's meaning. The flags are False where the file surely holds none."""
    spec = fields(data, "spec")
    pipelines = fields(spec, "pipelines")
    env = frozenset(fields(spec, "env"))
    for name, pipeline in pipelines.items():
        path = ("spec", "pipelines", name)
        yield from _Pipeline(pipeline, path, env, has_templates or has_conditions).findings()
    yield from _between(pipelines, ("spec", "pipelines"))
    yield from trigger_findings(spec, ("spec",))
    yield from notice_findings(spec, ("spec",))
    if has_templates:
        found = places.of(spec, places.WORKFLOW, ("spec",))
        yield from templates.findings(found, lambda: of_workflow_env(pipelines.values()))
        yield from templates.misplaced(data)


def _between(pipelines: Any, path: Path) -> Iterator[Finding]:
    """The connectors between pipelines."""
    if not any(items(pipeline, "needs") for pipeline in pipelines.values()):
        return
    noun = connectors.PIPELINE
    needs = {name: connectors.needs_of(body, (*path, name), noun) for name, body in pipelines.items()}
    kept = {
        name: frozenset().union(*connectors.artifacts_by_task(body).values())
        for name, body in pipelines.items()
    }
    yield from graph.findings(needs, noun, "this workflow")
    for name, wanted in needs.items():
        yield from connectors.connector_findings(wanted, pipelines[name], (*path, name), noun, kept)


class _Pipeline:
    """One pipeline under check. `path` leads to it."""

    def __init__(self, data: Any, path: Path, workflow_env: frozenset[str], has_expressions: bool) -> None:
        self.data = data
        self.path = path
        self.tasks = fields(data, "tasks")
        self.last = fields(data, "finally")
        self.contexts = fields(data, "contexts")
        self.needs = self._needs(self.tasks, "tasks")
        self.last_needs = self._needs(self.last, "finally")
        self.kept = connectors.artifacts_by_task(data)
        self.ground: Ground | None = None
        if has_expressions:
            upstream = graph.Upstream(self._order(), self._loose())
            self.ground = Ground(data, workflow_env, upstream)

    def _needs(self, tasks: Any, group: str) -> dict[str, list[connectors.Need]]:
        path = (*self.path, group)
        return {
            name: connectors.needs_of(task, (*path, name), connectors.TASK) for name, task in tasks.items()
        }

    def _order(self) -> dict[str, tuple[str, ...]]:
        """What must have ended before each task starts."""
        order = {name: tuple(need.name for need in needs if need.name) for name, needs in self.needs.items()}
        if self.last:
            ended = (*order,)
            for name, needs in self.last_needs.items():
                real = tuple(need.name for need in needs if need.name in self.last)
                order.setdefault(name, real or (_BARRIER,))
            order[_BARRIER] = ended
        return order

    def _loose(self) -> frozenset[str]:
        """The tasks of whose connectors one is enough."""
        both = (*self.last.items(), *self.tasks.items())
        return frozenset(name for name, task in both if text(task, "join") == JOIN_ANY)

    def findings(self) -> Iterator[Finding]:
        data, path = self.data, self.path
        yield from param_findings(fields(data, "params"), (*path, "params"))
        yield from duration_findings(data, path)
        yield from staying_findings(data, path)
        yield from notice_findings(data, path)
        yield from _requirements(data, path)
        yield from _secrets(data, path)
        yield from graph.findings(self.needs, connectors.TASK, "this pipeline", self._of_finally())
        for name, context in self.contexts.items():
            yield from self._context(context, (*path, "contexts", name))
        yield from self._finally()
        yield from self._artifacts()
        for name, task in self.tasks.items():
            yield from self._task(name, task, "tasks", self.needs[name])
        if self.ground is not None:
            yield from templates.findings(places.of(data, places.PIPELINE, path), self.ground.of_env)

    def _of_finally(self) -> dict[str, str]:
        """Why a task cannot need these."""
        why = "is a task of 'finally', which starts when all others have ended"
        return {name: f"{quoted(name)} {why}" for name in self.last}

    def _finally(self) -> Iterator[Finding]:
        if not self.last:
            return
        path = (*self.path, "finally")
        why = "is no task of 'finally'; all of 'tasks' have ended by then, so it need not be named"
        others = {name: f"{quoted(name)} {why}" for name in self.tasks}
        yield from graph.findings(self.last_needs, connectors.TASK, "'finally'", others)
        for name, task in self.last.items():
            if name in self.tasks:
                message = f"there is a task {quoted(name)} in 'tasks' too"
                hint = "give each task of the pipeline a name of its own"
                yield Finding((*path, name), "duplicate-name", message, hint, at_key=True)
            yield from self._task(name, task, "finally", self.last_needs[name])

    def _artifacts(self) -> Iterator[Finding]:
        owners: dict[str, str] = {}
        yield from artifact_findings(self.tasks, (*self.path, "tasks"), owners)
        yield from artifact_findings(self.last, (*self.path, "finally"), owners)

    def _context(self, context: Any, path: Path) -> Iterator[Finding]:
        yield from work_dir_findings(context, path)
        yield from container_findings(context, path)
        ground = self.ground
        if ground is not None:
            for place in places.of_context(context, path):
                reach = ground.of_context if place.key == "env" else partial(ground.of_directory, context)
                yield from templates.findings((place,), reach)

    def _task(self, name: str, task: Any, group: str, needs: list[connectors.Need]) -> Iterator[Finding]:
        path = (*self.path, group, name)
        if needs or text(task, "join") is not None:
            yield from connectors.connector_findings(needs, task, path, connectors.TASK, self.kept)
        judge = Judge(self.ground, name, task, path, group == "finally") if self.ground is not None else None
        yield from task_findings(name, task, path, self.contexts, judge)
        if judge is not None:
            yield from judge.conditions(needs)


def _secrets(pipeline: Any, path: Path) -> Iterator[Finding]:
    """A variable has one value: a secret's or one of `env`."""
    env = fields(pipeline, "env")
    for name in fields(pipeline, "secrets"):
        if name in env:
            message = f"the variable {quoted(name)} is set by this pipeline's 'env' too"
            yield Finding(
                (*path, "secrets", name), "env-clash", message, "leave one of them out", at_key=True
            )


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
