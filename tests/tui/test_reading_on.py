"""Somebody reads further up in a log: his lines stay below him, whatever comes, goes, or is read anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui import shop
from tests.tui.conftest import Seat, play, stubbed
from tests.tui.test_following import controller, readings, talking
from tests.tui.test_run import early
from xene.control.lock import CONTROLLER, Lock
from xene.tui import log as log_module
from xene.tui import run as run_module
from xene.tui.log import Log

__all__ = ["controller", "early", "talking"]  # fixtures

TAIL = "n=$(tail -n 1 \"$XENE_HOME/called\" | sed 's/.*--tail \\([0-9]*\\).*/\\1/')"
GROWS = (
    'seq -f "line %.0f" 1 3000;'
    ' n=$(grep -c ^logs "$XENE_HOME/called"); [ "$n" = 1 ] || seq -f "more %.0f" 1 "$n"'
)


async def opened(seat: Seat, run: str = shop.ASKING) -> Log:
    """The log of a run, read to its end."""
    seat.app.open_run(run)
    await seat.sees("line 3000")
    return seat.app.screen.query_one(Log)


async def further_up(seat: Seat) -> tuple[Log, str]:
    """Somebody has scrolled up there; and the line at the top of what he sees."""
    log = seat.app.screen.query_one(Log)
    await seat.press("enter", "pageup", "pageup")
    assert not log.following
    return log, top(seat)


def top(seat: Seat) -> str:
    """The first line of the log that is on the screen, which is the one that is said to be."""
    log = seat.app.screen.query_one(Log)
    line = log.lines[round(log.scroll_offset.y)]
    shown = seat.lines()[log.region.y][log.region.x :].rstrip(" ▁▂▃▄▅▆▇█")
    assert shown == line
    return line


@pytest.mark.parametrize("key", ["end", "f"])
def test_nothing_is_read_anew_under_a_reader(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Nobody is at work: else it would be read again by and by."""
    monkeypatch.setattr(run_module, "AGAIN", 1)
    monkeypatch.setenv("STUB_LOG", "seq -f 'line %.0f' 1 3000")

    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            log, line = await further_up(seat)
            await seat.sees("more may have come: f")
            count, ticks = len(readings(home)), seat.app.screen._ticks
            seat.app.line._env["STUB_LOG"] = GROWS
            await seat.until(lambda: seat.app.screen._ticks > ticks + 3, "some seconds")
            assert len(readings(home)) == count and top(seat) == line
            await seat.press(key)
            await seat.sees("more 2")
            await seat.sees_no("more may have come")
            assert log.following

    play(scene)


def test_a_controller_that_comes_moves_no_reader(talking: Path) -> None:
    async def scene() -> None:
        async with stubbed(talking) as seat:
            await opened(seat)
            (talking / "go-on").touch()
            await seat.sees("the last")
            log, line = await further_up(seat)
            with Lock(str(talking / "state.db"), CONTROLLER) as lock:
                assert lock.acquire()
                await seat.until(lambda: log._follows, "the screen hears of it")
                await seat.sees("more may have come: f")
                assert top(seat) == line and not readings(talking)[-1].endswith("-f")
                await seat.press("end")
                await seat.until(lambda: readings(talking)[-1].endswith("-f"), "following")
                await seat.sees("the last")

    play(scene)


def test_a_controller_that_is_killed_moves_no_reader(talking: Path) -> None:
    """Who follows the log is ended all the same, since he would do a controller's work."""

    async def scene() -> None:
        async with stubbed(talking) as seat:
            with Lock(str(talking / "state.db"), CONTROLLER) as lock:
                assert lock.acquire()
                log = await opened(seat)
                await seat.sees("follows")
                log, line = await further_up(seat)
                process, count = log._process, len(readings(talking))
            await seat.sees("more may have come: f")
            await seat.until(lambda: process.returncode is not None, "the end of who follows")
            assert len(readings(talking)) == count and top(seat) == line
            (talking / "go-on").touch()
            await seat.press("end")
            await seat.sees("the last")
            assert not readings(talking)[-1].endswith("-f") and len(readings(talking)) == count + 1

    play(scene)


