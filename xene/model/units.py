"""Durations (`500ms`, `1h30m`), sizes (`10Mi`) and instants, read and written. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone

DURATION_PATTERN = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?\Z")
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|Ti)?\Z")
_POWERS = {None: 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}


def parse_duration(text: str) -> float:
    """Seconds in `500ms`, `90s`, `10m`, `2h`, `1d`, `1h30m`. Raises ValueError."""
    match = _DURATION.match(text)
    if not text or match is None or len(text) > 40:
        raise ValueError(f"'{text}' is not a duration: write it like 500ms, 90s, 10m, 2h, 1d or 1h30m")
    return sum(int(part) * unit for part, unit in zip(match.groups(), _UNITS) if part)


def format_duration(seconds: float) -> str:
    """The shortest manifest form of `seconds`: `1h30m`, `500ms`, `0s`."""
    left = round(seconds * 1000)
    parts = []
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def format_age(seconds: float) -> str:
    """An age for tables, two units at most: `12s`, `3m4s`, `2h5m`, `9d`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 600:
        return f"{whole // 60}m{whole % 60}s" if whole % 60 else f"{whole // 60}m"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60}m" if whole % 3600 >= 60 else f"{whole // 3600}h"
    return f"{whole // 86400}d"


def parse_size(text: str) -> int:
    """Bytes in `512`, `10Ki`, `10Mi`, `1Gi`. Raises ValueError."""
    match = _SIZE.match(text)
    if match is None or len(text) > 24:
        raise ValueError(f"'{text}' is not a size: write it like 512, 10Ki, 10Mi or 1Gi")
    return int(match.group(1)) << 10 * _POWERS[match.group(2)]


def rfc3339(instant: float) -> str:
    """Seconds since 1970 as RFC 3339 UTC with milliseconds: `2026-11-23T02:30:00.123Z`."""
    when = datetime.fromtimestamp(instant, timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"
