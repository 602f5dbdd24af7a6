"""When a cron trigger is due: real instants, from expressions, a zone and what to do about its leaps. Pure.

Expressions with a fixed hour live on the clock on the wall: a time that a day lacks moves to the first instant
after the gap (`gap: shift`) or is left out (`skip`), one that a day has twice is due the first time (`fold: first`)
or each time (`both`). All others are due in every real minute whose local time matches. Called by `engine.slots`
and by whoever shows what is ahead.
"""

from __future__ import annotations

from heapq import merge
from math import floor
from typing import Iterator, NamedTuple, Optional

from xene.engine.cron import NEVER, Expression, parse
from xene.engine.zones import Period, Zone
from xene.model.trigger import FIRST, SHIFT, Cron

GAP, FOLD = "gap", "fold"


class Instant(NamedTuple):
    """`at` in seconds since 1970. `flag`: "", or GAP (moved out of a gap), or FOLD (the second time of a fold)."""

    at: int
    flag: str


class Schedule:
    """The instants of one trigger. Raises ValueError with a sentence for an expression that is none or never due.

    `zone` is an `engine.zones.Zone`.
    """

    __slots__ = ("_expressions", "_first", "_shift", "zone")

    def __init__(self, cron: Cron, zone: Zone) -> None:
        self._expressions = [parse(text) for text in cron.schedules]
        if not self._expressions:
            raise ValueError("there is no schedule in the list: at least one is wanted")
        self._first = cron.fold == FIRST
        self._shift = cron.gap == SHIFT
        self.zone = zone

    @property
    def fixed_hour(self) -> bool:
        """Whether it matters what becomes of local times that a day lacks or has twice."""
        return any(expression.fixed for expression in self._expressions)

    def next_after(self, after: float) -> Optional[Instant]:
        """The first instant later than `after`; None: not before the year 9998."""
        return next(self.after(after), None)

    def between(self, after: float, until: float) -> Iterator[Instant]:
        """Every instant with `after` < at <= `until`, ascending, each once."""
        for instant in self.after(after):
            if instant.at > until:
                return
            yield instant

    def after(self, after: float) -> Iterator[Instant]:
        """Every instant later than `after`, ascending, each once."""
        walks = [self._walk(expression, floor(after)) for expression in self._expressions]
        return walks[0] if len(walks) == 1 else _once(merge(*walks))

    def _walk(self, expression: Expression, after: int) -> Iterator[Instant]:
        ahead = _Ahead(expression)
        for period in self.zone.periods(after):
            yield from self._within(period, expression.fixed, ahead, after)
            if ahead.exhausted:
                return

    def _within(self, period: Period, fixed: bool, ahead: _Ahead, after: int) -> Iterator[Instant]:
        """The instants of one period; where a gap lies before it, also what moves to its start."""
        begin, finish = period.start + period.offset, period.end + period.offset
        before = period.start + period.before  # what the clocks of the period before would have shown
        low = max(begin, after + period.offset + 1)
        if fixed and before < begin and self._shift and period.start > after and ahead.seek(before) < begin:
            yield Instant(period.start, GAP if ahead.seek(begin) > begin else "")
            low = begin + 1
        elif fixed and self._first:
            low = max(low, before)
        local = ahead.seek(low)
        while local < finish:
            yield Instant(local - period.offset, FOLD if local < before else "")
            local = ahead.step()


class _Ahead:
    """The next matching local time, looked up anew only where it may be another one."""

    __slots__ = ("_expression", "_found", "_low", "_rest")

    def __init__(self, expression: Expression) -> None:
        self._expression = expression
        self._rest: Iterator[int] = iter(())
        self._low = self._found = NEVER

    @property
    def exhausted(self) -> bool:
        return self._found == NEVER

    def seek(self, low: int) -> int:
        """The first match from `low` on, NEVER where there is none."""
        if not self._low <= low <= self._found or self.exhausted:
            self._rest = self._expression.since(low)
            self._found = next(self._rest, NEVER)
        self._low = low
        return self._found

    def step(self) -> int:
        """The next match after the present one."""
        self._low, self._found = self._found + 1, next(self._rest, NEVER)
        return self._found


def _once(instants: Iterator[Instant]) -> Iterator[Instant]:
    """Of several with one `at` the first, which is the one without a flag."""
    last = None
    for instant in instants:
        if instant.at != last:
            last = instant.at
            yield instant
