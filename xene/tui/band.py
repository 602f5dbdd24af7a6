"""Lines that are always there: head, tabs, what the cursor stands on, what became of an act. Used by frames."""

from __future__ import annotations

from typing import Sequence

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from xene.model import phases
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, columns
from xene.tui import styles


class Band(Widget):
    """As many lines as it is given, none at all where there are none."""

    def __init__(self, lines: Sequence[Line] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines = lines
        self.styles.height = len(lines)  # by `auto` textual may keep the height of what was there in between
        self._palette: styles.Palette = {}

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        before, self.lines = self.lines, lines
        if len(lines) != len(before):
            self.styles.height = len(lines)
        for y, (old, new) in enumerate(zip(before, lines, strict=False)):
            if old != new:
                self.refresh(Region(0, y, max(1, self.size.width), 1))

    def restyle(self) -> None:
        """The theme is another one."""
        self._palette = {}
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if not self._palette:
            self._palette = styles.palette(self.app.theme_variables)
        line = self.lines[y] if y < len(self.lines) else ()
        return styles.strip(
            styles.fitted(line, self.size.width), self.size.width, self.rich_style, self._palette
        )


class TabBar(Band):
    """The parts of a screen by number; one is shown. A click picks another."""

    class Picked(Message):
        """Another part is wanted."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names = names
        self.active = names[0]
        self.mark(names[0])

    def mark(self, active: str, more: str = "") -> None:
        """Show which part is shown, and `more` behind."""
        self.active = active
        spans = [span for at, name in enumerate(self._names) for span in self._tab(at, name)]
        self.show([(*spans, Span(more, DIM))])

    def _tab(self, at: int, name: str) -> tuple[Span, Span, Span]:
        style = phases.RUNNING if name == self.active else DIM
        return Span(f"{at + 1} ", DIM), Span(name, style if name != self.active else BOLD), Span("   ")

    def on_click(self, event: events.Click) -> None:
        begin = 0
        for name in self._names:
            begin += columns(name) + 5
            if event.x < begin:
                self.post_message(self.Picked(name))
                return
