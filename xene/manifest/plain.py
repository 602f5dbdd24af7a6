"""Plain data of a manifest that may still be wrong: reading it without stumbling. Pure.

Called by every check. Whatever is not of the sort that is wanted reads as nothing: the schema has said so already.
"""

from __future__ import annotations

from typing import Any, Mapping


def fields(data: Any, key: str) -> Mapping[str, Any]:
    """The mapping at `key`; an empty one where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def items(data: Any, key: str) -> list[Any]:
    """The list at `key`; an empty one where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def text(data: Any, key: str) -> str | None:
    """The text at `key`; None where there is anything else."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None


def texts(data: Any, key: str) -> list[str]:
    """The texts in the list at `key`, or the one text that stands there instead of a list."""
    value = data.get(key) if isinstance(data, dict) else None
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: `true` is not 1, but 1.0 is."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
