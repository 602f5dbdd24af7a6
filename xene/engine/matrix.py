"""The instances of a matrix: combinations of values, and what each is called. Pure.

Called by `advance` when such a task is reached, by `store` for rows that can be made before, and by `manifest`.
`include` is as in GitHub Actions: an entry extends every combination whose own values it does not change; one that
extends none is a combination of its own.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from xene.engine.texts import as_text
from xene.model.workflow import MATRIX_MOST, Matrix

NAME_BYTES = 120  # of an instance's name; a longer one is called by its number

Values = Dict[str, Any]


class Instance(NamedTuple):
    """One combination. `name` is `TASK[value,value]`."""

    name: str
    values: Values


class TooMany(ValueError):
    """More combinations than `MATRIX_MOST`."""


def is_static(matrix: Matrix) -> bool:
    """Whether its instances are known before the run."""
    return not any(isinstance(axis, str) for axis in matrix.axes.values())


def static_instances(task: str, matrix: Matrix) -> Optional[List[Instance]]:
    """The instances of a matrix that needs nothing of the run, else None. Raises TooMany."""
    if not is_static(matrix):
        return None
    return instances(task, matrix, {name: list(axis) for name, axis in matrix.axes.items()})


def instances(task: str, matrix: Matrix, axes: Mapping[str, Sequence[Any]]) -> List[Instance]:
    """The instances for these axes, in order; the last axis varies fastest. Raises TooMany."""
    count = 1 if axes else 0
    for values in axes.values():
        count *= len(values)
        if count > 100 * MATRIX_MOST:  # before they are made: `exclude` may still leave few
            raise TooMany(f"the matrix has more than {MATRIX_MOST} combinations")
    found = [dict(zip(axes, row)) for row in product(*axes.values())] if count else []
    found = [row for row in found if not any(_agrees(row, out) for out in matrix.exclude)]
    found = _included(found, matrix.include, list(axes))
    if len(found) > MATRIX_MOST:
        raise TooMany(f"the matrix has {len(found)} combinations, more than {MATRIX_MOST}")
    return _named(task, found)


def _agrees(row: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    return all(name in row and _same(row[name], value) for name, value in part.items())


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _included(rows: List[Values], include: Sequence[Mapping[str, Any]], axes: List[str]) -> List[Values]:
    originals = [dict(row) for row in rows]
    for entry in include:
        own = {name: value for name, value in entry.items() if name in axes}
        extended = [row for row, original in zip(rows, originals) if _agrees(original, own)]
        for row in extended:
            row.update(entry)
        if not extended:
            rows.append(dict(entry))
    return rows


def _named(task: str, rows: List[Values]) -> List[Instance]:
    names: Dict[str, None] = {}
    for number, row in enumerate(rows, 1):
        name = f"{task}[{','.join(_shown(value) for value in row.values())}]"
        if name in names or len(name.encode("utf-8", "replace")) > NAME_BYTES:
            name = f"{task}[#{number}]"
        names[name] = None
    return [Instance(name, row) for name, row in zip(names, rows)]


def _shown(value: Any) -> str:
    """A value as a part of a name: nothing that breaks a line or looks like the name's own brackets."""
    return "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in as_text(value))
