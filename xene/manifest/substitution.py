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

ROOT = "params"


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


class TooLarge(Exception):
    """What is put in would make the workflow larger than it may be."""


class Budget:
    """How many characters all templates of one workflow may still add to it."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def spend(self, characters: int) -> None:
        """Raises TooLarge."""
        self._left -= characters
        if self._left < 0:
            raise TooLarge


class Filling:
    """Puts `values`, the nodes for which the params of one use stand, into the task of its template."""

    def __init__(self, values: Mapping[str, Node], budget: Budget) -> None:
        self._values = values
        self._sizes = {name: len(written(node)) for name, node in values.items()}
        self._budget = budget

    def task(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The task with its params replaced. What cannot be read stays: it is a problem of its own.

        Raises TooLarge.
        """
        out = self._holder(body, places.TASK)
        if "approval" in out:
            out["approval"] = self._holder(out["approval"], places.APPROVAL)
        out["steps"] = [self._holder(step, places.STEP) for step in out["steps"]]
        return out

    def _holder(self, holder: Mapping[str, Any], kind: str) -> dict[str, Any]:
        out = dict(holder)
        for key, sort in places.PLACES[kind].items():
            if key not in out:
                continue
            if sort == places.TEXTS:
                out[key] = {name: self._text(text) for name, text in out[key].items()}
            elif sort == places.ARGUMENTS:
                out[key] = [self._text(text) for text in out[key]]
            elif sort == places.TEXT:
                out[key] = self._text(out[key])
            elif sort == places.EXPRESSION:
                out[key] = self._expression(out[key])
        return out

    def _expression(self, text: str) -> str:
        if ROOT not in text:
            return text
        try:
            tree = parse(text)
        except ExpressionError:
            return text
        new = self._replaced(tree)
        return text if new == tree else written(new)

    def _text(self, text: str) -> str:
        if OPEN not in text or ROOT not in text:
            return text
        try:
            parts = parse_template(text)
        except ExpressionError:
            return text
        return _joined([self._part(part) for part in parts])

    def _part(self, part: Part) -> str | Node:
        """A plain text, or what stands in a template now."""
        if isinstance(part, str):
            return part
        new: Node = self._replaced(part.tree)
        return as_text(new.value) if isinstance(new, Literal) and new != part.tree else new

    def _replaced(self, node: Any) -> Any:
        """The tree with every `params.NAME` that has a value replaced by it."""
        if isinstance(node, Name) and node.root == ROOT and node.keys and node.keys[0] in self._values:
            name = str(node.keys[0])
            self._budget.spend(self._sizes[name])
            keys = tuple(self._replaced(key) for key in node.keys[1:])
            found = self._values[name]
            return Access(found, keys, node.offset) if keys else found
        if isinstance(node, tuple):
            return tuple(self._replaced(item) for item in node)
        if not is_dataclass(node) or isinstance(node, (type, Literal)):
            return node
        new = {field.name: self._replaced(getattr(node, field.name)) for field in fields(node)}
        return replace(node, **new)


def _joined(parts: Iterable[str | Node]) -> str:
    """The parts in a row. Texts that would make a template together are written as one."""
    out, plain = [], ""
    for part in (*parts, None):
        if isinstance(part, str):
            plain += part
            continue
        out.append(_template(Literal(plain)) if OPEN in plain else plain)
        plain = ""
        if part is not None:
            out.append(_template(part))
    return "".join(out)


def _template(node: Node) -> str:
    return f"{OPEN} {written(node)} }}}}"
