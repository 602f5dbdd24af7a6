"""Durations, sizes, ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.model import ids
from xene.model.units import format_age, format_duration, parse_duration, parse_size, rfc3339


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "1h 30m", "-1s", "1.5h", "30m1h", "1s" * 30])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


def test_sizes_and_ages_and_instants() -> None:
    assert parse_size("10Mi") == 10 * 1024 * 1024 and parse_size("7") == 7
    assert [format_age(s) for s in (5, 65, 3600, 7500, 200000)] == ["5s", "1m5s", "1h", "2h5m", "2d"]
    assert rfc3339(0.25) == "1970-01-01T00:00:00.250Z"


@given(st.binary(min_size=8, max_size=8), st.integers(0, 4 * 10**9), st.integers(0, 4 * 10**9))
def test_run_ids_are_valid_and_sort_by_time(entropy: bytes, one: int, other: int) -> None:
    first, second = ids.run_id(one, entropy), ids.run_id(other, entropy)
    assert ids.is_run_id(first) and not ids.is_run_id(first + "/..")
    assert (first[:15] <= second[:15]) == (one <= other)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a" * 64, "a\n", "a.b"])
def test_names_that_are_none(text: str) -> None:
    assert not ids.is_name(text)
