"""The types of expressions, worked out before anything runs. Pure.

Called by `templates` and `checks`. What the agent would refuse because of types (`engine/mismatch`, the rows of
`engine/functions`) is found here with the same words; what depends on values (a division by zero) is not.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

from xene.engine.functions import FUNCTIONS, argument_faults, arity_fault
from xene.engine.mismatch import (
    ANY,
    BOOLEAN,
    LIST,
    NUMBER,
    OBJECT,
    TEXT,
    Mismatch,
    Side,
    mismatch,
    named,
    not_boolean,
    not_number,
    shown,
    unlike_members,
)
from xene.engine.tree import (
    Access,
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Key,
    ListOf,
    Literal,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Pair,
)
from xene.engine.values import type_of
from xene.manifest.problems import did_you_mean

BAD_TYPE, UNKNOWN_FUNCTION = "bad-type", "unknown-function"


class Fault(NamedTuple):
    """What is wrong, and where: `offset` counts as in the tree. `code` is one of `codes.CODES`."""

    offset: int
    message: str
    hint: str = ""
    code: str = BAD_TYPE


Names = Callable[[Name], "str | Fault"]


class Inferred(NamedTuple):
    """The type of a tree's value (`any` where it is not known), and what is wrong with the tree."""

    type: str
    faults: tuple[Fault, ...]


def infer(tree: Node, names: Names) -> Inferred:
    """The type of an expression. `names` gives the type of a name (with all its keys), or what is wrong with it."""
    inference = _Inference(names)
    return Inferred(inference.of(tree), tuple(sorted(inference.faults)))


def infer_condition(tree: Node, names: Names) -> Inferred:
    """Like `infer`, for an expression that must be true or false."""
    inference = _Inference(names)
    type_ = inference.truth(tree, "a condition is true or false")
    return Inferred(type_, tuple(sorted(inference.faults)))


class _Inference:
    """One walk through a tree. A part with a fault has the type `any`, so that one slip is told once."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.faults: list[Fault] = []

    def of(self, node: Node) -> str:
        return _RULES[type(node)](self, node)

    def truth(self, node: Node, where: str) -> str:
        self._refused(not_boolean(node, self.of(node), where), node.offset)
        return BOOLEAN

    def _refused(self, found: Mismatch | None, offset: int) -> bool:
        if found is not None:
            self.faults.append(Fault(offset, found.problem, found.hint))
        return found is not None

    # -- one rule for each sort of node

    def literal(self, node: Literal) -> str:
        return type_of(node.value)

    def list_of(self, node: ListOf) -> str:
        for item in node.items:
            self.of(item)
        return LIST

    def name(self, node: Name) -> str:
        self._keys(node.keys)
        found = self.names(node)
        if isinstance(found, Fault):
            self.faults.append(found)
            return ANY
        return found

    def access(self, node: Access) -> str:
        base = self.of(node.base)
        keys = self._keys(node.keys)
        wanted = {LIST: NUMBER, OBJECT: TEXT}.get(base, ANY)
        if keys[0] not in (wanted, ANY) and wanted != ANY:
            message = f"'{shown(node.base)}' wants {named(wanted)} as its key, not {named(keys[0])}"
            self.faults.append(Fault(node.offset, message))
        return ANY

    def _keys(self, keys: tuple[Key, ...]) -> list[str]:
        types = []
        for key in keys:
            type_ = TEXT if isinstance(key, str) else self.of(key)
            if type_ not in (TEXT, NUMBER, ANY) and not isinstance(key, str):
                self.faults.append(Fault(key.offset, f"a key is text or a whole number, not {named(type_)}"))
            types.append(type_)
        return types

    def logic(self, node: Logic) -> str:
        for operand in node.operands:
            self.truth(operand, f"'{node.operator}' wants true or false")
        return BOOLEAN

    def negation(self, node: Not) -> str:
        return self.truth(node.operand, "'not' wants true or false")

    def negative(self, node: Negative) -> str:
        self._refused(not_number(node.operand, self.of(node.operand), "'-' wants numbers"), node.offset)
        return NUMBER

    def comparison(self, node: Comparison) -> str:
        left = Side(node.first, self.of(node.first))
        for pair in node.rest:
            right = Side(pair.operand, self.of(pair.operand))
            if not self._refused(mismatch(pair.operator, left, right), pair.offset):
                self._members(pair, left)
            left = right
        return BOOLEAN

    def _members(self, pair: Pair, needle: Side) -> None:
        """Look into a list that stands there as it is: `params.n in ['1', '2']`."""
        if pair.operator not in ("in", "not in") or not isinstance(pair.operand, ListOf):
            return
        quiet = _Inference(self.names)
        types = {quiet.of(item) for item in pair.operand.items} - {"null"}
        if types and needle.type not in (*types, ANY, "null") and ANY not in types:
            self._refused(unlike_members(needle, min(types)), pair.offset)

    def arithmetic(self, node: Arithmetic) -> str:
        left = Side(node.first, self.of(node.first))
        for done, pair in enumerate(node.rest, 1):
            right = Side(pair.operand, self.of(pair.operand))
            wrong = self._refused(mismatch(pair.operator, left, right), pair.offset)
            type_ = ANY if wrong else _result(pair.operator, left.type, right.type)
            left = Side(Arithmetic(node.first, node.rest[:done], node.offset), type_)
        return left.type

    def choice(self, node: Choice) -> str:
        self.truth(node.condition, "'if' wants true or false")
        then, otherwise = self.of(node.then), self.of(node.otherwise)
        return then if then == otherwise else ANY

    def call(self, node: Call) -> str:
        types = [self.of(argument) for argument in node.arguments]
        function = FUNCTIONS.get(node.function)
        if function is None:
            hint = did_you_mean(node.function, FUNCTIONS)
            message = f"there is no function '{node.function[:60]}'"
            self.faults.append(Fault(node.offset, message, hint, UNKNOWN_FUNCTION))
            return ANY
        if not self._refused(arity_fault(node), node.offset):
            for index, found in argument_faults(node, types):
                self._refused(found, node.arguments[index].offset)
        return function.gives


def _result(operator: str, left: str, right: str) -> str:
    if operator != "+":
        return NUMBER
    return right if left == ANY else left


_RULES: dict[type, Callable[..., str]] = {
    Literal: _Inference.literal,
    ListOf: _Inference.list_of,
    Name: _Inference.name,
    Access: _Inference.access,
    Call: _Inference.call,
    Logic: _Inference.logic,
    Not: _Inference.negation,
    Negative: _Inference.negative,
    Comparison: _Inference.comparison,
    Arithmetic: _Inference.arithmetic,
    Choice: _Inference.choice,
}
