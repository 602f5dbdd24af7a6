"""Templates: what they mean, and where exactly they are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.engine.expressions import ExpressionError, Reference, parse, render

SCOPE = {
    "params": {"sha": "abc", "count": 3, "deep": True, "rate": 1.5, "list": [1, "x"]},
    "tasks": {"fetch": {"outputs": {"version": "1.10"}}},
    "agent": {"labels": {"example.com/zone": "a"}},
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("plain", "plain"),
        ("${{ params.sha }}", "abc"),
        ("v${{params.sha}}-${{ params.count }}", "vabc-3"),
        ("${{ params.deep }}", "true"),
        ("${{ params.rate }}", "1.5"),
        ("${{ params.list }}", '[1,"x"]'),
        ("${{ tasks.fetch.outputs.version }}", "1.10"),
        ("${{ agent.labels['example.com/zone'] }}", "a"),
        ("$HOME ${X} {{ no }}", "$HOME ${X} {{ no }}"),
        ("", ""),
    ],
)
def test_render(text: str, meant: str) -> None:
    assert render(text, SCOPE) == meant


@pytest.mark.parametrize(
    ("text", "words", "offset"),
    [
        ("a ${{ params.sha", "is not closed", 6),
        ("${{ }}", "nothing between", 4),
        ("${{ params. }}", "a name is missing", 10),
        ("${{ params.a + 1 }}", "only a name", 13),
        ("${{ 'x' }}", "no name", 4),
        ("${{ params['a] }}", "a name is missing", 10),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, words: str, offset: int) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        parse(text)
    assert caught.value.offset == offset


def test_a_missing_value_is_named_up_to_where_it_is_missing() -> None:
    with pytest.raises(ExpressionError, match=r"'tasks\.build' has no value"):
        render("${{ tasks.build.outputs.x }}", SCOPE)


def test_references_know_where_they_stand() -> None:
    assert parse("x${{ params.a }}") == ("x", Reference(("params", "a"), 5, "params.a"))


@given(st.text(max_size=200))
def test_any_text_either_parses_or_says_where_it_does_not(text: str) -> None:
    try:
        parts = parse(text)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
        assert "${{" in text
    else:
        if "${{" not in text:
            assert "".join(str(part) for part in parts) == text
