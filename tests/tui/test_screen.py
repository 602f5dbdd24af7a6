"""The screen by its keys: filter, order, views, acts and their questions, why, logs, read-only, trouble."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator

import pytest
from textual import events

from tests.tui import shop
from tests.tui.conftest import Seat, play, seated
from xene.errors import Storage
from xene.plan.drawing.spans import Span
from xene.tui import prefs, questions
from xene.tui.answers import Answer
from xene.tui.commandline import CommandLine
from xene.tui.field import Field
from xene.tui.form import Form
from xene.tui.groups import Group
from xene.tui.log import Log
from xene.tui.log_lines import CUT, LONGEST, colored
from xene.tui.main import Main
from xene.tui.pending import Pending
from xene.tui.run import Run
from xene.tui.sheet import Sheet

STUB = Path(__file__).parent / "stub.sh"


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


def test_filter_order_and_views(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            assert len(pipelines(seat)) == 6
            await seat.press("slash")
            await seat.type("team=web")
            await seat.until(lambda: len(pipelines(seat)) == 3, "those of one team")
            await seat.type(" scan")
            await seat.until(lambda: pipelines(seat) == ["shop/scan"], "one of those")
            await seat.press("enter", "escape", "S")
            assert pipelines(seat)[:2] == ["shop/ship", "docs/publish"]  # Unknown, then nowhere placed
            await seat.press("slash")
            await seat.type("team=garden")
            await seat.press("enter", "V")
            await seat.type("garden")
            await seat.press("enter")
            await seat.sees("view garden is kept")
            await seat.press("escape", "S", "S", "S")
            await seat.until(lambda: pipelines(seat)[0] == "docs/publish", "all of them by name")
            await seat.press("v", "enter")
            await seat.until(lambda: pipelines(seat) == ["shed/dig", "shed/rake"], "the view")

    play(scene)
    assert prefs.read(str(home)).views == (prefs.View("garden", "team=garden", "trouble"),)


def test_a_selector_that_is_none_is_told_while_it_is_typed(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, filter="team=web") as seat:
            assert len(pipelines(seat)) == 3
            await seat.press("slash")
            await seat.type(" ==")
            await seat.sees("is not a requirement")

    play(scene)


def test_a_run_is_started_by_a_form(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_RUNS", shop.FAILED)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("$ xene run shop/build", "count *")
            await seat.press("tab", "tab", "tab")
            await seat.type("12")
            await seat.sees("$ xene run shop/build -p count=12")
            await seat.press("enter")
            await seat.sees(f"✓ $ xene run shop/build -p count=12  {shop.FAILED}", "g: go there")
            await seat.press("g")
            await seat.until(lambda: isinstance(seat.app.screen, Run), "its screen")
            assert seat.app.screen.ident == shop.FAILED

    play(scene)
    assert called(home) == ["run shop/build -p count=12"]


def test_what_destroys_asks_first_and_a_refusal_is_told(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_REFUSED", "kill")

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("c")
            await seat.sees("finally tasks run", f"$ xene cancel {shop.ASKING}")
            await seat.press("n")
            await seat.sees_no("finally tasks run")
            assert called(home) == []
            await seat.press("c", "y")
            await seat.sees(f"✓ $ xene cancel {shop.ASKING}  done: cancel")
            await seat.press("k", "y")
            await seat.sees("✗ exit 7", "it has ended already", "hint: look again")
            await seat.press("l")
            await seat.sees("What was done", "✗ exit 7", "✓ $ xene cancel")

    play(scene)
    assert called(home) == [f"cancel {shop.ASKING}", f"kill {shop.ASKING}"]


def test_acts_without_a_question(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("home", "s")
            await seat.sees("done: suspend")
            await seat.go_to("shed/rake")
            await seat.press("s")
            await seat.sees("done: resume")
            await seat.press("p")
            await seat.sees("done: reconcile")
            await seat.press("3", "o")
            await seat.sees("done: cordon")
            await seat.press("d", "y")
            await seat.sees("done: drain")

    play(scene)
    assert called(home) == [
        "suspend docs/publish",
        "resume shed/rake",
        "reconcile",
        "cordon build-1",
        "drain build-1",
    ]


def test_acts_on_a_run_and_its_tasks(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3")
            await seat.press("t")
            await seat.sees(f"Try again what failed in run {shop.FAILED} of shop/build")
            await seat.press("y")
            await seat.sees("done: retry")
            await seat.press("down", "down", "down", "T")
            await seat.sees(f"$ xene retry {shop.FAILED} --from lint", "from task lint on")
            await seat.press("y")
            await seat.sees(f"✓ $ xene retry {shop.FAILED} --from lint")
            await seat.press("R", "y")
            await seat.sees("done: rerun")
            await seat.press("escape")
            seat.app.open_run(shop.ASKING)
            await seat.sees("ship WaitingForApproval")
            await seat.sees("ship waits for approval: Ship it?")
            await seat.press("a")
            await seat.sees("Task ship of shop/build asks: Ship it?")
            await seat.type("tested by hand")
            await seat.sees("-m 'tested by hand'")
            await seat.press("enter")
            await seat.sees("done: approve")
            await seat.press("x", "enter")
            await seat.sees("done: reject")

    play(scene)
    assert called(home) == [
        f"retry {shop.FAILED}", f"retry {shop.FAILED} --from lint", f"rerun {shop.FAILED}",
        f"approve {shop.ASKING} ship -m tested by hand", f"reject {shop.ASKING} ship",
    ]  # fmt: skip


def test_keys_that_do_not_apply_say_so_and_are_not_shown(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("home")
            await seat.sees("docs/publish NotScheduled")
            assert " Retry" not in seat.lines()[-1] and "Cancel" not in seat.lines()[-1]
            for key, words in (
                ("t", "Retry: docs/publish has never run"),
                ("T", "Retry from here: it is for a run, and docs/publish is a pipeline"),
                ("o", "Cordon: it is for an agent, and docs/publish is a pipeline"),
            ):
                await seat.press(key)
                await seat.sees(words)
            await seat.press("c", "k", "a", "d", "R", "g")
            await seat.sees("no run was started from here yet")
            assert isinstance(seat.app.screen, Main)
            await seat.press("5", "k")
            await seat.sees("Kill: the cursor stands on nothing here")

    play(scene)
    assert called(home) == []


def test_a_state_that_may_only_be_read(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, read_only="this state may only be read") as seat:
            await seat.go_to("shop/build")
            await seat.press("r", "c", "s", "p")
            assert isinstance(seat.app.screen, Main)
            assert "Pass" not in seat.lines()[-1]
            await seat.sees("this state may only be read")
            await seat.press("escape")
            await seat.sees_no("this state may only be read")
            await seat.press("question_mark")
            await seat.sees("this state may only be read")

    play(scene)
    assert called(home) == []


def test_the_palette_has_the_acts_by_name(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("home", "ctrl+p")
            await seat.type("suspend")
            await seat.sees("$ xene suspend docs/publish")
            await seat.press("down", "enter")
            await seat.sees("done: suspend")

    play(scene)
    assert called(home) == ["suspend docs/publish"]


def test_the_mouse(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.sees("✓✓✓", "docs/publish NotScheduled")
            line = next(at for at, text in enumerate(seat.lines()) if text.startswith("  build"))
            await seat.pilot.click(offset=(3, line))
            await seat.sees("shop/build Scheduled")
            await seat.pilot.click(offset=(3, line), times=2)
            await seat.until(lambda: isinstance(seat.app.screen, Run), "the run")
            bar = next(at for at, text in enumerate(seat.lines()) if "2 Graph" in text)
            await seat.pilot.click(offset=(seat.lines()[bar].index("Timeline") + 2, bar))
            await seat.sees("█")

    play(scene)


def test_what_is_written_is_shown(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.sees("no agent has disk=ssd")
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE pipelines SET message = 'no agent at all' WHERE workflow = 'docs'")
            conn.close()
            await seat.sees("no agent at all")

    play(scene)


def test_a_theme_is_kept(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("D")
            await seat.until(lambda: prefs.read(str(home)).theme == prefs.LIGHT, "it is kept")
        async with stubbed(home) as seat:
            assert seat.app.theme == prefs.LIGHT

    play(scene)


def test_no_state_yet_and_then_one(tmp_path: Path, still: None) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.sees("no pipelines: xene apply PATH", "no agent was ever heard")
            shop.lay(home)
            await seat.sees("shop/build")

    play(scene)


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("nonsense" * 1000)

    async def scene() -> None:
        from xene.tui.app import Status

        app = Status(str(tmp_path / "state.db"), str(tmp_path))
        async with app.run_test(size=(100, 24)) as pilot:
            seat = Seat(pilot, app)
            await seat.sees("!! ", "state.db")

    play(scene)


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


def test_every_theme_can_be_drawn(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            for theme in seat.app.available_themes:
                seat.app.theme = theme
                await seat.pilot.pause()
                assert seat.app.broken is None and "docs/publish" in seat.text

    play(scene)


def test_a_theme_may_change_while_a_question_is_on_its_way(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("D", "v", "D")
            await seat.sees("none yet")

    play(scene)


def test_what_was_written_while_something_else_was_shown_is_seen_on_the_way_back(
    home: Path, still: None
) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.sees("no agent has disk=ssd")
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3")
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE pipelines SET message = 'no agent at all' WHERE workflow = 'docs'")
            conn.close()
            await seat.until(lambda: seat.main.stale, "the word that somebody wrote")
            await seat.press("escape")
            await seat.sees("no agent at all")

    play(scene)


def test_a_bug_ends_the_screen_and_is_told(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a traceback on the terminal: whoever called it writes the report."""
    bug = ZeroDivisionError("a bug")

    def broken(self: object, y: int) -> None:
        raise bug

    async def scene() -> None:
        async with stubbed(home) as seat:
            monkeypatch.setattr(Sheet, "render_line", broken)
            await seat.press("down")
            await seat.until(lambda: not seat.app.is_running, "the end of the app")
            assert seat.app.broken is bug
            assert not seat.app._exit_renderables
            raise bug

    with pytest.raises(ZeroDivisionError):
        play(scene)


