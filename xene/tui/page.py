"""Lines of spans that can be scrolled both ways: graphs, timelines, answers, help. Used by all screens.

`wraps`: lines are broken to the width there is; drawings are not.
"""

from __future__ import annotations

from typing import ClassVar, Sequence

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from xene.plan.drawing.spans import Line, columns, wrapped
from xene.tui import styles


class Page(ScrollView, can_focus=True):
    """It shows what `show` was given last, and stays where it was scrolled to."""

    DEFAULT_CSS = "Page { height: 1fr; scrollbar-size: 1 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
    ]

    def __init__(self, lines: Sequence[Line] = (), *, wraps: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = lines
        self._wraps = wraps
        self._given: Sequence[Line] = lines
        self._palette: styles.Palette = {}

    def on_mount(self) -> None:
        self.show(self.lines)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        self._given = lines
        self._lay_out()

    def on_resize(self) -> None:
        if self._wraps:
            self._lay_out()

    def _lay_out(self) -> None:
        lines, width = self._given, self.scrollable_content_region.width
        if self._wraps and width:
            lines = [part for line in lines for part in wrapped(line, width)]
        self.lines = lines
        widest = max((sum(columns(span.text) for span in line) for line in lines), default=0)
        self.virtual_size = Size(widest, len(lines))
        self.refresh()

    def restyle(self) -> None:
        """The theme is another one."""
        self._palette = {}
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if not self._palette:
            self._palette = styles.palette(self.app.theme_variables)
        across, down = self.scroll_offset
        width, base = self.size.width, self.rich_style
        line = self.lines[y + down] if y + down < len(self.lines) else ()
        whole = styles.strip(line, max(width, self.virtual_size.width), base, self._palette)
        return whole.crop_extend(across, across + width, base)
