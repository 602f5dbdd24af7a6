"""What `docs/scheduling.md` works out is what Xene does."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.commands.terminal import ROOT
from xene.engine.slots import Book, Schedule, due
from xene.manifest.zones import zone_of
from xene.model.trigger import CATCH_UP_MOST, PUNCTUAL, Cron
from xene.model.units import parse_duration

PAGE = (ROOT / "docs" / "scheduling.md").read_text()
MORNING = 1_780_272_000  # 2026-06-01 00:00 UTC


def rows(heading: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    (start,) = [match.end() for match in re.finditer(re.escape(heading), PAGE)]
    table = re.match(r".*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE[start:])
    assert table is not None
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.group(1).splitlines()]


def on_day(cron: Cron, day: date) -> str:
    """All that is due on a day by the clock on the wall, as the page writes it."""
    zone = ZoneInfo(cron.time_zone)
    noon = int(datetime.combine(day, time(12), zone).timestamp())
    found = []
    for at, flag in Schedule(cron, zone_of(cron.time_zone)).between(noon - 86400, noon + 86400):
        wall = datetime.fromtimestamp(at, zone)
        if wall.date() == day:
            found.append(f"{wall:%H:%M}{wall.isoformat()[-6:]} {flag}".strip())
    return ", ".join(found) or "nothing"


@pytest.mark.parametrize("row", rows("| schedule | zone and day |"), ids=" ".join)
def test_when_clocks_change(row: list[str]) -> None:
    schedule, where, policy, wanted = row
    zone, day = where.split()
    dst = dict([policy.split(": ")]) if policy else {}
    assert on_day(Cron((schedule.strip("`"),), time_zone=zone, **dst), date.fromisoformat(day)) == wanted


def test_hours_of_the_days_on_which_clocks_change() -> None:
    hourly = Cron(("0 * * * *",), time_zone="Europe/Berlin")
    counts = [len(on_day(hourly, date(2026, *day)).split(", ")) for day in ((3, 29), (10, 25), (6, 1))]
    assert counts == [23, 25, 24]


@pytest.mark.parametrize("row", rows("| back at | `catchUp`"), ids=" ".join)
def test_catching_up(row: list[str]) -> None:
    back, catch_up, deadline, passed, fired = row
    limit = parse_duration(deadline) if deadline else None
    cron = Cron(("0 * * * *",), catch_up=catch_up, starting_deadline=limit)
    now = MORNING + timedelta(hours=int(back[:2]), minutes=int(back[3:])).total_seconds()
    schedule, book = Schedule(cron, zone_of("UTC")), Book(MORNING + 8.5 * 3600)
    verdicts, _ = due(schedule, cron, book, now, offset=0, suspended=False)
    told = [(f"{datetime.fromtimestamp(each.at, ZoneInfo('UTC')):%H:%M}", each.outcome) for each in verdicts]
    assert [at for at, outcome in told if outcome == "fired"] == fired.split()
    assert [at for at, outcome in told if outcome in ("missed", "expired")] == passed.split()


def test_numbers_of_the_page() -> None:
    assert f"no more than {PUNCTUAL:g} s overdue" in PAGE
    assert f"the newest {CATCH_UP_MOST} start" in PAGE


@pytest.mark.parametrize("row", rows("| in a field | means |"), ids=" ".join)
def test_what_may_stand_in_a_field(row: list[str]) -> None:
    for word in re.findall("`([^`]+)`", row[0]):
        fields = [" ".join([*["0"] * index, word, *["*"] * (4 - index)]) for index in range(2)]
        fields += [f"0 0 {word} * *", f"0 0 1 {word} *", f"0 0 * * {word}"]
        assert any(_is_schedule(text) for text in fields), word


def _is_schedule(text: str) -> bool:
    try:
        return Schedule(Cron((text,)), zone_of("UTC")).next_after(0) is not None
    except ValueError:
        return False