def test_an_approval_is_given_where_it_is_seen(home: Path, still: None) -> None:
    """On a pipeline, and in the list of runs: what is asked is read first."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("a")
            await seat.sees("Task ship of shop/build asks: Ship it?")
            await seat.press("enter")
            await seat.sees("done: approve")
            await seat.press("2")
            await seat.go_to(shop.ASKING)
            await seat.press("x")
            await seat.sees("Ship it?", "If it is rejected, the run ends in Error.")
            await seat.press("enter")
            await seat.sees("done: reject")

    play(scene)
    assert called(home) == [f"approve {shop.ASKING} ship", f"reject {shop.ASKING} ship"]


def test_what_is_wrong_in_a_form_is_told_and_nothing_is_run(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("count *", "*: must be given")
            await seat.type("NO")
            await seat.sees("does not match")
            await seat.press("tab", "tab", "tab")
            await seat.type("1,5")
            await seat.sees("-p count=1,5", "is not an integer")
            await seat.press("enter")
            await seat.until(lambda: seat.app.screen.focused.id == "param-0", "the first that is wrong")

    play(scene)
    assert called(home) == []


@pytest.mark.parametrize("code", ["2", "5", "7"])
def test_a_form_that_was_refused_comes_back_as_it_was(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setenv("STUB_REFUSED", "run")
    monkeypatch.setenv("STUB_CODE", code)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("count *")
            await seat.press("tab", "tab", "tab")
            await seat.type("12")
            await seat.press("enter")
            await seat.sees("it has ended already", "-p count=12", "Back")
            form = seat.app.screen
            assert isinstance(form, Form) and form.filled["count"] == "12"
            complaint = [line.strip(" │") for line in seat.lines()]
            assert complaint.index("hint: look again") == complaint.index("it has ended already") + 1

    play(scene)
    assert called(home) == ["run shop/build -p count=12"]


def test_a_form_that_is_refused_while_something_else_is_shown_is_there_the_next_time(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_REFUSED", "run")
    monkeypatch.setenv("STUB_WAITS", str(home / "go-on"))

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("count *")
            await seat.press("tab", "tab", "tab")
            await seat.type("12")
            await seat.press("enter", "question_mark")
            await seat.until(lambda: isinstance(seat.app.screen, Answer), "the keys")
            (home / "go-on").touch()
            await seat.until(lambda: seat.app._done, "its end")
            await seat.press("escape", "r")
            await seat.sees("it has ended already", "-p count=12", "Back")
            await seat.press("escape", "r")  # it was left: the next one is an empty one
            await seat.until(lambda: isinstance(seat.app.screen, Form), "the form")
            form = seat.app.screen
            assert isinstance(form, Form) and form.filled["count"] == ""

    play(scene)


def test_what_a_form_says_of_params(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, (80, 24)) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees(
                "sha string", "matches [0-9a-f]+|HEAD", "dry boolean", "count * integer",
                "how many hosts at a time", "*: must be given", "F2: run", "esc: back",
            )  # fmt: skip
            await seat.sees_no("required")
            await seat.press("f2")
            await seat.sees("required (integer), and not given")
            await seat.until(lambda: seat.app.screen.focused.id == "param-3", "what is missing")
            await seat.press("shift+tab", "shift+tab", "shift+tab", "delete")
            await seat.sees("does not match", "required (integer)")  # what is missing goes on to be told

    play(scene)
    assert called(home) == []


def test_arrows_go_from_button_to_button(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("k")
            await seat.sees(f"Kill run {shop.ASKING} of shop/build?", "y: yes  n, esc: back")
            await seat.press("left", "enter")
            await seat.sees("done: kill")

    play(scene)


def test_the_button_that_cancels_is_not_the_one_that_leaves(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("c")
            await seat.sees("Cancel the run", "Back", f"Cancel run {shop.ASKING} of shop/build?")
            await seat.press("enter")  # what leaves has the focus
            await seat.until(lambda: isinstance(seat.app.screen, Main), "the way back")
            await seat.press("c", "tab", "tab", "left", "enter")
            await seat.sees("done: cancel")

    play(scene)
    assert called(home) == [f"cancel {shop.ASKING}"]


def test_who_asks_for_an_approval_and_with_which_params(home: Path, still: None) -> None:
    with sqlite3.connect(home / "state.db") as conn:
        conn.execute("UPDATE runs SET params = ? WHERE id = ?", ('{"sha": "abc", "dry": true}', shop.ASKING))
    conn.close()

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("a")
            await seat.sees(
                "Task ship of shop/build asks: Ship it?",
                f"Run {shop.ASKING}, started by manual, with sha=abc, dry=true",
            )

    play(scene)


def test_a_key_right_behind_another_means_the_row_that_the_first_one_went_to(home: Path, still: None) -> None:
    """Both are there before the screen has heard that the cursor moved."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            before = seat.main.subject()
            seat.main.pane.sheet.action_move(1)
            after = seat.main.subject()
            assert before is not None and after is not None and after.name == "shop/scan"
            seat.main.action_act("Run")
            await seat.sees("Run shop/scan", "It takes no params.", "$ xene run shop/scan")

    play(scene)


