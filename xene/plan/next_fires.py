"""How the next fires of cron triggers change with an apply. Called by `control.future`, shown by `diff`. Pure."""

from __future__ import annotations

from typing import Iterable, NamedTuple

from xene.plan.calendar import Due, Timed, Zones, next_due


class NextFire(NamedTuple):
    """One trigger of one pipeline. `before` and `after` are its next instants, None where there is none.

    A suspended trigger has its instants all the same; they are skipped.
    """

    workflow: str
    pipeline: str
    trigger: str
    before: Due | None
    after: Due | None


def changes(old: Iterable[Timed], new: Iterable[Timed], zones: Zones, now: float) -> list[NextFire]:
    """Those whose next instant, zone or suspension is another one; by workflow and pipeline."""
    before, after = _by_name(old), _by_name(new)
    found = []
    for name in sorted({*before, *after}):
        ahead = [
            None if timed is None else next_due(timed, zones, now)
            for timed in (before.get(name), after.get(name))
        ]
        if _seen(ahead[0]) != _seen(ahead[1]):
            found.append(NextFire(*name, *ahead))
    return found


def _by_name(timed: Iterable[Timed]) -> dict[tuple[str, str, str], Timed]:
    return {(each.workflow, each.pipeline, each.trigger): each for each in timed}


def _seen(due: Due | None) -> tuple[int, str, bool] | None:
    """What of an instant matters to whoever waits for it."""
    return None if due is None else (due.at, due.timed.cron.time_zone, due.timed.suspended)
