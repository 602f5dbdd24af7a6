"""The controller: the holder of the lock that stays, with a connection to every agent.

It is `control.passes` in a loop: whatever comes (events, a nudge, a changed directory, the clock) leads to a pass
that reads the world and decides. It keeps nothing in memory that a pass could not read again, so it may die at any
moment; and where the state cannot be written (a full disk, another writer), it lets go of all connections and
begins anew. A second controller stands by until the first one is gone; it takes over with a higher epoch, so that
the first, should it only have been asleep, is refused by the agents.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Callable, Iterator, Protocol, Sequence

from xene.control.fence import Fence
from xene.control.keeping import Keeping
from xene.control.lock import CONTROLLER, Lock, holder
from xene.control.measure import Measure
from xene.control.passes import Control
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.standby import LOOK, Rival
from xene.control.wakeup import Written
from xene.errors import Storage, XeneError
from xene.store import agents, db
from xene.store.db import State

PASS = 30.0  # seconds after which everything is looked at again, whatever was heard
TURN = 0.5  # seconds that one turn waits for news at the most
FIRST_PAUSE, LONGEST_PAUSE = (
    1.0,
    15.0,
)  # seconds until it is tried again with a state that could not be written


@dataclass(frozen=True)
class Context:
    """What a controller at work gives its companions; any thread may use it.

    `nudge` has it look at the state. Who wants to count adds itself to `measure`. `took_over`: another controller
    was at work before, and may yet hang somewhere with what it had open.
    """

    place: Place
    uuid: str
    nudge: Callable[[], None]
    measure: Measure = field(default_factory=Measure)
    took_over: bool = False


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
    """`say` tells people what it does. `repo` is the directory to keep the state in line with, "" for none.

    With `git` that is a work tree, and the state follows the branch that is checked out there.
    """

    def __init__(
        self,
        place: Place,
        wishes: Wishes,
        say: Callable[[str], None],
        *,
        repo: str = "",
        git: bool = False,
        ready: Callable[[str], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
        open: Open = open_channel,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._companions = companions
        self._place, self._wishes, self._say = place, wishes, say
        self._ready, self._tell_alive, self._open = ready, alive, open
        self._measure = Measure()
        self._keeping = Keeping(place, repo, say, self._measure, git=git) if repo else None
        self._control: Control | None = None
        self._passed_at = 0.0
        self._pause, self._trouble = FIRST_PAUSE, ""

    def serve(self) -> None:
        """Work until asked to stop. Agents go on with what they have.

        Raises Conflict where another controller took over meanwhile, Storage where there is no state to work on,
        and what a companion could not be started with, or has died of.
        """
        with db.open_state(self._place.state) as state, Lock(state.path, CONTROLLER) as lock:
            took_over = self._stand_by(state, lock)
            if self._wishes.stop:
                return
            fence = Fence(state, lock)
            with (
                self._beside(Context(self._place, state.uuid, self._nudge, self._measure, took_over)),
                self._kept(state),
            ):
                self._ready(f"at work on {state.path}")
                self._say(f"at work on {state.path} (pid {os.getpid()})")
                while not self._wishes.stop:
                    self._work(state, lock, fence)
                self._say("stops; agents go on with what they have")

    def _nudge(self) -> None:
        """Whoever wrote is seen; between two Controls nobody needs to be told, since the next one reads it all."""
        control = self._control
        if control is not None:
            control.inbox.put(Written())

    # -- before the work

    def _stand_by(self, state: State, lock: Lock) -> bool:
        """Return with the lock, or when asked to stop. True where another process had it: the epoch is raised."""
        rival, told = Rival(state), ""
        if lock.acquire():
            return False
        while not self._wishes.stop:
            told = self._tell_standing_by(state, rival, told)
            if lock.acquire():
                with state.transaction() as conn:
                    epoch: int | None = db.raise_epoch(conn, time.time())
            else:
                epoch = rival.replace(lock) if rival.hangs() else None
            if epoch is not None:
                self._say(f"took over, with epoch {epoch}")
                return True
            self._tell_alive()
            time.sleep(LOOK)
        return False

    def _tell_standing_by(self, state: State, rival: Rival, told: str) -> str:
        """Say for whom it waits, and what keeps it from going on, once each."""
        words = rival.trouble
        if not told:
            pid = holder(state.path)
            self._ready(f"standing by for process {pid}")
            words = f"process {pid} is at work on {state.path}"
        if words and words != told:
            self._say(f"standing by: {words}")
        return words or told

    @contextmanager
    def _beside(self, context: Context) -> Iterator[None]:
        """The companions at work while the block lasts; those that were started are stopped, whatever comes."""
        with ExitStack() as started:
            for companion in self._companions:
                companion.start(context)
                started.callback(companion.stop)
            yield

    @contextmanager
    def _kept(self, state: State) -> Iterator[None]:
        """The directory is watched while the block lasts."""
        if self._keeping is not None:
            self._keeping.open(state)
        try:
            yield
        finally:
            if self._keeping is not None:
                self._keeping.close()

    # -- the work

    def _work(self, state: State, lock: Lock, fence: Fence) -> None:
        """Turns until asked to stop, or until the state cannot be written; then everything is let go."""
        try:
            with Control(self._place, state, open=self._open, measure=self._measure) as control:
                self._control = control
                try:
                    self._turns(state, control, lock, fence)
                finally:
                    self._control = None
        except Storage as error:
            fence.check_lock()
            self._wait(error, lock, fence)

    def _turns(self, state: State, control: Control, lock: Lock, fence: Fence) -> None:
        if self._keeping is not None:
            self._keeping.tell(control.inbox)
        while not self._wishes.stop:
            fence.check()
            self._look_at_companions()
            self._reload_companions()
            if self._keeping is not None:
                self._keeping.look(state, control, again=self._wishes.reload)
            self._pass_in_time(control)
            control.turn(self._names(control), TURN)
            self._is_well(lock)

    def _is_well(self, lock: Lock) -> None:
        """A turn was made: whoever stands by, and systemd, may know. Trouble that had been told is over."""
        lock.beat()
        self._tell_alive()
        if self._trouble:
            self._say("the state can be written again")
        self._pause, self._trouble = FIRST_PAUSE, ""

    def _wait(self, error: Storage, lock: Lock, fence: Fence) -> None:
        """Before it is tried again, longer each time. Meanwhile it is at work still, and is seen to be."""
        if error.message != self._trouble:
            self._say(f"{error.message}; {error.hint}" if error.hint else error.message)
        self._trouble = error.message
        until = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        while not self._wishes.stop and time.monotonic() < until:
            fence.check_lock()
            self._look_at_companions()
            self._tell_alive()
            lock.beat()
            time.sleep(LOOK)

    def _look_at_companions(self) -> None:
        """Raises what one of them has died of: better none than half a daemon."""
        for companion in self._companions:
            if companion.failed is not None:
                raise companion.failed

    def _reload_companions(self) -> None:
        for companion in self._companions if self._wishes.reload else ():
            try:
                companion.reload()
            except XeneError as error:
                self._say(f"not reloaded: {error.message}")

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
