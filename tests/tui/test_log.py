"""The log on the screen of a run: followed, searched, read further back; what it may do to the terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui import shop
from tests.tui.conftest import play, stubbed
from xene.tui.log import Log
from xene.tui.log_lines import CUT, LONGEST, begun, colored


def test_a_log_is_followed_searched_and_read_further_back(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_LOG", "seq -f 'line %.0f' 1 3000")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("line 3000", "3,000 lines")
            log = seat.app.screen.query_one(Log)
            await seat.press("slash")
            await seat.type("line 150")
            await seat.sees("'line 150': 11 of 11")
            assert log.scroll_offset.y == 1508 and not log.following
            await seat.press("enter", "N")
            await seat.until(lambda: log.scroll_offset.y == 1507, "the match before")
            await seat.sees("'line 150': 10 of 11")
            await seat.press("n", "n")  # behind the last one is the first
            await seat.sees("'line 150': 1 of 11")
            await seat.press("escape")
            await seat.sees_no("'line 150'")
            await seat.press("tab", "end", "m")
            await seat.until(lambda: "--tail 10000" in (home / "called").read_text(), "more is read")
            await seat.sees("line 3000")

    play(scene)


def test_what_a_log_may_do_to_the_terminal() -> None:
    assert colored("\x1b[31mred\x1b[0m").spans[0].style.color.number == 1  # type: ignore[union-attr]
    assert colored("\x1b[2Jgone\x07").plain == "\\x1b[2Jgone\\x07"
    assert colored(" 10%\r 50%\r100%\r").plain == "100%"
    assert colored("a\tb").plain == "a       b"
    assert colored(f"\x1b[{'9' * 5000}m").plain.startswith("\\x1b[999")
    assert colored("t/s | \r 10%\r 50%\r").plain == "t/s |  50%"


@pytest.mark.parametrize("erase", ["\x1b[K", "\x1b[0K", "\x1b[2K", "\x1b[2K\x1b[K"])
def test_a_progress_bar_may_erase_what_stood_there(erase: str) -> None:
    assert colored(f"10%\r{erase}50%\r{erase}100%\r").plain == "100%"
    assert colored(f"t/s | {erase}10%\r{erase} 50%").plain == "t/s |  50%"
    assert colored(f"\x1b[31mred\r{erase}\x1b[32mgreen").plain == "green"


def test_what_erases_elsewhere_is_visible() -> None:
    assert colored("\x1b[Kgone").plain == "\\x1b[Kgone"
    assert colored("10%\r\x1b[1K50%").plain == "\\x1b[1K50%"
    assert colored("10%\r50%\x1b[K").plain == "50%\\x1b[K"


def test_a_long_line_that_has_not_ended_goes_on_where_it_went_back_to() -> None:
    rest = begun(f"t/s | {'x' * LONGEST}\r\x1b[")
    assert colored(rest + "K50%").plain == "t/s | 50%"
    assert colored(begun("x" * LONGEST + "y\r 10%\r") + "z").plain == "z"
    assert len(begun("x" * 3 * LONGEST)) == LONGEST + 1


def test_a_line_without_an_end_is_cut(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_LOG", "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo after")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("after", "2 lines")
            lines = seat.app.screen.query_one(Log).lines
            assert len(lines[0]) == LONGEST + len(CUT) and lines[0].endswith(CUT)

    play(scene)


FLOOD = "i=0; while [ $i -lt 200 ]; do seq 1 1000; i=$((i+1)); done; echo over"


def test_a_flood_is_drawn_in_frames(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """200,000 lines at once: what is drawn is counted, keys are answered, memory has a bound."""
    monkeypatch.setenv("STUB_LOG", FLOOD)
    drawn: list[float] = []
    monkeypatch.setattr(Log, "_draw", _counted(Log._draw, drawn))

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            begun = time.monotonic()
            await seat.sees("over")
            took = time.monotonic() - begun
            log = seat.app.screen.query_one(Log)
            assert len(log.lines) == 100_000
            assert len(drawn) <= took / 0.1 + 3

    play(scene)


def _counted(draw: Any, drawn: list[float]) -> Any:
    def counted(log: Log) -> None:
        drawn.append(time.monotonic())
        draw(log)

    return counted


def test_where_one_is_among_the_matches_is_said_though_nothing_else_is_drawn(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to a match begins after the next drawing, when what is said of the log has been said already."""
    monkeypatch.setenv("STUB_LOG", "seq -f 'line %.0f' 1 3000")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("3,000 lines")
            log = seat.app.screen.query_one(Log)
            log._search = "line 150"
            seat.app.screen._say_of_log()
            await seat.sees("'line 150': - of 11")
            log._go(log.matches()[-1])
            await seat.sees("'line 150': 11 of 11")

    play(scene)


def test_a_long_line_is_read_to_its_end_wherever_it_stands(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_LOG", "printf '日%.0s' $(seq 200); echo end; seq -f 'line %.0f' 1 3000")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("line 3000")
            log = seat.app.screen.query_one(Log)
            await seat.press("tab", "home")
            await seat.sees("日")
            await seat.press(*["ctrl+pagedown"] * 10)
            await seat.sees("日end")
            assert log.virtual_size.width == 403

    play(scene)
