"""The columns of the overview: of pipelines, and of the lines of their workflows. Called by `pipelines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from xene.plan import overview, phase_words
from xene.plan.drawing.spans import Line, Span
from xene.tui import groups
from xene.tui.groups import Group, Json
from xene.tui.pane import plain
from xene.tui.sheet import Column

if TYPE_CHECKING:
    from xene.tui.pipelines import Overview

TWENTY, WORDY, BARS = (
    100,
    120,
    160,
)  # columns from which all runs, words for states, and bars of durations have room

Cell = Callable[[Any, float], Line]


def pipeline_columns(pane: Overview, width: int) -> Sequence[Column]:
    """Narrow terminals get fewer and smaller columns; what waits is always there."""
    wordy, marks = width >= WORDY, 20 if width >= TWENTY else 10
    most = 60 if width >= BARS else 44 if wordy else 24
    name = max(8, min(most, max((_width(pane, row) for row in pane.rows), default=0)))
    agent = max((len(_agent(row)) for row in pane.rows), default=5)
    phase = max((sum(len(span.text) for span in _phase_of(row)) for row in pane.rows), default=9)
    return (
        Column("PIPELINE", name, _either(groups.name, lambda row: pane.title(row, name))),
        Column("AGENT", max(5, min(agent, 20 if wordy else 8)), lambda row, _: plain(_agent(row))),
        Column("PHASE", max(9, phase), lambda row, _: _phase_of(row), least=WORDY),
        Column("RUNS", marks, _either(
            lambda row: groups.newest(row, marks), lambda row: overview.strip(pane.runs_of(row), marks)
        )),
        Column("TOOK", marks, _timed(lambda row, now: overview.lengths(pane.runs_of(row), marks, now)), least=BARS),
        Column("LAST", 14 if wordy else 7, _timed(lambda row, now: _last(pane.runs_of(row), now, wordy))),
        Column("NEXT", 10 if wordy else 8, lambda row, now: plain(_countdown(row, now))),
        Column("WAITS", 0, _either(
            lambda row: groups.waits(row, pane.agents), lambda row: plain(pane.waits(row, wordy))
        )),
    )  # fmt: skip


def _either(of_group: Callable[[Group], Line], of_pipeline: Callable[[Json], Line]) -> Cell:
    return lambda row, _: of_group(row) if isinstance(row, Group) else of_pipeline(row)


def _timed(of_pipeline: Cell) -> Cell:
    """What only a pipeline has."""
    return lambda row, now: () if isinstance(row, Group) else of_pipeline(row, now)


def _width(pane: Overview, row: groups.Row) -> int:
    line = groups.name(row) if isinstance(row, Group) else pane.title(row, 1000)
    return sum(len(span.text) for span in line)


def _agent(row: groups.Row) -> str:
    return groups.agent(row) if isinstance(row, Group) else row["agent"] or "-"


def _countdown(row: groups.Row, now: float) -> str:
    return overview.countdown(_due(row), now, overview.by_tens)


def _due(row: groups.Row) -> str | None:
    return groups.due(row) if isinstance(row, Group) else row["nextFire"]


def _phase_of(row: groups.Row) -> Line:
    if isinstance(row, Group):
        return groups.phase(row)
    return (Span(phase_words.pipeline(row), row["phase"]),)


def _last(runs: Sequence[Json], now: float, wordy: bool) -> Line:
    """The newest run; where there is little room, only how long it took."""
    line = overview.newest(runs, now)
    return line if wordy or len(line) < 2 else (Span(line[1].text.strip() or "-", line[0].style),)
