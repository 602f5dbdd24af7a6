"""The calendar of slots: what became of them, what is due in the next days. A part of the main screen."""

from __future__ import annotations

import time
from typing import Any, Sequence

from xene.plan import calendar_days
from xene.plan.drawing.spans import BOLD, DIM, Line, Span
from xene.store import calendar
from xene.tui import filters, questions
from xene.tui.acts import Subject
from xene.tui.pane import Json, Pane, plain
from xene.tui.sheet import Column, Sheet


class Slots(Pane):
    """A calendar: each cron trigger with what became of its slots in the last days, and what is due in the next."""

    name_of = "Slots"

    def __init__(self) -> None:
        super().__init__(Sheet(self._columns, calendar.key, empty="no cron triggers"))
        self._all: Sequence[Json] = ()
        self._days: dict[Any, Sequence[Json]] = {}
        self._starts: Sequence[float] = ()

    def look(self) -> None:
        self._starts = calendar_days.starts(time.time())
        self.sheet.measure()
        self.frame.ask("triggers", questions.triggers, self._take)

    def tick(self) -> None:
        """Another day has begun, or the clock was set."""
        if self._starts and calendar_days.starts(time.time()) != self._starts:
            self.look()

    def _take(self, found: Sequence[Json]) -> None:
        self._all = found
        self.lay_out()

    def lay_out(self) -> None:
        self.show([row for row in self._all if self._takes(row)], self._all)

    def _takes(self, row: Json) -> bool:
        text = f"{'/'.join(calendar.key(row))} {row['schedule']}".lower()
        return filters.takes(self.filter, text, self.labels_of(row["workflow"]))

    def on_sheet_seen(self, event: Sheet.Seen) -> None:
        rows, starts = list(event.sheet.in_sight), self._starts
        self.frame.ask(
            "days", lambda state: questions.days(state, rows, starts, time.time()), self._take_days
        )

    def _take_days(self, found: dict[Any, list[Json]]) -> None:
        self._days.update(found)
        self.sheet.again()
        self.frame.moved()

    def _columns(self, width: int) -> Sequence[Column]:
        before, after = calendar_days.fitting(width)
        today = calendar_days.BEFORE
        size = calendar_days.size(width)
        shown = range(today - before, today + after + 1)
        days = [
            Column(calendar_days.title(self._starts[at], at == today), size, self._cell(at, size))
            for at in shown
            if at < len(self._starts) - 1
        ]
        return (
            Column("TRIGGER", 0, lambda row, _: plain("/".join(calendar.key(row)))),
            Column("SCHEDULE", 16, lambda row, _: plain(row["schedule"]), least=110),
            *days,
        )

    def _cell(self, at: int, size: int) -> Any:
        def cell(row: Json, _: float) -> Line:
            found = self._days.get(calendar.key(row))
            return calendar_days.cell(found[at], size) if found else ()

        return cell

    def detail(self) -> Sequence[Line]:
        row, legend = self.sheet.current, (Span(calendar_days.LEGEND, DIM),)
        if row is None:
            return ((), legend)
        found = self._days.get(calendar.key(row), ())
        due = next((day["next"] for day in found if day["next"]), None)
        ahead = (
            "suspended: what comes due is skipped"
            if row["suspended"]
            else f"next {due or 'not in these days'}"
        )
        words = f"{row['schedule']} {row['timeZone']}, {ahead}"
        name = "/".join(calendar.key(row))
        return (Span(f"{name} ", BOLD), Span(words), Span("  enter: each slot", DIM)), legend

    def subject(self) -> Subject | None:
        return None

    def why(self) -> str | None:
        """Why its pipeline is as it is: that tells what is due, too."""
        row = self.sheet.current
        return None if row is None else f"pipeline/{row['workflow']}/{row['pipeline']}"

    def opened(self) -> None:
        row = self.sheet.current
        if row is not None:
            self.frame.status.open_slots(row)
