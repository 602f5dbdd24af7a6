"""Text that is safe to print: what comes from manifests, hosts and users never steers the terminal. Pure.

Used by everything that prints; JSON needs none of it.
"""

from __future__ import annotations

import difflib
import re
from typing import Iterable

# C0 but tab and newline, DEL, C1, line and paragraph separators, and what turns the direction of text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOR = re.compile("(\x1b\\[[0-9;:]*m)")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(text: str) -> str:
    """`text` with control characters made visible; newlines and tabs stay."""
    return _UNSAFE.sub(_escape, text) if _UNSAFE.search(text) else text


def json_escaped(text: str) -> str:
    """JSON that means the same, without raw characters that steer a terminal (DEL, C1, directions)."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text) if _UNSAFE.search(text) else text


def one_line(text: str) -> str:
    """`printable`, with newlines and tabs as one space: for a cell or a title."""
    return printable(" ".join(text.split()))


def shortened(text: str, room: int) -> str:
    """`one_line`, cut at `room` characters."""
    line = one_line(text)
    return line if len(line) <= room else line[: room - 3].rstrip() + "..."


def colored_log(text: str) -> str:
    """A log for a terminal: colours pass, everything else that would steer the terminal is made visible."""
    parts = _COLOR.split(text.replace("\r\n", "\n"))
    return "".join(part if _COLOR.fullmatch(part) else printable(part) for part in parts)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def plural(count: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
