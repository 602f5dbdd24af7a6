"""The slots of one trigger, newest first. Opened from the calendar."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from xene.plan import overview
from xene.plan.drawing.spans import BOLD, Line, Span, clean
from xene.store import calendar
from xene.tui import questions
from xene.tui.acts import Subject
from xene.tui.band import Band
from xene.tui.frame import Frame
from xene.tui.pane import plain
from xene.tui.sheet import Column, Sheet

Json = Mapping[str, Any]
_STYLES = {"fired": "Success", "skipped": "dim", "missed": "Error", "expired": "Error", "unknown": "Unknown"}


def columns(_: int) -> Sequence[Column]:
    """The columns of slots."""
    return (
        Column("AT", 24, lambda row, _: plain(row["at"])),
        Column("AGO", 6, lambda row, now: plain(overview.ago(row["at"], now, overview.by_tens))),
        Column("OUTCOME", 8, lambda row, _: (Span(row["outcome"], _STYLES[row["outcome"]]),)),
        Column("RUN", 24, lambda row, _: plain(row["run"])),
        Column(
            "REASON",
            0,
            lambda row, _: plain(": ".join(each for each in (row["reason"], row["message"]) if each)),
        ),
    )


class TriggerSlots(Frame):
    """`trigger` is a row of the calendar."""

    DEFAULT_CSS = "TriggerSlots #said { background: $panel; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.pop_screen", "Back")]

    def __init__(self, trigger: Json) -> None:
        super().__init__()
        self._trigger = trigger
        self._head = Band(id="head")
        self._sheet = Sheet(columns, lambda row: row["at"], empty="no slots yet")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.trouble_band
        yield self._sheet
        yield self.said_band
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        words = f"{self._trigger['schedule']} {self._trigger['timeZone']}"
        line: Line = (Span(f"{'/'.join(calendar.key(self._trigger))} ", BOLD), Span(clean(words)))
        self._head.show([line])
        self._sheet.focus()
        self.look()

    def look(self) -> None:
        self.ask("slots", lambda state: questions.slots(state, self._trigger), self._sheet.show)

    def subject(self) -> Subject | None:
        return None

    def why_of(self) -> str | None:
        row = self._sheet.current
        return f"slot/{'/'.join(calendar.key(self._trigger))}@{row['at']}" if row is not None else None

    @on(Sheet.Moved)
    def _cursor_moved(self) -> None:
        self.moved()
        self.refresh_bindings()

    @on(Sheet.Chosen)
    def _chosen(self) -> None:
        row = self._sheet.current
        if row is not None and row["run"]:
            self.status.open_run(row["run"])
        else:
            self.action_why()
