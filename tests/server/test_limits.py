"""Buckets of tries: a burst, then a steady rate, each caller by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xene.server import limits
from xene.server.limits import Limit, Rate, whole_seconds


def test_a_burst_then_a_steady_rate() -> None:
    limit = Limit(Rate(each=2.0, burst=3.0))
    assert [limit.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.take("a", 100.0) == 0.5
    assert limit.take("b", 100.0) == 0.0, "another caller has tries of its own"
    assert limit.take("a", 100.5) == 0.0
    assert limit.take("a", 100.6) > 0.0


@given(st.lists(st.floats(0, 10), max_size=60))
def test_never_more_than_the_burst_and_the_rate_allow(gaps: list[float]) -> None:
    limit, now, taken = Limit(Rate(each=1.0, burst=5.0)), 0.0, 0
    for gap in gaps:
        now += gap
        taken += limit.take("a", now) == 0.0
    assert taken <= 5.0 + now + 1e-6


@given(st.integers(0, 30), st.floats(0, 3))
def test_who_waits_as_long_as_told_is_let_in(before: int, gap: float) -> None:
    limit = Limit(Rate(each=0.5, burst=4.0))
    for _ in range(before):
        limit.take("a", 50.0)
    wait = limit.take("a", 50.0 + gap)
    if wait > 0.0:
        assert limit.take("a", 50.0 + gap + wait + 1e-9) == 0.0


def test_callers_without_number_take_no_memory_without_end() -> None:
    limit = Limit(Rate(each=1.0, burst=2.0))
    for number in range(limits.KNOWN + 100):
        limit.take(number, 0.0)
    assert len(limit._left) <= limits.KNOWN
    limit = Limit(Rate(each=1.0, burst=2.0))
    limit.take("spent", 1e6)
    limit.take("spent", 1e6)
    for number in range(limits.KNOWN + 100):
        limit.take(number, number / 10)
    assert limit.take("spent", 1e6) > 0.0, "who has used up tries is not forgotten before who has not"


def test_retry_after_is_a_whole_second_at_least() -> None:
    assert [whole_seconds(wait) for wait in (0.001, 1.0, 1.2)] == [1, 1, 2]
