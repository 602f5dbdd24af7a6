"""Arguments and options that several commands have, and how their texts are read. Used by the commands."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Optional

import typer

from xene.commands import completion
from xene.errors import Usage
from xene.model.units import parse_duration

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RUN_HELP = "An id, a unique prefix, WORKFLOW/PIPELINE (its newest run), or WORKFLOW/PIPELINE~2."

Run = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=completion.runs)]
Agent = Annotated[
    str, typer.Argument(metavar="AGENT", help="The agent's name.", autocompletion=completion.agents)
]
Timeout = Annotated[
    Optional[str],
    typer.Option("--timeout", metavar="DURATION", help="Stop waiting after this long, with exit 6."),
]
TIME = "now, 2h, -1d, 2026-11-23 (its beginning in UTC), or an RFC 3339 time"


def seconds(text: str | None, option: str) -> float | None:
    """The seconds of a duration option. Raises Usage."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Usage(f"{option}: {error}") from None


def instant(text: str | None, option: str, *, ahead: bool = False) -> float | None:
    """Seconds since 1970 of one of the words for a time. Raises Usage.

    `now`; a duration, ago (or with `ahead` from now on), `-1d` and `+2h` either way; a date, its beginning in
    UTC; or an RFC 3339 time.
    """
    if text is None:
        return None
    found = _relative(text, ahead)
    return _absolute(text, option) if found is None else found


def _relative(text: str, ahead: bool) -> float | None:
    if text == "now":
        return time.time()
    sign = {"+": 1.0, "-": -1.0}.get(text[:1])
    try:
        span = parse_duration(text if sign is None else text[1:])
    except ValueError:
        return None  # it may be a time
    return time.time() + span * (sign or (1.0 if ahead else -1.0))


def _absolute(text: str, option: str) -> float:
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        when = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise Usage(
            f"{option}: '{text}' is neither a duration nor a time",
            hint="write it like 10m, 2h, -1d, now, 2026-11-23 or 2026-11-23T02:30:00Z",
        ) from None
    if when.tzinfo is None:
        raise Usage(f"{option}: '{text}' has no offset", hint=f"write {text}Z for UTC")
    return when.timestamp()


def assignments(given: list[str]) -> dict[str, str]:
    """`K=V` words as a mapping. Raises Usage."""
    return dict(_split(word) for word in given)


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        raise Usage(f"-p {word}: not a param", hint="write -p NAME=VALUE")
    return key, value
