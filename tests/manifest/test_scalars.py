"""YAML 1.2's scalars, and what a text loses by being read as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.manifest.scalars import loss, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("NULL", None), ("nuLL", "nuLL"),
        ("true", True), ("TRUE", True), ("yes", "yes"), ("no", "no"), ("on", "on"), ("False", False),
        ("8080", 8080), ("-3", -3), ("+1", 1), ("012", 12), ("0o17", 15), ("0x1F", 31), ("0b1", "0b1"),
        ("1_000", "1_000"), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1e999", "1e999"),
        (".inf", ".inf"), ("12:30", "12:30"), ("2026-11-23", "2026-11-23"), ("-", "-"), (".", "."), ("a", "a"),
        ("9" * 41, "9" * 41),
    ],
)  # fmt: skip
def test_resolve(text, value):
    found = resolve(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text", ["8080", "0", "-3", "1.5", "0.1", "-0.5", "true", "false", "no", "yes", "1_000", "12:30", "a", "v1.10",
             "9" * 30, "1.2.3", "2026-11", "-", "1.0", "nully", "truE"]
)  # fmt: skip
def test_what_is_taken_as_written(text):
    assert loss(text) is None


@pytest.mark.parametrize(
    "text", ["1.10", "012", "-01", "+1", "-0", "1e3", "1E3", "0x1F", "0o17", "True", "FALSE", "null", "~", "", ".5",
             "1.", ".inf", "-.INF", ".NaN", "2026-11-23", "2026-1-3T02:30:00Z", "2026-11-23 02:30", "1.50",
             "1" * 20 + ".0"]
)  # fmt: skip
def test_what_wants_quotes(text):
    assert loss(text)


@given(st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_python_writes_it_loses_nothing_or_is_seen(number):
    text = repr(number)
    assert loss(text) is not None or str(resolve(text)) == text


@given(st.from_regex(r"[-+.0-9eExo_a]{1,12}", fullmatch=True))
def test_whatever_is_no_text_and_not_lost_reads_back_as_written(text):
    value = resolve(text)
    if loss(text) is None and not isinstance(value, str):
        assert repr(value).lower() == text
