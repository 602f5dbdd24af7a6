"""The agents as sets of bits: which of them match labels, are large enough, may take new work.

Called by `plan.placement` alone. An agent is a bit; its place follows from its name, so nothing depends on the
order in which agents come. With 1,000 agents a set is a number of 1,000 bits, and a selector costs a few ANDs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator, Mapping, Sequence

from xene.model.workflow import Placement, Requirement
from xene.plan import selectors


@dataclass(frozen=True)
class Candidate:
    """An agent as placement sees it. `capacity` None: not known yet, so anything fits.

    `cordoned`: it takes nothing new; `drained`: it also gives away what another can take.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: int | None = None
    ready: bool = True
    cordoned: bool = False
    why_not_ready: str = ""
    drained: bool = False


def bits(mask: int) -> Iterator[int]:
    """The places of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Fleet:
    """Sets of candidates by what they have. Answers are remembered per distinct question."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.agents = sorted(candidates, key=lambda candidate: candidate.name)
        self.index = {candidate.name: place for place, candidate in enumerate(self.agents)}
        self.all = (1 << len(self.agents)) - 1
        self.cordoned = self._mask(lambda agent: agent.cordoned or agent.drained)
        self.drained = self._mask(lambda agent: agent.drained)
        self.open = self._mask(lambda agent: agent.ready) & ~self.cordoned
        self._keys: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._label_index()
        self._requirements: dict[Requirement, int] = {}
        self._sizes: dict[int, int] = {}

    def _mask(self, has: Callable[[Candidate], bool]) -> int:
        return sum(1 << place for place, agent in enumerate(self.agents) if has(agent))

    def _label_index(self) -> None:
        for place, agent in enumerate(self.agents):
            for key, value in agent.labels.items():
                self._keys[key] = self._keys.get(key, 0) | 1 << place
                self._pairs[key, value] = self._pairs.get((key, value), 0) | 1 << place

    def places(self, names: Iterable[str]) -> int:
        """Those of these names that there are."""
        return sum(1 << self.index[name] for name in names if name in self.index)

    def meeting(self, requirement: Requirement) -> int:
        """Those whose labels meet the requirement."""
        known = self._requirements.get(requirement)
        if known is None:
            known = self._requirements[requirement] = self._meeting(requirement)
        return known

    def _meeting(self, requirement: Requirement) -> int:
        if requirement.operator in ("Exists", "DoesNotExist"):
            having = self._keys.get(requirement.key, 0)
            return having if requirement.operator == "Exists" else self.all & ~having
        among = 0
        for value in requirement.values:
            among |= self._pairs.get((requirement.key, value), 0)
        return among if requirement.operator == "In" else self.all & ~among

    def matching(self, placement: Placement) -> int:
        """Those that the selector and the pin allow."""
        mask = self.all
        if placement.agent is not None:
            mask = 1 << self.index[placement.agent] if placement.agent in self.index else 0
        for requirement in selectors.of_placement(placement):
            mask &= self.meeting(requirement)
        return mask

    def holding(self, size: int) -> int:
        """Those that `size` fits into when they are empty."""
        known = self._sizes.get(size)
        if known is None:
            known = self._mask(lambda agent: agent.capacity is None or size <= agent.capacity)
            self._sizes[size] = known
        return known

    def nearest(self, placement: Placement) -> Iterator[int]:
        """Places of all agents, those that miss the fewest of the placement's requirements first, then by name."""
        requirements = [self.meeting(requirement) for requirement in selectors.of_placement(placement)]
        missing_at_most = [self.all] + [0] * len(requirements)
        for done, met in enumerate(requirements):
            for misses in range(done + 1, 0, -1):
                missing_at_most[misses] = missing_at_most[misses] & met | missing_at_most[misses - 1]
            missing_at_most[0] &= met
        seen = 0
        for mask in missing_at_most:
            yield from bits(mask & ~seen)
            seen |= mask
