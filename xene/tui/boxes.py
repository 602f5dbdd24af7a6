"""How what lies over a screen looks: a box in the middle, in which what is long scrolls. Used by all of those."""

from __future__ import annotations

from typing import TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

BOX = """
{name} {{ align: center middle; }}
{name} > Vertical {{
    width: 90%; max-width: 90; height: auto; max-height: 90%; padding: 1 2; border: round $primary;
    background: $surface;
}}
{name}.-low > Vertical {{ padding: 0 1; max-height: 100%; }}
{name}.-narrow > Vertical {{ width: 100%; padding: 0; }}
{name}.-low Horizontal.buttons {{ margin-top: 0; }}
{name} Label, {name} .command {{ width: 100%; }}
{name} .command {{ color: $text-muted; height: auto; }}
{name} VerticalScroll {{ height: auto; }}
{name} .long {{ max-height: 1; }}
{name} Shown {{ max-height: 4; }}
{name}.-low Shown {{ max-height: 1; }}
{name} Horizontal.buttons {{ height: auto; margin-top: 1; }}
{name} Button {{ margin-right: 2; }}
{name} Input {{ background: $boost; }}
"""
LOW, NARROW = 16, 40  # lines and columns below which a box has the whole screen

Given = TypeVar("Given")
Steps = list[tuple[int, str]]  # from how many lines or columns on a screen has which class


class Boxed(ModalScreen[Given]):
    """A screen with one box, in which what has the class `long` gets the lines that the rest leaves."""

    VERTICAL_BREAKPOINTS: Steps | None = [(0, "-low"), (LOW, "-high")]  # noqa: RUF012 - as textual declares it
    HORIZONTAL_BREAKPOINTS: Steps | None = [(0, "-narrow"), (NARROW, "-wide")]  # noqa: RUF012

    def on_resize(self) -> None:
        """What is out of sight has no size: what scrolls is made small first, so that all else has one."""
        self._give(1)
        self.call_after_refresh(self.fit)

    def fit(self) -> None:
        """What is in the box has another height, or the screen has."""
        box = self.query_one("Screen > Vertical", Vertical)
        low = self.size.height < LOW
        room = (self.size.height if low else self.size.height * 9 // 10) - box.gutter.height
        others = [child for child in box.children if not child.has_class("long") and child.display]
        self._give(room - sum(child.outer_size.height + child.styles.margin.height for child in others))

    def _give(self, lines: int) -> None:
        for child in self.query(".long"):
            child.styles.max_height = max(1, lines)
        if self.focused is not None:
            self.call_after_refresh(self.focused.scroll_visible, animate=False)


class Shown(VerticalScroll, can_focus=False):
    """The command line that is meant. It stands in a `Boxed`, which makes room for it."""

    def compose(self) -> ComposeResult:
        yield Static("", classes="command", markup=False)

    def say(self, line: str) -> None:
        """Show this one."""
        self.query_one(Static).update(f"$ {line}")

    def on_resize(self) -> None:
        screen = self.screen
        if isinstance(screen, Boxed):
            screen.fit()
