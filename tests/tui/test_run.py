"""The screen of a run by its keys: what is said of a log, what is searched for in it, what is told of a task."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from textual import events

from tests.tui import shop
from tests.tui.conftest import Seat, called, play, stubbed
from xene.tui import log as log_module
from xene.tui import questions
from xene.tui import run as run_module
from xene.tui.log import Log
from xene.tui.log_lines import colored
from xene.tui.main import Main
from xene.tui.run import Run

# As `xene logs --tail N` would: the last N of 3,000 lines, of which only early ones have a 7 at their end.
EARLY = (
    "n=$(tail -n 1 \"$XENE_HOME/called\" | sed 's/.*--tail \\([0-9]*\\).*/\\1/');"
    " awk -v n=$n 'BEGIN { for (i = 3001 - n; i <= 3000; i++) if (i > 0)"
    ' print (i % 10 == 7 && i < 1112 ? "match" : "line"), i }\''
)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_LOG", EARLY)


async def opened(seat: Seat) -> Log:
    """The run that failed, with the cursor in its tree and its log beside it."""
    seat.app.open_run(shop.FAILED)
    await seat.sees("line 3000", "1,000 lines (m: earlier ones)")
    return seat.app.screen.query_one(Log)


def test_matches_further_up_are_not_denied(home: Path, still: None, early: None) -> None:
    """All from the tree: the keys of the log need no focus on it."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            log = await opened(seat)
            await seat.press("slash")
            await seat.type("match")
            await seat.sees("'match': 0 in the last 1,000 lines (m: earlier ones)")
            await seat.press("enter", "tab")
            assert isinstance(seat.app.screen, Run) and not log.has_focus
            await seat.press("m")
            await seat.sees("'match': 111 of 111, 3,000 lines", "match 1107")
            assert "m: earlier" not in seat.text
            await seat.press("N")
            await seat.sees("'match': 110 of 111")
            await seat.press("n", "n")
            await seat.sees("'match': 1 of 111", "match 7")
            await seat.press("N")
            await seat.sees("'match': 111 of 111")
            assert not log.has_focus

    play(scene)


