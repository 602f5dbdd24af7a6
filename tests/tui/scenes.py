"""The pictures of the live screen that README and docs show. Called by `scripts/generate_docs.py`."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from tests.tui import shop
from tests.tui.conftest import Seat, seated

SIZE = (110, 26)


def pictures() -> dict[str, str]:
    """SVGs by name."""
    with tempfile.TemporaryDirectory() as root, mock.patch.dict(os.environ, {"TZ": "UTC"}):
        time.tzset()
        home = Path(root) / "home"
        home.mkdir(mode=0o700)
        shop.lay(home)
        with mock.patch.object(time, "time", lambda: shop.NOW):
            return asyncio.run(_taken(home))


async def _taken(home: Path) -> dict[str, str]:
    async with seated(home, SIZE) as seat:
        await seat.sees("✓✓✓✓")
        await seat.press("down", "down", "down")
        found = {"status-overview": _svg(seat)}
        seat.app.open_run(shop.FAILED)
        await seat.press("2")
        await seat.sees("✗ lint", "┌")
        return {**found, "status-run": _svg(seat)}


def _svg(seat: Seat) -> str:
    return seat.app.export_screenshot(title="xene status")
