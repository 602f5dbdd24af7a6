"""A log that is followed on the screen of a run: from when somebody is at work, to its end, and read only once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.tui import shop
from tests.tui.conftest import Seat, play, stubbed
from xene.control.lock import CONTROLLER, Lock
from xene.tui import log as log_module
from xene.tui import run as run_module
from xene.tui.log import Log

SAYS = (
    'seq -f "line %.0f" 1 3000; until [ -e "$XENE_HOME/go-on" ]; do sleep 0.05 > /dev/null 2>&1; done;'
    " echo the last"
)


@pytest.fixture
def talking(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of any run says 3,000 lines, and one more when it may."""
    monkeypatch.setenv("STUB_LOG", SAYS)
    return home


@pytest.fixture
def controller(home: Path) -> Iterator[Lock]:
    """What tells others that a controller is at work."""
    with Lock(str(home / "state.db"), CONTROLLER) as lock:
        assert lock.acquire()
        yield lock


def readings(home: Path) -> list[str]:
    """How the log was asked for, each time."""
    return [line for line in (home / "called").read_text().splitlines() if line.startswith("logs")]


def change(home: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(home / "state.db")) as conn, conn:
        conn.execute(statement, values)


def ends(home: Path) -> None:
    change(
        home,
        "UPDATE runs SET phase = 'Success', ended = 1, finished_at = ? WHERE id = ?",
        shop.NOW,
        shop.ASKING,
    )


async def opened(seat: Seat, *words: str) -> Log:
    seat.app.open_run(shop.ASKING)
    await seat.sees("3,000 lines", *words)
    return seat.app.screen.query_one(Log)


def test_the_end_of_a_run_leaves_a_reader_where_he_is(talking: Path, controller: Lock) -> None:
    async def scene() -> None:
        async with stubbed(talking) as seat:
            log = await opened(seat, "follows")
            await seat.press("enter", "pageup", "pageup")
            at = log.scroll_offset.y
            assert not log.following and 0 < at < 2990
            ends(talking)
            await seat.sees("✓ Success")
            (talking / "go-on").touch()
            await seat.until(lambda: log.lines[-1] == "the last", "the end of the log")
            await seat.sees("3,001 lines")
            assert log.scroll_offset.y == at and len(readings(talking)) == 1

    play(scene)


def test_a_log_that_was_given_to_its_end_is_not_read_again(talking: Path, controller: Lock) -> None:
    """`xene logs -f` may be ready before the screen hears that the run is over."""

    async def scene() -> None:
        async with stubbed(talking) as seat:
            log = await opened(seat, "follows")
            (talking / "go-on").touch()
            await seat.until(lambda: log.lines[-1] == "the last", "the end of the log")
            await seat.sees_no("follows")
            ends(talking)
            await seat.until(lambda: log._over, "the screen hears that the run is over")
            await seat.sees("✓ Success", "3,001 lines")
            assert len(readings(talking)) == 1

    play(scene)


