"""A place in a text is found in the file, however the text is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.manifest.nodes import Composer, Fields, Scalar
from xene.manifest.spots import spot


def scalar(source: str) -> Scalar:
    """The value of the key `a`."""
    composer = Composer()
    composer.read(source)
    (document,) = composer.documents
    assert isinstance(document, Fields)
    node = document.fields["a"][1]
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize(
    "source",
    [
        "a: one two",
        "a: one\n   two",
        "a: 'one two'",
        "a: 'one\n\n  two'",
        "a: 'it''s one two'",
        'a: "one two"',
        'a: "one \\\n   two"',
        'a: "say \\"one\\"\\n\\t two"',
        'a: "\\u00e9\\x41 one two"',
        "a: |\n  one\n    two\n",
        "a: |2-\n    one\n  two\n",
        "a: >-\n  one\n  two\n",
        "a: &x !!str one two",
        "a: &x\n  one two",
        "{a: one two, b: c}",
        "a: ✓ one 全 two",
    ],
)
def test_a_word_is_found(source: str) -> None:
    node = scalar(source)
    at = spot(source, node, node.text.index("two"))
    assert at is not None and source[at:].startswith("two")
    assert at == source.index("two")


@given(st.text(st.sampled_from("ab '\"\\\n\t#:éx4"), min_size=1), st.data())
def test_every_character_is_found_in_double_quotes(text: str, data: st.DataObject) -> None:
    escaped = "".join({"\n": "\\n", "\t": "\\t", "\\": "\\\\", '"': '\\"'}.get(c, c) for c in text)
    source = f'a: "{escaped}"'
    node = scalar(source)
    assert node.text == text
    offset = data.draw(st.integers(0, len(text) - 1))
    at = spot(source, node, offset)
    assert at is not None
    if not text[offset].isspace():
        assert source[at:].lstrip("\\").startswith(text[offset]) or text[offset] == "\\"


def test_behind_the_end_is_the_end() -> None:
    source = "a: one"
    assert spot(source, scalar(source), 3) == len(source)


def test_what_cannot_be_followed_is_not_guessed() -> None:
    assert spot("a: other", scalar("a: one"), 2) is None
