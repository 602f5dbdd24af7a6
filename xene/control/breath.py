"""A pause for other processes that want to write, where the control thread would never make one by itself.

Called by `control.passes`. SQLite has no queue: whoever finds the state locked looks again after a while, at
the latest each tenth of a second, and under a flood of reports hardly ever finds it free. So a thread that has been
busy for two seconds stands still for as long as every waiting process needs to look once.
"""

from __future__ import annotations

import time
from typing import Callable

BUSY = 2.0  # seconds over which it is reckoned
IDLE = 0.2  # of them, spent waiting for news, make a pause needless
PAUSE = 0.105  # the longest pause of SQLite's busy handler between two looks, and a little


class Breath:
    """`now` is a monotonic clock, in seconds."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now, self._sleep = now, sleep
        self._since, self._waited = now(), 0.0

    def waited(self, seconds: float) -> None:
        """So long nothing was done. Stands still where that was too little in all; never within a transaction."""
        self._waited += seconds
        if self._now() - self._since >= BUSY:
            if self._waited < IDLE:
                self._sleep(PAUSE)
            self._since, self._waited = self._now(), 0.0
