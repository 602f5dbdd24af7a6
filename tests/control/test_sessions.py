"""When an agent is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from xene.control.sessions import FIRST_PAUSE, LONGEST_PAUSE, pause

CHANCE = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), CHANCE)
def test_pauses_grow_to_a_limit_and_never_vanish(failures, chance):
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**failures if failures < 100 else LONGEST_PAUSE)
    assert longest / 2 <= pause(failures, chance) <= longest


def test_hosts_that_fell_together_are_not_tried_together():
    assert len({pause(10) for _ in range(50)}) == 50
