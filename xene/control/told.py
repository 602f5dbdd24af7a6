"""The wish of an apply: agents are placed upon, told what belongs to them, and have let go of what does not.

Used by `control.apply`, `control.agents` and `control.fire`.
"""

from __future__ import annotations

import time
from typing import Iterable

from xene.control import world as worlds
from xene.control.drive import Wish, pending
from xene.control.passes import Control, is_away
from xene.control.world import World
from xene.plan import dispatch
from xene.store import agents, pipelines
from xene.store.db import State

TIME = 11.0  # seconds that it waits at most: those for first contacts, and one to place and to tell


class Told(Wish):
    """Every agent that has something to be told was told it, or is known to be away. `untold` says who was not."""

    def __init__(self, only: Iterable[str] | None = None) -> None:
        self._since = time.time()
        self._began = time.monotonic()
        self._only = None if only is None else set(only)
        self.untold: dict[str, str] = {}

    def reach(self, world: World) -> Iterable[str]:
        return [name for name in pending(world) if self._only is None or name in self._only]

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            world = worlds.read(conn, {})
            placed = pipelines.are_placed(conn)
        self.untold = self._missing(world)
        if time.monotonic() - self._began > TIME:
            return True
        return placed and not self._hopeful(world)

    def _missing(self, world: World) -> dict[str, str]:
        """Who has not been told, and why: in its own words where it is in trouble."""
        found = dict(dispatch.untold(world.agents, world.assigned, world.held, world.runs))
        for row in world.rows.values():
            if row.tried_at is None and not row.leaving:
                found.setdefault(row.name, "has not been contacted yet")
        return {name: self._words(world.rows[name], why) for name, why in found.items()}

    @staticmethod
    def _words(row: agents.Agent, why: str) -> str:
        trouble = f"{row.phase}: {row.message}" if row.message else row.phase
        return why if row.phase == "Ready" else trouble

    def _hopeful(self, world: World) -> bool:
        """Whether an answer may still come: from one that is up, or was not tried since we began."""
        waiting = [name for name in self.untold if self._only is None or name in self._only]
        away = {row.name for row in world.rows.values() if self._is_away(row)}
        return any(name not in away and not _waits_only_for(world, name, away) for name in waiting)

    def _is_away(self, row: agents.Agent) -> bool:
        return is_away(row.phase, row.tried_at, self._since)

    def look(self, state: State, control: Control | None) -> None:
        """It only waits."""

    def leave(self) -> None:
        """It holds nothing."""


def _waits_only_for(world: World, name: str, away: set[str]) -> bool:
    """Whether all that an agent still has to be told is held by others, who are away."""
    wanted = {each.key for each in world.assigned if each.agent == name}
    has = {held.key: held.observed for held in world.held if held.agent == name}
    if world.rows[name].tried_at is None or set(has) - wanted:
        return False
    behind = {
        each.key for each in world.assigned if each.agent == name and has.get(each.key) != each.revision
    }
    return bool(behind) and behind <= {held.key for held in world.held if held.agent in away}
