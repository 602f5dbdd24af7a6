"""The calendar of slots, as the live screen shows it: days side by side, a mark and a count for each. Pure.

Days are those of the control host's own clock on the wall.
"""

from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from xene.model import phases
from xene.plan.drawing.spans import DIM, Line, Span

BEFORE, AFTER = 7, 3  # days that are reckoned, beside today
CELL = 6  # columns of a day

# The worst comes first: a day is marked by the worst that happened in it.
_MARKS = (
    ("missed", "!", phases.ERROR),
    ("expired", "!", phases.ERROR),
    ("unknown", "?", phases.UNKNOWN),
    ("fired", "✓", phases.SUCCESS),
    ("skipped", "·", DIM),
)
_BAD = 3  # of those, which must be seen whatever else does not fit
LEGEND = "✓ fired  · skipped  ! missed or expired  ? unknown  ○ due"


def starts(now: float) -> list[float]:
    """When the days begin, from `BEFORE` days ago to `AFTER` ahead, and when the last one ends."""
    year, month, day = time.localtime(now)[:3]
    return [
        time.mktime((year, month, day + offset, 0, 0, 0, 0, 0, -1)) for offset in range(-BEFORE, AFTER + 2)
    ]


def fitting(width: int) -> tuple[int, int]:
    """How many days before today and after it are shown in so many columns."""
    room = (width - 26) // (CELL + 2) - 1
    after = min(AFTER, max(1, room // 4))
    return max(1, min(BEFORE, room - after)), after


def title(start: float, today: bool) -> str:
    """The day's name: `Mo 23`, or `today`."""
    return "today" if today else time.strftime("%a %d", time.localtime(start))[:CELL]


def cell(day: Mapping[str, Any]) -> Line:
    """What happened on a day, worst first, and what is still due: `!2 ✓21`, `✓24`, `○3`."""
    outcomes = day["outcomes"]
    bad, good = (
        [
            Span(f"{mark}{_count(outcomes[outcome])}", style)
            for outcome, mark, style in marks
            if outcomes.get(outcome)
        ]
        for marks in (_MARKS[:_BAD], _MARKS[_BAD:])
    )
    due = [Span(f"○{_count(day['due'])}", phases.QUEUED)] if day["due"] else []
    kept = _fitting([*bad, *due, *good])
    return tuple(span for span in (*bad, *good, *due) if span in kept) or (Span("-", DIM),)


def _fitting(spans: Sequence[Span]) -> list[Span]:
    """As many as fit, the first ones before all."""
    kept: list[Span] = []
    left = CELL
    for span in spans:
        if len(span.text) <= left:
            kept.append(span)
            left -= len(span.text)
    return kept


def _count(count: int) -> str:
    return str(count) if count < 99 else "99+" if count < 1000 else f"{count // 1000}k"
