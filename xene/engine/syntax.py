"""From text to a tree: expressions, and texts with `${{ }}` templates. Pure.

Called by `expressions` and by `manifest/`. A Pratt parser (Vaughan Pratt, "Top Down Operator Precedence", 1973)
with Python's operators and strengths; operators of one strength become one node, so a long chain is not deep.
Whatever the text is, the work is linear in its length, and what comes is a tree or an ExpressionError.
"""

from __future__ import annotations

from functools import lru_cache
from typing import List, NamedTuple, Optional, Tuple, Union

from xene.engine.functions import FUNCTIONS
from xene.engine.texts import ExpressionError
from xene.engine.tokens import CLOSE, LARGEST, OPEN, Token, tokens, too_long
from xene.engine.tree import (
    AND,
    CHOICE,
    COMPARE,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NODES,
    NOT,
    OR,
    STRENGTHS,
    UNARY,
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
    walk,
    written,
)
from xene.model.records import replace

MAX_TEMPLATE_LENGTH = 65536  # characters of a text with templates

_LITERALS = {"true": True, "false": False, "null": None}
_OPERATORS = ("and", "or", "in", "if", "else", "not")


class Template(NamedTuple):
    """What stands between `${{` and `}}`. `text` is its source, `offset` where that begins in the whole text; the
    offsets of the tree count from the start of the whole text."""

    tree: Node
    offset: int
    text: str


Part = Union[str, Template]


