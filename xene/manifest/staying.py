"""Checks of how long things stay: a pipeline at an agent that is silent, and its runs once they have ended. Pure.

Called by `checks`.
"""

from __future__ import annotations

from typing import Any, Iterator

from xene.manifest.durations import duration_findings, seconds_of
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import quoted
from xene.model.units import format_duration
from xene.model.workflow import DEFAULT_GRACE_PERIOD, DEFAULT_LOST_AFTER, MOVE, STOP_MARGIN

_Grace = tuple[float, str]  # seconds, and whose it is, in words


def staying_findings(pipeline: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with `history`, and with `lostAfter` and `onLost` of the placement."""
    history, placement = fields(pipeline, "history"), fields(pipeline, "placement")
    if history:
        yield from duration_findings(history, (*path, "history"), ("maxAge",))
    if text(placement, "lostAfter") or text(placement, "onLost") == MOVE:
        yield from _lost_after(pipeline, placement, (*path, "placement"))


def _lost_after(pipeline: Any, placement: Any, path: Path) -> Iterator[Finding]:
    wrong = list(duration_findings(placement, path, ("lostAfter",)))
    yield from wrong
    written = text(placement, "lostAfter")
    seconds = DEFAULT_LOST_AFTER if not written else seconds_of(written)
    if wrong or seconds is None:
        return
    if text(placement, "onLost") == MOVE:
        yield from _too_short(pipeline, seconds, path, "lostAfter" if written else "onLost")
    elif seconds == 0:
        message = "an agent is lost only after some silence"
        yield Finding((*path, "lostAfter"), "bad-duration", message, "leave it out for 60s")


def _too_short(pipeline: Any, seconds: float, path: Path, key: str) -> Iterator[Finding]:
    """An agent that has lost touch must have the time to stop the pipeline's runs before it is replaced."""
    grace, whose = max(_graces(pipeline), key=lambda each: each[0])
    least = grace + STOP_MARGIN
    if seconds >= least:
        return
    message = (
        f"with 'onLost: replace' an agent is lost after {format_duration(seconds)}, in which it cannot surely"
        f" have stopped the pipeline: {whose} has a gracePeriod of {format_duration(grace)}"
    )
    hint = f"write lostAfter: {format_duration(least)} or more, or shorten the gracePeriod"
    yield Finding((*path, key), "wrong-value", message, hint)


def _graces(pipeline: Any) -> Iterator[_Grace]:
    """Every grace period in the pipeline; what cannot be read is passed over."""
    yield _grace(pipeline, "the pipeline", DEFAULT_GRACE_PERIOD)
    for group in ("tasks", "finally"):
        for name, task in fields(pipeline, group).items():
            yield _grace(task, f"the task {quoted(name)}")
            for step in items(task, "steps"):
                yield _grace(step, f"the step {quoted(text(step, 'name') or '')} of {quoted(name)}")


def _grace(holder: Any, whose: str, default: float = 0.0) -> _Grace:
    written = text(holder, "gracePeriod")
    seconds = seconds_of(written) if written else None
    return default if seconds is None else seconds, whose
