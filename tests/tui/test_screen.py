"""The screen by its keys: filter, order, views, acts and their questions, why, logs, read-only, trouble."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.tui import shop
from tests.tui.conftest import Seat, called, pipelines, play, stubbed
from xene.tui import prefs, questions
from xene.tui.answers import Answer
from xene.tui.main import Main
from xene.tui.run import Run
from xene.tui.sheet import Sheet


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


@pytest.mark.parametrize("part", ["1", "2", "3", "4", "5"])
def test_what_was_read_stays_when_the_state_goes(home: Path, still: None, part: str) -> None:
    """Nothing is said to be empty, nor to be there no more, and nothing is done to what nobody can read."""

    async def scene() -> None:
        async with stubbed(home, (160, 30)) as seat:
            await seat.press(part)
            await seat.until(lambda: seat.main.pane.sheet.rows, "its rows")
            rows = list(seat.main.pane.sheet.rows)
            (home / "state.db").rename(home / "aside.db")
            await seat.sees(f"the state at {home / 'state.db'} has gone: put it back, or leave with q")
            await seat.press(*"12345", part, "r", "w")
            assert seat.app.screen is seat.main and list(seat.main.pane.sheet.rows) == rows
            (home / "aside.db").rename(home / "state.db")
            await seat.sees_no("!! the state")
            with sqlite3.connect(home / "state.db") as conn:
                conn.execute("UPDATE pipelines SET message = 'no agent at all' WHERE workflow = 'docs'")
            conn.close()
            await seat.press("1")
            await seat.sees("no agent at all")

    play(scene)
    assert called(home) == []


def test_a_run_is_not_said_to_be_removed_when_the_state_goes(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home, (160, 30)) as seat:
            seat.app.open_run(shop.FAILED)
            await seat.sees("ruff 9s exit 3")
            (home / "state.db").rename(home / "aside.db")
            await seat.sees("has gone:", "put it back", "ruff 9s exit 3")
            assert "removed as old" not in seat.text
            (home / "aside.db").rename(home / "state.db")
            await seat.sees_no("has gone")
            assert "removed as old" not in seat.text and seat.app.screen.subject() is not None

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


def test_nothing_is_said_to_be_there_before_the_state_has_answered(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    answer = questions.runs

    def later(state: Any) -> Any:
        go_on.wait(20.0)
        return answer(state)

    monkeypatch.setattr(questions, "runs", later)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("2")
            await seat.sees("PHASE", " ...")
            assert "no runs" not in seat.text
            go_on.set()
            await seat.sees(shop.FAILED)

    play(scene)
