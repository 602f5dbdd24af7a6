"""Pictures of graphs: small ones as files with their exact drawing, any graph by its properties.

A case is `drawings/NAME.json` (`tasks`, and if wanted `finally`, `run`, `width`) with `NAME.txt` beside it.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.graphs import dags
from xene.plan import drawing
from xene.plan.drawing import boxes, layers, listing
from xene.plan.drawing import graph as graphs
from xene.plan.drawing.graph import Edge
from xene.plan.drawing.layout import Layout, lay_out
from xene.plan.drawing.nets import Slot
from xene.plan.drawing.spans import TO_ASCII, Line, Span, columns, cut, text_of, wrapped

CASES = sorted((Path(__file__).parent / "drawings").glob("*.json"))


def shown(lines: list[Line]) -> str:
    return "".join(text_of(line).rstrip() + "\n" for line in lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_small_graphs(case: Path) -> None:
    data = json.loads(case.read_text())
    lines = drawing.pipeline(data, data.get("run"), data.get("width", 80))
    assert shown(lines) == case.with_suffix(".txt").read_text()


# -- any graph


@given(dags(), st.integers(12, 120))
@settings(max_examples=150, deadline=None)
def test_every_task_is_drawn_once_within_the_width(tasks: dict[str, Any], width: int) -> None:
    text = shown(drawing.pipeline({"tasks": tasks}, None, width))
    assert all(columns(line) <= width for line in text.splitlines())
    heads = "\n".join(line.partition("←")[0] for line in text.splitlines())
    drawn = re.findall(r"\bn[0-9]+\b", heads)
    if "×" in text:  # many that are alike: first, second and last stand for all
        assert set(drawn) <= set(tasks)
    else:
        assert sorted(drawn) == sorted(tasks)


@given(dags(), st.one_of(st.none(), st.integers(10, 60)))
@settings(max_examples=150, deadline=None)
def test_the_layout_is_true_to_the_graph(tasks: dict[str, Any], room: int | None) -> None:
    graph = graphs.of_tasks(tasks)
    layout = laid_out(graph, room)
    assert sorted(slot.name for layer in layout.layers for slot in layer if slot.name) == sorted(tasks)
    layer_of = {s.name: n for n, layer in enumerate(layout.layers) for s in layer}
    assert all(layer_of[edge.source] < layer_of[edge.target] for edge in graph.edges)
    assert {pair for name in tasks for pair in reached(layout, name)} == {
        (edge.source, edge.target, edge.label) for edge in graph.edges
    }


@given(dags())
@settings(max_examples=150, deadline=None)
def test_nothing_lies_on_anything_else(tasks: dict[str, Any]) -> None:
    layout = laid_out(graphs.of_tasks(tasks), None)
    for layer in layout.layers:
        for one, two in pairwise(layer):
            assert one.left + one.width < two.left
        for slot in layer:
            ports = sorted(port.column for port in slot.ports)
            assert len(set(ports)) == len(ports)
            assert all(slot.left <= at < slot.left + slot.width for at in ports)
    for number, gap in enumerate(layout.gaps):
        assert layout.tracks[number] == 1 + max(net.track for net in gap)
        for net in gap:
            beside = [o.span() for o in gap if o is not net and o.track == net.track >= 0]
            assert all(right < net.span()[0] - 1 or left > net.span()[1] + 1 for left, right in beside)
            for other in gap:  # a line that comes down where another one ends would be read as that one
                if other is not net and {p.column for p in net.ports} & {t.out for t in other.tops}:
                    assert set(map(id, other.ports)) <= set(map(id, net.ports))


def laid_out(graph: graphs.Graph, room: int | None) -> Layout:
    widths = {name: len(name) + 4 for name in graph.nodes}
    layout = lay_out(layers.layered(widths, graph.edges, room), widths, graph.edges, 1000)
    assert layout is not None and layout.width <= 1000
    return layout


def reached(layout: Layout, name: str) -> set[tuple[str, str, str]]:
    """Where the lines that leave a box arrive."""
    (number,) = (n for n, layer in enumerate(layout.layers) if any(s.name == name for s in layer))
    at: list[Slot] = [slot for slot in layout.layers[number] if slot.name == name]
    found = set()
    for gap in layout.gaps[number:]:
        after: list[Slot] = []
        for net in gap:
            if any(slot in net.tops for slot in at):
                for port, slot in zip(net.ports, net.below, strict=True):
                    if slot.name:
                        found.add((name, slot.name, port.label))
                    else:
                        after.append(slot)
        at = after
    return found


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_circles_and_unknown_needs_are_drawn_all_the_same(pairs: list[tuple[int, int]]) -> None:
    tasks: dict[str, Any] = {f"n{n}": {"needs": [f"n{b}" for a, b in pairs if a == n]} for n in range(7)}
    text = shown(drawing.pipeline({"tasks": tasks}, None, 200))
    assert all(re.search(rf"\b{name}\b", text) for name in tasks)


# -- sizes


def many(count: int) -> dict[str, dict[str, Any]]:
    """A tangle: every task needs three that come up to thirty before it."""
    return {
        f"n{n}": {"needs": sorted({f"n{max(0, n - d)}" for d in (1 + n % 3, 7, 30)} - {f"n{n}"}) if n else []}
        for n in range(count)
    }


SHAPES = {
    "chain": {f"n{n}": {"needs": [f"n{n - 1}"] if n else []} for n in range(2000)},
    "fan": {f"n{n}": {"needs": ["n0"] if n else []} for n in range(2000)},
    "tangle": many(2000),
    "alone": {f"n{n}": {} for n in range(2000)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_thousands_of_tasks_fit_the_terminal(shape: str) -> None:
    tasks = SHAPES[shape]
    lines = drawing.pipeline({"tasks": tasks}, {"tasks": {n: {"phase": "Success"} for n in tasks}}, 80)
    assert lines and all(columns(text_of(line)) <= 80 for line in lines)
    assert len(lines) <= 2000


def test_a_wide_fan_shares_a_box_and_tells_how_it_goes() -> None:
    tasks = {"plan": {}, **{f"n{n}": {"needs": ["plan"]} for n in range(100)}}
    run = {"tasks": {n: {"phase": "Success" if n < "n5" else "Running"} for n in tasks}}
    text = shown(drawing.pipeline({"tasks": tasks}, run, 80))
    assert "… 40 more, 55 Running, 45 Success" in text


def test_what_is_too_wide_for_boxes_is_listed() -> None:
    text = shown(listing.listed(graphs.of_tasks(many(6)), {}, 40))
    assert text.splitlines()[:3] == ["1 n0", "2 n1  ← n0", "  n2  ← n0"]


# -- states, pieces


def test_instances_are_summed_and_waiting_is_seen() -> None:
    tasks = {
        "test": {"phase": "Running"},
        "test[a]": {"phase": "Success"},
        "test[b]": {"phase": "Running"},
        "ship": {"phase": "Running", "reason": "WaitingForApproval"},
    }
    found = graphs.states(tasks)
    assert found["test"] == graphs.State("Running", "1/2")
    assert found["ship"].phase == "Queued"
    assert graphs.states(None) == {}


@pytest.mark.parametrize(
    ("matrix", "instances"),
    [
        ({"a": [1, 2], "b": ["x", "y"]}, "×4"),
        ({"a": "${{ fromJson(tasks.p.outputs.l) }}"}, "×?"),
        ({"a": list(range(300))}, "×?"),
    ],
)
def test_instances_that_are_known_beforehand(matrix: dict[str, Any], instances: str) -> None:
    assert graphs.of_tasks({"t": {"matrix": matrix}}).nodes["t"].instances == instances


@pytest.mark.parametrize(
    ("need", "label"),
    [
        ("a", ""),
        ({"task": "a", "on": "success"}, ""),
        ({"task": "a", "on": "any"}, "on any"),
        ({"task": "a", "on": ["error", "skipped"], "when": "x == 1"}, "on error|skipped when x == 1"),
        ({"task": "a", "artifacts": ["src", "doc"]}, "with src,doc"),
    ],
)
def test_labels_say_what_an_edge_asks_for(need: Any, label: str) -> None:
    assert graphs.of_tasks({"a": {}, "b": {"needs": [need]}}).edges == (Edge("a", "b", label),)


def test_the_frame_shows_the_worst() -> None:
    nodes = [graphs.Node("a"), graphs.Node("b")]
    states = {"a": graphs.State("Success"), "b": graphs.State("Error")}
    assert boxes.worst(nodes, states) == "Error"
    assert boxes.worst(nodes, {}) == ""


def test_pipelines_are_drawn_where_one_needs_another() -> None:
    pipelines = {"build": {"tasks": {}}, "scan": {"tasks": {}, "needs": [{"pipeline": "build", "on": "any"}]}}
    text = shown(drawing.between(pipelines, {"build": {"phase": "Success"}}, 80))
    assert "✓ build" in text and "on any" in text and text.index("build") < text.index("scan")
    assert drawing.between({"build": {"tasks": {}}}, {}, 80) == []


def test_the_needs_of_tasks_and_of_finally() -> None:
    body = {"tasks": {"a": {}, "b": {"needs": ["a"]}}, "finally": {"f": {}, "g": {"needs": ["f"]}}}
    assert drawing.needs_of(body) == {"a": [], "b": ["a"], "f": ["a", "b"], "g": ["f"]}


@given(st.text(max_size=40), st.integers(0, 20))
def test_cut_keeps_to_its_room_and_prints(text: str, room: int) -> None:
    short = cut(text, room)
    assert columns(short) <= room and (short.isprintable() or not short)


def test_wide_characters_take_two_columns() -> None:
    tasks = {"a": {}, "b": {"needs": ["a"], "when": "params.x == '日本'"}}
    text = shown(drawing.pipeline({"tasks": tasks}, None, 80))
    rows = [line for line in text.splitlines() if line.strip().startswith("│ ") and line.endswith("│")]
    assert "日本" in text and len({columns(row) for row in rows[-2:]}) == 1


def test_ascii_keeps_the_shape() -> None:
    text = shown(drawing.pipeline({"tasks": {"a": {}, "b": {"needs": ["a"]}}}, None, 80))
    plain = text.translate(TO_ASCII)
    assert plain.isascii() and [len(line) for line in plain.splitlines()] == [
        len(line) for line in text.splitlines()
    ]


def test_a_long_line_is_broken_at_blanks() -> None:
    line = (Span("  task ", "dim"), Span("one waits for two"))
    assert [text_of(part) for part in wrapped(line, 12)] == ["  task one", "    waits", "    for two"]
    assert wrapped(line, 12)[0] == (Span("  task ", "dim"), Span("one"))
    assert wrapped(line, 80) == [line]


@given(st.text(alphabet="ab 漢\u0301", max_size=60), st.integers(4, 30))
def test_nothing_is_lost_where_a_line_is_broken(text: str, width: int) -> None:
    lines = [text_of(part) for part in wrapped((Span(text),), width)]
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns(line) <= width for line in lines)
