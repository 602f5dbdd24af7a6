"""Leases: when one holds, in tables; and what must be true of any, whatever the clocks do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.engine.clock import Clock
from xene.engine.lease import PARTED, Grant, better, holds, parted, pause

AT, UP = 1_000_000.0, 500.0
GRANT = Grant("boot", UP, AT)
SECONDS = st.floats(0, 1e6, allow_nan=False)


def after(up: float, at: float | None = None, boot: str = "boot") -> Clock:
    return Clock(AT + (up if at is None else at), boot, UP + up)


@pytest.mark.parametrize(
    ("grant", "now", "expected"),
    [
        (None, after(0), False),
        (GRANT, after(0), True),
        (GRANT, after(29.9), True),
        (GRANT, after(30), False),
        (GRANT, after(300), False),
        (GRANT, after(1, boot="another"), False),
        (GRANT, after(-1), False),  # no reading of this boot
        (GRANT, after(10, 12), True),  # as far apart as is borne
        (GRANT, after(10, 12.5), False),  # the wall clock was set forward
        (GRANT, after(10, 7.5), False),  # or back
        (GRANT, after(10, 3610), False),  # or it went on while the boot clock stood still: a machine put back
    ],
)
def test_when_a_lease_of_30_seconds_holds(grant: Grant | None, now: Clock, expected: bool) -> None:
    assert holds(grant, 30.0, now) is expected


@given(st.floats(0.1, 1e5), SECONDS, st.floats(-1e6, 1e6, allow_nan=False))
def test_no_lease_outlives_its_length_on_either_clock(length: float, up: float, step: float) -> None:
    now = after(up, up + step)
    if holds(GRANT, length, now):
        assert now.up - UP < length
        assert now.at - AT < length + PARTED + 1e-6


@given(SECONDS, SECONDS, st.floats(0.1, 1e5))
def test_of_two_grants_the_one_that_ends_later_counts(one: float, other: float, length: float) -> None:
    grants = [Grant("boot", UP + each, AT + each) for each in (one, other)]
    assert (
        better(grants[0], grants[1]).up == better(grants[1], grants[0]).up == max(each.up for each in grants)
    )


def test_a_grant_of_another_boot_takes_the_place_of_any() -> None:
    assert better(GRANT, Grant("next", 1.0, AT)).boot == "next"
    assert better(None, GRANT) == GRANT


@pytest.mark.parametrize(("by", "expected"), [(0, 0), (2, 0), (-2, 0), (2.5, 2.5), (-3600, -3600)])
def test_by_how_much_the_clocks_part(by: float, expected: float) -> None:
    assert parted(after(0), after(10, 10 + by)) == pytest.approx(expected)


def test_it_is_asked_so_often_that_two_questions_may_be_lost() -> None:
    assert pause([90.0, 30.0]) == 10.0
