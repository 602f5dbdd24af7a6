"""Pieces of several logs as whole lines, each with whose it is. Pure.

Used by `commands.speech` (stdout, stderr) and `server.logs`.
"""

from __future__ import annotations

from typing import NamedTuple

LONGEST = 65536  # bytes of a line that are kept back until its end comes


class Source(NamedTuple):
    """Whose words they are."""

    run: str
    task: str
    step: str
    attempt: int

    @property
    def name(self) -> str:
        """`TASK/STEP`, on one line."""
        return " ".join(f"{self.task}/{self.step}".split())


class Lines:
    """Pieces of several logs as whole lines; what has no newline yet waits for it."""

    def __init__(self) -> None:
        self._open: dict[Source, bytes] = {}

    def ended_by(self, source: Source, *, live: bool) -> list[tuple[Source, bytes]]:
        """What never gets its newline, now that `source` speaks: a step speaks after those before it in its task.

        Without `live` one log comes after the other, so whoever spoke before has ended.
        """
        over = [other for other in self._open if other != source and (not live or other[:2] == source[:2])]
        return [(other, self._open.pop(other)) for other in over]

    def feed(self, source: Source, data: bytes) -> list[bytes]:
        """The lines that are now whole, without their ends."""
        *whole, rest = (self._open.pop(source, b"") + data).split(b"\n")
        if len(rest) > LONGEST:
            whole, rest = [*whole, rest], b""
        if rest:
            self._open[source] = rest
        return whole

    def rest(self) -> list[tuple[Source, bytes]]:
        """What never got its newline."""
        left = list(self._open.items())
        self._open.clear()
        return left
