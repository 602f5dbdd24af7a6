"""A line to write into: what is typed in one burst is done in its order, editing keys among it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from textual import events

from tests.tui.conftest import Seat, play, stubbed

NAMES = {"⌫": "backspace", "←": "left", "→": "right", "⌦": "delete", "⇤": "home", "⇥": "tab", "⌃": "ctrl+u"}
BURSTS = {
    "abc⌫d": "abd",
    "abc⌫⌫de": "ade",
    "abc←←X": "aXbc",
    "abc←⌦d": "abd",
    "abc⇤X→Y": "XaYbc",
    "abc⌃d": "d",
    "ab cd⌃": "",
}


def burst(seat: Seat, text: str) -> None:
    """As one packet of a slow line brings it."""
    for char in text:
        name = NAMES.get(char, char)
        seat.app.post_message(events.Key(name, char if name == char else None))


@pytest.mark.parametrize("text", BURSTS)
def test_in_a_form_that_is_there(home: Path, still: None, text: str) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("$ xene run shop/build")
            burst(seat, "⌃" + text + "⇥")
            field = seat.app.screen.query("Field").first()
            await seat.until(lambda: not field.has_focus, "the next one")
            assert field.value == BURSTS[text]

    play(scene)


@pytest.mark.parametrize("text", BURSTS)
def test_in_a_form_that_is_still_to_come(home: Path, still: None, text: str) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            burst(seat, "r⌃" + text + "⇥")
            await seat.sees("$ xene run shop/build")
            field = seat.app.screen.query("Field").first()
            await seat.until(lambda: not field.has_focus, "the next one")
            assert field.value == BURSTS[text]

    play(scene)


def test_from_field_to_field(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            burst(seat, "r⌃abc⇥⇥⇥⌃567⌫8")
            await seat.sees("-p sha=abc -p count=568")

    play(scene)


@pytest.mark.parametrize("first", ["/", ""])
def test_in_a_filter(home: Path, still: None, first: str) -> None:
    """In one that is opened by the same burst, and in one that was open."""

    async def scene() -> None:
        async with stubbed(home) as seat:
            if not first:
                await seat.press("slash")
                await seat.sees("words, and selectors")
            for char in first:
                seat.app.post_message(events.Key("slash", char))
            burst(seat, "shox⌫p")
            await seat.until(lambda: seat.main.query("Field").first().value == "shop", "what is filtered by")

    play(scene)


@pytest.mark.parametrize("seed", range(6))
def test_whenever_a_tab_is_heard_what_comes_behind_it_keeps_its_order(
    home: Path, still: None, seed: int
) -> None:
    """Any number of turns of the loop lies between two keys: some go to one line, others to the next."""
    chance = random.Random(seed)

    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop/build")
            await seat.press("r")
            await seat.sees("$ xene run shop/build")
            for _ in range(4):
                for char in "⇤⇥⇥⇥⌃123456789⇥":
                    burst(seat, char)
                    for _ in range(chance.choice((0, 0, 0, 1, 2, 3, 5))):
                        await asyncio.sleep(0)
                await seat.sees("-p count=123456789")
                await seat.press("shift+tab", "ctrl+u")
                await seat.sees_no("-p count")
                await seat.press("shift+tab", "shift+tab", "shift+tab")

    play(scene)
