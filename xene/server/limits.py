"""How often one caller may ask: a bucket of tries for each address and each token, refilled evenly.

Pure: it takes the time of a monotonic clock. Buckets of callers that have long been quiet are forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Hashable

KNOWN = 10_000  # callers that are remembered; among more, those with full buckets are forgotten first


@dataclass(frozen=True)
class Rate:
    """`each` a second in the long run, `burst` at once."""

    each: float
    burst: float


PER_CALLER = Rate(
    1000.0, 2000.0
)  # more than one controller can store: it is there against floods, not for billing
REFUSALS = Rate(0.5, 30.0)  # answers 401 that one address gets; a token that is good is never held up by them


class Limit:
    """Buckets of one rate, by caller."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: dict[Hashable, tuple[float, float]] = {}  # tries left, and at what time

    def take(self, caller: Hashable, now: float) -> float:
        """Take one try: 0.0, or the seconds after which there will be one again."""
        left = self._now(caller, now)
        if left < 1.0:
            return (1.0 - left) / self._rate.each
        if len(self._left) >= KNOWN and caller not in self._left:
            self._forget(now)
        self._left[caller] = (left - 1.0, now)
        return 0.0

    def _now(self, caller: Hashable, now: float) -> float:
        left, at = self._left.get(caller, (self._rate.burst, now))
        return min(self._rate.burst, left + max(0.0, now - at) * self._rate.each)

    def _forget(self, now: float) -> None:
        """Those whose buckets are full again lose nothing by it; if that is nobody, the oldest half goes."""
        self._left = {
            caller: found for caller, found in self._left.items() if self._now(caller, now) < self._rate.burst
        }
        if len(self._left) >= KNOWN:
            for caller in list(self._left)[: KNOWN // 2]:
                del self._left[caller]


def whole_seconds(wait: float) -> int:
    """For `Retry-After`: at least one."""
    return max(1, math.ceil(wait))
