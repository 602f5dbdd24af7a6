"""Expressions: the same local times as cronsim and as brute force, and sentences for what is none."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.minutes import EPOCH, matches
from xene.engine.cron import ALIASES, NEVER, parse


def seconds(wall: datetime) -> int:
    return int((wall - EPOCH).total_seconds())


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    stepped = st.tuples(span | st.just("*"), st.integers(1, 12)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    part = number.map(str) | span | stepped
    return st.just("*") | part | st.lists(part, min_size=2, max_size=3).map(",".join)


expressions = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 28) | st.sampled_from(["L", "LW", "29", "31", "L,15"]),
    field(1, 12) | st.sampled_from(["JAN", "feb-apr", "2"]),
    field(0, 7) | st.sampled_from(["MON-FRI", "5L", "mon#2", "SUN#5", "0#1,3L"]),
).map(" ".join)
walls = st.datetimes(datetime(1971, 1, 1), datetime(2300, 1, 1))


@given(expressions, walls)
def test_the_same_as_cronsim(expression: str, wall: datetime) -> None:
    try:
        wanted = [seconds(each) for each in islice(CronSim(expression, wall), 12)]
    except CronSimError:
        wanted = []
    if not wanted:  # no expression, or it has found nothing in 50 years
        with pytest.raises(ValueError):
            parse(expression)
        return
    found = list(
        islice(parse(expression).since(seconds(wall.replace(second=0, microsecond=0)) + 60), len(wanted))
    )
    assert found == wanted


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "7-59/13 */5 * * *",
        "0 0 LW * *",
        "30 6 1,15 * 5",
        "30 6 */10 * MON-FRI",
        "0 12 * * 1#1",
        "1 1 * * 5L",
    ],
)
def test_the_same_as_looking_at_every_minute(expression: str) -> None:
    begin = datetime(2027, 12, 20, 5, 3)
    table = [begin + timedelta(minutes=count) for count in range(50 * 1440)]
    wanted = [seconds(wall) for wall in table if matches(expression.split(), wall)]
    found = list(islice(parse(expression).since(seconds(begin)), len(wanted) + 1))
    assert found[:-1] == wanted and found[-1] > seconds(table[-1])


@given(st.text(max_size=40) | st.text("0123456789*/,-L#W@MONSUjan \t", max_size=30))
def test_any_text_is_an_expression_or_a_value_error(text: str) -> None:
    try:
        assert next(parse(text).since(0), NEVER) < NEVER
    except ValueError as error:
        assert str(error).startswith("'") and "Traceback" not in str(error)


@pytest.mark.parametrize("alias", [*ALIASES, " @Daily "])
def test_aliases(alias: str) -> None:
    assert list(islice(parse(alias).since(0), 5)) == list(
        islice(parse(ALIASES[alias.strip().lower()]).since(0), 5)
    )


@pytest.mark.parametrize(
    ("expression", "fixed"),
    [
        ("30 2 * * *", True),
        ("0,30 1-5 * * *", True),
        ("0 */2 * * *", False),
        ("*/5 2 * * *", False),
        ("@hourly", False),
    ],
)
def test_what_has_a_fixed_hour(expression: str, fixed: bool) -> None:
    assert parse(expression).fixed is fixed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("61 * * * *", "'61' is no minute (0-59"),
        ("* 24 * * *", "'24' is no hour (0-23"),
        ("* * 32 * *", "'32' is no day-of-month (1-31, L or LW"),
        ("* * * JUNE *", "'JUNE' is no month (1-12 or JAN-DEC"),
        ("* * * * 8", "'8' is no day-of-week (0-7"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("* * * *", "it has 4 fields, and wants 5: minute, hour,"),
        ("0 * * * * *", "it has 6 fields, and wants 5: minute, hour, day-of-month, month, day-of-week; there"),
        ("", "it has 0 fields"),
        ("@reboot", "of words with @ these are known: @hourly, @daily"),
        ("@every 5m", "of words with @ these are known"),
        ("0 0 30 2 *", "is never due: none of its months has such a day"),
        ("0 0 31 2,4,6,9,11 *", "is never due"),
        ("0 0 29 2 MON#1", None),
        ("0 0 */28 2 MON#5", None),
        ("0 0 */30,30 2 MON#5", "is never due: there is no such day"),
        (",".join(["1"] * 300) + " * * * *", "it is too long"),
    ],
)  # fmt: skip
def test_sentences(text: str, sentence: str | None) -> None:
    if sentence is None:
        assert next(parse(text).since(0)) > 0
        return
    with pytest.raises(ValueError) as raised:
        parse(text)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 300


def test_rare_days_are_found_and_the_end_of_time_is_one() -> None:
    sundays = parse("0 0 */28 2 SUN")  # the 1st and the 29th of February, where they are Sundays
    assert next(sundays.since(seconds(datetime(2026, 2, 2)))) == seconds(datetime(2032, 2, 1))
    first = parse("0 0 29 2 *")
    leap = [
        datetime(1970, 1, 1) + timedelta(seconds=each)
        for each in islice(first.since(seconds(datetime(2096, 3, 1))), 2)
    ]
    assert leap == [datetime(2104, 2, 29), datetime(2108, 2, 29)]
    assert next(first.since(seconds(datetime(9997, 3, 1))), NEVER) == NEVER
    assert next(first.since(1 << 45), NEVER) == NEVER
