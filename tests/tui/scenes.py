"""What somebody does who looks at every screen in turn. Used by the snapshots and the pictures of the docs."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Awaitable, Callable
from unittest import mock

from tests.tui import shop
from tests.tui.conftest import Seat, seated
from xene.tui.answers import Answer
from xene.tui.log import Log
from xene.tui.trigger_slots import TriggerSlots

Scene = Callable[[Seat], Awaitable[None]]


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
    await seat.press("1")
    await seat.go_to("shop/build")
    await seat.press("question_mark")
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


SCENES: list[Scene] = [
    overview, filtered, runs, slots, slots_of_a_trigger, events, agents, keys, form, question,
    log, graph, timeline, outputs, why,
]  # fmt: skip

# -- pictures for README and docs

PICTURE = (110, 28)


Take = Callable[[Seat, str], Awaitable[None]]


def pictures(take: Take) -> None:
    """Have the pictures taken: each when it is to be seen, with the name of its file in docs/images."""
    with tempfile.TemporaryDirectory() as root, mock.patch.dict(os.environ, {"TZ": "UTC"}):
        time.tzset()
        home = Path(root) / "home"
        home.mkdir(mode=0o700)
        shop.lay(home)
        with mock.patch.object(time, "time", lambda: shop.NOW):
            asyncio.run(_taken(home, take))


async def _taken(home: Path, take: Take) -> None:
    async with seated(home, PICTURE) as seat:
        await overview(seat)
        await seat.go_to("shop/build")
        await take(seat, "status-overview.svg")
        seat.app.open_run(shop.FAILED)
        await graph(seat)
        await take(seat, "status-run.svg")
