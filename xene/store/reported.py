"""What fields of a report must be: agents are not trusted. Used by the folds of `store.record` alone.

Each gives the value as it is stored, and raises ValueError or TypeError for what is none.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from xene.engine.outputs import too_large
from xene.model import phases
from xene.model.workflow import MATRIX_MOST
from xene.store import events

_LATEST = 4e9  # an instant beyond this is no instant
ATTEMPTS = 1000  # each makes a row
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{1,63}")
UNCLEAR = "MalformedReason"  # in the place of a reason that is none
_ENDS = frozenset({phases.SUCCESS, phases.ERROR, phases.NOT_EXECUTED})


def at(event: Mapping[str, Any]) -> float:
    at = float(event["at"])
    if not 0 <= at < _LATEST:
        raise ValueError(f"{at} is no instant")
    return at


def count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a count is expected")
    return value


def attempt(value: Any) -> int:
    if count(value) > ATTEMPTS:
        raise ValueError(f"more than {ATTEMPTS} attempts")
    return int(value)


def count_or_none(value: Any) -> int | None:
    return None if value is None else count(value)


def name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 256:
        raise ValueError("a name is expected")
    return value


def text(value: Any) -> str | None:
    return None if value is None else events.plain(str(value))


def reason(value: Any) -> str | None:
    """A CamelCase word: programs compare it, tables print it."""
    if value is None or (isinstance(value, str) and _REASON.fullmatch(value)):
        return value
    return UNCLEAR


def end_of(event: Mapping[str, Any]) -> str:
    if event["phase"] not in _ENDS:
        raise ValueError("this is no end of a task or step")
    return str(event["phase"])


def texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    return {key: str(item) for key, item in value.items()}


def text_or_texts(value: Any) -> str | list[str]:
    """An output: a text, or for the sum of a matrix the list of those of its instances."""
    return [str(item) for item in value[:MATRIX_MOST]] if isinstance(value, list) else str(value)


def revisions(value: Any) -> dict[str, str]:
    return {name(key): name(item) for key, item in texts(value).items()}


def names(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return [name(item) for item in value]


def outputs(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    outputs = {str(key): text_or_texts(item) for key, item in value.items()}
    if too_large(outputs):
        raise ValueError("its outputs are too large")
    text = json.dumps(outputs, ensure_ascii=False)
    text.encode()  # lone surrogates raise here: they are no text
    return text
