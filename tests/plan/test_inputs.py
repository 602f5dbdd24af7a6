"""Params: tables, and hypothesis for what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.errors import NotFound, Usage
from xene.model.workflow import Param
from xene.plan import fires, inputs

INTEGER, NUMBER, BOOLEAN, STRING = (Param(kind) for kind in ("integer", "number", "boolean", "string"))
LEVEL = Param("string", enum=("quick", "full"), default="quick")
SHA = Param("string", pattern="[0-9a-f]{7,40}|HEAD", default="HEAD")


@pytest.mark.parametrize(
    ("param", "value", "expected"),
    [
        (INTEGER, "5", 5),
        (INTEGER, "-5", -5),
        (INTEGER, "+05", 5),
        (INTEGER, 5, 5),
        (NUMBER, "5", 5),
        (NUMBER, "5.5", 5.5),
        (NUMBER, "1e3", 1000.0),
        (NUMBER, ".5", 0.5),
        (NUMBER, 2.5, 2.5),
        (BOOLEAN, "true", True),
        (BOOLEAN, "false", False),
        (BOOLEAN, True, True),
        (STRING, "", ""),
        (STRING, "5", "5"),
        (STRING, "a=b\nc", "a=b\nc"),
        (LEVEL, "full", "full"),
        (SHA, "HEAD", "HEAD"),
        (SHA, "0123abc", "0123abc"),
        (Param("integer", enum=(1, 2)), "2", 2),
        (Param("integer", pattern="[1-9]+"), "12", 12),
    ],
)
def test_values(param: Param, value: object, expected: object) -> None:
    result = inputs.resolve({"p": param}, {"p": value})["p"]
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(
    ("param", "value", "words"),
    [
        (INTEGER, "five", "param p: 'five' is not an integer"),
        (INTEGER, "5.0", "param p: '5.0' is not an integer"),
        (INTEGER, " 5", "param p: ' 5' is not an integer"),
        (INTEGER, "1_0", "param p: '1_0' is not an integer"),
        (INTEGER, "٥", "param p: '٥' is not an integer"),
        (INTEGER, "9" * 19, "more than 64 bits"),
        (INTEGER, "9" * 5000, "is not an integer"),
        (INTEGER, 2**63, "more than 64 bits"),
        (INTEGER, True, "param p: true is not an integer"),
        (INTEGER, 5.0, "param p: 5.0 is not an integer"),
        (NUMBER, "nan", "is not a number"),
        (NUMBER, "1e999", "is not a number"),
        (NUMBER, float("inf"), "is not a number"),
        (BOOLEAN, "yes", "param p: 'yes' is not true or false"),
        (BOOLEAN, 1, "param p: 1 is not true or false"),
        (STRING, 5, "param p: 5 is not a text"),
        (STRING, None, "param p: null is not a text"),
        (STRING, ["a"], "is not a text"),
        (STRING, "a\0b", "NUL"),
        (STRING, "\udcff", "UTF-8"),
        (STRING, "x" * 200_000, "200000 bytes"),
        (LEVEL, "ful", "param p: 'ful' is not one of quick, full"),
        (SHA, "HEAD^", "does not match the pattern [0-9a-f]{7,40}|HEAD"),
        (SHA, "xHEAD", "does not match"),
        (SHA, "HEAD\n", "does not match"),
        (Param("boolean", enum=(True,)), "false", "false is not one of true"),
        (Param("string", pattern="("), "x", "no RE2 pattern"),
    ],
)
def test_wrong_values(param: Param, value: object, words: str) -> None:
    with pytest.raises(Usage) as caught:
        inputs.resolve({"p": param}, {"p": value})
    assert words in caught.value.message and len(caught.value.message) < 300


def test_defaults_and_the_order_of_declaration() -> None:
    assert list(inputs.resolve({"b": LEVEL, "a": SHA}, {"a": "HEAD"}).items()) == [
        ("b", "quick"),
        ("a", "HEAD"),
    ]
    assert inputs.resolve({"p": Param("string", default="")}, {}) == {"p": ""}
    assert inputs.resolve({"p": Param("boolean", default=False)}, {}) == {"p": False}


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(Usage) as caught:
        inputs.resolve(
            {"level": LEVEL, "n": INTEGER, "sha": Param("string")}, {"levle": "full", "n": "x", "zzz": "1"}
        )
    assert caught.value.message.splitlines() == [
        "4 params are wrong:",
        "  param n: 'x' is not an integer",
        "  param sha: required (string), and not given",
        "  param levle: no such param; did you mean level?",
        "  param zzz: no such param; known are level, n, sha",
    ]


def test_no_backtracking_in_a_pattern() -> None:
    with pytest.raises(Usage):
        inputs.resolve({"p": Param("string", pattern="(a+)+b")}, {"p": "a" * 5000})


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_survives_its_text(value: int) -> None:
    assert inputs.resolve({"p": INTEGER}, {"p": str(value)}) == {"p": value}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_its_text(value: float) -> None:
    assert inputs.resolve({"p": NUMBER}, {"p": repr(value)}) == {"p": value}


@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused_never_worse(value: str) -> None:
    for param in (INTEGER, NUMBER, BOOLEAN, STRING, LEVEL, SHA):
        try:
            inputs.resolve({"p": param}, {"p": value})
        except Usage:
            pass


def test_parse() -> None:
    assert inputs.parse(["a=1", "b=", "c=x=y"]) == {"a": "1", "b": "", "c": "x=y"}
    for bad in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(Usage):
            inputs.parse(bad)


DECLARED = {"build": {"level": LEVEL, "n": INTEGER}, "scan": {"level": LEVEL}, "plain": {}}


def test_each_pipeline_takes_what_it_declares() -> None:
    assert fires.starts("shop", DECLARED, None, {"level": "full", "n": "3"}) == (
        fires.Start("build", {"level": "full", "n": 3}),
        fires.Start("scan", {"level": "full"}),
        fires.Start("plain", {}),
    )
    assert fires.starts("shop", DECLARED, "scan", {}) == (fires.Start("scan", {"level": "quick"}),)


def test_a_param_that_no_pipeline_of_the_fire_declares() -> None:
    with pytest.raises(Usage, match="param n: no such param"):
        fires.starts("shop", DECLARED, "scan", {"n": "3"})
    with pytest.raises(Usage) as caught:
        fires.starts("shop", DECLARED, None, {"levels": "full"})
    assert "did you mean level?" in caught.value.message
    assert "build: param n: required (integer), and not given" in caught.value.message


def test_a_pipeline_that_is_not_there() -> None:
    with pytest.raises(NotFound) as caught:
        fires.starts("shop", DECLARED, "biuld", {})
    assert caught.value.hint == "did you mean build?"
