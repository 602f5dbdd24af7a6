"""Slots in layers, and the nets that run between them. Pure; called by `layout`.

Sources that lead to the same ports share one line, and so do the parts of an edge that pass a layer (edge
concentration, Newbery 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Mapping, Sequence

from xene.plan.drawing.graph import Edge
from xene.plan.drawing.spans import columns

End = tuple[str, str]  # the node that an edge leads to, and the label with which it comes in


@dataclass(eq=False)
class Port:
    """Where lines come in at the top of a slot; `label` is written beside it."""

    label: str = ""
    column: int = 0

    @property
    def width(self) -> int:
        """Columns that it takes: itself, two to step aside, and its label."""
        return 3 + (columns(self.label) + 1 if self.label else 0)


@dataclass(eq=False)
class Slot:
    """A place in a layer: the box of `name`, or (no name) a line that passes."""

    name: str
    width: int
    ports: list[Port] = field(default_factory=list)
    left: int = 0
    out: int = 0  # the column in which lines leave

    @property
    def entrance(self) -> int:
        """Where a line comes in best, from `left`: the middle, or as near to it as the label leaves room."""
        middle = self.width // 2
        return (
            min(middle, self.width + 1 - self.ports[0].width)
            if len(self.ports) == 1 and self.name
            else middle
        )

    def settle(self, left: int) -> None:
        """Stand at `left`."""
        self.left, self.out = left, left + self.width // 2


@dataclass(eq=False)
class Net:
    """Lines that are one between two layers: from every slot of `tops` to every port, `below` the ports' slots."""

    tops: list[Slot]
    ports: list[Port]
    below: list[Slot]
    track: int = 0

    def span(self) -> tuple[int, int]:
        """The first and the last column."""
        ends = [top.out for top in self.tops] + [port.column for port in self.ports]
        return min(ends), max(ends)


def strung(
    layers: Sequence[Sequence[str]], widths: Mapping[str, int], edges: Sequence[Edge]
) -> tuple[list[list[Slot]], list[list[Net]]]:
    """The slots of every layer, and the nets below each layer but the last."""
    layer_of = {name: number for number, layer in enumerate(layers) for name in layer}
    boxes = {name: Slot(name, width) for name, width in widths.items()}
    wanted: dict[str, dict[End, None]] = {name: {} for name in widths}
    ports: dict[End, Port] = {}
    for edge in edges:
        end = (edge.target, edge.label)
        wanted[edge.source][end] = None
        if end not in ports:
            ports[end] = Port(edge.label)
            boxes[edge.target].ports.append(ports[end])
    for box in boxes.values():
        box.width = max(box.width, 2 + sum(port.width for port in box.ports))
    slots = [[boxes[name] for name in layer] for layer in layers]
    gaps = []
    passing: list[tuple[Slot, frozenset[End]]] = []
    for number, layer in enumerate(layers[:-1]):
        lines = passing + [(boxes[name], frozenset(wanted[name])) for name in layer if wanted[name]]
        nets, passing = _gap(lines, number + 1, layer_of, boxes, ports)
        slots[number + 1] += [slot for slot, _ in passing]
        gaps.append(nets)
    return slots, gaps


def _gap(
    lines: Iterable[tuple[Slot, frozenset[End]]],
    below: int,
    layer_of: Mapping[str, int],
    boxes: Mapping[str, Slot],
    ports: Mapping[End, Port],
) -> tuple[list[Net], list[tuple[Slot, frozenset[End]]]]:
    """The nets of one gap, and the lines that pass the layer below it with the ends that they still have."""
    bundles: dict[frozenset[End], list[Slot]] = {}
    for slot, ends in lines:
        bundles.setdefault(ends, []).append(slot)
    nets: list[Net] = []
    passing: dict[frozenset[End], Slot] = {}
    for ends, tops in bundles.items():
        here = sorted(end for end in ends if layer_of[end[0]] == below)
        beyond = frozenset(ends.difference(here))
        net = Net(tops, [ports[end] for end in here], [boxes[end[0]] for end in here])
        if beyond:
            slot = passing.setdefault(beyond, Slot("", 3, [Port()]))
            net.ports.append(slot.ports[0])
            net.below.append(slot)
        nets.append(net)
    return nets, [(slot, ends) for ends, slot in passing.items()]


def mean_places(links: list[tuple[list[Slot], list[Slot]]], place: Mapping[int, float]) -> dict[int, float]:
    """The mean place of every slot's neighbours."""
    sums: dict[int, tuple[float, int]] = {}
    for ours, theirs in links:
        total = sum(place[id(slot)] for slot in theirs)
        for slot in ours:
            before, count = sums.get(id(slot), (0.0, 0))
            sums[id(slot)] = before + total, count + len(theirs)
    return {key: total / count for key, (total, count) in sums.items()}
