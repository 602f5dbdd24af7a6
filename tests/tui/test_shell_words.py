"""Words for a shell: what is shown, typed into one, is what was meant; and it steers no terminal."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.tui.shell_words import joined, quoted

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
NASTY = st.text(alphabet="a \\'\"$`%-\n\t\x1b\x07\u202e\u200bé日!*#~", max_size=20)


def said(shell: str, line: str) -> list[str]:
    """The words that a program gets from that command line."""
    done = subprocess.run([shell, "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(TEXT, NASTY), min_size=1, max_size=12))
def test_bash_takes_them_as_they_are_meant(words: list[str]) -> None:
    line = joined(words)
    assert line.isprintable()
    assert said("bash", line) == words


@settings(max_examples=60, deadline=None)
@given(st.lists(NASTY.map(lambda text: text.rstrip("\n")), min_size=1, max_size=12))
def test_so_does_any_sh_but_for_newlines_at_the_end(words: list[str]) -> None:
    assert said("sh", joined(words)) == words


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("shop/build", "shop/build"),
        ("n=it's", """'n=it'"'"'s'"""),
        ("n=a\nb", """"$(printf 'n=a\\nb')\""""),
        ("-x\t", """"$(printf '\\055x\\011')\""""),
        ("a\n", "$'a\\n'"),
    ],
)
def test_how_they_are_shown(word: str, shown: str) -> None:
    assert quoted(word) == shown
