"""Who is at work: one process at a time holds the lock beside the state, and it alone reconciles.

A `flock`, so that it goes with its holder however that ends. The file holds the holder's pid, for people. A
controller signs as such and touches the file in every turn, so that one which hangs can be told from one that
works; another controller may then put a lock of its own in its place (`control.standby`).
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import NamedTuple

from xene.errors import Storage
from xene.store.files import make_private_file

CONTROLLER = "controller"  # what a controller adds to its pid
TRIES, PAUSE = 4, 0.005  # `holder` takes the lock for a moment: that must not look like a holder


class Sign(NamedTuple):
    """What is to be seen of the lock from outside. `beat` changes whenever a controller touches it."""

    inode: int
    beat: int
    pid: int
    role: str


class Lock:
    """The control lock of the state at `state_path`; not held until `acquire` says so."""

    def __init__(self, state_path: str, role: str = "") -> None:
        self.path = state_path + ".lock"
        self._role = role
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody has it. Raises Storage where the file cannot be written."""
        if self._handle is not None:
            return True
        for attempt in range(TRIES):
            make_private_file(self.path)
            handle = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            if _flock(handle, fcntl.LOCK_EX):
                if _is_at(self.path, handle):
                    self._handle = handle
                    self._sign(handle)
                    return True
            elif attempt < TRIES - 1:
                time.sleep(PAUSE)
            os.close(handle)
        return False

    def replace(self) -> None:
        """Put a lock of our own into the place of one whose holder hangs. Only within a write of the state.

        Raises Storage.
        """
        path = f"{self.path}.{os.getpid()}"
        make_private_file(path)
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        _flock(handle, fcntl.LOCK_EX)
        self._handle = handle
        self._sign(handle)
        os.rename(path, self.path)

    def is_ours(self) -> bool:
        """Whether the lock that is held is still the one that others see."""
        return self._handle is not None and _is_at(self.path, self._handle)

    def beat(self) -> None:
        """Show that its holder does not hang. Raises Storage."""
        assert self._handle is not None
        try:
            os.utime(self._handle)
        except OSError as error:
            raise Storage(f"{self.path} cannot be touched: {error.strerror}") from None

    def _sign(self, handle: int) -> None:
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {self._role}\n".encode(), 0)
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


def _is_at(path: str, handle: int) -> bool:
    """Whether an open file is the one of that name, not one that was there before."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def sign(state_path: str) -> Sign | None:
    """What stands at the lock now, whoever holds it or does not. None where there is no such file."""
    try:
        handle = os.open(state_path + ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        words, found = os.pread(handle, 64, 0).decode("ascii", "replace").split(), os.fstat(handle)
    finally:
        os.close(handle)
    pid = int(words[0]) if words and words[0].isdigit() else 0
    return Sign(found.st_ino, found.st_mtime_ns, pid, words[1] if len(words) > 1 else "")


def controls(state_path: str) -> bool:
    """Whether a controller is at work on the state, not only a command that does what it was asked to."""
    return controller(state_path) is not None


def controller(state_path: str) -> int | None:
    """The pid of the controller that is at work on the state; None where there is none, whatever else goes on."""
    pid, seen = holder(state_path), sign(state_path)
    return pid if seen is not None and seen.role == CONTROLLER else None


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
