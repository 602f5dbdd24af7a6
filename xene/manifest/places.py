"""Where templates and expressions may stand in a workflow: the one table of them. Pure.

Called by `checks` and `tasks`, which have `templates` judge what stands there, and find templates elsewhere.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple

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


class Place(NamedTuple):
    """`value` is what stands at `path`: a text, or for ARGUMENTS the whole list. `key` is that of the holder."""

    sort: str
    key: str
    value: Any
    path: Path


def of(holder: Any, kind: str, path: Path) -> Iterator[Place]:
    """The places of one holder (a step, a context, ...), `path` leading to it. `kind` is a key of PLACES."""
    if not isinstance(holder, dict):
        return
    for key, sort in PLACES[kind].items():
        if sort == AXIS:
            yield from _axes(holder, path)
        elif sort == TEXTS:
            yield from _texts(holder.get(key), key, path)
        elif isinstance(holder.get(key), list if sort == ARGUMENTS else str):
            yield Place(sort, key, holder[key], (*path, key))


def _texts(values: Any, key: str, path: Path) -> Iterator[Place]:
    for name, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, str):
            yield Place(TEXTS, key, value, (*path, key, name))


def _axes(matrix: Mapping[str, Any], path: Path) -> Iterator[Place]:
    for name, value in matrix.items():
        if name not in MATRIX_OPTIONS and isinstance(value, str):
            yield Place(AXIS, name, value, (*path, name))


def is_place(path: Path, key: Any, value: Any) -> bool:
    """Whether `key` of what `path` leads to is a place, `path` being one of the whole object's."""
    known = PLACES.get(_holder(path) or "", {})
    if "*" in known:
        return key not in MATRIX_OPTIONS and isinstance(value, str)
    return key in known


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
