"""Lines that come and go are seen, however quickly one change follows another."""

from __future__ import annotations

import asyncio

from textual.app import App, ComposeResult
from textual.widgets import Static

from xene.plan.drawing.spans import Span
from xene.tui.band import Band


class Bands(App[None]):
    def compose(self) -> ComposeResult:
        self.band = Band([()])
        yield self.band
        yield Static("below")


def test_what_is_shown_while_the_screen_is_laid_out_is_seen() -> None:
    """None at all, laid out for some other reason before the band has said so, and one line again."""

    async def scene() -> None:
        app = Bands()
        async with app.run_test() as pilot:
            app.band.show([])
            app.screen._refresh_layout()
            app.band.show([(Span("seen"),)])
            await pilot.pause()
            await pilot.pause()
            assert app.band.size.height == 1
            strips = app.screen._compositor.render_strips()
            text = ["".join(segment.text for segment in strip).strip() for strip in strips]
            assert text[:2] == ["seen", "below"]

    asyncio.run(scene())
