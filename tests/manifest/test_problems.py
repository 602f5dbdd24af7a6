"""How problems are told."""

import pytest

from xene.manifest.problems import Problem, closest, did_you_mean, listed, quoted, render


def test_render():
    problem = Problem("a.yaml", 3, 5, "unknown-key", "no such key", "did you mean 'b'?", "  a:\tb")
    assert render(problem).split("\n") == [
        "a.yaml:3:5: unknown-key: no such key",
        "      a: b",
        "        ^",
        "  hint: did you mean 'b'?",
    ]


def test_no_escape_of_a_terminal_gets_through():
    problem = Problem("\x1b[2Ja.yaml", 1, 1, "bad-name", "\x1b[31m", "\x07\u202e", "\x1b]0;x\x07")
    assert render(problem).replace("\n", "").isprintable()


@pytest.mark.parametrize("col", [1, 50, 400, 799, 800])
def test_a_long_line_is_cut_around_the_caret(col):
    line = "".join(chr(97 + n % 26) for n in range(800))
    _, source, caret = render(Problem("a", 1, col, "bad-name", "m", "", line)).split("\n")
    assert len(source) < 130
    assert source[caret.index("^")] == line[col - 1]


def test_the_caret_stands_under_wide_characters():
    *_, caret = render(Problem("a", 1, 4, "bad-name", "m", "", "日本語x")).split("\n")
    assert caret.index("^") - 4 == 6


def test_a_code_must_be_in_the_list():
    with pytest.raises(AssertionError):
        Problem("a", 1, 1, "no-such-code", "m")


def test_quoted():
    assert quoted("a\x1b\n") == "'a\\x1b\\n'"
    assert len(quoted("a" * 10_000)) < 70


def test_closest():
    assert closest("fecth", ["fetch", "test"]) == "fetch"
    assert closest("MAXPARALLEL", ["maxParallel"]) == "maxParallel"
    assert closest("zzz", ["fetch"]) is None
    assert closest("task-1501", [f"task-{n}" for n in range(1500)]) is not None
    assert did_you_mean("zzz", ["b", "a"]) == "there is 'a' and 'b'"
    assert listed([str(n) for n in range(20)]).endswith("...")
