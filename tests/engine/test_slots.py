"""Verdicts on slots: one for each, by the rules of catching up, and never twice a start."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.minutes import utc
from xene.engine.slots import (
    HORIZON,
    MOST_AT_ONCE,
    Book,
    Schedule,
    Verdict,
    due,
    jitter_of,
    next_due,
    raised,
    stepped_back,
)
from xene.manifest.zones import zone_of
from xene.model.trigger import Cron

NOON = utc(2026, 6, 1, 12)
HOUR, DAY = 3600, 86400


def hourly(**more: object) -> Cron:
    return Cron(("0 * * * *",), **more)  # type: ignore[arg-type]


def ask(
    cron: Cron,
    book: Book,
    now: float,
    *,
    offset: float = 0.0,
    suspended: bool = False,
    most: int = MOST_AT_ONCE,
) -> tuple[list[Verdict], Book]:
    """Everything that is due at `now`, in as many pieces as it comes."""
    schedule = Schedule(cron, zone_of(cron.time_zone))
    found: list[Verdict] = []
    while (at := next_due(schedule, book, offset=offset)) is not None and at <= now:
        verdicts, book = due(schedule, cron, book, now, offset=offset, suspended=suspended, most=most)
        assert len(verdicts) <= most
        found += verdicts
    assert due(schedule, cron, book, now, offset=offset, suspended=suspended)[0] == []
    return found, book


def told(verdicts: list[Verdict]) -> list[tuple[int, str, str | None]]:
    """How many there are of each fate, in their order."""
    fates = groupby(verdicts, lambda verdict: (verdict.outcome, verdict.reason))
    return [(len(list(slots)), *fate) for fate, slots in fates]


def test_on_time() -> None:
    verdicts, book = ask(hourly(), Book(NOON - HOUR), NOON + 0.25)
    assert verdicts == [Verdict(NOON, "fired", None, "")]
    assert book == Book(NOON)
    schedule = Schedule(hourly(), zone_of("UTC"))
    assert next_due(schedule, book, offset=0) == NOON + HOUR
    assert due(schedule, hourly(), book, NOON + HOUR - 1, offset=0, suspended=False) == ([], book)


@pytest.mark.parametrize(
    ("catch_up", "late", "fates"),
    [
        ("none", 10, [(4, "missed", "Late")]),
        ("none", 0, [(3, "missed", "Late"), (1, "fired", None)]),
        ("latest", 10, [(3, "missed", "Late"), (1, "fired", None)]),
        ("latest", 0, [(3, "missed", "Late"), (1, "fired", None)]),
        ("all", 10, [(4, "fired", None)]),
    ],
)
def test_catching_up(catch_up: str, late: int, fates: list[tuple[int, str, str | None]]) -> None:
    """Four slots; `late`: minutes after the newest of them."""
    cron = hourly(catch_up=catch_up)
    assert told(ask(cron, Book(NOON - 4 * HOUR), NOON + 60 * late)[0]) == fates


def test_the_edge_of_being_on_time() -> None:
    cron = hourly(catch_up="none")
    assert told(ask(cron, Book(NOON - HOUR), NOON + 60)[0]) == [(1, "fired", None)]
    assert told(ask(cron, Book(NOON - HOUR), NOON + 60.5)[0]) == [(1, "missed", "Late")]


@pytest.mark.parametrize("most", [7, 100, MOST_AT_ONCE])
def test_all_starts_a_hundred_at_the_most_and_tells_of_the_rest(most: int) -> None:
    cron = hourly(catch_up="all")
    verdicts, _ = ask(cron, Book(NOON - 250 * HOUR), NOON + 600, most=most)
    assert told(verdicts) == [(150, "expired", "CatchUpLimit"), (100, "fired", None)]
    assert "newest 100" in verdicts[0].message


def test_a_cap_does_not_take_the_one_that_is_on_time() -> None:
    cron = hourly(catch_up="all")
    assert told(ask(cron, Book(NOON - 251 * HOUR), NOON)[0]) == [
        (150, "expired", "CatchUpLimit"),
        (101, "fired", None),
    ]


@pytest.mark.parametrize(
    ("catch_up", "fates"),
    [
        ("none", [(3, "missed", "Late")]),
        ("latest", [(2, "missed", "Late"), (1, "fired", None)]),
        ("all", [(3, "fired", None)]),
    ],
)
def test_the_deadline_counts_from_the_instant(
    catch_up: str, fates: list[tuple[int, str, str | None]]
) -> None:
    cron = hourly(catch_up=catch_up, starting_deadline=2 * HOUR + 600.0)
    found = told(ask(cron, Book(NOON - 10 * HOUR), NOON + 600)[0])
    assert found == [(7, "expired", "DeadlinePassed"), *fates]


def test_a_deadline_that_all_have_passed() -> None:
    cron = hourly(starting_deadline=30.0)
    verdicts, _ = ask(cron, Book(NOON - 2 * HOUR), NOON + 45)
    assert told(verdicts) == [(2, "expired", "DeadlinePassed")]
    assert verdicts[0].message == "it could not be started within its startingDeadline of 30s"


def test_suspended() -> None:
    verdicts, book = ask(hourly(), Book(NOON - 5 * HOUR), NOON, suspended=True)
    assert told(verdicts) == [(5, "skipped", "Suspended")]
    assert told(ask(hourly(), book, NOON + HOUR)[0]) == [(1, "fired", None)]


def test_resuming_fires_nothing_that_passed() -> None:
    book = raised(Book(NOON - 5 * HOUR), NOON + 1)
    assert ask(hourly(), book, NOON + 30) == ([], book)


def test_jitter_moves_the_start_and_not_the_slot() -> None:
    cron = hourly(jitter=600.0, catch_up="none")
    assert ask(cron, Book(NOON - HOUR), NOON + 123.455, offset=123.456)[0] == []
    assert ask(cron, Book(NOON - HOUR), NOON + 123.456, offset=123.456)[0] == [
        Verdict(NOON, "fired", None, "")
    ]
    assert told(ask(cron, Book(NOON - HOUR), NOON + 183.4, offset=123.456)[0]) == [(1, "fired", None)]
    assert told(ask(cron, Book(NOON - HOUR), NOON + 183.5, offset=123.456)[0]) == [(1, "missed", "Late")]


@given(st.floats(0, 86400 * 7), st.text(max_size=20), st.text(max_size=8))
def test_jitter_is_always_the_same_and_below_its_bound(jitter: float, pipeline: str, trigger: str) -> None:
    found = jitter_of(hourly(jitter=jitter), pipeline, trigger)
    assert 0 <= found < jitter or found == jitter == 0
    assert found == jitter_of(Cron(("1 1 * * *",), jitter=jitter), pipeline, trigger)


def test_jitter_spreads_and_stays_what_it_is() -> None:
    cron = hourly(jitter=100.0)
    tenths = Counter(int(jitter_of(cron, f"shop/p{number}", "nightly") // 10) for number in range(1000))
    assert set(tenths) == set(range(10)) and max(tenths.values()) < 150
    assert jitter_of(cron, "shop/build", "nightly") == 4.269  # changing this moves everybody's starts


@given(st.integers(0, 10**6), st.integers(0, 3_600_000).map(lambda ms: ms / 1000))
def test_what_next_due_names_is_due_then(minutes: int, offset: float) -> None:
    """However floats round: else an agent would wake up again and again."""
    schedule = Schedule(hourly(), zone_of("UTC"))
    book = Book(NOON + 60 * minutes)
    at = next_due(schedule, book, offset=offset)
    assert at is not None
    assert len(due(schedule, hourly(), book, at, offset=offset, suspended=False)[0]) == 1


def test_a_year_of_every_minute() -> None:
    cron = Cron(("* * * * *",))
    verdicts, book = ask(cron, Book(NOON - 365 * DAY), NOON + 30)
    assert told(verdicts) == [(525_599, "missed", "Late"), (1, "fired", None)]
    assert [verdict.at for verdict in verdicts] == list(range(NOON - 365 * DAY + 60, NOON + 1, 60))
    assert book.watermark == NOON and len(book.holes) == 1


def test_beyond_the_horizon_nothing_is_accounted_for() -> None:
    cron = Cron(("0 0 1 * *",))
    verdicts, _ = ask(cron, Book(NOON - 5000 * DAY), NOON)
    assert len(verdicts) == 14 and verdicts[0].at > NOON - HORIZON
    yearly = Cron(("0 0 1 2 *",), catch_up="none")  # none of it within the horizon: yet the book goes on
    assert ask(yearly, Book(NOON - 5000 * DAY), NOON - 3600 * DAY)[1].watermark > NOON - 4500 * DAY
    rare = Cron(("0 0 29 2 *",))
    assert ask(rare, Book(NOON - 5000 * DAY), NOON)[0] == []


def test_a_list_of_schedules_and_a_leap_of_the_clocks() -> None:
    cron = Cron(("30 2 * * *", "0 3 * * *", "45 2 29 3 *"), time_zone="Europe/Berlin", catch_up="all")
    begin = utc(2026, 3, 28, 12)
    assert [verdict.at for verdict in ask(cron, Book(begin), begin + 2 * DAY)[0]] == [
        utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30), utc(2026, 3, 30, 1),
    ]  # fmt: skip


class TestAClockThatIsSet:
    """Forward and back; `cron` is `latest` unless said otherwise."""

    def test_a_year_forward_and_back(self) -> None:
        """One late start then, and after that every slot in its time but that one."""
        far, book = ask(hourly(), Book(NOON), NOON + 365 * DAY + 600)
        assert told(far) == [(8759, "missed", "Late"), (1, "fired", None)]
        book = stepped_back(book, NOON + 1200)
        schedule = Schedule(hourly(), zone_of("UTC"))
        assert next_due(schedule, book, offset=0) == NOON + HOUR
        now, fired = NOON + 1200.0, [far[-1].at]
        while now < NOON + 366 * DAY:
            at = next_due(schedule, book, offset=0)
            assert at is not None and at > now
            verdicts, book = due(schedule, hourly(), book, now := at, offset=0, suspended=False)
            fired += [verdict.at for verdict in verdicts if verdict.outcome == "fired"]
        assert sorted(fired) == list(range(NOON + HOUR, NOON + 366 * DAY + 1, HOUR))

    def test_due_itself_sees_that_it_was_set_back(self) -> None:
        _, book = ask(hourly(), Book(NOON), NOON + 30 * DAY + 600)
        assert told(ask(hourly(), stepped_back(book, NOON + 600), NOON + HOUR)[0]) == [(1, "fired", None)]
        schedule = Schedule(hourly(), zone_of("UTC"))
        _, seen = due(schedule, hourly(), book, NOON + 600, offset=0, suspended=False)
        assert seen == stepped_back(book, NOON + 600)

    def test_an_hour_back_fires_nothing_twice(self) -> None:
        cron = Cron(("*/10 * * * *",), catch_up="all")
        fired, book = ask(cron, Book(NOON - HOUR), NOON)
        assert told(fired) == [(6, "fired", None)]
        book = stepped_back(book, NOON - HOUR)
        assert ask(cron, book, NOON)[0] == []
        assert told(ask(cron, book, NOON + 600)[0]) == [(1, "fired", None)]

    def test_a_step_back_in_the_middle_of_catching_up(self) -> None:
        cron = Cron(("* * * * *",))
        schedule = Schedule(cron, zone_of("UTC"))
        first, book = due(schedule, cron, Book(NOON), NOON + DAY, offset=0, suspended=False, most=100)
        assert told(first) == [(100, "missed", "Late")]
        book = stepped_back(book, NOON + 30)
        assert told(ask(cron, book, NOON + 90)[0]) == [(1, "fired", None)]

    def test_slots_that_were_skipped_while_suspended_come_again(self) -> None:
        """Or a trigger that is resumed would be silent until the day that the fast clock had shown."""
        _, book = ask(hourly(), Book(NOON), NOON + 30 * DAY, suspended=True)
        book = raised(stepped_back(book, NOON + 600), NOON + 900)
        assert told(ask(hourly(), book, NOON + HOUR)[0]) == [(1, "fired", None)]

    def test_ten_years_forward_and_back(self) -> None:
        """Most of them were never accounted for, and all of them come."""
        _, book = ask(hourly(), Book(NOON), NOON + 3650 * DAY)
        book = stepped_back(book, NOON + 600)
        assert book.again[0] == (NOON + 600, NOON + 3650 * DAY - HOUR)
        assert told(ask(hourly(), book, NOON + 2 * HOUR)[0]) == [(1, "missed", "Late"), (1, "fired", None)]

    def test_forward_back_and_forward_again(self) -> None:
        _, book = ask(hourly(), Book(NOON), NOON + 10 * HOUR + 600)
        book = stepped_back(book, NOON + 60)
        again, book = ask(hourly(), book, NOON + 5 * HOUR + 600)
        assert told(again) == [(4, "missed", "Late"), (1, "fired", None)]
        book = stepped_back(book, NOON + 60)
        found, book = ask(hourly(catch_up="all"), book, NOON + 12 * HOUR)
        hours = [(verdict.at - NOON) // HOUR for verdict in found]
        assert hours == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12]  # 5 and 10 had fired
        assert book.again == ()

    def test_only_what_lies_above_the_clock_comes_again(self) -> None:
        _, book = ask(hourly(), Book(NOON), NOON + 10 * HOUR + 600)
        half = stepped_back(book, NOON + 5 * HOUR)
        assert half.holes == ((NOON, NOON + 5 * HOUR),)
        assert half.again == ((NOON + 5 * HOUR, NOON + 9 * HOUR),)
        assert stepped_back(half, NOON + 5 * HOUR) == half
        assert stepped_back(half, NOON).again == ((NOON, NOON + 9 * HOUR),)
        assert raised(half, NOON + 7 * HOUR).again == ((NOON + 7 * HOUR, NOON + 9 * HOUR),)
        assert raised(half, NOON + 7 * HOUR).holes == ()

    def test_a_book_remembers_a_few_holes_only(self) -> None:
        book = Book(NOON)
        for day in range(1, 100):
            _, book = ask(hourly(), book, NOON + day * DAY + 600)
        assert len(book.holes) == 16 and book.holes[-1][1] == NOON + 99 * DAY - HOUR


def test_a_book_survives_its_journal() -> None:
    _, book = ask(hourly(), Book(NOON), NOON + 10 * HOUR + 600)
    for each in (Book(NOON + 0.5), book, stepped_back(book, NOON + 5 * HOUR)):
        assert Book.from_json(json.loads(json.dumps(each.to_json()))) == each


@pytest.mark.parametrize(
    "data", [{}, {"watermark": "x", "holes": [], "again": []}, {"watermark": 1, "holes": [[1]], "again": []}]
)
def test_what_is_no_book(data: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Book.from_json(data)
