"""Placement: which agent each pipeline belongs to. Filter, then balance; what is placed stays.

Called by a reconcile pass, and by `diff` to show what would be. Pure and deterministic: the same pipelines and
agents give the same answer in whatever order they come. An agent fits if labels and pin allow it and the
pipeline's size is no more than its capacity (when it is empty: capacity itself is taken by runs, on the agent).
A pipeline stays where it is while that agent fits, also when it is out of reach or cordoned; only a new
placement asks for readiness. It leaves an agent that is drained, or barred to it since its lease has ended
(`plan.leases`), as soon as another can take it; while none can, it stays. New ones go to the agent with the
least assigned by capacity, of those to one with the fewest pipelines of the same workflow, of those to the first
by name.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Callable, Iterable, Sequence

from xene.model import phases
from xene.model.ids import pipeline_key
from xene.model.workflow import Placement
from xene.plan import rejections
from xene.plan.fleet import Candidate, Fleet
from xene.plan.rejections import Rejection

__all__ = ["Candidate", "Decision", "Rejection", "Wanted", "place"]

_Key = tuple[object, ...]


@dataclass(frozen=True)
class Wanted:
    """A pipeline to be placed; `agent` is where it is now.

    `barred` are agents that it does not go to: their lease for it has ended, and they have not let go of it.
    """

    workflow: str
    pipeline: str
    placement: Placement
    agent: str | None = None
    barred: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return pipeline_key(self.workflow, self.pipeline)


@dataclass(frozen=True)
class Decision:
    """Where a pipeline goes, or (`agent` None) why it goes nowhere.

    `rejections` tells it agent by agent, those that come nearest first, also for a pipeline that is placed:
    why the others cannot take it. It is made when asked for.
    """

    agent: str | None
    reason: str | None
    message: str
    _reject: Callable[[], tuple[Rejection, ...]] = field(default=tuple, repr=False, compare=False)

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        return self._reject()


def place(wanted: Iterable[Wanted], candidates: Sequence[Candidate]) -> dict[str, Decision]:
    """A decision for each pipeline, by its key `WORKFLOW/PIPELINE`. At worst O(pipelines x agents)."""
    fleet = Fleet(candidates)
    filters: dict[_Key, _Filter] = {}
    load = _Load(fleet)
    decisions: dict[str, Decision] = {}
    moving: list[tuple[int, int, str, Wanted, _Filter]] = []
    for pipeline in sorted(wanted, key=lambda each: each.key):
        fits = _filter(fleet, filters, pipeline.placement)
        here = None if pipeline.agent is None else fleet.index.get(pipeline.agent)
        open_to_it = _open_to(fleet, fits, pipeline)
        if here is not None and fits.mask >> here & 1 and not (open_to_it and _leaves(fleet, pipeline, here)):
            load.add(here, pipeline)
            decisions[pipeline.key] = Decision(pipeline.agent, None, "", fits.reject)
        else:
            moving.append((open_to_it.bit_count(), -pipeline.placement.size, pipeline.key, pipeline, fits))
    # Those with the fewest choices first, large before small: what is left evens out the load.
    for *_, pipeline, fits in sorted(moving, key=lambda each: each[:3]):
        decisions[pipeline.key] = _decide(fleet, load, pipeline, fits)
    return decisions


def _open_to(fleet: Fleet, fits: _Filter, pipeline: Wanted) -> int:
    """The agents that could take it now."""
    open_to_it = fits.mask & fleet.open
    return open_to_it & ~fleet.places(pipeline.barred) if pipeline.barred else open_to_it


def _leaves(fleet: Fleet, pipeline: Wanted, here: int) -> bool:
    """Whether it goes from the agent where it is, if another can take it."""
    return bool(fleet.drained >> here & 1) or pipeline.agent in pipeline.barred


def _decide(fleet: Fleet, load: _Load, pipeline: Wanted, fits: _Filter) -> Decision:
    open_to_it = _open_to(fleet, fits, pipeline)
    if not open_to_it:
        return _barred(pipeline, fits) if fits.mask & fleet.open else fits.refusal
    here = load.least(open_to_it, pipeline.workflow)
    load.add(here, pipeline)
    return Decision(fleet.agents[here].name, None, "", fits.reject)


def _barred(pipeline: Wanted, fits: _Filter) -> Decision:
    """Only agents that have lost it could take it; they can as soon as they were heard, and let go of it."""
    names = ", ".join(sorted(pipeline.barred))
    message = f"{names} lost its lease, and has not been heard since; no other agent can take it"
    return Decision(None, phases.NO_AGENT_READY, message, fits.reject)


class _Filter:
    """What one distinct placement allows: reckoned once, however many pipelines share it."""

    def __init__(self, fleet: Fleet, placement: Placement) -> None:
        self._fleet, self._placement = fleet, placement
        self._matching = fleet.matching(placement)
        self.mask = self._matching & fleet.holding(placement.size)
        self._refusal: Decision | None = None
        self._rejections: tuple[Rejection, ...] | None = None

    @property
    def refusal(self) -> Decision:
        if self._refusal is None:
            message = rejections.message(self._fleet, self._placement)
            self._refusal = Decision(None, self._reason(), message, self.reject)
        return self._refusal

    def _reason(self) -> str:
        if not self._matching:
            return phases.NO_AGENT_MATCHES
        return phases.NO_AGENT_READY if self.mask else phases.NO_CAPACITY

    def reject(self) -> tuple[Rejection, ...]:
        if self._rejections is None:
            self._rejections = tuple(rejections.each(self._fleet, self._placement))
        return self._rejections


def _filter(fleet: Fleet, known: dict[_Key, _Filter], placement: Placement) -> _Filter:
    labels = tuple(sorted(placement.match_labels.items()))
    key = (labels, placement.match_expressions, placement.agent, placement.size)
    if key not in known:
        known[key] = _Filter(fleet, placement)
    return known[key]


class _Load:
    """Who has how much: agents in buckets by load, and by how many pipelines of a workflow they have."""

    def __init__(self, fleet: Fleet) -> None:
        self._weight = [max(1, agent.capacity or 1) for agent in fleet.agents]
        self._assigned = [0] * len(fleet.agents)
        self._buckets = {0.0: fleet.all}
        self._levels = [0.0]  # the buckets' loads, ascending
        self._of_workflow: dict[str, list[int]] = {}  # at [n]: those with more than n of its pipelines
        self._counts: dict[tuple[str, int], int] = {}

    def add(self, here: int, pipeline: Wanted) -> None:
        self._assign(here, pipeline.placement.size)
        count = self._counts.get((pipeline.workflow, here), 0)
        self._counts[pipeline.workflow, here] = count + 1
        more_than = self._of_workflow.setdefault(pipeline.workflow, [])
        if count == len(more_than):
            more_than.append(0)
        more_than[count] |= 1 << here

    def _assign(self, here: int, size: int) -> None:
        before = self._assigned[here] / self._weight[here]
        self._assigned[here] += size
        after = self._assigned[here] / self._weight[here]
        self._buckets[before] ^= 1 << here
        if not self._buckets[before]:
            del self._buckets[before]
            del self._levels[bisect.bisect_left(self._levels, before)]
        if after not in self._buckets:
            self._buckets[after] = 0
            bisect.insort(self._levels, after)
        self._buckets[after] |= 1 << here

    def least(self, among: int, workflow: str) -> int:
        """The place of the agent to take, of those in `among` (at least one)."""
        buckets = self._buckets
        idle = next(hit for level in self._levels if (hit := buckets[level] & among))
        more_than = self._of_workflow.get(workflow, ())
        # The sets shrink as n grows, so the first n that leaves somebody over can be bisected.
        fewest = bisect.bisect_left(more_than, True, key=lambda mask: bool(idle & ~mask))
        best = idle & ~more_than[fewest] if fewest < len(more_than) else idle
        return (best & -best).bit_length() - 1