def test_what_is_nowhere_is_said_to_be(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            await seat.press("m")
            await seat.sees("3,000 lines")
            await seat.press("slash")
            await seat.type("nowhere")
            await seat.press("enter", "n", "N")
            await seat.sees("'nowhere': 0 in 3,000 lines")

    play(scene)


def test_follow_works_from_the_tree(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            log = await opened(seat)
            assert log.following and not log.has_focus
            await seat.press("f")
            assert not log.following
            await seat.press("2", "f")  # another page: no key of the log means anything there
            assert not log.following

    play(scene)


def test_n_asks_for_what_where_nothing_is_searched_for(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            await seat.press("n")
            await seat.until(lambda: seat.app.screen.focused.id == "search", "the line to search by")
            await seat.type("line 29")
            await seat.sees("'line 29': 100 of 100")

    play(scene)


def test_what_is_typed_in_one_go_is_searched_for(home: Path, still: None, early: None) -> None:
    """Keys that were on their way while the line to search by was opened: `a` and `x` would be acts."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await opened(seat)
            for char in "/x29":
                seat.app.post_message(events.Key("slash" if char == "/" else char, char))
            await seat.sees("'x29': 0 in")
            await seat.press("escape")
            await seat.sees_no("'x29'")
            for char in "/line 29\rN":
                key = {"/": "slash", " ": "space", "\r": "enter"}.get(char, char)
                seat.app.post_message(events.Key(key, char))
            await seat.sees("'line 29': 99 of 100")

    play(scene)
    assert called(home) == []


def test_esc_takes_the_search_away_first(home: Path, still: None, early: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            log = await opened(seat)
            for leave in ("enter", "escape"):  # the second time while it is still typed
                await seat.press("slash")
                await seat.type("line 29")
                await seat.sees("'line 29': 100 of 100")
                await seat.press(leave)
                if leave == "enter":
                    await seat.press("escape")
                await seat.sees_no("'line 29'")
                assert isinstance(seat.app.screen, Run) and not log.searched
            await seat.press("escape")
            await seat.until(lambda: isinstance(seat.app.screen, Main), "the main screen")

    play(scene)


def test_one_line_is_one(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_LOG", "echo alone")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("alone", " 1 line")
            assert "1 lines" not in seat.text

    play(scene)


def test_many_long_lines_have_a_bound_together(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "STUB_LOG", 'awk \'BEGIN { for (i = 1; i <= 300; i++) printf "%01000d\\n", i; print "end" }\''
    )
    monkeypatch.setattr(log_module, "HEAVIEST", 100_000)

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("end", "100 lines")
            log = seat.app.screen.query_one(Log)
            assert sum(map(len, log.lines)) <= 100_000 and int(log.lines[-2]) == 300

    play(scene)


@pytest.mark.parametrize(
    "said", ["test[unit,true]/go | ", "test[linux/amd64 x: 3,true]/go | ", "build/make | ", "a-b/c-d | "]
)
def test_a_progress_bar_keeps_its_prefix(said: str) -> None:
    assert colored(f"{said} 10%\r 50%\r").plain == f"{said} 50%"


def test_attempts_are_marked(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.until(lambda: (home / "called").exists(), "the log is read")
            assert "--mark-attempts" in (home / "called").read_text()

    play(scene)


QUESTION = "Ship version 7 of the shop to every host in production, which takes half an hour or so?"


def note(home: Path, reason: str, message: str) -> None:
    with sqlite3.connect(home / "state.db") as conn:
        conn.execute(
            "INSERT INTO events (at, kind, name, reason, message) VALUES (?, 'Run', ?, ?, ?)",
            (shop.NOW, shop.FAILED, reason, message),
        )
    conn.close()


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_a_long_question_is_read_in_full(home: Path, still: None, size: tuple[int, int]) -> None:
    with sqlite3.connect(home / "state.db") as conn:
        conn.execute("UPDATE tasks SET message = ? WHERE reason = 'WaitingForApproval'", (QUESTION,))
    conn.close()

    async def scene() -> None:
        async with stubbed(home, size) as seat:
            seat.app.open_run(shop.ASKING)
            await seat.sees("ship WaitingFor")
            await seat.until(
                lambda: "ship waits for approval: Ship version 7" in words(seat.lines()[:4]), "the head"
            )
            assert QUESTION in words(seat.lines()[:4])
            await seat.press("end", "up")
            await seat.until(lambda: QUESTION in words(seat.lines()[-4:]), "the line of the task")

    play(scene)


def words(lines: Any) -> str:
    return " ".join(" ".join(lines).split())


def test_who_approved_and_why_stays_on_the_screen(home: Path, still: None) -> None:
    note(home, "Rejected", "task lint: rejected by bob: not today")
    note(home, "Approved", "task lint: approved by eve: looks right")
    note(home, "Retried", "it has another attempt")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3")
            assert "eve" not in seat.text
            await seat.press("down", "down", "down")
            await seat.sees("lint 9s", "approved by eve: looks right")
            assert "bob" not in seat.text

    play(scene)


def test_the_log_of_a_run_that_was_tried_again_is_read_again(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that try was over between two looks, so that the run never was seen under way."""
    monkeypatch.setenv("STUB_LOG", "grep -c ^logs \"$XENE_HOME/called\" | sed 's/^/read /'")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("read 1")
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE runs SET attempt = 2 WHERE id = ?", (shop.FAILED,))
            conn.close()
            await seat.sees("read 2")


def test_that_a_log_is_not_followed_any_more_is_said_at_once(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when its next line comes."""
    monkeypatch.setenv("STUB_LOG", "seq 100; exec sleep 60")

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.at_work = True
            seat.app.open_run(shop.UNKNOWN)
            await seat.sees("100 lines, follows")
            await seat.press("tab", "up")
            await seat.sees("100 lines")
            await seat.sees_no("follows")
            await seat.press("end")
            await seat.sees("100 lines, follows")

    play(scene)


def test_going_from_run_to_run_in_one_burst(home: Path, still: None) -> None:
    """What is pressed while a run is read goes on from there; behind the last one nothing is."""
    runs = [shop.ident(number) for number in range(15)]

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(runs[2])
            await seat.sees(runs[2])
            for key in ("left_square_bracket",) * 4 + ("right_square_bracket",):
                seat.app.post_message(events.Key(key, None))
            await seat.sees(runs[5])
            for _ in range(20):
                seat.app.post_message(events.Key("left_square_bracket", None))
            await seat.sees(runs[14])
            await seat.until(lambda: not seat.app.screen._ahead, "nothing more to go to")
            await seat.press("right_square_bracket")
            await seat.sees(runs[13])

    play(scene)


@pytest.mark.parametrize(
    "keys", [("enter", "enter"), ("enter", "a"), ("enter", "r"), ("g", "g"), ("enter", "g", "g")]
)
def test_a_run_is_opened_once_whatever_is_pressed_in_one_burst(
    home: Path, still: None, keys: tuple[str, ...]
) -> None:
    """Two screens of runs at a time would be a mistake, and so would one over a question."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            seat.app.started = shop.FAILED
            for key in keys:
                seat.app.post_message(events.Key(key, None if len(key) > 1 else key))
            await seat.until(lambda: len(seat.app.screen_stack) > 2, "another screen")
            await seat.press("down")
            kinds = [isinstance(screen, Run) for screen in seat.app.screen_stack]
            assert kinds.count(True) <= 1 and (not any(kinds) or kinds[-1])
            while seat.app.screen is not seat.main:
                await seat.press("escape")

    play(scene)


def test_from_a_run_to_the_one_that_was_started(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.started = shop.FAILED
            seat.app.open_run(shop.ASKING)
            await seat.sees(shop.ASKING)
            await seat.press("g")
            await seat.sees(shop.FAILED)
            await seat.press("escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the overview")

    play(scene)


def test_nothing_is_done_to_a_run_that_is_still_read(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be asked is of the run before, what would be done of this one."""
    go_on, find = threading.Event(), questions.run_if_there
    go_on.set()

    def later(state: Any, ident: str) -> Any:
        go_on.wait(20.0)
        return find(state, ident)

    monkeypatch.setattr(questions, "run_if_there", later)

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.ASKING)
            await seat.sees(shop.ASKING, "a Approve")
            go_on.clear()
            await seat.press("left_square_bracket")
            assert seat.app.screen.subject() is None
            await seat.press("a", "k")
            assert isinstance(seat.app.screen, Run)
            go_on.set()
            await seat.until(lambda: seat.app.screen.subject() is not None, "the run before")

    play(scene)


def test_from_a_run_that_has_gone_meanwhile_one_can_go_on(home: Path, still: None) -> None:
    runs = [shop.ident(number) for number in range(15)]

    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(runs[2])
            await seat.sees(runs[2])
            seat.app.screen._go_to("20200101-000000-vanished")
            await seat.sees("20200101-000000-vanished")
            await seat.until(lambda: seat.app.screen._gone, "it is gone")
            await seat.press("right_square_bracket")
            await seat.sees(runs[1])

    play(scene)


def test_nothing_of_the_run_before_stands_below_another_one(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything said of a log of which nothing was read."""
    monkeypatch.setenv("STUB_LOG", f'until [ -e {home}/said ]; do sleep 0.05; done; echo "what it said"')
    (home / "said").touch()
    go_on, find = threading.Event(), questions.run_if_there
    go_on.set()

    def later(state: Any, ident: str) -> Any:
        go_on.wait(20.0)
        return find(state, ident)

    monkeypatch.setattr(questions, "run_if_there", later)

    async def scene() -> None:
        async with stubbed(home, (120, 30)) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3", "what it said", "1 line")
            await seat.press("2")
            await seat.sees("┌")
            await seat.press("1", "down", "down", "down", "down")
            await seat.sees("ruff 9s exit 3  1 line")
            go_on.clear()
            (home / "said").unlink()
            await seat.press("right_square_bracket")
            await seat.sees(f"{shop.ident(2)}  ...", "\n...")
            for word in (shop.FAILED, "ruff", "what it said", " line", "Error"):
                assert word not in seat.text
            await seat.press("2")
            await seat.sees("│...")
            assert "┌" not in seat.text
            await seat.press("1")
            go_on.set()
            await seat.sees("ruff 9s  reading")
            await seat.pilot.pause(run_module.REST)
            assert (
                "0 lines" not in seat.text and seat.app.screen.here.step == "ruff"
            )  # as it was in the other one
            (home / "said").touch()
            await seat.sees("ruff 9s  1 line")

    play(scene)


def test_a_log_of_which_nothing_comes_has_been_read(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("0 lines")

    play(scene)
