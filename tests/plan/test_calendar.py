"""The instants ahead of many triggers, the minutes that they crowd, and how an apply changes the next ones."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from xene.manifest.zones import zone_of
from xene.model.trigger import Cron
from xene.plan.calendar import Timed, ahead, crowded, left_out, next_of
from xene.plan.next_fires import changes

BERLIN = "Europe/Berlin"
ZONES = {name: zone_of(name) for name in ("UTC", BERLIN, "America/New_York", "Asia/Kolkata")}
DAY = 86400.0


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def timed(name: str, *schedules: str, agent: str | None = "a", suspended: bool = False, **cron: Any) -> Timed:
    return Timed("shop", name, "t", Cron(schedules, **cron), agent, suspended)


def test_instants_of_all_triggers_in_one_line() -> None:
    found = list(
        ahead([timed("b", "0 6 * * *"), timed("a", "0 */6 * * *")], ZONES, at("2026-01-01"), at("2026-01-02"))
    )
    hours = [(due.timed.pipeline, due.local.hour) for due in found]
    assert hours == [("a", 0), ("a", 6), ("b", 6), ("a", 12), ("a", 18)]  # the end is no part of a range


def test_a_range_begins_and_ends_exactly() -> None:
    hourly = [timed("a", "@hourly")]
    whole = list(ahead(hourly, ZONES, 0.0, 3600.0))
    assert [due.at for due in whole] == [0]
    assert [due.at for due in ahead(hourly, ZONES, 0.5, 3600.5)] == [3600]


def flags(each: Timed, day: str) -> list[tuple[str, str]]:
    start = at(day, each.cron.time_zone)
    return [(due.local.isoformat(), due.flag) for due in ahead([each], ZONES, start, start + 26 * 3600)]


def test_gaps_and_folds_are_flagged() -> None:
    daily = timed("a", "30 2 * * *", time_zone=BERLIN)
    assert flags(daily, "2026-03-29")[0] == ("2026-03-29T03:00:00+02:00", "gap")
    assert flags(daily, "2026-10-25")[0] == ("2026-10-25T02:30:00+02:00", "fold")
    assert flags(daily, "2026-10-26")[0] == ("2026-10-26T02:30:00+01:00", "")
    both = timed("a", "30 2 * * *", time_zone=BERLIN, fold="both")
    assert flags(both, "2026-10-25")[:2] == [
        ("2026-10-25T02:30:00+02:00", "fold"),
        ("2026-10-25T02:30:00+01:00", "fold"),
    ]


def test_a_slot_that_a_gap_takes_away_is_told() -> None:
    start, until = at("2026-03-01"), at("2026-04-01")
    skips = timed("a", "30 2 * * *", time_zone=BERLIN, gap="skip")
    assert [f"{due.local:%m-%d}" for due in left_out([skips], ZONES, start, until)] == ["03-29"]
    assert left_out([timed("a", "30 2 * * *", time_zone=BERLIN)], ZONES, start, until) == []
    assert left_out([timed("a", "30 5 * * *", time_zone=BERLIN, gap="skip")], ZONES, start, until) == []


def test_the_next_of_all() -> None:
    due = next_of([timed("a", "0 0 1 1 *"), timed("b", "0 0 1 2 *")], ZONES, at("2026-01-01") + 1)
    assert due is not None and due.timed.pipeline == "b"
    assert next_of([], ZONES, 0.0) is None


SCHEDULES = ["*/5 * * * *", "0 * * * *", "30 2 * * *", "15 2-4 * * 0", "0 0 1 * *"]
TRIGGERS = st.builds(
    timed,
    st.sampled_from("abcdef"),
    st.sampled_from(SCHEDULES),
    agent=st.sampled_from(["x", "y", None]),
    suspended=st.booleans(),
    time_zone=st.sampled_from(list(ZONES)),
    jitter=st.sampled_from([0.0, 90.0, 3600.0]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TRIGGERS, max_size=8), st.integers(0, 10_000), st.integers(1, 100))
def test_minutes_are_counted_as_one_would_by_hand(triggers: list[Timed], begin: int, hours: int) -> None:
    start = 1_790_000_000.0 + begin * 977
    until = start + hours * 3600
    by_hand = Counter(
        (due.timed.agent, int(due.at + due.timed.jitter) // 60 * 60)
        for due in ahead(triggers, ZONES, start, until)
        if not due.timed.suspended
    )
    found, counted = crowded(triggers, ZONES, start, until)
    assert {(each.agent, each.at): each.runs for each in found} == by_hand
    assert counted == until
    assert [each.runs for each in found] == sorted(by_hand.values(), reverse=True)


def test_counting_ends_somewhere() -> None:
    many = [timed(f"p{number}", f"{number % 60} * * * *", agent=f"a{number}") for number in range(500)]
    found, counted = crowded(many, ZONES, 0.0, 365 * DAY, most=20_000)
    assert 3600 <= counted < 365 * DAY and max(each.at for each in found) < counted + 3600


# -- what an apply changes


def told(old: list[Timed], new: list[Timed]) -> list[tuple[str, str | None, str | None]]:
    return [
        (
            each.pipeline,
            each.before and f"{each.before.local:%H:%M}",
            each.after and f"{each.after.local:%H:%M}",
        )
        for each in changes(old, new, ZONES, at("2026-01-01"))
    ]


def test_next_fires_that_change() -> None:
    old = [timed("gone", "0 1 * * *"), timed("moved", "0 2 * * *"), timed("same", "0 3 * * *")]
    new = [timed("moved", "0 4 * * *"), timed("new", "0 5 * * *"), timed("same", "0 3 * * *", jitter=60.0)]
    assert told(old, new) == [("gone", "01:00", None), ("moved", "02:00", "04:00"), ("new", None, "05:00")]


def test_a_zone_and_a_suspension_are_changes_too() -> None:
    daily = timed("a", "0 12 * * *")
    assert told([daily], [timed("a", "0 12 * * *", time_zone=BERLIN)]) == [("a", "12:00", "12:00")]
    (change,) = changes([daily], [daily._replace(suspended=True)], ZONES, 0.0)
    assert change.before and change.after and change.before.at == change.after.at
    assert change.after.timed.suspended and not change.before.timed.suspended
