"""The screen on a terminal whose encoding has no marks and no frames: signs of ASCII for them. Used by the app.

What stands beside them stays where it is: each takes as many columns as what it is for.
"""

from __future__ import annotations

import sys

from rich.cells import get_character_cell_size

from xene.plan.drawing.spans import TO_ASCII
from xene.tui.quick_driver import QuickDriver

# What textual draws itself: frames, bars, signs of lists.
_UNICODE = "╭╮╰╯━┃╺╸▔▁▂▃▄▅▆▇▀▊▎▍▋▏▕▐▲▶◀▸▾▴◂•"
_ASCII = "++++-|---____###-|||||||^><+-^<*"
_MORE = str.maketrans(_UNICODE, _ASCII)


def encoding() -> str:
    """That of the stream on which the screen is drawn."""
    return getattr(sys.__stderr__, "encoding", None) or "utf-8"


def is_narrow(name: str) -> bool:
    """Whether marks cannot be written in that encoding."""
    return not name.lower().replace("-", "").startswith("utf")


def narrowed(text: str, name: str) -> str:
    """`text` as it can be written in that encoding."""
    return text if text.isascii() else "".join(_sign(char, name) for char in text)


def _sign(char: str, name: str) -> str:
    try:
        char.encode(name)
    except UnicodeEncodeError:
        found = char.translate(TO_ASCII).translate(_MORE)
        return found if found.isascii() else "?" * get_character_cell_size(char)
    return char


class NarrowDriver(QuickDriver):
    """Writes what the terminal can show."""

    def write(self, data: str) -> None:
        super().write(narrowed(data, encoding()))
