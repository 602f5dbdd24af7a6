"""How runs end on the host: their processes are gone first, then their containers, and only then is it said.

Held by `work`, which says what is to follow. Nothing here records.
"""

from __future__ import annotations

import os
from typing import Callable, List, Mapping, Optional

from xene.agent import containers
from xene.agent.closing import Closings, Leftovers, remembered
from xene.agent.home import Home
from xene.agent.sweeps import Sweeps


class Ends:
    """`is_open` says whether a run may still have containers."""

    def __init__(self, home: Home, is_open: Callable[[str], bool]) -> None:
        self._home, self._is_open = home, is_open
        self._sweeps = Sweeps()
        self._closings = Closings(home.engines + ".log")
        self._leftovers = Leftovers(home.engines + ".found", home.path, self._left)
        self._now = 0.0

    def __contains__(self, run: str) -> bool:
        return run in self._sweeps or run in self._closings

    def begin(
        self,
        run: str,
        place: str,
        kill: bool,
        now: float,
        then: Callable[[], None],
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        """End every process and every container of `run`, whose directory is `place`; then call `then`.

        `env` is what engines are called with, by default the daemon's own.
        """
        called_with = os.environ if env is None else env
        self._now = now
        self._sweeps.begin(run, place, kill, now, lambda: self._close(run, place, called_with, then))

    def hasten(self, run: str, now: float) -> None:
        """Kill at the next look what is left of a run."""
        self._sweeps.hasten(run, now)

    def tick(self, now: float) -> None:
        """Go on with those that are due. `now` is CLOCK_BOOTTIME."""
        self._now = now
        self._sweeps.tick(now)
        self._closings.tick(now)

    def times(self) -> List[float]:
        """When `tick` has something to do."""
        return [*self._sweeps.times(), *self._closings.times()]

    def pids(self) -> List[int]:
        """Children of this process that are at it."""
        return self._closings.pids()

    def exited(self, pid: int, status: int, now: float) -> bool:
        """A child was reaped. False: it was none of these."""
        self._now = now
        return self._closings.exited(pid, status, now) or self._leftovers.exited(pid)

    def look_for_leftovers(self) -> None:
        """Ask each engine that was ever used for containers of runs that are not open; they go."""
        self._leftovers.look(remembered(self._home.engines), os.environ)

    def _left(self, engine: str, run: str) -> None:
        if not self._is_open(run) and run not in self:
            place = self._home.run(run)
            self._closings.begin(
                run, [engine], place + "/workspace", os.environ, self._now, lambda: containers.forget(place)
            )

    def _close(self, run: str, place: str, env: Mapping[str, str], then: Callable[[], None]) -> None:
        engines = [engine for engine, _ in containers.opened(place)]
        if not engines:
            return then()

        def closed() -> None:
            containers.forget(place)
            then()

        return self._closings.begin(run, engines, place + "/workspace", env, self._now, closed)
