"""What is typed or pasted before a form is there, or drawn, is meant for the form, in its order."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator

import pytest
from textual import events

from tests.tui import shop
from tests.tui.conftest import Seat, called, play, stubbed
from xene.errors import Storage
from xene.plan.drawing.spans import Span
from xene.tui import pending as pending_module
from xene.tui import questions
from xene.tui.answers import Answer
from xene.tui.pending import Pending


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

            async def typed_just_before(pending: Pending) -> None:
                await seat.app.on_event(events.Key("7", "7"))
                await play_held(pending)

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


def test_what_was_typed_long_ago_is_not_played(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has seen what is asked, and a letter and an enter may approve it."""
    monkeypatch.setattr(pending_module, "PATIENCE", 0.0)

    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r", "7")
            go_on.set()
            await seat.until(
                lambda: any("is left out" in told.message for told in seat.app._notifications), "a word of it"
            )
            await seat.sees("$ xene run shop/build")
            assert "=7" not in seat.text
            await seat.type("1")
            await seat.sees("-p sha=1")

    play(scene)


def test_something_that_came_to_lie_over_it_is_heard_and_it_goes_with_that(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, asked_slowly(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.until(lambda: isinstance(seat.app.screen, Pending), "the question")
            seat.app.push_screen(Answer("Something else", [(Span("to read"),)]))
            await seat.sees("to read")
            go_on.set()
            await seat.until(lambda: seat.app._held is None, "the answer, for nobody")
            await seat.press("escape")
            await seat.until(lambda: seat.app.screen is seat.main, "the way back, without a form")
            await seat.press("question_mark")
            await seat.sees("always")

    play(scene)
