"""What all screens say: why the state can not be read, as long as it can not, with what to do about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tui import shop
from tests.tui.conftest import Seat, play, stubbed
from xene.tui.run import Run
from xene.tui.trigger_slots import TriggerSlots


async def on_a_run(seat: Seat) -> None:
    seat.app.open_run(shop.FAILED)
    await seat.until(lambda: isinstance(seat.app.screen, Run) and seat.app.screen.found, "the run")


async def on_slots(seat: Seat) -> None:
    await seat.press("4")
    await seat.until(lambda: seat.main.pane.sheet.rows, "triggers")
    await seat.press("enter")
    await seat.until(lambda: isinstance(seat.app.screen, TriggerSlots), "slots")


@pytest.mark.parametrize("opened", [on_a_run, on_slots])
@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_a_state_that_cannot_be_read_any_more_is_told_wherever_one_is(
    home: Path, still: None, tmp_path: Path, opened: object, size: tuple[int, int]
) -> None:
    state = home / "state.db"

    async def scene() -> None:
        async with stubbed(home, size) as seat:
            await opened(seat)  # type: ignore[operator]
            await seat.sees_no("!!")
            (tmp_path / "kept").write_bytes(state.read_bytes())
            (tmp_path / "nonsense").write_text("nonsense" * 2000)
            os.replace(tmp_path / "nonsense", state)
            await seat.until(
                lambda: (
                    "!!" in seat.text
                    and "cannot be read" in " ".join(seat.text.split())
                    and "restore a backup" in " ".join(seat.text.split())
                ),
                "what is wrong and what to do",
            )
            os.replace(tmp_path / "kept", state)
            await seat.sees_no("!!")

    play(scene)
