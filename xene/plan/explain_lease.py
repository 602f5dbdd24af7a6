"""`why` of leases: for how long an agent may go on with what may be replaced, and what it has lost.

Called by the command `why` with the rows of `store.leases` and control's clock. Pure; lines as in `plan.explain`.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from xene.model.units import format_age, format_duration, rfc3339
from xene.plan.leases import Clock, Lease, lost_at, rebased

SHOWN = 5  # pipelines that are named


class Held(NamedTuple):
    """A pipeline that an agent has, or may have, under a lease. `length`: of its lease there, seconds, if known.

    `bound` as in `plan.leases.Hold`; `fenced_at`: the agent has lost it, and fired nothing after that.
    """

    key: str
    agent: str
    bound: float | None
    fenced_at: float | None
    length: float | None


def agent(held: Sequence[Held], lease: Lease | None, clock: Clock) -> list[str]:
    """What `why agent/NAME` says of leases; nothing where it holds nothing that may be replaced."""
    lines = []
    leased = [each for each in held if each.bound is not None and each.fenced_at is None]
    if leased:
        shortest = min(leased, key=lambda each: (each.length or each.bound or 0.0, each.key))
        lines += [f"lease: {line}" for line in _lease(shortest, lease, clock)]
    lines += [_fenced(each, "it") for each in held if each.fenced_at is not None][:SHOWN]
    return ["  " + line for line in lines]


def pipeline(here: str | None, held: Sequence[Held], leases: dict[str, Lease], clock: Clock) -> list[str]:
    """What `why pipeline/NAME` says of leases; `held` are its holders, `here` is where it belongs."""
    lines = []
    for each in held:
        if each.fenced_at is not None:
            lines.append(_fenced(each, f"agent {each.agent}"))
        elif each.bound is not None and each.agent == here:
            found = leases.get(each.agent)
            lines += [f"its lease at {each.agent}: {line}" for line in _lease(each, found, clock)]
    return ["  " + line for line in lines]


def _lease(held: Held, found: Lease | None, clock: Clock) -> Iterator[str]:
    """When it was granted, when it ends, and what comes of that."""
    lease = rebased(found or Lease(held.agent, clock.boot), clock)
    bound = held.bound or 0.0
    if found is not None and found.up is not None and found.boot != clock.boot:
        yield "granted before this host was booted; it counts from the next pass on"
    elif lease.up is None:
        yield "none was granted yet, so that nothing fires or starts there; an agent asks when it is in touch"
    else:
        yield _granted(lease.up, held.length, clock)
    if lease.silent is None:
        return
    at = lost_at(lease, bound)
    silence = f"silent for {format_age(clock.up - lease.silent)}"
    if at is not None and clock.up < at:
        yield f"{silence}; another agent may have it in {format_age(at - clock.up)}"
    else:
        yield f"{silence}, and lost: another agent gets it as soon as one can take it"


def _granted(up: float, length: float | None, clock: Clock) -> str:
    said = f"granted {format_age(clock.up - up)} ago"
    if length is None:
        return said
    rest = up + length - clock.up
    if rest > 0:
        return f"{said}, ends in {format_age(rest)} unless it is renewed"
    lasts = format_duration(round(length, 3))
    return f"{said}, ended {format_age(-rest)} ago (it lasts {lasts}): nothing of it runs there"


def _fenced(held: Held, who: str) -> str:
    until = (
        f", having fired nothing after {rfc3339(held.fenced_at)}"
        if held.fenced_at
        else ", having fired nothing"
    )
    return f"fenced: {who} has lost {held.key}{until}, and gets no lease until it was heard and let go of it"
