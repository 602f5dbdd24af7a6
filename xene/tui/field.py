"""A line to write into, and a list to pick from. A cursor stands still: over a slow line every blink costs.

What a line holds may be anything that was pasted, several lines too; what of it cannot be printed is shown by a
sign of one column, so that it neither steers the terminal nor moves what stands beside it.
"""

from __future__ import annotations

from typing import Any, Callable

from rich.cells import cell_len, get_character_cell_size
from rich.text import Text
from textual import actions, events
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Input, Select

_NEXT = ("tab", "shift+tab")
_EDITS = {
    key: binding.action
    for binding in Input.BINDINGS
    if isinstance(binding, Binding) and binding.action not in ("submit", "copy")
    for key in binding.key.split(",")
}


class Field(Input):
    """An input of one line, without a frame. `left`: what enter does at once, instead of a message."""

    def __init__(self, *, left: Callable[[], None] | None = None, **given: Any) -> None:
        super().__init__(**given)
        self._left = left

    def on_mount(self) -> None:
        self.compact, self.cursor_blink = True, False
        self.select_on_focus = self._left is None

    def on_key(self, event: events.Key) -> None:
        if not passed_on(self, event):
            self._edit(event)

    def ahead(self, event: events.Key) -> None:
        """Take a key that was on its way to something else when this got the focus."""
        if event.is_printable:
            taken(event)
            self.insert_text_at_cursor(event.character or "")
        else:
            self._edit(event)

    def _edit(self, event: events.Key) -> None:
        """Do at once what a key does: as a binding it would be looked up behind what was typed after it."""
        if event.key == "enter" and self._left is not None:
            taken(event)
            self._left()
        elif event.key in _EDITS:
            taken(event)
            _, name, given = actions.parse(_EDITS[event.key])
            getattr(self, f"action_{name}")(*given)

    def _on_paste(self, event: events.Paste) -> None:
        """All of it, where textual would take the first line and say nothing of the others."""
        taken(event)
        if event.text:
            self.replace(pasted(event.text), *self.selection)

    # -- as it is drawn: as many characters as there are, each with a width

    @property
    def _value(self) -> Text:
        return Text(seen(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(seen(self.value[:position]))

    def _cell_offset_to_index(self, offset: int) -> int:
        left = offset + round(self.scroll_offset.x)
        for at, char in enumerate(seen(self.value)):
            left -= get_character_cell_size(char)
            if left < 0:
                return at
        return len(self.value)


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


def taken(event: events.Event) -> None:
    """Nobody else gets it."""
    event.stop()
    event.prevent_default()


def pasted(text: str) -> str:
    """What is taken of what was pasted: not the newline that ends it, nor a NUL, which no program can get."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").replace("\0", "")


def seen(text: str) -> str:
    """As many characters: controls as their pictures, others that cannot be printed as `?`."""
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(char: str) -> str:
    if char.isprintable():
        return char
    return chr(0x2400 + ord(char)) if char < " " else "␡" if char == "\x7f" else "?"
