"""The order of the slots within each layer, so that few lines cross. Pure; called by `layout`.

By barycentres: Sugiyama, Tagawa, Toda (1981), "Methods for Visual Understanding of Hierarchical System Structures".
"""

from __future__ import annotations

from typing import Mapping, Sequence

from xene.plan.drawing.nets import Net, Slot, mean_places

SWEEPS = 4


def put_in_order(slots: list[list[Slot]], gaps: list[list[Net]]) -> None:
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
    near = mean_places(links, place)
    own = {id(slot): n * len(fixed) / max(1, len(layer)) for n, slot in enumerate(layer)}
    layer.sort(key=lambda slot: near.get(id(slot), own[id(slot)]))


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
