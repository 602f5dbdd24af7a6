"""Which pipelines of a fire start now that others have ended, and which get no run. Pure.

Called by a pass. The connectors of a pipeline look only at runs of the same fire. What was cancelled satisfies
none of them, so that nobody who stops a run sees what would have come after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Mapping, Sequence

from xene.model import phases
from xene.model.trigger import FIRED, SLOT_UNKNOWN
from xene.model.workflow import (
    OUTCOME_CANCELLED,
    OUTCOME_ERROR,
    OUTCOME_SKIPPED,
    OUTCOME_SUCCESS,
    PipelineConnector,
)

_STOPPED = frozenset({phases.CANCELLED, phases.KILLED, phases.REPLACED})


@dataclass(frozen=True)
class Verdict:
    """`starts`: it gets its run. `skip`: why it gets none. Neither: it waits."""

    starts: bool = False
    skip: str = ""


def outcome_of(phase: str | None, reason: str | None, ended: bool) -> str | None:
    """The outcome of a pipeline in a fire from its run; None while that has not ended."""
    if not ended:
        return None
    if phase is None:
        return OUTCOME_SKIPPED
    if reason in _STOPPED:
        return OUTCOME_CANCELLED
    return OUTCOME_SUCCESS if phase == phases.SUCCESS else OUTCOME_ERROR


def outcome_of_slot(standing: tuple[str, bool] | None, accountable: bool) -> str | None:
    """The outcome, in a slot's fire, of a pipeline without `needs` that has no run in it; None: it may get one.

    `standing` is the outcome of its own slot at that instant, and whether that is settled; None where nothing is
    known of it. `accountable`: some agent may still account for it. A pipeline that the trigger does not start has
    no slot, and none will account for one.
    """
    if standing is None:
        return None if accountable else OUTCOME_SKIPPED
    outcome, settled = standing
    return OUTCOME_SKIPPED if settled and outcome not in (FIRED, SLOT_UNKNOWN) else None


def reached(needs: Mapping[str, Sequence[PipelineConnector]], begun: Collection[str]) -> list[str]:
    """The pipelines with `needs` that follow, in one step or several, from those that a trigger starts."""
    found = set(begun)
    while True:
        more = {
            name
            for name, connectors in needs.items()
            if name not in found and any(each.pipeline in found for each in connectors)
        }
        if not more:
            return [name for name, connectors in needs.items() if connectors and name in found]
        found |= more


def judge(needs: Sequence[PipelineConnector], outcomes: Mapping[str, str | None]) -> Verdict:
    """What becomes of a pipeline with these connectors. `outcomes` by pipeline; absent or None: not ended."""
    for connector in needs:
        found = outcomes.get(connector.pipeline)
        if found is not None and found not in connector.on:
            wanted = "|".join(connector.on)
            return Verdict(skip=f"needs {connector.pipeline} on {wanted}, and that ended in {found}")
    return Verdict(starts=all(outcomes.get(connector.pipeline) for connector in needs))
