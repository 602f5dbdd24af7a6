"""A graph as boxes in layers, the lines between them running down. Pure; called by `drawing`.

A box holds the name, behind it the instances, below it what holds the node back; nodes that are alike may share one
box. The edge of a box and its mark have the style of the phase.
"""

from __future__ import annotations

from itertools import groupby
from typing import Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.plan.drawing import layers
from xene.plan.drawing.graph import Edge, Graph, Node, State, States
from xene.plan.drawing.layout import Layout, lay_out
from xene.plan.drawing.lines import Wires
from xene.plan.drawing.nets import Slot
from xene.plan.drawing.spans import BOLD, DIM, PLAIN, Canvas, Line, Span, columns, cut, padded, text_of
from xene.plan.marks import MARKS

LABEL, NOTE = 26, 30  # columns of an edge's label and of a note in a box, at most
MOST = 150  # boxes of one picture
TRACKS = 14  # rows of lines between two layers; more is a tangle that nobody can follow
SHOWN = 60  # nodes that are listed in a shared box
NARROW = 12  # columns below which nothing can be drawn well

_WORST = (phases.ERROR, phases.RUNNING, phases.UNKNOWN, phases.NOT_EXECUTED, phases.SUCCESS)


class Box(NamedTuple):
    """The content of a box. `style` is that of its frame."""

    rows: tuple[Line, ...]
    style: str

    @property
    def width(self) -> int:
        """Columns with the frame."""
        return 4 + max(columns(text_of(row)) for row in self.rows)


def drawn(graph: Graph, states: States, width: int) -> list[Line] | None:
    """The picture in at most `width` columns (12 or more); None where it would be wider, or a tangle."""
    alone = [[name] for name in graph.nodes]
    shared = layers.alike(graph)
    ways = [alone] if len(shared) == len(alone) else [alone, shared]
    for room in (None, width):
        for classes in ways:
            if len(classes) <= MOST:
                layout, boxes = _laid_out(graph, states, classes, width, room)
                if layout is not None and max(layout.tracks, default=0) <= TRACKS:
                    return _picture(layout, boxes)
    return None


def _laid_out(
    graph: Graph, states: States, classes: Sequence[Sequence[str]], width: int, room: int | None
) -> tuple[Layout | None, dict[str, Box]]:
    boxes = {names[0]: _box([graph.nodes[name] for name in names], states, width) for names in classes}
    edges = [
        Edge(edge.source, edge.target, cut(edge.label, min(LABEL, width - 8)))
        for edge in graph.edges
        if edge.source in boxes and edge.target in boxes
    ]
    widths = {name: box.width for name, box in boxes.items()}
    return lay_out(layers.layered(widths, edges, room), widths, edges, width), boxes


# -- content


def entry(node: Node, state: State | None, room: int) -> Line:
    """`✓ test 3/4`: mark, name and instances. Without a run there is no mark."""
    count = (state.instances if state else "") or node.instances
    name = cut(node.name, room - 2 * bool(state) - (len(count) + 1 if count else 0))
    tail = (Span(f" {count}", DIM),) if count else ()
    return (*mark(state), Span(name), *tail)


def mark(state: State | None) -> Line:
    """The mark of a phase and a blank; nothing without a run."""
    return (Span(f"{MARKS.get(state.phase, ' ')} ", state.phase),) if state else ()


def _box(nodes: Sequence[Node], states: States, width: int) -> Box:
    room = max(1, width - 4)
    entries = [entry(node, states.get(node.name), room) for node in nodes]
    rows = entries if len(entries) == 1 else [*_grid(entries[:SHOWN], room), *summed(nodes, states, room)]
    rows += [(Span(cut(note, min(NOTE, room)), DIM),) for note in nodes[0].notes]
    return Box(tuple(rows), worst(nodes, states))


def _grid(entries: Sequence[Line], room: int) -> list[Line]:
    """Entries side by side in columns of one width, about three to a row."""
    cell = max(columns(text_of(each)) for each in entries) + 2
    across = max(1, min((room + 2) // cell, 4 if len(entries) > 4 else len(entries)))
    rows = [entries[at : at + across] for at in range(0, len(entries), across)]
    return [tuple(span for each in row[:-1] for span in padded(each, cell)) + row[-1] for row in rows]


def summed(nodes: Sequence[Node], states: States, room: int) -> list[Line]:
    """A last row for those that were left off, and how all of them are; none where all are shown."""
    if len(nodes) <= SHOWN:
        return []
    found = [states[node.name].phase for node in nodes if node.name in states]
    counts = {phase: len(list(group)) for phase, group in groupby(sorted(found))}
    words = [f"… {len(nodes) - SHOWN} more", *(f"{count} {phase}" for phase, count in counts.items())]
    return [(Span(cut(", ".join(words), room), DIM),)]


def worst(nodes: Sequence[Node], states: States) -> str:
    """The phase that a frame around these nodes shows."""
    found = {states[node.name].phase for node in nodes if node.name in states}
    return next((phase for phase in _WORST if phase in found), min(found, default=PLAIN))


# -- picture


def _picture(layout: Layout, boxes: Mapping[str, Box]) -> list[Line]:
    canvas, top = Canvas(), 0
    for number, layer in enumerate(layout.layers):
        height = max(len(boxes[slot.name].rows) + 2 for slot in layer if slot.name)
        leaving = (
            {id(slot) for net in layout.gaps[number] for slot in net.tops}
            if number < len(layout.gaps)
            else set()
        )
        for slot in layer:
            _stand(canvas, top, height, slot, boxes.get(slot.name), id(slot) in leaving)
        top += height
        if number < len(layout.gaps):
            top += _gap(canvas, top, layout, number)
    return canvas.lines()


def _gap(canvas: Canvas, top: int, layout: Layout, number: int) -> int:
    """Lines and labels between two layers; their height in rows."""
    labels = [
        (port.column, port.label) for slot in layout.layers[number + 1] for port in slot.ports if port.label
    ]
    height = max(1, layout.tracks[number] + bool(labels))
    Wires(layout.gaps[number], height).draw(canvas, top)
    for column, label in labels:
        canvas.put(top + height - 1, column + 2, label, BOLD)
    return height


def _stand(canvas: Canvas, top: int, height: int, slot: Slot, box: Box | None, leaves: bool) -> None:
    """One slot of a layer that is `height` rows high."""
    bottom = top
    if box is not None:
        bottom = top + len(box.rows) + 2
        _frame(canvas, top, slot, box, leaves)
    if leaves:
        for row in range(bottom, top + height):
            canvas.put(row, slot.out, "│", DIM)


def _frame(canvas: Canvas, top: int, slot: Slot, box: Box, leaves: bool) -> None:
    style = box.style if box.style != phases.NOT_EXECUTED else PLAIN
    inner = slot.width - 2
    canvas.put(top, slot.left, f"┌{'─' * inner}┐", style)
    for port in slot.ports:
        canvas.put(top, port.column, "▼", DIM)
    for number, row in enumerate(box.rows, 1):
        canvas.put(top + number, slot.left, f"│{' ' * inner}│", style)
        canvas.put_line(top + number, slot.left + 2, row)
    canvas.put(top + len(box.rows) + 1, slot.left, f"└{'─' * inner}┘", style)
    if leaves:
        canvas.put(top + len(box.rows) + 1, slot.out, "┬", style)
