"""Nodes to plain data, as the schema wants it: a text stays as it was written, a number becomes a number.

Called by `load`. Data built here is what the schema judges and what the codec reads; it refers to no node.
What would be lost by reading a plain scalar as YAML does is a flaw, and the scalar's raw text goes on in its
place, so that one mistake gives one problem.
"""

from __future__ import annotations

import re
from typing import Any

from xene.manifest import shapes
from xene.manifest.nodes import Fields, Flaw, Items, Node, Scalar
from xene.manifest.problems import quoted
from xene.manifest.scalars import loss, resolve
from xene.manifest.shapes import Shape

_OCTAL = re.compile(r"[-+]?0[0-9]+\Z")
_STR = "tag:yaml.org,2002:str"
_ARTICLE = {"string": "a text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


class Builder:
    """Builds data and gathers `flaws`."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []

    def build(self, node: Node, shape: Shape) -> Any:
        """The value of `node` where `shape` is wanted; another sort of node stays so, for the schema."""
        if type(node) is Scalar:
            return self._text(node) if shape.sort == shapes.TEXT else self._scalar(node, shape)
        if type(node) is Fields:
            return self._fields(node, shape) if shape.mapping else {}
        items: list[Node] = node.items  # type: ignore[union-attr]
        if shape.items is None:
            return []
        return [self.build(item, shape.items) for item in items]

    def _fields(self, node: Fields, shape: Shape) -> dict[str, Any]:
        known, rest = shape.fields, shape.rest
        out = {}
        for key, (_, value) in node.fields.items():
            wanted = known.get(key, rest)
            out[key] = self.build(value, wanted) if wanted is not None else None
        if "default" in known and known["default"].sort == shapes.VALUE:
            self._param(node, out)
        return out

    def _text(self, node: Scalar) -> Any:
        text = node.text
        if node.style or node.tag in (_STR, "!"):
            return text
        why = loss(text)
        if why is None:
            return text
        if text == "" or resolve(text) is None:
            message = "there is no value here, and a text is wanted"
            hint = 'write "" for an empty text' + (f', or quote it: "{text}"' if text else "")
        else:
            message = f"YAML reads {quoted(text)} as {why}, and a text is wanted"
            hint = f'quote it: "{text}"'
        self._flaw(node, "quote-it", message, hint)
        return text

    def _scalar(self, node: Scalar, shape: Shape) -> Any:
        if node.style or node.tag in (_STR, "!"):
            return node.text
        value = resolve(node.text)
        if shape.sort == shapes.INTEGER:
            return self._integer(node, value)
        return self._lossless(node, value) if shape.sort == shapes.TYPED else value

    def _lossless(self, node: Scalar, value: Any) -> Any:
        """A value that keeps the type it has in YAML, if text and value say the same."""
        why = loss(node.text)
        if why is None:
            return value
        if value is None:
            self._flaw(node, "quote-it", "there is no value here", 'write "" for an empty text')
        else:
            hint = f'quote it if it is a text: "{node.text}"'
            if type(value) in (int, float, bool):
                hint += f"; write {str(value).lower()} if it is not"
            self._flaw(node, "quote-it", f"YAML reads {quoted(node.text)} as {why}", hint)
        return node.text

    def _integer(self, node: Scalar, value: Any) -> Any:
        if _OCTAL.match(node.text) and type(value) is int:
            message = f"{quoted(node.text)} may be read as {value} or as octal"
            self._flaw(node, "wrong-value", message, f"write {value}")
        return int(value) if type(value) is float and value.is_integer() else value

    def _param(self, node: Fields, out: dict[str, Any]) -> None:
        """`default` and `enum` of a param are of the type that stands beside them."""
        wanted = out.get("type")
        if not isinstance(wanted, str) or wanted not in _ARTICLE:
            return
        if "default" in out:
            out["default"] = self._typed(node.fields["default"][1], wanted)
        listed = node.fields["enum"][1] if "enum" in out else None
        if isinstance(listed, Items):
            out["enum"] = [self._typed(item, wanted) for item in listed.items]

    def _typed(self, node: Node, wanted: str) -> Any:
        if not isinstance(node, Scalar):
            return self.build(node, Shape(shapes.OTHER))
        if wanted == "string":
            return self._text(node)
        value = self._scalar(node, Shape(shapes.INTEGER if wanted == "integer" else shapes.OTHER))
        if wanted == "number" and type(value) is int:
            return value
        if type(value) is not {"integer": int, "number": float, "boolean": bool}[wanted]:
            message = f"{quoted(node.text)} is not {_ARTICLE[wanted]}, as the param's 'type' says"
            self._flaw(node, "wrong-type", message, _typed_hint(node, wanted))
        return value

    def _flaw(self, node: Node, code: str, message: str, hint: str = "") -> None:
        self.flaws.append(Flaw(node.mark.line, node.mark.column, code, message, hint))


def _typed_hint(node: Scalar, wanted: str) -> str:
    words = {"yes": "true", "on": "true", "no": "false", "off": "false"}
    if wanted == "boolean" and node.text.lower() in words:
        return f"write {words[node.text.lower()]}"
    return "write it without quotes" if node.style and type(resolve(node.text)) is not str else ""


def locate(node: Node, path: tuple[Any, ...], key: bool = False) -> Node:
    """The node at `path`, or the deepest one on the way that exists; with `key` the key that leads to it."""
    found = node
    for step in path:
        if isinstance(node, Fields) and step in node.fields:
            name, node = node.fields[step]
            found = name if key else node
        elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
            found = node = node.items[step]
        else:
            break
    return found
