"""`xene reconcile`: one pass, for cron."""

from __future__ import annotations

from typing import Annotated

import typer

from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import one_line


def reconcile(
    call: Call,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="After a restore: agents obey this state from now on, whoever spoke before."
        ),
    ] = False,
) -> int:
    """Make one pass: ask every agent, hear what happened, do whatever is missing.

    Exit 0 when the pass was made, whatever it found; and at once, doing nothing, where another process is at
    work on the state. Made for cron: * * * * * xene reconcile -q
    """
    from xene.control import reconcile as control
    from xene.control.place import Place

    with slow(call, "asking the agents"):
        made = control.reconcile(Place(call.state, call.home), take_over=take_over)
    if not made.made:
        call.say("nothing to do: another process is at work on this state")
    for agent, why in made.trouble.items():
        call.say(f"agent {agent} is {one_line(why)}")
    return 0
