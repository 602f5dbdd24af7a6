"""The calendar of slots: which days, and what stands in them."""

from __future__ import annotations

import itertools
import time
from typing import Iterator

import pytest

from xene.plan import calendar_days
from xene.plan.drawing.spans import text_of

NOW = 1795401000.0  # 2026-11-23T02:30:00Z


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_days_are_those_of_the_clock_on_the_wall(berlin: None) -> None:
    starts = calendar_days.starts(NOW)
    assert len(starts) == calendar_days.BEFORE + calendar_days.AFTER + 2
    assert all(time.localtime(at)[3:6] == (0, 0, 0) for at in starts)
    assert starts[calendar_days.BEFORE] <= NOW < starts[calendar_days.BEFORE + 1]
    assert calendar_days.title(starts[calendar_days.BEFORE], True) == "today"
    assert calendar_days.title(starts[calendar_days.BEFORE - 1], False) == "Sun 22"


def test_a_day_on_which_clocks_change_has_its_length(berlin: None) -> None:
    starts = calendar_days.starts(1761480000.0)  # 2025-10-26T12:00:00Z
    lengths = {round((end - begin) / 3600) for begin, end in itertools.pairwise(starts)}
    assert lengths == {24, 25}


@pytest.mark.parametrize("width", [40, 80, 100, 200, 400])
def test_as_many_days_as_fit(width: int) -> None:
    before, after = calendar_days.fitting(width)
    assert 1 <= before <= calendar_days.BEFORE and 1 <= after <= calendar_days.AFTER
    assert width < 80 or (before + after + 1) * (calendar_days.size(width) + 2) <= width - 20


@pytest.mark.parametrize(("width", "size"), [(40, 6), (80, 6), (130, 6), (160, 7), (200, 10), (400, 10)])
def test_days_are_wider_where_there_is_room(width: int, size: int) -> None:
    assert calendar_days.size(width) == size


@pytest.mark.parametrize(
    ("outcomes", "due", "text"),
    [
        ({}, 0, "-"),
        ({"fired": 24}, 0, "✓24"),
        ({"fired": 22, "missed": 2}, 0, "!2✓22"),
        ({"fired": 1000, "unknown": 1}, 0, "?1✓1k"),
        ({"fired": 3}, 21, "✓3○21"),
        ({}, 99, "○99"),
        ({}, 100, "○99+"),
        ({"fired": 99}, 0, "✓99"),
        ({"fired": 100}, 0, "✓99+"),
        ({"fired": 20}, 100, "✓20○"),
        ({"fired": 20, "skipped": 30}, 100, "✓20·30"),
        ({"missed": 1, "fired": 150}, 100, "!1✓99+"),
        ({"missed": 144, "fired": 1}, 0, "!99+✓1"),
        ({"missed": 5, "expired": 5, "fired": 900}, 0, "!5!5"),
    ],
)
def test_the_worst_stands_first_and_is_never_left_out(outcomes: dict[str, int], due: int, text: str) -> None:
    found = calendar_days.cell({"outcomes": outcomes, "due": due})
    assert text_of(found) == text and len(text) <= calendar_days.CELL


def test_in_a_wide_cell_all_is_told() -> None:
    found = calendar_days.cell({"outcomes": {"fired": 1300, "missed": 2}, "due": 100}, calendar_days.WIDE)
    assert text_of(found) == "!2✓1k○99+"
