"""Who may use the processor now: handshakes of many hosts at once would only make each other time out.

Used by `connection`. A turn is lent for a while: whoever has had it for longer waits for its host, not for us, and
no longer counts. So hosts that stall, however many, hold up nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """At most `count` at a time, of those that began less than `seconds` ago."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count, self._seconds = count, seconds
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn, and have it."""
        turn = object()
        with self._changed:
            while (rest := self._until_free()) > 0:
                self._changed.wait(rest)
            self._begun[turn] = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                del self._begun[turn]
                self._changed.notify()

    def _until_free(self) -> float:
        """Seconds until a turn is free at the latest; 0 where one is free now."""
        now = time.monotonic()
        ends = sorted(end for at in self._begun.values() if (end := at + self._seconds) > now)
        return ends[-self._count] - now if len(ends) >= self._count else 0.0
