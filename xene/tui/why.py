"""Why a run is as it is, in the words of `xene why`: asked again as the state moves. A page of the screen of a run.

What was said stays until the answer is there. One question is asked at a time, and not one behind the other.
"""

from __future__ import annotations

import time
from typing import Awaitable, Callable, Sequence

from xene.plan.drawing.spans import DIM, Line, Span
from xene.tui.page import Page

REST = 2.0  # seconds between two questions about one run

Ask = Callable[[str], Awaitable[Sequence[Line]]]


class Why(Page):
    """`ask` says of a run, by its id, why it is as it is. `stale`: something may have changed since then."""

    def __init__(self, ask: Ask, *, id: str | None = None) -> None:
        super().__init__(wraps=True, id=id)
        self._ask = ask
        self._ident = ""
        self._asking = False
        self._asked = -REST  # the moment, on the monotonic clock
        self.stale = True

    def of(self, ident: str) -> None:
        """Another run is shown: what was said is of the one before."""
        self._ident, self._asked, self.stale = ident, -REST, True
        self.show([(Span("...", DIM),)])

    def go_on(self) -> None:
        """Ask, where something has changed and it was not asked just now; called while it is shown."""
        if self.stale and not self._asking and time.monotonic() - self._asked >= REST:
            self.stale, self._asking, self._asked = False, True, time.monotonic()
            self.run_worker(self._answer(self._ident))

    async def _answer(self, ident: str) -> None:
        try:
            lines = await self._ask(ident)
        finally:
            self._asking = False
        if ident != self._ident:
            self.go_on()  # somebody has gone on to another one meanwhile
        elif lines != self._given:
            self.show(lines)
