"""Leases: from when on an agent that is silent can no longer fire or run what it holds, so that another may.

Called by `control.leasing`. Pure. Everything is reckoned on control's own CLOCK_BOOTTIME (`up`, seconds) under its
own boot id, which is stored with each grant. A lease holds at the agent from its own reading when it asked, control
counts from its reading when it stored the grant, which is later; the agent's lease is shorter than the pipeline's
`lostAfter` by the longest grace and a margin. So when control's clock reads `up + lostAfter`, nothing of that
pipeline runs there, however late the grant arrived, whichever clock was set, whoever was stopped for how long.
A control host that has booted since cannot know how long that took: it waits for one whole `lostAfter`.
"""

from __future__ import annotations

from typing import Iterable, Mapping, NamedTuple

PATIENCE = 5.0  # seconds of silence in control's own hearing: an agent is not lost because nobody listened
AHEAD = 300.0  # seconds that an agent's clock may be ahead and is still believed


class Clock(NamedTuple):
    """Control's clocks at one moment: boot id, CLOCK_BOOTTIME, seconds since 1970."""

    boot: str
    up: float
    wall: float


class Lease(NamedTuple):
    """What control knows of one agent's lease. `boot`, `up` and `silent` are of control's clock.

    `up`: when the last grant was stored, None: never was one. `at`: the agent's own wall clock when it asked for
    it. `silent`: since when control has tried in vain to hear it, None: it has heard it.
    """

    agent: str
    boot: str
    up: float | None = None
    at: float | None = None
    silent: float | None = None


class Hold(NamedTuple):
    """A pipeline that an agent has, or may have, and that is not fenced there.

    `bound`: the longest `lostAfter` of what it may have been told of it; None: it may have it without a lease.
    """

    key: str
    agent: str
    bound: float | None


class Outlook(NamedTuple):
    """`leases` are to be stored: they differ from what was. `over` is (key, agent): `fenced_at` of those whose
    lease has surely ended. `next` is control's reading at which this may change by itself, None: never.
    """

    leases: tuple[Lease, ...]
    over: Mapping[tuple[str, str], float]
    next: float | None


def look(
    holds: Iterable[Hold], leases: Mapping[str, Lease], away: set[str], up: set[str], clock: Clock
) -> Outlook:
    """What is over now. `away` are agents that were tried and cannot be used, `up` those with a connection.

    Of an agent that is neither nothing new is known: it has not been tried yet.
    """
    replaceable: dict[str, list[tuple[str, float]]] = {}
    for hold in holds:
        if hold.bound is not None:
            replaceable.setdefault(hold.agent, []).append((hold.key, hold.bound))
    changed, over, due = [], {}, []
    for agent, held in replaceable.items():
        before = leases.get(agent)
        lease = _listened(rebased(before or Lease(agent, clock.boot), clock), held, away, up, clock)
        if lease != before:
            changed.append(lease)
        for key, bound in held:
            if (end := lost_at(lease, bound)) is not None and clock.up >= end:
                over[key, agent] = fenced_at(lease, bound)
            else:
                due.append(_next(lease, bound, agent in up))
    return Outlook(tuple(changed), over, min((each for each in due if each is not None), default=None))


def rebased(lease: Lease, clock: Clock) -> Lease:
    """The lease on control's present clock; after a boot, as if the grant had been given now."""
    if lease.boot == clock.boot:
        return lease
    return lease._replace(boot=clock.boot, up=None if lease.up is None else clock.up, silent=None)


def _listened(
    lease: Lease, held: list[tuple[str, float]], away: set[str], up: set[str], clock: Clock
) -> Lease:
    """With the beginning of the silence, where there is one. It ends with a grant alone."""
    shortest = min(bound for _, bound in held)
    asks_late = lease.agent in up and (lease.up is None or clock.up >= lease.up + shortest)
    if lease.silent is None and (lease.agent in away or asks_late):
        return lease._replace(silent=clock.up)
    return lease


def lost_at(lease: Lease, bound: float) -> float | None:
    """Control's reading from which on the agent is lost to a pipeline; None while it is heard.

    An agent that was never given a lease can neither fire nor run it: it must only be silent for as long.
    """
    if lease.silent is None:
        return None
    return lease.silent + bound if lease.up is None else max(lease.up + bound, lease.silent + PATIENCE)


def _next(lease: Lease, bound: float, is_up: bool) -> float | None:
    """When a lease that is not over is to be looked at again."""
    if lease.silent is not None:
        return lost_at(lease, bound)
    return lease.up + bound if is_up and lease.up is not None else None


def fenced_at(lease: Lease, bound: float) -> float:
    """Seconds since 1970, by the agent's own clock: it fires no instant after that, whoever's clock is right.

    0 where there was never a lease, so that it never fired.
    """
    return 0.0 if lease.at is None else lease.at + bound


def granted(agent: str, clock: Clock, at: float | None) -> Lease:
    """The lease to be stored before an agent is told that it has it; `at` is its own wall clock when it asked."""
    believed = clock.wall if at is None else min(max(at, 0.0), clock.wall + AHEAD)
    return Lease(agent, clock.boot, clock.up, believed, None)


def taken_over(lease: Lease, clock: Clock) -> Lease:
    """As another control may have granted until now, of which this state knows nothing."""
    at = clock.wall if lease.at is None else max(lease.at, clock.wall)
    return Lease(lease.agent, clock.boot, clock.up, at, None)
