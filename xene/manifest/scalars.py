"""Plain YAML scalars: what YAML 1.2 (core schema) reads in them, and whether a text would lose by that. Pure.

Called by `values`. A text that other readers of YAML would take for something else (a date) counts as a loss
too: a manifest means the same to everybody who reads it.
"""

from __future__ import annotations

import re
from typing import Union

Plain = Union[str, int, float, bool, None]

_WORDS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(\Z|[Tt \t])")
_LONG = 40  # characters beyond which a number is not worth reading


def resolve(text: str) -> Plain:
    """The value of a plain scalar. Numbers of more than 40 characters, infinities and NaN stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC or len(text) > _LONG:
        return text
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.match(text):
        return _finite(text)
    return text


def _finite(text: str) -> Plain:
    value = float(text)
    return value if abs(value) != float("inf") else text


def loss(text: str) -> str | None:
    """Why a plain `text` does not stay as written when YAML reads it, in words; None if it does."""
    if text in _WORDS:
        return _lost_word(text)
    if text[0] not in _NUMERIC:
        return None
    if _DATE.match(text):
        return "a date"
    if _SPECIAL.match(text):
        return "infinity or not-a-number"
    if _INT.match(text) or _BASED.match(text):
        plain = re.match(r"(0|-?[1-9][0-9]*)\Z", text)
        return None if plain else _reads_as(text)
    if _FLOAT.match(text) and repr(resolve(text)) != text:
        return _reads_as(text)
    return None


def _lost_word(text: str) -> str | None:
    if text in ("true", "false"):
        return None
    value = _WORDS[text]
    return "no value" if value is None else f"the boolean {str(value).lower()}"


def _reads_as(text: str) -> str:
    value = resolve(text)
    return "a number" if isinstance(value, str) else f"the number {value!r}"
