"""What a schema cannot say about a TaskTemplate. Pure. Called by `load`.

A template knows nothing of the workflows that use it: only what any task may name is in reach, and its own params.
What holds only in some of its users is checked there, when it is expanded.
"""

from __future__ import annotations

from typing import Any, Iterator

from xene.engine.expressions import OPEN, ExpressionError, Template, parse, parse_template
from xene.engine.tree import Name, Node, walk
from xene.manifest import places, templates
from xene.manifest.findings import Finding, Path
from xene.manifest.graph import Upstream
from xene.manifest.params import param_findings
from xene.manifest.paths import artifact_findings
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import did_you_mean, quoted
from xene.manifest.reach import Ground
from xene.manifest.tasks import Judge, task_findings
from xene.model.workflow import DEFAULT_CONTEXT

_TASK: Path = ("spec", "task")
_OF_USERS = ("tasks", "matrix")


def task_template_findings(data: Any) -> Iterator[Finding]:
    """Everything that is wrong with a template's meaning."""
    spec = fields(data, "spec")
    params, task = fields(spec, "params"), {**fields(spec, "task"), "outputs": items(spec, "outputs")}
    yield from param_findings(params, ("spec", "params"), environment=False)
    yield from artifact_findings({"task": task}, ("spec",), {})
    own = list(_names(task, params))
    yield from own
    told = {(finding.path, finding.offset) for finding in own}
    for finding in _of_task(spec, task):
        if (finding.path, finding.offset) not in told:
            yield finding
    yield from templates.misplaced(data)


def _of_task(spec: Any, task: Any) -> Iterator[Finding]:
    """What the checks of a task find, in a pipeline that has all a user may have."""
    context = text(task, "context") or DEFAULT_CONTEXT
    pipeline = {"params": fields(spec, "params"), "tasks": {"": task}}
    ground = Ground(pipeline, frozenset(), Upstream({"": ()}))
    judge = Judge(ground, "", task, _TASK, True)
    yield from task_findings("", task, _TASK, {context: {}}, judge)
    yield from judge.conditions([])


def _names(task: Any, params: Any) -> Iterator[Finding]:
    """Names that a template cannot know, and params that it does not have."""
    for path, tree in _trees(task):
        for node, _ in walk(tree):
            if isinstance(node, Name):
                yield from _name(node, path, params)


def _name(name: Name, path: Path, params: Any) -> Iterator[Finding]:
    if name.root in _OF_USERS:
        message = f"a template does not know the {quoted(name.root)} of the tasks that use it"
        hint = 'declare a param, and let them write with: {NAME: "${{ ' + f"{name.root}. ..." + ' }}"}'
        yield Finding(path, "unknown-reference", message, hint, offset=name.offset)
    elif name.root == "params" and not name.keys:
        message = "a param of a template is replaced before anything runs"
        hint = "write its name out, like params.NAME"
        yield Finding(path, "unknown-reference", message, hint, offset=name.offset)
    elif name.root == "params" and isinstance(name.keys[0], str) and name.keys[0] not in params:
        message = f"the template has no param {quoted(name.keys[0])}"
        hint = did_you_mean(name.keys[0], params, "declare it in 'spec.params'")
        yield Finding(path, "unknown-param", message, hint, offset=name.offset)


def _trees(task: Any) -> Iterator[tuple[Path, Node]]:
    for place in _places(task):
        texts = enumerate(place.value) if place.sort == places.ARGUMENTS else [(None, place.value)]
        for index, value in texts:
            path = place.path if index is None else (*place.path, index)
            yield from ((path, tree) for tree in _parsed(value, place.sort))


def _places(task: Any) -> Iterator[places.Place]:
    yield from places.of(task, places.TASK, _TASK)
    yield from places.of(fields(task, "approval"), places.APPROVAL, (*_TASK, "approval"))
    for index, step in enumerate(items(task, "steps")):
        yield from places.of(step, places.STEP, (*_TASK, "steps", index))


def _parsed(value: Any, sort: str) -> list[Node]:
    """The trees in a text; none where it cannot be read, which is told by others."""
    if not isinstance(value, str) or sort == places.SCRIPT:
        return []
    try:
        if sort == places.EXPRESSION:
            return [parse(value)]
        return (
            [part.tree for part in parse_template(value) if isinstance(part, Template)]
            if OPEN in value
            else []
        )
    except ExpressionError:
        return []
