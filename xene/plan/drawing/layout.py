"""Where boxes and lines stand: nets between layers, order within them, columns, ports. Pure; draws nothing.

The layers are those of `layers`. Sources that lead to the same ports share one line, and so do the parts of an edge
that pass a layer (edge concentration, Newbery 1989). The order within a layer is by barycentres (Sugiyama,
Tagawa, Toda 1981); columns are the least squares fit to the neighbours' columns under the order, found by
pooling adjacent violators (Ayer and others 1955).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Mapping, Sequence

from xene.plan.drawing.graph import Edge
from xene.plan.drawing.layers import GAP
from xene.plan.drawing.spans import columns

SWEEPS = 4
_STRAIGHT = 4.0  # weight of a passing line beside a box: long lines should be straight


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
    """Lines that are one between two layers: from every slot of `tops` to every port of `ports`."""

    tops: list[Slot]
    ports: list[Port]
    below: list[Slot]
    track: int = 0

    def span(self) -> tuple[int, int]:
        """The first and the last column."""
        ends = [top.out for top in self.tops] + [port.column for port in self.ports]
        return min(ends), max(ends)


@dataclass
class Layout:
    """Layers of slots, and the nets below each of them. `tracks`: how many rows a gap's nets need."""

    layers: list[list[Slot]]
    gaps: list[list[Net]]
    tracks: list[int]

    @property
    def width(self) -> int:
        """Columns in all."""
        return max((slot.left + slot.width for layer in self.layers for slot in layer), default=0)


def lay_out(
    layers: Sequence[Sequence[str]], widths: Mapping[str, int], edges: Sequence[Edge], room: int
) -> Layout | None:
    """Give every name and every edge its place within `room` columns; None where a layer's slots do not fit."""
    slots, gaps = _nets(layers, widths, edges)
    if any(sum(slot.width + GAP for slot in layer) - GAP > room for layer in slots):
        return None
    _order(slots, gaps)
    _columns(slots, gaps, room)
    for layer, gap in zip(slots[1:], gaps, strict=False):
        _settle_ports(layer, gap)
    return Layout(slots, gaps, [_assign_tracks(gap) for gap in gaps])


# -- nets


def _nets(
    layers: Sequence[Sequence[str]], widths: Mapping[str, int], edges: Sequence[Edge]
) -> tuple[list[list[Slot]], list[list[Net]]]:
    layer_of = {name: number for number, layer in enumerate(layers) for name in layer}
    boxes = {name: Slot(name, width) for name, width in widths.items()}
    wanted: dict[str, dict[tuple[str, str], None]] = {name: {} for name in widths}
    ports: dict[tuple[str, str], Port] = {}
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
    passing: list[tuple[Slot, frozenset[tuple[str, str]]]] = []
    for number, layer in enumerate(layers[:-1]):
        lines = passing + [(boxes[name], frozenset(wanted[name])) for name in layer if wanted[name]]
        nets, passing = _gap(lines, number + 1, layer_of, boxes, ports)
        slots[number + 1] += [slot for slot, _ in passing]
        gaps.append(nets)
    return slots, gaps


def _gap(
    lines: Iterable[tuple[Slot, frozenset[tuple[str, str]]]],
    below: int,
    layer_of: Mapping[str, int],
    boxes: Mapping[str, Slot],
    ports: Mapping[tuple[str, str], Port],
) -> tuple[list[Net], list[tuple[Slot, frozenset[tuple[str, str]]]]]:
    """The nets of one gap, and the lines that pass the layer below it with the ends that they still have."""
    bundles: dict[frozenset[tuple[str, str]], list[Slot]] = {}
    for slot, ends in lines:
        bundles.setdefault(ends, []).append(slot)
    nets: list[Net] = []
    passing: dict[frozenset[tuple[str, str]], Slot] = {}
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


# -- order


def _order(slots: list[list[Slot]], gaps: list[list[Net]]) -> None:
    """Sort every layer so that few lines cross; the best of some sweeps down and up."""
    best, fewest = [list(layer) for layer in slots], _crossings(slots, gaps)
    for _ in range(SWEEPS):
        if not fewest:
            break
        for number, gap in enumerate(gaps):
            _sort(slots[number + 1], slots[number], [(net.below, net.tops) for net in gap])
        for number in reversed(range(len(gaps))):
            _sort(slots[number], slots[number + 1], [(net.tops, net.below) for net in gaps[number]])
        count = _crossings(slots, gaps)
        if count < fewest:
            best, fewest = [list(layer) for layer in slots], count
    slots[:] = best


def _sort(layer: list[Slot], fixed: list[Slot], links: list[tuple[list[Slot], list[Slot]]]) -> None:
    place = {id(slot): float(n) for n, slot in enumerate(fixed)}
    near = _near(links, place)
    own = {id(slot): n * len(fixed) / max(1, len(layer)) for n, slot in enumerate(layer)}
    layer.sort(key=lambda slot: near.get(id(slot), own[id(slot)]))


def _near(links: list[tuple[list[Slot], list[Slot]]], place: Mapping[int, float]) -> dict[int, float]:
    """The mean place of every slot's neighbours."""
    sums: dict[int, tuple[float, int]] = {}
    for ours, theirs in links:
        total = sum(place[id(slot)] for slot in theirs)
        for slot in ours:
            before, count = sums.get(id(slot), (0.0, 0))
            sums[id(slot)] = before + total, count + len(theirs)
    return {key: total / count for key, (total, count) in sums.items()}


def _crossings(slots: list[list[Slot]], gaps: list[list[Net]]) -> int:
    return sum(_crossed(slots[n], slots[n + 1], gap) for n, gap in enumerate(gaps))


