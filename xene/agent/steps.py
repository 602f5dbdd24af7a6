"""The steps that are under way: started or adopted, timed, stopped, and their ends told to the daemon.

It acts on what was journalled and records nothing itself: every end goes to `on_end` as an `End`.
"""

from __future__ import annotations

import os
import signal
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from xene.agent import containers, process
from xene.agent.containers import Room
from xene.agent.inside import Tree, is_entry
from xene.agent.process import Launch, Process
from xene.agent.stopping import Stopping
from xene.model import phases

TIMEOUT_CODE = 124
CLAIMED_CODE = 125
LOOK_AGAIN = 0.05  # seconds between looks at a process that cannot be waited for

STOPPED_CODES = (128 + signal.SIGTERM, 128 + signal.SIGKILL)  # what a step leaves that was stopped

# Nothing of a command came back: an exit code would be that of the engine's client.
_WITHOUT_CODE = frozenset({
    phases.EXIT_UNKNOWN, phases.IMAGE_UNAVAILABLE, phases.CONTAINER_FAILED, phases.CONTAINER_LOST,
})  # fmt: skip

Key = Tuple[str, int]  # a run's id and the step attempt's seq
Why = Tuple[str, str]  # reason and message of a stop


class End(NamedTuple):
    """How a step attempt ended. `reason` None is a success; `at` None means now."""

    key: Key
    exit_code: Optional[int]
    reason: Optional[str]
    message: Optional[str]
    at: Optional[float] = None


class Live:
    """A step attempt with a process, in `room` unless it is bare. `deadline` is a reading of CLOCK_BOOTTIME."""

    def __init__(
        self, key: Key, base: str, grace: float, deadline: Optional[float], room: Optional[Room] = None
    ) -> None:
        self.key = key
        self.base = base
        self.mark = mark(key)
        self.grace = grace
        self.deadline = deadline
        self.room = room
        self.pid = 0
        self.root: Optional[Process] = None
        self.stopping: Optional[Stopping] = None
        self.why: Optional[Why] = None
        self.exit_code: Optional[int] = None
        self.look_at: Optional[float] = None  # when to look again, on CLOCK_BOOTTIME


def mark(key: Key) -> str:
    """What the environment of every process of a step attempt bears."""
    return f"XENE_STEP_ID={key[0]}.{key[1]}"


