"""Lines to read that lie over a screen: why, the keys, what was done. Used by frames."""

from __future__ import annotations

from typing import ClassVar, Sequence

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from xene.plan.drawing.spans import DIM, Line, Span
from xene.tui.boxes import BOX, Boxed
from xene.tui.page import Page


class Answer(Boxed[None]):
    """Lines that are wrapped to the width there is. `show` puts others in their place."""

    DEFAULT_CSS = BOX.format(name="Answer") + "Answer > Vertical { height: 90%; max-width: 120; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "leave", "Back")]

    def __init__(self, title: str, lines: Sequence[Line] | None = None) -> None:
        super().__init__()
        self._title = title
        self._lines: Sequence[Line] = [(Span("...", DIM),)] if lines is None else lines

    def compose(self) -> ComposeResult:
        box = Vertical(Page(self._lines, wraps=True))
        box.border_title = self._title.replace("[", "\\[")
        box.border_subtitle = "esc: back"
        yield box

    def on_mount(self) -> None:
        self.query_one(Page).focus()

    def show(self, lines: Sequence[Line]) -> None:
        """Show these instead."""
        self.query_one(Page).show(lines)

    def action_leave(self) -> None:
        self.dismiss(None)
