"""Whether a controller is still the one at work: looked at in every turn. Called by `control.daemon`.

Its lock may have been put aside by another controller while it hung, its state raised to a higher epoch, or the
file of the state replaced under it. Agents refuse what it sends then; it must not go on by itself either.
"""

from __future__ import annotations

import os

from xene.control.lock import Lock
from xene.errors import Conflict, Storage
from xene.store.db import State


class Fence:
    """What held when the work began."""

    def __init__(self, state: State, lock: Lock) -> None:
        self._state, self._lock = state, lock
        self._epoch, self._file = state.epoch, os.stat(state.path)

    def check(self) -> None:
        """Raises Conflict where another one is at work now, Storage where this is no longer the state."""
        self.check_lock()
        with self._state.snapshot():
            epoch = self._state.epoch
        if epoch != self._epoch:
            raise Conflict(
                "another process has taken this state over (its epoch was raised)",
                hint="start this controller again: it goes on with the new epoch",
            )

    def check_lock(self) -> None:
        """The part that asks the file system alone."""
        path = self._state.path
        try:
            same = os.path.samestat(os.stat(path), self._file)
        except FileNotFoundError:
            same = False
        if not same:
            raise Storage(
                f"{path} was removed or replaced while this controller worked on it",
                hint="start the controller again; after a restore: xene reconcile --take-over, first",
            )
        if not self._lock.is_ours():
            raise Conflict(
                f"another controller has taken over, or {self._lock.path} was removed",
                hint="start this one again: it stands by while the other one is at work",
            )
