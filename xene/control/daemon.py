"""The controller: the holder of the lock that stays, with a connection to every agent.

It is `control.passes` in a loop: whatever comes (events, a nudge, a changed directory, the clock) leads to a pass
that reads the world and decides. It keeps nothing in memory that a pass could not read again, so it may die at any
moment. A second controller stands by until the first one is gone; it takes over with a higher epoch, so that the
first, should it only have been asleep, is refused by the agents.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Callable, Iterator, Protocol, Sequence

from xene.control import gitops
from xene.control.lock import Lock, holder
from xene.control.measure import APPLY, Measure
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.wakeup import Nudge
from xene.control.watch import AGAIN, Moved, Watcher
from xene.errors import XeneError
from xene.store import agents, db
from xene.store.db import State

PASS = 30.0  # seconds after which everything is looked at again, whatever was heard
TURN = 0.5  # seconds that one turn waits for news at the most
STANDBY_LOOK = 0.5  # seconds between looks at the lock of the one that is at work


@dataclass(frozen=True)
class Context:
    """What a controller at work gives its companions; any thread may use it.

    `nudge` has it look at the state. Who wants to count adds itself to `measure`.
    """

    place: Place
    uuid: str
    nudge: Callable[[], None]
    measure: Measure = field(default_factory=Measure)


class Companion(Protocol):
    """What runs beside a controller while it is at work: HTTP, notices. `failed`: it has died, and of what."""

    failed: Exception | None

    def start(self, context: Context) -> None:
        """The lock is ours, the state is open. Raises XeneError: then the controller ends with it."""

    def stop(self) -> None:
        """Take nothing new, finish what is under way, for 10 s at the most."""

    def reload(self) -> None:
        """SIGHUP. Raises XeneError: then things stay as they were."""


@dataclass
class Wishes:
    """What signals ask of a controller. Set by handlers, taken by the loop."""

    stop: bool = False
    reload: bool = False


class Controller:
    """`say` tells people what it does. `repo` is the directory to keep the state in line with, "" for none."""

    def __init__(
        self,
        place: Place,
        wishes: Wishes,
        say: Callable[[str], None],
        *,
        repo: str = "",
        ready: Callable[[str], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
        open: Open = open_channel,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._companions = companions
        self._place, self._wishes, self._say, self._repo = place, wishes, say, repo
        self._ready, self._alive, self._open = ready, alive, open
        self._measure = Measure()
        self._passed_at = self._looked_at = 0.0

    def serve(self) -> None:
        """Work until asked to stop. Agents go on with what they have. Raises Storage."""
        with db.open_state(self._place.state) as state, Lock(state.path) as lock:
            stood_by = self._stand_by(state, lock)
            if self._wishes.stop:
                return
            if stood_by:
                with state.transaction() as conn:
                    epoch = db.raise_epoch(conn, time.time())
                self._say(f"took over, with epoch {epoch}")
            with Control(self._place, state, open=self._open, measure=self._measure) as control:
                nudge = partial(control.inbox.put, Nudge())
                with self._beside(Context(self._place, state.uuid, nudge, self._measure)):
                    self._ready(f"at work on {state.path}")
                    self._say(f"at work on {state.path} (pid {os.getpid()})")
                    self._work(state, control)
                self._say("stops; agents go on with what they have")

    def _stand_by(self, state: State, lock: Lock) -> bool:
        """Wait for the lock. True if another controller had it."""
        other = None
        while not self._wishes.stop and not lock.acquire():
            if other is None:
                other = holder(state.path)
                self._ready(f"standing by for process {other}")
                self._say(f"standing by: process {other} is at work on {state.path}")
            self._alive()
            time.sleep(STANDBY_LOOK)
        return other is not None

    @contextmanager
    def _beside(self, context: Context) -> Iterator[None]:
        """The companions at work while the block lasts; those that were started are stopped, whatever comes."""
        with ExitStack() as started:
            for companion in self._companions:
                companion.start(context)
                started.callback(companion.stop)
            yield

    def _look_at_companions(self) -> None:
        """Raises what one of them has died of: better none than half a daemon."""
        for companion in self._companions:
            if companion.failed is not None:
                raise companion.failed
            if self._wishes.reload:
                self._reload(companion)

    def _reload(self, companion: Companion) -> None:
        try:
            companion.reload()
        except XeneError as error:
            self._say(f"not reloaded: {error.message}")

    def _work(self, state: State, control: Control) -> None:
        watcher = Watcher(self._repo, control.inbox) if self._repo else None
        try:
            while not self._wishes.stop:
                self._look_at_companions()
                self._look_at_repo(state, control)
                self._pass_in_time(control)
                control.turn(self._names(control), TURN)
                self._alive()
        finally:
            if watcher is not None:
                watcher.close()

    def _names(self, control: Control) -> list[str]:
        """All agents there are: a controller keeps a connection to each."""
        if control.world is not None:
            return list(control.world.rows)
        with control.state.snapshot() as conn:
            return [row.name for row in agents.every(conn)]

    def _pass_in_time(self, control: Control) -> None:
        now = time.monotonic()
        if self._wishes.reload or now - self._passed_at >= PASS:
            self._wishes.reload = False
            self._passed_at = now
            control.look_again()

    def _look_at_repo(self, state: State, control: Control) -> None:
        """Apply the directory when it moved, when asked to reload, and now and then."""
        now = time.monotonic()
        moved = control.take_others(Moved)
        if not self._repo or not (moved or self._wishes.reload or now - self._looked_at >= AGAIN):
            return
        self._looked_at = now
        with state.snapshot() as conn:
            before = gitops.read(conn)
        with self._measure.timed(APPLY):
            standing = gitops.bring(self._place, state, self._repo)
        if standing.error and (before is None or before.error != standing.error):
            self._say(f"{self._repo} is not applied: {standing.error}")
        elif before is None or before.applied_at != standing.applied_at:
            self._say(f"applied {self._repo}")
        control.look_again()
