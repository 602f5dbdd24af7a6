"""Expressions and templates: what they come to, and what is said, and where, when they come to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Iterator

import pytest

from xene.engine.expressions import (
    ExpressionError,
    Template,
    as_text,
    condition,
    evaluate,
    has_template,
    parse_template,
    render,
    value,
)
from xene.engine.tree import Name

SCOPE: dict[str, Any] = {
    "params": {
        "sha": "abc", "count": 3, "n": 3, "deep": True, "rate": 1.5, "list": [1, "x"], "a": 5, "b": 2, "a-b": "x",
        "numbers": [1, 2], "not": "odd", "quoted": "a'b",
    },
    "tasks": {"fetch": {"outputs": {"version": "1.10", "n": "5", "json": '{"k": [1, {"x": null}]}'}}},
    "agent": {"labels": {"example.com/zone": "a"}},
    "event": {"body": {"ref": "refs/heads/main", "labels": ["x"], "deep": {"n": 1}}},
}  # fmt: skip


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
        ("${{ '}}' }}${{ \"}}\" + '{' }}", "}}}}{"),
        ("${{ event.body.none }}.", "."),
        ("${{ [] }}", "[]"),
        ("${{ 1 if params.deep else 2 }}", "1"),
        ("${{ agent }}", '{"labels":{"example.com/zone":"a"}}'),
    ],
)
def test_render(text: str, meant: str) -> None:
    assert render(text, SCOPE) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("1e3", 1000.0),
        ("-9223372036854775808", -(2**63)),
        ("1 < 2 < 3 != 4", True),
        ("1 < 2 > 5", False),
        ("not 1 == 2", True),
        ("not true or true", True),
        ("true or 1 / 0 == 0", True),
        ("false and 1 / 0 == 0", False),
        ("1 if false else 2 if false else 3", 3),
        ("'a' + \"b\\n\\u00e9\"", "ab\né"),
        ("'a' < 'b'", True),
        ("[1, 'a', [null],] + [2]", [1, "a", [None], 2]),
        ("[1, true] == [1, 1]", False),
        ("[1] == [1.0]", True),
        ("null == params.sha", False),
        ("event.body.none == null", True),
        ("event.none[0].x['y'] == null", True),
        ("event.body.ref.x == null", True),
        ("event.body.labels[7] == null", True),
        ("event.body.ref == 'refs/heads/main'", True),
        ("'x' in event.body.labels", True),
        ("'bc' in params.sha", True),
        ("'sha' not in params", False),
        ("null in [1, null]", True),
        ("params.a-b", "x"),
        ("params.a - params.b", 3),
        ("params.a -params.b", 3),
        ("params['a' + '-b']", "x"),
        ("params.numbers[-1]", 2),
        ("params.numbers[params.b - 2]", 1),
        ("params.not", "odd"),
        ("[5, 6][1]", 6),
        ("fromJson(tasks.fetch.outputs.json).k[1].x", None),
        ("int(tasks.fetch.outputs.n) > 4", True),
        ("contains('abc', 'b')", True),
        ("contains(params.list, 'x')", True),
        ("startsWith(event.body.ref, 'refs/')", True),
        ("endsWith('a.py', '.sh')", False),
        ("toJson(['é', 1, null])", '["é",1,null]'),
        ("toJson('a')", '"a"'),
        ("join(['a', 1, true])", "a,1,true"),
        ("join([], '-')", ""),
        ("format('{} and {}, {0} {{}}', 'a', 1.5)", "a and 1.5, a {}"),
        ("len('é') + len([1]) + len(params.numbers)", 4),
        ("int('-7') + int(2.0)", -5),
        ("str(true) + str(null) + str([1])", "true[1]"),
    ],
)
def test_evaluate(text: str, meant: Any) -> None:
    found = evaluate(text, SCOPE)
    assert found == meant and type(found) is type(meant)


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("tasks.fetch.outputs.n > 5", 22, "text and number cannot be compared: write int(tasks.fetch.outputs.n)"),
        ("params.n == '5'", 9, "number and text cannot be compared: write params.n == 5"),
        ("params.n == 'x'", 9, "number and text cannot be compared: write str(params.n) == 'x'"),
        ("'n=' + params.n", 5, "text and number cannot be added: write 'n=' + str(params.n)"),
        ("1 + 2 + 'x'", 6, "number and text cannot be added: write str(1 + 2) + 'x'"),
        ("params.deep == 'true'", 12, "boolean and text cannot be compared: write str(params.deep) == 'true'"),
        ("params.sha == true", 11, "text and boolean cannot be compared: write params.sha == 'true'"),
        ("params.deep == 1", 12, "boolean and number cannot be compared: write str(params.deep) == str(1)"),
        ("params.list == 'x'", 12, "list and text cannot be compared: write 'x' in params.list"),
        ("params.numbers + 'x'", 15, "list and text cannot be added: write join(params.numbers) + 'x'"),
        ("true < false", 5, "'<' cannot compare a boolean: only text and numbers have an order"),
        ("event.x < 1", 8, "'<' cannot compare null: ask before: event.x != null and ..."),
        ("true + 1", 5, "'+' wants numbers, texts or lists, not a boolean: write (1 if true else 0)"),
        ("'%s' % 1", 5, "'%' wants numbers, not text: to fill in a text write format('{} and {}', a, b)"),
        ("'5' * 2", 4, "'*' wants numbers, not text: write int('5')"),
        ("-params.sha", 0, "'-' wants numbers, not text: write int(params.sha)"),
        ("not params.n", 4, "'not' wants true or false, not a number: write params.n != 0"),
        ("true and params.sha", 9, "'and' wants true or false, not text: write params.sha == 'true'"),
        ("1 if params.list else 2", 5, "'if' wants true or false, not a list: write len(params.list) > 0"),
        ("1 in 'abc'", 2, "'in' finds only text in text, not a number: write str(1)"),
        ("'a' in event.x", 4, "'in' looks into text, a list or an object, not null: ask before"),
        ("params.sha in params.numbers", 11, "the list holds number and never text: write int(params.sha)"),
        ("contains([1], params.sha)", 0, "the list holds number and never text"),
        ("5 % 0", 2, "a number cannot be divided by zero"),
        ("9223372036854775807 + 1", 20, "this number is too large"),
        ("9223372036854775808", 0, "this number is too large"),
        ("1e308 * 10", 6, "this number is too large"),
        ("-9223372036854775808 // -1", 21, "this number is too large"),
        ("params.shaa", 0, "'params.shaa' has no value"),
        ("nothing.x", 0, "'nothing' has no value"),
        ("params.n-1", 0, "'params.n-1' has no value: to subtract write blanks around '-': params.n - 1"),
        ("params.numbers[2]", 0, "'params.numbers[2]' has no value: the list has 2 items"),
        ("params.numbers['a']", 0, "'params.numbers' wants a whole number as its key, not text"),
        ("params[1]", 0, "'params' wants text as its key, not a number"),
        ("params.n.x", 0, "'params.n' is a number and has no keys"),
        ("tasks.fetch.outputs.json.k", 0, "is text and has no keys: write fromJson(tasks.fetch.outputs.json)"),
        ("fromJson(event.body.ref)", 0, "fromJson() was given no JSON"),
        ("fromJson('[NaN]')", 0, "there is no NaN"),
        ("fromJson('[1e999]')", 0, "too large"),
        ("fromJson('[' + str(9223372036854775807) + '0]')", 0, "too large"),
        ("fromJson('\"\\\\ud800\"')", 0, "half a character"),
        ("int('1.5')", 0, "int() wants a whole number, not '1.5'"),
        ("int(1.5)", 0, "int() would lose a part of 1.5: write int(x // 1) to round down"),
        ("int(true)", 4, "int() wants text or a number here, not a boolean"),
        ("join('a,b')", 5, "join() wants a list here, not text: write fromJson('a,b')"),
        ("startsWith(event.x, 'a')", 11, "startsWith() wants text here, not null: ask before: event.x"),
        ("len()", 0, "len() is given no arguments: write len(text, list or object)"),
        ("len('a', 'b')", 0, "len() is given 2 arguments"),
        ("format('{} {}', 1)", 0, "format() has no value for the {1}"),
        ("format('{a}')", 0, "finds a lone '{': write {{"),
        ("size('a')", 0, "there is no function 'size': there are contains, startsWith"),
    ],
)  # fmt: skip
def test_what_has_no_value_is_told_with_its_place_and_the_way_out(text: str, offset: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, SCOPE)
    assert words in caught.value.message
    assert caught.value.offset == offset


def test_a_hint_that_is_followed_helps() -> None:
    for text in ("tasks.fetch.outputs.n > 5", "params.n == '5'", "'n=' + params.n", "params.list == 'x'"):
        with pytest.raises(ExpressionError) as caught:
            evaluate(text, SCOPE)
        evaluate(caught.value.hint.removeprefix("write "), SCOPE)


@pytest.mark.parametrize(
    ("text", "words", "offset"),
    [
        ("a ${{ params.sha", "is not closed", 6),
        ("${{ }}", "nothing between", 4),
        ("${{ params. }}", "a name is missing", 12),
        ("${{ params['a] }}", "this text is not closed", 11),
        ("${{ params.a } }}", "closes nothing", 13),
        ("x ${{ params.a b }}", "an operator is missing", 15),
        ("${{ ${{ params.a }} }}", "leave", 4),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, words: str, offset: int) -> None:
    with pytest.raises(ExpressionError, match=words) as caught:
        parse_template(text)
    assert caught.value.offset == offset


def test_a_missing_value_is_named_up_to_where_it_is_missing() -> None:
    with pytest.raises(ExpressionError, match=r"'tasks\.build' has no value") as caught:
        render("a ${{ tasks.build.outputs.x }}", SCOPE)
    assert caught.value.offset == 6


def test_templates_know_where_they_stand() -> None:
    assert parse_template("x${{ params.a }}") == ("x", Template(Name("params", ("a",), 5), 5, "params.a"))
    assert has_template("x${{") and not has_template("${ {{")


def test_only_a_boolean_is_a_condition() -> None:
    assert condition("params.n > 2", SCOPE) is True and condition("params.deep == false", SCOPE) is False
    for text in ("params.n", "params.sha", "event.none", "params.numbers"):
        with pytest.raises(ExpressionError, match="a condition is true or false, not"):
            condition(text, SCOPE)


def test_a_text_that_is_one_template_keeps_its_value() -> None:
    assert value("${{ params.numbers }}", SCOPE) == [1, 2]
    assert value(" ${{ params.numbers }}", SCOPE) == " [1,2]"
    assert value("plain", SCOPE) == "plain" and value("", SCOPE) == ""


class Lazy(Mapping[str, Any]):
    """Values that are made when asked for; anything but an item would raise."""

    def __getitem__(self, key: str) -> Any:
        return {"outputs": {"k": key}}

    def __iter__(self) -> Iterator[str]:
        return iter(("a",))

    def __len__(self) -> int:
        return 1

    secret = "never"


def test_a_scope_may_be_lazy_and_nothing_but_its_items_is_reached() -> None:
    scope = {"tasks": Lazy(), "event": Lazy()}
    assert evaluate("tasks.x.outputs.k", scope) == "x"
    assert evaluate("toJson(tasks)", scope) == '{"a":{"outputs":{"k":"a"}}}'
    assert evaluate("tasks.secret.outputs.k", scope) == "secret"  # the item, not the attribute
    with pytest.raises(ExpressionError, match="no attributes"):
        evaluate("tasks.__class__", scope)
    assert evaluate("params['__class__'] == null", {"params": {"__class__": None}}) is True


@pytest.mark.parametrize(
    "text",
    [
        "[big, big, big, big, big, big, big, big, big, big, big, big] == 1 or toJson([big, big]) == ''",
        "toJson([long, long])",
        "long + long",
        "big + big",
        "join(big, long)",
        "format('{0}{0}', long)",
        " and ".join(["'b' not in long"] * 100),
        " and ".join(["[big] == [big]"] * 100)
        + " and "
        + " and ".join(["big == big"] * 100 + ["big == big"]),
        "needle in long",
        "str(nested)",
        "fromJson(open)",
        "[1] + wide",
    ],
)
def test_the_work_of_one_evaluation_is_bounded(text: str) -> None:
    nested: Any = 1
    for _ in range(5000):
        nested = [nested]
    scope = {
        "big": list(range(10_000)), "long": "a" * (2**20 - 1), "nested": nested, "open": "[" * 100_000,
        "needle": "a" * 500_000 + "b", "wide": list(range(10_000)),
    }  # fmt: skip
    with pytest.raises(ExpressionError):
        evaluate(text, scope)


def test_render_is_bounded() -> None:
    with pytest.raises(ExpressionError, match="more than 1048576 characters"):
        render("${{ long }}${{ long }}", {"long": "a" * 2**20})


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        ("a", "a"),
        (True, "true"),
        (None, ""),
        (3, "3"),
        (1.0, "1.0"),
        ([1, "é"], '[1,"é"]'),
        ({"a": 1}, '{"a":1}'),
    ],
)
def test_as_text(found: Any, meant: str) -> None:
    assert as_text(found) == meant
