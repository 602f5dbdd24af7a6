"""The newest runs of all pipelines, and what happened last. Two parts of the main screen."""

from __future__ import annotations

from typing import Sequence

from xene.plan import overview
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean
from xene.plan.marks import MARKS
from xene.tui import filters, questions
from xene.tui.acts import Subject
from xene.tui.pane import Json, Pane, plain
from xene.tui.sheet import Column, Sheet


class Runs(Pane):
    """The newest runs of all pipelines."""

    name_of = "Runs"

    def __init__(self) -> None:
        super().__init__(Sheet(run_columns, lambda row: row["id"], empty="no runs"))
        self._all: Sequence[Json] = ()

    def look(self) -> None:
        self.frame.ask("runs", questions.runs, self._take)

    def _take(self, found: Sequence[Json]) -> None:
        self._all = found
        self.lay_out()

    def lay_out(self) -> None:
        self.show([row for row in self._all if self._takes(row)], self._all)

    def _takes(self, row: Json) -> bool:
        words = filters.text_of(row, ("id", "phase", "reason", "agent", "trigger"))
        name = f"{row['workflow']}/{row['pipeline']}"
        return filters.takes(self.filter, f"{name} {words}", self.labels_of(row["workflow"]))

    def subject(self) -> Subject | None:
        row = self.sheet.current
        return None if row is None else Subject("run", row["id"], row)

    def detail(self) -> Sequence[Line]:
        row = self.sheet.current
        if row is None:
            return ((),)
        words = ": ".join(word for word in (row["reason"], row["message"]) if word)
        name = f"{row['workflow']}/{row['pipeline']} "
        return ((Span(name, BOLD), Span(row["phase"], row["phase"]), Span(f" {clean(words)}")),)

    def opened(self) -> None:
        if self.sheet.current is not None:
            self.frame.status.open_run(self.sheet.current["id"])


def run_columns(width: int) -> Sequence[Column]:
    """The columns of runs."""
    wide = width >= 120
    return (
        Column("", 1, lambda row, _: (Span(MARKS.get(row["phase"], " "), row["phase"]),)),
        Column("RUN", 24, lambda row, _: plain(row["id"])),
        Column(
            "AGE", 7, lambda row, now: plain(overview.ago(row["createdAt"], now, overview.by_tens)), least=100
        ),
        Column("PIPELINE", 36 if wide else 18, lambda row, _: plain(f"{row['workflow']}/{row['pipeline']}")),
        Column("AGENT", 16, lambda row, _: plain(row["agent"]), least=120),
        Column("TRIGGER", 14, lambda row, _: plain(row["trigger"]), least=120),
        Column("PHASE", 20 if wide else 16, lambda row, now: overview.newest([row], now)),
        Column("REASON", 0, lambda row, _: plain(row["reason"])),
    )


class Events(Pane):
    """What happened last, newest first."""

    name_of = "Events"

    def __init__(self) -> None:
        super().__init__(Sheet(event_columns, lambda row: tuple(row.values()), empty="no events"))
        self._all: Sequence[Json] = ()

    def look(self) -> None:
        self.frame.ask("events", questions.events, self._take)

    def _take(self, found: Sequence[Json]) -> None:
        self._all = found
        self.lay_out()

    def lay_out(self) -> None:
        self.show([row for row in self._all if self._takes(row)], self._all)

    def _takes(self, row: Json) -> bool:
        """Labels are those of workflows: of an event about something else they are not known."""
        words = filters.text_of(row, ("kind", "name", "reason", "message"))
        of = row["name"].partition("/")[0] if row["kind"] in ("Workflow", "Pipeline") else None
        return filters.takes(self.filter, words, self.labels_of(of))

    def subject(self) -> Subject | None:
        """None: what an event is about may have gone; why says so."""
        return None

    def why(self) -> str | None:
        """What can be asked about the object of the event."""
        row = self.sheet.current
        kinds = {"Run": "run", "Agent": "agent", "Pipeline": "pipeline", "Workflow": "workflow"}
        return f"{kinds[row['kind']]}/{row['name']}" if row is not None and row["kind"] in kinds else None

    def detail(self) -> Sequence[Line]:
        row = self.sheet.current
        if row is None:
            return ((),)
        about = f"{row['kind'].lower()}/{row['name']} "
        words = clean(row["message"] or row["reason"])
        return ((Span(f"{row['at']} ", DIM), Span(about, BOLD), Span(words)),)

    def opened(self) -> None:
        row = self.sheet.current
        if row is not None and row["kind"] == "Run":
            self.frame.status.open_run(row["name"])
        else:
            self.frame.action_why()


def event_columns(width: int) -> Sequence[Column]:
    """The columns of events."""
    wide = width >= 120
    return (
        Column("AGE", 8, lambda row, now: plain(overview.ago(row["at"], now, overview.by_tens))),
        Column("OBJECT", 44 if wide else 26, lambda row, _: plain(f"{row['kind'].lower()}/{row['name']}")),
        Column("REASON", 20 if wide else 16, lambda row, _: plain(row["reason"])),
        Column("MESSAGE", 0, lambda row, _: plain(row["message"])),
    )
