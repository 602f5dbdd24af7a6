"""A line to write into. Its cursor stands still: over a slow line every blink would be waited for."""

from __future__ import annotations

from typing import Any, Callable

from textual import events
from textual.widgets import Input

_NEXT = ("tab", "shift+tab")


class Field(Input):
    """An input of one line, without a frame. `left`: what enter does at once, instead of a message."""

    def __init__(self, *, left: Callable[[], None] | None = None, **given: Any) -> None:
        super().__init__(**given)
        self._left = left

    def on_mount(self) -> None:
        self.compact, self.cursor_blink = True, False
        self.select_on_focus = self._left is None

    def on_key(self, event: events.Key) -> None:
        if (
            self.screen.focused is not self
        ):  # it was on its way while the line was left: it is meant for others
            self._take(event)
            self.app.simulate_key(event.key)
        elif event.key == "enter" and self._left is not None:
            self._take(event)
            self._left()
        elif event.key in _NEXT:  # at once, so that what is typed behind it goes there
            self._take(event)
            self.screen.focus_next() if event.key == "tab" else self.screen.focus_previous()

    def ahead(self, event: events.Key) -> None:
        """Take a key that was on its way to something else when this got the focus."""
        if event.is_printable:
            self._take(event)
            self.insert_text_at_cursor(event.character or "")
        elif event.key == "enter" and self._left is not None:
            self._take(event)
            self._left()

    def _take(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
