"""Looking at a directory of manifests: when something in it moved, whoever applies it is told to look again.

Called by `control.keeping` and `apply --watch`; the only user of watchfiles. What it puts into
the inbox carries no data, so that a missed change costs time alone: whoever applies looks every `AGAIN` seconds
anyway.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple, Protocol

DEBOUNCE = 300  # milliseconds: a checkout or an editor writes many files in a moment
AGAIN = 30.0  # seconds between looks at a directory that nothing was heard about
_QUIET = 2.0  # seconds until a directory that is not there is looked for again


class Moved(NamedTuple):
    """Something in the directory may have changed."""


class Inbox(Protocol):
    """Where it is put; called on the watcher's thread."""

    def put(self, moved: Moved, /) -> None: ...


class Watcher:
    """Puts a `Moved` into `inbox` whenever something below `directory` changes, until it is closed.

    A directory that vanishes is waited for; so is one whose file system tells nothing (it is looked at in turn).
    With `only`, the name of a file, nothing else in it counts, and nothing below it.
    """

    def __init__(self, directory: str, inbox: Inbox, only: str = "") -> None:
        self._directory, self._inbox, self._only = directory, inbox, only
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="xene-watch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        from watchfiles import watch

        while not self._closing.is_set():
            if not os.path.isdir(self._directory):
                self._closing.wait(_QUIET)
                continue
            self._inbox.put(Moved())  # what came while nobody watched
            try:
                for _ in watch(
                    self._directory,
                    debounce=DEBOUNCE,
                    stop_event=self._closing,
                    watch_filter=self._counts if self._only else None,
                    recursive=not self._only,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                ):
                    self._inbox.put(Moved())
                    if not os.path.isdir(self._directory):
                        break
            except (OSError, RuntimeError):  # it vanished under the watch, or there are no watches left
                self._inbox.put(Moved())
                self._closing.wait(_QUIET)

    def _counts(self, _: object, path: str) -> bool:
        return os.path.basename(path) == self._only

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self._thread.join()
