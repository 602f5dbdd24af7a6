"""The instants ahead of cron triggers, all in one line, and the minutes in which most of them start.

Called by `xene schedule`, and for `diff` by `plan.next_fires`. Pure. Instants are seconds since 1970; a range is
start <= at < until.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from heapq import merge
from math import ceil
from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from xene.engine.slots import FOLD, GAP, Instant, Schedule, Zone, jitter_of
from xene.model.ids import pipeline_key
from xene.model.trigger import SHIFT, SKIP, Cron

Zones = Mapping[str, Zone]
HOUR = 3600.0
MOST = 500_000  # instants that are counted for the crowded minutes: about a second


class Timed(NamedTuple):
    """A cron trigger of a pipeline, on the agent that has it or would get it (None: on none)."""

    workflow: str
    pipeline: str
    trigger: str
    cron: Cron
    agent: str | None = None
    suspended: bool = False

    @property
    def key(self) -> str:
        return pipeline_key(self.workflow, self.pipeline)

    @property
    def jitter(self) -> float:
        """Seconds by which each start comes after its instant."""
        return jitter_of(self.cron, self.key, self.trigger)


class Due(NamedTuple):
    """One instant ahead. `local` is the time in the trigger's zone, with its offset.

    `flag`: GAP where the time that was meant does not exist on that day, FOLD where that day has it twice, else "".
    """

    at: int
    timed: Timed
    local: datetime
    flag: str


class Minute(NamedTuple):
    """So many runs start on an agent within the minute that begins at `at`."""

    agent: str | None
    at: int
    runs: int


def ahead(timed: Iterable[Timed], zones: Zones, start: float, until: float) -> Iterator[Due]:
    """Every instant in the range, oldest first; those at once by workflow, pipeline and trigger."""
    return merge(*(_dues(each, zones, start, until) for each in timed), key=_order)


def _order(due: Due) -> tuple[int, str, str, str]:
    return due.at, due.timed.workflow, due.timed.pipeline, due.timed.trigger


def _dues(timed: Timed, zones: Zones, start: float, until: float) -> Iterator[Due]:
    zone = zones[timed.cron.time_zone]
    for instant in within(Schedule(timed.cron, zone), start, until):
        yield due_at(timed, zone, instant)


def within(schedule: Schedule, start: float, until: float) -> Iterator[Instant]:
    """Its instants with start <= at < until."""
    return schedule.between(ceil(start) - 1, ceil(until) - 1)


def due_at(timed: Timed, zone: Zone, instant: Instant) -> Due:
    """An instant of a trigger as it is shown."""
    local = datetime.fromtimestamp(instant.at, zone)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return Due(instant.at, timed, local, GAP if instant.flag == GAP else FOLD if twice else "")


def next_of(timed: Iterable[Timed], zones: Zones, after: float) -> Due | None:
    """The first instant of all, from `after` on."""
    found = [due for each in timed if (due := next_due(each, zones, after)) is not None]
    return min(found, key=_order, default=None)


def next_due(timed: Timed, zones: Zones, after: float) -> Due | None:
    """The first instant of one trigger from `after` on; None where there is none before the year 9998."""
    zone = zones[timed.cron.time_zone]
    instant = Schedule(timed.cron, zone).next_after(ceil(after) - 1)
    return None if instant is None else due_at(timed, zone, instant)


def left_out(timed: Iterable[Timed], zones: Zones, start: float, until: float) -> list[Due]:
    """Days on which a trigger with `gap: skip` has no slot since its time does not exist; `at` ends the gap."""
    found = []
    for each in timed:
        if each.cron.gap == SKIP:
            shifted = each._replace(cron=replace(each.cron, gap=SHIFT))
            found += [due for due in _dues(shifted, zones, start, until) if due.flag == GAP]
    return sorted(found, key=_order)


# -- crowded minutes


def crowded(
    timed: Sequence[Timed], zones: Zones, start: float, until: float, most: int = MOST
) -> tuple[list[Minute], float]:
    """How many runs start on an agent in each minute, fullest first; and up to which instant that was counted.

    Suspended triggers start nothing. Triggers that are alike are walked through once.
    """
    groups = _groups(timed)
    schedules = {shape: Schedule(shape.cron, zones[shape.cron.time_zone]) for shape in groups}
    counts: Counter[tuple[str | None, int]] = Counter()
    walked, step, low = 0, HOUR, start
    while low < until and walked < most:
        high, before = min(low + step, until), walked
        for shape, count in groups.items():
            walked += 1
            for instant in within(schedules[shape], low, high):
                walked += 1
                counts[shape.agent, (instant.at // 60 + shape.minutes) * 60] += count
        step = step * 2 if walked - before < most // 50 else step
        low = high
    found = [Minute(agent, at, runs) for (agent, at), runs in counts.items()]
    return sorted(found, key=lambda each: (-each.runs, each.at, each.agent or "")), low


class _Shape(NamedTuple):
    """What triggers have in common whose runs start in the same minutes on the same agent."""

    agent: str | None
    minutes: int  # of jitter
    schedules: tuple[str, ...]
    zone: str
    gap: str
    fold: str

    @property
    def cron(self) -> Cron:
        return Cron(self.schedules, self.zone, gap=self.gap, fold=self.fold)


def _groups(timed: Iterable[Timed]) -> Counter[_Shape]:
    return Counter(
        _Shape(
            each.agent,
            int(each.jitter // 60),
            each.cron.schedules,
            each.cron.time_zone,
            each.cron.gap,
            each.cron.fold,
        )
        for each in timed
        if not each.suspended
    )
