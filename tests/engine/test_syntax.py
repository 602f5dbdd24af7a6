"""From text to tree and back: what is refused is told with what to write, and nothing else is raised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.trees import CONSTANTS, bare, trees
from xene.engine.expressions import ExpressionError, evaluate
from xene.engine.syntax import parse, parse_template
from xene.engine.tree import MAX_LENGTH, Arithmetic, Literal, Logic, Name, walk, written


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("a && b", 2, "write 'and'"),
        ("a || b", 2, "write 'or'"),
        ("!a", 0, "write 'not'"),
        ("a = b", 2, "write '=='"),
        ("a === b", 2, "write '=='"),
        ("a <> b", 2, "write '!='"),
        ("True", 0, "write 'true'"),
        ("x == None", 5, "write 'null'"),
        ("x is null", 2, "write '==' or '!='"),
        ("lambda x: x", 0, "functions cannot be made"),
        ("[i for i in x]", 3, "there are no loops"),
        ("f'{x}'", 0, "write format("),
        ("r'x'", 0, "write '...' alone"),
        ("len(x).y", 6, "has no keys"),
        ("x.lower()", 7, "values have no methods"),
        ("x.startswith('a')", 12, "write startsWith(text, beginning)"),
        ("','.join(x)", 8, "write join(list, ',')"),
        ("x.__class__", 2, "no attributes"),
        ("__import__('os')", 0, "there is no '__import__'"),
        ("a ? b : c", 2, "write 'a if condition else b'"),
        ("a if b", 6, "write 'a if condition else b'"),
        ("{'a': 1}", 0, "use fromJson("),
        ("x[1:2]", 3, "no slices"),
        ("$HOME", 0, "env.NAME"),
        ("${{ x }}", 0, "leave '${{' and '}}' out"),
        ("012", 0, "is no number"),
        ("0x1F", 0, "is no number"),
        ("1_000", 0, "is no number"),
        ("1.", 0, "is no number"),
        ("1e999", 0, "too large"),
        ("x.0", 2, "write [0]"),
        ("x.", 2, "a name is missing"),
        ("'a", 0, "not closed"),
        ("'\\d'", 1, "write \\\\ for a backslash"),
        ("'\\ud800'", 1, "is no character"),
        ("'a' 'b'", 4, "joined by '+'"),
        ("a b", 2, "an operator is missing before 'b'"),
        ("a, b", 1, "a list is written [a, b]"),
        ("(a", 0, "a ')' is missing"),
        ("[a", 0, "a ']' is missing"),
        ("a)", 1, "closes nothing"),
        ("", 0, "nothing is here"),
        ("a +", 3, "a value is missing at the end"),
        ("a == not b", 5, "put brackets around it"),
        ("+1", 0, "a value is missing before '+'"),
        ("contains", 0, "write contains("),
        ("x # why", 2, "no comments"),
        ("“a”", 0, "typographic"),
        ("(1)(2)", 3, "cannot be called"),
        ("é", 0, "means nothing here"),
    ],
)
def test_what_is_written_out_of_habit_is_told_what_to_write(text: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in caught.value.message
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * (MAX_LENGTH + 1), "at most 4096 characters"),
        ("(" * 60 + "1" + ")" * 60, "nested deeper than 50"),
        ("not " * 60 + "true", "nested deeper"),
        ("-" * 2000, "nested deeper"),
        ("[" * 4000, "nested deeper"),
        ("a[" * 1500, "nested deeper"),
        ("1 if a else " * 300 + "1", "nested deeper"),
        ("f(" * 1500, "nested deeper"),
        ("1+" * 600 + "1", "at most 500 parts"),
        ("[" + "1," * 600 + "]", "at most 500 parts"),
        ("(x or x and x == x + x * " * 60 + "1" + ")" * 60, "nested deeper"),
    ],
)
def test_what_is_too_much_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        parse(text)
    with pytest.raises(ExpressionError):
        parse_template("${{" + text + "}}")


def test_a_text_of_a_megabyte_is_refused_unread() -> None:
    for text in ("a" * 2**20, "'" * 2**20):
        with pytest.raises(ExpressionError, match="at most 4096"):
            parse(text)
    with pytest.raises(ExpressionError, match="at most 65536"):
        parse_template("${{ a }}" + "x" * 2**20)


def test_a_long_chain_is_not_deep() -> None:
    assert max(depth for _, depth in walk(parse(" and ".join(["a"] * 200)))) == 2
    assert parse("a + 1 - 2") == Arithmetic(Name("a"), parse("a + 1 - 2").rest)  # type: ignore[union-attr]
    assert isinstance(parse("a and b or c"), Logic) and parse("-1") == Literal(-1)


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["a", "params", ".", "[", "]", "(", ")", "'", '"', "\\", " ", "not", "in", "and", "or", "if", "else", "-", "+",
     "==", "<", "1", "1.5", ",", "}}", "${{", "true", "null", "len", "x.y-z", "\n", "fromJson(", "__a", "\ud800"]
), max_size=30).map("".join))  # fmt: skip
def test_any_text_is_a_tree_or_an_error_with_a_place(text: str) -> None:
    for whole, read in ((text, parse), ("x${{" + text + "}}", parse_template)):
        try:
            read(whole)
        except ExpressionError as error:
            assert 0 <= error.offset <= len(whole) and error.message
            continue
        if read is parse:
            try:
                evaluate(text, CONSTANTS)
            except ExpressionError as error:
                assert 0 <= error.offset <= len(text)


@given(st.text(max_size=200))
def test_a_text_without_templates_is_kept(text: str) -> None:
    if "${{" not in text:
        assert "".join(str(part) for part in parse_template(text)) == text


@settings(max_examples=200, deadline=None)
@given(trees())
def test_a_tree_that_is_written_down_is_the_same_tree(tree: Any) -> None:
    assert repr(bare(parse(written(tree)))) == repr(bare(tree))
