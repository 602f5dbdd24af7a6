"""Screens as SVGs, compared with those that are kept; and whether everything on them can be read.

XENE_SNAPSHOTS=write keeps what is shown now instead.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, Iterable

from tests.tui.conftest import Seat

SNAPSHOTS = Path(__file__).parent / "snapshots"
SHOWN = 12  # differing elements that are told


WRITES = os.environ.get("XENE_SNAPSHOTS") == "write"


def shot(seat: Seat) -> str:
    """What the app shows now; in the fonts of whoever looks at it, none are fetched."""
    svg = seat.app.export_screenshot(title="xene status", simplify=True)
    return re.sub(r"(?s)@font-face \{.*?\}\s*", "", svg)


async def svg_of(seat: Seat) -> str:
    """What the app shows, once it stands still."""
    seen = ["", ""]

    def still() -> bool:
        seen.append(shot(seat))
        return seen[-1] == seen[-2] == seen[-3]

    await seat.until(still, "a screen that stands still")
    return seen[-1]


async def compare(seat: Seat, path: Path, directory: Path) -> None:
    """Wait until the app shows what `path` keeps; else what it shows is laid into `directory`, to be looked at."""
    if WRITES:
        path.parent.mkdir(exist_ok=True)
        path.write_text(await svg_of(seat))
    kept = path.read_text() if path.exists() else ""
    try:
        await seat.until(lambda: shot(seat) == kept, f"what {path.name} shows")
    except AssertionError:
        (directory / path.name).write_text(found := shot(seat))
        lines = "\n".join(_differences(kept, found))
        raise AssertionError(f"{directory / path.name} differs from {path}:\n{lines}") from None


def _differences(kept: str, found: str) -> list[str]:
    before, after = (each.replace("><", ">\n<").splitlines() for each in (kept, found))
    lines = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")][:SHOWN]


def luminance(color: Any) -> float:
    """How light a colour is, as WCAG reckons it."""
    parts = [channel / 255 for channel in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(app: Any) -> Iterable[tuple[float, str]]:
    """The contrast of every text that is shown, with that text."""
    for strip in app.screen._compositor.render_strips():
        for part in strip:
            style = part.style
            if any(map(str.isalnum, part.text)) and style and style.color and style.bgcolor:
                one, two = sorted((luminance(style.color), luminance(style.bgcolor)))
                yield (two + 0.05) / (one + 0.05), part.text