def test_a_failure_of_many_words_can_be_read_in_full(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_REFUSED", "suspend resume")
    monkeypatch.setenv("STUB_WORDS", "\n".join(f"reason number {n}" for n in range(12)))

    async def scene() -> None:
        async with stubbed(home, (80, 24)) as seat:
            await seat.press("home", "s")
            await seat.until(lambda: isinstance(seat.app.screen, Answer), "the box")
            await seat.sees("It failed", "✗ exit 7 $ xene suspend docs/publish", "reason number 11")
            await seat.press("escape")
            await seat.sees("l shows all of it")
            await seat.press("l")
            await seat.sees("What was done", "reason number 11")

    play(scene)


@asynccontextmanager
async def asked_slowly(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[threading.Event]:
    """The state answers no question of acts until the event is set."""
    go_on = threading.Event()
    for name in ("params", "run"):
        monkeypatch.setattr(questions, name, _held(getattr(questions, name), go_on))
    try:
        yield go_on
    finally:
        go_on.set()


def _held(question: Any, go_on: threading.Event) -> Any:
    def held(*given: Any) -> Any:
        assert go_on.wait(30)
        return question(*given)

    return held


def test_what_is_typed_before_a_form_is_there_is_meant_for_the_form(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `s` and `o` of a reason would suspend the pipeline, or cordon an agent."""

    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("a")
            await seat.type("so ny")
            await seat.until(lambda: isinstance(seat.app.screen, Pending), "the question")
            go_on.set()
            await seat.sees("Ship it?", "-m 'so ny'")
            await seat.press("enter")
            await seat.sees("done: approve")

    play(scene)
    assert called(home) == [f"approve {shop.ASKING} ship -m so ny"]


def test_esc_leaves_before_a_form_is_there(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r", "escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the way back")
            go_on.set()
            await seat.press("a")
            await seat.sees("Ship it?")  # a later answer: the form has not come meanwhile
            await seat.press("escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the way back")

    play(scene)
    assert called(home) == []


def test_a_question_that_the_state_cannot_answer_is_told_and_left(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Storage("the state is damaged")

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            monkeypatch.setattr(questions, "params", broken)
            await seat.press("r")
            said = seat.app._notifications  # under a pilot nothing draws them
            await seat.until(lambda: [each.message for each in said] == ["the state is damaged"], "the words")
            await seat.until(lambda: seat.app.screen is seat.main, "the way back")

    play(scene)


def test_no_letter_approves_while_the_reason_has_no_focus(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("a")
            await seat.sees("Ship it?", "esc: back")
            await seat.press("tab", "n", "y")
            await seat.sees("Ship it?")

    play(scene)
    assert called(home) == []


def test_what_is_typed_at_once_goes_where_the_tabs_before_it_lead(home: Path, still: None) -> None:
    """As over a slow line: all keys are there before the first of them was answered."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("count *")
            await seat.until(lambda: seat.app.screen.focused, "a field that has the focus")
            for key in ("a", "b", "tab", "tab", "tab", "4", "2"):
                seat.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await seat.sees("-p sha=ab -p count=42")

    play(scene)


def test_a_long_form_keeps_its_buttons_on_a_small_screen(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"p{at}": {"type": "string", "default": "", "description": "words"} for at in range(20)}
    monkeypatch.setattr(questions, "params", lambda *_: many)
    monkeypatch.setenv("STUB_REFUSED", "run")

    async def scene() -> None:
        async with stubbed(home, (80, 24)) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("p0 string", "Run  ", "Back", "$ xene run", "esc: back")
            for field in seat.app.screen.query(Field):
                field.value = "x" * 20
            seat.app.screen.query_one("#param-19").focus()
            await seat.sees("p19 string", "Run  ", "Back", "esc: back")
            await seat.press("f2")
            await seat.sees("it has ended already", "hint: look again", "p0 string", "Run  ", "Back")

    play(scene)


def test_a_click_on_an_agent_is_on_that_agent(home: Path, still: None) -> None:
    """The list has a border above, which is no line of it."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.sees("build-2", "Unreachable")
            line = max(at for at, text in enumerate(seat.lines()) if text.startswith("build-1"))
            await seat.pilot.click(offset=(2, line))
            await seat.sees("o Cordon")
            assert seat.main.subject().name == "build-1"  # type: ignore[union-attr]

    play(scene)


def test_a_default_that_is_written_otherwise_than_its_choice(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"n": {"type": "number", "enum": [1, 2], "default": 1.0}}
    monkeypatch.setattr(questions, "params", lambda *_: params)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("n number", "$ xene run shop/build")
            await seat.press("f2")
            await seat.sees("done: run")

    play(scene)
    assert called(home) == ["run shop/build"]


def test_what_is_typed_while_a_form_is_drawn_comes_behind_what_was_typed_before(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there, the form is not drawn yet: a tab before it and words after it keep their order."""

    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r", "tab", "tab", "tab")
            await seat.until(lambda: isinstance(seat.app.screen, Pending), "the question")
            play_held = seat.app.play

            async def typed_just_before() -> None:
                await seat.app.on_event(events.Key("7", "7"))
                await play_held()

            monkeypatch.setattr(seat.app, "play", typed_just_before)
            go_on.set()
            await seat.sees("$ xene run shop/build -p count=7")
            await seat.type("1")
            await seat.sees("-p count=71")

    play(scene)


def test_what_is_pasted_before_a_form_is_there_is_in_it(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.until(lambda: isinstance(seat.app.screen, Pending), "the question")
            seat.app.post_message(events.Paste("12"))
            go_on.set()
            await seat.sees("$ xene run shop/build -p sha=12")

    play(scene)


def test_keys_are_heard_again_after_a_form_was_left_before_it_was_there(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.until(lambda: isinstance(seat.app.screen, Pending), "the question")
            await seat.press("escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the way back")
            seat.app.push_screen(Answer("Something else", [(Span("to read"),)]))
            await seat.sees("to read")
            await seat.press("escape")
            await seat.sees_no("to read")
            go_on.set()

    play(scene)
