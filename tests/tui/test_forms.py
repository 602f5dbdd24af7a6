"""Forms: params and their check, refusals that come back, buttons, approvals with their reasons."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from textual import events

from tests.tui import shop
from tests.tui.conftest import called, play, stubbed
from xene.tui import questions
from xene.tui.answers import Answer
from xene.tui.field import Field
from xene.tui.form import Form
from xene.tui.main import Main
from xene.tui.run import Run


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
