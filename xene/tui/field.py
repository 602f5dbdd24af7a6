"""A line to write into, and a list to pick from. A cursor stands still: over a slow line every blink costs."""

from __future__ import annotations

from typing import Any, Callable

from textual import events
from textual.widget import Widget
from textual.widgets import Input, Select

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
        if passed_on(self, event):
            return
        if event.key == "enter" and self._left is not None:
            taken(event)
            self._left()

    def ahead(self, event: events.Key) -> None:
        """Take a key that was on its way to something else when this got the focus."""
        if event.is_printable:
            taken(event)
            self.insert_text_at_cursor(event.character or "")
        elif event.key == "enter" and self._left is not None:
            taken(event)
            self._left()


class Pick(Select[str]):
    """One of several values. What is typed right behind a tab is not looked for in it."""

    def on_key(self, event: events.Key) -> None:
        if not self.expanded:
            passed_on(self, event)


def passed_on(widget: Widget, event: events.Key) -> bool:
    """Whether a key was meant for others, and went there.

    A tab goes on at once, so that what is typed behind it goes there; what was on its way by then goes after it.
    """
    screen = widget.screen
    if screen.focused is widget and event.key not in _NEXT:
        return False
    taken(event)
    if screen.focused is not widget:
        widget.app.post_message(events.Key(event.key, event.character))
    elif event.key == "tab":
        screen.focus_next()
    else:
        screen.focus_previous()
    return True


def taken(event: events.Key) -> None:
    """Nobody else gets it."""
    event.stop()
    event.prevent_default()
