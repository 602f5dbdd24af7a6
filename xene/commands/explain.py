"""`xene explain`: a field of a manifest, from the schemas."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xene.commands.call import Call
from xene.commands.tables import BOLD, paint

if TYPE_CHECKING:
    from xene.manifest.schema import Child, Explanation

WIDTH = 96


def explain(
    call: Call,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH.IN.SPEC",
            help="Such as workflow, or workflow.spec.pipelines.placement.",
            autocompletion=lambda: ["workflow", "tasktemplate", "agent", "secret", "xene", "config"],
        ),
    ],
) -> int:
    """Explain a field of a manifest: its type, what it means, what is below it.

    Names of pipelines, tasks and so on may be left out: workflow.spec.pipelines.tasks.steps.timeout.
    """
    from xene.manifest import schema

    found = schema.explain(path)
    if call.structured:
        call.put_value(_plain(asdict(found)))
    else:
        call.put(text(found, call.color()))
    return 0


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def text(found: Explanation, color: bool) -> str:
    """The explanation for people."""
    out = [f"{paint(found.path, BOLD, color)}  <{found.type}>", *_wrapped(found.description, "  ")]
    for name, values in (("one of", found.values), ("for example", found.examples)):
        if values:
            out.append(f"  {name}: {', '.join(str(value) for value in values)}")
    if found.default is not None:
        out.append(f"  default: {found.default}")
    for child in found.children:
        out += ["", *_child(child, color)]
    return "\n".join(out) + "\n"


def _child(child: Child, color: bool) -> list[str]:
    required = "  required" if child.required else ""
    default = "" if child.default is None else f"  default: {child.default}"
    head = f"  {paint(child.name, BOLD, color)}  <{child.type}>{required}{default}"
    return [head, *_wrapped(child.description, "      ")]


def _wrapped(prose: str, indent: str) -> list[str]:
    return textwrap.wrap(prose, WIDTH, initial_indent=indent, subsequent_indent=indent)
