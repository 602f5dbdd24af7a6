"""What a run looks like while it runs: the lines to print when it has moved, and the tree of its tasks. Pure.

`commands.follow` prints them; the runs are the JSON of SPEC 4.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from xene.commands import kinds, tables
from xene.commands.tables import Row
from xene.commands.text import one_line, plural
from xene.model import phases
from xene.plan.marks import MARKS as MARKS


def title(run: Row) -> str:
    """How a run is called where people read: its pipeline and its id."""
    return f"{run['workflow']}/{run['pipeline']} {run['id']}"


def state(thing: Row, now: float) -> str:
    """`Success (2s)`, `Error: StepFailed: exit code 3 (1s)`, `Queued: WaitingForCapacity`."""
    words = [thing["phase"]]
    if thing["phase"] != phases.SUCCESS and thing["reason"]:
        words.append(one_line(thing["reason"]))
        if thing["message"]:
            words.append(one_line(thing["message"]))
    took = kinds.duration(thing, now)
    return ": ".join(words) + (f" ({took})" if took else "")


def changes(before: Row | None, after: Row, now: float) -> Iterator[str]:
    """One line for everything that moved between two looks at a run."""
    name = f"{after['workflow']}/{after['pipeline']}"
    ended = after["phase"] in phases.ENDED
    if not ended:
        yield from _run_change(before, after, now)
    for task, view in after["tasks"].items():
        was = before["tasks"].get(task) if before else None
        if (was["phase"] if was else phases.NOT_EXECUTED) != view["phase"]:
            yield f"{name} {one_line(task)}: {state(view, now)}"
    if ended:
        yield from _run_change(before, after, now)


def _run_change(before: Row | None, after: Row, now: float) -> Iterator[str]:
    if before is None or before["phase"] != after["phase"]:
        where = f" on {after['agent']}" if after["agent"] and after["phase"] not in phases.ENDED else ""
        yield f"{title(after)}: {state(after, now)}{where}"


class Line(NamedTuple):
    """One line of the tree; `phase` gives it its mark and colour."""

    depth: int
    phase: str
    text: str


def tree(runs: Sequence[Row], now: float, room: int) -> list[Line]:
    """The runs with their tasks, in at most `room` lines: what has ended or waits is summed up first."""
    lines: list[Line] = []
    each = max(3, room // max(1, len(runs)))
    for run in runs:
        where = f" on {run['agent']}" if run["agent"] else ""
        name = f"{run['workflow']}/{run['pipeline']}"
        lines.append(Line(0, run["phase"], f"{name}  {state(run, now)}{where}  {run['id']}"))
        lines += _tasks(run["tasks"], now, each - 1)
    return lines


def _tasks(tasks: dict[str, Row], now: float, room: int) -> list[Line]:
    whole = [line for name, task in tasks.items() for line in _task(name, task, now)]
    if len(whole) <= room:
        return whole
    moving = [Line(1, t["phase"], f"{name}  {state(t, now)}") for name, t in tasks.items() if _interests(t)]
    shown = moving[-max(1, room - 1) :]
    counts: dict[str, int] = {}
    for task in tasks.values():
        counts[task["phase"]] = counts.get(task["phase"], 0) + 1
    rest = ", ".join(f"{count} {phase}" for phase, count in counts.items())
    return [*shown, Line(1, phases.NOT_EXECUTED, f"{plural(len(tasks), 'task')}: {rest}")]


def _interests(task: Row) -> bool:
    return task["phase"] in (phases.RUNNING, phases.ERROR)


def _task(name: str, task: Row, now: float) -> Iterator[Line]:
    yield Line(1, task["phase"], f"{one_line(name)}  {state(task, now)}")
    if task["phase"] == phases.RUNNING:
        for step in task["steps"]:
            if step["phase"] == phases.RUNNING:
                yield Line(2, step["phase"], f"{one_line(step['name'])}  {state(step, now)}")


def painted(line: Line, color: bool) -> str:
    """A line of the tree as text."""
    mark = tables.paint(MARKS.get(line.phase, " "), tables.PHASE_COLORS.get(line.phase, ""), color)
    return f"{'  ' * line.depth}{mark} {line.text}"


def ended_well(runs: Sequence[Row]) -> bool:
    """Whether every run ended in Success."""
    return all(run["phase"] == phases.SUCCESS for run in runs)
