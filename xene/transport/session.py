"""One agent's connection as a value for the control thread: what it says comes in, what it is told goes out.

Called by `control`. A thread of its own opens the channel, says hello and turns bytes into items in the inbox;
a second one sends. So neither a slow host nor one that never answers holds up anybody. It decides nothing: when
to try again, and what an event means, is the business of whoever reads the inbox.
"""

from __future__ import annotations

import queue
import re
import threading
from typing import TYPE_CHECKING, Callable, NamedTuple, Union

from xene.errors import Garbled, NotTrusted, Unreachable, XeneError
from xene.transport.base import Channel, Target, closed

if TYPE_CHECKING:
    from xene.wire.frames import Message

RECEIVE_BYTES = 256 * 1024
SEND_BYTES = 64 * 1024  # of a large message go out at a time
CLOSE_SECONDS = 1.0  # how long `close` lets what was sent go out
HELLO_SECONDS = 20.0  # how long an agent may take to answer our hello, whatever it sends meanwhile

CONNECTING, UP, DOWN = "connecting", "up", "down"


class Up(NamedTuple):
    """The agent has answered our hello with its own."""

    agent: str
    hello: Message


class Got(NamedTuple):
    """A message of the agent, with the raw bytes that came with it."""

    agent: str
    message: Message
    blob: bytes


class Down(NamedTuple):
    """The end of a session, said once: `phase` is the agent's (Unreachable, Untrusted or NotReady)."""

    agent: str
    phase: str
    reason: str
    message: str


Item = Union[Up, Got, Down]


class Session:
    """From the first try to connect to its one `Down`. Made and closed by the control thread.

    `open` makes the channel to `target`, and raises Unreachable or NotTrusted; `hello` is asked for once it
    is open. Both are called on the session's own thread. `received` is told of bytes before their items are
    put; an inbox whose `put` waits holds up this agent alone. `sent` is called, on another thread, whenever a piece
    of a large message has gone out: on a slow wire that takes minutes.
    """

    def __init__(
        self,
        target: Target,
        open: Callable[[Target], Channel],
        inbox: queue.SimpleQueue[Item],
        hello: Callable[[], Message],
        received: Callable[[int], None] = lambda _size: None,
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self.target = target
        self.state = CONNECTING
        self._open = open
        self._inbox = inbox
        self._hello = hello
        self._received, self._sent = received, sent
        self._late = False
        self._channel: Channel | None = None
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = False
        self._flushed = threading.Event()
        self._receiver = threading.Thread(target=self._live, name=f"xene-{target.name}", daemon=True)
        self._receiver.start()

    def send(self, message: Message, blob: bytes = b"") -> None:
        """Queue a message: it goes out after our hello; once the session is down it is lost.

        Raises Garbled where it is too large for a frame.
        """
        from xene.wire.frames import encode

        self._outbox.put(encode(message, blob))

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Let what was sent go out, for at most `seconds`, and end it. A try to connect is left to itself."""
        with self._lock:
            self._closing = True
            channel = self._channel
        if channel is None:
            return
        self._outbox.put(None)
        self._flushed.wait(seconds)
        channel.close()
        self._receiver.join(seconds)

    def _live(self) -> None:
        channel: Channel | None = None
        try:
            channel = self._open(self.target)
            self._adopt(channel)
            self._receive(channel)
            raise _ended(self.target.name, channel)
        except XeneError as error:
            self._end(channel, _silent(self.target.name) if self._late else error)
        except Exception as error:  # noqa: BLE001  a thread has no caller: the inbox must hear what it died of
            self._end(channel, XeneError(f"{type(error).__name__}: {error}", code="TransportBug"))

    def _adopt(self, channel: Channel) -> None:
        from xene.wire.frames import encode

        with self._lock:
            if self._closing:
                raise closed(self.target.name)
            self._channel = channel
        channel.send(encode(self._hello()))
        name = f"xene-{self.target.name}-send"
        threading.Thread(target=self._send, args=(channel,), name=name, daemon=True).start()

    def _send(self, channel: Channel) -> None:
        try:
            while (data := self._outbox.get()) is not None:
                for start in range(0, len(data), SEND_BYTES):
                    channel.send(data[start : start + SEND_BYTES])
                    if len(data) > SEND_BYTES:
                        self._sent()
        except XeneError:
            channel.close()  # the receiver sees the end, and tells
        finally:
            self._flushed.set()

    def _receive(self, channel: Channel) -> None:
        from xene.wire.frames import HEARD_HEAD, Decoder

        decoder = Decoder(HEARD_HEAD)
        clock = threading.Timer(HELLO_SECONDS, self._give_up, (channel,))
        clock.daemon = True
        clock.start()
        try:
            while data := channel.recv(RECEIVE_BYTES):
                self._received(len(data))
                for message, blob in decoder.feed(data):
                    self._take(message, blob)
                    clock.cancel()
        finally:
            clock.cancel()

    def _give_up(self, channel: Channel) -> None:
        if self.state != UP:
            self._late = True
            channel.close()

    def _take(self, message: Message, blob: bytes) -> None:
        if self.state == UP:
            self._inbox.put(Got(self.target.name, message, blob))
        elif message.get("type") == "hello":
            self.state = UP
            self._inbox.put(Up(self.target.name, message))
        elif message.get("type") == "refused":
            raise Unreachable(str(message.get("message")), code=reason_of(message))
        else:
            raise Garbled(f"agent {self.target.name} answered {message.get('type')!r} instead of hello")

    def _end(self, channel: Channel | None, error: XeneError) -> None:
        self._outbox.put(None)
        self._flushed.set()
        if channel is not None:
            channel.close()
        self.state = DOWN
        self._inbox.put(Down(self.target.name, _phase(error), error.code, self._words(error)))

    def _words(self, error: XeneError) -> str:
        """What is wrong and what to do, without the agent's name: it stands beside that already."""
        message = error.message.removeprefix(f"agent {self.target.name}: ")
        return f"{message}; {error.hint}" if error.hint else message


def reason_of(refused: Message) -> str:
    """The CamelCase code of a `refused`; what an agent says instead of one is not repeated."""
    code = refused.get("code")
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z][A-Za-z]{1,39}", code) else "Refused"


def _silent(name: str) -> XeneError:
    return Unreachable(
        f"agent {name}: it has not said hello within {HELLO_SECONDS:g} s",
        hint="see daemon.log in its home on the host; `stop` there ends a daemon that hangs",
        code="ConnectTimeout",
    )


def _ended(name: str, channel: Channel) -> XeneError:
    last = channel.complaint().strip().rpartition("\n")[2]
    said = f": {last}" if last else ""
    return Unreachable(f"the connection to agent {name} has ended{said}", code="ChannelClosed")


def _phase(error: XeneError) -> str:
    if isinstance(error, NotTrusted):
        return "Untrusted"
    return "Unreachable" if isinstance(error, Unreachable) else "NotReady"
