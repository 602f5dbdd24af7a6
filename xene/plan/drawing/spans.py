"""Lines of styled spans: what every drawing gives back, and the canvas that they are drawn on. Pure.

A style is a word, not a colour: a phase of `model.phases`, DIM, BOLD or nothing. The command line makes ANSI of it,
a screen its own. Widths are terminal columns: an East Asian wide character takes two.
"""

from __future__ import annotations

import unicodedata
from typing import Iterable, NamedTuple, Sequence

PLAIN, DIM, BOLD = "", "dim", "bold"

# One for one, so that a drawing keeps its shape where nothing but ASCII can be printed.
_UNICODE = "┌┐└┘─│├┤┬┴┼▼█░▌✓✗●◌·×…←"
_ASCII = "++++-|+++++v#.>v!o~.x~<"
TO_ASCII = str.maketrans(_UNICODE, _ASCII)


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: str = PLAIN


Line = tuple[Span, ...]


def text_of(line: Sequence[Span]) -> str:
    """A line without its styles."""
    return "".join(span.text for span in line)


def clean(text: str) -> str:
    """One line without anything that steers a terminal; what cannot be printed becomes `?`."""
    return harmless(" ".join(text.split()))


def harmless(text: str) -> str:
    """As many characters, none of which steers a terminal; what cannot be printed becomes `?`."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def columns(text: str) -> int:
    """How many columns `text` takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):  # it stands on the one before, or says how that is drawn
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, room: int) -> str:
    """`clean`, and at most `room` columns, the last of them `…` where something was left off."""
    line = clean(text)
    if columns(line) <= room:
        return line
    return beginning(line, room - 1).rstrip() + "…" if room > 0 else ""


def beginning(text: str, room: int) -> str:
    """As much of `text` as fits into `room` columns: it looks no further than that."""
    left = room
    for at, char in enumerate(text):
        left -= _columns(char)
        if left < 0:
            return text[:at]
    return text


def squeezed(text: str, room: int) -> str:
    """`clean`, and at most `room` columns: what is longer loses its middle, since names differ at the end."""
    line = clean(text)
    if columns(line) <= room:
        return line
    end = line[len(line) - max(0, room - 1) // 2 :]
    while columns(end) > max(0, room - 1) // 2:
        end = end[1:]
    return cut(line, room - columns(end)) + end


def padded(line: Sequence[Span], width: int) -> Line:
    """`line` with blanks up to `width` columns."""
    missing = width - sum(columns(span.text) for span in line)
    return (*line, Span(" " * missing)) if missing > 0 else tuple(line)


class Canvas:
    """Characters by row and column, each in a style. What is drawn later covers what was there."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[int, tuple[str, str]]] = {}

    def put(self, row: int, column: int, text: str, style: str = PLAIN) -> None:
        """Write `text` from `column` on."""
        cells = self._rows.setdefault(row, {})
        for char in text:
            wide = _columns(char)
            if wide:
                cells[column] = (char, style)
            if wide == 2:
                cells[column + 1] = ("", style)
            column += wide

    def put_line(self, row: int, column: int, line: Sequence[Span]) -> None:
        """Write spans one after the other."""
        for span in line:
            self.put(row, column, span.text, span.style)
            column += columns(span.text)

    def lines(self) -> list[Line]:
        """Everything from row 0 to the last one; trailing blanks are left off."""
        return [_line(self._rows.get(row, {})) for row in range(max(self._rows, default=-1) + 1)]


def _line(cells: dict[int, tuple[str, str]]) -> Line:
    return joined(cells.get(column, (" ", PLAIN)) for column in range(max(cells, default=-1) + 1))


def joined(cells: Iterable[tuple[str, str]]) -> Line:
    """Characters with their styles as a line."""
    spans: list[Span] = []
    for char, style in cells:
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + char, style)
        else:
            spans.append(Span(char, style))
    return tuple(spans)


def wrapped(line: Sequence[Span], width: int) -> list[Line]:
    """`line` in lines of at most `width` columns, broken at blanks; what is longer than that, anywhere.

    What follows stands two columns further right than the beginning.
    """
    text = text_of(line)
    if columns(text) <= width:
        return [tuple(line)]
    indent = min(len(text) - len(text.lstrip()) + 2, width // 2)
    cells = [(char, span.style) for span in line for char in span.text]
    lines: list[Line] = []
    begin = 0
    while begin < len(cells):
        end = _break(cells, begin, max(1, width - (indent if lines else 0)))
        head = [(" ", PLAIN)] * indent if lines else []
        lines.append(joined([*head, *cells[begin:end]]))
        begin = _behind_blanks(cells, end)
    return lines


def _break(cells: Sequence[tuple[str, str]], begin: int, room: int) -> int:
    """Where a line of `room` columns ends that begins with the character `begin`: it looks no further than that."""
    taken, blank, written = 0, 0, False
    for at in range(begin, len(cells)):
        char = cells[at][0]
        taken += _columns(char)
        if taken > room:
            return blank or max(begin + 1, at)
        if char != " ":
            written = True
        elif written:
            blank = at
    return len(cells)


def _behind_blanks(cells: Sequence[tuple[str, str]], at: int) -> int:
    while at < len(cells) and cells[at][0] == " ":
        at += 1
    return at
