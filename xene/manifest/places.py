"""Where templates and expressions may stand in a workflow: the one table of them. Pure.

Called by `checks` and `tasks`, which have `templates` judge what stands there, and find templates elsewhere.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

from xene.engine.expressions import OPEN
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
WORKFLOW, PIPELINE, CONTEXT, TASK = "spec", "pipeline", "context", "task"
NEED, APPROVAL, MATRIX, STEP = "need", "approval", "matrix", "step"

PLACES: Mapping[str, Mapping[str, str]] = {
    WORKFLOW: {"env": TEXTS},
    PIPELINE: {"env": TEXTS},
    CONTEXT: {"env": TEXTS, "workDir": TEXT, "shell": SCRIPT},
    TASK: {"with": TEXTS, "env": TEXTS, "when": EXPRESSION},
    NEED: {"when": EXPRESSION},
    APPROVAL: {"message": TEXT},
    MATRIX: {"*": AXIS},
    STEP: {"env": TEXTS, "workDir": TEXT, "exec": ARGUMENTS, "run": SCRIPT, "shell": SCRIPT},
}
_TASKS = ("tasks", "finally")
_NONE: Mapping[str, str] = {}


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


def keys_at(path: Path) -> Mapping[str, str]:
    """The keys of what `path` leads to that are places, and their sorts; `*` stands for keys of the user's own.

    `path` is one of the whole object's.
    """
    return PLACES.get(_holder(path) or "", _NONE)


def _holder(path: Path) -> str | None:
    """What `path` leads to, if it has places; a mapping of the user's own names has none."""
    if path == ("spec",):
        return WORKFLOW
    if path[:2] == ("spec", "task"):  # of a TaskTemplate
        path = ("spec", "pipelines", "", "tasks", "", *path[2:])
    if path[:2] != ("spec", "pipelines") or len(path) < 3:
        return None
    inner = path[3:]
    if not inner:
        return PIPELINE
    if len(inner) == 2 and inner[0] == "contexts":
        return CONTEXT
    if inner[0] not in _TASKS:
        return None
    if len(inner) == 2:
        return TASK
    if len(inner) == 3 and inner[2] in (APPROVAL, MATRIX):
        return str(inner[2])
    return {"needs": NEED, "steps": STEP}.get(inner[2]) if len(inner) == 4 else None
