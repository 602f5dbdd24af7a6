"""Wishes around one agent: that it has journalled what was asked of a run, and that it was heard out before that.

Used by `answering` and `again`.
"""

from __future__ import annotations

import time
from typing import Callable, Iterable

from xene.control.drive import Wish
from xene.control.passes import Control, is_away
from xene.control.world import World
from xene.errors import Unreachable
from xene.store import agents, runs
from xene.store.db import State


class HeardOut(Wish):
    """The agent has told all that it has to tell, or is away: what the state says of its runs is of now."""

    def __init__(self, agent: str) -> None:
        self.first = (agent,)
        self._since = time.time()
        self.heard = False

    def reach(self, world: World) -> Iterable[str]:
        return [name for name in self.first if name in world.rows]

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            row = agents.read(conn, self.first[0])
        return self.heard or row is None or is_away(row.phase, row.tried_at, self._since)

    def look(self, _: State, control: Control | None) -> None:
        """Whoever is at work hears its agents as they speak."""
        link = None if control is None else control.sessions.links.get(self.first[0])
        self.heard = control is None or (link is not None and link.caught_up)

    def leave(self) -> None:
        """It holds nothing."""


class Taken(Wish):
    """`is_taken` looks at the state; the agent of the run is the one to be reached. Raises Unreachable."""

    def __init__(self, run: str, agent: str, what: str, is_taken: Callable[[State], bool]) -> None:
        self._run, self._what, self._is_taken = run, what, is_taken
        self.first = (agent,)
        self._since = time.time()

    def reach(self, world: World) -> Iterable[str]:
        return [name for name in self.first if name in world.rows]

    def met(self, state: State) -> bool:
        if self._is_taken(state):
            return True
        with state.snapshot() as conn:
            (status,) = runs.statuses(conn, [self._run])
        if is_away(status.agent_phase, status.tried_at, self._since):
            raise Unreachable(
                f"{self._what} of run {self._run} cannot be confirmed: agent {status.agent} is"
                f" {status.agent_phase} ({status.agent_message})",
                hint="it is kept, and told to the agent when it is back",
                code=str(status.agent_phase),
            )
        return False

    def look(self, state: State, control: Control | None) -> None:
        """It only waits."""

    def leave(self) -> None:
        """It holds nothing."""
