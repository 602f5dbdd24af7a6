"""The lines of a log on the screen: where somebody reads in it, and what he searches for.

Used by `log`, which reads them from elsewhere; nothing here does. Whoever is at the end stays there while lines
come; whoever reads further up keeps his lines below him, whatever comes or goes. Colours are kept, everything else
that would steer the terminal is made visible.
"""

from __future__ import annotations

import re
from typing import ClassVar, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from xene.tui.kept import Kept
from xene.tui.log_lines import colored

FRAME = 0.1  # seconds between two drawings of what came


class LogView(ScrollView, can_focus=True):
    """`following`: one is at the end, and stays there until one scrolls up, and again from the end on."""

    DEFAULT_CSS = "LogView { height: 1fr; scrollbar-size: 1 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
    ]

    class Changed(Message):
        """What is to be said of the log is something else."""

    def __init__(self, kept: Kept, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.following = False
        self._kept = kept
        self._reading = True  # nothing of it has come yet, nor its end
        self._timer: Timer | None = None
        self._search = ""
        self._at = -1  # the line of the match that was gone to last
        self._seeks = False  # another log was opened, or more of it, while something is searched for
        self._stays = False  # what is scrolled now is what lies under the reader, who stays where he is
        self._shown: dict[int, Strip] = {}

    @property
    def lines(self) -> Sequence[str]:
        """What was read and is kept; the last line may go on."""
        return self._kept.lines

    # -- where one is

    def _follow(self, following: bool) -> None:
        """Whether one is at the end, and stays there, is something else."""
        self.following = following
        self.post_message(self.Changed())

    def action_follow(self) -> None:
        self._seeks = False
        self._follow(not self.following)
        self._come()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        following = self.following
        if new_value < old_value <= self.max_scroll_y:  # else the log is another one, and shorter
            following = False
        elif new_value >= self.max_scroll_y:
            following = True
        if following != self.following and not self._stays:
            self._follow(following)

    def _let_go(self, most: int, heaviest: int) -> None:
        """Only so many lines are kept, and fewer where they are long. Who reads further up keeps his below him."""
        count = self._kept.let_go(most, heaviest)
        if count:
            self._at = max(-1, self._at - count)
            self._shown.clear()
            if not self.following:
                self._stay_at(self.scroll_y - count)

    def _change_to(self, kept: Kept) -> None:
        """Show what was read anew. Whoever reads further up stays where he is, and at his match."""
        top = self._kept.place_in(kept, round(self.scroll_offset.y))
        self._at = self._kept.place_in(kept, self._at) if self._at >= 0 else -1
        self._show(kept)
        if not (self.following or self._seeks):
            self._stay_at(top)

    def _show(self, kept: Kept) -> None:
        self._kept = kept
        self._shown.clear()
        self._measure()

    def _stay_at(self, y: float) -> None:
        """The same lines are elsewhere now."""
        self._stays = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._stays = False

    # -- drawing

    def _come(self) -> None:
        """Something came: it is drawn with the next frame, however much more comes until then."""
        if self._timer is None and self.is_attached:
            self._timer = self.set_timer(FRAME, self._draw)

    def _draw(self) -> None:
        self._timer = None
        self._measure()
        if self._seeks and self.matches():
            self._seeks = False
            self.call_after_refresh(self._go, self.matches()[-1])
        elif self.following:
            self.call_after_refresh(self.scroll_to, y=len(self.lines), animate=False, immediate=True)
        self.post_message(self.Changed())

    def _measure(self) -> None:
        self.virtual_size = Size(self._kept.widest, len(self.lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        across, down = self.scroll_offset
        at, width, base = y + down, self.size.width, self.rich_style
        if at >= len(self.lines):
            return Strip([Segment("..." if self._reading and at == 0 else "", base)]).adjust_cell_length(
                width, base
            )
        return self._strip(at, base).crop_extend(across, across + width, base)

    def _strip(self, at: int, base: Style) -> Strip:
        """A whole line as it is drawn."""
        found = self._shown.get(at)
        if found is None:
            text = colored(self.lines[at])
            if self._search:
                text.highlight_regex(re.compile(re.escape(self._search), re.IGNORECASE), Style(reverse=True))
            parts = (part for part in text.render(self.app.console) if part.text != "\n")
            found = Strip([Segment(part.text, base + (part.style or Style())) for part in parts])
            if len(self._shown) > 1000:
                self._shown.clear()
            self._shown[at] = found
        return found

    def restyle(self) -> None:
        """The theme is another one."""
        self._shown.clear()
        self.refresh()

    # -- search

    def search(self, text: str) -> None:
        """Mark where this stands, whatever its case, and go to the last place."""
        if text == self._search:
            return
        self._search, self._at, self._seeks = text, -1, False
        self._shown.clear()
        found = self.matches()
        if found:
            self._go(found[-1])
        self.refresh()
        self._come()

    def matches(self) -> list[int]:
        """The lines in which what is searched for stands."""
        return self._kept.matches(self._search)

    @property
    def searched(self) -> bool:
        """Whether something is searched for."""
        return bool(self._search)

    def action_match(self, by: int) -> None:
        """Go to the next place, or to the one before; behind the last one to the first."""
        found = self.matches()
        if found:
            here = self._at if self._at >= 0 else round(self.scroll_offset.y)
            later = (
                [at for at in found if at > here] if by > 0 else [at for at in reversed(found) if at < here]
            )
            self._go(later[0] if later else found[0 if by > 0 else -1])
            self._come()

    def _go(self, at: int) -> None:
        self.following, self._seeks, self._at = False, False, at
        self.scroll_to(y=at, animate=False, immediate=True)
        self.post_message(self.Changed())
