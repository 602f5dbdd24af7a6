"""Why an agent cannot take a pipeline, in words. Called by `plan.placement`, when somebody asks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

from xene.model.workflow import Placement
from xene.plan import selectors
from xene.plan.fleet import Candidate, Fleet, bits

SHOWN = 5  # agents that a message names one by one

PINNED_ELSEWHERE = "PinnedElsewhere"
LABELS_DIFFER = "LabelsDiffer"
TOO_SMALL = "TooSmall"
CORDONED = "Cordoned"
NOT_READY = "NotReady"
_COUNTED = {
    PINNED_ELSEWHERE: "not the pinned one",
    LABELS_DIFFER: "by labels",
    TOO_SMALL: "too small",
    CORDONED: "cordoned",
    NOT_READY: "not ready",
}


@dataclass(frozen=True)
class Rejection:
    """Why one agent cannot take it."""

    agent: str
    reason: str
    message: str


def each(fleet: Fleet, placement: Placement) -> Iterator[Rejection]:
    """A rejection for each agent that cannot take a new pipeline with this placement, the nearest first."""
    for place in _order(fleet, placement):
        rejection = reject(placement, fleet.agents[place])
        if rejection is not None:
            yield rejection


def _order(fleet: Fleet, placement: Placement) -> Iterator[int]:
    """Those that match but are too small or shut, then by how much the labels miss; the pinned one before all."""
    pinned = 1 << fleet.index[placement.agent] if placement.agent in fleet.index else 0
    yield from bits(pinned)
    yield from (place for place in fleet.nearest(placement) if not pinned >> place & 1)


def reject(placement: Placement, agent: Candidate) -> Rejection | None:
    """Why `agent` cannot take a new pipeline with this placement; None if it can."""
    if placement.agent is not None and placement.agent != agent.name:
        return Rejection(agent.name, PINNED_ELSEWHERE, f"pinned to {placement.agent}")
    for requirement in selectors.of_placement(placement):
        if not selectors.holds(requirement, agent.labels):
            return Rejection(agent.name, LABELS_DIFFER, selectors.miss(requirement, agent.labels))
    if agent.capacity is not None and placement.size > agent.capacity:
        return Rejection(
            agent.name, TOO_SMALL, f"size {placement.size} wanted, has capacity {agent.capacity}"
        )
    if agent.cordoned or agent.drained:
        return Rejection(agent.name, CORDONED, "drained" if agent.drained else "cordoned")
    if not agent.ready:
        return Rejection(agent.name, NOT_READY, agent.why_not_ready or "not ready")
    return None


def message(fleet: Fleet, placement: Placement) -> str:
    """Why nobody can take it, bounded: the nearest agents one by one, the others counted by reason."""
    if not fleet.agents:
        return "there are no agents"
    if placement.agent is not None:
        return _pinned(fleet, placement, placement.agent)
    order = _order(fleet, placement)
    shown = [reject(placement, fleet.agents[place]) for _, place in zip(range(SHOWN), order, strict=False)]
    named = [f"{rejection.agent}: {rejection.message}" for rejection in shown if rejection is not None]
    total = len(fleet.agents)
    head = f"none of {total} agents can take it: " if total > 1 else ""
    rest = (
        f"; and {total - len(shown)} more ({_counts(fleet, placement)} in all)" if total > len(shown) else ""
    )
    return head + "; ".join(named) + rest


def _pinned(fleet: Fleet, placement: Placement, name: str) -> str:
    place = fleet.index.get(name)
    if place is not None:
        rejection = reject(placement, fleet.agents[place])
        return f"pinned to {name}: {rejection.message if rejection else 'it can take it'}"
    import difflib

    near = difflib.get_close_matches(name, fleet.index, 1)
    return f"pinned to {name}, which does not exist" + (f"; did you mean {near[0]}?" if near else "")


def _counts(fleet: Fleet, placement: Placement) -> str:
    """How many fail for which reason, by sets: a thousand agents cost as much as one."""
    matching = fleet.matching(placement)
    fitting = matching & fleet.holding(placement.size)
    cordoned = fitting & fleet.cordoned
    counts = {
        LABELS_DIFFER: (fleet.all & ~matching).bit_count(),
        TOO_SMALL: (matching & ~fitting).bit_count(),
        CORDONED: cordoned.bit_count(),
        NOT_READY: (fitting & ~cordoned).bit_count(),
    }
    return ", ".join(f"{count} {_COUNTED[reason]}" for reason, count in counts.items() if count)
