"""A graph as a list, one line for each node: for what is too wide or too tangled for boxes. Pure.

Nodes stand layer by layer, the layer's number before its first, each with what it needs; those that are alike share
a line. Called by `drawing`.
"""

from __future__ import annotations

from typing import Iterator, Mapping, Sequence

from xene.plan.drawing import layers
from xene.plan.drawing.boxes import entry, mark
from xene.plan.drawing.graph import Edge, Graph, State, States
from xene.plan.drawing.spans import DIM, Line, Span, columns, cut, text_of

SHARED = 8  # nodes that are alike from which on they share a line
_NEEDS = 6  # needs of one node that are named


def listed(graph: Graph, states: States, width: int) -> list[Line]:
    """The lines, each at most `width` columns."""
    classes = {names[0]: names for names in _classes(graph)}
    edges = [edge for edge in graph.edges if edge.source in classes and edge.target in classes]
    needs: dict[str, list[Edge]] = {}
    for edge in edges:
        needs.setdefault(edge.target, []).append(edge)
    found = layers.layered(dict.fromkeys(classes, 0), edges, None)
    lines: list[Line] = []
    for number, layer in enumerate(found, 1):
        for name in layer:
            shown = str(number) if name == layer[0] else ""
            head = Span(f"{shown:>{len(str(len(found)))}} ", DIM)
            room = max(1, width - len(head.text))
            lines.append((head, *_line(graph, classes, name, needs.get(name, []), states, room)))
    return lines


def _classes(graph: Graph) -> Iterator[list[str]]:
    for names in layers.alike(graph):
        if len(names) >= SHARED:
            yield names
        else:
            yield from ([name] for name in names)


def _line(
    graph: Graph,
    classes: Mapping[str, Sequence[str]],
    name: str,
    needs: Sequence[Edge],
    states: States,
    room: int,
) -> Line:
    names, node = classes[name], graph.nodes[name]
    head = entry(node, states.get(name), room) if len(names) == 1 else _together(names, states, room)
    tail = ", ".join([*node.notes, *([_needed(needs, classes)] if needs else [])])
    left = room - columns(text_of(head)) - 2
    return (*head, Span(f"  {cut(tail, left)}", DIM)) if tail and left > 3 else head


def _needed(needs: Sequence[Edge], classes: Mapping[str, Sequence[str]]) -> str:
    more = f" and {len(needs) - _NEEDS} more" if len(needs) > _NEEDS else ""
    return "← " + ", ".join(_need(edge, classes) for edge in needs[:_NEEDS]) + more


def _together(names: Sequence[str], states: States, room: int) -> Line:
    """`3✓ 47· 50× shard-1, shard-2 … shard-50`."""
    found = [states[name].phase for name in names if name in states]
    states_seen = sorted(set(found), key=found.index)
    marks = tuple(
        span for phase in states_seen for span in (Span(f"{found.count(phase)}"), *mark(State(phase)))
    )
    left = room - columns(text_of(marks))
    return (*marks, Span(cut(f"{len(names)}× {names[0]}, {names[1]} … {names[-1]}", left)))


def _need(edge: Edge, classes: Mapping[str, Sequence[str]]) -> str:
    count = len(classes[edge.source])
    name = edge.source if count == 1 else f"{edge.source} and {count - 1} more"
    return f"{name} ({edge.label})" if edge.label else name
