"""Every screen at 80x24 and 200x60, dark and light, compared with what is kept in `snapshots`.

After a change that is meant: run it with XENE_SNAPSHOTS=write, and look at the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Awaitable, Callable

import pytest

from tests.tui import shop
from tests.tui.conftest import Seat, play, seated
from tests.tui.pictures import SNAPSHOTS, compare, contrasts, picture
from xene.tui.asking import Answer
from xene.tui.log import Log
from xene.tui.trigger_slots import TriggerSlots

LEAST_CONTRAST = 2.0  # of what is dim; what is plain has more than 4
FAR_CONTRAST = 1.3  # of what lies behind a question


async def overview(seat: Seat) -> None:
    await seat.sees("shop/build", "✓✓✓✓")


async def filtered(seat: Seat) -> None:
    await seat.press("slash")
    await seat.type("team=web build")
    await seat.sees_no("docs/publish")


async def runs(seat: Seat) -> None:
    await seat.press("enter", "escape", "2")
    await seat.sees(shop.QUEUED)


async def agents(seat: Seat) -> None:
    await seat.press("3")
    await seat.sees_no("REASON            MESSAGE")
    await seat.sees("USED")


async def slots(seat: Seat) -> None:
    await seat.press("4")
    await seat.sees("○24")


async def slots_of_a_trigger(seat: Seat) -> None:
    await seat.press("enter")
    await seat.until(lambda: isinstance(seat.app.screen, TriggerSlots), "the slots")
    await seat.sees("skipped")


async def events(seat: Seat) -> None:
    await seat.press("escape", "5")
    await seat.sees("MESSAGE", "TaskFailed")


async def keys(seat: Seat) -> None:
    await seat.press("1", "home", "down", "down", "down", "question_mark")
    await seat.until(lambda: isinstance(seat.app.screen, Answer), "the keys")
    await seat.sees("$ xene run shop/build")


async def form(seat: Seat) -> None:
    await seat.press("escape", "r")
    await seat.sees("count *", "$ xene run shop/build")


async def question(seat: Seat) -> None:
    await seat.press("escape", "c")
    await seat.sees(f"$ xene cancel {shop.ASKING}")


async def log(seat: Seat) -> None:
    await seat.press("escape")
    seat.app.open_run(shop.FAILED)
    await seat.sees("test/api | ok")
    found = seat.app.screen.query_one(Log)
    await seat.until(lambda: found.scroll_offset.y == found.max_scroll_y and not found._process, "its end")


async def graph(seat: Seat) -> None:
    await seat.press("2")
    await seat.sees("✗ lint", "┌")


async def timeline(seat: Seat) -> None:
    await seat.press("3")
    await seat.sees("█")


async def outputs(seat: Seat) -> None:
    await seat.press("4")
    await seat.sees("version=1.4.2")


async def why(seat: Seat) -> None:
    await seat.press("5")
    await seat.sees("task lint ended in Error")


SCENES: list[Callable[[Seat], Awaitable[None]]] = [
    overview, filtered, runs, slots, slots_of_a_trigger, events, agents, keys, form, question,
    log, graph, timeline, outputs, why,
]  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_screen(size: tuple[int, int], home: Path, still: None) -> None:
    async def scene() -> None:
        async with seated(home, size) as seat:
            for act in SCENES:
                await act(seat)
                await both_themes(seat, f"{act.__name__}-{size[0]}x{size[1]}")

    play(scene)


async def both_themes(seat: Seat, name: str) -> None:
    """Dark, then light; and everything can be read in either."""
    for theme in ("dark", "light"):
        seat.app.theme = f"textual-{theme}"
        await seat.pilot.pause()
        await seat.until(lambda: settled(seat), "a screen that stands still")
        compare(f"{name}-{theme}", picture(seat.app))
        least = FAR_CONTRAST if seat.app.screen.is_modal else LEAST_CONTRAST
        faint = [(round(found, 2), text) for found, text in contrasts(seat.app) if found < least]
        assert not faint, f"{name} {theme}: {faint}"
    seat.app.theme = "textual-dark"
    await seat.pilot.pause()


def settled(seat: Seat) -> Any:
    """Whether two pictures in a row are the same."""
    before, now = getattr(seat, "before", None), picture(seat.app)
    seat.before = now  # type: ignore[attr-defined]
    return before == now


def colors(seat: Seat) -> set[tuple[int, int, int]]:
    """All colours on the screen."""
    parts = [part for strip in seat.app.screen._compositor.render_strips() for part in strip]
    styles = [part.style for part in parts if part.style is not None]
    found = [color for style in styles for color in (style.color, style.bgcolor) if color is not None]
    return {tuple(color.get_truecolor()) for color in found}  # type: ignore[misc]


def test_without_colours(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks say what colours do."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with seated(home) as seat:
            await overview(seat)
            assert seat.app.no_color
            assert {max(rgb) - min(rgb) for rgb in colors(seat)} == {0}

    play(scene)


def test_no_snapshot_is_left_over() -> None:
    wanted = {
        f"{act.__name__}-{size}-{theme}.txt"
        for act in SCENES
        for size in ("80x24", "200x60")
        for theme in ("dark", "light")
    }
    assert {path.name for path in SNAPSHOTS.iterdir()} == wanted
