"""The tree of an expression: its nodes, how it is written down again, and the error of the language. Pure.

`syntax` makes trees, `expressions` gives them a value, `manifest/expression_types` a type. Nothing here decides
anything. Trees are immutable and shared by caches; a tree is at most `MAX_DEPTH` deep, so walkers may recurse.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterator, List, Tuple, Type, Union

from xene.model.records import dataclass

MAX_LENGTH = 4096  # characters of an expression
MAX_NODES = 500
MAX_DEPTH = 50

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Literal:
    """Text, int, float, bool or None."""

    value: Union[str, int, float, bool, None]
    offset: int = 0


@dataclass(frozen=True)
class ListOf:
    items: Tuple[Node, ...]
    offset: int = 0


@dataclass(frozen=True)
class Name:
    """`params.a['b'][0]`: root `params`, keys `a`, `b`, Literal(0). A key that is known is a str, others nodes."""

    root: str
    keys: Tuple[Key, ...] = ()
    offset: int = 0


@dataclass(frozen=True)
class Access:
    """Keys behind something that is no name: `fromJson(x).a`."""

    base: Node
    keys: Tuple[Key, ...]
    offset: int = 0


@dataclass(frozen=True)
class Call:
    """`function` may be any identifier: whoever walks the tree says which there are."""

    function: str
    arguments: Tuple[Node, ...]
    offset: int = 0


@dataclass(frozen=True)
class Logic:
    """`a and b and c`: all of one operator are one node."""

    operator: str
    operands: Tuple[Node, ...]
    offset: int = 0


@dataclass(frozen=True)
class Not:
    operand: Node
    offset: int = 0


@dataclass(frozen=True)
class Negative:
    """`-x`; a minus before a number literal is part of the literal."""

    operand: Node
    offset: int = 0


@dataclass(frozen=True)
class Pair:
    """An operator and what stands right of it; `offset` is the operator's."""

    operator: str
    operand: Node
    offset: int = 0


@dataclass(frozen=True)
class Comparison:
    """`a < b <= c` as in Python: every pair of neighbours must hold."""

    first: Node
    rest: Tuple[Pair, ...]
    offset: int = 0


@dataclass(frozen=True)
class Arithmetic:
    """`a + b - c`, or `a * b % c`: operators of one strength, from left to right."""

    first: Node
    rest: Tuple[Pair, ...]
    offset: int = 0


@dataclass(frozen=True)
class Choice:
    """`then if condition else otherwise`."""

    then: Node
    condition: Node
    otherwise: Node
    offset: int = 0


Node = Union[
    Literal, ListOf, Name, Access, Call, Logic, Not, Negative, Comparison, Arithmetic, Choice
]  # fmt: skip
Key = Union[str, Node]

# How strongly an operator binds.
CHOICE, OR, AND, NOT, COMPARE, ADD, MULTIPLY, UNARY, PRIMARY = range(1, 10)
STRENGTHS: Dict[str, int] = {
    "if": CHOICE,
    "or": OR,
    "and": AND,
    **dict.fromkeys(("in", "not in", "==", "!=", "<", "<=", ">", ">="), COMPARE),
    **dict.fromkeys(("+", "-"), ADD),
    **dict.fromkeys(("*", "/", "//", "%"), MULTIPLY),
}


def children(node: Node) -> List[Node]:
    """The nodes right below `node`, in the order in which they are written (of a Choice: condition first)."""
    if isinstance(node, Literal):
        return []
    if isinstance(node, (Name, Access)):
        base = [node.base] if isinstance(node, Access) else []
        return base + [key for key in node.keys if not isinstance(key, str)]
    if isinstance(node, ListOf):
        return list(node.items)
    if isinstance(node, Call):
        return list(node.arguments)
    if isinstance(node, Logic):
        return list(node.operands)
    if isinstance(node, (Comparison, Arithmetic)):
        return [node.first, *(pair.operand for pair in node.rest)]
    if isinstance(node, Choice):
        return [node.condition, node.then, node.otherwise]
    return [node.operand]


def walk(node: Node) -> Iterator[Tuple[Node, int]]:
    """Every node of the tree with its depth, which begins at 1. Does not recurse."""
    stack = [(node, 1)]
    while stack:
        at, depth = stack.pop()
        yield at, depth
        stack += [(child, depth + 1) for child in reversed(children(at))]


# -- writing a tree down


def written(node: Node) -> str:
    """The expression that parses to `node`, for messages: one blank around operators, brackets where needed."""
    return _WRITERS[type(node)](node)


def written_text(value: str) -> str:
    """A text literal."""
    safe = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(c if c.isprintable() else _escaped(c) for c in safe) + "'"


def _escaped(character: str) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(character)
    return known.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}")


def strength(node: Node) -> int:
    """How strongly what stands on top of `node` binds its operands."""
    if isinstance(node, (Comparison, Arithmetic)):
        return STRENGTHS[node.rest[0].operator]
    if isinstance(node, Logic):
        return STRENGTHS[node.operator]
    return _STRENGTH_OF.get(type(node), PRIMARY)


_STRENGTH_OF: Dict[type, int] = {Choice: CHOICE, Not: NOT, Negative: UNARY}


def _inside(node: Node, least: int) -> str:
    text = written(node)
    return text if strength(node) >= least else f"({text})"


def _literal(node: Literal) -> str:
    if isinstance(node.value, str):
        return written_text(node.value)
    if node.value is None:
        return "null"
    return str(node.value).lower() if isinstance(node.value, bool) else repr(node.value)


def _keys(keys: Tuple[Key, ...]) -> str:
    text = ""
    for key in keys:
        if not isinstance(key, str):
            text += f"[{written(key)}]"
        elif WORD.fullmatch(key) and not key.startswith("__"):
            text += "." + key
        else:
            text += f"[{written_text(key)}]"
    return text


def _access(node: Access) -> str:
    base = written(node.base)
    return (base if isinstance(node.base, (Call, ListOf)) else f"({base})") + _keys(node.keys)


def _negative(node: Negative) -> str:
    number = isinstance(node.operand, Literal) and not isinstance(node.operand.value, str)
    return f"-({written(node.operand)})" if number else "-" + _inside(node.operand, UNARY)


def _chain(node: Union[Comparison, Arithmetic]) -> str:
    level = strength(node)
    text = _inside(node.first, level + 1)
    for pair in node.rest:
        text += f" {pair.operator} " + _inside(pair.operand, level + 1)
    return text


def _logic(node: Logic) -> str:
    level = strength(node)
    return f" {node.operator} ".join([_inside(operand, level + 1) for operand in node.operands])


def _choice(node: Choice) -> str:
    parts = _inside(node.then, OR), _inside(node.condition, OR), _inside(node.otherwise, CHOICE)
    return "{} if {} else {}".format(*parts)


_WRITERS: Dict[Type[Node], Callable[..., str]] = {
    Literal: _literal,
    ListOf: lambda node: "[" + ", ".join([written(item) for item in node.items]) + "]",
    Name: lambda node: node.root + _keys(node.keys),
    Access: _access,
    Call: lambda node: node.function + "(" + ", ".join([written(item) for item in node.arguments]) + ")",
    Logic: _logic,
    Not: lambda node: "not " + _inside(node.operand, NOT),
    Negative: _negative,
    Comparison: _chain,
    Arithmetic: _chain,
    Choice: _choice,
}
