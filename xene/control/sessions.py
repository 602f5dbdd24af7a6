"""The connections to agents: who is connected, what each was told on its present connection, when to try again.

Called by `control.passes` on the control thread. It connects only to the agents it is asked for, each on a
thread of its own; it decides nothing and writes nothing.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple, cast

from xene import __version__
from xene.control.place import Place
from xene.plan.orders import Orders
from xene.transport.session import Item, Session
from xene.wire import messages

if TYPE_CHECKING:
    from xene.control.leasing import Ask
    from xene.store.agents import Agent
    from xene.transport.base import Channel, Target
    from xene.wire.frames import Message

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds between two tries
HELD_BYTES = 8 * 1024 * 1024  # of one agent's words that wait to be heard
SIGN_BYTES = 4096  # of a message that is still coming count as a sign of life
ITEM_BYTES = 1024  # what an item weighs beside the bytes it came in
LASTING = 5.0  # seconds after which a connection counts as one that held

Open = Callable[["Target", tuple[str, ...]], "Channel"]


def open_channel(target: Target, trusted: tuple[str, ...]) -> Channel:
    """A channel to an agent, local or over SSH. Raises Unreachable, NotTrusted."""
    from xene.transport import bundle

    if target.ssh is None:
        from xene.transport import local

        return local.open_channel(target, bundle.build())
    from xene.transport import ssh

    return ssh.open_channel(target, bundle.build(), list(trusted))


def pause(failures: int, chance: float | None = None) -> float:
    """Seconds until the next try after so many failures: longer each time, never the same for many hosts.

    `chance` in [0, 1) shortens it by up to half.
    """
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 20))
    return longest * (1 - (random.random() if chance is None else chance) / 2)


class Room:
    """What one connection may have lying in the inbox: one that talks faster than it is heard has to wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = 0
        self._open = True
        self.full = False  # its next item has come, and waits for room

    def enter(self, size: int) -> None:
        """Wait until there is room, or nobody listens any more. The first always finds room."""
        with self._changed:
            self.full = True
            self._changed.wait_for(lambda: not (self._open and self._held and self._held + size > HELD_BYTES))
            self.full = False
            self._held += size

    def leave(self, size: int) -> None:
        with self._changed:
            self._held -= size
            self._changed.notify()

    def close(self) -> None:
        """Nobody listens any more."""
        with self._changed:
            self._open = False
            self._changed.notify()


class Came(NamedTuple):
    """An item of a session, with the session's token: agents are connected more than once."""

    token: int
    item: Item
    size: int
    room: Room

    def taken(self) -> None:
        """It is out of the inbox."""
        self.room.leave(self.size)


class _Inbox:
    """What a session puts into, on its own thread."""

    def __init__(self, inbox: queue.SimpleQueue[Any], link: Link) -> None:
        self._inbox, self._token, self._room, self._link = inbox, link.token, link.room, link
        self._size = self._noticed = 0

    def received(self, size: int) -> None:
        self._size += size
        if self._size - self._noticed >= SIGN_BYTES:
            self._noticed, self._link.heard_at = self._size, time.monotonic()

    def put(self, item: Item) -> None:
        size, self._size, self._noticed = self._size + ITEM_BYTES, 0, 0
        self._room.enter(size)
        self._link.heard_at = time.monotonic()
        self._inbox.put(Came(self._token, item, size, self._room))


