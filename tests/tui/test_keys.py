"""Every key by name: the page of keys, and the palette, list what works on a screen, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.tui import shop
from tests.tui.conftest import Seat, play, stubbed
from xene.tui import keys
from xene.tui.frame import Frame
from xene.tui.main import Main
from xene.tui.run import Run


def by_name(seat: Seat) -> set[str]:
    """What the palette has."""
    return {command.title for command in seat.app.get_system_commands(seat.app.screen)}


def test_all_keys_of_a_screen_are_in_the_palette(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            assert {"Why", "Filter", "Slots", "Keys", "What was done", "Suspend"} <= by_name(seat)
            seat.app.open_run(shop.FAILED)
            await seat.until(lambda: isinstance(seat.app.screen, Run), "the run")
            await seat.sees("Error")
            assert {"Back", "Whole width", "Why", "Retry", "Follow the log, or not"} <= by_name(seat)
            assert "Fold all workflows, or unfold them" not in by_name(seat)
            frame = seat.app.screen
            assert isinstance(frame, Frame)
            listed = [(each.description, keys.name(each)) for each in keys.bindings(frame)]
            assert len(set(listed)) == len(listed) and all(words for words, _ in listed)

    play(scene)


def test_what_the_palette_has_is_done(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.press("ctrl+p")
            await seat.type("slots")
            await seat.sees("key 4")
            await seat.press("down", "enter")
            await seat.until(
                lambda: isinstance(seat.app.screen, Main) and seat.main.pane.name_of == "Slots", "slots"
            )

    play(scene)


def test_neighbours_that_are_not_there_have_no_key(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            seat.app.open_run(shop.QUEUED)
            await seat.until(lambda: isinstance(seat.app.screen, Run), "the run")
            await seat.until(lambda: isinstance(seat.app.screen, Run) and seat.app.screen.found, "its rows")
            run = seat.app.screen
            assert isinstance(run, Run) and run.found is not None
            names = {"Run before": "older", "Run after": "newer"}
            there = {name for name, key in names.items() if run.found[key]}
            assert there != set(names)
            assert {each.description for each in keys.bindings(run)} & set(names) == there

    play(scene)
