"""Which types go with which operator, and what is said where they do not. Pure.

The one table for both: the values that `operators` meets on the agent, and the types that
`manifest/expression_types` works out before anything runs. Every message names the types and the way out.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from xene.engine.tree import Call, Comparison, Literal, Node, Pair, written

TEXT, NUMBER, BOOLEAN, NULL, LIST, OBJECT = "text", "number", "boolean", "null", "list", "object"
ANY = "any"  # nothing is known: only where types are worked out before a run

_SHOWN = 160  # characters of an expression in a message
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


class Mismatch(NamedTuple):
    """What is wrong, and what to write instead."""

    problem: str
    hint: str


class Side(NamedTuple):
    """One operand, and the type of its value."""

    node: Node
    type: str


def named(type_: str) -> str:
    """A type with its article."""
    return type_ if type_ in (TEXT, NULL) else f"{'an' if type_ == OBJECT else 'a'} {type_}"


def shown(node: Node) -> str:
    """An expression for a message, cut if it is long."""
    text = written(node)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def mismatch(operator: str, left: Side, right: Side) -> Optional[Mismatch]:
    """Why the operator cannot join these types; None where it can, or where that is not known."""
    if operator in ("==", "!="):
        return None if NULL in (left.type, right.type) else _unlike("compared", operator, left, right)
    if operator in ("in", "not in"):
        return _membership(operator, left, right)
    if operator in ("<", "<=", ">", ">="):
        return _order(operator, left) or _order(operator, right) or _unlike("compared", operator, left, right)
    if operator == "+":
        return _sum(left, right)
    return _number(operator, left) or _number(operator, right)


def not_boolean(node: Node, type_: str, where: str) -> Optional[Mismatch]:
    """Why this cannot be `where` (such as "'and' wants true or false"): nothing but a boolean is a condition."""
    if type_ in (BOOLEAN, ANY):
        return None
    instead = {
        TEXT: Comparison(node, (Pair("==", Literal("true")),)),
        NUMBER: Comparison(node, (Pair("!=", Literal(0)),)),
        NULL: Comparison(node, (Pair("!=", Literal(None)),)),
    }
    counted = Comparison(Call("len", (node,)), (Pair(">", Literal(0)),))
    return Mismatch(f"{where}, not {named(type_)}", f"write {shown(instead.get(type_, counted))}")


def not_number(node: Node, type_: str, where: str) -> Optional[Mismatch]:
    """Why this cannot be `where` (such as "'-' wants numbers")."""
    if type_ in (NUMBER, ANY):
        return None
    return Mismatch(f"{where}, not {named(type_)}", _as_number(node, type_))


def unlike_members(needle: Side, member_type: str) -> Mismatch:
    """What is said where a list holds nothing of the type that is looked for."""
    problem = f"the list holds {member_type} and never {needle.type}"
    if _is_word(needle.node):
        return Mismatch(problem, f"look for {named(member_type)}")
    function = "int" if (member_type, needle.type) == (NUMBER, TEXT) else "str"
    return Mismatch(problem, f"write {function}({shown(needle.node)})")


def _number(operator: str, side: Side) -> Optional[Mismatch]:
    if operator == "%" and side.type == TEXT:
        return Mismatch("'%' wants numbers, not text", "to fill in a text write format('{} and {}', a, b)")
    return not_number(side.node, side.type, f"'{operator}' wants numbers")


def _as_number(node: Node, type_: str) -> str:
    if type_ == TEXT:
        return f"write int({shown(node)})"
    if type_ == BOOLEAN:
        return f"write (1 if {shown(node)} else 0)"
    return _ask_first(node) if type_ == NULL else f"write len({shown(node)})"


def _ask_first(node: Node) -> str:
    return f"ask before: {shown(node)} != null and ..."


def _order(operator: str, side: Side) -> Optional[Mismatch]:
    if side.type in (TEXT, NUMBER, ANY):
        return None
    hint = "only text and numbers have an order"
    if side.type in (LIST, OBJECT):
        hint = f"write len({shown(side.node)})"
    return Mismatch(
        f"'{operator}' cannot compare {named(side.type)}",
        _ask_first(side.node) if side.type == NULL else hint,
    )


def _sum(left: Side, right: Side) -> Optional[Mismatch]:
    types = {left.type, right.type}
    for side in (left, right):
        if side.type in (BOOLEAN, NULL, OBJECT) and TEXT not in types:
            return Mismatch(
                f"'+' wants numbers, texts or lists, not {named(side.type)}", _as_number(side.node, side.type)
            )
    return _unlike("added", "+", left, right)


def _membership(operator: str, left: Side, right: Side) -> Optional[Mismatch]:
    if right.type in (NUMBER, BOOLEAN, NULL):
        hint = _ask_first(right.node) if right.type == NULL else "write '==' to compare"
        return Mismatch(f"'{operator}' looks into text, a list or an object, not {named(right.type)}", hint)
    if right.type in (TEXT, OBJECT) and left.type not in (TEXT, ANY):
        place = "text" if right.type == TEXT else "the keys of an object"
        hint = _ask_first(left.node) if left.type == NULL else f"write str({shown(left.node)})"
        return Mismatch(f"'{operator}' finds only text in {place}, not {named(left.type)}", hint)
    return None


def _unlike(done: str, operator: str, left: Side, right: Side) -> Optional[Mismatch]:
    if ANY in (left.type, right.type) or left.type == right.type:
        return None
    if operator in ("==", "!=") and {left.type, right.type} == {TEXT, LIST}:
        return Mismatch(f"{left.type} and {right.type} cannot be {done}", _member(operator, left, right))
    first, second = _fitted(operator, left, right), _fitted(operator, right, left)
    instead = f"{_operand(first)} {operator} {_operand(second)}"
    same = first == left.node and second == right.node
    return Mismatch(f"{left.type} and {right.type} cannot be {done}", "" if same else f"write {instead}")


def _member(operator: str, left: Side, right: Side) -> str:
    needle, place = (left, right) if left.type == TEXT else (right, left)
    word = "in" if operator == "==" else "not in"
    return f"write {_operand(needle.node)} {word} {_operand(place.node)}"


def _operand(node: Node) -> str:
    text = shown(Comparison(node, (Pair("==", Literal(0)),)))
    return text[: -len(" == 0")] if text.endswith(" == 0") else shown(node)


def _fitted(operator: str, side: Side, other: Side) -> Node:
    """`side` as it must be written to fit `other`: literals are rewritten, the rest is converted."""
    node = side.node
    if side.type == TEXT:
        return _text_fitted(operator, node, other)
    if other.type != TEXT:
        return Call("str", (node,))
    if isinstance(node, Literal) and isinstance(node.value, bool):
        return Literal("true" if node.value else "false")
    if side.type == LIST and operator == "+":
        return Call("join", (node,))
    if side.type == NUMBER and operator != "+" and not _is_word(other.node):
        return node
    return node if side.type in (LIST, OBJECT) and operator != "+" else Call("str", (node,))


def _text_fitted(operator: str, node: Node, other: Side) -> Node:
    if operator == "+" or _is_word(node):
        return node
    if other.type == NUMBER:
        return Literal(int(str(node.value))) if isinstance(node, Literal) else Call("int", (node,))
    return Call("fromJson", (node,)) if other.type == OBJECT else node


def _is_word(node: Node) -> bool:
    """Whether this is a text that can only be meant as text."""
    return isinstance(node, Literal) and isinstance(node.value, str) and not _WHOLE.fullmatch(node.value)
