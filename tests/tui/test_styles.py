"""What of a line is drawn anew: from the first column that differs to the last one, and never less."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from xene.tui.styles import differing

RED, PLAIN = Style(color="red"), Style()


def line(*parts: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts])


def plain(text: str) -> Strip:
    return line((text, PLAIN))


def test_a_line_that_was_never_drawn_is_drawn_whole() -> None:
    assert differing(None, plain("abc")) == (0, 3)
    assert differing(plain("ab"), plain("abc")) == (0, 3)


def test_what_is_alike_is_left() -> None:
    assert differing(plain("in 1m9s  -"), plain("in 1m8s  -")) == (5, 6)
    assert differing(plain("abc"), plain("xbc")) == (0, 1)
    assert differing(plain("abc"), plain("abx")) == (2, 3)
    assert differing(plain("abc"), plain("xbx")) == (0, 3)


def test_colours_count_and_where_they_are_cut_does_not() -> None:
    assert differing(line(("ab", RED), ("c", PLAIN)), line(("a", RED), ("bc", PLAIN))) == (1, 2)
    assert differing(line(("a", RED), ("b", RED)), line(("ab", RED))) == (0, 0)


def test_signs_of_other_widths() -> None:
    """After a wide sign, or one that is drawn over another, columns are no characters."""
    assert differing(plain("日本 a"), plain("日本 b")) == (0, 6)
    assert differing(plain("ab日"), plain("abcd")) == (0, 4)
    assert differing(plain("e\u0301"), plain("e\u0300")) == (0, 1)
    assert differing(plain("日本 x1 e\u0301o\u0301"), plain("日本 x2 e\u0301o\u0301")) == (0, 10)
