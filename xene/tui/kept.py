"""The lines of a log that are kept of one reading: added to, searched, let go, found again in another. Pure.

Used by `log`. How many there may be is the caller's to say.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Sequence

from xene.tui.log_lines import LONGEST, begun, drawn_width, shortened, uncolored

BLOCK = 20  # lines by which a place is known again


class Kept:
    """What a reading gave so far. `tail`: how many lines of each step were asked for, at most."""

    def __init__(self, tail: int) -> None:
        self.tail = tail
        self.lines: list[str] = []  # the last one may go on
        self.gone = 0  # lines that were let go
        self.widest = 0  # cells of the widest of all, at most
        self._first: int | None = None
        self._weight = 0  # characters in all of them
        self._rest = ""  # of the last line, where it has not ended
        self._matches: tuple[str, list[int]] | None = None

    def add(self, text: str) -> None:
        """Take what came. A line that has not ended is the last one as long as it stands."""
        if self._rest:
            self._weight -= len(self.lines.pop())
        *whole, rest = (self._rest + text).split("\n")
        lines = [line if len(line) <= LONGEST else shortened(line) for line in whole]
        self._rest = rest if len(rest) <= LONGEST else begun(rest)
        lines += [self._rest] if self._rest else []
        self.lines += lines
        self._weight += sum(map(len, lines))
        self.widest = drawn_width(lines, self.widest)
        self._matches = None

    def end(self) -> None:
        """Nothing more will come."""
        if self._rest:
            self.add("\n")
        self.settle()

    def settle(self) -> None:
        """What was there when it was asked for is here; what comes from now on was said since."""
        if self._first is None:
            self._first = len(self.lines) + self.gone

    @property
    def settled(self) -> bool:
        return self._first is not None

    @property
    def whole(self) -> Sequence[str]:
        """The lines that have ended."""
        return self.lines[:-1] if self._rest else self.lines

    @property
    def has_earlier(self) -> bool:
        """Whether there may be lines before these: as many were there as were asked for, or some were let go."""
        first = len(self.lines) if self._first is None else self._first
        return self.gone > 0 or first >= self.tail

    def let_go(self, most: int, heaviest: int) -> int:
        """Keep at most so many lines, and so many characters; give how many lines were let go in front."""
        count, weight = max(0, len(self.lines) - most), self._weight
        weight -= sum(map(len, self.lines[:count]))
        while weight > heaviest:
            weight -= len(self.lines[count])
            count += 1
        if count:
            del self.lines[:count]
            self._weight, self._matches = weight, None
            self.gone += count
        return count

    def matches(self, text: str) -> list[int]:
        """The lines in which this stands, whatever its case and theirs."""
        if self._matches is None or self._matches[0] != text:
            wanted = text.lower()
            found = (at for at, line in enumerate(self.lines) if wanted in uncolored(line).lower())
            self._matches = (text, list(found) if wanted else [])
        return self._matches[1]

    def has_reached(self, other: Kept) -> bool:
        """Whether all that stood in `other`, an earlier reading of the same log, has come here too."""
        end = list(other.whole[-BLOCK:])
        return len(self.lines) >= len(other.lines) and bool(_places(end, self.lines))

    def place_in(self, other: Kept, at: int) -> int:
        """Where in `other`, another reading of the same log, that stands which is line `at` here.

        Steps that said more stand further apart there, so it is the place where most of the next lines are the
        same; of several the one that is as far from the end. Where the line is nowhere, that is the answer too.
        """
        block, lines = self.lines[at : at + BLOCK], other.lines
        likely = len(lines) - (len(self.lines) - at)
        if whole := _places(block, lines):
            return min(whole, key=lambda place: abs(place - likely))
        places = _places(block[:1], lines)
        best = max(
            places, default=likely, key=lambda place: (_same(block, lines, place), -abs(place - likely))
        )
        return max(0, min(best, len(lines) - 1))


def _places(block: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Where those lines stand one after the other."""
    if not block:
        return []
    first, count = block[0], len(block)
    return [at for at, line in enumerate(lines) if line == first and lines[at : at + count] == block]


def _same(block: Sequence[str], lines: Sequence[str], at: int) -> int:
    """How many lines of the block stand there."""
    pairs = zip(block, lines[at : at + len(block)], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
