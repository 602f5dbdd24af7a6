"""Progress for whatever takes longer than a second: a spinner on a terminal, one line elsewhere; on stderr."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import Any, Iterator

from xene.commands.call import Call
from xene.commands.text import printable

PATIENCE = 1.0  # seconds before anything is said


class Notice:
    """Says what is going on once it has taken long enough; `stop` takes it away. `total` is in bytes."""

    def __init__(self, call: Call, text: str, total: int | None = None) -> None:
        self._call, self._text = call, text
        self._total, self._done = total, 0
        self._status: Any = None
        self._lock = threading.Lock()
        self._stopped = False
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True
        if not call.quiet:
            self._timer.start()

    def _show(self) -> None:
        if not sys.stderr.isatty():
            self._call.say(f"{self._text} ...")
            return
        from rich import progress
        from rich.console import Console

        text = progress.TextColumn("{task.description}", markup=False)
        columns: tuple[Any, ...] = (progress.SpinnerColumn(), text, progress.TimeElapsedColumn())
        if self._total is not None:
            size = progress.DownloadColumn(binary_units=True)
            columns = (text, progress.BarColumn(), size, progress.TransferSpeedColumn())
        console = Console(stderr=True, no_color=not self._call.color(sys.stderr))
        with self._lock:
            if self._stopped:
                return
            self._status = progress.Progress(*columns, console=console, transient=True)
            self._status.add_task(printable(self._text), total=self._total, completed=self._done)
            self._status.start()

    def reach(self, done: int) -> None:
        """So many bytes are done."""
        with self._lock:
            self._done = done
            if self._status is not None:
                self._status.update(self._status.task_ids[0], completed=done)

    def advance(self, more: int) -> None:
        """So many bytes more are done."""
        self.reach(self._done + more)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._stopped = True
            if self._status is not None:
                self._status.stop()


class Notices:
    """What a block may do with the notice about itself: the terminal is one, and others have to speak there too."""

    def __init__(self, call: Call, text: str) -> None:
        self._call, self._text = call, text
        self._notice: Notice | None = None

    def begin(self) -> None:
        """From now on it takes a second."""
        if not self._call.quiet:
            self._notice = Notice(self._call, self._text)

    def end(self) -> None:
        """Nothing more is said."""
        if self._notice is not None:
            self._notice.stop()
            self._notice = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the user is asked something: he sees the question, and his time is not ours."""
        went_on = self._notice is not None
        self.end()
        try:
            yield
        finally:
            if went_on:
                self.begin()


@contextmanager
def slow(call: Call, text: str, *, lines: bool = True) -> Iterator[Notices]:
    """Say `text` on stderr if the block takes longer than a second, unless -q.

    Without `lines` only on a terminal: a log of what a script did is no place for "still reading".
    """
    notices = Notices(call, text)
    if lines or sys.stderr.isatty():
        notices.begin()
    try:
        yield notices
    finally:
        notices.end()


@contextmanager
def bar(call: Call, text: str, total: int) -> Iterator[Notice]:
    """As `slow`, with a bar of `total` bytes; gives what is to be told how many are done."""
    notice = Notice(call, text, total)
    try:
        yield notice
    finally:
        notice.stop()
