"""Spans as the terminal shows them: the words of `plan.drawing.spans` in the colours of the theme."""

from __future__ import annotations

from typing import Mapping, Sequence

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from xene.model import phases
from xene.plan.drawing.spans import BOLD, DIM, PLAIN, Span, beginning, columns, harmless

# What each word is in a theme. Marks say the same without colours.
_COLORS = {
    phases.SUCCESS: "text-success",
    phases.READY: "text-success",
    phases.SCHEDULED: "text-success",
    phases.ERROR: "text-error",
    phases.UNREACHABLE: "text-error",
    phases.UNTRUSTED: "text-error",
    phases.NOT_SCHEDULED: "text-error",
    phases.NOT_READY: "text-warning",
    phases.UNKNOWN: "text-warning",
    phases.QUEUED: "text-warning",
    phases.STARTING_UP: "text-primary",
    phases.RUNNING: "text-primary",
    phases.SHUTTING_DOWN: "text-primary",
}
_LASTING = {
    PLAIN: Style(),
    BOLD: Style(bold=True),
    DIM: Style(dim=True),
    phases.NOT_EXECUTED: Style(dim=True),
}

Palette = Mapping[str, Style]


def palette(variables: Mapping[str, str]) -> Palette:
    """Every word as a style, from the variables of a theme."""
    colors = {word: Color.parse(variables[name]).rich_color for word, name in _COLORS.items()}
    return {**_LASTING, **{word: Style(color=color) for word, color in colors.items()}}


def strip(line: Sequence[Span], width: int, base: Style, words: Palette) -> Strip:
    """A line of spans, cut or filled to `width` columns on the style `base`.

    Each change of style is some forty bytes to the terminal: alike neighbours are one, and blanks have the style of
    what stands before them, since nobody sees it. Whatever a span says, nothing of it steers the terminal.
    """
    segments: list[Segment] = []
    for span in line:
        blank = segments and not span.text.strip()
        style = segments[-1].style if blank else base + words.get(span.style, _LASTING[PLAIN])
        segments.append(Segment(harmless(span.text), style))
    return Strip(segments).adjust_cell_length(width, base).simplify()


def differing(old: Strip | None, new: Strip) -> tuple[int, int]:
    """The columns from which and up to which two drawings of a line differ: the same, where they do not.

    A line with a sign that does not take one column differs as a whole.
    """
    whole = (0, new.cell_length)
    if old is None or old.cell_length != new.cell_length:
        return whole
    before, after = _cells(old), _cells(new)
    if before == after:
        return 0, 0
    if len(before) != len(after) or any(get_character_cell_size(char) != 1 for char, _ in (*before, *after)):
        return whole
    at = [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    return at[0], at[-1] + 1


def _cells(line: Strip) -> list[tuple[str, Style | None]]:
    return [(char, segment.style) for segment in line for char in segment.text]


def fitted(line: Sequence[Span], width: int) -> list[Span]:
    """The spans in exactly `width` columns, `…` where something was left off."""
    found: list[Span] = []
    left = width
    for span in line:
        size = columns(span.text)
        if size <= left:
            found.append(span)
            left -= size
            continue
        found.append(Span(_cut(span.text, left), span.style))
        left = 0
        break
    return [*found, Span(" " * left)] if left else found


def _cut(text: str, room: int) -> str:
    """`text` in exactly `room` columns."""
    found = beginning(text, room - 1)
    return found + "…" + " " * (room - 1 - columns(found)) if room > 0 else ""
