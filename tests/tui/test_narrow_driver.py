"""A terminal that is not UTF-8: each sign takes the columns of what it is for, and what can be written stays."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from xene.plan.marks import MARKS
from xene.tui.narrow_driver import is_narrow, narrowed


@pytest.mark.parametrize("name", ["ascii", "ANSI_X3.4-1968", "iso-8859-1", "cp1252", "koi8-r"])
def test_nothing_is_left_that_cannot_be_written(name: str) -> None:
    text = f"{''.join(MARKS.values())} ╭─╮│ ▾ ▸ █░ ▁▆ 日本 é 🔎 \x1b[31mred\x1b[0m"
    found = narrowed(text, name)
    assert found.encode(name) and cell_len(found) == cell_len(text)
    assert found.endswith("\x1b[31mred\x1b[0m")


def test_marks_differ_from_each_other() -> None:
    marks = {narrowed(mark, "ascii") for mark in MARKS.values()}
    assert len(marks) == len(set(MARKS.values()))


def test_which_encodings_are_narrow() -> None:
    assert [is_narrow(name) for name in ("utf-8", "UTF8", "utf-16", "ascii", "iso-8859-15")] == [
        False, False, False, True, True,
    ]  # fmt: skip
