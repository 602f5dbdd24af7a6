"""Every screen at 80x24 and 200x60, dark and light, compared with the SVG that is kept in `snapshots`.

After a change that is meant: run it with XENE_SNAPSHOTS=write, and look at the pictures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.conftest import Seat, play, seated
from tests.tui.pictures import SNAPSHOTS, compare, contrasts
from tests.tui.scenes import SCENES, overview, pictures

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = [(80, 24), (200, 60)]
LEAST_CONTRAST = 2.0  # of what is dim; what is plain has more than 4
FAR_CONTRAST = 1.3  # of what lies behind a question


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_screen(size: tuple[int, int], home: Path, tmp_path: Path, still: None) -> None:
    async def scene() -> None:
        async with seated(home, size) as seat:
            for act in SCENES:
                await act(seat)
                await both_themes(seat, f"{act.__name__}-{size[0]}x{size[1]}", tmp_path)

    play(scene)


async def both_themes(seat: Seat, name: str, directory: Path) -> None:
    """Dark, then light; and everything can be read in either."""
    for theme in ("dark", "light"):
        seat.app.theme = f"textual-{theme}"
        await seat.pilot.pause()
        await compare(seat, SNAPSHOTS / f"{name}-{theme}.svg", directory)
        least = FAR_CONTRAST if seat.app.screen.is_modal else LEAST_CONTRAST
        faint = [(round(found, 2), text) for found, text in contrasts(seat.app) if found < least]
        assert not faint, f"{name} {theme}: {faint}"
    seat.app.theme = "textual-dark"
    await seat.pilot.pause()


def test_the_pictures_of_the_docs(tmp_path: Path) -> None:
    pictures(lambda seat, name: compare(seat, IMAGES / name, tmp_path))


def colors(seat: Seat) -> set[tuple[int, int, int]]:
    """All colours on the screen."""
    parts = [part for strip in seat.app.screen._compositor.render_strips() for part in strip]
    styles = [part.style for part in parts if part.style is not None]
    found = [color for style in styles for color in (style.color, style.bgcolor) if color is not None]
    return {tuple(color.get_truecolor()) for color in found}  # type: ignore[misc]


def test_without_colours(home: Path, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks say what colours do."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        async with seated(home) as seat:
            await overview(seat)
            assert seat.app.no_color
            assert {max(rgb) - min(rgb) for rgb in colors(seat)} == {0}

    play(scene)


def test_no_snapshot_is_left_over() -> None:
    sizes = [f"{width}x{height}" for width, height in SIZES]
    wanted = {
        f"{act.__name__}-{size}-{theme}.svg"
        for act in SCENES
        for size in sizes
        for theme in ("dark", "light")
    }
    assert {path.name for path in SNAPSHOTS.iterdir()} == wanted
