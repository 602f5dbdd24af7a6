"""Getting a wish done: by oneself where nobody is at work, else by nudging who is, and watching the state.

Called by every command that changes or follows something. A wish is met by what stands in the state, so it does
not matter who does the work; when the one at work leaves, whoever still waits takes over.
"""

from __future__ import annotations

import math
import signal
import time
from abc import ABC, abstractmethod
from typing import Iterable

from xene.control import wakeup
from xene.control.lock import Lock
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.world import World
from xene.errors import TimedOut
from xene.plan import dispatch
from xene.store import db
from xene.store.db import State

WIDEN = 1.0  # seconds after which the one at work serves everybody, not only its own wish
LOOK = 0.03  # seconds between looks at a state on which somebody else works
NUDGE = 1.0  # seconds between nudges


class Wish(ABC):
    """What a command waits for."""

    first: tuple[str, ...] = ()  # agents to be connected to while the state is still being read

    @abstractmethod
    def reach(self, world: World) -> Iterable[str]:
        """The agents that this wish needs."""

    @abstractmethod
    def met(self, state: State) -> bool:
        """Whether there is nothing more to wait for. May raise what the command shall end with."""

    @abstractmethod
    def look(self, state: State, control: Control | None) -> None:
        """Called whenever something may have changed; `control` is None while somebody else is at work."""

    def due(self) -> float:
        """Seconds after which `look` is to be called again, whether or not anything comes."""
        return math.inf

    @abstractmethod
    def leave(self) -> None:
        """Called once, at the end."""


def drive(
    place: Place,
    wish: Wish,
    *,
    timeout: float | None = None,
    stored: bool = True,
    open: Open = open_channel,
) -> None:
    """Return when `wish` is met. Raises TimedOut after `timeout` seconds, Storage, and what the wish raises.

    `stored`: what the command was called for stands in the state, and will be done whoever waits for it: a SIGTERM
    that the live screen had put off until then may end it from now on.
    """
    if stored:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    deadline = None if timeout is None else time.monotonic() + timeout
    with db.open_state(place.state) as state, Lock(state.path) as lock:
        try:
            while not _is_met(wish, state, None):
                if lock.acquire():
                    return _work(place, state, wish, deadline, open)
                _stand_by(state, wish, lock, deadline)
        finally:
            wish.leave()


def _is_met(wish: Wish, state: State, control: Control | None) -> bool:
    wish.look(state, control)
    return wish.met(state)


def _work(place: Place, state: State, wish: Wish, deadline: float | None, open: Open) -> None:
    """Turns until the wish is met; a last pass tells the agents what follows from what came at the end."""
    with Control(place, state, open=open) as control:
        began = time.monotonic()
        control.connect(wish.first)
        control.make_pass()
        while not _is_met(wish, state, control):
            rest = _rest(deadline)
            wide = control.nudged or time.monotonic() - began > WIDEN
            control.turn(_reach(control, wish, wide), min(rest, wish.due()))
        if control.dirty:
            control.make_pass()


def _reach(control: Control, wish: Wish, wide: bool) -> list[str]:
    world = control.make_pass() if control.world is None else control.world
    names = dict.fromkeys((*wish.first, *wish.reach(world)))
    return list(dict.fromkeys((*names, *pending(world)))) if wide else list(names)


def pending(world: World) -> list[str]:
    """All agents that have something to be told or to report, were never tried, want a lease, or are to go."""
    fresh = [row.name for row in world.rows.values() if row.tried_at is None or row.leaving]
    open_work = dispatch.open_work(world.agents, world.assigned, world.held, world.runs)
    return [*open_work, *fresh, *world.leased]


def needed(world: World, ids: Iterable[str]) -> list[str]:
    """The agents of these runs, and those that must let go of their pipelines first."""
    wanted = set(ids)
    keys = {run.key for run in world.runs if run.id in wanted and run.sent_journal is None and not run.ended}
    holders = [held.agent for held in world.held if held.key in keys]
    return [*dispatch.of_runs(world.runs, wanted), *holders]


def _rest(deadline: float | None) -> float:
    if deadline is None:
        return 60.0
    rest = deadline - time.monotonic()
    if rest <= 0:
        raise TimedOut("the time is up", hint="it goes on; `xene wait` waits for it again")
    return rest


def _stand_by(state: State, wish: Wish, lock: Lock, deadline: float | None) -> None:
    """Watch until the wish is met, or nobody is at work any more. Leaves with the lock in the latter case."""
    nudged, version = 0.0, -1
    while True:
        now = time.monotonic()
        if now - nudged >= NUDGE:
            wakeup.nudge(state.path)
            nudged = now
        found = state.data_version()
        if found != version:
            version = found
            if wish.met(state):
                return
        wish.look(state, None)
        if lock.acquire():
            return
        time.sleep(min(LOOK, _rest(deadline)))
