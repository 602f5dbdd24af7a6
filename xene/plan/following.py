"""Which pipelines of a fire start now that others have ended, and which get no run. Pure.

Called by a pass. The connectors of a pipeline look only at runs of the same fire. What was cancelled satisfies
none of them, so that nobody who stops a run sees what would have come after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Sequence

from xene.model import phases
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


def judge(needs: Sequence[PipelineConnector], outcomes: Mapping[str, str | None]) -> Verdict:
    """What becomes of a pipeline with these connectors. `outcomes` by pipeline; absent or None: not ended."""
    for connector in needs:
        found = outcomes.get(connector.pipeline)
        if found is not None and found not in connector.on:
            wanted = "|".join(connector.on)
            return Verdict(skip=f"needs {connector.pipeline} on {wanted}, and that ended in {found}")
    return Verdict(starts=all(outcomes.get(connector.pipeline) for connector in needs))
