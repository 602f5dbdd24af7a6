"""Secrets taken out of what steps print, before a byte is written: matching and replacing. Pure.

Used by `agent.masker` (logs) and by whoever checks outputs and messages. A value is looked for in every form in
which programs commonly print it (`forms`); every part of the text that is in any occurrence of any form becomes
`***`, however the text was cut into chunks. What a program does beyond that (hex, gzip) is not seen.
"""

from __future__ import annotations

import base64
import json
import re
from typing import FrozenSet, Iterable, Iterator, List, Optional, Set, Tuple

STARS = b"***"
# Characters. Shorter values are refused; shorter lines of a longer value (`}`, `Ab=`) are looked for only as a
# part of the whole, or half of every log would be stars.
FLOOR = 8
_WRAPS = (76, 64)  # columns after which `base64` and `openssl base64` begin a new line
_HEAD = 16  # bytes by which the beginning of a longer needle is found
_SKIPPED = (
    0,
    2,
    3,
)  # characters of base64 that hold bits of what stands before, by the number of bytes there

Span = Tuple[int, int]


# -- forms


def forms(value: str) -> Set[bytes]:
    """What is looked for: the value and each of its longer lines, plain and encoded; see `docs/secrets.md`.

    A line counts without the white space around it, since keys are often printed indented.
    """
    found = _encoded(value) | _wrapped(value)
    lines = value.splitlines()
    if len(lines) > 1:
        for line in lines:
            bare = line.strip()
            if len(bare) >= FLOOR:
                found |= _encoded(bare)
    found.discard(b"")
    return found


def _encoded(text: str) -> Set[bytes]:
    data = _bytes(text)
    found = {_bytes(form) for form in (text, *_as_url(text), *_as_json(text), *_as_shell(text))}
    for before in range(3):
        for padded in (False, True):
            form = _as_base64(data, before, padded)
            found |= {form, form.translate(_URL_SAFE)}
    return found


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _as_base64(data: bytes, before: int, padded: bool) -> bytes:
    """The base64 of `data` behind `before` other bytes; only what does not depend on them or on what follows.

    `padded`: nothing follows, so the last character and the padding are known too.
    """
    encoded = base64.b64encode(bytes(before) + data)
    end = len(encoded) if padded else (before + len(data)) * 8 // 6
    return encoded[_SKIPPED[before] : end]


def _wrapped(text: str) -> Set[bytes]:
    """The lines that `base64` makes of a longer value, and all of them in one."""
    found: Set[bytes] = set()
    for padded in (False, True):
        encoded = _as_base64(_bytes(text), 0, padded)
        for width in _WRAPS:
            lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
            if len(lines) > 1:
                found.update(line for line in lines if len(line) >= FLOOR)
                found.add(b"\n".join(lines))
    return found


def _as_url(text: str) -> Iterator[str]:
    from urllib.parse import quote, quote_plus

    data = _bytes(text)
    for form in (quote(data, safe=""), quote(data), quote(data, safe="!'()*"), quote_plus(data)):
        yield form
        yield re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), form)


def _as_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        form = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield form
        yield form.replace("/", "\\/")  # PHP and others
        yield re.sub("[<>&]", lambda match: f"\\u{ord(match.group()):04x}", form)  # Go