class Steps:
    """`watch(fd, call)` and `unwatch(fd)` are the daemon's selector."""

    def __init__(
        self,
        wrapper: str,
        umask: int,
        on_end: Callable[[End], None],
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
    ) -> None:
        self.live: Dict[Key, Live] = {}
        self._by_pid: Dict[int, Live] = {}
        self._wrapper, self._umask = wrapper, umask
        self._on_end, self._watch, self._unwatch = on_end, watch, unwatch

    def start(
        self, key: Key, launch: Launch, grace: float, deadline: Optional[float], room: Optional[Room] = None
    ) -> None:
        """Start a step attempt. Raises OSError where not even the wrapper can be started."""
        live = Live(key, launch.base, grace, deadline, room)
        name, _, value = live.mark.partition("=")
        launch = launch._replace(env={**launch.env, name: value})
        live.pid = process.start(launch, self._wrapper, self._umask)
        self.live[key] = self._by_pid[live.pid] = live

    def adopt(
        self,
        key: Key,
        base: str,
        grace: float,
        deadline: Optional[float],
        why: Optional[Why] = None,
        room: Optional[Room] = None,
    ) -> bool:
        """Take over a step attempt that an earlier daemon may have started. False: nobody started it.

        `why`: that daemon may have been stopping it, for this reason.
        """
        root = process.claim(base)
        if root is None:
            return False
        live = self.live[key] = Live(key, base, grace, deadline, room)
        live.why = why
        self._take(live, root)
        return True

    def exited(self, pid: int, status: int) -> None:
        """A child was reaped; orphans of steps come by here too."""
        live = self._by_pid.pop(pid, None)
        if live is None:
            return
        code = os.waitstatus_to_exitcode(status)
        if code == CLAIMED_CODE and live.stopping is None:
            root = process.claim(live.base)
            if root is None:
                live.look_at = 0.0  # whose step is it then? One look at a time
                return None
            if root.pid != pid:
                return self._take(live, root)
        self._wrapper_ended(live, 128 - code if code < 0 else code, killed=-code if code < 0 else 0)

    def stop(self, key: Key, reason: str, message: str, now: float, grace: Optional[float] = None) -> None:
        """Begin to end a step attempt; asked again with grace 0 it kills at once."""
        live = self.live.get(key)
        if live is None:
            return
        if live.stopping is not None:
            if grace == 0:
                live.stopping.hasten(now)
            return
        root = live.root or process.claim(live.base)
        live.why = (reason, message)
        live.deadline = None
        live.stopping = _stopping(live, root, live.grace if grace is None else grace, now)

    def tick(self, now: float) -> None:
        """Time out what is late, and go on with what is being stopped."""
        for live in list(self.live.values()):
            if live.deadline is not None and now >= live.deadline:
                self.stop(live.key, phases.TIMEOUT, "timed out", now)
            if live.look_at is not None and now >= live.look_at:
                self._look(live, now)
            if live.stopping is not None and now >= live.stopping.next_at and live.stopping.step(now):
                self._gone(live)

    def next_at(self) -> Optional[float]:
        """When `tick` has something to do next, on CLOCK_BOOTTIME."""
        times: List[float] = []
        for live in self.live.values():
            if live.stopping is not None:
                times.append(live.stopping.next_at)
            elif live.deadline is not None:
                times.append(live.deadline)
            if live.look_at is not None:
                times.append(live.look_at)
        return min(times, default=None)

    def _take(self, live: Live, root: Process) -> None:
        """Follow a wrapper that is not known to be our child."""
        live.root, live.pid = root, root.pid
        try:
            descriptor = os.pidfd_open(root.pid)
        except ProcessLookupError:
            return self._adopted_ended(live)
        except OSError:  # no descriptor left: it is looked at now and then instead
            live.look_at = 0.0
            return None
        if process.look(root.pid) is None or not process.alive(root):
            os.close(descriptor)
            return self._adopted_ended(live)
        self._by_pid[root.pid] = live

        def ended() -> None:
            self._unwatch(descriptor)
            os.close(descriptor)
            if self._by_pid.get(root.pid) is live:
                del self._by_pid[root.pid]
                self._adopted_ended(live)

        self._watch(descriptor, ended)

    def _look(self, live: Live, now: float) -> None:
        """Look at a step whose wrapper cannot be waited for, or whose first one found it taken and left."""
        live.look_at = None
        if live.root is None:
            live.root = process.claim(live.base)
            if live.root is not None:
                return None if live.stopping else self._take(live, live.root)
            if not process.members(live.mark, None):
                return self._never_began(live)
        elif not process.alive(live.root):
            return None if live.stopping else self._adopted_ended(live)
        live.look_at = now + LOOK_AGAIN
        return None

    def _never_began(self, live: Live) -> None:
        """No process of the step is left and none has claimed it: nothing of it was ever run."""
        if live.stopping is None and self.live.pop(live.key, None) is not None:
            message = f"cannot be started: {live.base}.step cannot be written; is the disk full?"
            self._on_end(End(live.key, None, phases.START_FAILED, message))

    def _adopted_ended(self, live: Live) -> None:
        code = process.exit_code(live.base)
        if code is not None:
            return self._wrapper_ended(live, code, at=process.exit_time(live.base))
        live.why = live.why or (
            phases.EXIT_UNKNOWN,
            "its process was killed from outside and left no exit code",
        )
        self._clear_up(live)

    def _wrapper_ended(self, live: Live, code: int, killed: int = 0, at: Optional[float] = None) -> None:
        live.exit_code = code
        if live.stopping is not None:
            return  # it ends when nothing of it is left
        why = containers.trouble(live.base) if live.room is not None and code else None
        if why is not None:
            live.why = live.why or why
            return self._clear_up(live)
        if live.why is not None and code in STOPPED_CODES:
            return self._clear_up(live)
        if killed:
            live.why = (phases.STEP_FAILED, f"killed by signal {killed}")
            return self._clear_up(live)
        del self.live[live.key]
        reason = phases.STEP_FAILED if code else None
        self._on_end(End(live.key, code, reason, f"exit code {code}" if code else None, at))

    def _clear_up(self, live: Live) -> None:
        """The wrapper was killed: what it had started may live on, and must not."""
        if live.stopping is None:
            live.deadline = None
            live.stopping = _stopping(live, live.root, live.grace, 0.0)

    def _gone(self, live: Live) -> None:
        del self.live[live.key]
        self._by_pid.pop(live.pid, None)
        reason, message = live.why or (phases.CANCELLED, "stopped")
        code = TIMEOUT_CODE if reason == phases.TIMEOUT else live.exit_code
        if reason in _WITHOUT_CODE:
            code = None
        elif code is None:
            code = process.exit_code(live.base)
        self._on_end(End(live.key, code, reason, message))


def _stopping(live: Live, root: Optional[Process], grace: float, now: float) -> Stopping:
    """The end of its whole tree, also of what of it is inside a container."""
    room, wrapper = live.room, root.pid if root else live.pid
    if room is None:
        find = lambda: process.members(live.mark, root)  # noqa: E731
        return Stopping(find, grace, now, is_command=lambda one: process.parent(one) == wrapper)
    tree = Tree(live.mark, root, room.engine, room.name, live.base + ".inside", room.env)
    is_command = lambda one: process.parent(one) == wrapper or is_entry(one)  # noqa: E731
    return Stopping(tree.find, grace, now, tree.send, is_command)
