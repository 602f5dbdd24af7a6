"""What runs left running, and must not: leftovers of runs that end, strays of runs that nobody knows any more.

Held by `work`, which says what is to follow when all of it is gone. It records nothing.
"""

from __future__ import annotations

import signal
import time
from typing import Callable, Dict, Iterable, List, Set, Tuple

from xene.agent import process
from xene.agent.process import Process
from xene.agent.steps import Live
from xene.agent.stopping import Stopping

LEFTOVER_GRACE = 10.0  # seconds
ABANDON_SECONDS = 5.0


class Sweeps:
    """One `Stopping` for each run that is swept, by the run's id."""

    def __init__(self) -> None:
        self._under_way: Dict[str, Tuple[Stopping, Callable[[], None]]] = {}

    def __contains__(self, run: str) -> bool:
        return run in self._under_way

    def begin(self, run: str, place: str, kill: bool, now: float, then: Callable[[], None]) -> None:
        """End every process of `run`, whose directory is `place`, and call `then`. `now` is CLOCK_BOOTTIME."""
        find = lambda: process.members(f"XENE_RUN={run}", None, place)  # noqa: E731
        self._under_way[run] = Stopping(find, 0.0 if kill else LEFTOVER_GRACE, now), then

    def hasten(self, run: str, now: float) -> None:
        """Kill at the next look. A run that is not swept is no mistake."""
        if run in self._under_way:
            self._under_way[run][0].hasten(now)

    def tick(self, now: float) -> None:
        """Go on with those that are due."""
        for run, (stopping, then) in list(self._under_way.items()):
            if now >= stopping.next_at and stopping.step(now):
                del self._under_way[run]
                then()

    def times(self) -> List[float]:
        """When `tick` has something to do."""
        return [stopping.next_at for stopping, _ in self._under_way.values()]


def kill_all(runs: Iterable[str], steps: Iterable[Live]) -> None:
    """Kill every process of these runs and steps at once. Blocks until they are gone, or 5 s."""
    deadline = time.monotonic() + ABANDON_SECONDS
    runs, steps = list(runs), list(steps)
    while time.monotonic() < deadline:
        left: Set[Process] = set()
        for run in runs:
            left |= process.members(f"XENE_RUN={run}", None)
        for live in steps:
            seen = process.look(live.pid)
            left |= process.members(live.mark, live.root or (seen.process if seen else None))
        if not left:
            return
        process.send(left, signal.SIGKILL)
        time.sleep(0.01)