class Link:
    """One agent's connection. `up`: its hello was taken; `caught_up`: so was everything it had journalled."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.up = self.caught_up = False
        self.last = 0
        self.told = Orders()
        self.failures = 0
        self.next_try = 0.0
        self.cursor: tuple[str | None, int] = (None, 0)
        self.way: str = ""
        self.token = 0
        self.stowed: set[str] = set()  # runs whose artifacts the agent has, as it said on this connection
        self.lacking: dict[
            str, tuple[float, str]
        ] = {}  # charges without their secrets: next try (monotonic), why
        self.room = Room()
        self.up_since = self.news_at = 0.0
        self.asked: Ask | None = None  # for its lease, and was not granted it yet
        self.heard_at = 0.0  # monotonic; set on the session's thread
        self.pinged_at: float | None = None  # monotonic; of a ping that nothing came after
        self.missed = False  # its connection was lost, it was not heard since, and nobody was told
        self.leased = False  # it was granted one on this connection
        # Since when, on this connection and by CLOCK_BOOTTIME, it has been missed to ask for a lease that is over.
        self.missed_since: float | None = None


class Sessions:
    """`role` is control for the holder of the lock, reader for everybody else."""

    def __init__(
        self,
        place: Place,
        uuid: str,
        epoch: int,
        inbox: queue.SimpleQueue[Any],
        *,
        role: str = "control",
        open: Open = open_channel,
    ) -> None:
        self.links: dict[str, Link] = {}
        self._place, self._uuid, self.epoch = place, uuid, epoch
        self._tokens = 0
        self._inbox, self._role, self._open = inbox, role, open

    def link(self, name: str) -> Link:
        return self.links.setdefault(name, Link())

    def reach(self, agents: Iterable[Agent]) -> None:
        """Connect to those that are not connected and whose time to be tried has come."""
        now = time.monotonic()
        for agent in agents:
            link = self.link(agent.name)
            way = repr((agent.spec, agent.implicit, agent.trusted))
            if link.way != way:
                self.drop(agent.name)
                link = self.link(agent.name)
                link.way = way
            if link.session is None and now >= link.next_try:
                link.cursor = (agent.journal, agent.cursor)
                link.session = self._connect(agent, link)

    def _connect(self, agent: Agent, link: Link) -> Session:
        def hello() -> Message:
            journal, after = link.cursor if self._role == "control" else (None, 0)
            return messages.hello_from_control(self.epoch, self._role, __version__, journal, after)

        trusted = agent.trusted
        self._tokens += 1
        link.token = self._tokens
        link.room = Room()
        inbox = _Inbox(self._inbox, link)
        return Session(
            self._place.target(agent, self._uuid),
            lambda target: self._open(target, trusted),
            cast("queue.SimpleQueue[Item]", inbox),
            hello,
            inbox.received,
        )

    def token(self, name: str) -> int | None:
        """What tells one connection of an agent from the next; None while it is not up."""
        link = self.links.get(name)
        return link.token if link is not None and link.up else None

    def next_try(self, names: Iterable[str]) -> float | None:
        """The instant (monotonic) when one of these is to be tried again."""
        waiting = [link.next_try for name in names if (link := self.links.get(name)) and link.session is None]
        return min(waiting, default=None)

    def send(self, name: str, message: Message, blob: bytes = b"") -> bool:
        """Queue a message, and raw bytes, to an agent that is up. False where it is not."""
        link = self.links.get(name)
        if link is None or link.session is None or not link.up:
            return False
        link.session.send(message, blob)
        return True

    def went_up(self, name: str, last: int) -> None:
        """Its hello came: a new connection, on which nothing was told yet."""
        link = self.link(name)
        link.up, link.caught_up, link.last = True, False, last
        link.told, link.stowed, link.lacking = Orders(), set(), {}
        link.asked, link.leased, link.missed_since = None, False, None
        link.up_since = link.news_at = link.heard_at = time.monotonic()
        link.pinged_at, link.missed = None, False

    def went_down(self, name: str) -> bool:
        """Its session has ended. True if that is trouble to be told: not the first loss of one that was up."""
        link = self.link(name)
        now, was_up = time.monotonic(), link.up
        lasted = was_up and now - link.up_since > LASTING
        self._reset(link)
        link.failures = 0 if lasted else link.failures + 1
        link.next_try = now + pause(link.failures)
        trouble = not was_up or link.failures > 1
        link.missed = not trouble
        return trouble

    def is_current(self, came: Came) -> bool:
        """Whether an item is of the present session of its agent, not of one that was dropped."""
        link = self.links.get(came.item.agent)
        return link is not None and link.session is not None and link.token == came.token

    def retry_now(self) -> None:
        """Forget the pauses: somebody asks."""
        for link in self.links.values():
            link.next_try = 0.0

    def drop(self, name: str) -> None:
        """Close the connection to an agent that is no longer wanted."""
        link = self.links.pop(name, None)
        if link is not None and link.session is not None:
            link.room.close()
            link.session.close()

    def give_up(self, name: str) -> None:
        """Let go of a connection that does not answer, without waiting for it; it is tried anew before long."""
        old = self.links.pop(name)
        link = self.link(name)
        link.way, link.failures = old.way, old.failures + 1
        link.next_try = time.monotonic() + pause(link.failures)
        old.room.close()
        if old.session is not None:
            threading.Thread(target=old.session.close, args=(0.0,), daemon=True).start()

    @staticmethod
    def _reset(link: Link) -> None:
        link.session = None
        link.up = link.caught_up = False
        link.told = Orders()

    def close(self) -> None:
        """Let what was sent go out, and end all connections, side by side."""
        sessions = [link.session for link in self.links.values() if link.session is not None]
        for link in self.links.values():
            link.room.close()
        self.links.clear()
        if len(sessions) == 1:
            sessions[0].close()
            return
        threads = [threading.Thread(target=session.close, daemon=True) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
