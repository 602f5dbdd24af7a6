"""The values of expressions: their types, their text, their size, when two are the same. Pure.

Called by `operators`, `functions` and `expressions`. A value is text, a number (int or float), a boolean, null, a
list, or an object: a mapping, which may be lazy. Nothing here reaches into an object except by its keys.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterator, List, Mapping, Tuple

from xene.engine.mismatch import BOOLEAN, LIST, NULL, NUMBER, OBJECT, TEXT
from xene.engine.tokens import LARGEST, SMALLEST

MAX_TEXT = 2**20  # characters
MAX_ITEMS = 10_000  # of a list
_MAX_NESTING = 100  # of lists and objects
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGER_DIGITS = 20

Spend = Callable[[int], None]


class Refused(ValueError):
    """A value that cannot be had, or not with this operation. Only `expressions` knows the place."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


def type_of(value: Any) -> str:
    """The type of a value, as messages name it."""
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):
        return BOOLEAN
    if value is None:
        return NULL
    if isinstance(value, (int, float)):
        return NUMBER
    if isinstance(value, (list, tuple)):
        return LIST
    return OBJECT if isinstance(value, Mapping) else type(value).__name__


def as_json(value: Any) -> str:
    """JSON on one line, without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def measured(value: Any, spend: Spend) -> Any:
    """`value`, when it may be written as text: not more than MAX_TEXT, not nested deeper than is sensible.
    Raises Refused. Stops as soon as it is too much, however large the value is."""
    size = 0
    for inner, depth in _within(value):
        size += _length(inner)
        spend(1)
        if size > MAX_TEXT:
            raise too_long()
        if depth > _MAX_NESTING:
            raise Refused(f"this value is nested deeper than {_MAX_NESTING}")
    return value


def too_long() -> Refused:
    return Refused(f"this text would have more than {MAX_TEXT} characters", "write it to a file")


def _length(value: Any) -> int:
    """Characters of a value in JSON, at least, without what it holds."""
    return len(value) if isinstance(value, str) else 1


def _within(value: Any) -> Iterator[Tuple[Any, int]]:
    """The value, and every value and key in it, with its depth."""
    stack: List[Iterator[Any]] = [iter((value,))]
    while stack:
        for inner in stack[-1]:
            yield inner, len(stack)
            if isinstance(inner, Mapping):
                stack.append(_entries(inner))
                break
            if isinstance(inner, (list, tuple)):
                stack.append(iter(inner))
                break
        else:
            stack.pop()


def _entries(value: Mapping[Any, Any]) -> Iterator[Any]:
    for key in value:
        yield key
        yield value[key]


def checked(value: Any) -> Any:
    """`value`, if it is within the limits of text, lists and numbers. Raises Refused."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise too_long()
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise Refused(f"this list would have more than {MAX_ITEMS} items")
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        raise Refused("this number is too large", f"whole numbers end at {LARGEST}")
    if isinstance(value, float) and not -1.8e308 < value < 1.8e308:
        raise Refused("this number is too large", "numbers end at 1.8e308")
    return value


def same(left: Any, right: Any, spend: Spend) -> bool:
    """Whether two values are equal. Values of two types never are: `true` is not 1, and 1 is 1.0."""
    stack = [(left, right)]
    while stack:
        one, other = stack.pop()
        spend(1)
        if type_of(one) != type_of(other):
            return False
        if not isinstance(one, (list, tuple, Mapping)):
            if one != other:
                return False
        elif len(one) != len(other) or not _paired(one, other, stack):
            return False
    return True


def _paired(one: Any, other: Any, stack: List[Tuple[Any, Any]]) -> bool:
    """Put what the two hold side by side onto the stack; False if a key has no counterpart."""
    if not isinstance(one, Mapping):
        stack.extend(zip(one, other))
        return True
    for key in one:
        if key not in other:
            return False
        stack.append((one[key], other[key]))
    return True


# -- JSON


def from_json(text: str, spend: Spend) -> Any:
    """What a JSON text means. Raises Refused, also for what is beyond the limits, NaN and half characters."""
    checked(text)
    spend(len(text) // 4)
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_decimal, parse_constant=_constant)
    except RecursionError:
        raise Refused("this JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Refused(
            f"fromJson() was given no JSON: {error.msg.lower()} at character {error.pos + 1}"
        ) from None
    for inner, depth in _within(value):
        checked(inner)
        if depth > _MAX_NESTING:
            raise Refused(f"this JSON is nested deeper than {_MAX_NESTING}")
    if _HALF.search(text):
        _whole_characters(value)
    return value


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else LARGEST + 1


def _decimal(digits: str) -> float:
    return float(digits)


def _constant(word: str) -> Any:
    raise Refused(f"fromJson() was given no JSON: there is no {word}")


def _whole_characters(value: Any) -> None:
    try:
        as_json(value).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("this JSON holds half a character", "a \\ud8.. wants its second half") from None
