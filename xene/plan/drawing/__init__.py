"""Pictures of workflows and runs as lines of styled spans. Pure: JSON, states and a width in, lines out.

Called by the commands `graph` and `timeline`, and by the live screen. Nothing here knows a terminal: `width` is
given in columns, styles are words (`spans`). `languages` writes a graph for other programs to draw.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from xene.plan.drawing import graph as graphs
from xene.plan.drawing import languages
from xene.plan.drawing.boxes import NARROW, drawn
from xene.plan.drawing.gantt import attempts, timeline
from xene.plan.drawing.graph import Edge, Graph, State, States
from xene.plan.drawing.languages import Part
from xene.plan.drawing.listing import listed
from xene.plan.drawing.spans import DIM, Line, Span

__all__ = [
    "Graph", "Line", "Span", "States", "attempts", "between", "dot", "mermaid", "needs_of", "picture", "pipeline",
    "timeline",
]  # fmt: skip

Json = Mapping[str, Any]
Runs = Mapping[str, Json]  # the newest run of each pipeline, where it has one


def picture(graph: Graph, states: States, width: int) -> list[Line]:
    """A graph in at most `width` columns (at least 12): boxes and lines, else a list layer by layer."""
    width = max(width, NARROW)
    found = drawn(graph, states, width)
    return listed(graph, states, width) if found is None else found


def pipeline(body: Json, run: Json | None, width: int) -> list[Line]:
    """The tasks of a pipeline, and below them those of its `finally`, with the states of `run`."""
    states = graphs.states(run and run["tasks"])
    lines = picture(graphs.of_tasks(body["tasks"]), states, width)
    if body.get("finally"):
        last = picture(graphs.of_tasks(body["finally"]), states, width)
        lines = [*lines, (), (Span("finally:", DIM),), *last]
    return lines


def between(pipelines: Json, runs: Runs, width: int) -> list[Line]:
    """The pipelines of a workflow and how they follow each other; nothing where none needs another."""
    graph = graphs.of_pipelines(pipelines)
    states = {name: State(run["phase"]) for name, run in runs.items()}
    return picture(graph, states, width) if graph.edges else []


def mermaid(pipelines: Json, runs: Runs) -> str:
    """These pipelines as a Mermaid flowchart."""
    return languages.mermaid(*_parts(pipelines, runs))


def dot(name: str, pipelines: Json, runs: Runs) -> str:
    """These pipelines as a Graphviz digraph called `name`."""
    return languages.dot(name, *_parts(pipelines, runs))


def _parts(pipelines: Json, runs: Runs) -> tuple[Sequence[Part], Sequence[Edge]]:
    parts = [
        Part(
            name,
            graphs.of_tasks(body["tasks"]),
            graphs.of_tasks(body.get("finally", {})),
            graphs.states(runs[name]["tasks"] if name in runs else None),
        )
        for name, body in pipelines.items()
    ]
    return parts, graphs.of_pipelines(pipelines).edges


def needs_of(body: Json) -> dict[str, list[str]]:
    """What each task of a pipeline waits for; a task of `finally` that needs nothing waits for all others."""
    tasks, last = body["tasks"], body.get("finally", {})
    needs: dict[str, list[str]] = {name: [] for name in (*tasks, *last)}
    for edge in (*graphs.of_tasks(tasks).edges, *graphs.of_tasks(last).edges):
        needs[edge.target].append(edge.source)
    for name in last:
        needs[name] = needs[name] or list(tasks)
    return needs
