"""A graph in the languages of other programs: Mermaid and Graphviz's dot. Pure.

Ids are numbers, so that no name can break the syntax; labels are quoted, and what their languages would read in
them is written as entities (Mermaid) or escaped (dot).
"""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from xene.model import phases
from xene.plan.drawing.graph import Edge, Graph, Node, States
from xene.plan.drawing.spans import clean

LABEL = 60  # characters of a label, at most

COLORS: Mapping[str, tuple[str, str]] = {  # of a phase: what fills, what frames
    phases.SUCCESS: ("#d3f4d8", "#1a7f37"),
    phases.ERROR: ("#ffd8d6", "#cf222e"),
    phases.RUNNING: ("#d0ebf7", "#0969da"),
    phases.STARTING_UP: ("#d0ebf7", "#0969da"),
    phases.SHUTTING_DOWN: ("#d0ebf7", "#0969da"),
    phases.UNKNOWN: ("#fff3c4", "#9a6700"),
    phases.QUEUED: ("#fff3c4", "#9a6700"),
    phases.NOT_EXECUTED: ("#f3f3f3", "#8c959f"),
}


class Part(NamedTuple):
    """A pipeline as a frame of its own: its graph, that of its `finally`, and the states of its newest run."""

    name: str
    graph: Graph
    last: Graph
    states: States


def _text(node: Node, states: States) -> list[str]:
    """The lines of a node."""
    state = states.get(node.name)
    count = (state.instances if state else "") or node.instances
    head = f"{node.name} {count}".rstrip()
    return [_short(line) for line in (head, *node.notes)]


def _short(text: str) -> str:
    line = clean(text)
    return line if len(line) <= LABEL else line[: LABEL - 1].rstrip() + "…"


# -- Mermaid


def mermaid(parts: Sequence[Part], edges: Sequence[Edge]) -> str:
    """A flowchart with a subgraph for each pipeline; `edges` are those between pipelines."""
    number = {part.name: f"p{n}" for n, part in enumerate(parts)}
    lines = ["flowchart TD"]
    for part in parts:
        lines += [
            f"  subgraph {number[part.name]}[{_quoted(part.name)}]",
            *_mermaid_part(part, number[part.name]),
        ]
        lines.append("  end")
    lines += [_mermaid_edge(number[e.source], number[e.target], e.label, "  ") for e in edges]
    lines += _classes(part.states for part in parts)
    return "\n".join(lines) + "\n"


def _mermaid_part(part: Part, prefix: str) -> Iterator[str]:
    yield from _mermaid_graph(part.graph, part.states, f"{prefix}t", "    ")
    if part.last.nodes:
        yield f"    subgraph {prefix}f[{_quoted('finally')}]"
        yield from _mermaid_graph(part.last, part.states, f"{prefix}f", "      ")
        yield "    end"


def _mermaid_graph(graph: Graph, states: States, prefix: str, indent: str) -> Iterator[str]:
    ids = {name: f"{prefix}{n}" for n, name in enumerate(graph.nodes)}
    for name, node in graph.nodes.items():
        kind = f":::{states[name].phase}" if name in states and states[name].phase in COLORS else ""
        text = "<br/>".join(map(_entities, _text(node, states)))
        yield f'{indent}{ids[name]}["{text}"]{kind}'
    for edge in graph.edges:
        yield _mermaid_edge(ids[edge.source], ids[edge.target], edge.label, indent)


def _mermaid_edge(source: str, target: str, label: str, indent: str) -> str:
    return f"{indent}{source} -->{f'|{_quoted(label)}|' if label else ''} {target}"


def _quoted(text: str) -> str:
    return f'"{_entities(_short(text))}"'


def _entities(text: str) -> str:
    return "".join(char if char.isalnum() or char in " .,_-×…/" else f"#{ord(char)};" for char in text)


def _classes(all_states: Iterable[States]) -> Iterator[str]:
    seen = {state.phase for states in all_states for state in states.values()}
    for phase, (fill, stroke) in COLORS.items():
        if phase in seen:
            yield f"  classDef {phase} fill:{fill},stroke:{stroke},color:#1f2328"


# -- dot


def dot(name: str, parts: Sequence[Part], edges: Sequence[Edge]) -> str:
    """A digraph with a cluster for each pipeline; `edges` between pipelines lead from frame to frame."""
    number = {part.name: f"p{n}" for n, part in enumerate(parts)}
    lines = [
        f"digraph {_string(name)} {{",
        "  compound=true",
        '  node [shape=box style="rounded,filled" fillcolor=white]',
    ]
    for part in parts:
        prefix = number[part.name]
        lines += [f"  subgraph cluster_{prefix} {{", f"    label={_string(part.name)}"]
        lines += [*_dot_part(part, prefix), "  }"]
    for edge in edges:
        one, two = number[edge.source], number[edge.target]
        attributes = [f"ltail=cluster_{one}", f"lhead=cluster_{two}", *_dot_label(edge.label)]
        lines.append(f"  {one}t0 -> {two}t0 [{' '.join(attributes)}]")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_part(part: Part, prefix: str) -> Iterator[str]:
    yield from _dot_graph(part.graph, part.states, f"{prefix}t", "    ")
    if part.last.nodes:
        yield f"    subgraph cluster_{prefix}f {{"
        yield f"      label={_string('finally')}"
        yield from _dot_graph(part.last, part.states, f"{prefix}f", "      ")
        yield "    }"


def _dot_graph(graph: Graph, states: States, prefix: str, indent: str) -> Iterator[str]:
    ids = {name: f"{prefix}{n}" for n, name in enumerate(graph.nodes)}
    for name, node in graph.nodes.items():
        attributes = [f"label={_string(*_text(node, states))}"]
        if name in states and states[name].phase in COLORS:
            fill, stroke = COLORS[states[name].phase]
            attributes.append(f'fillcolor="{fill}" color="{stroke}"')
        yield f"{indent}{ids[name]} [{' '.join(attributes)}]"
    for edge in graph.edges:
        label = _dot_label(edge.label)
        yield f"{indent}{ids[edge.source]} -> {ids[edge.target]}{f' [{label[0]}]' if label else ''}"


def _dot_label(label: str) -> list[str]:
    return [f"label={_string(label)}"] if label else []


def _string(*texts: str) -> str:
    lines = [_short(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    return '"' + "\\n".join(lines) + '"'
