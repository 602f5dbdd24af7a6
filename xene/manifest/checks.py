"""What a schema cannot say about a workflow: names that must exist, circles, places of templates. Pure.

Called by `load`, for data that may still be wrong in other ways: whatever is not of the sort that is wanted is
passed over, since the schema has said so already. Findings come lazily; the caller takes as many as it wants.
"""

from __future__ import annotations

from typing import Any, Iterator

from xene.engine.texts import OPEN
from xene.manifest import connectors, graph, places, templates
from xene.manifest.containers import container_findings
from xene.manifest.durations import duration_findings
from xene.manifest.findings import Finding, Path
from xene.manifest.matrices import axes_of
from xene.manifest.params import param_findings
from xene.manifest.paths import artifact_findings, work_dir_findings
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import quoted
from xene.manifest.tasks import task_findings
from xene.manifest.templates import Reach
from xene.model.pipeline_codec import MATRIX_OPTIONS

__all__ = ["fields", "items", "text", "workflow_findings"]

_BARRIER = ""  # in the graph of what is upstream: all of `tasks` have ended, which comes before `finally`


def workflow_findings(data: Any, has_templates: bool) -> Iterator[Finding]:
    """Everything that is wrong with a workflow's meaning."""
    spec = fields(data, "spec")
    pipelines = fields(spec, "pipelines")
    for name, pipeline in pipelines.items():
        yield from _Pipeline(pipeline, ("spec", "pipelines", name), has_templates).findings()
    yield from _between(pipelines, ("spec", "pipelines"))
    if has_templates:
        shared = [frozenset(fields(pipeline, "params")) for pipeline in pipelines.values()]
        params = frozenset.intersection(*shared) if shared else frozenset()
        reach = Reach(params, "the workflow's env", shared_params=True)
        yield from templates.findings(places.of(spec, places.WORKFLOW, ("spec",)), reach)
        yield from misplaced_templates(data)


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

    def __init__(self, data: Any, path: Path, has_templates: bool) -> None:
        self.data = data
        self.path = path
        self.has_templates = has_templates
        self.tasks = fields(data, "tasks")
        self.last = fields(data, "finally")
        self.contexts = fields(data, "contexts")
        self.params = frozenset(fields(data, "params"))
        self.needs = self._needs(self.tasks, "tasks")
        self.last_needs = self._needs(self.last, "finally")
        self.outputs = {
            name: tuple(o for o in items(task, "outputs") if isinstance(o, str))
            for group in (self.last, self.tasks)
            for name, task in group.items()
        }
        self.upstream = graph.Upstream(self._order())
        self.kept = connectors.artifacts_by_task(data)

    def _needs(self, tasks: Any, group: str) -> dict[str, list[connectors.Need]]:
        path = (*self.path, group)
        return {
            name: connectors.needs_of(task, (*path, name), connectors.TASK) for name, task in tasks.items()
        }

    def _order(self) -> dict[str, tuple[str, ...]]:
        """What must have ended before each task starts."""
        order = {name: tuple(need.name for need in needs) for name, needs in self.needs.items()}
        if self.last:
            ended = (*order,)
            for name, needs in self.last_needs.items():
                order.setdefault(name, (*(need.name for need in needs if need.name), _BARRIER))
            order[_BARRIER] = ended
        return order

    def findings(self) -> Iterator[Finding]:
        data, path = self.data, self.path
        yield from param_findings(fields(data, "params"), (*path, "params"))
        yield from duration_findings(data, path)
        yield from _requirements(data, path)
        yield from _secrets(data, path)
        yield from graph.findings(self.needs, connectors.TASK, "this pipeline", self._of_finally())
        for name, context in self.contexts.items():
            yield from self._context(context, (*path, "contexts", name))
        yield from self._finally()
        yield from self._artifacts()
        for name, task in self.tasks.items():
            yield from self._task(name, task, "tasks", self.needs[name])
        if self.has_templates:
            reach = Reach(self.params, "a pipeline's env")
            yield from templates.findings(places.of(data, places.PIPELINE, path), reach)

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
        if self.has_templates:
            yield from templates.findings(places.of_context(context, path), Reach(self.params, "a context"))

    def _task(self, name: str, task: Any, group: str, needs: list[connectors.Need]) -> Iterator[Finding]:
        path = (*self.path, group, name)
        if needs or text(task, "join") is not None:
            yield from connectors.connector_findings(needs, task, path, connectors.TASK, self.kept)
        reach = None
        if self.has_templates:
            reach = Reach(
                self.params, "", self.outputs, self.upstream, name,
                axes=axes_of(task), in_finally=group == "finally",
            )  # fmt: skip
        yield from task_findings(name, task, path, self.contexts, reach)


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


def misplaced_templates(data: Any) -> list[Finding]:
    """Templates in texts that nobody renders: names, labels, descriptions and all the rest."""
    found: list[Finding] = []
    _gather(data, (), found)
    return found


def _gather(value: Any, path: Path, found: list[Finding]) -> None:
    """Add what is misplaced in a mapping or a list, at whatever depth."""
    keys = places.keys_at(path)
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, str):
            if (
                OPEN in inner
                and key not in keys
                and not (places.ANY_AXIS in keys and key not in MATRIX_OPTIONS)
            ):
                found.append(templates.elsewhere((*path, key)))
        elif isinstance(inner, (dict, list)) and key not in keys:
            _gather(inner, (*path, key), found)
