"""What there is to draw: nodes, edges and their labels out of a manifest, their states out of a run. Pure.

Input is JSON: the pipelines of a stored workflow (`model.pipeline_codec`) and runs as SPEC 4 prints them.
Edges to nobody are passed over, and of a circle the edges that close it, so that whatever comes can be drawn.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, NamedTuple

from xene.engine import matrix as matrices
from xene.model import phases, pipeline_codec
from xene.model.fields import as_list
from xene.model.workflow import JOIN_ANY, OUTCOME_SUCCESS

Json = Mapping[str, Any]


class Node(NamedTuple):
    """A task or a pipeline. `instances` is how many it will have (`×4`), `notes` are what holds it back."""

    name: str
    instances: str = ""
    notes: tuple[str, ...] = ()


class Edge(NamedTuple):
    """`label` is what the edge asks for beyond success; empty where that is all."""

    source: str
    target: str
    label: str = ""


class Graph(NamedTuple):
    """Nodes in the order of the manifest, and edges without circles."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]


class State(NamedTuple):
    """How far a node is. `instances`: `3/4` of them ended in Success. What waits for something is Queued."""

    phase: str
    instances: str = ""


States = Mapping[str, State]


def of_tasks(tasks: Json) -> Graph:
    """The graph of a pipeline's `tasks` (or of its `finally`)."""
    nodes = {name: Node(name, _instances(name, body), tuple(_notes(body))) for name, body in tasks.items()}
    return _graph(nodes, (edge for name, body in tasks.items() for edge in _edges(name, body, "task")))


def of_pipelines(pipelines: Json) -> Graph:
    """The graph of a workflow's `pipelines`."""
    nodes = {name: Node(name) for name in pipelines}
    return _graph(
        nodes, (edge for name, body in pipelines.items() for edge in _edges(name, body, "pipeline"))
    )


def states(tasks: Json | None) -> dict[str, State]:
    """The states of a run's tasks, instances summed into their task. None: there is no run, and no state."""
    if tasks is None:
        return {}
    done, total = _sums(tasks)
    return {
        name: State(phase_of(task), f"{done.get(name, 0)}/{total[name]}" if name in total else "")
        for name, task in tasks.items()
    }


def phase_of(task: Json) -> str:
    """The phase under which a task is shown: what waits for something is Queued."""
    waits = task["phase"] not in phases.ENDED and (task.get("reason") or "").startswith("Waiting")
    return phases.QUEUED if waits else str(task["phase"])


def task_of(instance: str) -> str:
    """The task that an instance `test[unit,true]` belongs to; a task's own name stays as it is."""
    return instance.partition("[")[0]


def _sums(tasks: Json) -> tuple[dict[str, int], dict[str, int]]:
    done: dict[str, int] = {}
    total: dict[str, int] = {}
    for name, task in tasks.items():
        whole = task_of(name)
        if whole != name:
            total[whole] = total.get(whole, 0) + 1
            done[whole] = done.get(whole, 0) + (task["phase"] == phases.SUCCESS)
    return done, total


def _instances(name: str, body: Json) -> str:
    if "matrix" not in body:
        return ""
    try:
        found = matrices.static_instances(name, pipeline_codec.matrix_from_json(dict(body["matrix"])))
    except matrices.TooMany:
        return "×?"
    return "×?" if found is None else f"×{len(found)}"


def _notes(body: Json) -> Iterator[str]:
    if body.get("join") == JOIN_ANY:
        yield "join any"
    if "when" in body:
        yield f"when {body['when']}"
    if "approval" in body:
        yield "approval"


def _edges(name: str, body: Json, kind: str) -> Iterator[Edge]:
    for need in body.get("needs", ()):
        if isinstance(need, str):
            yield Edge(need, name)
        else:
            yield Edge(need[kind], name, " ".join(_label(need)))


def _label(need: Json) -> Iterator[str]:
    on = as_list(need.get("on", OUTCOME_SUCCESS))
    if on != [OUTCOME_SUCCESS]:
        yield "on " + "|".join(on)
    if "when" in need:
        yield f"when {need['when']}"
    if need.get("artifacts"):
        yield "with " + ",".join(need["artifacts"])


def _graph(nodes: Mapping[str, Node], edges: Iterable[Edge]) -> Graph:
    known = dict.fromkeys(e for e in edges if e.source in nodes and e.target in nodes)
    place = {name: n for n, name in enumerate(in_order(nodes, known))}
    return Graph(nodes, tuple(e for e in known if place[e.source] < place[e.target]))


def in_order(names: Iterable[str], edges: Iterable[Edge]) -> list[str]:
    """Every name once, after what it needs (Kahn 1962); those in a circle come last, in their own order."""
    waiting = dict.fromkeys(names, 0)
    after: dict[str, list[str]] = {name: [] for name in waiting}
    for edge in edges:
        waiting[edge.target] += 1
        after[edge.source].append(edge.target)
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for follower in after[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                ready.append(follower)
    placed = set(ready)
    return ready + [name for name in waiting if name not in placed]
