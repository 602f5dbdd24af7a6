"""What differs between two JSON objects, field by field.

Called by `plan.diff`. Pure. Lists of named things (steps, connectors) are matched by name and lists of texts by
text, so that inserting one does not look like changing all that follow; other lists, and an argv, by index.
"""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, Mapping, NamedTuple

CONTEXT_LINES = 2  # around a change inside a text
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_]*\Z")
_NAMING = ("name", "task", "pipeline")  # the key that tells which step, or which connector, it is
_ABSENT = None  # manifests hold no null: defaults are left out


class Field(NamedTuple):
    """One difference. `old` or `new` is None where the field is not there on that side.

    `path` is like `spec.pipelines.build.tasks.test.steps[go].timeout`; for a change of order it ends in
    `(order)` and the values are lists of names.
    """

    path: str
    old: Any
    new: Any


def fields(old: Any, new: Any, path: str = "") -> Iterator[Field]:
    """Every difference between two JSON values, in the order of the keys' names."""
    if type(old) is type(new) and isinstance(old, dict):
        yield from _of_objects(old, new, path)
    elif type(old) is type(new) and isinstance(old, list):
        yield from _of_lists(old, new, path)
    elif old != new or type(old) is not type(new):  # true is not 1
        yield Field(path, old, new)


def _of_objects(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Field]:
    for key in sorted({*old, *new}):
        yield from fields(old.get(key, _ABSENT), new.get(key, _ABSENT), _below(path, key))


def _below(path: str, key: str) -> str:
    if not _PLAIN_KEY.match(key):
        return f"{path}['{key}']"
    return f"{path}.{key}" if path else key


def _of_lists(old: list[Any], new: list[Any], path: str) -> Iterator[Field]:
    before, after = _by_name(old), _by_name(new)
    if before is None or after is None or path.rpartition(".")[2] == "exec":
        for index in range(max(len(old), len(new))):
            yield from fields(_at(old, index), _at(new, index), f"{path}[{index}]")
        return
    for name in [*before, *(name for name in after if name not in before)]:
        yield from fields(before.get(name), after.get(name), f"{path}[{name}]")
    staying = [name for name in before if name in after]
    if staying != [name for name in after if name in before]:
        yield Field(f"{path} (order)", list(before), list(after))


def _by_name(things: list[Any]) -> dict[str, Any] | None:
    """The list by the names of its members; None if not all have one of their own."""
    named = {name: thing for thing in things if (name := _name(thing)) is not None}
    return named if len(named) == len(things) else None


def _name(thing: Any) -> str | None:
    """A text is its own name, as in a list of tasks that are needed."""
    if isinstance(thing, dict):
        thing = next((thing[key] for key in _NAMING if key in thing), None)
    return thing if isinstance(thing, str) else None


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _ABSENT


def lines(field: Field) -> list[str]:
    """A field as lines for people: `~ path: old -> new`, `+ path: new`, `- path: old`, texts as a unified diff."""
    if isinstance(field.old, str) and isinstance(field.new, str) and "\n" in field.old + field.new:
        return [f"~ {field.path}:", *("    " + line for line in _text_diff(field.old, field.new))]
    if field.old is None or field.new is None:
        sign, value = ("+", field.new) if field.old is None else ("-", field.old)
        return [f"{sign} {path}: {_value(leaf)}" for path, leaf in _leaves(field.path, value)]
    return [f"~ {field.path}: {_value(field.old)} -> {_value(field.new)}"]


def _text_diff(old: str, new: str) -> Iterator[str]:
    """The changed lines with a little around them; a missing end of line is no difference worth a word."""
    import difflib

    hunks = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=CONTEXT_LINES)
    yield from [*hunks][2:] or ["(only the end of line differs)"]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What was added or removed, leaf by leaf."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from _leaves(_below(path, key), value[key])
    elif (
        isinstance(value, list)
        and value
        and all(isinstance(thing, dict) and "name" in thing for thing in value)
    ):
        for thing in value:
            yield from _leaves(
                f"{path}[{thing['name']}]", {key: thing[key] for key in thing if key != "name"}
            )
    else:
        yield path, value


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
