"""Who is at work: one process at a time holds the lock beside the state, and it alone reconciles.

A `flock`, so that it goes with its holder however that ends. The file holds the holder's pid, for people.
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType

from xene.errors import Storage
from xene.store.files import make_private_file

TRIES, PAUSE = 4, 0.005  # `holder` takes the lock for a moment: that must not look like a holder


class Lock:
    """The control lock of the state at `state_path`; not held until `acquire` says so."""

    def __init__(self, state_path: str) -> None:
        self.path = state_path + ".lock"
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody has it. Raises Storage where the file cannot be written."""
        if self._handle is not None:
            return True
        make_private_file(self.path)
        handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        for attempt in range(TRIES):
            if _flock(handle, fcntl.LOCK_EX):
                break
            if attempt == TRIES - 1:
                os.close(handle)
                return False
            time.sleep(PAUSE)
        self._handle = handle
        self._sign(handle)
        return True

    def _sign(self, handle: int) -> None:
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            self.release()
            raise Storage(
                f"{self.path} cannot be written: {error.strerror}", hint="free some space"
            ) from None

    def release(self) -> None:
        """Let go. Harmless when repeated."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _flock(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def holder(state_path: str) -> int | None:
    """The pid of the process that is at work on the state, None where there is none."""
    try:
        handle = os.open(state_path + ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return None  # a state that is not ours to change: whoever works on it is not ours to name
    try:
        if _flock(handle, fcntl.LOCK_SH):
            return None
        word = os.pread(handle, 32, 0).split()
        return int(word[0]) if word and word[0].isdigit() else 0
    finally:
        os.close(handle)
