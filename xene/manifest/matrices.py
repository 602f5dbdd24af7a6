"""Checks of a task's matrix: its axes, and how many combinations they make. Pure. Called by `tasks`."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from xene.engine.matrix import TooMany, instances
from xene.engine.mismatch import ANY
from xene.engine.texts import OPEN
from xene.engine.values import type_of
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, items, same
from xene.manifest.problems import did_you_mean, quoted
from xene.model.pipeline_codec import MATRIX_OPTIONS, matrix_from_json

_Axes = Mapping[str, Any]


def axes_of(task: Any) -> dict[str, str]:
    """What `matrix.NAME` may name in a task, its axes and what `include` adds, with the types of their values."""
    matrix = fields(task, "matrix")
    types: dict[str, set[str]] = {}
    for name, axis in matrix.items():
        if name not in MATRIX_OPTIONS:
            types[name] = {_type(value) for value in axis} if isinstance(axis, list) else {ANY}
    for entry in items(matrix, "include"):
        for name, value in entry.items() if isinstance(entry, dict) else ():
            types.setdefault(name, set()).add(_type(value))
    return {name: found.pop() if len(found) == 1 else ANY for name, found in types.items()}


def _type(value: Any) -> str:
    return type_of(value) if isinstance(value, (str, int, float)) else ANY


def matrix_findings(task: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with the matrix of a task."""
    matrix = fields(task, "matrix")
    if not matrix:
        return
    place = (*path, "matrix")
    axes = {name: axis for name, axis in matrix.items() if name not in MATRIX_OPTIONS}
    found = [*_axes(axes, place), *_repeated(matrix, place), *_excluded(matrix, axes, place)]
    yield from found
    if not found:
        yield from _count(matrix, axes, place)


def _axes(axes: _Axes, path: Path) -> Iterator[Finding]:
    options = {option.lower(): option for option in MATRIX_OPTIONS}
    for name, axis in axes.items():
        option = options.get(name.lower().replace("-", "").replace("_", ""))
        if option is not None and isinstance(axis, (str, list)) and _is_whole(axis):
            message = f"the axis {quoted(name)} looks like the option {quoted(option)}"
            yield Finding((*path, name), "unknown-key", message, "give the axis another name", at_key=True)
        yield from _twice(axis, name, (*path, name))


def _is_whole(axis: str | list[Any]) -> bool:
    """Whether the schema has nothing against it."""
    return OPEN in axis if isinstance(axis, str) else all(isinstance(v, (str, int, float)) for v in axis)


def _twice(axis: Any, name: str, path: Path) -> Iterator[Finding]:
    if not isinstance(axis, list):
        return
    seen: set[tuple[bool, Any]] = set()
    for index, value in enumerate(axis):
        if not isinstance(value, (str, int, float)):
            continue
        key = (isinstance(value, bool), value)
        if key in seen:
            yield Finding((*path, index), "wrong-value", f"{quoted(value)} stands twice in {quoted(name)}")
        seen.add(key)


def _repeated(matrix: Any, path: Path) -> Iterator[Finding]:
    """An entry of `include` or `exclude` that stands there twice."""
    for option in ("include", "exclude"):
        entries = items(matrix, option)
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and any(_agree(entry, other) for other in entries[:index]):
                message = f"this combination stands twice in {quoted(option)}"
                yield Finding((*path, option, index), "wrong-value", message)


def _agree(one: Mapping[str, Any], other: Any) -> bool:
    return (
        isinstance(other, dict)
        and one.keys() == other.keys()
        and all(same(one[key], other[key]) for key in one)
    )


def _excluded(matrix: Any, axes: _Axes, path: Path) -> Iterator[Finding]:
    """Entries of `exclude` that no combination could agree with."""
    for index, entry in enumerate(items(matrix, "exclude")):
        for name, value in entry.items() if isinstance(entry, dict) else ():
            place, axis = (*path, "exclude", index, name), axes.get(name)
            if name not in axes:
                message = f"'exclude' names the axis {quoted(name)}, which the matrix does not have"
                yield Finding(place, "unknown-key", message, did_you_mean(name, axes), at_key=True)
            elif isinstance(axis, list) and not any(same(value, each) for each in axis):
                message = f"{quoted(value)} is no value of the axis {quoted(name)}"
                yield Finding(place, "wrong-value", message, _as_typed(value, axis))


def _as_typed(value: Any, axis: list[Any]) -> str:
    """A hint for a value that is there as another type, or under another spelling."""
    for each in axis:
        if str(each).lower() == str(value).lower():
            shown = f'"{each}", with' if isinstance(each, str) else f"{str(each).lower()}, without"
            return f"write {shown} quotes"
    return did_you_mean(str(value), [str(each) for each in axis])


def _count(matrix: Any, axes: _Axes, path: Path) -> Iterator[Finding]:
    if not axes and not items(matrix, "include"):
        hint = "for example suite: [unit, api]"
        yield Finding(path, "wrong-value", "the matrix has no axis", hint, at_key=True)
        return
    if not _is_static(matrix, axes):
        return
    try:
        found = instances("", matrix_from_json(matrix), axes)
    except TooMany as error:
        yield Finding(path, "wrong-value", str(error), "split the task, or use fewer values", at_key=True)
        return
    if not found:
        yield Finding(path, "wrong-value", "'exclude' leaves no combination of the matrix", at_key=True)


def _is_static(matrix: Any, axes: _Axes) -> bool:
    """Whether its combinations can be told now: lists of plain values, and entries that are mappings."""
    if not all(isinstance(matrix.get(option, []), list) for option in ("include", "exclude")):
        return False
    entries = [*items(matrix, "include"), *items(matrix, "exclude")]
    return all(isinstance(axis, list) and axis and _is_whole(axis) for axis in axes.values()) and all(
        isinstance(entry, dict) and all(isinstance(v, (str, int, float)) for v in entry.values())
        for entry in entries
    )
