"""What may be removed on an agent, now that control has it.

Called by `plan.dispatch`. Pure. A released run takes its workspace with it, so a run is released when its log is
settled and its workspace is of no more use: that of a Success never is, that of an Error serves whoever looks for
the cause, until a newer run of the pipeline has ended or the pipeline is gone.
"""

from __future__ import annotations

from typing import Iterable

from xene.model import phases
from xene.plan.orders import RunView


def releasable(runs: Iterable[RunView], leaving: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of runs to forget on their agent, and of those of which only the workspace goes.

    On an agent that is `leaving` nothing is kept but what is not archived yet.
    """
    ended = [run for run in runs if run.ended and not run.released and run.retry is None]
    idle = [run for run in ended if leaving or workspace_is_useless(run)]
    whole = tuple(run.id for run in idle if run.archived)
    workspaces = tuple(run.id for run in idle if not run.archived and not run.workspace_dropped)
    return whole, workspaces


def workspace_is_useless(run: RunView) -> bool:
    """Whether nobody will look into the workspace of an ended run."""
    return run.phase == phases.SUCCESS or run.newer_ended
