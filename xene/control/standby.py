"""A controller that waits for its turn: until the one at work is gone, or hangs.

Called by `control.daemon`. The lock goes with its holder, so a death is seen within half a second. A controller
that hangs, or was stopped, keeps its lock: after a minute without a sign of life another one puts a lock of its own
in its place, with a higher epoch, in one write of the state. Should the first one go on after that, agents refuse
it, and `control.fence` tells it so. From a command at work nothing is taken: it ends by itself.
"""

from __future__ import annotations

import time

from xene.control.lock import CONTROLLER, Lock, Sign, sign
from xene.errors import Storage
from xene.store import db
from xene.store.db import State

LOOK = 0.5  # seconds between looks at the one at work
HUNG = (
    120  # looks without a sign of life: a minute. Looks, not a time: whoever slept meanwhile proves nothing
)


class Rival:
    """The one at work, as it is seen from here. `trouble` says why it could not be replaced, "" for no reason."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: Sign | None = None
        self._looks = 0
        self.trouble = ""

    def hangs(self) -> bool:
        """Look at it once more. True where it has given no sign of life for `HUNG` looks, and is a controller."""
        found = sign(self._state.path)
        self._looks = self._looks + 1 if found == self._seen else 0
        self._seen = found
        return found is not None and found.role == CONTROLLER and self._looks >= HUNG

    def replace(self, lock: Lock) -> int | None:
        """Take its place, and give the new epoch; None where it moved after all, or cannot be replaced."""
        self._looks = 0
        try:
            with self._state.transaction() as conn:
                if sign(self._state.path) != self._seen:
                    return None
                lock.replace()
                return db.raise_epoch(conn, time.time())
        except Storage as error:  # it hangs in the middle of a write, or the disk is full
            lock.release()
            self.trouble = error.message
            return None
