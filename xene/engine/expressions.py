"""`${{ }}` templates: read with positions, checked by `manifest/`, rendered by the agent when reached. Pure.

What stands between the braces is a dotted name: `params.sha`, `tasks.fetch.outputs.version`, `run.id`,
`agent.name`, `agent.labels.zone`; a key that is no identifier is written `agent.labels['example.com/zone']`.
Values become text: text as it is, booleans in lower case, lists and objects as JSON.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, List, Mapping, NamedTuple, Tuple, Union

OPEN, CLOSE = "${{", "}}"
MAX_LENGTH = 65536
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KEY = re.compile(r"\[\s*'([^'\\]*)'\s*\]")


class ExpressionError(ValueError):
    """`offset` counts characters from the start of the text."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class Reference(NamedTuple):
    """A name inside a template. `offset` is where it starts in the text."""

    path: Tuple[str, ...]
    offset: int
    text: str


Part = Union[str, Reference]


def has_template(text: str) -> bool:
    """Whether `text` holds the beginning of a template."""
    return OPEN in text


@lru_cache(maxsize=4096)
def parse(text: str) -> Tuple[Part, ...]:
    """The plain texts and references of `text`, in order. Raises ExpressionError."""
    if len(text) > MAX_LENGTH and OPEN in text:
        raise ExpressionError(f"a text with templates may have at most {MAX_LENGTH} characters", 0)
    parts: List[Part] = []
    at = 0
    while True:
        start = text.find(OPEN, at)
        if start < 0:
            break
        if start > at:
            parts.append(text[at:start])
        reference, at = _reference(text, start + len(OPEN))
        parts.append(reference)
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def _reference(text: str, at: int) -> Tuple[Reference, int]:
    """Read `a.b['c'] }}` from `at`; give it and the offset behind the braces."""
    start = at = _skip(text, at)
    match = _WORD.match(text, at)
    if match is None:
        what = "nothing between" if text.startswith(CLOSE, at) else "no name after"
        raise ExpressionError(f"there is {what} '{OPEN}'", start)
    path, at = [match.group()], match.end()
    while at < len(text) and text[at] in ".[":
        key = _WORD.match(text, at + 1) if text[at] == "." else _KEY.match(text, at)
        if key is None:
            raise ExpressionError("a name is missing here: write a.b or a['b']", at)
        path.append(key.group(1) if text[at] == "[" else key.group())
        at = key.end()
    name = text[start:at]
    at = _skip(text, at)
    if not text.startswith(CLOSE, at):
        if text.find(CLOSE, at) < 0:
            raise ExpressionError(f"'{OPEN}' is not closed by '{CLOSE}'", start)
        raise ExpressionError(f"only a name is allowed here, such as '{name}'", at)
    return Reference(tuple(path), start, name), at + len(CLOSE)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def render(text: str, scope: Mapping[str, Any]) -> str:
    """`text` with every reference replaced by its value in `scope` (nested mappings). Raises ExpressionError."""
    if OPEN not in text:
        return text
    parts = parse(text)
    return "".join(part if isinstance(part, str) else as_text(_look_up(part, scope)) for part in parts)


def _look_up(reference: Reference, scope: Mapping[str, Any]) -> Any:
    value: Any = scope
    for depth, key in enumerate(reference.path):
        if not isinstance(value, Mapping) or key not in value:
            missing = ".".join(reference.path[: depth + 1])
            raise ExpressionError(f"'{missing}' has no value", reference.offset)
        value = value[key]
    return value


def as_text(value: Any) -> str:
    """How a value stands in an environment variable or an argument."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def value(text: str, scope: Mapping[str, Any]) -> Any:
    return render(text, scope)


def condition(text: str, scope: Mapping[str, Any]) -> bool:
    raise NotImplementedError
