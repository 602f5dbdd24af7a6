"""Checks of `retry` on a step or a task. Pure. Called by `tasks`."""

from __future__ import annotations

from typing import Any, Iterator

from xene.manifest.durations import duration_findings, seconds_of
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, text
from xene.manifest.problems import quoted
from xene.model.units import format_duration
from xene.model.workflow import NO_RETRY


def retry_findings(holder: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with the `retry` of a step or a task."""
    backoff = fields(fields(holder, "retry"), "backoff")
    if not backoff:
        return
    place = (*path, "retry", "backoff")
    found = list(duration_findings(backoff, place, ("initial", "max")))
    yield from found
    if found:
        return
    initial, longest = text(backoff, "initial"), text(backoff, "max")
    first = NO_RETRY.initial if initial is None else seconds_of(initial)
    most = NO_RETRY.max_pause if longest is None else seconds_of(longest)
    if first is None or most is None or most >= first:
        return
    if longest is None:
        message = (
            f"'initial' {quoted(initial)} is longer than 'max', which is {format_duration(most)} by default"
        )
        yield Finding((*place, "initial"), "wrong-value", message, f"add max: {initial}, or a longer one")
    else:
        shown = quoted(initial or format_duration(first))
        message = f"'max' {quoted(longest)} is shorter than 'initial', which is {shown}"
        yield Finding((*place, "max"), "wrong-value", message)