def test_lines_that_are_let_go_move_no_reader(
    talking: Path, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "KEPT", 2950)
    go_on = 'until [ -e "$XENE_HOME/go-on" ]; do sleep 0.05 > /dev/null 2>&1; done'
    monkeypatch.setenv(
        "STUB_LOG", f"seq -f 'line %.0f' 1 3000; {go_on}; seq -f 'later %.0f' 1 500; echo over"
    )

    async def scene() -> None:
        async with stubbed(talking) as seat:
            await opened(seat)
            log = seat.app.screen.query_one(Log)
            log.search("line 2")
            await seat.sees("'line 2': 1,100 of 1,100")
            _, line = await further_up(seat)
            (talking / "go-on").touch()
            await seat.until(lambda: log.lines[-1] == "over", "the end of the log")
            await seat.until(lambda: len(log.lines) == 2950, "some lines are let go")
            await seat.until(lambda: log._process is None and log._timer is None, "it is drawn")
            assert top(seat) == line and log.lines[0] == "line 552" and not log.following
            assert log.lines[log._at] == "line 2999"
            log.search("line 1.")
            await seat.sees("'line 1.': 0 in the last 2,950 lines")
            assert "m: earlier" not in seat.text

    play(scene)


def test_earlier_lines_come_in_front_of_what_is_read(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat, shop.FAILED)
            log, line = await further_up(seat)
            await seat.press("m")
            await seat.sees("3,000 lines")
            assert top(seat) == line and not log.following
            assert log.scroll_offset.y == int(line.split()[1]) - 1

    play(scene)


def test_earlier_lines_change_no_match(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat, shop.FAILED)
            log, _ = await further_up(seat)
            log.search("line 2")
            await seat.sees("'line 2': 999 of 999")
            await seat.press("n")
            await seat.sees("'line 2': 1 of 999", "line 2001")
            line = top(seat)
            await seat.press("m")
            await seat.sees("102 of 1,100", "3,000 lines")
            assert top(seat) == line == log.lines[log._at] == "line 2001"
            await seat.press("N")
            await seat.until(lambda: log.lines[log._at] == "line 2000", "the match before")

    play(scene)


def test_earlier_lines_are_read_though_the_log_is_read_anew_already(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By and by it is, where nobody is at work."""
    wait = 'if [ -e "$XENE_HOME/wait" ] && [ $n = 1000 ]; then echo "line 2001"; exec sleep 100; fi'
    monkeypatch.setenv("STUB_LOG", f"{TAIL}; {wait}; seq -f 'line %.0f' 1 3000 | tail -n $n")
    monkeypatch.setattr(run_module, "AGAIN", 1)
    monkeypatch.setattr(log_module, "QUIET", 1000.0)

    async def scene() -> None:
        async with stubbed(home) as seat:
            log = await opened(seat)
            (home / "wait").touch()
            await seat.until(lambda: log._next is not None and log._next.lines, "another reading")
            assert len(log.lines) == 1000
            await seat.press("m")
            await seat.sees("3,000 lines")

    play(scene)


def test_earlier_lines_of_steps_that_spoke_by_turns_come_when_nothing_more_does(
    home: Path, still: None, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was heard by turns is read step by step, and never reads like what was here."""
    monkeypatch.setattr(log_module, "QUIET", 0.1)
    turns = "seq -f 'line %.0f' 2001 3000"
    steps = "seq -f 'line %.0f' 1 2 3000; seq -f 'line %.0f' 2 2 3000"
    monkeypatch.setenv(
        "STUB_LOG", f"{TAIL}; if [ $n = 1000 ]; then {turns}; else {steps}; fi; exec sleep 100"
    )

    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            _, line = await further_up(seat)
            await seat.press("m")
            await seat.sees("3,000 lines")
            assert top(seat) == line

    play(scene)


def test_who_is_at_the_end_stays_there_when_more_is_read(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            log = await opened(seat, shop.FAILED)
            await seat.press("m")
            await seat.sees("3,000 lines", "line 3000")
            assert log.following

    play(scene)


def test_of_a_log_that_is_followed_earlier_lines_are_read_too(
    home: Path, still: None, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads it does not end; the text is the same once it has reached what was here."""
    monkeypatch.setattr(log_module, "QUIET", 1000.0)
    monkeypatch.setenv("STUB_LOG", f"{TAIL}; seq -f 'line %.0f' 1 3000 | tail -n $n; exec sleep 100")

    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            await seat.sees("1,000 lines (m: earlier ones), follows")
            log, line = await further_up(seat)
            await seat.press("m", "m")
            await seat.sees("3,000 lines")
            assert top(seat) == line and log._process is not None
            await seat.press("end")
            await seat.sees("line 3000", "follows")

    play(scene)
