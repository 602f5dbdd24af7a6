"""What a cron expression means on a clock on the wall, without zones: parsing, and the matching local times. Pure.

`cronsim` reads the five fields, so an expression means here what it means there and in Debian's cron; the search is
our own, since an agent wants the next instant of thousands of triggers at once. Local times are seconds since
1970-01-01 00:00 as a clock on the wall shows them. Called by `engine.schedule`.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import isleap
from datetime import date, datetime
from functools import lru_cache
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple, Union

from cronsim import CronSim, CronSimError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
NEVER = 1 << 62  # a local time after all others
_LONGEST = 512  # characters of an expression; nobody writes the half of it
_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday) or SUN-SAT, 5L or MON#2",
}
_EPOCH = date(1970, 1, 1).toordinal()
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Seconds; kept, so that the expressions of thousands of triggers share these numbers.
_MINUTES, _HOURS = tuple(range(0, 3600, 60)), tuple(range(0, 86400, 3600))
_ANY_DAY = datetime(2000, 1, 1)

Weekday = Union[int, Tuple[int, int]]  # 0-7, or with which one of the month: 1-5, CronSim.LAST


class Days:
    """The days on which an expression is due, from its last three fields."""

    __slots__ = ("_both", "_days", "_masks", "_months", "_weekdays")

    def __init__(self, parsed: CronSim) -> None:
        self._days: FrozenSet[int] = frozenset(parsed.days)
        self._months: FrozenSet[int] = frozenset(parsed.months)
        self._weekdays: Set[Weekday] = set(parsed.weekdays)
        self._both = parsed.day_and  # either field is `*`: then both must hold, else one is enough
        self._masks: Dict[Tuple[int, int], int] = {}

    def ever(self) -> bool:
        """Whether there is such a day. In 400 years each month of each length begins on each weekday."""
        lengths = {_LENGTHS[month] for month in self._months} | ({29} if 2 in self._months else set())
        return any(self._mask(length, first) for length in lengths for first in range(7))

    def since(self, day: int) -> Iterator[int]:
        """Days since 1970 that match, from `day` on, up to the year 9998."""
        if day + _EPOCH < 1 or day + _EPOCH > date.max.toordinal():
            return
        first = date.fromordinal(day + _EPOCH)
        year, month, skip = first.year, first.month, first.day
        while year < 9999:
            if month in self._months:
                before = date(year, month, 1).toordinal() - _EPOCH - 1
                length = 29 if month == 2 and isleap(year) else _LENGTHS[month]
                mask = self._mask(length, (before + 4) % 7) >> skip << skip
                while mask:
                    lowest = mask & -mask
                    yield before + lowest.bit_length() - 1
                    mask ^= lowest
            year, month, skip = (year, month + 1, 0) if month < 12 else (year + 1, 1, 0)

    def _mask(self, length: int, first: int) -> int:
        """Bit n is set where the nth matches, in a month of that length whose 1st is a `first` (0: Monday)."""
        mask = self._masks.get((length, first))
        if mask is None:
            of_month, of_week = self._of_month(length, first), self._of_week(length, first)
            mask = of_month & of_week if self._both else of_month | of_week
            self._masks[length, first] = mask
        return mask

    def _of_month(self, length: int, first: int) -> int:
        mask = 0
        for day in self._days:
            if day == CronSim.LAST:
                mask |= 1 << length
            elif day == CronSim.LAST_WEEKDAY:
                mask |= 1 << length - max((first + length - 1) % 7 - 4, 0)
            elif day <= length:
                mask |= 1 << day
        return mask

    def _of_week(self, length: int, first: int) -> int:
        mask = 0
        for item in self._weekdays:
            weekday, which = item if isinstance(item, tuple) else (item, 0)
            days = range(1 + (weekday - 1 - first) % 7, length + 1, 7)
            chosen = days if which == 0 else days[-1:] if which == CronSim.LAST else days[which - 1 : which]
            for day in chosen:
                mask |= 1 << day
        return mask


class Expression:
    """One cron expression. `fixed`: it names hours of the day, so that it matters what becomes of one that a day
    lacks or has twice; else it is due in every real minute that matches."""

    __slots__ = ("_days", "_hours", "_minutes", "fixed")

    def __init__(self, minutes: Set[int], hours: Set[int], days: Days, fixed: bool) -> None:
        self._minutes = [_MINUTES[minute] for minute in sorted(minutes)]
        self._hours = [_HOURS[hour] for hour in sorted(hours)]
        self._days = days
        self.fixed = fixed

    def since(self, local: int) -> Iterator[int]:
        """The local times that match, from `local` on, ascending."""
        today, seconds = divmod(local, 86400)
        for day in self._days.since(today):
            if day == today:
                yield from self._rest(day * 86400, seconds)
            else:
                yield from self._whole(day * 86400)

    def _whole(self, midnight: int) -> Iterator[int]:
        for hour in self._hours:
            start = midnight + hour
            for minute in self._minutes:
                yield start + minute

    def _rest(self, midnight: int, seconds: int) -> Iterator[int]:
        """Those of a day that begins at `midnight`, from `seconds` after that on."""
        this_hour = seconds - seconds % 3600
        for hour in self._hours[bisect_left(self._hours, this_hour) :]:
            start = midnight + hour
            begin = bisect_left(self._minutes, seconds % 3600) if hour == this_hour else 0
            for minute in self._minutes[begin:]:
                yield start + minute


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The meaning of five fields, or of `@hourly` and the like. Raises ValueError that says what is wrong."""
    plain = _plain(text)
    try:
        parsed = CronSim(plain, _ANY_DAY)
    except CronSimError as error:
        raise ValueError(_complaint(text, plain.split(), str(error))) from None
    days = _days(*parsed.parts[2:])
    if not days.ever():
        raise ValueError(f"'{text}' is never due: there is no such day")
    fixed = not parsed.parts[0].startswith("*") and not parsed.parts[1].startswith("*")
    return Expression(parsed.minutes, parsed.hours, days, fixed)


def _plain(text: str) -> str:
    """The five fields. Raises ValueError where there are others."""
    alias = text.strip().lower()
    if alias.startswith("@"):
        if alias not in ALIASES:
            known = ", ".join(ALIASES)
            raise ValueError(f"'{text[:80]}' is no schedule: of words with @ these are known: {known}")
        return ALIASES[alias]
    count = len(text.split())
    if count != 5 or len(text) > _LONGEST:
        found = f"it has {count} field{'s'[: count != 1]}" if count != 5 else "it is too long"
        seconds = "; there is none for seconds" if count == 6 else ""
        raise ValueError(
            f"'{text[:80]}' is no cron schedule: {found}, and wants 5: {', '.join(_FIELDS)}{seconds}"
        )
    return text


def _complaint(text: str, parts: List[str], error: str) -> str:
    name = error.rpartition(" ")[2]
    field = parts[list(_FIELDS).index(name)]
    if name == "day-of-month" and _is_day(field):
        return f"'{text}' is never due: none of its months has such a day of the month"
    wanted = f"{_FIELDS[name]}; lists, ranges and steps of them"
    return f"'{text}' is no cron schedule: '{field}' is no {name} ({wanted})"


def _is_day(field: str) -> bool:
    try:
        CronSim(f"0 0 {field} * *", _ANY_DAY)
    except CronSimError:
        return False
    return True


@lru_cache(maxsize=4096)
def _days(of_month: str, month: str, of_week: str) -> Days:
    """The days of the last three fields; thousands of triggers share few of them."""
    return Days(CronSim(f"0 0 {of_month} {month} {of_week}", _ANY_DAY))
