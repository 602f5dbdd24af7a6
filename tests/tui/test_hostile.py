"""The screen against what others wrote: values, logs, names that would steer it, be too much for it, or be gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from textual import events

from tests.tui import shop
from tests.tui.conftest import Seat, called, play, seated, stubbed
from xene.plan.drawing.spans import Span
from xene.tui import styles
from xene.tui.acts import Act
from xene.tui.answers import Answer
from xene.tui.asking import Ask
from xene.tui.commandline import CommandLine
from xene.tui.field import Field
from xene.tui.form import Form
from xene.tui.log import Log
from xene.tui.log_lines import LONGEST
from xene.tui.run_lines import outputs

EVIL = "a\x1b]0;owned\x07\nb\u202e c\x9b2J"


def seen(seat: Seat) -> str:
    """The screen; it holds nothing that steers a terminal."""
    text = seat.text
    assert all(line.isprintable() for line in text.split("\n")), repr(text)
    return text


async def paste(seat: Seat, text: str) -> None:
    seat.app.screen.focused.post_message(events.Paste(text))  # type: ignore[union-attr]
    await seat.pilot.pause()


def form(seat: Seat, **params: Any) -> Form:
    return Form(seat.app.line, Act("r", "Run", ("run", "shop/build"), form=True), params)


def test_nothing_that_a_line_says_steers_the_terminal() -> None:
    strip = styles.strip([Span(EVIL, "bold"), Span("\x1b[31m")], 40, Style(), {"bold": Style(bold=True)})
    assert strip.text.isprintable() and strip.cell_length == 40


@pytest.mark.parametrize("text", ["日本語日本語", "e\u0301" * 9, "a" * 500_000, "❤\ufe0f" * 8])
@pytest.mark.parametrize("width", [0, 1, 2, 5, 6])
def test_a_cell_has_the_width_of_its_column(text: str, width: int) -> None:
    found = styles.fitted([Span(text)], width)
    assert sum(styles.columns(span.text) for span in found) == width


def test_what_is_pasted_is_taken_whole_and_shown_by_signs(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            given: list[Any] = []
            asked = form(
                seat, word={"type": "string", "default": EVIL}, more={"type": "string", "default": ""}
            )
            await seat.app.push_screen(asked, given.append)
            await seat.sees("a␛]0;owned␇␊b? c?2J")
            seen(seat)
            await seat.press("tab")
            await paste(seat, "it's\r\n-- two\0\n")
            await seat.sees("it's␊-- two", """-p "$(printf 'more=it'"'"'s\\n-- two')\"""")
            await seat.press("left", "left", "left", "backspace", "enter")
            await seat.until(lambda: given, "it to be sent")
            assert given == [("run", "shop/build", "-p", "more=it's\n--two")]

    play(scene)


def test_the_cursor_of_a_field_stands_behind_what_is_shown(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.app.push_screen(form(seat, word={"type": "string", "default": "a\x1b日\n"}))
            field = seat.app.screen.query_one(Field)
            assert [field._position_to_cell(at) for at in range(5)] == [0, 1, 2, 4, 5]
            assert [field._cell_offset_to_index(at) for at in range(6)] == [0, 1, 2, 2, 3, 4]

    play(scene)


@pytest.mark.parametrize("size", [(80, 24), (40, 14), (100, 30)])
def test_buttons_and_command_line_stay_in_sight_however_many_params_there_are(
    home: Path, still: None, size: tuple[int, int]
) -> None:
    async def scene() -> None:
        async with stubbed(home, size) as seat:
            asked = form(seat, **{f"p{at}": {"type": "string", "default": "x"} for at in range(40)})
            await seat.app.push_screen(asked)
            await seat.sees("p0", "$ xene run", "Back")
            await paste(seat, "w" * 3000)
            await seat.sees("wwwwwwww", "$ xene run", "Back")
            await seat.press("shift+tab", "shift+tab", "shift+tab")
            await seat.sees("p39", "Back")

    play(scene)


def test_a_long_question_leaves_room_for_its_answer(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, (80, 24)) as seat:
            act = Act("a", "Approve", ("approve", "x", "y"), "Ship it? " * 400 + EVIL, reason=True)
            await seat.app.push_screen(Ask(seat.app.line, act))
            await seat.sees("Ship it?", "why (optional)", "$ xene approve x y", "Back")
            seen(seat)

    play(scene)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (20, 5), (40, 10), (200, 60)])
