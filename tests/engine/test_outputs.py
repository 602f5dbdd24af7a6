"""The file `$XENE_OUTPUT`, read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.engine.outputs import MAX_BYTES, parse_outputs, too_large


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        (b"", {}),
        (b"a=1\n", {"a": "1"}),
        (b"a=1\na=2\n\nb-c=x=y\n", {"a": "2", "b-c": "x=y"}),
        (b"a=\n", {"a": ""}),
        (b"a<<EOF\none\ntwo\nEOF\nb=3\n", {"a": "one\ntwo", "b": "3"}),
        (b"a<<EOF\nEOF\n", {"a": ""}),
        (b"a=1<<2\n", {"a": "1<<2"}),
        ("a=ü".encode(), {"a": "ü"}),
    ],
)
def test_parse(data: bytes, meant: dict[str, str]) -> None:
    assert parse_outputs(data) == meant


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello\n", "line 1 .* neither"),
        (b"a=1\na b=2\n", "line 2 .* name"),
        (b"a<<EOF\none\n", "line 1 .* opens a block"),
        (b"a=\xff\n", "not UTF-8"),
        (b"x" * (MAX_BYTES + 1), "more than"),
    ],
)
def test_what_is_wrong_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_outputs(data)


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9-]{0,8}\Z"), st.text(max_size=50)))
def test_any_value_survives_a_block(values: dict[str, str]) -> None:
    values = {name: value.replace("\0", "") for name, value in values.items()}
    end = "E" + "O" * 60 + "F"
    text = "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in values.items())
    assert parse_outputs(text.encode("utf-8", "replace")) == {
        name: value.encode("utf-8", "replace").decode() for name, value in values.items()
    }


def test_the_outputs_of_a_task_have_a_limit_together() -> None:
    assert too_large({"a": "x" * (MAX_BYTES - 2), "b": ""}) is None
    assert too_large({"a": "x" * (MAX_BYTES - 1), "b": ""}) is not None
    assert too_large({"a": ["ä" * (MAX_BYTES // 4)] * 3}) is not None
