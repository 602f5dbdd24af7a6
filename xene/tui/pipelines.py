"""The overview: all pipelines, and below them all agents. A part of the main screen."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from textual.app import ComposeResult

from xene.plan import overview
from xene.plan.drawing.spans import DIM, Line, Span
from xene.tui import filters, questions
from xene.tui.acts import Subject
from xene.tui.fleet import agent_columns, agent_detail
from xene.tui.pane import Json, Pane, plain
from xene.tui.sheet import Column, Sheet


def pipeline_columns(pane: Overview, width: int) -> Sequence[Column]:
    """Narrow terminals get fewer and smaller columns; what waits is always there."""
    wide = width >= 120
    name = max((len(row["workflow"]) + len(row["name"]) + 1 for row in pane.rows), default=8)
    agent = max((len(row["agent"] or "-") for row in pane.rows), default=5)
    return (
        Column(
            "PIPELINE",
            max(8, min(name, 44 if wide else 24)),
            lambda row, _: plain(f"{row['workflow']}/{row['name']}"),
        ),
        Column("AGENT", max(5, min(agent, 20 if wide else 8)), lambda row, _: plain(row["agent"])),
        Column("PHASE", 22, lambda row, _: (Span(overview.phase(row), row["phase"]),), least=120),
        Column(
            "RUNS", 20 if wide else 10, lambda row, _: overview.strip(pane.runs_of(row), 20 if wide else 10)
        ),
        Column("LAST", 14 if wide else 7, lambda row, now: _last(pane.runs_of(row), now, wide)),
        Column("NEXT", 10 if wide else 8, lambda row, now: plain(overview.countdown(row["nextFire"], now))),
        Column("WAITS", 0, lambda row, _: plain(pane.waits(row, wide))),
    )


def _last(runs: Sequence[Json], now: float, wide: bool) -> Line:
    """The newest run; where there is little room, only how long it took."""
    line = overview.newest(runs, now)
    return line if wide or len(line) < 2 else (Span(line[1].text.strip() or "-", line[0].style),)


class Overview(Pane):
    """All pipelines, and below them all agents."""

    name_of = "Overview"

    def __init__(self) -> None:
        super().__init__(
            Sheet(lambda width: pipeline_columns(self, width), _key, id="pipelines", empty="...")
        )
        self.below = Sheet(agent_columns, lambda row: row["name"], id="overview-agents", empty="no agents")
        self.rows: Sequence[Json] = ()
        self.agents: Mapping[str, Json] = {}
        self.sort = "name"
        self._all: Sequence[Json] = ()
        self._strips: dict[Any, Sequence[Json]] = {}

    def compose(self) -> ComposeResult:
        yield self.sheet
        yield self.below

    def give(self, found: Json) -> None:
        self.agents = {agent["name"]: agent for agent in found["agents"]}
        self._all = found["pipelines"]
        self.below.show(found["agents"])
        self.lay_out()

    def lay_out(self) -> None:
        first = not self.rows
        self.rows = filters.pipelines(self._all, self.agents, self.filter, self.sort)
        self.sheet.again(self._empty())
        if first or len(self.rows) < 1000:
            self.sheet.restyle()
        self.sheet.show(self.rows)

    def _empty(self) -> str:
        """What stands there where nothing does."""
        if self.frame.found is None:
            return "..."
        return "nothing matches" if self._all else "no pipelines: xene apply PATH"

    def on_sheet_seen(self, event: Sheet.Seen) -> None:
        if event.sheet.id == "pipelines":
            keys = [_key(row) for row in event.sheet.in_sight]
            self.frame.ask("strips", lambda state: questions.strips(state, keys), self._take)

    def _take(self, found: dict[Any, list[Json]]) -> None:
        self._strips.update(found)
        self.sheet.again()

    def runs_of(self, row: Json) -> Sequence[Json]:
        """The last runs of a pipeline, as far as they were read."""
        return self._strips.get(_key(row), ())

    def waits(self, row: Json, wide: bool) -> str:
        """What waits; that it is suspended too, where no column says so."""
        words = overview.waits(row, self.agents)
        return words if wide or not row["suspended"] else f"suspended; {words}" if words else "suspended"

    def focused(self) -> Sheet:
        """The list that has the focus, or had it last."""
        return self.below if self.below.has_focus else self.sheet

    def subject(self) -> Subject | None:
        row = self.focused().current
        if row is None:
            return None
        if self.focused() is not self.sheet:
            return Subject("agent", row["name"], row)
        return Subject("pipeline", f"{row['workflow']}/{row['name']}", row)

    def detail(self) -> Line:
        row = self.focused().current
        if row is None:
            return ()
        if self.focused() is not self.sheet:
            return agent_detail(row)
        last = f"  {row['lastRun']['id']}" if row["lastRun"] else "  no run yet"
        return (
            Span(f"{row['workflow']}/{row['name']} ", "bold"),
            Span(overview.phase(row), row["phase"]),
            Span(f" {self.waits(row, True) or 'nothing waits'}"),
            Span(last, DIM),
        )

    def opened(self) -> None:
        row = self.focused().current
        if row is not None and self.focused() is self.sheet and row["lastRun"]:
            self.frame.status.open_run(row["lastRun"]["id"])
        else:
            self.frame.action_why()


def _key(row: Json) -> tuple[str, str]:
    return row["workflow"], row["name"]
