"""Which instants of a cron trigger a backfill starts runs for, and why it leaves the others alone.

Called by `control.backfill`. Pure. Instants are seconds since 1970.
"""

from __future__ import annotations

from typing import Iterable, Mapping, NamedTuple, Protocol

from xene.model import phases
from xene.model.trigger import FIRED, SLOT_UNKNOWN

NONE, FAILED, ALL = "none", "failed", "all"  # --reprocess: what is run again although it has had a run
REPROCESS = (NONE, FAILED, ALL)


class Past(Protocol):
    """What is known of an instant: `store.backfills.Past`."""

    @property
    def outcome(self) -> str | None: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def settled(self) -> bool: ...

    @property
    def run(self) -> str | None: ...

    @property
    def phase(self) -> str | None: ...

    @property
    def backfilled(self) -> bool: ...

    @property
    def goes_on(self) -> bool: ...


class Choice(NamedTuple):
    """What becomes of one instant. `why` is for people; `outcome` and `run` are what is known of it."""

    at: float
    starts: bool
    why: str
    outcome: str | None = None
    reason: str | None = None
    run: str | None = None


def choose(
    instants: Iterable[float], pasts: Mapping[float, Past], reckoned: float, reprocess: str
) -> list[Choice]:
    """A choice for every instant of the schedule and for every one that has a past, oldest first.

    The trigger itself accounts for instants after `reckoned` that have no slot yet: those are left to it.
    """
    return [_choice(at, pasts.get(at), reckoned, reprocess) for at in sorted({*instants, *pasts})]


def _choice(at: float, past: Past | None, reckoned: float, reprocess: str) -> Choice:
    if past is None:
        if at > reckoned:
            return Choice(at, False, "its agent has not accounted for it yet")
        return Choice(at, True, "it has no slot")
    starts, why = _judge(past, reprocess)
    return Choice(at, starts, why, past.outcome, past.reason, past.run)


def _judge(past: Past, reprocess: str) -> tuple[bool, str]:
    whose = "a backfill" if past.backfilled else "its slot"
    if past.goes_on:
        return False, f"run {past.run} was started for it by this backfill"
    if past.run is None and not past.settled and past.outcome != SLOT_UNKNOWN:
        return False, f"it is {past.outcome} ({past.reason}), but an agent may still start it"
    if reprocess == ALL:
        return True, f"it is to be run again, whatever became of it: {told(past)}"
    if past.run is not None:
        failed = past.phase == phases.ERROR
        if failed and reprocess == FAILED:
            return True, f"run {past.run} of {whose} ended in Error"
        return False, f"{whose} started run {past.run}, {_how(past)}"
    if past.outcome == SLOT_UNKNOWN:
        return False, "a silent agent may have started it"
    return past.outcome != FIRED, told(past)


def _how(past: Past) -> str:
    if past.phase is None:
        return "which is no longer kept"
    return f"which ended in {past.phase}" if past.phase in phases.ENDED else f"which is {past.phase}"


def told(past: Past) -> str:
    """What the ledger says: `missed (Late)`."""
    return f"{past.outcome or 'no slot'}" + (f" ({past.reason})" if past.reason else "")
