"""Which layer a node stands in, and which nodes may share a box. Pure.

The first two steps of Sugiyama, Tagawa, Toda (1981), "Methods for Visual Understanding of Hierarchical System
Structures": layers by the longest path from above. Where a layer would be wider than there is room, nodes wait for
the next one, those with the longest way ahead first, as in Coffman and Graham (1972).
"""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

from xene.plan.drawing.graph import Edge, Graph, in_order

GAP = 2  # blank columns between two nodes of a layer


def layered(widths: Mapping[str, int], edges: Sequence[Edge], room: int | None) -> list[list[str]]:
    """Names by layer, top first: every edge leads to a later one. `room` is in columns, None: no limit."""
    needs, after = _neighbours(widths, edges)
    height = {} if room is None else _heights(widths, edges, after)
    waiting = {name: len(needs[name]) for name in widths}
    ready = [name for name in widths if not waiting[name]]
    layers: list[list[str]] = []
    while ready:
        layer, left = _filled(ready, widths, height, room)
        layers.append(layer)
        ready = left + _freed(layer, after, waiting)
    return layers


def _filled(
    ready: list[str], widths: Mapping[str, int], height: Mapping[str, int], room: int | None
) -> tuple[list[str], list[str]]:
    """The next layer, and who has to wait for a later one."""
    if room is None:
        return ready, []
    layer: list[str] = []
    used = -GAP
    for name in sorted(ready, key=lambda name: -height[name]):
        if layer and used + GAP + widths[name] > room:
            continue
        layer.append(name)
        used += GAP + widths[name]
    chosen = set(layer)
    return [name for name in ready if name in chosen], [name for name in ready if name not in chosen]


def _freed(layer: Iterable[str], after: Mapping[str, list[str]], waiting: dict[str, int]) -> list[str]:
    freed = []
    for name in layer:
        for follower in after[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                freed.append(follower)
    return freed


def _neighbours(
    names: Iterable[str], edges: Iterable[Edge]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    needs: dict[str, dict[str, None]] = {name: {} for name in names}
    after: dict[str, dict[str, None]] = {name: {} for name in needs}
    for edge in edges:
        needs[edge.target][edge.source] = None
        after[edge.source][edge.target] = None
    return {name: list(all_) for name, all_ in needs.items()}, {
        name: list(all_) for name, all_ in after.items()
    }


def _heights(names: Iterable[str], edges: Sequence[Edge], after: Mapping[str, list[str]]) -> dict[str, int]:
    """How many layers come after each node at least."""
    height: dict[str, int] = {}
    for name in reversed(in_order(names, dict.fromkeys(Edge(e.source, e.target) for e in edges))):
        height[name] = 1 + max((height[follower] for follower in after[name]), default=-1)
    return height


def alike(graph: Graph) -> list[list[str]]:
    """Nodes that may share a box, the others alone: the same edges in and out, the same labels and notes."""
    ins: dict[str, list[tuple[str, str]]] = {name: [] for name in graph.nodes}
    outs: dict[str, list[tuple[str, str]]] = {name: [] for name in graph.nodes}
    for edge in graph.edges:
        ins[edge.target].append((edge.source, edge.label))
        outs[edge.source].append((edge.target, edge.label))
    classes: dict[object, list[str]] = {}
    for name, node in graph.nodes.items():
        key = (frozenset(ins[name]), frozenset(outs[name]), node.notes)
        classes.setdefault(key, []).append(name)
    return list(classes.values())
