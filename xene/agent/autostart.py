"""Whether this daemon comes back after a reboot, as control wants it: looked after, and told truly.

Held by the daemon. The work is done by a process of the agent's own (`comeback`), whose end says how it went.
"""

from __future__ import annotations

import os
import sys
from typing import Callable, Optional

from xene.agent import process
from xene.agent.complaints import complain
from xene.agent.home import Home
from xene.agent.ledger import Ledger
from xene.model import events
from xene.model.agent import NO_AUTOSTART
from xene.model.events import Event

SAID_MOST = 500  # characters of why it could not be done


class Autostart:
    """`code` is the directory of the code that is to be started; `umask` is the one that steps get."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        record: Callable[[Event], None],
        now: Callable[[], float],
        code: str,
        umask: int,
    ) -> None:
        self._home, self._ledger, self._record, self._now = home, ledger, record, now
        self._code, self._umask = code, umask
        self._wanted: Optional[str] = None  # None: nobody has said so yet in this daemon's life
        self._doing: Optional[str] = None
        self._pid = 0

    def want(self, how: str) -> None:
        """Make it so. Once in a daemon's life it is done though it was done before: the code may be another one."""
        if self._wanted == how or (
            self._wanted is None and how == self._ledger.charges.comes_back == NO_AUTOSTART
        ):
            return
        self._wanted = how
        if not self._pid:
            self._do(how)

    def leave(self) -> None:
        """The agent is given up for good: nothing is to be left of it."""
        if self._ledger.charges.comes_back != NO_AUTOSTART:
            self.want(NO_AUTOSTART)

    def _do(self, how: str) -> None:
        state_home, agent = os.path.split(self._home.path)
        home, state = os.path.split(state_home)
        argv = [sys.executable, "-I", "-S", self._code, "autostart", how]
        for name, value in (("--home", home), ("--state", state), ("--agent", agent)):
            argv += [name, value]
        argv += ["--umask", f"{self._umask:04o}"]
        try:
            self._pid = process.spawn(argv, self._said, os.environ)
            self._doing = how
        except OSError as error:
            self._tell(NO_AUTOSTART, str(error))

    @property
    def _said(self) -> str:
        return self._home.start + ".said"

    def exited(self, pid: int, status: int) -> bool:
        """A child was reaped. False: it was none of this."""
        if pid != self._pid or not pid:
            return False
        self._pid, done = 0, self._doing or NO_AUTOSTART
        if self._wanted != done:
            self._do(self._wanted or NO_AUTOSTART)
        elif status == 0:
            self._tell(done, "")
        else:
            self._failed(done)
        return True

    def _failed(self, how: str) -> None:
        try:
            with open(self._said, encoding="utf-8", errors="replace") as file:
                why = file.read(SAID_MOST).strip()
        except OSError as error:
            why = str(error)
        complain(f"autostart: {how} cannot be had: {why}")
        before = self._ledger.charges.comes_back
        self._tell(before if how == NO_AUTOSTART else NO_AUTOSTART, why)

    def _tell(self, how: str, why: str) -> None:
        if how != self._ledger.charges.comes_back or why:
            self._record(events.autostart_set(self._now(), how, why))
