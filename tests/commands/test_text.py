"""Text that is safe to print."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from xene.commands.text import colored_log, did_you_mean, one_line, plural, printable


@given(st.text())
def test_nothing_printable_steers_a_terminal(text: str) -> None:
    for char in printable(text):
        assert char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"), repr(char)


@given(st.text())
def test_plain_text_stays(text: str) -> None:
    if text.isprintable():
        assert printable(text) == text


def test_escapes_are_made_visible() -> None:
    assert printable("a\x1b]0;title\x07b\x9b2J\u202eevil") == "a\\x1b]0;title\\x07b\\x9b2J\\u202eevil"
    assert printable("two\nlines\tand a tab") == "two\nlines\tand a tab"
    assert one_line(" two\n lines\t") == "two lines"


def test_a_log_keeps_its_colours_and_nothing_else() -> None:
    assert colored_log("\x1b[1;31mred\x1b[0m \x1b[2Jgone\r\n") == "\x1b[1;31mred\x1b[0m \\x1b[2Jgone\n"


def test_did_you_mean() -> None:
    assert did_you_mean("aply", ["apply", "get"]) == "did you mean 'apply'?"
    assert did_you_mean("zzz", ["apply", "get"]) == ""


def test_plural() -> None:
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
