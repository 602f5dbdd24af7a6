"""What control itself must say of slots: those of silent agents, and of pipelines that no agent has.

Called by `control.accounting`. Pure. An agent that cannot be reached may have fired what was due, so such a slot is
`unknown` until it is heard; what was due while no agent had the pipeline is `missed`. Both give way to what an
agent says later: one that gets the pipeline may still catch it up.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

from xene.model import phases
from xene.model.trigger import MISSED, PUNCTUAL, SLOT_SKIPPED, SLOT_UNKNOWN


class Watched(NamedTuple):
    """A trigger that nobody seems to fire.

    `accounted`: the newest instant of which something is said, by whomever; nothing is due at or below `since`.
    `agent` may have it and is in trouble, last heard at `heard_at`; None: no agent has it. `fenced`: it lost it.
    All instants are seconds since 1970, `lost_after` is in seconds.
    """

    key: str
    trigger: str
    since: float
    accounted: float
    suspended: bool
    agent: str | None = None
    heard_at: float | None = None
    lost_after: float = 0.0
    fenced: bool = False


class Span(NamedTuple):
    """The slots of one trigger in (since, until] have this outcome, as far as is known."""

    key: str
    trigger: str
    since: float
    until: float
    outcome: str
    reason: str
    message: str
    agent: str | None


def spans(watched: Sequence[Watched], now: float) -> Iterator[Span]:
    """The slots of which control has to say something at `now`."""
    for each in watched:
        until = _until(each, now)
        since = max(each.since, each.accounted)
        if until is not None and since < until:
            yield Span(each.key, each.trigger, since, until, *_verdict(each), each.agent)


def _until(each: Watched, now: float) -> float | None:
    """Up to when nobody can be expected to say it. None: there is nothing to say yet."""
    if each.fenced:
        return None  # what it may have fired was written down when it lost the pipeline
    if each.agent is None:
        return now - PUNCTUAL
    if each.heard_at is None or now - each.heard_at <= each.lost_after:
        return None
    return now - each.lost_after


def _verdict(each: Watched) -> tuple[str, str, str]:
    if each.agent is not None:
        return (
            SLOT_UNKNOWN,
            phases.AGENT_SILENT,
            f"agent {each.agent} may have fired it, and cannot be reached",
        )
    if each.suspended:
        return SLOT_SKIPPED, phases.SUSPENDED, "it was suspended, and no agent had the pipeline"
    return MISSED, phases.NOT_PLACED, "no agent had the pipeline"
