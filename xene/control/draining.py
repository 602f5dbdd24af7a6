"""Draining an agent: it takes nothing new, gives its pipelines away, and its runs end there. By `xene drain`.

Placement moves what another agent can take (`plan.placement`), and goes on doing so in later passes, until
`uncordon`. What nobody else can take stays, and goes on firing there: a drain does not stop what it cannot move.
"""

from __future__ import annotations

import time
from typing import Iterable, NamedTuple

from xene.control.drive import Wish, drive, pending
from xene.control.overriding import say_of_agent
from xene.control.passes import Control, is_away
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.world import World
from xene.errors import NotFound, TimedOut, Unreachable
from xene.model.ids import pipeline_key
from xene.store import agents, db, pipelines, runs
from xene.store.db import State


class Left(NamedTuple):
    """What an agent still has: `staying` are pipelines that no other agent can take; `moving` those that it is to
    let go of; `runs` those that have not ended there, of what does not stay."""

    staying: tuple[str, ...]
    moving: tuple[str, ...]
    runs: tuple[str, ...]


class Drained(NamedTuple):
    """`changed`: it was not drained already. `staying` as in `Left`."""

    changed: bool
    staying: tuple[str, ...]


def drain(place: Place, agent: str, *, timeout: float | None = None, open: Open = open_channel) -> Drained:
    """Drain an agent; return when it has nothing but what nobody else can take.

    Raises NotFound, Unreachable where it cannot be asked to let go, TimedOut; the wish stays.
    """
    with db.open_state(place.state, create=False) as state:
        changed = say_of_agent(state, agent, cordoned=True, drained=True)
    try:
        drive(place, _Empty(agent), timeout=timeout, open=open)
    except TimedOut:
        raise _late(look(place, agent), agent) from None
    return Drained(changed, look(place, agent).staying)


def look(place: Place, agent: str) -> Left:
    """What the agent still has."""
    with db.open_for_reading(place.state) as state:
        return _left(state, agent)


def _left(state: State, agent: str) -> Left:
    with state.snapshot() as conn:
        staying = {
            pipeline_key(row.workflow, row.name) for row in pipelines.every(conn) if row.agent == agent
        }
        held = {pipeline_key(each.workflow, each.pipeline) for each in agents.holdings(conn, agent)}
        under_way = [
            run.id
            for run in runs.unsettled(conn, agent)
            if not run.ended and pipeline_key(run.workflow, run.pipeline) not in staying
        ]
    return Left(tuple(sorted(staying)), tuple(sorted(held - staying)), tuple(under_way))


def _late(left: Left, agent: str) -> TimedOut:
    what = [f"run {run} has not ended" for run in left.runs[:1]]
    what += [f"it has not let go of {key}" for key in left.moving[:1]]
    return TimedOut(
        f"agent {agent} is not drained yet: {'; '.join(what) or 'placement has not looked at it'}",
        hint="it takes nothing new; `xene drain` waits again, `xene uncordon` takes it back",
    )


class _Empty(Wish):
    """The agent has let go of everything that another can take, and the runs of it have ended."""

    def __init__(self, agent: str) -> None:
        self._agent, self.first = agent, (agent,)
        self._since = time.time()

    def reach(self, world: World) -> Iterable[str]:
        """All with something to hear: others take what this one gives."""
        return [name for name in (*self.first, *pending(world)) if name in world.rows]

    def met(self, state: State) -> bool:
        with state.snapshot() as conn:
            row = agents.read(conn, self._agent)
            placed = pipelines.are_placed(conn)
        if row is None:
            raise NotFound(f"agent {self._agent} was removed meanwhile", hint="xene get agents")
        left = _left(state, self._agent)
        if placed and not left.moving and not left.runs:
            return True
        if placed and is_away(row.phase, row.tried_at, self._since):
            raise Unreachable(
                f"agent {self._agent} cannot be asked to let go: it is {row.phase} ({row.message})",
                hint="it is drained when it is back; `xene agent rm --lost` gives it up, and ends its runs",
                code=str(row.phase),
            )
        return False

    def look(self, state: State, control: Control | None) -> None:
        """It only waits."""

    def leave(self) -> None:
        """It holds nothing."""
