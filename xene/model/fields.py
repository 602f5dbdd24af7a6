"""Fields of JSON objects, written so that what says nothing is left out. Used by the codecs. Pure."""

from __future__ import annotations

from typing import Any, Dict, Optional

from xene.model.units import format_duration, parse_duration

Json = Dict[str, Any]


def kept(**fields: Any) -> Json:
    """The fields that say something: None, empty texts and empty collections are left out; 0 and False stay."""
    return {
        key: value for key, value in fields.items() if value is not None and value not in ("", (), [], {})
    }


def unless(value: Any, default: Any) -> Any:
    """`value`, or None where it is the default and need not be said."""
    return None if value == default else value


def one_or_list(items: Any) -> Any:
    """A list of one item as that item."""
    return items[0] if len(items) == 1 else list(items)


def as_list(value: Any) -> list[Any]:
    """The inverse of `one_or_list`."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def seconds(text: Optional[str]) -> Optional[float]:
    """The seconds of a duration that may not be there."""
    return None if text is None else parse_duration(text)


def duration(seconds: Optional[float]) -> Optional[str]:
    """The inverse of `seconds`."""
    return None if seconds is None else format_duration(seconds)
