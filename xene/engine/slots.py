"""What becomes of each instant at which a cron trigger was due: it fires, or it is said why not. Pure.

The agent asks `due` when `next_due` has come, journals every verdict with what follows from it, and keeps the new
`Book` of the trigger. Control asks the same where it must speak for an agent. Nothing here knows of runs: that a
fired slot finds another run in its way is decided by whoever starts it.
"""

from __future__ import annotations

from bisect import bisect_left
from hashlib import sha256
from itertools import chain, islice
from math import floor, inf
from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from xene.engine.schedule import FOLD, GAP, Instant, Schedule
from xene.engine.zones import Zone, load_zone
from xene.model.phases import CATCH_UP_LIMIT, DEADLINE_PASSED, LATE, SUSPENDED
from xene.model.trigger import (
    ALL,
    CATCH_UP_MOST,
    EXPIRED,
    FIRED,
    LATEST,
    MISSED,
    PUNCTUAL,
    SLOT_SKIPPED,
    Cron,
)
from xene.model.units import format_duration

__all__ = [
    "FOLD", "GAP", "HORIZON", "Book", "Instant", "Schedule", "Verdict", "Zone", "due", "jitter_of", "load_zone",
    "next_due", "raised", "stepped_back",
]  # fmt: skip

HORIZON = 400 * 86400.0  # seconds: what was due longer ago is not accounted for
MOST_AT_ONCE = 2000  # verdicts of one asking: some 10 ms of work; whoever asks has other things to do
_HOLES = 16  # ranges of instants that a book remembers as passed over

Range = Tuple[float, float]  # instants with from < at <= to


class Verdict(NamedTuple):
    """What becomes of the slot at `at`: `outcome` is `fired`, `skipped`, `missed` or `expired`.

    `reason` and `message` say why it did not fire (None and "" where it does); they are the same for all slots of
    one trigger with the same fate, so that many fit in one event.
    """

    at: int
    outcome: str
    reason: Optional[str]
    message: str


