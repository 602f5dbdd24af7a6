"""The lines of a log that are kept: how many, how wide, which of another reading they are."""

from __future__ import annotations

import pytest

from xene.tui.kept import Kept


def kept(*lines: str, tail: int = 1000) -> Kept:
    made = Kept(tail)
    made.add("".join(f"{line}\n" for line in lines))
    return made


def numbered(first: int, last: int) -> list[str]:
    return [f"line {at}" for at in range(first, last + 1)]


def test_a_line_that_has_not_ended_is_the_last_one_and_stands_there_once() -> None:
    made = Kept(1000)
    counts = []
    for text in ("a\n 1", "0%\r", " 20%", "\r\x1b[K 30%", "\nb", "", "\n"):
        made.add(text)
        counts.append(len(made.lines))
    assert counts == [2, 2, 2, 2, 3, 3, 3]
    assert made.lines == ["a", " 10%\r 20%\r\x1b[K 30%", "b"] == list(made.whole)


def test_what_never_ended_is_a_line_once_nothing_more_comes() -> None:
    made = kept("a")
    made.add("b")
    assert list(made.whole) == ["a"]
    made.end()
    made.end()
    assert list(made.whole) == made.lines == ["a", "b"]


def test_what_came_after_the_first_reading_says_nothing_of_earlier_lines() -> None:
    made = kept(*numbered(1, 99), tail=100)
    assert not made.has_earlier
    made.settle()
    made.add("line 100\nline 101\n")
    made.settle()
    assert not made.has_earlier


def test_as_many_lines_as_were_asked_for_may_have_others_before_them() -> None:
    made = kept(*numbered(1, 100), tail=100)
    assert made.has_earlier  # more of the first reading may come, but it cannot become less
    made.settle()
    assert made.has_earlier


def test_what_was_let_go_stood_before_what_is_here() -> None:
    made = kept(*numbered(1, 10), tail=100)
    made.end()
    assert made.let_go(10, 1000) == 0 and not made.has_earlier
    assert made.let_go(7, 1000) == 3 and made.has_earlier
    assert made.let_go(7, 13) == 5 and made.lines == numbered(9, 10) and made.gone == 8


def test_a_line_that_goes_on_is_weighed_once() -> None:
    made = Kept(100)
    for _ in range(50):
        made.add("x")
    assert made.let_go(10, 50) == 0 and made.let_go(10, 49) == 1


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("x" * 70, 70),
        ("日本語" * 20, 120),
        ("a\tb", 9),
        ("\x1b[31mred\x1b[0m", 3),
        ("\x1b[2J", 7),
        ("long ago\rnow", 3),
    ],
)
def test_how_wide_a_line_is(line: str, cells: int) -> None:
    assert kept("", line, "").widest == cells


def test_the_widest_line_is_known_however_far_up_it_is() -> None:
    made = kept("x" * 500, *numbered(1, 5000))
    made.add("日" * 251)
    assert made.widest == 502


def test_matches_are_looked_for_anew_when_lines_came_or_went() -> None:
    made = kept("One", "two", "one")
    assert made.matches("one") == [0, 2] and made.matches("two") == [1] and made.matches("") == []
    made.add("ones\n")
    assert made.matches("one") == [0, 2, 3]
    made.let_go(2, 1000)
    assert made.matches("one") == [0, 1]


def test_a_place_is_found_again_behind_earlier_lines_and_before_later_ones() -> None:
    old, new = kept(*numbered(2001, 3000)), kept(*numbered(1, 3007))
    for at in (0, 500, 999):
        assert new.lines[old.place_in(new, at)] == old.lines[at]


def test_of_places_that_read_alike_it_is_the_one_as_far_from_the_end() -> None:
    old, new = kept(*["."] * 100), kept(*["."] * 1000)
    assert old.place_in(new, 30) == 930


def test_a_place_is_found_again_where_the_next_step_said_more_before_it() -> None:
    old = kept("a 8", "a 9", "b 8", "b 9")
    new = kept("a 9", *(f"a {at}" for at in range(10)), *(f"b {at}" for at in range(10)))
    assert new.lines[old.place_in(new, 1)] == "a 9" and old.place_in(new, 1) == 10
    assert old.place_in(new, 0) == 9


def test_where_a_place_is_nowhere_it_is_as_far_from_the_end() -> None:
    old, new = kept(*numbered(1, 10)), kept(*(f"other {at}" for at in range(100)))
    assert old.place_in(new, 4) == 94
    assert old.place_in(kept("alone"), 4) == 0 and old.place_in(kept(), 4) == 0


def test_a_reading_has_reached_another_when_all_of_it_came() -> None:
    old, new = kept(*numbered(901, 1000)), kept(*numbered(1, 999))
    assert not new.has_reached(old)
    new.add("line 1000\n")
    assert new.has_reached(old)


def test_what_still_goes_on_needs_not_come_again() -> None:
    old, new = kept(*numbered(901, 1000)), kept(*numbered(1, 1000))
    old.add(" 10%")
    assert new.has_reached(old)
