"""Which runs that wait on an agent may start: capacity is taken by runs, first come first served. Pure."""

from __future__ import annotations

from typing import Iterable, List, Tuple


def admit(queue: Iterable[Tuple[str, int]], used: int, capacity: int) -> List[str]:
    """The ids of the runs of `queue` ((id, size), oldest first) that may start now.

    A run that does not fit holds up those behind it, so that a large one is not starved by small ones; one that
    is larger than the whole agent starts when nothing else runs.
    """
    admitted: List[str] = []
    for run, size in queue:
        if used and used + size > capacity:
            break
        admitted.append(run)
        used += size
    return admitted
