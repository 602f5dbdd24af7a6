"""What agents say, stored: hellos, events, ends of connections; pieces of logs go where they were asked for.

Called by `control.passes` with what came in since the last turn; all of it is one transaction.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Mapping, Union

from xene.control import leasing
from xene.control.archive import Archive
from xene.control.fetching import Fetching
from xene.control.sessions import Sessions
from xene.control.stowing import Stowing
from xene.control.world import run_view
from xene.model import phases
from xene.plan import recovery
from xene.store import agents, runs, slots, triggers
from xene.store.db import State
from xene.store.record import record
from xene.transport.session import Down, Got, Item, Up, reason_of

QUIET = 30.0  # seconds that an agent may take for the next piece of what its hello promised
SULK = 10.0  # seconds until an agent that refused is tried again
_DECIDING = frozenset(
    {"assigned", "run.ended", "run.released", "slots.settled"}
)  # events from which a pass may decide more
STALE = "StaleEpoch"
_TAKE_OVER = (
    "this state was restored from a copy, or another one took over: `xene reconcile --take-over` if it is this one"
    " that shall be obeyed"
)

_CARRIED = ("artifact", "fetched", "stowed", "failed")
Carrier = Union[Fetching, Stowing]
OnLog = Callable[[str, Mapping[str, Any], bytes], None]


@dataclass
class News:
    """What follows: `dirty` wants a pass, `unplaced` wants it to look at placement too.

    `rewound`: an agent's cursor went back, so that none may be connected by what was read before.
    """

    dirty: bool = False
    unplaced: bool = False
    rewound: bool = False


def take(
    state: State,
    sessions: Sessions,
    archive: Archive,
    carriers: Iterable[Carrier],
    on_log: OnLog,
    items: Iterable[Item],
) -> News:
    """Store a batch of items, in order."""
    news = News()
    stored = [item for item in items if not _about_files(archive, carriers, on_log, item)]
    if not stored:
        return news
    hearers: set[str] = set()
    with state.transaction() as conn:
        for item in stored:
            hearers.add(item.agent)
            _store(conn, time.time(), sessions, item, news)
        for name in hearers:
            _move_cursor(conn, sessions, name)
    for item in stored:
        if isinstance(item, Down):
            archive.forget(item.agent)
            for carrier in carriers:
                carrier.forget(item.agent)
    return news


def _about_files(archive: Archive, carriers: Iterable[Carrier], on_log: OnLog, item: Item) -> bool:
    """Pieces of logs and artifacts, and the answers that end them, go to whoever asked for them."""
    if not isinstance(item, Got):
        return False
    agent, message, blob = item
    kind = message.get("type")
    if kind == "pong":
        return True  # that it came is all that it says, and the connection has noticed
    if kind in _CARRIED and any(carrier.take(agent, message, blob) for carrier in carriers):
        return True
    if kind == "log" and archive.piece(agent, message, blob):
        return True
    if kind == "followed" and archive.followed(agent, message):
        return True
    if kind == "failed" and archive.failed(agent, message):
        return True
    if kind in ("log", "followed", "failed"):
        on_log(agent, message, blob)
        return True
    return False


def _store(
    conn: sqlite3.Connection,
    now: float,
    sessions: Sessions,
    item: Item,
    news: News,
) -> None:
    if isinstance(item, Up):
        _hello(conn, now, sessions, item, news)
    elif isinstance(item, Down):
        _down(conn, now, sessions, item, news)
    elif item.message.get("type") == "events":
        _events(conn, now, sessions, item, news)
    elif item.message.get("type") == "refused":
        _refused(conn, now, sessions, item, news)
    elif item.message.get("type") == "lease":
        sessions.link(item.agent).asked = leasing.ask_of(item.message)


def _hello(conn: sqlite3.Connection, now: float, sessions: Sessions, item: Up, news: News) -> None:
    """An agent answers. With another journal, what was sent under the old one is lost."""
    name, hello = item.agent, item.hello
    before = agents.read(conn, name)
    if before is None:
        return
    if not agents.is_hello(hello):
        unusable(conn, now, sessions, name, "Garbled", "its hello makes no sense")
        news.dirty = True
        return
    last = hello.get("last")
    last = last if isinstance(last, int) else 0
    if before.journal == hello["journal"] and last < before.cursor:
        _home_restored(conn, now, sessions, name)
        news.dirty = news.rewound = True
        return
    if before.journal is not None and before.journal != hello["journal"]:
        views = [run_view(row) for row in runs.unsettled(conn, name)]
        end_lost(conn, now, recovery.on_hello(name, str(hello["journal"]), views))
    if agents.heard(conn, now, name, hello):
        message = f"the home of agent {name} was wiped or restored: what it had fired is not known"
        slots.give_up(conn, now, name, phases.AGENT_LOST, message)
        agents.forget_holdings(conn, name)
    elif (forgot := _forgot_at(hello, before.cursor, now)) is not None:
        slots.forgotten(conn, name, forgot)
    runs.back_in_sight(conn, now, name)
    sessions.went_up(name, last)
    after = agents.read(conn, name)
    news.dirty = True
    if (
        before.tried_at is None
        or before.phase != phases.READY
        or before.capacity != (after or before).capacity
    ):
        news.unplaced = True


def _forgot_at(hello: Mapping[str, Any], cursor: int, now: float) -> float | None:
    """Up to when the agent has forgotten slots of which this state never heard. None: there are none."""
    forgot = hello.get("forgot")
    if not isinstance(forgot, list) or len(forgot) != 2:
        return None
    number, at = forgot
    if not isinstance(number, int) or not isinstance(at, (int, float)) or not 0 <= at < 2**32:
        return None
    return min(at, now) if number > cursor else None


def _home_restored(conn: sqlite3.Connection, now: float, sessions: Sessions, name: str) -> None:
    """The journal is the one that it was, and shorter: heard anew from its beginning, on another connection."""
    views = [run_view(row) for row in runs.unsettled(conn, name)]
    end_lost(conn, now, recovery.on_rewind(name, views))
    agents.rewound(conn, now, name)
    triggers.raised(conn, triggers.held_by(conn, name), now)  # what it has forgotten it would fire again
    sessions.drop(name)


def end_lost(conn: sqlite3.Connection, now: float, loss: recovery.Loss) -> None:
    """End what nobody will report about any more. The next pass settles the logs."""
    for lost in loss.runs:
        runs.end(conn, now, lost.run, lost.reason, lost.message, log="gone")


def _down(conn: sqlite3.Connection, now: float, sessions: Sessions, item: Down, news: News) -> None:
    if sessions.went_down(item.agent):
        phase = phases.NOT_READY if item.reason == STALE else item.phase
        agents.in_trouble(conn, now, item.agent, phase, item.reason, _with_remedy(item.reason, item.message))
        runs.lost_sight(conn, now, item.agent)
        news.unplaced = True
    news.dirty = True


def _events(conn: sqlite3.Connection, now: float, sessions: Sessions, item: Got, news: News) -> None:
    batch = item.message.get("events")
    if not isinstance(batch, list):
        return
    events = [event for event in batch if isinstance(event, dict) and isinstance(event.get("type"), str)]
    journal = sessions.link(item.agent).cursor[0]
    if journal is None:
        row = agents.read(conn, item.agent)
        journal = row.journal if row else None
    if journal is not None:
        record(conn, item.agent, journal, events, now)
    if any(event.get("type") in _DECIDING for event in events):
        news.dirty = True
    if any(event.get("type") == "assigned" and event.get("gone") for event in events):
        news.unplaced = True  # what waited for this agent to let go no longer does


def _refused(conn: sqlite3.Connection, now: float, sessions: Sessions, item: Got, news: News) -> None:
    """An agent obeys a newer controller, or did not understand: it is not ours to use."""
    reason = reason_of(item.message)
    words = _with_remedy(reason, str(item.message.get("message")))
    unusable(conn, now, sessions, item.agent, reason, words)
    news.dirty = news.unplaced = True


def _with_remedy(reason: str, message: str) -> str:
    return f"{message}; {_TAKE_OVER}" if reason == STALE else message


def unusable(
    conn: sqlite3.Connection, now: float, sessions: Sessions, name: str, reason: str, message: str
) -> None:
    """Let an agent be for a while that answers, but not as it must."""
    agents.in_trouble(conn, now, name, phases.NOT_READY, reason, message)
    runs.lost_sight(conn, now, name)
    way = sessions.link(name).way
    sessions.drop(name)
    link = sessions.link(name)
    link.way, link.failures, link.next_try = way, 5, time.monotonic() + SULK


def _move_cursor(conn: sqlite3.Connection, sessions: Sessions, name: str) -> None:
    """The next hello says how far we are; a session asks for it on its own thread."""
    row = agents.read(conn, name)
    link = sessions.links.get(name)
    if row is not None and link is not None:
        link.cursor = (row.journal, row.cursor)
        link.news_at = time.monotonic()


def catch_up(sessions: Sessions) -> bool:
    """Mark connections on which everything up to their hello has been stored. True if one is new.

    Never by a guess: nothing may be started or assigned before it is known what the agent has had.
    """
    found = False
    for link in sessions.links.values():
        if link.up and not link.caught_up:
            link.caught_up = link.cursor[1] >= link.last
            found = found or link.caught_up
    return found


def give_up(state: State, sessions: Sessions) -> bool:
    """Let be those that are up and have long not sent what their hello promised. True if there is one."""
    late = time.monotonic() - QUIET
    stuck = [
        name
        for name, link in sessions.links.items()
        if link.up and not link.caught_up and link.news_at < late
    ]
    for name in stuck:
        link = sessions.links[name]
        words = f"it has {link.last} records, and sends none after {link.cursor[1]}"
        with state.transaction() as conn:
            unusable(conn, time.time(), sessions, name, "Garbled", words)
    return bool(stuck)
