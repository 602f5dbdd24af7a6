"""Params of a task template replaced by what a task gives for them: in texts, arguments and expressions. Pure.

Called by `reuse`. What is replaced are nodes of parsed trees, never characters of a text: a value cannot become
more than a value. A literal value ends up as plain text; what holds templates stays an expression.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, Iterable, Mapping

from xene.engine.expressions import OPEN, ExpressionError, Template, as_text, parse, parse_template
from xene.engine.syntax import Part
from xene.engine.tree import Access, Call, Literal, Name, Node, written
from xene.manifest import places
from xene.model.workflow import Scalar

ROOT = "params"
Values = Mapping[str, Node]


def given(text: str) -> Node:
    """What a text with templates stands for: its one expression, or a text that is put together.

    Raises ExpressionError.
    """
    parts = parse_template(text)
    if len(parts) == 1 and isinstance(parts[0], Template):
        return parts[0].tree
    pattern = "".join("{}" if isinstance(part, Template) else _escaped(part) for part in parts)
    return Call("format", (Literal(pattern), *(part.tree for part in parts if isinstance(part, Template))))


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def literal(value: Scalar) -> Node:
    """A value that is known."""
    return Literal(value)


def task(body: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """The task of a template with its params replaced. What cannot be read stays: it is a problem of its own."""
    out = _holder(body, places.TASK, values)
    if "approval" in out:
        out["approval"] = _holder(out["approval"], places.APPROVAL, values)
    out["steps"] = [_holder(step, places.STEP, values) for step in out["steps"]]
    return out


def _holder(holder: Mapping[str, Any], kind: str, values: Values) -> dict[str, Any]:
    out = dict(holder)
    for key, sort in places.PLACES[kind].items():
        if key not in out:
            continue
        if sort == places.TEXTS:
            out[key] = {name: _text(text, values) for name, text in out[key].items()}
        elif sort == places.ARGUMENTS:
            out[key] = [_text(text, values) for text in out[key]]
        elif sort == places.TEXT:
            out[key] = _text(out[key], values)
        elif sort == places.EXPRESSION:
            out[key] = _expression(out[key], values)
    return out


def _expression(text: str, values: Values) -> str:
    if ROOT not in text:
        return text
    try:
        tree = parse(text)
    except ExpressionError:
        return text
    new = replaced(tree, values)
    return text if new == tree else written(new)


def _text(text: str, values: Values) -> str:
    if OPEN not in text or ROOT not in text:
        return text
    try:
        parts = parse_template(text)
    except ExpressionError:
        return text
    return _joined([_part(part, values) for part in parts])


def _part(part: Part, values: Values) -> str | Node:
    """A plain text, or what stands in a template now."""
    if isinstance(part, str):
        return part
    new = replaced(part.tree, values)
    return as_text(new.value) if isinstance(new, Literal) and new != part.tree else new


def _joined(parts: Iterable[str | Node]) -> str:
    """The parts in a row. Texts that would make a template together are written as one."""
    out, plain = "", ""
    for part in (*parts, None):
        if isinstance(part, str):
            plain += part
            continue
        out += f"{OPEN} {written(Literal(plain))} }}}}" if OPEN in plain else plain
        plain = ""
        if part is not None:
            out += f"{OPEN} {written(part)} }}}}"
    return out


def replaced(node: Any, values: Values) -> Any:
    """The tree with every `params.NAME` of `values` replaced."""
    if isinstance(node, Name) and node.root == ROOT and node.keys and node.keys[0] in values:
        keys = tuple(replaced(key, values) for key in node.keys[1:])
        found = values[str(node.keys[0])]
        return Access(found, keys, node.offset) if keys else found
    if isinstance(node, tuple):
        return tuple(replaced(item, values) for item in node)
    if not is_dataclass(node) or isinstance(node, (type, Literal)):
        return node
    return replace(
        node, **{field.name: replaced(getattr(node, field.name), values) for field in fields(node)}
    )
