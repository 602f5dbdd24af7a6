"""A line to write into. Its cursor stands still: over a slow line every blink would be waited for."""

from __future__ import annotations

from textual.widgets import Input


class Field(Input):
    """An input of one line, without a frame."""

    def on_mount(self) -> None:
        self.compact, self.cursor_blink = True, False
