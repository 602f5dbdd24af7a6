"""What holds for every screen of the app."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import play, seated


def test_where_nothing_may_be_done_no_command_is_run_whoever_asks(home: Path) -> None:
    async def scene() -> None:
        async with seated(home, read_only="the token is for reading alone") as seat:
            seat.app.act(["suspend", "shop/build"])
            await seat.sees("the token is for reading alone")
            assert not seat.app.line._begun and not seat.app.workers._workers

    play(scene)
