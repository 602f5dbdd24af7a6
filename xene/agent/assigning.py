"""How assignments are recorded: in pieces, so that no record grows with the number of pipelines. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping

from xene.model import events
from xene.model.events import Event

KEYS = 200  # pipelines in one record


def charge_of(tag: str) -> str:
    """The digest of the charge in a tag; "" where the pipeline has none."""
    return tag.partition(".")[2]


def batches(
    at: float,
    new: Mapping[str, str],
    gone: List[str],
    capacity: int,
) -> Iterator[Event]:
    """The `assigned` events of one assignment without charges; one at the least."""
    keys = list(new)
    for start in range(0, max(len(keys), len(gone), 1), KEYS):
        piece: Dict[str, str] = {key: new[key] for key in keys[start : start + KEYS]}
        yield events.assigned(at, piece, gone[start : start + KEYS], capacity)
