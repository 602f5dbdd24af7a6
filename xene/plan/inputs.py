"""Params of a pipeline: texts and JSON values in, typed and checked values out.

Called by `plan.fires` (and through it by `run` and `run FILE`). Pure. All that is wrong is told at once. RE2 is
imported only where a param has a pattern, since it costs 20 ms; Python's `re` would let a pattern run for ever.
"""

from __future__ import annotations

import math
import re
from typing import Iterable, Mapping, Sequence

from xene.errors import Usage
from xene.model.workflow import Param, Scalar

MAX_BYTES = 128 * 1024 - 512  # Linux takes no longer text in an environment, where params travel to steps
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RANGE = 2**63
_WANTED = {"string": "a text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


class _Wrong(ValueError):
    """What is wrong with one value."""


def parse(items: Iterable[str]) -> dict[str, str]:
    """`-p K=V` items as a mapping. Raises Usage for one without `=` and for one given twice."""
    given: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise Usage(f"-p {item}: a param is given as NAME=VALUE")
        if name in given:
            raise Usage(f"-p {item}: the param {name} is given twice")
        given[name] = value
    return given


def resolve(params: Mapping[str, Param], given: Mapping[str, object]) -> dict[str, Scalar]:
    """The value of every declared param, in the order of declaration.

    A text is read as the param's type (`n=5`); a JSON value must have it. Raises Usage with all problems at once:
    bad values, missing ones, and names that are not declared.
    """
    values, problems = check(params, given)
    raise_problems(problems + unknown(given, params))
    return values


def check(params: Mapping[str, Param], given: Mapping[str, object]) -> tuple[dict[str, Scalar], list[str]]:
    """The values, and what is wrong with those given and those not given. Undeclared names are not looked at."""
    values: dict[str, Scalar] = {}
    problems: list[str] = []
    for name, param in params.items():
        try:
            values[name] = _value(param, given, name)
        except _Wrong as wrong:
            problems.append(f"param {name}: {wrong}")
    return values, problems


def unknown(given: Iterable[str], declared: Iterable[str]) -> list[str]:
    """A problem for each name given that is not declared, with the nearest name that is."""
    names = list(declared)
    return [_unknown(name, names) for name in given if name not in names]


def _unknown(name: str, declared: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, declared, 1)
    if near:
        return f"param {name}: no such param; did you mean {near[0]}?"
    known = f"known are {', '.join(declared)}" if declared else "none are declared"
    return f"param {name}: no such param; {known}"


def raise_problems(problems: Sequence[str]) -> None:
    """Raises Usage if there are any."""
    if problems:
        head = f"{len(problems)} params are wrong:\n  " if len(problems) > 1 else ""
        raise Usage(head + "\n  ".join(problems), hint="params are given as -p NAME=VALUE")


def _value(param: Param, given: Mapping[str, object], name: str) -> Scalar:
    if name not in given:
        if param.default is None:
            raise _Wrong(f"required ({_described(param)}), and not given")
        return param.default
    value = _typed(param.type, given[name])
    if param.enum and not any(_same(value, one) for one in param.enum):
        raise _Wrong(f"{_shown(value)} is not one of {', '.join(_text(one) for one in param.enum)}")
    if param.pattern is not None and not _covers(param.pattern, _text(value)):
        raise _Wrong(f"{_shown(value)} does not match the pattern {param.pattern}")
    return value


def _described(param: Param) -> str:
    if param.enum:
        return f"one of {', '.join(_text(one) for one in param.enum)}"
    return param.type if param.pattern is None else f"{param.type} matching {param.pattern}"


def _typed(kind: str, value: object) -> Scalar:
    if isinstance(value, str):
        return _from_text(kind, _sound(value))
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in ("integer", "number") and isinstance(value, int) and not isinstance(value, bool):
        return _in_range(value)
    if kind == "number" and isinstance(value, float) and math.isfinite(value):
        return value
    raise _Wrong(f"{_shown(value)} is not {_WANTED[kind]}")


def _sound(text: str) -> str:
    """`text`, if it can stand in an environment. Raises _Wrong."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise _Wrong("the value is not valid UTF-8") from None
    if b"\0" in data:
        raise _Wrong("the value holds a NUL byte, which no environment can carry")
    if len(data) > MAX_BYTES:
        raise _Wrong(
            f"the value has {len(data)} bytes, more than the {MAX_BYTES} that an environment can carry"
        )
    return text


def _from_text(kind: str, text: str) -> Scalar:
    if kind == "string":
        return text
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("integer", "number") and _INTEGER.fullmatch(text):
        return _in_range(int(text))
    if kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise _Wrong(f"{_shown(text)} is not {_WANTED[kind]}")


def _in_range(value: int) -> int:
    if not -_RANGE <= value < _RANGE:
        raise _Wrong("the integer has more than 64 bits")
    return value


def _same(value: Scalar, one: Scalar) -> bool:
    """Equal and of one kind: true is not 1."""
    return value == one and isinstance(value, bool) == isinstance(one, bool)


def _covers(pattern: str, text: str) -> bool:
    """Whether RE2's `pattern` matches the whole of `text`."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.fullmatch(pattern, text, options=options) is not None
    except re2.error:
        raise _Wrong(f"its pattern {pattern} is no RE2 pattern") from None


def _text(value: Scalar) -> str:
    """As a step's environment would show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else _plain(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
