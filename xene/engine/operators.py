"""What the operators of expressions do with two values. Pure; called by `expressions` and `functions`.

Python's meaning where both sides are of one type, and an error everywhere else: no truthiness, no conversion.
"""

from __future__ import annotations

import operator as python
from typing import Any, Callable, Dict, Optional

from xene.engine.mismatch import NULL, Mismatch, Side, mismatch, unlike_members
from xene.engine.tree import Node
from xene.engine.values import MAX_ITEMS, MAX_TEXT, Refused, Spend, checked, same, too_long, type_of

_ORDERS: Dict[str, Callable[[Any, Any], bool]] = {
    "<": python.lt, "<=": python.le, ">": python.gt, ">=": python.ge,
}  # fmt: skip
_NUMBERS: Dict[str, Callable[[Any, Any], Any]] = {
    "-": python.sub, "*": python.mul, "/": python.truediv, "//": python.floordiv, "%": python.mod,
}  # fmt: skip


def applied(operator: str, left_node: Node, left: Any, right_node: Node, right: Any, spend: Spend) -> Any:
    """`left operator right`. The nodes are for the message. Raises Refused."""
    sides = Side(left_node, type_of(left)), Side(right_node, type_of(right))
    refuse(mismatch(operator, *sides))
    if operator in ("==", "!="):
        return same(left, right, spend) == (operator == "==")
    if operator in ("in", "not in"):
        return within(sides[0], left, right, spend) == (operator == "in")
    if operator in _ORDERS:
        return _ORDERS[operator](left, right)
    return checked(_sum(left, right, spend) if operator == "+" else _calculated(operator, left, right))


def refuse(found: Optional[Mismatch]) -> None:
    """Raise what was found, if anything was."""
    if found is not None:
        raise Refused(found.problem, found.hint)


def within(needle_side: Side, needle: Any, place: Any, spend: Spend) -> bool:
    """Whether the text, list or object holds the needle. A list that holds nothing of the needle's type is refused:
    the answer could never be another."""
    if not isinstance(place, (list, tuple)):
        return _holds(place, needle, spend)
    types = set()
    for item in place:
        if same(item, needle, spend):
            return True
        types.add(type_of(item))
    alike = types - {NULL}
    if alike and needle is not None and needle_side.type not in alike:
        refuse(unlike_members(needle_side, sorted(alike)[0]))
    return False


def _holds(place: Any, needle: Any, spend: Spend) -> bool:
    """Whether the text is in the text, or the key in the object. Up to Python 3.9 a search may take the product of
    both lengths, so that is what it costs, scaled."""
    if isinstance(place, str):
        spend(len(place) // 16 + len(place) * len(needle) // 512)
    return needle in place


def _sum(left: Any, right: Any, spend: Spend) -> Any:
    if isinstance(left, str):
        spend((len(left) + len(right)) // 16)
        if len(left) + len(right) > MAX_TEXT:
            raise too_long()
        return left + right
    if isinstance(left, (list, tuple)):
        spend(len(left) + len(right))
        if len(left) + len(right) > MAX_ITEMS:
            raise Refused(f"this list would have more than {MAX_ITEMS} items")
        return [*left, *right]
    return left + right


def _calculated(operator: str, left: Any, right: Any) -> Any:
    if operator in ("/", "//", "%") and right == 0:
        raise Refused("a number cannot be divided by zero", "ask before: ... if divisor != 0 else ...")
    try:
        return _NUMBERS[operator](left, right)
    except OverflowError:
        raise Refused("this number is too large") from None
