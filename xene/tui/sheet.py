"""A list with columns, a header and a cursor, of any length: only the lines that are seen are ever made.

Used by all screens. Rows are whatever its user gives; columns know how to show one. It posts `Moved` when the
cursor stands on another row, `Chosen` on enter or a second click, `Folded` on left and right, `Seen` when other
rows are in sight.
"""

from __future__ import annotations

import time
from typing import Any, Callable, ClassVar, NamedTuple, Sequence

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from xene.plan.drawing.spans import BOLD, DIM, Line, Span
from xene.tui import styles

GAP = 2  # blanks between columns


class Column(NamedTuple):
    """`width` in columns; 0: what is left of the line. `least`: shown only where the line has so many columns."""

    title: str
    width: int
    cell: Callable[[Any, float], Line]
    least: int = 0


class Sheet(ScrollView, can_focus=True):
    """`columns` is asked anew for each width, so that a narrow terminal gets others than a wide one.

    `lasting`: the row under the cursor is marked also while something else has the focus. `known`: rows were given.
    """

    DEFAULT_CSS = "Sheet { height: 1fr; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move_to(0)", "First", show=False),
        Binding("end", "move_to(-1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
        Binding("left", "fold(True)", "Fold", show=False),
        Binding("right", "fold(False)", "Unfold", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, sheet: Sheet) -> None:
            super().__init__()
            self.sheet = sheet

        @property
        def control(self) -> Sheet:
            return self.sheet

    class Chosen(Moved):
        """The row under the cursor is to be opened."""

    class Folded(Moved):
        """What the row under the cursor belongs to is to be folded, or not."""

        def __init__(self, sheet: Sheet, folded: bool) -> None:
            super().__init__(sheet)
            self.folded = folded

    class Seen(Moved):
        """Other rows are in sight than before."""

    def __init__(
        self,
        columns: Callable[[int], Sequence[Column]],
        key: Callable[[Any], object],
        *,
        empty: str = "",
        header: bool = True,
        lasting: bool = True,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._columns, self._key, self._empty = columns, key, empty
        self._head, self._lasting = int(header), lasting
        self.rows: Sequence[Any] = ()
        self.known = False
        self.cursor = 0
        self._rests = True  # nobody has moved the cursor from the first row
        self._before: Any = None  # what it stood on when the rows were forgotten
        self._laid: tuple[int, list[tuple[Column, int]]] = (-1, [])
        self._palette: styles.Palette = {}
        self._sight: tuple[int, int] = (0, 0)
        self._now = time.time()  # that of what is drawn: what is reckoned now and drawn later is the same
        self._drawn: dict[int, Strip] = {}  # by the line of the widget

    # -- what it shows

    def show(self, rows: Sequence[Any]) -> None:
        """Show these; the cursor stays on the row that it stood on, if that is still there.

        One that was left on the first row, by somebody who looks on, goes to the first row again before what is new
        would push it out of sight.
        """
        before, was, seen = self._before if self.current is None else self.current, self.cursor, self._is_seen
        self.rows, self.known, self._before = rows, True, None
        at = self.cursor if before is None else self._find(self._key(before))
        self.cursor = max(0, min(at, len(rows) - 1))
        if self._rests and not round(self.scroll_offset.y) and self.cursor >= self.size.height - self._head:
            self.cursor = 0
        self._measure()
        if seen:
            self._keep_in_sight(self.cursor - was)
        if before is None or self.current is None or self._key(before) != self._key(self.current):
            self.post_message(self.Moved(self))
        self._redraw()

    def forget(self) -> None:
        """Others will come; until then there are dots. The cursor goes to the row of its key, if there is one."""
        self._before = self._before if self.current is None else self.current
        self.rows, self.known = (), False
        self._measure()
        self._redraw()

    def _find(self, key: object) -> int:
        if self.cursor < len(self.rows) and self._key(self.rows[self.cursor]) == key:
            return self.cursor
        return next((at for at, row in enumerate(self.rows) if self._key(row) == key), self.cursor)

    @property
    def empty(self) -> str:
        """What stands there where nothing does."""
        return self._empty

    @property
    def current(self) -> Any | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def in_sight(self) -> Sequence[Any]:
        """The rows that can be seen, and a page more, so that scrolling finds them ready."""
        top = max(0, self.scroll_offset.y)
        return self.rows[max(0, top - self.size.height) : top + 2 * max(1, self.size.height)]

    def select(self, key: object) -> None:
        """Put the cursor on the row with that key, if it is there."""
        self.action_move_to(self._find(key))

    def again(self, empty: str | None = None) -> None:
        """Draw anew: the clock went on, or what rows are made from has come."""
        self._empty = self._empty if empty is None else empty
        self._redraw()

    def measure(self) -> None:
        """The columns are others."""
        self._laid = (-1, [])

    def restyle(self) -> None:
        """The theme is another one."""
        self._palette = {}
        self.refresh()

    # -- drawing

    def render_line(self, y: int) -> Strip:
        self._drawn[y] = self._line(y)
        return self._drawn[y]

    def _redraw(self) -> None:
        """Have drawn anew what of each line would look different now: over a slow line all else costs."""
        self._now = time.time()
        if self.is_mounted:
            for y in range(self.size.height):
                old, new = self._drawn.get(y), self._line(y)
                begin, end = styles.differing(old, new) if old != new else (0, 0)
                if begin < end:
                    self.refresh(Region(begin, y, end - begin, 1))

    def _line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width or self.size.width
        base = self.rich_style
        if self._head and y == 0:
            titles = [((Span(column.title, BOLD),), size) for column, size in self._layout(width)]
            return self._joined(titles, width, base + Style(bold=True))
        at = y - self._head + round(self.scroll_offset.y)
        if at >= len(self.rows):
            text = f" {self._empty if self.known else '...'}" if not self.rows and at == 0 else ""
            return styles.strip((Span(text, DIM),), width, base, self._words())
        now = self._now
        cells = [(column.cell(self.rows[at], now), size) for column, size in self._layout(width)]
        return self._joined(cells, width, self._marked(base) if at == self.cursor else base)

    def _marked(self, base: Style) -> Style:
        """The line under the cursor: turned around where the sheet has the focus."""
        if self.has_focus:
            return base + Style(reverse=True)
        return base + Style(bold=True, underline=True) if self._lasting else base

    def _joined(self, cells: Sequence[tuple[Line, int]], width: int, base: Style) -> Strip:
        spans: list[Span] = []
        for line, size in cells:
            spans += [*styles.fitted(line, size), Span(" " * GAP)]
        return styles.strip(spans, width, base, self._words() if not base.reverse else {})

    def _words(self) -> styles.Palette:
        if not self._palette:
            self._palette = styles.palette(self.app.theme_variables)
        return self._palette

    def _layout(self, width: int) -> list[tuple[Column, int]]:
        if self._laid[0] != width:
            shown = [column for column in self._columns(width) if width >= column.least]
            taken = sum(column.width + GAP for column in shown)
            rest = max(4, width - taken)
            self._laid = (width, [(column, column.width or rest) for column in shown])
        return self._laid[1]

    # -- the size, and what is in sight

    def on_resize(self) -> None:
        seen = self._is_seen
        self._measure()
        if seen:
            self._keep_in_sight()

    @property
    def _is_seen(self) -> bool:
        """Whether the row under the cursor was in sight when this was drawn last."""
        top, height = self._sight
        return top <= self.cursor < top + height - self._head

    def _keep_in_sight(self, by: int = 0) -> None:
        """Scroll to the row under the cursor, which went `by` rows down: keys for acts mean it.

        It stays on its line, but where the first row is in sight that stays so too, as long as there is room for
        both: what is new comes there.
        """
        top, room = round(self.scroll_offset.y), max(1, self.size.height - self._head)
        wanted = min(self.cursor, max(top + by if top else 0, self.cursor - room + 1))
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True, immediate=True)

    def _measure(self) -> None:
        self.virtual_size = Size(max(1, self.size.width), len(self.rows) + self._head)
        self.call_after_refresh(self._look)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._look()

    def _look(self) -> None:
        sight = (round(self.scroll_offset.y), self.size.height)
        if sight != self._sight or self.rows:
            self._sight = sight
            self.post_message(self.Seen(self))

    # -- the cursor

    def action_move(self, by: int) -> None:
        self._put_cursor(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._put_cursor(self.cursor + by * max(1, self.size.height - 1 - self._head))

    def action_move_to(self, at: int) -> None:
        self._put_cursor(at if at >= 0 else len(self.rows) - 1)

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self))

    def action_fold(self, folded: bool) -> None:
        self.post_message(self.Folded(self, folded))

    def _put_cursor(self, at: int) -> None:
        at = max(0, min(at, len(self.rows) - 1))
        self._rests = at == 0
        self.scroll_to_region(Region(0, at, 1, 1 + self._head), animate=False, force=True)
        if at == self.cursor:
            return
        self.cursor = at
        self._redraw()
        self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is None or inside.y < self._head:
            return
        at = inside.y - self._head + round(self.scroll_offset.y)
        if at >= len(self.rows):
            return
        if at == self.cursor and event.chain > 1:
            self.action_choose()
        self._put_cursor(at)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
