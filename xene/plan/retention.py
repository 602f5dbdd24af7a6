"""What may be removed: on an agent, now that control has it; and on the control host, when it has had its time.

Called by `plan.dispatch` and `control.pruning`. Pure. A released run takes its workspace with it, so a run is
released when its log is settled and its workspace is of no more use: that of a Success never is, that of an Error
serves whoever looks for the cause, until a newer run of the pipeline has ended or the pipeline is gone.
"""

from __future__ import annotations

from typing import Collection, Iterable, NamedTuple, Sequence

from xene.model import phases
from xene.model.workflow import History
from xene.plan.orders import RunView

DEFAULT = History(keep=100)  # of a pipeline whose manifest says nothing, or that is no longer in the state
SLOT_AGE = 400 * 86400.0  # seconds for which slots are kept


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


class Past(NamedTuple):
    """An ended run. `done`: control is done with it (archived, released, not to be retried)."""

    id: str
    finished_at: float
    done: bool


def limits(history: History | None) -> History:
    """What holds for a pipeline: what it says, or the default where it says nothing."""
    return DEFAULT if history is None or history == History() else history


def is_crowded(history: History, ended: int, oldest: float | None, now: float) -> bool:
    """Whether some run of a pipeline may be past its time, by its figures alone.

    `ended` is how many have ended, `oldest` when its oldest run did, None where that goes on.
    """
    too_many = history.keep is not None and ended > history.keep
    too_old = history.max_age is not None and (oldest is None or now - oldest > history.max_age)
    return too_many or too_old


def outlived(history: History, past: Sequence[Past], needed: Collection[str], now: float) -> list[str]:
    """The ids of runs of one pipeline that go, oldest first. `past` are all that ended, oldest first.

    The newest always stays, so do runs with which control is not done, and those that are `needed`.
    """
    surplus = 0 if history.keep is None else len(past) - history.keep
    return [
        run.id
        for place, run in enumerate(past[:-1])
        if (place < surplus or (history.max_age is not None and now - run.finished_at > history.max_age))
        and run.done
        and run.id not in needed
    ]
