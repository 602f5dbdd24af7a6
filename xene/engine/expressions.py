"""Expressions and `${{ }}` templates: what they come to. Pure.

`manifest/` reads the trees, the agent evaluates when a task or step is reached. Values are looked up by the keys of
mappings alone, never by an attribute; nothing is converted unasked, and only a boolean is a condition. The work of
one evaluation is bounded, whatever the expression and the values are.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Union

from xene.engine.functions import FUNCTIONS, argument_faults, arity_fault, text_of
from xene.engine.mismatch import LIST, NUMBER, OBJECT, named, not_boolean, not_number, shown
from xene.engine.operators import applied, refuse
from xene.engine.syntax import Template as Template
from xene.engine.syntax import parse as parse
from xene.engine.syntax import parse_template as parse_template
from xene.engine.texts import ExpressionError as ExpressionError
from xene.engine.texts import as_text as as_text
from xene.engine.texts import has_template as has_template
from xene.engine.tokens import OPEN as OPEN
from xene.engine.tree import (
    Access,
    Arithmetic,
    Call,
    Choice,
    Comparison,
    ListOf,
    Literal,
    Logic,
    Name,
    Negative,
    Node,
    Not,
)
from xene.engine.values import MAX_TEXT, Refused, checked, too_long, type_of
from xene.model.records import replace

MAX_WORK = 2**21  # steps of one evaluation, about a second: a node, an item of a list, some characters
LENIENT = "event"  # below this name a key that is missing is null: webhooks send what they like

Scope = Mapping[str, Any]


def evaluate(text: str, scope: Scope) -> Any:
    """The value of an expression; lists and objects of `scope` are given as they are. Raises ExpressionError."""
    return _Evaluation(scope).of(parse(text))


def condition(text: str, scope: Scope) -> bool:
    """The value of an expression that must be true or false. Raises ExpressionError."""
    tree = parse(text)
    return _Evaluation(scope).truth(tree, "a condition is true or false")


def render(text: str, scope: Scope) -> str:
    """`text` with every template replaced by the text of its value. Raises ExpressionError."""
    if OPEN not in text:
        return text
    evaluation, texts, size = _Evaluation(scope), [], 0
    for part in parse_template(text):
        texts.append(part if isinstance(part, str) else evaluation.text(part))
        size += len(texts[-1])
        if size > MAX_TEXT:
            raise ExpressionError(too_long().problem, 0, too_long().hint)
    return "".join(texts)


def value(text: str, scope: Scope) -> Any:
    """The value itself of a text that is one template and nothing else; else like `render`."""
    parts = parse_template(text)
    if len(parts) == 1 and isinstance(parts[0], Template):
        return _Evaluation(scope).of(parts[0].tree)
    return render(text, scope)


class _Evaluation:
    """One evaluation, and what it has cost so far."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.work = 0

    def spend(self, steps: int) -> None:
        self.work += steps
        if self.work > MAX_WORK:
            raise Refused("this is too much to work out in an expression", "do it in a step")

    def of(self, node: Node) -> Any:
        """The value of a tree."""
        try:
            self.spend(1)
            return _RULES[type(node)](self, node)
        except Refused as error:
            raise ExpressionError(error.problem, node.offset, error.hint) from None

    def text(self, template: Template) -> str:
        found = self.of(template.tree)
        return str(self._at(template.offset, lambda: text_of(found, self.spend)))

    def _at(self, offset: int, work: Callable[[], Any]) -> Any:
        """What `work` gives; what it refuses is an error at `offset`."""
        try:
            return work()
        except Refused as error:
            raise ExpressionError(error.problem, offset, error.hint) from None

    def truth(self, node: Node, where: str) -> bool:
        """The value of a tree that must be a boolean."""
        found = self.of(node)
        if not isinstance(found, bool):
            self._at(node.offset, lambda: refuse(not_boolean(node, type_of(found), where)))
        return bool(found)

    # -- one rule for each sort of node

    def literal(self, node: Literal) -> Any:
        return node.value

    def list_of(self, node: ListOf) -> List[Any]:
        items = []
        for item in node.items:
            items.append(self.of(item))  # no comprehension: it would be one more frame at every depth
        return items

    def logic(self, node: Logic) -> bool:
        stop = node.operator == "or"
        for operand in node.operands:
            if self.truth(operand, f"'{node.operator}' wants true or false") == stop:
                return stop
        return not stop

    def negation(self, node: Not) -> bool:
        return not self.truth(node.operand, "'not' wants true or false")

    def negative(self, node: Negative) -> Any:
        found = self.of(node.operand)
        if type_of(found) != NUMBER:
            refuse(not_number(node.operand, type_of(found), "'-' wants numbers"))
        return checked(-found)

    def comparison(self, node: Comparison) -> bool:
        left_node, left = node.first, self.of(node.first)
        for pair in node.rest:
            right = self.of(pair.operand)
            if not self._applied(pair.operator, left_node, left, pair.operand, right, pair.offset):
                return False
            left_node, left = pair.operand, right
        return True

    def arithmetic(self, node: Arithmetic) -> Any:
        left_node: Node = node.first
        left = self.of(node.first)
        for done, pair in enumerate(node.rest, 1):
            right = self.of(pair.operand)
            left = self._applied(pair.operator, left_node, left, pair.operand, right, pair.offset)
            left_node = Arithmetic(node.first, node.rest[:done], node.offset)
        return left

    def _applied(
        self, operator: str, left_node: Node, left: Any, right_node: Node, right: Any, offset: int
    ) -> Any:
        try:
            return applied(operator, left_node, left, right_node, right, self.spend)
        except Refused as error:
            raise ExpressionError(error.problem, offset, error.hint) from None

    def choice(self, node: Choice) -> Any:
        chosen = self.truth(node.condition, "'if' wants true or false")
        return self.of(node.then if chosen else node.otherwise)

    def call(self, node: Call) -> Any:
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise Refused(f"there is no function '{node.function}'", "there are " + ", ".join(FUNCTIONS))
        refuse(arity_fault(node))
        values = self.list_of(ListOf(node.arguments))
        for index, fault in argument_faults(node, [type_of(found) for found in values]):
            raise ExpressionError(fault.problem, node.arguments[index].offset, fault.hint)
        return checked(function.apply(node, values, self.spend))

    # -- names and keys

    def name(self, node: Name) -> Any:
        try:
            found = self.scope[node.root]
        except KeyError:
            raise Refused(f"'{node.root}' has no value") from None
        return self._followed(found, node, node.root == LENIENT)

    def access(self, node: Access) -> Any:
        return self._followed(self.of(node.base), node, False)

    def _followed(self, found: Any, node: Union[Name, Access], lenient: bool) -> Any:
        for depth, key in enumerate(node.keys):
            looked_up = key if isinstance(key, str) else self.of(key)
            found = _item(found, looked_up, lenient, node, depth)
        return found


