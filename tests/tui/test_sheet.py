"""A list draws what differs, and nothing of what was drawn is left behind by that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual.app import App, ComposeResult

from xene.plan.drawing.spans import Span
from xene.tui import sheet as sheet_module
from xene.tui.sheet import Column, Sheet


class Clock:
    now = 1000.0


class Listed(App[None]):
    def compose(self) -> ComposeResult:
        columns = [
            Column("NAME", 8, lambda row, _: (Span(row[1]),)),
            Column("AGE", 8, lambda _, now: (Span(f"{now:.0f}"),)),
        ]
        self.sheet = Sheet(lambda _: columns, lambda row: row[0])
        yield self.sheet


def drawn(app: Listed) -> list[str]:
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def test_what_the_clock_changes_between_reckoning_and_drawing_is_not_taken_for_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name alone is drawn then: the age must not count as drawn, or it would stay what it was."""
    monkeypatch.setattr(sheet_module.time, "time", lambda: Clock.now)
    found: dict[str, Any] = {}

    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 6)) as pilot:
            app.sheet.show([(1, "old")])
            await pilot.pause()
            app.sheet.show([(1, "new")])
            Clock.now = 2000.0
            await pilot.pause()
            before = app.sheet._drawn[1]
            assert "1000" in before.text
            app.sheet.again()
            await pilot.pause()
            found["line"] = drawn(app)[1]

    asyncio.run(scene())
    assert found["line"].split() == ["new", "2000"]


def test_dots_until_rows_are_given() -> None:
    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 6)) as pilot:
            app.sheet.again("nothing")
            await pilot.pause()
            assert drawn(app)[1].strip() == "..."
            app.sheet.show([])
            await pilot.pause()
            assert drawn(app)[1].strip() == "nothing"

    asyncio.run(scene())
