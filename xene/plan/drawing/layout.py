"""Where boxes and lines stand: columns of the slots, of their ports, and rows of the lines. Pure; draws nothing.

The layers are those of `layers`, the nets those of `nets`, in the order that `order` finds. Columns are the least
squares fit to the neighbours' columns under that order, found by pooling adjacent violators (Ayer and others 1955).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence

from xene.plan.drawing.graph import Edge
from xene.plan.drawing.layers import GAP
from xene.plan.drawing.nets import Net, Slot, mean_places, strung
from xene.plan.drawing.order import put_in_order

SWEEPS = 4
_STRAIGHT = 4.0  # weight of a passing line beside a box: long lines should be straight


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
    slots, gaps = strung(layers, widths, edges)
    if any(sum(slot.width + GAP for slot in layer) - GAP > room for layer in slots):
        return None
    put_in_order(slots, gaps)
    _columns(slots, gaps, room)
    for layer, gap in zip(slots[1:], gaps, strict=False):
        _settle_ports(layer, gap)
    return Layout(slots, gaps, [_assign_tracks(gap) for gap in gaps])


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
    near = mean_places(links, place)
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
