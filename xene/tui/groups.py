"""Pipelines under their workflows, as the overview lists them by name; what a workflow's line says. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import Any, Collection, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.plan import overview
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean
from xene.plan.marks import MARKS

Json = Mapping[str, Any]

OPENED, FOLDED = "▾", "▸"


class Group(NamedTuple):
    """A workflow of several pipelines. `folded`: those are not listed below it."""

    name: str
    pipelines: Sequence[Json]
    folded: bool


Row = Group | Json


def grouped(pipelines: Sequence[Json], folded: Collection[str]) -> list[Row]:
    """A line for each workflow, its pipelines below it; for a workflow of one pipeline that pipeline's alone."""
    rows: list[Row] = []
    for name, found in groupby(pipelines, key=lambda row: str(row["workflow"])):
        members = list(found)
        if len(members) > 1:
            rows.append(Group(name, members, name in folded))
        if len(members) == 1 or name not in folded:
            rows += members
    return rows


def key(row: Row) -> tuple[str, str]:
    """What names a row: workflow and pipeline, "" for the line of a workflow."""
    return (row.name, "") if isinstance(row, Group) else (row["workflow"], row["name"])


def name(group: Group) -> Line:
    """`▾ shop 3`: that many pipelines."""
    return (
        Span(f"{FOLDED if group.folded else OPENED} {group.name}", BOLD),
        Span(f" {len(group.pipelines)}", DIM),
    )


def agent(group: Group) -> str:
    """The agent of all of them, or on how many they are."""
    names = {row["agent"] for row in group.pipelines if row["agent"]}
    return f"{len(names)} agents" if len(names) > 1 else next(iter(names), "")


def phase(group: Group) -> Line:
    """The phase of all of them, or how many are in which, the fewest first."""
    counts = Counter(row["phase"] for row in group.pipelines)
    if len(counts) == 1:
        found = next(iter(counts))
        suspended = all(row["suspended"] for row in group.pipelines)
        return (Span(f"{found},Suspended" if suspended else found, found),)
    rarest = min(counts, key=lambda each: counts[each])
    return (Span(f"{counts[rarest]} of {len(group.pipelines)} {rarest}", rarest),)


def newest(group: Group, count: int) -> Line:
    """The mark of the newest run of each of its pipelines, in their order; `-` for one that never ran."""
    runs = [row["lastRun"] for row in group.pipelines[:count]]
    return tuple(Span(MARKS.get(run["phase"], " "), run["phase"]) if run else Span("-", DIM) for run in runs)


def due(group: Group) -> str | None:
    """When the first of them is due."""
    return min((row["nextFire"] for row in group.pipelines if row["nextFire"]), default=None)


def waits(group: Group, agents: Mapping[str, Json]) -> Line:
    """That it is suspended; and which pipelines wait, below a line that is folded."""
    names = [pipeline for pipeline, _ in _waiting(group, agents)] if group.folded else []
    waiting = f"{', '.join(names)} {'wait' if len(names) > 1 else 'waits'}" if names else ""
    return (Span("; ".join(word for word in (_suspended(group), waiting) if word)),)


def _suspended(group: Group) -> str:
    held = [row["name"] for row in group.pipelines if row["suspended"]]
    if not held:
        return ""
    return "suspended" if len(held) == len(group.pipelines) else f"{', '.join(held)} suspended"


def _waiting(group: Group, agents: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Pipelines of which something waits, and what."""
    found = ((row["name"], overview.waits(row, agents, commands=False)) for row in group.pipelines)
    return [(pipeline, clean(words)) for pipeline, words in found if words]


def detail(group: Group, agents: Mapping[str, Json]) -> Sequence[Line]:
    """A workflow in two lines: how many of its pipelines are well, and what waits."""
    bad = sum(map(_in_trouble, group.pipelines))
    trouble = Span(f"{bad} in trouble", phases.ERROR) if bad else Span("none in trouble", phases.SUCCESS)
    labels = " ".join(f"{label}={value}" for label, value in sorted(group.pipelines[0]["labels"].items()))
    first = (
        Span(f"{group.name} ", BOLD),
        Span(f"{len(group.pipelines)} pipelines, "),
        trouble,
        Span(f"  {labels}", DIM),
    )
    waiting = [f"{pipeline}: {words}" for pipeline, words in _waiting(group, agents)]
    words = "; ".join(word for word in (_suspended(group), *waiting) if word)
    return first, (Span(words or "nothing waits"),)


def _in_trouble(row: Json) -> bool:
    """Whether it failed last, or is nowhere."""
    return row["phase"] == phases.NOT_SCHEDULED or row["execution"] in (phases.ERROR, phases.UNKNOWN)
