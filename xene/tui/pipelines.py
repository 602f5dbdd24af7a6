"""The overview: all pipelines under their workflows, and below them all agents. A part of the main screen."""

from __future__ import annotations

import time
from typing import Any, Mapping, Sequence

from textual.app import ComposeResult

from xene.plan import overview, phase_words
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean, cut
from xene.tui import filters, groups, questions
from xene.tui.acts import Subject
from xene.tui.fleet import agent_columns, agent_detail
from xene.tui.groups import Group
from xene.tui.pane import Json, Pane
from xene.tui.pipeline_columns import pipeline_columns
from xene.tui.sheet import Sheet


class Overview(Pane):
    """All pipelines, and below them all agents. By name and without a filter they stand under their workflows."""

    name_of = "Overview"

    def __init__(self) -> None:
        super().__init__(
            Sheet(lambda width: pipeline_columns(self, width), groups.key, id="pipelines", empty="...")
        )
        self.below = Sheet(
            agent_columns, lambda row: row["name"], id="overview-agents", empty="no agents", lasting=False
        )
        self.rows: Sequence[groups.Row] = ()
        self.agents: Mapping[str, Json] = {}
        self.sort = "name"
        self._all: Sequence[Json] = ()
        self._texts: Sequence[str] = ()  # of those, once somebody looks for words
        self._strips: dict[Any, Sequence[Json]] = {}
        self._folded: set[str] = set()
        self._headed: set[str] = set()  # workflows with a line of their own

    def compose(self) -> ComposeResult:
        yield self.sheet
        yield self.below

    def give(self, found: Json) -> None:
        self.agents = {agent["name"]: agent for agent in found["agents"]}
        self._all, self._texts = found["pipelines"], ()
        self._strips.update(found.get("strips", {}))
        self.below.show(found["agents"])
        self.lay_out()

    # -- rows

    def lay_out(self) -> None:
        first = not self.rows
        if not self._texts and not self.in_groups:
            self._texts = filters.texts(self._all, self.agents)
        found = filters.pipelines(self._all, self._texts, self.filter, self.sort)
        self.rows = groups.grouped(found, self._folded) if self.in_groups else found
        self._headed = {row.name for row in self.rows if isinstance(row, Group)}
        self.sheet.again(self._empty())
        if first or len(self.rows) < 1000:
            self.sheet.measure()
        self.sheet.show(self.rows)

    @property
    def in_groups(self) -> bool:
        """Whether they stand under their workflows: what is looked for, or in another order, is a plain list."""
        return self.sort == "name" and not self.filter.words and not self.filter.requirements

    def _empty(self) -> str:
        """What stands there where nothing does."""
        if self.frame.found is None:
            return "..."
        return "nothing matches" if self._all else "no pipelines: xene apply PATH"

    def on_sheet_seen(self, event: Sheet.Seen) -> None:
        if event.sheet.id == "pipelines":
            keys = [groups.key(row) for row in event.sheet.in_sight if not isinstance(row, Group)]
            self.frame.ask("strips", lambda state: questions.strips(state, keys), self._take)

    def _take(self, found: dict[Any, list[Json]]) -> None:
        self._strips.update(found)
        self.sheet.again()
        self.frame.moved()

    def title(self, row: Json, room: int) -> Line:
        """A pipeline below the line of its workflow, or by its whole name, of which its own is seen first."""
        if row["workflow"] in self._headed:
            return (Span(f"  {row['name']}"),)
        left = max(0, room - len(row["name"]) - 1)
        return (Span(f"{cut(row['workflow'], left)}/{row['name']}"),)

    def runs_of(self, row: Json) -> Sequence[Json]:
        """The last runs of a pipeline, as far as they were read."""
        return self._strips.get(groups.key(row), ())

    def waits(self, row: Json, wordy: bool) -> str:
        """What waits; that it is suspended too, where no column says so."""
        words = overview.waits(row, self.agents, commands=False)
        return words if wordy or not row["suspended"] else f"suspended; {words}" if words else "suspended"

    # -- the cursor

    def focused(self) -> Sheet:
        """The list that has the focus, or had it last."""
        return self.below if self.below.has_focus else self.sheet

    def subject(self) -> Subject | None:
        row = self.focused().current
        if row is None:
            return None
        if self.focused() is not self.sheet:
            return Subject("agent", row["name"], row)
        if isinstance(row, Group):
            return Subject("workflow", row.name, {"pipelines": row.pipelines})
        return Subject("pipeline", f"{row['workflow']}/{row['name']}", row)

    def detail(self) -> Sequence[Line]:
        row = self.focused().current
        if row is None:
            return ((), ())
        if self.focused() is not self.sheet:
            return agent_detail(row), ()
        return groups.detail(row, self.agents) if isinstance(row, Group) else self._of_pipeline(row)

    def _of_pipeline(self, row: Json) -> Sequence[Line]:
        last = overview.last(row["lastRun"], self.runs_of(row))
        idle = "its triggers start nothing" if row["suspended"] else "nothing waits"
        first = (
            Span(f"{row['workflow']}/{row['name']} ", BOLD),
            Span(phase_words.pipeline(row), row["phase"]),
            Span(f" {clean(self.waits(row, True)) or idle}"),
            Span(f"  {last}", DIM),
        )
        return first, overview.history(self.runs_of(row), time.time())

    def opened(self) -> None:
        row = self.focused().current
        if isinstance(row, Group):
            self.fold(not row.folded)
        elif row is not None and self.focused() is self.sheet and row["lastRun"]:
            self.frame.status.open_run(row["lastRun"]["id"])
        else:
            self.frame.action_why()

    # -- folding

    def on_sheet_folded(self, event: Sheet.Folded) -> None:
        if event.sheet is self.sheet:
            self.fold(event.folded)

    def fold(self, folded: bool) -> None:
        """Hide the pipelines of the workflow that the cursor is in, or show them."""
        here = self.sheet.current
        workflow = groups.key(here)[0] if here is not None else ""
        if workflow in self._headed:
            self._fold_to(self._folded | {workflow} if folded else self._folded - {workflow})

    def fold_all(self) -> None:
        """Show the workflows alone; all pipelines, where none is shown."""
        self._fold_to(set() if self._headed <= self._folded else set(self._headed))

    def _fold_to(self, folded: set[str]) -> None:
        """The cursor stays where it is, or goes to the line of its workflow."""
        here, self._folded = self.sheet.current, folded
        self.lay_out()
        if here is not None and self.sheet.current is not here:
            self.sheet.select((groups.key(here)[0], ""))
