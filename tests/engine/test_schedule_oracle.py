"""Every zone whose clocks are changed, against brute force over minutes."""

from __future__ import annotations

from itertools import product
from zoneinfo import ZoneInfo

import pytest

from tests.engine.minutes import Minute, expected, leaps, minutes, utc
from xene.engine.schedule import Schedule
from xene.engine.zones import Zone
from xene.manifest.zones import names, zone_bytes, zone_of
from xene.model.trigger import Cron

DAY = 86400
SCHEDULES = (
    "30 2 * * *",
    "0,20,40 0-4 * * *",
    "15 */2 * * *",
    "*/7 1-3 * * *",
    "0 * * * *",
    "59 23 * * 0,5",
    "0 0 L * *",
    "5 1-23/2 1,15,25-31 MAR,SEP-NOV MON",
    "10 3 * * 7#2",
)
EVERY_MINUTE = "* * * * *"
POLICIES = tuple(product(("shift", "skip"), ("first", "both")))


def distinct() -> list[str]:
    """One name for each set of rules."""
    return sorted({zone_bytes(name): name for name in reversed(names())}.values())


def agree(name: str, zone: Zone, table: list[Minute], schedules: tuple[str, ...] = SCHEDULES) -> None:
    begin, end = table[0].at, table[-1].at
    fixed = [each for each in schedules if "*" not in [field[0] for field in each.split()[:2]]]
    free = [(each, POLICIES[0]) for each in schedules if each not in fixed]
    for expression, (gap, fold) in [*product(fixed, POLICIES), *free]:
        cron = Cron((expression,), time_zone=name, gap=gap, fold=fold)
        found = [tuple(each) for each in Schedule(cron, zone).between(begin, end)]
        wanted = expected(expression, table, gap, fold)
        wanted.pop(begin, None)
        assert found == sorted(wanted.items()), (name, expression, gap, fold, begin)


def around_leaps(name: str, begin: int, end: int, hours: int) -> int:
    """Compare in the hours around each leap of a zone; how many there were."""
    zone, oracle = zone_of(name), ZoneInfo(name)
    found = leaps(oracle, begin, end)
    for at in found:
        agree(name, zone, minutes(oracle, at - hours * 3600, at + hours * 3600))
    return len(found)


def test_every_zone_around_its_leaps() -> None:
    leapt = [name for name in distinct() if around_leaps(name, utc(2026, 1, 1), utc(2027, 1, 1), 4)]
    assert len(leapt) > 30
    assert {"Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll", "Europe/Dublin"} & set(leapt)


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("Europe/Berlin", 2026),
        ("Europe/Dublin", 2025),  # winter time is the one that is saved
        ("Australia/Lord_Howe", 2026),  # half an hour
        ("Antarctica/Troll", 2026),  # two hours
        ("America/St_Johns", 2006),  # at one minute past midnight
        ("America/Caracas", 2007),  # half an hour for good
        ("Africa/Casablanca", 2026),  # around Ramadan
        ("Africa/Cairo", 2010),  # four leaps in a year
        ("Asia/Gaza", 2030),
        ("Pacific/Apia", 2011),  # a day is left out
        ("Pacific/Kwajalein", 1993),  # likewise
        ("Asia/Pyongyang", 2015),
        ("Europe/Lisbon", 1992),  # another zone and summer time at once
        ("America/Sao_Paulo", 2018),  # midnight is left out
        ("Europe/Moscow", 2011),
        ("Asia/Tehran", 2021),
        ("America/New_York", 2045),  # by rule alone
        ("America/Santiago", 2123),
    ],
)
def test_a_zone_around_its_leaps_at_length(name: str, year: int) -> None:
    assert around_leaps(name, utc(year, 1, 1), utc(year + 1, 1, 1), 50)


@pytest.mark.parametrize(
    ("name", "months"),
    [
        ("Europe/Berlin", (1, 2, 3, 4, 10, 12)),
        ("Pacific/Chatham", (2, 4, 12)),
        ("Asia/Kathmandu", (2, 12)),  # no leaps: an odd offset, and the ends of a month and of the year
        ("UTC", (2,)),
    ],
)
def test_whole_weeks(name: str, months: tuple[int, ...]) -> None:
    for month in months:
        begin = utc(2026, month, 24)
        agree(name, zone_of(name), minutes(ZoneInfo(name), begin, begin + 9 * DAY))
    agree(name, zone_of(name), minutes(ZoneInfo(name), begin, begin + DAY), (EVERY_MINUTE,))


@pytest.mark.soak
@pytest.mark.parametrize("name", distinct())
def test_every_leap_since_1973(name: str) -> None:
    around_leaps(name, utc(1973, 1, 1), utc(2045, 1, 1), 4)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "year"), [("Europe/Berlin", 2028), ("Africa/Casablanca", 2026)])
def test_every_minute_of_a_year(name: str, year: int) -> None:
    whole = minutes(ZoneInfo(name), utc(year, 1, 1), utc(year + 1, 1, 1))
    agree(name, zone_of(name), whole, ("30 2 * * *", "5 1-23/2 1,31 MAR,SEP-NOV MON", EVERY_MINUTE))
