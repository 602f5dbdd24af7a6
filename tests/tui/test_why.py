"""Why a run is as it is: asked again as the state moves, not too often, and never two at a time."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tests.tui import shop
from tests.tui.conftest import Seat, called, play, stubbed
from xene.plan.drawing.spans import Line, Span, text_of
from xene.tui import why as why_module
from xene.tui.run import Run
from xene.tui.why import Why


class Asked(App[None]):
    """`answers` are given one by one, as the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, asyncio.Future[str]]] = []

    def compose(self) -> ComposeResult:
        yield Why(self.ask)

    async def ask(self, ident: str) -> list[Line]:
        self.asked.append((ident, asyncio.get_running_loop().create_future()))
        return [(Span(await self.asked[-1][1]),)]

    @property
    def page(self) -> Why:
        return self.query_one(Why)

    @property
    def said(self) -> str:
        return "\n".join(map(text_of, self.page.lines))


async def holds(pilot: Any, what: Any) -> None:
    for _ in range(1000):
        if what():
            return
        await pilot.pause(0.005)
    raise AssertionError("waited in vain")


def test_old_words_stay_until_the_new_ones_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(why_module, "REST", 0.0)

    async def scene() -> None:
        app = Asked()
        async with app.run_test() as pilot:
            app.page.of("one")
            assert app.said == "..."
            app.page.go_on()
            await holds(pilot, lambda: app.asked)
            app.asked[0][1].set_result("first")
            await holds(pilot, lambda: app.said == "first")
            app.page.go_on()  # nothing has moved
            app.page.stale = True
            app.page.go_on()
            await holds(pilot, lambda: len(app.asked) == 2)
            assert app.said == "first"
            app.page.stale = True
            app.page.go_on()  # one is asked
            await pilot.pause()
            assert len(app.asked) == 2
            app.asked[1][1].set_result("second")
            await holds(pilot, lambda: app.said == "second")
            app.page.go_on()
            await holds(pilot, lambda: len(app.asked) == 3)
            app.asked[2][1].set_result("third")

    asyncio.run(scene())


def test_an_answer_about_the_run_before_is_shown_to_nobody() -> None:
    """The other run is asked about right behind it, however soon that is."""

    async def scene() -> None:
        app = Asked()
        async with app.run_test() as pilot:
            app.page.of("one")
            app.page.go_on()
            await holds(pilot, lambda: app.asked)
            app.page.of("two")
            app.page.go_on()
            assert len(app.asked) == 1 and app.said == "..."
            app.asked[0][1].set_result("of the first")
            await holds(pilot, lambda: len(app.asked) == 2)
            assert app.said == "..." and app.asked[1][0] == "two"
            app.asked[1][1].set_result("of the second")
            await holds(pilot, lambda: app.said == "of the second")
            app.page.stale = True
            app.page.go_on()
            await pilot.pause()
            assert len(app.asked) == 2  # it was asked just now

    asyncio.run(scene())


def whys(home: Path) -> int:
    return sum(line == f"why run/{shop.ASKING}" for line in called(home))


def test_what_moves_in_the_state_is_asked_about_again(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where phase and reason of the run are what they were."""
    monkeypatch.setattr(why_module, "REST", 0.0)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await shown(seat)
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE agents SET message = 'port 22 is open again' WHERE name = 'build-2'")
            conn.close()
            await seat.until(lambda: whys(home) == 2, "another question")
            await seat.press("1")
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE agents SET message = 'or not' WHERE name = 'build-2'")
            conn.close()
            page = seat.app.screen.query_one(Why)
            await seat.until(lambda: page.stale, "the word that it moved")
            assert whys(home) == 2  # nobody looks
            await seat.press("5")
            await seat.until(lambda: whys(home) == 3, "what is asked as it is shown again")

    play(scene)


async def shown(seat: Seat) -> None:
    """The page `Why` of the run that asks something."""
    seat.app.open_run(shop.ASKING)
    await seat.sees("ship WaitingForApproval")
    assert isinstance(seat.app.screen, Run)
    await seat.press("5")
    await seat.sees("done: why")
