"""Whether connected agents still answer: silence is noticed within half a minute, whatever the wire says.

Called by `control.passes` in every turn. An agent that has said nothing for a while is asked; if nothing comes
then either, its runs are `Unknown`. A stopped daemon, a hanging host and a wire that was cut look alike from here.
What it holds stays with it: silence is not death.
"""

from __future__ import annotations

import time
from typing import Iterable, Protocol

from xene.control.sessions import Link, Sessions
from xene.model import phases
from xene.store import agents, runs
from xene.store.db import State
from xene.wire import messages

QUIET = 12.0  # seconds without a word after which an agent is asked
PATIENCE = 12.0  # seconds that its answer may take
SEEN = 30.0  # seconds between two writes of when connected agents were heard
SLEPT = 5.0  # seconds between two looks that prove that it was us who stood still
SILENT = "Silent"


class Carrier(Protocol):
    """What has something under way on a connection: logs, artifacts."""

    def forget(self, agent: str) -> None: ...


class Heartbeat:
    """Remembers when it looked last. All times are of the monotonic clock."""

    def __init__(self) -> None:
        self._looked_at = self._written_at = time.monotonic()

    def look(self, state: State, sessions: Sessions, carriers: Iterable[Carrier]) -> bool:
        """Ask those that are quiet, and give up those that do not answer. True if there is one. Raises Storage."""
        now = time.monotonic()
        slept, self._looked_at = now - self._looked_at > SLEPT, now
        silent = []
        for name, link in sessions.links.items():
            if link.up:
                _forgive(link, now, slept)
                if is_silent(link, now):
                    silent.append(name)
                elif link.pinged_at is None and now - link.heard_at >= QUIET:
                    link.pinged_at = now
                    sessions.send(name, messages.ping(sessions.epoch))
            elif link.missed and not slept and now - link.heard_at >= QUIET + PATIENCE:
                silent.append(name)
        for name in silent:
            _lose(state, sessions, carriers, name)
        self._write(state, sessions, now)
        return bool(silent)

    def _write(self, state: State, sessions: Sessions, now: float) -> None:
        """Keep when each was heard, for people who read the state: an idle agent reports nothing by itself."""
        if now - self._written_at < SEEN:
            return
        self._written_at = now
        heard = [
            (name, time.time() - (now - link.heard_at)) for name, link in sessions.links.items() if link.up
        ]
        if heard:
            with state.transaction() as conn:
                agents.seen(conn, heard)


def is_silent(link: Link, now: float) -> bool:
    """Whether nothing came after a ping for too long."""
    return link.pinged_at is not None and now - link.pinged_at >= PATIENCE


def _forgive(link: Link, now: float, slept: bool) -> None:
    """A ping is answered by whatever comes after it, and worth nothing while it is us who do not listen."""
    if link.pinged_at is not None and (link.heard_at >= link.pinged_at or link.room.full):
        link.pinged_at = None
    if link.room.full:
        link.heard_at = now
    elif slept and link.pinged_at is not None:
        link.pinged_at = now


def _lose(state: State, sessions: Sessions, carriers: Iterable[Carrier], name: str) -> None:
    """Say that it is silent, and try another connection."""
    link = sessions.links[name]
    words = f"nothing was heard of it for {time.monotonic() - link.heard_at:.0f} s, though it was asked"
    hint = "its daemon hangs or was stopped, its host does, or the wire was cut"
    with state.transaction() as conn:
        agents.in_trouble(conn, time.time(), name, phases.UNREACHABLE, SILENT, f"{words}: {hint}")
        runs.lost_sight(conn, time.time(), name)
    if link.up:
        sessions.give_up(name)
        for carrier in carriers:
            carrier.forget(name)
    link.missed = False
