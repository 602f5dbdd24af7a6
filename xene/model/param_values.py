"""Values of params: texts and JSON values in, values of the param's type out. Pure.

Called by `plan.inputs` (params of a pipeline) and `manifest.reuse` (params of a task template). Patterns are not
looked at here: they are RE2, which hosts do not have.
"""

from __future__ import annotations

import math
import re
from typing import Optional

from xene.model.workflow import Param, Scalar

MAX_BYTES = 128 * 1024 - 512  # Linux takes no longer text in an environment, where params travel to steps
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RANGE = 2**63
_WANTED = {"string": "a text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


class WrongValue(ValueError):
    """What is wrong with one value."""


def typed(kind: str, value: object) -> Scalar:
    """The value as the type `kind` of a param. A text is read (`5`, `true`); a JSON value must be of the type.

    Raises WrongValue.
    """
    if isinstance(value, str):
        return _from_text(kind, _sound(value))
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in ("integer", "number") and isinstance(value, int) and not isinstance(value, bool):
        return _in_range(value)
    if kind == "number" and isinstance(value, float) and math.isfinite(value):
        return value
    raise WrongValue(f"{shown(value)} is not {_WANTED[kind]}")


def refused(param: Param, value: Scalar) -> Optional[str]:
    """Why the param's `enum` does not allow a value of its type; None if it does."""
    if param.enum and not any(_same(value, one) for one in param.enum):
        return f"{shown(value)} is not one of {', '.join(as_text(one) for one in param.enum)}"
    return None


def _sound(text: str) -> str:
    """`text`, if it can stand in an environment. Raises WrongValue."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise WrongValue("the value is not valid UTF-8") from None
    if b"\0" in data:
        raise WrongValue("the value holds a NUL byte, which no environment can carry")
    if len(data) > MAX_BYTES:
        raise WrongValue(
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
    raise WrongValue(f"{shown(text)} is not {_WANTED[kind]}")


def _in_range(value: int) -> int:
    if not -_RANGE <= value < _RANGE:
        raise WrongValue("the integer has more than 64 bits")
    return value


def _same(value: Scalar, one: Scalar) -> bool:
    """Equal and of one kind: true is not 1."""
    return value == one and isinstance(value, bool) == isinstance(one, bool)


def as_text(value: Scalar) -> str:
    """As a step's environment would show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(value: object) -> str:
    """For a message; cut."""
    text = repr(value) if isinstance(value, str) else _plain(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _plain(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