def _item(holder: Any, key: Any, lenient: bool, node: Union[Name, Access], depth: int) -> Any:
    """What `holder` has at `key`. Raises Refused; where it is lenient, what is not there is null."""
    if isinstance(holder, Mapping) and isinstance(key, str):
        try:
            return holder[key]
        except KeyError:
            pass
    elif _is_list(holder) and isinstance(key, int) and not isinstance(key, bool):
        if -len(holder) <= key < len(holder):
            return holder[key]
    elif type_of(holder) in (LIST, OBJECT) and not (lenient and isinstance(key, str)):
        wanted = "text" if isinstance(holder, Mapping) else "a whole number"
        raise Refused(f"{_shown(node, depth)} wants {wanted} as its key, not {named(type_of(key))}")
    if lenient:
        return None
    raise _not_there(holder, key, node, depth)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _shown(node: Union[Name, Access], keys: int) -> str:
    return f"'{shown(replace(node, keys=node.keys[:keys]))}'"


def _not_there(holder: Any, key: Any, node: Union[Name, Access], depth: int) -> Refused:
    if _is_list(holder):
        return Refused(
            f"{_shown(node, depth + 1)} has no value", f"the list has {len(holder)} items, from 0 on"
        )
    if isinstance(holder, Mapping):
        return Refused(f"{_shown(node, depth + 1)} has no value", _minus(holder, key, node, depth))
    inner = _shown(node, depth)
    hint = f"write fromJson({inner[1:-1]})" if isinstance(holder, str) else "only objects and lists have keys"
    return Refused(f"{inner} is {named(type_of(holder))} and has no keys", hint)


def _minus(holder: Mapping[str, Any], key: str, node: Union[Name, Access], depth: int) -> str:
    """A hint where a minus was read as a part of a name."""
    before, minus, behind = key.partition("-")
    if not minus or before not in holder:
        return ""
    number = replace(node, keys=(*node.keys[:depth], before))
    return f"to subtract write blanks around '-': {shown(number)} - {behind}"


Rule = Callable[[_Evaluation, Any], Any]
_RULES: Dict[type, Rule] = {
    Literal: _Evaluation.literal,
    ListOf: _Evaluation.list_of,
    Name: _Evaluation.name,
    Access: _Evaluation.access,
    Call: _Evaluation.call,
    Logic: _Evaluation.logic,
    Not: _Evaluation.negation,
    Negative: _Evaluation.negative,
    Comparison: _Evaluation.comparison,
    Arithmetic: _Evaluation.arithmetic,
    Choice: _Evaluation.choice,
}