def _as_shell(text: str) -> Iterator[str]:
    """As `set -x` and `printf %q` show it in sh and bash."""
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r"[^\w@%+=:,./-]", lambda match: "\\" + match.group(), text)
    special = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'", "\x1b": "\\E"}
    yield "".join(special.get(character, character) for character in text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# -- matching


class Needles:
    """All forms of some values, ready to be looked for. Making them costs about 50 µs a value; keep them.

    `bytes.find` of each needle beats one compiled alternation of all by a factor of four, and it also tells
    occurrences that overlap.
    """

    def __init__(self, values: Iterable[str]) -> None:
        wanted: Set[bytes] = set()
        for value in values:
            wanted |= forms(value)
        self._all = sorted(wanted, key=len)
        self._first = _without_containing(self._all)
        first = frozenset(self._first)
        self._rest = [needle for needle in self._all if needle not in first]
        self._long = [needle for needle in self._all if len(needle) > _HEAD]
        self._beginnings = _beginnings(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def contains(self, text: str) -> bool:
        """Whether any value is in `text`, in any form."""
        data = _bytes(text)
        return any(needle in data for needle in self._first)

    def mask_text(self, text: str) -> str:
        """`text` with `***` for the values in it."""
        masker = Masker(self)
        return (masker.feed(_bytes(text)) + masker.flush()).decode("utf-8", "surrogatepass")

    def spans(self, data: bytes) -> List[Span]:
        """Where needles are, in order; those that overlap are one span."""
        found: List[Span] = []
        for needle in self._first:
            _occurrences(data, needle, found)
        if found:  # a needle that has another one in it is there only where that one is
            for needle in self._rest:
                _occurrences(data, needle, found)
        return _merged(found) if len(found) > 1 else found

    def pending(self, data: bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a needle: the longest such end."""
        size = len(data)
        earliest = size
        for needle in self._long:
            at = data.find(needle[:_HEAD], max(0, size - len(needle) + 1), min(size, earliest + _HEAD))
            while 0 <= at < earliest:
                if needle.startswith(data[at:]):
                    earliest = at
                    break
                at = data.find(needle[:_HEAD], at + 1, min(size, earliest + _HEAD))
        if earliest < size:
            return size - earliest
        for length in range(min(size, _HEAD), 0, -1):
            if data[size - length :] in self._beginnings:
                return length
        return 0


def _without_containing(needles: List[bytes]) -> List[bytes]:
    """Those that have no other one in them. `needles` are sorted by length."""
    found: List[bytes] = []
    for needle in needles:
        if not any(other in needle for other in found):
            found.append(needle)
    return found


def _beginnings(needles: Iterable[bytes]) -> FrozenSet[bytes]:
    """The first 1 to 16 bytes of each, but not the whole of it."""
    return frozenset(
        needle[:length] for needle in needles for length in range(1, min(len(needle), _HEAD + 1))
    )


def _occurrences(data: bytes, needle: bytes, found: List[Span]) -> None:
    """Add where `needle` is; what overlaps itself is joined at once, or `aaaaaaaa` would fill the memory."""
    at = data.find(needle)
    start: Optional[int] = None
    end = 0
    while at >= 0:
        if start is None or at >= end:
            if start is not None:
                found.append((start, end))
            start = at
        end = at + len(needle)
        at = data.find(needle, at + 1)
    if start is not None:
        found.append((start, end))


def _merged(spans: List[Span]) -> List[Span]:
    spans.sort()
    out = [spans[0]]
    for start, end in spans[1:]:
        if start < out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


# -- streams


class Masker:
    """One stream. It holds back only what may be the beginning of a needle."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = b""
        self._told = 0  # bytes at the start of what is held for which `***` has been given already

    def feed(self, data: bytes) -> bytes:
        """What may be shown now that `data` has come."""
        if not self._needles:
            return data
        text = self._held + data
        return self._shown(text, len(text) - self._needles.pending(text))

    def flush(self) -> bytes:
        """The rest, when nothing more will come."""
        return self._shown(self._held, len(self._held))

    def _shown(self, text: bytes, cut: int) -> bytes:
        """`text` up to `cut`, masked; what is behind it is held."""
        out: List[bytes] = []
        at = self._told
        for start, end in self._needles.spans(text):
            if start >= at:
                if start >= cut:
                    break
                out += (text[at:start], STARS)
            at = max(at, end)
        out.append(text[at:cut])
        self._held = text[cut:]
        self._told = max(0, at - cut)
        return b"".join(out)
