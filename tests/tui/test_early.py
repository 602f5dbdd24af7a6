"""Keys in one piece with the one that opens a part: they are for its rows, once these are there."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, AsyncIterator

import pytest
from textual import events

from tests.tui import shop
from tests.tui.conftest import Seat, called, play, stubbed
from xene.tui import early, questions
from xene.tui.early import Early
from xene.tui.main import Main
from xene.tui.run import Run
from xene.tui.trigger_slots import TriggerSlots


@asynccontextmanager
async def slow(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[threading.Event]:
    """The state answers what the parts ask once the event is set."""
    go_on = threading.Event()

    def held(question: Any) -> Any:
        def ask(state: Any) -> Any:
            assert go_on.wait(30)
            return question(state)

        return ask

    for name in ("runs", "triggers", "events"):
        monkeypatch.setattr(questions, name, held(getattr(questions, name)))
    try:
        yield go_on
    finally:
        go_on.set()


def typed(seat: Seat, *keys: str) -> None:
    """All at once: none of them waits for what comes of the one before."""
    for key in keys:
        seat.app.post_message(events.Key(key, key if len(key) == 1 else None))


async def heard(seat: Seat) -> None:
    await seat.until(lambda: seat.main.pane.name_of != "Overview", "the part")
    await seat.pilot.pause()


def test_a_run_is_opened_by_what_is_typed_in_one_piece(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            typed(seat, "2", "down", "enter")
            await seat.until(lambda: isinstance(seat.app.screen, Run), "the run")
            assert seat.app.screen.ident == seat.main.pane.sheet.rows[1]["id"]

    play(scene)


def test_the_slots_of_a_trigger_too(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            typed(seat, "4", "enter")
            await seat.until(lambda: isinstance(seat.app.screen, TriggerSlots), "the slots")

    play(scene)


def test_an_act_and_its_answer_are_for_the_row_that_they_were_typed_for(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, slow(seat, monkeypatch) as go_on:
            await seat.go_to("shop/build")  # what is cancelled is no run of this one
            typed(seat, "2", "down", "c", "y")
            await heard(seat)
            assert called(home) == [] and seat.app.screen is seat.main
            go_on.set()
            await seat.sees("done: cancel")
            assert called(home) == [f"cancel {seat.main.pane.sheet.rows[1]['id']}"]

    play(scene)


def test_words_of_a_filter_are_no_acts(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat, slow(seat, monkeypatch) as go_on:
            typed(seat, "2", "end", "slash", *"scan", "enter", "enter")
            await heard(seat)
            go_on.set()
            await seat.until(lambda: isinstance(seat.app.screen, Run), "the run")
            assert seat.app.screen.ident == shop.QUEUED

    play(scene)
    assert called(home) == []


def test_from_part_to_part_nothing_waits(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was typed for a part that somebody has left is done nowhere."""

    async def scene() -> None:
        async with stubbed(home) as seat, slow(seat, monkeypatch) as go_on:
            typed(seat, "2", "4", "5", "3", "o")
            await seat.sees("done: cordon")
            assert called(home) == ["cordon build-1"]
            typed(seat, "2", "c")
            await seat.until(lambda: len(seat.app._early) == 1, "a key that waits")
            seat.main.action_part("Agents")  # by the mouse
            go_on.set()
            await seat.until(lambda: seat.main._panes[1].sheet.known, "the runs")
            await seat.press("down", "2")
            assert isinstance(seat.app.screen, Main)

    play(scene)
    assert called(home) == ["cordon build-1"]


def test_nothing_waits_for_longer_than_somebody_remembers(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early, "PATIENCE", 0.2)

    async def scene() -> None:
        async with stubbed(home) as seat, slow(seat, monkeypatch) as go_on:
            typed(seat, "2", "c")
            said = seat.app._notifications  # under a pilot nothing draws them
            await seat.until(lambda: any("is left out" in each.message for each in said), "the word")
            typed(seat, "3")
            await seat.until(lambda: seat.main.pane.name_of == "Agents", "another part")
            go_on.set()
            await seat.press("2")
            await seat.sees(shop.QUEUED)
            assert seat.app.screen is seat.main

    play(scene)
    assert called(home) == []


def key(name: str) -> events.Key:
    return events.Key(name, name if len(name) == 1 else None)


def test_the_order_is_kept_and_who_leaves_does_not_wait() -> None:
    keys, here, there = Early(), object(), object()
    assert not keys.keeps(key("3"), here)
    assert keys.keeps(key("down"), here) and keys.keeps(key("3"), here)
    assert not keys.keeps(key("ctrl+q"), here)
    assert [each.key for each in keys.due(here)] == ["down", "3"] and keys.due(here) == []
    assert keys.keeps(key("c"), here) and keys.due(there) == [] and len(keys) == 0
    assert keys.keeps(key("c"), here) and not keys.keeps(key("c"), None) and len(keys) == 0


def test_what_was_on_its_way_when_others_were_let_go_stays_behind_them() -> None:
    keys = Early()
    first, taken, last = (keys.let_go(key(name)) for name in ("a", "b", "c"))
    late = key("d")
    assert keys.overtakes(late) and not keys.overtakes(first) and keys.overtakes(late)
    again = keys.let_go(key("d"))
    assert not keys.overtakes(last) and keys.overtakes(key("e"))  # nobody saw `taken` again: a widget took it
    assert not keys.overtakes(again) and not keys.overtakes(key("e")) and taken is not None


def test_the_order_holds_while_the_answer_comes(
    home: Path, still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes between two of the keys, wherever that is."""

    async def scene() -> None:
        for _ in range(12):
            async with stubbed(home) as seat, slow(seat, monkeypatch) as go_on:
                typed(seat, "2")
                await heard(seat)
                go_on.set()
                typed(seat, "down", "down", "down", "up", "slash", *"success", "enter", "down", "w")
                await seat.until(lambda: called(home), "the question")
                assert called(home)[-1] == f"why run/{seat.main.pane.sheet.current['id']}"
                assert {row["phase"] for row in seat.main.pane.sheet.rows} == {"Success"}
                assert seat.main._box.value == "success" and seat.main.pane.sheet.cursor == 3
            (home / "called").unlink()
            monkeypatch.undo()

    play(scene)
