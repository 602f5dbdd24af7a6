"""Leases: for how long an agent may fire and run what may be replaced (`onLost: replace`). Pure.

The agent asks with a reading of its CLOCK_BOOTTIME, control echoes that reading, and the lease of a pipeline ends
at the reading plus its length: however long question and answer were under way, it ends here before control, which
began to count later, hands the pipeline to another agent.
"""

from __future__ import annotations

from typing import Iterable, NamedTuple, Optional

from xene.engine.clock import Clock

PARTED = 2.0  # seconds by which wall and boot clock may part before neither is trusted


class Grant(NamedTuple):
    """The agent's own readings when it asked for what was granted: boot_id, CLOCK_BOOTTIME, and the wall clock."""

    boot: str
    up: float
    at: float


def holds(grant: Optional[Grant], length: float, now: Clock) -> bool:
    """Whether a lease of `length` seconds is valid.

    Not under another boot, and not where wall and boot clock have parted since: a host whose boot clock stood still
    (a virtual machine that was paused and put back) would believe in it for too long.
    """
    if grant is None or grant.boot != now.boot or parted(Clock(grant.at, grant.boot, grant.up), now):
        return False
    return grant.up <= now.up < grant.up + length


def parted(since: Clock, now: Clock) -> float:
    """By how many seconds the wall clock has left the boot clock since an instant; 0 for as good as none."""
    by = (now.at - since.at) - (now.up - since.up)
    return by if abs(by) > PARTED else 0.0


def better(held: Optional[Grant], new: Grant) -> Grant:
    """The one of two grants that ends later; answers may overtake one another."""
    return held if held is not None and held.boot == new.boot and held.up > new.up else new


def pause(lengths: Iterable[float]) -> float:
    """Seconds between two questions: two of three may be lost."""
    return min(lengths) / 3
