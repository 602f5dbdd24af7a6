"""`xene drain`: an agent gives its pipelines away, and its runs end."""

from __future__ import annotations

from typing import Sequence

from xene.commands import kinds, listing, options
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import plural
from xene.errors import Unplaceable
from xene.store import db

SHOWN = 5  # pipelines that are named


def drain(call: Call, agent: options.Agent, timeout: options.Timeout = None) -> int:
    """Cordon an agent, move its pipelines to others, and wait until its runs have ended.

    No slot is lost or fired twice on the way; a run that waits for an approval is waited for too. A pipeline that
    no other agent can take stays and goes on firing there: those are named, exit 5, and move when another agent can
    take them. The agent cannot be reached: 5 as well. --timeout ends the waiting (6), never the drain;
    'xene uncordon' does.
    """
    from xene.control import draining
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        listing.one(state, kinds.AGENTS, agent)
    place, seconds = Place(call.state, call.home), options.seconds(timeout, "--timeout")
    with slow(call, f"waiting until {agent} is empty"):
        done = draining.drain(place, agent, timeout=seconds)
    if done.staying:
        raise stays(agent, done.staying)
    put(call, agent, done.changed)
    return 0


def put(call: Call, agent: str, changed: bool) -> None:
    """Print the agent, or say that it is empty."""
    if call.structured:
        with db.open_for_reading(call.state) as state:
            call.put_value(listing.one(state, kinds.AGENTS, agent))
    elif call.form == "name":
        call.put(f"agent/{agent}")
    else:
        call.put(f"agent {agent} is drained{'' if changed else ' already'}")


def stays(agent: str, staying: Sequence[str]) -> Unplaceable:
    """What nobody else can take."""
    more = f" and {len(staying) - SHOWN} more" if len(staying) > SHOWN else ""
    return Unplaceable(
        f"agent {agent} keeps {plural(len(staying), 'pipeline')} that no other agent can take:"
        f" {', '.join(staying[:SHOWN])}{more}",
        hint=f"xene why pipeline/{staying[0]}; it moves when another agent can take it",
    )
