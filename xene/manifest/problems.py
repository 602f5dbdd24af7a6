"""What is wrong with a manifest: errors as values, summed over all files, then told.

Everybody in this room makes problems; `commands` renders them. Nothing here reads files or raises. Texts from
manifests pass `quoted` before they stand in a message, so that no terminal escape is ever printed raw.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Collection

from xene.manifest.codes import CODES

_SHOWN_VALUE = 60  # characters of a value in a message
_SHOWN_LINE = 110  # characters of a source line beside its caret
_CANDIDATES = 120  # names that a did-you-mean looks at, so that it costs little among thousands


@dataclass(frozen=True)
class Problem:
    """`line` and `col` count from 1, in characters. `code` is one of `codes.CODES`. `hint` may be empty."""

    file: str
    line: int
    col: int
    code: str
    message: str
    hint: str = ""
    source_line: str = ""

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code


def plain(text: str) -> str:
    """`text` with everything that a terminal would not print as a character written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quoted(text: object) -> str:
    """A value for a message: in quotes, cut, and without anything that a terminal would act on."""
    shown = str(text)
    cut = shown if len(shown) <= _SHOWN_VALUE else shown[: _SHOWN_VALUE - 3] + "..."
    return "'" + plain(cut) + "'"


def listed(words: Collection[str], last: str = "and") -> str:
    """`a, b and c`, each in quotes; at most twelve of them."""
    shown = [quoted(word) for word in list(words)[:12]]
    if len(words) > 12:
        return ", ".join(shown) + ", ..."
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" {last} " + shown[-1] if shown else ""


def closest(word: str, options: Collection[str]) -> str | None:
    """The option that `word` was probably meant to be, or None."""
    if len(word) > 100:
        return None
    if len(options) <= _CANDIDATES:
        return _closest(word, tuple(options))
    ends = (word[:1], word[-1:])
    near = (o for o in options if abs(len(o) - len(word)) <= 2 and (o[:1] == ends[0] or o[-1:] == ends[1]))
    return _closest(word, tuple(islice(near, _CANDIDATES)))


@lru_cache(maxsize=64)
def _closest(word: str, options: tuple[str, ...]) -> str | None:
    import difflib

    folded = {option.lower(): option for option in reversed(options)}
    match = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[match[0]] if match else None


def did_you_mean(word: str, options: Collection[str], otherwise: str = "") -> str:
    """A hint: the closest option; else all of them, if they are few; else `otherwise`."""
    near = closest(word, options)
    if near is not None:
        return f"did you mean {quoted(near)}?"
    if otherwise or not options or len(options) > 12:
        return otherwise
    return "there is " + listed(sorted(options))


def render(problem: Problem) -> str:
    """`file:line:col: code: message`, the source line with a caret, the hint; without a final newline."""
    where = f"{plain(problem.file)}:{problem.line}:{problem.col}"
    lines = [f"{where}: {problem.code}: {plain(problem.message)}"]
    if problem.source_line.strip():
        source, pad = _cut(problem.source_line, problem.col - 1)
        lines += ["    " + source, "    " + " " * pad + "^"]
    if problem.hint:
        lines += [
            "  hint: " + plain(line) if n == 0 else "        " + plain(line)
            for n, line in _split(problem.hint)
        ]
    return "\n".join(lines)


def _split(hint: str) -> list[tuple[int, str]]:
    return list(enumerate(hint.split("\n")))


def _cut(line: str, at: int) -> tuple[str, int]:
    """The part of `line` around character `at` as it is printed, and the columns before that character."""
    start = max(0, at - _SHOWN_LINE + 30) if len(line) > _SHOWN_LINE else 0
    text = "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in line[start:][:_SHOWN_LINE])
    lead = "..." if start else ""
    tail = "..." if len(line) - start > _SHOWN_LINE else ""
    return lead + text + tail, len(lead) + sum(_width(c) for c in text[: at - start])


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