def test_any_size(home: Path, still: None, size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.pilot.resize_terminal(*size)
            for key in ("1", "2", "3", "4", "5", "1"):
                await seat.press(key, "question_mark", "escape", "down")
            seat.app.open_run(shop.FAILED)
            for key in ("1", "2", "3", "4", "5", "z"):
                await seat.press(key, "T", "escape", "down")
            await seat.pilot.resize_terminal(100, 30)
            await seat.sees("shop/build")

    play(scene)


def test_what_the_system_will_not_start_is_told(home: Path, still: None) -> None:
    """As a value that is longer than an argument may be, or a Python that was removed meanwhile."""

    async def scene() -> None:
        async with seated(home, (100, 30)) as seat:
            seat.app.act(["approve", "x", "y", "-m", "w" * 200_000])
            await seat.sees("✗ exit 126", "a value is longer than a command line takes")
            gone = CommandLine(str(home / "state.db"), str(home), named=False, program=["/nowhere/xene"])
            seat.app.line = gone
            seat.app.open_run(shop.FAILED)
            await seat.sees("0 lines; it cannot be started: No such file or directory")

    play(scene)


def test_of_a_long_value_the_beginning_is_shown() -> None:
    run = {"id": "x", "params": {"p": "z" * 500_000}, "tasks": {}}
    line = outputs({"run": run, "artifacts": []})[1]
    assert len(line[0].text) < 3000 and line[0].text.endswith("… (500000 characters)")


def test_of_a_progress_bar_the_last_state_is_kept_however_long_it_ran(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_LOG", "seq -s '\r' 1 200000; printf 'a/s | '; seq -s '\r' 1 200000; echo end")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("end", "3 lines")
            log = seat.app.screen.query_one(Log)
            assert max(map(len, log.lines)) <= LONGEST + 20
            await seat.sees("│200000", "a/s | 200000")

    play(scene)


def test_a_log_is_searched_as_it_is_read(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_LOG", r"printf '\033[31mE501\033[0m line [x]\n10%%\r20%%\n'")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("E501 line [x]")
            log = seat.app.screen.query_one(Log)
            counts = []
            for text in ("e501 LINE [x]", "31m", "10%", "20%", ".*"):
                log.search(text)
                counts.append(len(log.matches()))
            assert counts == [1, 0, 0, 1, 0]

    play(scene)


def test_a_run_that_is_removed_while_it_is_shown(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3")
            await seat.until(lambda: seat.app.screen.offered, "something to do")  # type: ignore[attr-defined]
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("PRAGMA foreign_keys = ON")
                conn.execute("DELETE FROM runs WHERE id = ?", (shop.FAILED,))
            conn.close()
            await seat.sees(f"run {shop.FAILED} is no longer in the state", "ruff 9s exit 3")
            await seat.press("t", "T", "R", "w")
            assert not isinstance(seat.app.screen, (Ask, Answer)) and "Retry" not in seat.lines()[-1]

    play(scene)
    assert called(home) == []


def test_what_a_filter_finds_in_one_part_it_finds_in_all(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("slash")
            await seat.type("shop/build team=web")
            await seat.press("enter", "2")
            await seat.sees(shop.FAILED, shop.ASKING)
            assert shop.QUEUED not in seat.text
            await seat.press("4")
            await seat.sees("shop/build/hourly")
            await seat.press("slash")
            await seat.type("x")
            await seat.sees("nothing matches")

    play(scene)


def test_keys_that_do_nothing_in_a_part_are_not_listed_there(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, (100, 50)) as seat:
            await seat.press("question_mark")
            await seat.sees("Next order", "Fold all", "fold the workflow", "The agents below")
            await seat.press("escape", "2", "question_mark")
            await seat.sees("Views that were kept")
            for words in ("Next order", "Fold all", "fold the workflow", "The agents below"):
                assert words not in seat.text
            await seat.press("escape")
            seat.app.open_run(shop.FAILED)
            await seat.press("2", "question_mark")
            await seat.sees("Whole width")
            assert "Next match" not in seat.text

    play(scene)


def test_what_is_wrong_with_the_state_is_told_with_what_to_do(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, (80, 24)) as seat:
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE meta SET value = value")
                conn.execute("PRAGMA user_version = 99")
            conn.close()
            await seat.until(lambda: "newer Xene" in " ".join(seat.text.split()), "why it is not read")
            await seat.sees("upgrade Xene on this host")

    play(scene)


def test_a_bug_beside_the_screen_is_told_as_what_it_is(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Log, "_read", broken)

    async def scene() -> None:
        with pytest.raises(Exception, match="a bug"):
            async with stubbed(home) as seat:
                found.append(seat.app)
                seat.app.open_run(shop.FAILED)
                await seat.until(lambda: not seat.app.is_running, "its end")

    found: list[Any] = []
    play(scene)
    assert isinstance(found[0].broken, ZeroDivisionError)


def test_the_calendar_begins_another_day_when_the_clock_does(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with stubbed(home, (120, 30)) as seat:
            await seat.press("4")
            await seat.sees("Sun 22", "today   Tue 24")
            for days, words in ((1, "Mon 23  today   Wed 25"), (-30, "Fri 23  today   Sun 25")):
                monkeypatch.setattr("time.time", lambda at=shop.NOW + 86400 * days: at)
                await seat.sees(words)

    play(scene)


def test_a_command_that_does_not_end_holds_nobody_up(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xene.tui.commandline.PATIENCE", 0.1)
    program = ["/bin/sh", "-c", "trap '' TERM; echo begun; sleep 1000; sleep 1000"]

    async def scene() -> None:
        async with seated(home) as seat:
            seat.app.line = CommandLine(str(home / "state.db"), str(home), named=False, program=program)
            seat.app.open_run(shop.FAILED)
            await seat.sees("begun")
            begun.extend(seat.app.line._begun)

    begun: list[Any] = []
    play(scene)
    assert [process.returncode for process in begun] == [-9]
    assert not Path(f"/proc/{begun[0].pid}").exists()
