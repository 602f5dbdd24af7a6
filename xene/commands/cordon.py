"""`xene cordon` and, by `say`, `xene uncordon`: whether an agent takes anything new."""

from __future__ import annotations

from xene.commands import kinds, listing, options
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.suspend import put
from xene.store import db


def cordon(call: Call, agent: options.Agent) -> int:
    """Place nothing new on an agent until 'xene uncordon'; what it has stays, and goes on firing there.

    The word goes before what the manifest says, also over later applies; 'diff' shows it.
    """
    return say(call, agent, True)


def say(call: Call, agent: str, value: bool) -> int:
    """Say it either way, and print the agent."""
    from xene.control import overriding
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        listing.one(state, kinds.AGENTS, agent)
    with slow(call, f"telling {agent}"):
        said = overriding.cordon(Place(call.state, call.home), agent, value)
    word = "cordoned" if value else "uncordoned" if said.changed else "not cordoned"
    put(call, said, f"is {word}{' already' if value and not said.changed else ''}")
    return 0
