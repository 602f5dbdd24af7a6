"""Capacity is taken by runs, first come first served."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xene.engine.admission import admit


def test_first_come_first_served() -> None:
    assert admit([("a", 1), ("b", 2), ("c", 1)], used=1, capacity=3) == ["a"]


def test_a_run_larger_than_the_agent_starts_when_nothing_else_runs() -> None:
    assert admit([("a", 9)], used=0, capacity=2) == ["a"]
    assert admit([("a", 9)], used=1, capacity=2) == []


@given(st.lists(st.integers(1, 5)), st.integers(0, 8), st.integers(1, 8))
def test_what_starts_fits_and_is_the_head_of_the_queue(sizes: list[int], used: int, capacity: int) -> None:
    queue = [(str(index), size) for index, size in enumerate(sizes)]
    admitted = admit(queue, used, capacity)
    assert admitted == [name for name, _ in queue[: len(admitted)]]
    taken = sum(sizes[: len(admitted)])
    assert used + taken <= capacity or (used == 0 and len(admitted) == 1) or not admitted
