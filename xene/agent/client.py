"""One connection of control to the daemon: frames in, frames out, never blocking."""

from __future__ import annotations

import socket
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Protocol, Tuple

from xene.agent.journal import Journal
from xene.errors import Garbled
from xene.model.events import Event, public
from xene.wire import frames, messages

ROOM = 1024 * 1024  # bytes waiting to be sent, above which nothing more is made ready
BATCH = 500  # events in a frame
BATCH_WEIGHT = 4 * 1024 * 1024  # bytes of a frame, counted generously: a single event has 7 Mi at the most


class Source(Protocol):
    """What is pushed piece by piece while there is room: `Follow`, `Fetch`."""

    id: int
    finished: bool

    def pump(self) -> Iterator[Tuple[Dict[str, Any], bytes]]: ...


class Client:
    """`on_message` gets every message and its blob; `on_close` is called once. `role` is set by the hello."""

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[Client, Dict[str, Any], bytes], None],
        on_close: Callable[[Client], None],
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.role: Optional[str] = None
        self.sent = 0  # number of the last event that was sent
        self.follows: Dict[int, Source] = {}
        self.closed = False
        self._decoder = frames.Decoder()
        self._waiting = bytearray()
        self._on_message, self._on_close = on_message, on_close

    @property
    def room(self) -> bool:
        return len(self._waiting) < ROOM and not self.closed

    @property
    def wants_to_write(self) -> bool:
        return bool(self._waiting)

    def readable(self) -> None:
        """Take what has come. Garbage ends the connection."""
        try:
            data = self.sock.recv(256 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            return self.close()
        try:
            for message, blob in self._decoder.feed(data):
                self._on_message(self, message, blob)
        except Garbled as error:
            self.send(messages.refused("Garbled", error.message))
            self.close()

    def send(self, message: Mapping[str, Any], blob: bytes = b"") -> None:
        """Queue a frame and send what the socket takes."""
        if not self.closed:
            self._waiting += frames.encode(dict(message), blob)
            self.writable()

    def writable(self) -> None:
        """Send what the socket takes."""
        try:
            while self._waiting and not self.closed:
                count = self.sock.send(memoryview(self._waiting)[: 256 * 1024])
                del self._waiting[:count]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def pump(self, journal: Journal, fresh: List[Event]) -> None:
        """Send events and log pieces while there is room. `fresh` are the newest durable events."""
        for follow in list(self.follows.values()):  # first: what a step said comes before its end is told
            for message, blob in follow.pump() if self.room else ():
                self.send(message, blob)
                if not self.room:
                    break
            if follow.finished:
                self.follows.pop(follow.id, None)
        if self.role == "control" and self.sent < journal.durable:
            self._pump_events(journal, fresh)

    def _pump_events(self, journal: Journal, fresh: List[Event]) -> None:
        source: Iterator[Event]
        if fresh and fresh[0]["n"] <= self.sent + 1:
            source = (event for event in fresh if event["n"] > self.sent)
        else:
            source = journal.read(self.sent)
        batch: List[Event] = []
        weight = 0
        for event in source:
            if batch and (len(batch) == BATCH or weight + _weight(event) > BATCH_WEIGHT):
                self._send_events(batch)
                batch, weight = [], 0
                if not self.room:
                    return
            batch.append(public(event))
            weight += _weight(event)
        if batch:
            self._send_events(batch)
        self.sent = journal.durable  # numbers may be missing at the end, after the journal was compacted

    def _send_events(self, batch: List[Event]) -> None:
        self.sent = batch[-1]["n"]
        self.send(messages.events(batch))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._on_close(self)
            self.sock.close()


def _weight(event: Event) -> int:
    """An upper bound of an event's bytes on the wire: each byte of text may need six in JSON."""
    outputs = event.get("outputs") or {}
    texts = sum(len(name) + len(value) + 2 for name, value in outputs.items())
    return 512 + 6 * (texts + len(event.get("message") or ""))
