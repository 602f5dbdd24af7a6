"""Lines of logs as a terminal may show them: colours are kept, all else that would steer it is visible. Pure."""

from __future__ import annotations

import re
from typing import Sequence

from rich.cells import cell_len
from rich.text import Text

LONGEST = 16 * 1024  # characters of a line that are kept
CUT = " … (cut)"
# Whose line it is, where several steps are shown; the values of a matrix may be any text.
_PREFIX = re.compile(r"[\w-]+(\[[^\r\x1b]*?\])?/[\w-]+ \| ")
_COLOR = re.compile("(\x1b\\[[0-9;:]{0,60}m)")  # what is longer is none, and no number to reckon with
# What a progress bar says first when it is back at the beginning: what stands there is no more.
_ERASED = re.compile("\\A(\x1b\\[[02]?K)+")
_MOST = 12  # cells that a character is drawn in, at most: a tab, or the number of one that cannot be printed


def last_state(line: str) -> str:
    """Of a progress bar, which goes back to the beginning of its line again and again, the last state."""
    return "".join(_bar(line)) if "\r" in line else line


def _bar(line: str) -> tuple[str, str]:
    """What stands before a progress bar, and its last state."""
    prefix = found.group() if (found := _PREFIX.match(line)) else ""
    *before, state = line[len(prefix) :].rstrip("\r").rsplit("\r", 1)
    return prefix, _ERASED.sub("", state) if before else state


def shortened(line: str) -> str:
    """A line that is too long to be kept, of a length that is not."""
    line = last_state(line)
    return line if len(line) <= LONGEST else line[:LONGEST] + CUT


def begun(rest: str) -> str:
    """The same of a line that has not ended: what comes next, up to its end, goes on behind it."""
    if "\r" not in rest:
        return rest[: LONGEST + 1]
    prefix, state = _bar(rest)
    return f"{prefix}\r{state[: LONGEST + 1]}" + ("\r" if rest.endswith("\r") else "")


def drawn_width(lines: Sequence[str], known: int) -> int:
    """Cells of the widest of these lines as they are drawn, or `known` where none is wider."""
    if max(map(len, lines), default=0) * _MOST <= known:
        return known
    return max(known, *(_width(line) for line in lines if len(line) * _MOST > known))


def _width(line: str) -> int:
    if line.isascii() and line.isprintable():
        return len(line)
    line = _COLOR.sub("", last_state(line).expandtabs(8))
    return cell_len(line if line.isprintable() else _visible(line))


def uncolored(line: str) -> str:
    """What of a line is read, and so searched."""
    return _COLOR.sub("", last_state(line)) if "\x1b" in line or "\r" in line else line


def colored(line: str) -> Text:
    """A line with its colours, and nothing else in it that steers a terminal. Of a progress bar the last state."""
    line = last_state(line).expandtabs(8)
    if line.isprintable():
        return Text(line, no_wrap=True, end="")
    parts = (part if _COLOR.fullmatch(part) else _visible(part) for part in _COLOR.split(line))
    return Text.from_ansi("".join(parts), no_wrap=True, end="")


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
