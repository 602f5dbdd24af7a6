"""How many bytes the archive of logs has. Called by `metrics`; weighed beside it, as that may take seconds.

A directory of 200,000 files is walked in seconds on a cold disk: no scrape and no reader of the state waits for it
longer than `PATIENCE`; a scrape that comes meanwhile tells what was weighed last.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Callable

EVERY = 60.0  # seconds at the least between two weighings
SHARE = 50  # and so many times what the last one took
PATIENCE = 1.0  # seconds that a scrape waits for it


class Weight:
    """Of the files below `directory`. `closing` says that it is to end; `say` hears why it cannot be weighed."""

    def __init__(
        self,
        directory: str,
        closing: Callable[[], bool],
        say: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._directory, self._closing, self._say, self._patience = directory, closing, say, patience
        self._due = 0.0
        self._task: asyncio.Future[int | None] | None = None
        self.bytes: int | None = None  # None: not known

    async def freshen(self) -> None:
        """Weigh it where that is due; come back when it is done, or when patience ends."""
        task = self._task
        if task is None and time.monotonic() >= self._due:
            task = self._task = asyncio.get_running_loop().run_in_executor(None, self._weigh)
        if task is not None:
            await asyncio.wait({task}, timeout=self._patience)
        if task is not None and task.done() and self._task is task:
            self._task, self.bytes = None, task.result()

    def _weigh(self) -> int | None:
        began = time.monotonic()
        try:
            return size(self._directory, self._closing)
        except OSError as error:
            self._say(f"the archive of logs cannot be weighed: {error}")
            return None
        finally:
            took = time.monotonic() - began
            self._due = time.monotonic() + max(EVERY, SHARE * took)


def size(directory: str, closing: Callable[[], bool] = lambda: False) -> int | None:
    """Bytes of the files below a directory, 0 where there is none; None if it was to end. Raises OSError."""
    total = 0
    for root, _, names in os.walk(directory, onerror=_raise_unless_gone):
        if closing():
            return None
        total += sum(_size(os.path.join(root, name)) for name in names)
    return total


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0  # it was pruned just now


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
