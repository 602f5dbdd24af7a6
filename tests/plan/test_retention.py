"""Which ended runs have had their time: tables, and what holds for any history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.model.workflow import History
from xene.plan.retention import DEFAULT, Past, is_crowded, limits, outlived

NOW = 1000.0


def past(*finished: float) -> list[Past]:
    return [Past(f"r{number}", at, True) for number, at in enumerate(finished, 1)]


@pytest.mark.parametrize(
    ("history", "going"),
    [
        (History(), []),
        (History(keep=2), ["r1", "r2"]),
        (History(keep=4), []),
        (History(keep=9), []),
        (History(keep=1), ["r1", "r2", "r3"]),
        (History(max_age=350.0), ["r1", "r2"]),
        (History(max_age=300.0), ["r1", "r2"]),  # the third is not older than that, just as old
        (History(max_age=1.0), ["r1", "r2", "r3"]),  # the newest stays, however old
        (History(keep=3, max_age=350.0), ["r1", "r2"]),  # whichever prunes first
        (History(keep=1, max_age=350.0), ["r1", "r2", "r3"]),
    ],
)
def test_what_goes(history: History, going: list[str]) -> None:
    assert outlived(history, past(500, 600, 700, 800), (), NOW) == going


def test_what_is_needed_or_not_done_stays_and_nothing_goes_in_its_place() -> None:
    runs = past(1, 2, 3, 4, 5)
    runs[1] = runs[1]._replace(done=False)
    assert outlived(History(keep=2), runs, {"r1"}, NOW) == ["r3"]


def test_the_default() -> None:
    assert limits(None) == limits(History()) == DEFAULT == History(keep=100)
    assert limits(History(max_age=1.0)) == History(max_age=1.0)  # who names one limit means that one alone


HISTORIES = st.builds(
    History, keep=st.none() | st.integers(1, 8), max_age=st.none() | st.floats(0, 600, allow_nan=False)
)
RUNS = st.lists(st.tuples(st.floats(0, NOW), st.booleans()), max_size=12)


@given(HISTORIES, RUNS, st.sets(st.integers(0, 11)))
def test_whatever_the_history(history: History, given_: list[tuple[float, bool]], wanted: set[int]) -> None:
    runs = [Past(f"r{number}", at, done) for number, (at, done) in enumerate(given_)]
    needed = {f"r{number}" for number in wanted}
    going = outlived(history, runs, needed, NOW)
    assert not set(going) & needed
    assert all(run.done for run in runs if run.id in going)
    assert not runs or runs[-1].id not in going
    left = [run for run in runs if run.id not in going]
    assert outlived(history, left, needed, NOW) == []  # a second look finds nothing
    if going:
        ends = [run.finished_at for run in runs]
        assert is_crowded(history, len(runs), min(ends), NOW)  # no look at the figures passes it over
