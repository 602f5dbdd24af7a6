"""Making an end: SIGTERM, the grace period, SIGKILL, and looking again until nothing is left.

One `Stopping` is one tree on its way out. The daemon calls `step` when `next_at` has come; it says "gone" only
when /proc has shown nothing of the tree twice: a process in the middle of an exec shows no environment.

SIGTERM comes once. What was missed at the first look gets it later, but not what started afterwards: a handler that
cleans up may call programs, and has the whole grace period for it. Only where the command itself came later than
the first SIGTERM, which the shell around it outlives, all that is there by then gets it.
"""

from __future__ import annotations

import signal
from typing import Callable, Optional, Set

from xene.agent import process
from xene.agent.process import Moment, Process

FIRST_LOOK = 0.01  # seconds
SLOWEST_LOOK = 0.25
STUBBORN_LOOK = 5.0  # for what outlives SIGKILL: it is in the kernel's hands, or another user's
STUBBORN_AFTER = 10.0  # seconds


class Stopping:
    """`find` gives what is left of the tree, `send` signals it; `grace` is in seconds, 0 kills at once.

    `is_command` knows what a shell of ours has started. Times are CLOCK_BOOTTIME.
    """

    def __init__(
        self,
        find: Callable[[], Set[Process]],
        grace: float,
        now: float,
        send: Callable[[Set[Process], int], None] = process.send,
        is_command: Callable[[Process], bool] = lambda _: False,
    ) -> None:
        self._find, self._send, self._is_command = find, send, is_command
        self._pause = FIRST_LOOK
        self.kill_at = now + grace
        self.next_at = now
        self._asked: Set[Process] = set()
        self._began: Optional[Moment] = None  # just before the first SIGTERM, or that of the command
        self._nothing = False  # the last look found nothing

    def hasten(self, now: float) -> None:
        """Kill at the next look."""
        self.kill_at = self.next_at = now

    def step(self, now: float) -> bool:
        """Signal what is left. True when there is nothing, and was nothing a moment ago."""
        left = self._find()
        if not left:
            if self._nothing:
                return True
            self._nothing, self.next_at = True, now + FIRST_LOOK
            return False
        self._nothing = False
        if now >= self.kill_at:
            self._send(left, signal.SIGKILL)
        else:
            self._ask(left - self._asked)
        self.next_at = now + self._pause
        slowest = STUBBORN_LOOK if now > self.kill_at + STUBBORN_AFTER else SLOWEST_LOOK
        self._pause = min(slowest, self._pause * 1.5)
        if now < self.kill_at:
            self.next_at = min(self.next_at, self.kill_at)
        return False

    def _ask(self, fresh: Set[Process]) -> None:
        # A fork that is still our shell would take SIGTERM as that does, for nothing: asked when it has begun.
        fresh = {one for one in fresh if not (self._is_command(one) and process.is_copy(one))}
        if self._began is None or any(self._is_command(one) for one in fresh):
            self._began = process.moment()
        missed = {one for one in fresh if process.began_before(one, self._began)}
        self._send(missed, signal.SIGTERM)
        self._send(missed, signal.SIGCONT)
        self._asked |= fresh
