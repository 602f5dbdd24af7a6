"""Who of this process writes to a state next: first come, first served.

SQLite lets whoever looks at the right moment write next, and who waits looks only now and then: under a thread that
writes without pause another one may wait for seconds. Used by `store.db`; other processes are SQLite's to order.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """The turns of one state."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, seconds: float) -> bool:
        """Wait for a turn; it is to be given back. False if none came within so many seconds."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            if mine.acquire(timeout=seconds):
                return True
        except BaseException:
            self._leave(mine)
            raise
        return not self._leave(mine, keep=True)

    def _leave(self, mine: threading.Lock, *, keep: bool = False) -> bool:
        """Wait no more. False if the turn has come meanwhile; it is given on unless it is to be kept."""
        with self._guard:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return True
        if not keep:
            self.give()
        return False

    def give(self) -> None:
        """It is the next one's turn."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_known: dict[str, Turns] = {}


def of(path: str) -> Turns:
    """Those of the state at a path."""
    return _known.setdefault(path, Turns())
