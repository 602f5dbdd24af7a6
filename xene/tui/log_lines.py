"""Lines of logs as a terminal may show them: colours are kept, all else that would steer it is visible. Pure."""

from __future__ import annotations

import re

from rich.text import Text

# Whose line it is, where several steps are shown; the values of a matrix may be any text.
_PREFIX = re.compile(r"[\w-]+(\[[^\r\x1b]*?\])?/[\w-]+ \| ")
_COLOR = re.compile("(\x1b\\[[0-9;:]*m)")


def colored(line: str) -> Text:
    """A line with its colours, and nothing else in it that steers a terminal. Of a progress bar the last state."""
    prefix = found.group() if (found := _PREFIX.match(line)) else ""
    line = (prefix + line[len(prefix) :].rstrip("\r").rsplit("\r", 1)[-1]).expandtabs(8)
    if line.isprintable():
        return Text(line, no_wrap=True, end="")
    parts = (part if _COLOR.fullmatch(part) else _visible(part) for part in _COLOR.split(line))
    return Text.from_ansi("".join(parts), no_wrap=True, end="")


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
