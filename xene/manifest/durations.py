"""Checks of durations: forms that the schema lets pass, limits that are none, and what is surely a slip. Pure.

Called by the checks of whatever has durations.
"""

from __future__ import annotations

from typing import Any, Iterator

from xene.manifest.findings import Finding, Path
from xene.manifest.plain import text
from xene.manifest.problems import quoted
from xene.model.units import parse_duration

_LONGEST = 3660 * 86400.0  # seconds; a longer duration is a slip of the pen
_LIMITS = {"timeout": "a timeout", "startingDeadline": "'startingDeadline'", "maxAge": "'maxAge'"}


def duration_findings(
    holder: Any, path: Path, keys: tuple[str, ...] = ("timeout", "gracePeriod")
) -> Iterator[Finding]:
    """What is wrong with the durations at `keys` of `holder`. A limit of nothing is."""
    for key in keys:
        value = text(holder, key)
        if not value:
            continue
        seconds = seconds_of(value)
        if seconds is None:
            hint = "write it like 500ms, 90s, 10m, 2h, 1d or 1h30m"
            yield Finding((*path, key), "bad-duration", f"{quoted(value)} is not a duration", hint)
        elif seconds > _LONGEST:
            yield Finding((*path, key), "bad-duration", f"{quoted(value)} is longer than ten years")
        elif key in _LIMITS and seconds == 0:
            message = f"{_LIMITS[key]} must be longer than nothing"
            yield Finding((*path, key), "bad-duration", message, "leave it out for no limit")


def seconds_of(value: str) -> float | None:
    """The seconds of a duration; None for what is none."""
    try:
        return parse_duration(value)
    except ValueError:
        return None
