"""`xene agent rm`: takes an agent out of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xene.commands import kinds, listing, options
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import plural
from xene.store import db

if TYPE_CHECKING:
    from xene.control.agents import Removed


def agent_rm(
    call: Call,
    agent: options.Agent,
    lost: Annotated[
        bool, typer.Option("--lost", help="The host is gone for good: end its runs as lost, ask nothing.")
    ] = False,
) -> int:
    """Remove an agent from the state: it lets go of its pipelines, ends its runs, and goes.

    An agent that cannot be reached is exit 5 and goes when it is back; --lost gives it up at once, and its
    pipelines go to other agents. Take its manifest out of the repository too, or the next apply adds it again.
    """
    from xene.control import agents
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        listing.one(state, kinds.AGENTS, agent)
    with slow(call, f"asking {agent} to let go"):
        done = agents.remove(Place(call.state, call.home), agent, lost=lost)
    tell(call, agent, done)
    return 0


def tell(call: Call, agent: str, done: Removed) -> None:
    """What became of it, on stderr."""
    if done.lost:
        call.warn(f"{plural(len(done.lost), 'run')} of {agent} ended as lost: {', '.join(done.lost[:5])}")
    if done.gone:
        call.say(f"agent {agent} is gone")
    else:
        call.say(f"agent {agent} takes nothing more; it goes when {plural(len(done.runs), 'run')} ended")
