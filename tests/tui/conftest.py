"""The screen under a pilot: over the shop of `tests.tui.shop`, at a moment that stands still."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator, Callable, Iterator

import pytest
from textual.pilot import Pilot

from tests.tui import shop
from xene.tui.app import Status
from xene.tui.commandline import CommandLine
from xene.tui.groups import Group
from xene.tui.main import Main

DEADLINE = 30.0
STUB = Path(__file__).parent / "stub.sh"


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is 02:30 UTC on 23 November 2026, and stays so."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: shop.NOW)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the shop's state in it."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    shop.lay(path)
    return path


class Seat:
    """Somebody in front of the screen."""

    def __init__(self, pilot: Pilot[None], app: Status) -> None:
        self.pilot, self.app = pilot, app

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        names = {" ": "space", "=": "equals_sign", "/": "slash", "!": "exclamation_mark", "-": "minus"}
        await self.pilot.press(*(names.get(char, char) for char in text))

    async def go_to(self, name: str) -> None:
        """Press down from the top until the cursor stands on that workflow, pipeline or agent."""
        await self.press("home")
        while (subject := self.main.subject()) is None or subject.name != name:
            before = self.main.pane.sheet.cursor
            await self.press("down")
            assert self.main.pane.sheet.cursor > before, f"{name} is nowhere in\n{self.text}"

    @property
    def main(self) -> Main:
        """The main screen."""
        found = self.app.screen_stack[1]
        assert isinstance(found, Main)
        return found

    def lines(self) -> list[str]:
        """The text of the screen."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines())

    async def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Wait until that is so; else fail, with what the screen shows."""
        deadline = time.monotonic() + DEADLINE
        while not (found := holds()):
            assert time.monotonic() < deadline, f"waited in vain for {what}; the screen shows\n{self.text}"
            await asyncio.sleep(0.01)
            await self.pilot.pause()
        return found

    async def sees(self, *words: str) -> None:
        """Wait until all of this can be read."""
        await self.until(lambda: all(word in self.text for word in words), f"{words}")

    async def sees_no(self, word: str) -> None:
        await self.until(lambda: word not in self.text, f"the end of {word}")


@asynccontextmanager
async def seated(home: Path, size: tuple[int, int] = (80, 24), **more: Any) -> AsyncIterator[Seat]:
    """The app over the state in `home`, once it has shown what there is."""
    app = Status(str(home / "state.db"), str(home), **more)
    async with app.run_test(size=size) as pilot:
        seat = Seat(pilot, app)
        await seat.until(
            lambda: isinstance(app.screen, Main) and app.screen.found is not None, "the overview"
        )
        yield seat


def play(scene: Callable[[], Any]) -> None:
    """Run a scene to its end."""
    asyncio.run(scene())


@asynccontextmanager
async def stubbed(home: Path, size: tuple[int, int] = (100, 30), **more: Any) -> AsyncIterator[Seat]:
    """The screen, with a program that says what it was called with in the place of `xene`."""
    async with seated(home, size, **more) as seat:
        seat.app.line = CommandLine(
            str(home / "state.db"), str(home), named=False, program=["/bin/sh", str(STUB)]
        )
        yield seat


def called(home: Path) -> list[str]:
    """The command lines that were run, but `logs`."""
    path = home / "called"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if not line.startswith("logs")]


def pipelines(seat: Seat) -> list[str]:
    """The pipelines that are listed, in their order."""
    rows = [row for row in seat.main.pane.sheet.rows if not isinstance(row, Group)]
    return [f"{row['workflow']}/{row['name']}" for row in rows]