class Book(NamedTuple):
    """How far a trigger is accounted for. All are instants of slots, without their jitter.

    Nothing at or below `watermark` is judged again, but for what lies in `again`: ranges that were passed over
    without firing by a clock that has been set back since, so that their time is yet to come. `holes` are the
    ranges that would become so if it were set back now. Both are ascending, apart from one another, and at most
    `watermark`.
    """

    watermark: float
    holes: Tuple[Range, ...] = ()
    again: Tuple[Range, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        """The form that is journalled."""
        return {"watermark": self.watermark, "holes": _lists(self.holes), "again": _lists(self.again)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Book:
        """The inverse of `to_json`. Raises KeyError, TypeError and ValueError for what is none."""
        return Book(float(data["watermark"]), _ranges(data["holes"]), _ranges(data["again"]))


def jitter_of(cron: Cron, pipeline_key: str, trigger: str) -> float:
    """By how many seconds the starts of a trigger are put off: 0 <= x < `jitter`, always the same."""
    digest = sha256(f"{pipeline_key}\0{trigger}".encode("utf-8", "surrogatepass")).digest()
    return floor(int.from_bytes(digest[:6], "big") / 2**48 * cron.jitter * 1000) / 1000


def due(
    schedule: Schedule,
    cron: Cron,
    book: Book,
    now: float,
    *,
    offset: float,
    suspended: bool,
    most: int = MOST_AT_ONCE,
) -> Tuple[List[Verdict], Book]:
    """The verdicts on what is pending at `now` (the wall clock), oldest first, and the book after them.

    `offset` is the trigger's `jitter_of`. At most `most` verdicts are given at once: as long as `next_due` of the
    new book is not later than `now`, there are more. What was due before `HORIZON` gets none.
    """
    until = now - offset
    book = stepped_back(book, until)
    ranges = [*book.again, (book.watermark, inf)]
    recent = until - HORIZON
    pending = chain.from_iterable(
        schedule.between(max(low, recent), min(high, until)) for low, high in ranges if low < until
    )
    # More than is judged, so that the last of these are known to be old where there are newer ones.
    found = [instant.at for instant in islice(pending, most + 2 * CATCH_UP_MOST)]
    judged = _judged(cron, found, now, until, suspended)[:most]
    edge = until if len(judged) == len(found) else judged[-1].at
    return judged, _written(book, ranges, judged, edge, min(recent, edge))


def next_due(schedule: Schedule, book: Book, *, offset: float) -> Optional[float]:
    """The reading of the wall clock at which `due` has something to say; None: never.

    It may have passed. It counts on a clock that runs on: when that was set back, ask for `stepped_back` first.
    """
    for low, high in book.again:
        for instant in schedule.between(low, high):
            return instant.at + offset
    instant_ahead = schedule.next_after(book.watermark)
    return None if instant_ahead is None else instant_ahead.at + offset


def stepped_back(book: Book, now: float) -> Book:
    """The book when the wall clock has been set back to `now`. As it is where there was no such step.

    What a clock that was fast made us pass over without firing becomes due when its time comes. What fired never
    does again.
    """
    if now >= book.watermark:
        return book
    kept = tuple((low, min(high, now)) for low, high in book.holes if low < now)
    opened = [(max(low, now), high) for low, high in book.holes if high > now]
    return Book(book.watermark, kept, _joined([*book.again, *opened]))


def raised(book: Book, since: float) -> Book:
    """The book of a trigger that was changed or resumed at `since`: nothing at or below that is ever judged."""
    return Book(max(book.watermark, since), _above(book.holes, since), _above(book.again, since))


def _judged(cron: Cron, found: List[int], now: float, until: float, suspended: bool) -> List[Verdict]:
    """A verdict on each of `found`, all that is pending, ascending."""
    count = len(found)
    if suspended:
        return _verdicts(found, [(count, SLOT_SKIPPED, SUSPENDED, "the pipeline was suspended")])
    deadline = cron.starting_deadline
    expired = 0 if deadline is None else bisect_left(found, now - deadline)
    late = max(bisect_left(found, until - PUNCTUAL) - expired, 0)
    on_time = count - expired - late
    dead = f"it could not be started within its startingDeadline of {format_duration(deadline or 0)}"
    return _verdicts(
        found,
        [
            (expired, EXPIRED, DEADLINE_PASSED, dead),
            *_late(cron, late, on_time),
            (on_time, FIRED, None, ""),
        ],
    )


Fate = Tuple[int, str, Optional[str], str]  # of so many slots: outcome, reason, message


def _late(cron: Cron, late: int, on_time: int) -> List[Fate]:
    """What becomes of `late` slots that are followed by `on_time` others."""
    if cron.catch_up == ALL:
        fired = min(late, CATCH_UP_MOST)
        limit = f"it was late, and catchUp: all starts only the newest {CATCH_UP_MOST} of such slots"
        return [(late - fired, EXPIRED, CATCH_UP_LIMIT, limit), (fired, FIRED, None, "")]
    fired = min(late, 1) if cron.catch_up == LATEST and not on_time else 0
    rule = "only the newest of all" if cron.catch_up == LATEST else "none of such slots"
    why = f"nothing could fire when it was due, and catchUp: {cron.catch_up} starts {rule}"
    return [(late - fired, MISSED, LATE, why), (fired, FIRED, None, "")]


def _verdicts(found: List[int], fates: List[Fate]) -> List[Verdict]:
    slots = iter(found)
    return [
        Verdict(at, outcome, reason, message)
        for count, outcome, reason, message in fates
        for at in islice(slots, count)
    ]


def _written(book: Book, ranges: List[Range], verdicts: List[Verdict], edge: float, recent: float) -> Book:
    """The book when everything up to `edge` is judged: `verdicts`, and without any what was due before `recent`."""
    holes = list(book.holes)
    rest = list(verdicts)[::-1]
    for low, high in ranges:
        start, end = low, min(high, recent)
        while rest and rest[-1].at <= high:
            verdict = rest.pop()
            if verdict.outcome != FIRED:
                end = verdict.at
                continue
            holes.append((start, end))
            start = end = verdict.at
        holes.append((start, end))
    last = verdicts[-1].at if verdicts else book.watermark
    return Book(max(book.watermark, last, recent), _joined(holes)[-_HOLES:], _above(book.again, edge))


def _joined(ranges: Iterable[Range]) -> Tuple[Range, ...]:
    """The same instants in the fewest ranges, ascending; empty ones are left out."""
    joined: List[Range] = []
    for low, high in sorted(ranges):
        if low >= high:
            continue
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _above(ranges: Iterable[Range], since: float) -> Tuple[Range, ...]:
    return tuple((max(low, since), high) for low, high in ranges if high > since)


def _lists(ranges: Iterable[Range]) -> List[List[float]]:
    return [[low, high] for low, high in ranges]


def _ranges(data: Iterable[Iterable[float]]) -> Tuple[Range, ...]:
    return tuple((float(low), float(high)) for low, high in data)
