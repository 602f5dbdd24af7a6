"""The calendar of slots, as the live screen shows it: days side by side, a mark and a count for each. Pure.

Days are those of the control host's own clock on the wall.
"""

from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from xene.model import phases
from xene.plan.drawing.spans import DIM, Line, Span

BEFORE, AFTER = 7, 3  # days that are reckoned, beside today
CELL, WIDE = 6, 10  # columns of a day, at the least and at the most
_ROOM = 58  # columns that trigger and schedule have before days get more than the least

# The worst comes first: a day is marked by the worst that happened in it.
_MARKS = (
    ("missed", "!", phases.ERROR),
    ("expired", "!", phases.ERROR),
    ("unknown", "?", phases.UNKNOWN),
    ("fired", "✓", phases.SUCCESS),
    ("skipped", "·", DIM),
)
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


def size(width: int) -> int:
    """How many columns a day has, where all have so many."""
    return max(CELL, min(WIDE, (width - _ROOM) // (sum(fitting(width)) + 1) - 2))


def title(start: float, today: bool) -> str:
    """The day's name: `Mo 23`, or `today`."""
    return "today" if today else time.strftime("%a %d", time.localtime(start))[:CELL]


def cell(day: Mapping[str, Any], room: int = CELL) -> Line:
    """What happened on a day, worst first, and behind it what is still due: `!2✓21`, `✓24`, `○3`.

    Of what does not fit into `room` columns the bad is told before the good, and both before what is due; that
    something is due is told without a count before it is left out.
    """
    outcomes = day["outcomes"]
    spans = [
        Span(f"{mark}{_count(outcomes[outcome])}", style)
        for outcome, mark, style in _MARKS
        if outcomes.get(outcome)
    ]
    kept, left = _fitting(spans, room)
    due = (f"○{_count(day['due'])}", "○") if day["due"] else ()
    shown = next((text for text in due if len(text) <= left), "")
    return (*kept, *([Span(shown, phases.QUEUED)] if shown else [])) or (Span("-", DIM),)


def _fitting(spans: Sequence[Span], left: int) -> tuple[list[Span], int]:
    """As many as fit, the first ones before all, and how much room is left."""
    kept: list[Span] = []
    for span in spans:
        if len(span.text) <= left:
            kept.append(span)
            left -= len(span.text)
    return kept, left


def _count(count: int) -> str:
    return str(count) if count <= 99 else "99+" if count < 1000 else f"{count // 1000}k"
