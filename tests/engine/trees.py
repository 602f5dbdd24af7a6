"""Random expressions for properties, and their meaning in Python."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from xene.engine import tree as t

CONSTANTS: dict[str, Any] = {
    "params": {"n": 3, "s": "abc", "b": True, "f": 0.5, "l": [1, 2], "o": {"k": "v"}, "z": None},
    "event": {"a": {"b": 1}},
}
NAMES = [t.Name("params", (key,)) for key in CONSTANTS["params"]] + [t.Name("event", ("a", "c"))]
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)
_LEAVES = st.sampled_from(NAMES) | st.builds(
    t.Literal,
    st.booleans() | st.none() | st.integers(-9, 9) | _TEXT | st.floats(-1e20, 1e20, allow_nan=False),
)
_FUNCTIONS = [
    "contains",
    "startsWith",
    "endsWith",
    "fromJson",
    "toJson",
    "join",
    "format",
    "len",
    "int",
    "str",
]


def _chains(make: Any, operators: list[str], inner: Any) -> Any:
    pair = st.builds(t.Pair, st.sampled_from(operators), inner)
    return st.builds(make, inner, st.lists(pair, min_size=1, max_size=2).map(tuple))


def _larger(inner: Any) -> Any:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(t.ListOf, several),
        st.builds(t.Call, st.sampled_from(_FUNCTIONS), several),
        st.builds(
            t.Logic, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
        ),
        st.builds(t.Not, inner),
        st.builds(t.Negative, inner),
        st.builds(t.Choice, inner, inner, inner),
        st.builds(t.Access, st.builds(t.ListOf, several), st.tuples(_TEXT | inner.filter(_no_text))),
        _chains(t.Comparison, ["==", "!=", "<", "<=", ">", ">=", "in", "not in"], inner),
        _chains(t.Arithmetic, ["+", "-"], inner),
        _chains(t.Arithmetic, ["*", "/", "//", "%"], inner),
    )


def _no_text(node: Any) -> bool:
    return not (isinstance(node, t.Literal) and isinstance(node.value, str))


def trees() -> Any:
    return st.recursive(_LEAVES, _larger, max_leaves=8)


def bare(node: Any) -> Any:
    """The tree without offsets."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return type(node)(**{name: bare(inner) for name, inner in vars(node).items() if name != "offset"})
    return tuple(bare(item) for item in node) if isinstance(node, tuple) else node
