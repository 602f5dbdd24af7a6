"""All agents: slots in use, last contact, version. A part of the main screen."""

from __future__ import annotations

from typing import Sequence

from xene.model import phases
from xene.plan import overview, phase_words
from xene.plan.drawing.spans import BOLD, DIM, Line, Span
from xene.tui import filters
from xene.tui.acts import Subject
from xene.tui.pane import Json, Pane, plain
from xene.tui.sheet import Column, Sheet


def agent_columns(width: int) -> Sequence[Column]:
    """The columns of agents."""
    wide = width >= 120
    return (
        Column("AGENT", 30 if wide else 18, lambda row, _: plain(row["name"])),
        Column("PHASE", 22, lambda row, _: (Span(phase_words.agent(row), row["phase"]),)),
        Column("USED", 14 if wide else 9, lambda row, _: _used(row, 8 if wide else 3)),
        Column("SEEN", 10, lambda row, now: plain(overview.seen(row, now, overview.by_tens))),
        Column("VERSION", 12, lambda row, _: plain((row["version"] or "")[:12]), least=100),
        Column(
            "REASON",
            0,
            lambda row, _: plain(": ".join(word for word in (row["reason"], row["message"]) if word)),
        ),
    )


def _used(row: Json, size: int) -> Line:
    """A bar and numbers."""
    total, used = row["capacity"] or 0, row["capacityUsed"] or 0
    full = min(size, round(size * used / total)) if total else 0
    bar = (Span("█" * full, phases.RUNNING), Span("░" * (size - full), DIM))
    return (*bar, Span(f" {overview.load(row)}"))


def agent_detail(row: Json) -> Line:
    """An agent in one line."""
    facts = " ".join(f"{key}={row['facts'][key]}" for key in ("hostname", "python") if row["facts"].get(key))
    labels = ",".join(f"{key}={value}" for key, value in row["labels"].items())
    return (Span(f"{row['name']} ", BOLD), Span(f"{facts} {labels} version {(row['version'] or '-')[:12]}"))


class Agents(Pane):
    """All agents."""

    name_of = "Agents"

    def __init__(self) -> None:
        super().__init__(Sheet(agent_columns, lambda row: row["name"], empty="no agents"))
        self._all: Sequence[Json] = ()

    def give(self, found: Json) -> None:
        self._all = found["agents"]
        self.lay_out()

    def lay_out(self) -> None:
        fields = ("name", "phase", "reason", "message")
        wanted = [
            row
            for row in self._all
            if filters.takes(self.filter, filters.text_of(row, fields), row["labels"])
        ]
        self.show(wanted, self._all)

    def subject(self) -> Subject | None:
        row = self.sheet.current
        return None if row is None else Subject("agent", row["name"], row)

    def detail(self) -> Sequence[Line]:
        return (agent_detail(self.sheet.current) if self.sheet.current is not None else (),)

    def opened(self) -> None:
        self.frame.action_why()
