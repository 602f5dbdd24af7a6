"""`xene cancel` and, by `stop`, `xene kill`: end a run, and return when it has ended."""

from __future__ import annotations

import time

from xene.commands import kinds, listing, options, progress, waiting
from xene.commands.call import Call
from xene.errors import Conflict
from xene.model import phases
from xene.store import db


def cancel(call: Call, run: options.Run) -> int:
    """Stop a run: SIGTERM to its steps, SIGKILL after their grace period, then its clean-up.

    Returns when it has ended: exit 0. It had ended before: 7. Its agent cannot be reached, so nobody knows: 5;
    the wish stays, and the agent is told when it is back.
    """
    return stop(call, run, kill=False)


def stop(call: Call, run: str, *, kill: bool) -> int:
    """End a run one way or the other, and print it."""
    from xene.control import ending
    from xene.control.place import Place

    with db.open_for_reading(call.state) as state:
        ident = listing.one(state, kinds.RUNS, run)["id"]
    call.say(f"{'killing' if kill else 'cancelling'} run {ident} ...")
    try:
        ended = ending.end(Place(call.state, call.home), ident, kill=kill)
    except KeyboardInterrupt:
        raise waiting.still_wished(ident) from None
    call.say(f"{progress.title(ended)}: {progress.state(ended, time.time())}")
    if ended["reason"] not in (phases.CANCELLED, phases.KILLED):
        raise Conflict(
            f"run {ident} had ended already, in {ended['phase']}, when its agent was told",
            hint=f"xene describe run {ident}",
        )
    waiting.put(call, [ended], one=True)
    return 0