def _crossed(upper: list[Slot], lower: list[Slot], gap: list[Net]) -> int:
    """Pairs of lines that cross, a net counted by its outermost ones: enough to compare two orders."""
    top = {id(slot): n for n, slot in enumerate(upper)}
    low = {id(slot): n for n, slot in enumerate(lower)}
    ends = sorted({(top[id(a)], low[id(b)]) for net in gap for a in net.tops for b in _outer(net.below, low)})
    seen, count = [0] * (len(lower) + 1), 0
    for number, (_, at) in enumerate(ends):  # a Fenwick tree of the lower ends so far
        count += number - _upto(seen, at + 1)
        at += 1
        while at < len(seen):
            seen[at] += 1
            at += at & -at
    return count


def _outer(below: list[Slot], low: Mapping[int, int]) -> list[Slot]:
    ordered = sorted(below, key=lambda slot: low[id(slot)])
    return ordered if len(ordered) < 3 else [ordered[0], ordered[-1]]


def _upto(seen: Sequence[int], at: int) -> int:
    count = 0
    while at:
        count += seen[at]
        at -= at & -at
    return count


# -- columns


def _columns(slots: list[list[Slot]], gaps: list[list[Net]], room: int) -> None:
    """Place every layer near its neighbours, from above and from below in turn."""
    for layer in slots:
        _place(layer, {}, room)
    for _ in range(SWEEPS):
        for number in reversed(range(len(gaps))):
            _pull(slots[number], [(net.tops, net.below) for net in gaps[number]], room, from_above=False)
        for number, gap in enumerate(gaps):
            _pull(slots[number + 1], [(net.below, net.tops) for net in gap], room, from_above=True)
    first = min((slot.left for layer in slots for slot in layer), default=0)
    for layer in slots:
        for slot in layer:
            slot.settle(slot.left - first)


def _pull(
    layer: list[Slot], links: list[tuple[list[Slot], list[Slot]]], room: int, *, from_above: bool
) -> None:
    """Settle a layer below (or above) the layer that its links lead to."""
    place = {
        id(slot): float(slot.out if from_above else slot.left + slot.entrance)
        for _, theirs in links
        for slot in theirs
    }
    near = _near(links, place)
    own = {id(slot): slot.entrance if from_above else slot.width // 2 for slot in layer}
    _place(layer, {key: at - own[key] for key, at in near.items()}, room)


def _place(layer: list[Slot], wanted: Mapping[int, float], room: int) -> None:
    """Settle a layer in its order, left ends as near to the wanted columns as the widths allow."""
    offset, targets, weights, starts = 0, [], [], []
    for slot in layer:
        starts.append(offset)
        targets.append(wanted.get(id(slot), float(slot.left)) - offset)
        weights.append(1.0 if slot.name else _STRAIGHT)
        offset += slot.width + GAP
    slack = max(0, room - (offset - GAP))
    for slot, start, shift in zip(layer, starts, _monotone(targets, weights), strict=True):
        slot.settle(start + min(max(0, round(shift)), slack))


def _monotone(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing numbers nearest to `values`, by weighted least squares."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            total = before[1] + pool[1]
            pool = ((before[0] * before[1] + pool[0] * pool[1]) / total, total, before[2] + pool[2])
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


# -- ports and tracks


def _settle_ports(layer: list[Slot], gap: list[Net]) -> None:
    """Give every port of a layer its column. None lies below a top of a line that it does not belong to."""
    owners = {top.out: net for net in gap for top in net.tops}
    feeds: dict[int, list[Net]] = {}
    for net in gap:
        for port in net.ports:
            feeds.setdefault(id(port), []).append(net)
    for slot in layer:
        slot.ports.sort(key=lambda port: _middle(feeds[id(port)]))
        low, after = slot.left + bool(slot.name), sum(port.width for port in slot.ports)
        for port in slot.ports:
            after -= port.width
            high = slot.left + slot.width - 1 - bool(slot.name) - after - (port.width - 3)
            port.column = _column(slot, feeds[id(port)], owners, low, high)
            low = port.column + 1 + (port.width - 3)
        if not slot.name:
            slot.out = slot.ports[0].column


def _middle(nets: list[Net]) -> float:
    outs = [top.out for net in nets for top in net.tops]
    return sum(outs) / len(outs)


def _column(slot: Slot, nets: list[Net], owners: Mapping[int, Net], low: int, high: int) -> int:
    inside = [top.out for net in nets for top in net.tops if low <= top.out <= high]
    first = inside[0] if len(inside) == 1 else min(max(slot.left + slot.width // 2, low), high)
    if len(slot.ports) > 1 and not inside:
        first = low
    tries = sorted(range(low, high + 1), key=lambda column: (abs(column - first), column))
    return next((column for column in tries if _may_stand(column, nets, owners)), first)


def _may_stand(column: int, nets: list[Net], owners: Mapping[int, Net]) -> bool:
    owner = owners.get(column)
    return owner is None or (owner in nets and (len(nets) == 1 or len(owner.ports) == 1))


def _assign_tracks(gap: list[Net]) -> int:
    """A row for each net that turns, so that no two touch in it: the left-edge rule (Hashimoto, Stevens 1971)."""
    ends: list[int] = []
    for net in sorted(gap, key=lambda net: net.span()):
        left, right = net.span()
        if left == right:
            net.track = -1
            continue
        net.track = next((n for n, end in enumerate(ends) if end + 1 < left), len(ends))
        ends[net.track : net.track + 1] = [right]
    return len(ends)
