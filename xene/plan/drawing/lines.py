"""The lines between two layers as box-drawing characters. Pure; called by `boxes`.

A line that turns or branches has a corner or a junction there. Where one only crosses another, the upright one
passes over it (`─│─`): a junction is always a branch.
"""

from __future__ import annotations

from typing import Iterable, Mapping

from xene.plan.drawing.nets import Net
from xene.plan.drawing.spans import DIM, Canvas

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_CHARS: Mapping[int, str] = {
    _UP: "│",
    _DOWN: "│",
    _UP | _DOWN: "│",
    _LEFT: "─",
    _RIGHT: "─",
    _LEFT | _RIGHT: "─",
    _UP | _RIGHT: "└",
    _UP | _LEFT: "┘",
    _DOWN | _RIGHT: "┌",
    _DOWN | _LEFT: "┐",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}


class Wires:
    """What runs through each cell of one gap; rows count from its top."""

    def __init__(self, nets: Iterable[Net], height: int) -> None:
        self._upright: dict[tuple[int, int], int] = {}
        self._level: dict[tuple[int, int], int] = {}
        self._joints: set[tuple[int, int]] = set()
        for net in nets:
            self._add(net, height)

    def _add(self, net: Net, height: int) -> None:
        tops, ends = {top.out for top in net.tops}, {port.column for port in net.ports}
        row = max(net.track, 0)
        for column in tops:
            self._drop(column, range(row))
        for column in ends:
            self._drop(column, range(row + 1, height))
        left, right = net.span()
        for column in range(left, right + 1):
            self._bend(row, column, (column > left) * _LEFT | (column < right) * _RIGHT)
        for column in tops | ends:
            self._joints.add((row, column))
            turn = (column in tops) * _UP | (column in ends) * _DOWN
            self._upright[row, column] = self._upright.get((row, column), 0) | turn

    def _drop(self, column: int, rows: range) -> None:
        for row in rows:
            self._upright[row, column] = _UP | _DOWN

    def _bend(self, row: int, column: int, bits: int) -> None:
        self._level[row, column] = self._level.get((row, column), 0) | bits

    def draw(self, canvas: Canvas, top: int) -> None:
        """Put everything on the canvas, the gap's first row at `top`."""
        for place in self._upright.keys() | self._level.keys():
            upright, level = self._upright.get(place, 0), self._level.get(place, 0)
            bits = upright | level if place in self._joints else upright or level
            if bits:
                canvas.put(top + place[0], place[1], _CHARS[bits], DIM)
