"""The process behind a page: it ends with it, in whatever state the browser or itself is."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, Awaitable, Callable

import pytest
from textual_serve.download_manager import DownloadManager

from tests.tui.conftest import play
from xene.tui import remote
from xene.tui.remote import ODD, Screen

DEADLINE = 30.0


async def nothing(*_: Any) -> None:
    """A browser that takes all and says nothing."""


def screen(home: Path, take: Callable[[bytes], Awaitable[None]] = nothing, close: Any = nothing) -> Screen:
    more: dict[str, Any] = {"write_bytes": take, "write_str": nothing, "close": close}
    return Screen(str(home / "state.db"), "read", download_manager=DownloadManager(), **more)


async def began(made: Screen) -> int:
    """Start it; its pid."""
    await made.start(80, 24)
    assert made._process is not None
    return made._process.pid


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_what_is_drawn_for_a_browser_that_has_gone_is_thrown_away(home: Path) -> None:
    async def scene() -> None:
        drawn = asyncio.Event()

        async def gone(_: bytes) -> None:
            drawn.set()
            raise ConnectionResetError("Cannot write to closing transport")

        made = screen(home, gone)
        pid = await began(made)
        await asyncio.wait_for(drawn.wait(), DEADLINE)
        for width in range(40, 400):  # more than pipes hold
            await asyncio.wait_for(made.set_terminal_size(width, 100), DEADLINE)
        assert made._task is not None and not made._task.done()
        await asyncio.wait_for(made.stop(), DEADLINE)
        assert has_ended(pid)

    play(scene)


def test_a_screen_that_does_not_end_is_killed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "GRACE", 0.1)

    async def scene() -> None:
        stalled, left = asyncio.Event(), asyncio.Event()

        async def stall(_: bytes) -> None:
            stalled.set()
            await left.wait()

        made = screen(home, stall)
        pid = await began(made)
        await asyncio.wait_for(stalled.wait(), DEADLINE)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.wait_for(made.stop(), DEADLINE)
            assert has_ended(pid)
        finally:
            left.set()
            if not has_ended(pid):
                os.kill(pid, signal.SIGKILL)

    play(scene)


def test_a_screen_that_dies_closes_its_page(home: Path) -> None:
    async def scene() -> None:
        closed = asyncio.Event()

        async def close() -> None:
            closed.set()

        made = screen(home, close=close)
        await began(made)
        assert made._process is not None
        made._process.kill()
        await asyncio.wait_for(closed.wait(), DEADLINE)
        await made.stop()

    play(scene)


@pytest.mark.parametrize(
    "said",
    [
        "{", "[]", "7", "null", '"stdin"', '["stdin"]', '["stdin", 7]', '["stdin", "\\ud800"]', '["resize", 7]',
        '["resize", {"width": 1e999, "height": 1}]', '["resize", {"width": "x", "height": 1}]', "[" * 100_000,
        '["ping"]',
    ],
)  # fmt: skip
def test_what_no_terminal_says_is_one_of_a_few_errors(home: Path, said: str) -> None:
    with pytest.raises(ODD):
        asyncio.run(screen(home).hear(said))


def test_a_ping_is_answered() -> None:
    assert asyncio.run(screen(Path("/")).hear('["ping", "17"]')) == '["pong", "17"]'
