"""Nudges: "something changed, look again". They carry no data, so a lost one costs time, never correctness.

A datagram socket beside the state (0600), bound by whoever holds the control lock. Its directory is reached by
`/proc/self/fd`, since a socket's name may have 107 bytes at most.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple


class Nudge(NamedTuple):
    """What the listener puts into the inbox."""


class Written(NamedTuple):
    """The same, of somebody within the process who waits for nothing: agents that are away are not tried for it."""


@contextmanager
def _name(path: str) -> Iterator[str]:
    """A short name for a socket at `path`, while the block lasts."""
    directory, base = os.path.split(os.path.abspath(path))
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{base}"
    finally:
        os.close(handle)


def socket_path(state_path: str) -> str:
    """Where the socket is. A base name of over 60 characters is cut: the name in /proc must fit."""
    directory, base = os.path.split(os.path.abspath(state_path))
    return os.path.join(directory, base[:60] + ".wake")


def nudge(state_path: str) -> bool:
    """Tell whoever is at work to look again. False where nobody listens."""
    try:
        with _name(socket_path(state_path)) as name, _datagrams() as sock:
            sock.setblocking(False)
            sock.sendto(b"\0", name)
            return True
    except BlockingIOError:
        return True  # its queue is full of nudges
    except OSError:
        return False  # nobody: whoever comes next looks anyway


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


class Listener:
    """Puts a `Nudge` into `inbox` for each datagram. Only the holder of the lock may have one.

    Where no socket can be made (a file system without them), nobody is woken: the state is looked at anyway.
    """

    def __init__(self, state_path: str, inbox: queue.SimpleQueue[Any]) -> None:
        self._path = socket_path(state_path)
        self._inbox = inbox
        self._closing = False
        self._thread: threading.Thread | None = None
        self._sock = _datagrams()
        try:
            self._bind()
        except OSError:
            return
        self._thread = threading.Thread(target=self._listen, name="xene-wakeup", daemon=True)
        self._thread.start()

    def _bind(self) -> None:
        try:
            os.unlink(self._path)  # that of a holder who died
        except FileNotFoundError:
            pass
        with _name(self._path) as name:
            self._sock.bind(name)
            os.chmod(name, 0o600)

    def _listen(self) -> None:
        while True:
            self._sock.recv(16)
            if self._closing:
                return
            self._inbox.put(Nudge())

    def close(self) -> None:
        """Stop listening and remove the socket. Before the lock is let go, so that it is ours to remove."""
        self._closing = True
        if self._thread is not None:
            self._sock.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        self._sock.close()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
