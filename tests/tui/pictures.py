"""A screen as text that can be compared: its characters, and below each line the styles of those by letter.

A letter stands for a foreground, a background and what else a style has; the letters are explained at the end. So a
snapshot shows colours too, and a difference can be read.
"""

from __future__ import annotations

import itertools
import os
import string
from pathlib import Path
from typing import Any, Iterable

from rich.style import Style

SNAPSHOTS = Path(__file__).parent / "snapshots"
LETTERS = string.ascii_letters + string.digits + string.punctuation


def picture(app: Any) -> str:
    """What the app shows now."""
    letters: dict[str, str] = {}
    lines = []
    for strip in app.screen._compositor.render_strips():
        text, styles = "", ""
        for part in strip:
            text += part.text
            styles += _letter(letters, part.style or Style()) * len(part.text)
        lines += [f"|{text.rstrip()}", f" {_short(styles)}"]
    return "\n".join([*lines, *(f"{letter} {words}" for words, letter in letters.items())]) + "\n"


def _letter(letters: dict[str, str], style: Style) -> str:
    words = str(style.without_color)
    color, back = (part.name if part is not None else "-" for part in (style.color, style.bgcolor))
    return letters.setdefault(f"{color} on {back} {words}", LETTERS[len(letters)])


def _short(styles: str) -> str:
    """`aaaabb` as `a4b2`."""
    return " ".join(f"{letter}{len(list(group))}" for letter, group in itertools.groupby(styles))


def compare(name: str, found: str) -> None:
    """The picture is the one that is kept. XENE_SNAPSHOTS=write keeps this one instead."""
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("XENE_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    kept = path.read_text().splitlines()
    differing = [f"{a!r}\n{b!r}" for a, b in itertools.zip_longest(kept, found.splitlines()) if a != b]
    assert not differing, f"{path.name} shows something else:\n" + "\n".join(differing[:10])


def luminance(color: Any) -> float:
    """How light a colour is, as WCAG reckons it."""
    parts = [channel / 255 for channel in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrasts(app: Any) -> Iterable[tuple[float, str]]:
    """The contrast of every text that is shown, with that text."""
    for strip in app.screen._compositor.render_strips():
        for part in strip:
            style = part.style
            if any(map(str.isalnum, part.text)) and style and style.color and style.bgcolor:
                one, two = sorted((luminance(style.color), luminance(style.bgcolor)))
                yield (two + 0.05) / (one + 0.05), part.text
