"""Ctrl-C as news that is taken between two acts, never as an exception in the middle of one: what was being heard
then would be lost. Called by `control.spot`, whose Ctrl-C cancels and goes on.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
from contextlib import contextmanager
from typing import Iterator


class Presses:
    """`count` is how often it was pressed so far."""

    def __init__(self, waker: socket.socket) -> None:
        self.count = self._seen = 0
        self._waker = waker

    def wait(self, descriptor: int) -> bool:
        """Wait until `descriptor` has something to read, or there was a press that was not told yet: then True."""
        if not self._is_news():
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.register(self._waker, select.POLLIN)
            if self._waker.fileno() in [found for found, _ in poll.poll()]:
                self._waker.recv(4096)
        news, self._seen = self._is_news(), self.count
        return news

    def _is_news(self) -> bool:
        return self.count > self._seen

    def pressed(self, *_: object) -> None:
        self.count += 1


@contextmanager
def taken() -> Iterator[Presses]:
    """While the block lasts Ctrl-C only counts. Off the main thread, where no signal comes, it does nothing."""
    waker, woken = socket.socketpair()
    waker.setblocking(False)
    woken.setblocking(False)
    presses = Presses(woken)
    if threading.current_thread() is not threading.main_thread():
        yield presses
        return
    handler = signal.signal(signal.SIGINT, presses.pressed)
    descriptor = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    try:
        yield presses
    finally:
        signal.set_wakeup_fd(descriptor)
        signal.signal(signal.SIGINT, handler)
        waker.close()
        woken.close()
