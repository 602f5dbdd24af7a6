"""Where templates and expressions may stand in a workflow: the one table of them. Pure.

Called by `checks`, `tasks` and `triggers`, which have `templates` judge what is there, and find others.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterator, Mapping, NamedTuple

from xene.engine.texts import OPEN
from xene.manifest.findings import Path
from xene.model.pipeline_codec import MATRIX_OPTIONS

# What stands at a place:
TEXT = "text"  # a text with templates
TEXTS = "texts"  # a mapping, whose values are such texts
ARGUMENTS = "arguments"  # a list; a template is a whole item
AXIS = "axis"  # one template and nothing else
EXPRESSION = "expression"  # without braces
SCRIPT = "script"  # where no template may be

# What has such places:
WORKFLOW, PIPELINE, CONTEXT, CONTAINER, TASK = "spec", "pipeline", "context", "container", "task"
WEBHOOK, NOTICE = "webhook", "notice"
NEED, APPROVAL, MATRIX, STEP = "need", "approval", "matrix", "step"

ANY_AXIS = "*"  # stands for every key of a matrix that is no option
PLACES: Mapping[str, Mapping[str, str]] = {
    WORKFLOW: {"env": TEXTS},
    WEBHOOK: {"params": TEXTS, "when": EXPRESSION},
    NOTICE: {"template": TEXT},
    PIPELINE: {"env": TEXTS},
    CONTEXT: {"env": TEXTS, "workDir": TEXT, "shell": SCRIPT},
    CONTAINER: {"image": TEXT},
    TASK: {"with": TEXTS, "env": TEXTS, "when": EXPRESSION},
    NEED: {"when": EXPRESSION},
    APPROVAL: {"message": TEXT},
    MATRIX: {ANY_AXIS: AXIS},
    STEP: {"env": TEXTS, "workDir": TEXT, "exec": ARGUMENTS, "run": SCRIPT, "shell": SCRIPT},
}
_TASKS = ("tasks", "finally")
_ANY_TASK = ("spec", "pipelines", "", "tasks", "")
_NONE: Mapping[str, str] = MappingProxyType({})
# What is at a path below `tasks`, by the length of the path, and by its sixth word where it has one.
_IN_A_TASK = {5: {"": TASK}, 6: {"approval": APPROVAL, "matrix": MATRIX}, 7: {"needs": NEED, "steps": STEP}}


class Place(NamedTuple):
    """`value` is what stands at `path`: a text, or for ARGUMENTS the whole list. `key` is that of the holder."""

    sort: str
    key: str
    value: Any
    path: Path


def of(holder: Any, kind: str, path: Path) -> Iterator[Place]:
    """The places of one holder (a step, a context, ...) at which a template or an expression stands.

    `path` leads to the holder; `kind` is a key of PLACES. Most places hold plain text, and are passed over here.
    """
    if not isinstance(holder, dict):
        return
    for key, sort in PLACES[kind].items():
        if sort == AXIS:
            yield from _axes(holder, path)
            continue
        value = holder.get(key)
        if value is None:
            continue
        if sort == TEXTS:
            yield from _texts(value, key, path)
        elif _is_judged(sort, value):
            yield Place(sort, key, value, (*path, key))


def _is_judged(sort: str, value: Any) -> bool:
    if sort == ARGUMENTS:
        return isinstance(value, list) and any(isinstance(text, str) and OPEN in text for text in value)
    return isinstance(value, str) and (sort == EXPRESSION or OPEN in value)


def _texts(values: Any, key: str, path: Path) -> Iterator[Place]:
    for name, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, str) and OPEN in value:
            yield Place(TEXTS, key, value, (*path, key, name))


def _axes(matrix: Mapping[str, Any], path: Path) -> Iterator[Place]:
    for name, value in matrix.items():
        if name not in MATRIX_OPTIONS and isinstance(value, str) and OPEN in value:
            yield Place(AXIS, name, value, (*path, name))


def of_context(context: Any, path: Path) -> Iterator[Place]:
    """The places of a context and of its container."""
    yield from of(context, CONTEXT, path)
    if isinstance(context, dict):
        yield from of(context.get("container"), CONTAINER, (*path, "container"))


def keys_at(path: Path) -> Mapping[str, str]:
    """The keys of what `path` leads to that are places, or ANY_AXIS, with the sort of each. Of the whole object."""
    depth = len(path)
    if depth == 1:
        return PLACES[WORKFLOW] if path == ("spec",) else _NONE
    if path[:2] == ("spec", "triggers"):
        return PLACES[WEBHOOK] if path[3:] == ("webhook",) else _NONE
    if path[-1:] == ("webhook",) and "notify" in (path[1], path[3] if depth > 3 else ""):
        return PLACES[NOTICE]
    if depth < 3 or depth == 4 or depth > 7 or path[1] != "pipelines" or path[0] != "spec":
        inside = path[:2] == ("spec", "task")  # of a TaskTemplate
        return keys_at((*_ANY_TASK, *path[2:])) if inside else _NONE
    if depth == 3:
        return PLACES[PIPELINE]
    if path[3] == "contexts":
        return _in_a_context(path)
    if path[3] not in _TASKS:
        return _NONE
    kind = _IN_A_TASK[depth].get(path[5] if depth > 5 else "")
    return _NONE if kind is None else PLACES[kind]


def _in_a_context(path: Path) -> Mapping[str, str]:
    if len(path) == 5:
        return PLACES[CONTEXT]
    return PLACES[CONTAINER] if len(path) == 6 and path[5] == "container" else _NONE
