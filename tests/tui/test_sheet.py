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


def under_cursor(app: Listed) -> int:
    """The line of the screen that the row under the cursor is on."""
    return app.sheet.cursor - round(app.sheet.scroll_offset.y) + 1


def numbered(begin: int, end: int) -> list[tuple[int, str]]:
    return [(number, f"row {number}") for number in range(begin, end)]


@pytest.mark.parametrize("keys", [["end"], ["end", "up", "up"], ["pagedown"], ["home"]])
def test_the_row_under_the_cursor_stays_in_sight_when_the_terminal_shrinks(keys: list[str]) -> None:
    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 40)) as pilot:
            app.sheet.show(numbered(0, 100))
            app.sheet.focus()
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            for height in (24, 10, 30, 5):
                await pilot.resize_terminal(40, height)
                await pilot.pause()
                assert drawn(app)[under_cursor(app)].split()[:2] == ["row", str(app.sheet.current[0])]

    asyncio.run(scene())


def test_the_row_under_the_cursor_stays_in_sight_when_rows_come_above_it() -> None:
    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 10)) as pilot:
            app.sheet.show(numbered(50, 90))
            app.sheet.focus()
            await pilot.pause()
            await pilot.press("down", "down")
            for first in (48, 40, 39, 0):
                app.sheet.show(numbered(first, 90))
                await pilot.pause()
                assert app.sheet.current == (52, "row 52")
                assert drawn(app)[under_cursor(app)].split()[:2] == ["row", "52"]
                # What is new is seen as long as there is room for both; then the cursor stays on its line.
                assert (under_cursor(app) == 9) == (first < 48) and (drawn(app)[1][:6] == "row 48") == (
                    first == 48
                )

    asyncio.run(scene())


def test_what_somebody_has_scrolled_to_stays() -> None:
    """The cursor was out of sight: nothing jumps to it, but `end` does, also where it is there already."""

    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 10)) as pilot:
            app.sheet.show(numbered(0, 90))
            app.sheet.focus()
            await pilot.pause()
            await pilot.press("end")
            app.sheet.scroll_to(y=20, animate=False, immediate=True)
            await pilot.pause()
            app.sheet.show(numbered(0, 95))
            await pilot.resize_terminal(40, 8)
            await pilot.pause()
            assert drawn(app)[1].startswith("row 20")
            app.sheet.show(numbered(0, 90))
            await pilot.press("end")
            await pilot.pause()
            assert "row 89" in drawn(app)[-1]

    asyncio.run(scene())


def test_who_has_moved_nothing_sees_what_is_new() -> None:
    """A list that is left open: the cursor goes down with its row, and up again before that is out of sight."""

    async def scene() -> None:
        app = Listed()
        async with app.run_test(size=(40, 10)) as pilot:
            app.sheet.show(numbered(50, 90))
            await pilot.pause()
            for first, under in ((48, 50), (42, 50), (20, 20), (0, 0)):
                app.sheet.show(numbered(first, 90))
                await pilot.pause()
                assert app.sheet.current == (under, f"row {under}")
                assert drawn(app)[1].split()[:2] == ["row", str(first)]
            app.sheet.focus()
            await pilot.press("down", "home")  # at the top again, as if nothing had been moved
            app.sheet.show(numbered(-20, 90))
            await pilot.pause()
            assert app.sheet.current == (-20, "row -20")

    asyncio.run(scene())
