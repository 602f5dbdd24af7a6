"""Agents given up: `xene agent rm`. The object goes; the agent lets go of what it has, or is written off."""

from __future__ import annotations

import sqlite3
import time
from typing import Iterable, NamedTuple

from xene.control.drive import Wish, drive
from xene.control.hearing import end_lost
from xene.control.passes import Control, is_away
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.told import Told
from xene.control.world import World, run_view
from xene.errors import NotFound, Unreachable
from xene.model import phases
from xene.plan import recovery
from xene.store import agents, db, events, objects, runs, slots
from xene.store.db import State


class Removed(NamedTuple):
    """`gone`: nothing of it is left; else it goes when its `runs` have ended. `lost` are runs that were ended."""

    gone: bool
    runs: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class _LetGo(Wish):
    """The agent holds no pipeline any more, and is gone unless runs of it are under way."""

    def __init__(self, name: str) -> None:
        self._name, self.first = name, (name,)
        self._since = time.time()

    def reach(self, world: World) -> Iterable[str]:
        return [name for name in self.first if name in world.rows]

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            row = agents.read(conn, self._name)
            if row is None:
                return True
            if is_away(row.phase, row.tried_at, self._since):
                raise Unreachable(
                    f"agent {self._name} cannot be asked to let go: it is {row.phase} ({row.message})",
                    hint="it goes when it is back; `xene agent rm --lost` gives it up, and ends its runs",
                )
            under_way = [run for run in runs.unsettled(conn, self._name) if not run.ended]
            return bool(under_way) and not agents.holdings(conn, self._name)

    def look(self, state: State, control: Control | None) -> None:
        """It only waits."""

    def leave(self) -> None:
        """It holds nothing."""


def remove(place: Place, name: str, *, lost: bool = False, open: Open = open_channel) -> Removed:
    """Remove an agent. It lets go of its pipelines and goes when its runs have ended; `lost`: at once, unasked.

    Raises NotFound, and Unreachable where it cannot be asked.
    """
    with db.open_state(place.state, create=False) as state:
        if not state.exists or agents.read(state.conn, name) is None:
            raise NotFound(f"there is no agent {name}", hint="xene get agents")
        with state.transaction() as conn:
            objects.remove(conn, time.time(), objects.AGENT, name)
            ended = _write_off(conn, name) if lost else ()
        if lost:
            drive(place, Told(), open=open)
            return Removed(True, (), ended)
    drive(place, _LetGo(name), open=open)
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        left = tuple(run.id for run in runs.unsettled(conn, name) if not run.ended)
        return Removed(agents.read(conn, name) is None, left)


def _write_off(conn: sqlite3.Connection, name: str) -> tuple[str, ...]:
    """End what the agent had, and forget it. Whatever it still does, nobody will hear of."""
    now = time.time()
    loss = recovery.on_removal(name, [run_view(row) for row in runs.unsettled(conn, name)])
    end_lost(conn, now, loss)
    slots.give_up(
        conn, now, name, phases.AGENT_GONE, f"agent {name} was removed as lost, and may have fired it"
    )
    agents.drop(conn, name)
    events.note(conn, now, "Agent", name, "Lost", "it was removed as lost")
    return tuple(each.run for each in loss.runs)