def test_it_is_read_again_where_following_failed(
    talking: Path, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_LOG", SAYS + "; kill -9 $$")
    monkeypatch.setattr(run_module, "AGAIN", 10_000)  # else it is read again by and by

    async def scene() -> None:
        async with stubbed(talking) as seat:
            await opened(seat, "follows")
            (talking / "go-on").touch()
            await seat.sees("; xene logs ended with code -9")
            monkeypatch.setenv("STUB_LOG", "echo whole")
            seat.app.line._env["STUB_LOG"] = "echo whole"
            ends(talking)
            await seat.sees("whole", "1 line")

    play(scene)


def test_it_follows_from_when_somebody_is_at_work(talking: Path) -> None:
    """Nobody is: then it is only read, says so, and again when somebody comes, though nothing was written."""

    async def scene() -> None:
        async with stubbed(talking) as seat:
            await opened(seat)
            assert "follows" not in seat.text and readings(talking) == [
                f"logs {shop.ASKING} --tail 1000 --mark-attempts"
            ]
            with Lock(str(talking / "state.db"), CONTROLLER) as lock:
                assert lock.acquire()
                await seat.until(lambda: readings(talking)[-1].endswith("--mark-attempts -f"), "following")
                await seat.sees("follows")
            await seat.sees_no("follows")  # nobody is any more, and who only looks does not do his work
            await seat.until(lambda: not readings(talking)[-1].endswith("-f"), "a reading of what there is")

    play(scene)


def test_who_followed_and_was_killed_follows_again(
    talking: Path, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By and by, as where nobody is at work; what is said of the one before goes with it."""
    monkeypatch.setattr(run_module, "AGAIN", 1)

    async def scene() -> None:
        async with stubbed(talking) as seat:
            log = await opened(seat, "follows")
            log._process.kill()
            await seat.until(lambda: len(readings(talking)) == 2, "another one")
            await seat.sees("3,000 lines", "follows")
            await seat.sees_no("ended with code")
            (talking / "go-on").touch()
            await seat.until(lambda: log.lines[-1] == "the last", "the end of the log")

    play(scene)


def test_nobody_does_a_controllers_work_for_a_run_that_is_over(talking: Path) -> None:
    """`xene logs -f` waits until the log is archived: once the controller has gone, it would make passes itself."""

    async def scene() -> None:
        async with stubbed(talking) as seat:
            with Lock(str(talking / "state.db"), CONTROLLER) as lock:
                assert lock.acquire()
                log = await opened(seat, "follows")
                ends(talking)
                await seat.until(lambda: log._over, "the screen hears that the run is over")
                assert readings(talking)[-1].endswith("-f") and log._process is not None
            await seat.until(lambda: not readings(talking)[-1].endswith("-f"), "a reading of what there is")
            (talking / "go-on").touch()
            await seat.until(lambda: log.lines and log.lines[-1] == "the last", "the end of the log")

    play(scene)


def test_a_log_that_was_followed_from_its_first_line_has_no_earlier_ones(
    talking: Path, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "QUIET", 0.1)
    go_on = 'until [ -e "$XENE_HOME/go-on" ]; do sleep 0.05 > /dev/null 2>&1; done'
    monkeypatch.setenv("STUB_LOG", f"seq -f 'line %.0f' 1 900; {go_on}; seq -f 'line %.0f' 901 3000; {go_on}")

    async def scene() -> None:
        async with stubbed(talking) as seat:
            seat.app.open_run(shop.ASKING)
            await seat.sees("900 lines, follows")
            log = seat.app.screen.query_one(Log)
            await seat.until(lambda: log._kept.settled, "the end of the first reading")
            (talking / "go-on").touch()
            await seat.sees("3,000 lines")
            assert "m: earlier" not in seat.text
            log.search("nowhere")
            await seat.sees("'nowhere': 0 in 3,000 lines")

    play(scene)


def test_a_line_that_has_not_ended_is_shown(
    talking: Path, controller: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = 'until [ -e "$XENE_HOME/{}" ]; do sleep 0.05 > /dev/null 2>&1; done'
    words = (r"printf 'begun\n 10%%\r'", r"printf '\r\033[K 20%%'", r"printf '\rdone\nbehind'")
    said = "; ".join(f"{each}; {waits.format(at)}" for at, each in enumerate(words))
    monkeypatch.setenv("STUB_LOG", said)

    async def scene() -> None:
        async with stubbed(talking) as seat:
            seat.app.open_run(shop.ASKING)
            await seat.sees("│ 10%", "2 lines")
            (talking / "0").touch()
            await seat.sees("│ 20%", "2 lines")
            (talking / "1").touch()
            await seat.sees("│done", "│behind", "3 lines")
            (talking / "2").touch()
            await seat.sees_no("follows")
            assert seat.text.count("behind") == 1 and "3 lines" in seat.text

    play(scene)


@pytest.mark.parametrize("run", [shop.ASKING, shop.FAILED])
def test_who_can_make_a_pass_is_seen_when_the_controller_comes_and_goes(
    home: Path, still: None, run: str
) -> None:
    """Also below a run that has ended, and on the screen that lies under it."""

    async def scene() -> None:
        async with stubbed(home, (120, 30)) as seat:
            seat.app.open_run(run)
            await seat.sees(run, "p Pass")
            with Lock(str(home / "state.db"), CONTROLLER) as lock:
                assert lock.acquire()
                await seat.sees_no("p Pass")
            await seat.sees("p Pass")
            await seat.press("escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the overview")
            await seat.sees("p Pass")

    play(scene)
