"""`xene run WORKFLOW[/PIPELINE]`: fires it over the state, follows or waits if asked to. Called by `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, NamedTuple, Sequence

from xene.commands import follow, waiting
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import one_line
from xene.store import db, views

if TYPE_CHECKING:
    from xene.control.fire import Fired


class Manner(NamedTuple):
    """How to go on after the fire. `timeout` is in seconds and ends the waiting only."""

    follow: bool
    wait: bool
    timeout: float | None


def run_fire(
    call: Call, target: str, params: Mapping[str, str], manner: Manner, artifacts_from: str | None = None
) -> int:
    """Fire, print the ids at once, and wait if asked to. The exit code is SPEC's."""
    from xene.control import fire
    from xene.control.place import Place

    place = Place(call.state, call.home)
    with slow(call, "handing over"):
        fired = fire.fire(place, target, params, artifacts_from=artifacts_from, hand_over=not manner.wait)
    return report(call, fired, manner)


def report(call: Call, fired: Fired, manner: Manner) -> int:
    """Print the ids of what was fired, and wait if asked to; the exit code."""
    if not call.structured:
        tell_ids(call, fired.runs)
    if manner.wait:
        return see_it_through(call, fired, manner)
    tell_away(call, fired)
    if call.structured:
        with db.open_for_reading(call.state) as state:
            call.put_value([views.run(state, run) for run in fired.runs])
    return 0


def tell_ids(call: Call, ids: Sequence[str]) -> None:
    """The ids of runs, as soon as they are on disk."""
    word = "run/" if call.form == "name" else ""
    call.put("".join(f"{word}{run}\n" for run in ids))
    call.flush()


def see_it_through(call: Call, fired: Fired, manner: Manner) -> int:
    """Wait for every run of the fire: 0 if all ended in Success, else 1."""
    show = follow.show(call) if manner.follow and not call.quiet else None
    runs = waiting.until_ended(call, fired.runs, timeout=manner.timeout, show=show, fire=fired.fire)
    if call.structured:
        call.put_value(runs)
    else:
        tell_ids(call, [run["id"] for run in runs if run["id"] not in fired.runs])
    return waiting.told(call, runs, seen=show is not None)


def tell_away(call: Call, fired: Fired) -> None:
    """Runs whose agents are away are accepted all the same: they stay Queued."""
    for agent, why in fired.away.items():
        if why.startswith("it waits"):  # the agent is there, and others are in the way
            call.say(f"Queued for agent {agent}: {one_line(why)}")
        else:
            call.say(f"agent {agent} is away ({one_line(why)}): its runs stay Queued until it is back")
    if fired.away:
        call.hint(f"xene why run/{fired.runs[0]}")