def parse(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise too_long(0)
    return _parsed(text)


def parse_template(text: str) -> Tuple[Part, ...]:
    """The plain texts and templates of `text`, in order. Raises ExpressionError."""
    if OPEN not in text:
        return (text,) if text else ()
    if len(text) > MAX_TEMPLATE_LENGTH:
        raise ExpressionError(
            f"a text with templates may have at most {MAX_TEMPLATE_LENGTH} characters",
            0,
            "put what is long into a file",
        )
    return _cached_parts(text) if len(text) <= MAX_LENGTH else _parts(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Node:
    found, _ = tokens(text)
    return _tree(found)


def _parts(text: str) -> Tuple[Part, ...]:
    parts: List[Part] = []
    at = 0
    while True:
        start = text.find(OPEN, at)
        if start < 0:
            break
        if start > at:
            parts.append(text[at:start])
        found, at = tokens(text, start + len(OPEN), inside=True)
        first, last = found[0].offset, found[-1].offset
        parts.append(Template(_tree(found), first, text[first:last].rstrip()))
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


_cached_parts = lru_cache(maxsize=1024)(_parts)


def _tree(found: List[Token]) -> Node:
    tree = _Parser(found).whole()
    for node, depth in walk(tree):
        if depth > MAX_DEPTH:
            raise _too_deep(node.offset)
    return tree


def _too_deep(offset: int) -> ExpressionError:
    return ExpressionError(f"this is nested deeper than {MAX_DEPTH}", offset, "work it out in a step")


class _Parser:
    """One reading of one expression."""

    def __init__(self, found: List[Token]) -> None:
        self.tokens = found
        self.at = 0
        self.nodes = 0
        self.depth = 0

    def whole(self) -> Node:
        if len(self.tokens) == 1:
            what = (
                f"there is nothing between '{OPEN}' and '{CLOSE}'" if self.token.value else "nothing is here"
            )
            raise ExpressionError(what, self.token.offset, "write an expression, such as params.NAME")
        tree = self.expression(CHOICE)
        if self.token.kind != "end":
            raise self._left_over()
        return tree

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def expression(self, least: int) -> Node:
        """What stands here, with operators that bind at least as strongly as `least`."""
        self.depth += 1
        if self.depth > MAX_DEPTH + 1:
            raise _too_deep(self.token.offset)
        left = self._operand(least)
        while True:
            strength = STRENGTHS.get(self._operator(), 0)
            if strength < least or not strength:
                break
            left = self._joined(left, strength)
        self.depth -= 1
        return left

    def _operator(self) -> str:
        """The binary operator that stands here, or an empty text."""
        token = self.token
        if token.kind not in ("operator", "name"):
            return ""
        if token.value != "not":
            return str(token.value)
        behind = self.tokens[self.at + 1]
        return "not in" if behind.kind == "name" and behind.value == "in" else ""

    def _joined(self, left: Node, strength: int) -> Node:
        if strength == CHOICE:
            return self._choice(left)
        pairs = [self._pair(strength)]
        while STRENGTHS.get(self._operator(), 0) == strength:
            pairs.append(self._pair(strength))
        if strength in (AND, OR):
            operands = (left, *(pair.operand for pair in pairs))
            return self._made(Logic(pairs[0].operator, operands, left.offset))
        if strength == COMPARE:
            return self._made(Comparison(left, tuple(pairs), left.offset))
        return self._made(Arithmetic(left, tuple(pairs), left.offset))

    def _pair(self, strength: int) -> Pair:
        operator, offset = self._operator(), self.token.offset
        self.at += 2 if operator == "not in" else 1
        return Pair(operator, self.expression(strength + 1), offset)

    def _choice(self, then: Node) -> Node:
        self.at += 1
        condition = self.expression(OR)
        if not self._takes("else"):
            raise ExpressionError(
                "'if' has no 'else' here", self.token.offset, "write 'a if condition else b'"
            )
        return self._made(Choice(then, condition, self.expression(CHOICE), then.offset))

    def _made(self, node: Node) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ExpressionError(
                f"an expression may have at most {MAX_NODES} parts", node.offset, "work it out in a step"
            )
        return node

    def _takes(self, word: str) -> bool:
        """Whether the operator or word stands here; if so, go behind it."""
        token = self.token
        if token.kind not in ("operator", "name") or token.value != word:
            return False
        self.at += 1
        return True

    # -- operands

    def _operand(self, least: int) -> Node:
        token = self.token
        self.at += 1
        if token.kind in ("number", "text"):
            return self._behind_literal(self._number(token) if token.kind == "number" else token.value, token)
        if token.kind == "name":
            return self._word(token, least)
        if token.kind == "operator" and token.value == "(":
            inner = self.expression(CHOICE)
            self._close(")", token)
            return self._keyed(inner)
        if token.kind == "operator" and token.value == "[":
            return self._keyed(self._made(ListOf(self._items("]", token), token.offset)))
        if token.kind == "operator" and token.value == "-":
            return self._negative(token)
        raise self._missing(token)

    def _number(self, token: Token) -> Union[int, float]:
        value: Union[int, float] = token.value
        if value > LARGEST and isinstance(value, int):
            raise ExpressionError("this number is too large", token.offset, f"whole numbers end at {LARGEST}")
        return value

    def _behind_literal(self, value: Union[str, int, float, bool, None], token: Token) -> Node:
        node = self._made(Literal(value, token.offset))
        if self._stands("text"):
            raise ExpressionError("an operator is missing here", self.token.offset, "texts are joined by '+'")
        if self._stands("operator", "."):
            raise self._no_keys(node)
        if self._stands("operator", "["):
            raise ExpressionError("parts of a text or a number cannot be taken", self.token.offset)
        return node

    def _stands(self, kind: str, value: Optional[str] = None) -> bool:
        return self.token.kind == kind and value in (None, self.token.value)

    def _negative(self, token: Token) -> Node:
        if self._stands("number"):
            number = self.token
            self.at += 1
            return self._behind_literal(-number.value, token)
        return self._made(Negative(self.expression(UNARY), token.offset))

    def _word(self, token: Token, least: int) -> Node:
        word = token.value
        if word == "not":
            if least > NOT:
                raise ExpressionError("'not' cannot stand here", token.offset, "put brackets around it")
            return self._made(Not(self.expression(NOT), token.offset))
        if word in _LITERALS:
            return self._behind_literal(_LITERALS[word], token)
        if word in _OPERATORS:
            raise self._missing(token)
        if word.startswith("__"):
            raise ExpressionError(f"there is no '{word[:40]}'", token.offset, "names are like params.NAME")
        if self._stands("operator", "("):
            return self._call(token)
        if word in FUNCTIONS:
            raise ExpressionError(f"'{word}' is a function", token.offset, f"write {FUNCTIONS[word].usage}")
        return self._keyed(self._made(Name(word, (), token.offset)))

    def _call(self, token: Token) -> Node:
        opened = self.token
        self.at += 1
        call = Call(token.value, self._items(")", opened), token.offset)
        gives = FUNCTIONS[token.value].gives if token.value in FUNCTIONS else "any"
        if gives != "any" and (self._stands("operator", ".") or self._stands("operator", "[")):
            raise self._no_keys(call)
        return self._keyed(self._made(call))

    def _items(self, closing: str, opened: Token) -> Tuple[Node, ...]:
        items: List[Node] = []
        while not self._takes(closing):
            if items and not self._takes(","):
                raise self._unclosed(closing, opened)
            if items and self._takes(closing):
                break
            items.append(self.expression(CHOICE))
        return tuple(items)

    def _close(self, closing: str, opened: Token) -> None:
        if not self._takes(closing):
            raise self._unclosed(closing, opened)

    # -- keys

    def _keyed(self, node: Node) -> Node:
        """`node` with the keys that follow it."""
        keys: List[Key] = []
        while True:
            if self._takes("."):
                keys.append(self.token.value if self.token.kind == "key" else self._no_key())
                self.at += 1
            elif self._takes("["):
                keys.append(self._index(self.tokens[self.at - 1]))
            elif self._stands("operator", "("):
                raise self._no_method(node, keys)
            else:
                break
        return self._with_keys(node, tuple(keys)) if keys else node

    def _with_keys(self, node: Node, keys: Tuple[Key, ...]) -> Node:
        if isinstance(node, (Name, Access)):
            return replace(node, keys=node.keys + keys)
        if isinstance(node, (Call, ListOf, Choice)):
            return self._made(Access(node, keys, node.offset))
        raise ExpressionError(f"'{written(node)[:40]}' has no keys", node.offset)

    def _index(self, opened: Token) -> Key:
        key = self.expression(CHOICE)
        self._close("]", opened)
        return key.value if isinstance(key, Literal) and isinstance(key.value, str) else key

    def _no_key(self) -> str:
        raise ExpressionError("a name is missing here", self.token.offset, "write a.b or a['b']")

    # -- what is wrong

    def _no_keys(self, node: Node) -> ExpressionError:
        key, behind = self.tokens[self.at + 1], self.tokens[min(self.at + 2, len(self.tokens) - 1)]
        if key.kind == "key" and behind.value == "(" and behind.kind == "operator":
            self.at += 2
            return self._no_method(node, [key.value])
        what = written(node)
        return ExpressionError(
            f"'{what[:40]}' is no object and has no keys",
            self.token.offset,
            "only objects and lists have them",
        )

    def _no_method(self, node: Node, keys: List[Key]) -> ExpressionError:
        last = keys[-1] if keys and isinstance(keys[-1], str) else ""
        for name in FUNCTIONS:
            if last and name.lower() == last.lower():
                return ExpressionError(
                    "values have no methods", self.token.offset, f"write {FUNCTIONS[name].usage}"
                )
        what = "values have no methods" if last else f"'{written(node)[:40]}' cannot be called"
        return ExpressionError(what, self.token.offset, "the functions are " + ", ".join(FUNCTIONS))

    def _missing(self, token: Token) -> ExpressionError:
        if token.kind == "end":
            return ExpressionError("a value is missing at the end", token.offset)
        if token.value == "+":
            return ExpressionError(
                "a value is missing before '+'", token.offset, "a number has no '+' before it"
            )
        return ExpressionError(f"a value is missing before '{token.value}'", token.offset)

    def _unclosed(self, closing: str, opened: Token) -> ExpressionError:
        token = self.token
        if token.kind == "end":
            return ExpressionError(
                f"'{opened.value}' is not closed", opened.offset, f"a '{closing}' is missing"
            )
        return ExpressionError(
            f"'{closing}' or an operator is missing before '{_shown(token)}'", token.offset
        )

    def _left_over(self) -> ExpressionError:
        token = self.token
        if token.kind == "operator" and token.value in (")", "]"):
            return ExpressionError(f"this '{token.value}' closes nothing", token.offset)
        if token.kind == "operator" and token.value == ",":
            return ExpressionError("an expression is one value", token.offset, "a list is written [a, b]")
        return ExpressionError(f"an operator is missing before '{_shown(token)}'", token.offset)


def _shown(token: Token) -> str:
    shown = str(token.value)
    return "".join(c if c.isprintable() else "?" for c in shown[:40])
