"""Types before a run: what the agent would refuse is found, with the same words, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.engine.trees import CONSTANTS, trees
from xene.engine.expressions import ExpressionError, evaluate
from xene.engine.syntax import parse
from xene.engine.tree import Name, written
from xene.engine.values import type_of
from xene.manifest.expression_types import Fault, infer, infer_condition

TYPES = {"n": "number", "s": "text", "b": "boolean", "l": "list", "o": "object", "f": "number", "z": "null"}


def names(name: Name) -> str | Fault:
    if name.root == "params" and name.keys and name.keys[0] in TYPES:
        return TYPES[str(name.keys[0])]
    return (
        "any"
        if name.root == "event"
        else Fault(name.offset, f"there is no {name.root}", "", "unknown-reference")
    )


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("params.n + 1", "number"),
        ("params.s + event.x", "text"),
        ("event.x + params.l", "list"),
        ("event.x + event.y", "any"),
        ("event.x - 1", "number"),
        ("params.n if params.b else 2", "number"),
        ("params.n if params.b else 'x'", "any"),
        ("event.x > 1 and not event.y", "boolean"),
        ("fromJson(params.s).a[0]", "any"),
        ("int(params.s) in [1, 2]", "boolean"),
        ("params.n == null", "boolean"),
        ("format('{}', params.n)", "text"),
    ],
)
def test_the_type_of(text: str, type_: str) -> None:
    assert infer(parse(text), names) == (type_, ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("params.n == '5'", [(9, "number and text cannot be compared")]),
        ("params.n + 'x' == params.b", [(9, "number and text cannot be added")]),
        (
            "len() == 1 or size(1) == 1",
            [(0, "len() is given no arguments"), (14, "there is no function 'size'")],
        ),
        (
            "params.s and params.n",
            [(0, "'and' wants true or false, not text"), (13, "'and' wants true or false")],
        ),
        ("startswith(params.s, 'a')", [(0, "there is no function 'startswith'")]),
        ("other.x == 1", [(0, "there is no other")]),
        ("params.n in ['1', '2']", [(9, "the list holds text and never number")]),
        ("event.x + 1 == 'a'", [(12, "number and text cannot be compared")]),
        ("join(params.s)", [(5, "join() wants a list here, not text")]),
        ("-params.s", [(0, "'-' wants numbers, not text")]),
        ("params.l[true]", [(9, "a key is text or a whole number, not a boolean")]),
    ],
)
def test_what_is_wrong_is_found(text: str, told: list[tuple[int, str]]) -> None:
    found = infer(parse(text), names).faults
    assert [fault.offset for fault in found] == [offset for offset, _ in told]
    for fault, (_, words) in zip(found, told):
        assert words in fault.message


def test_a_condition_is_a_boolean() -> None:
    assert infer_condition(parse("event.x"), names) == ("boolean", ())
    (fault,) = infer_condition(parse("params.n"), names).faults
    assert (fault.message, fault.hint) == (
        "a condition is true or false, not a number",
        "write params.n != 0",
    )
    (fault,) = infer(parse("startswith('a', 'b')"), names).faults
    assert fault.hint == "did you mean 'startsWith'?" and fault.code == "unknown-function"


_TYPE_WORDS = (
    "cannot be compared",
    "cannot be added",
    " wants ",
    "finds only",
    "looks into",
    "cannot compare",
)


@settings(max_examples=300, deadline=None)
@given(trees())
def test_what_passes_here_is_never_refused_for_its_types(tree: Any) -> None:
    inferred = infer(tree, names)
    try:
        found = evaluate(written(tree), CONSTANTS)
    except ExpressionError as error:
        unknown = any(name in written(tree) for name in ("event", "fromJson", "[", " if "))
        if not inferred.faults and not unknown:
            assert not [w for w in _TYPE_WORDS if w in error.message] or error.message.startswith("int()")
        return
    if not inferred.faults:
        assert inferred.type in ("any", type_of(found))
