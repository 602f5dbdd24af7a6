"""What a cron trigger is due at, by brute force: every real minute is put on `zoneinfo`'s clock and looked at.

An oracle for `xene.engine.schedule`: nothing of Xene and nothing of cronsim is in it.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Iterator
from zoneinfo import ZoneInfo

NAMES = {name: number for number, name in enumerate("SUN MON TUE WED THU FRI SAT".split())}
MONTHS = {
    name: number for number, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 1)
}
EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Minute:
    """One real minute: its instant, what a clock on the wall shows, and whether it shows that for a second time."""

    at: int
    wall: datetime
    again: bool


def minutes(zone: ZoneInfo, begin: int, end: int) -> list[Minute]:
    """Every real minute with `begin` <= at < `end`; whole minutes of UTC."""
    found = []
    for at in range(begin - begin % 60, end, 60):
        wall = datetime.fromtimestamp(at, zone)
        found.append(Minute(at, wall.replace(tzinfo=None, fold=0), bool(wall.fold)))
    return found


def expected(expression: str, table: list[Minute], gap: str = "shift", fold: str = "first") -> dict[int, str]:
    """The instants of `table` at which the expression is due, with their flags."""
    fields = expression.split()
    fixed = not fields[0].startswith("*") and not fields[1].startswith("*")
    due = {}
    for before, minute in zip([table[0], *table], table):
        if fixed and gap == "shift" and any(matches(fields, wall) for wall in lacking(before, minute)):
            due[minute.at] = "gap"
        if matches(fields, minute.wall) and not (fixed and fold == "first" and minute.again):
            due[minute.at] = "fold" if minute.again else ""
    return due


def lacking(before: Minute, after: Minute) -> Iterator[datetime]:
    """The local minutes that the clock leaps over between two real minutes."""
    wall = before.wall + timedelta(minutes=1)
    while before.at < after.at and wall < after.wall:
        yield wall
        wall += timedelta(minutes=1)


def matches(fields: list[str], wall: datetime) -> bool:
    minute, hour, day, month, weekday = fields
    return (
        wall.minute in numbers(minute, 0, 59)
        and wall.hour in numbers(hour, 0, 23)
        and wall.month in numbers(month, 1, 12)
        and on_day(day, weekday, wall.date())
    )


def on_day(day: str, weekday: str, today: date) -> bool:
    of_month, of_week = in_month(day, today), in_week(weekday, today)
    both = day.startswith("*") or weekday.startswith("*")
    return of_month and of_week if both else of_month or of_week


def in_month(field: str, today: date) -> bool:
    length = calendar.monthrange(today.year, today.month)[1]
    if field == "L":
        return today.day == length
    if field == "LW":
        working = [n for n in range(1, length + 1) if today.replace(day=n).weekday() < 5]
        return today.day == working[-1]
    return today.day in numbers(field, 1, 31)


def in_week(field: str, today: date) -> bool:
    length = calendar.monthrange(today.year, today.month)[1]
    if field.endswith("L"):
        return today.isoweekday() % 7 == int(field[:-1]) % 7 and today.day + 7 > length
    if "#" in field:
        name, which = field.split("#")
        number = NAMES[name] if name in NAMES else int(name) % 7
        return today.isoweekday() % 7 == number and (today.day - 1) // 7 + 1 == int(which)
    return bool({today.isoweekday(), today.isoweekday() % 7} & numbers(field, 0, 7))


def numbers(field: str, low: int, high: int, _known: dict[tuple[str, int], set[int]] = {}) -> set[int]:
    """What a field of numbers, names, ranges, steps and lists names."""
    if (field, high) not in _known:
        _known[field, high] = set().union(*(_part(part, low, high) for part in field.split(",")))
    return _known[field, high]


def _part(part: str, low: int, high: int) -> set[int]:
    span, _, step = part.partition("/")
    if span == "*":
        first, last = low, high
    else:
        begin, _, end = span.partition("-")
        first = _number(begin)
        last = _number(end) if end else high if step else first
    return set(range(first, last + 1, int(step or 1)))


def _number(text: str) -> int:
    return NAMES[text] if text in NAMES else MONTHS[text] if text in MONTHS else int(text)


def leaps(zone: ZoneInfo, begin: int, end: int) -> list[int]:
    """The instants in `begin` < at <= `end` at which the offset changes; two within six hours are one."""
    found = []
    for at in range(begin, end, 21600):
        if offset(zone, at) != offset(zone, min(at + 21600, end)):
            low, high = at, min(at + 21600, end)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if offset(zone, middle) == offset(zone, high) else (middle, high)
            found.append(high)
    return found


def offset(zone: ZoneInfo, at: int) -> timedelta:
    found = datetime.fromtimestamp(at, zone).utcoffset()
    assert found is not None
    return found


def utc(*fields: int) -> int:
    """Seconds since 1970 of a date and time in UTC."""
    year, month, day, *rest = fields
    return int(datetime(year, month, day, *rest, tzinfo=UTC).timestamp())
