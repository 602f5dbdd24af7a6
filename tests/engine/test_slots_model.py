"""Any life of a trigger: clocks set forward and back, hosts off and asleep, suspends, resumes, new schedules.

A model beside the real deciders: it keeps, instant by instant, what has fired and what was passed over, and says
with the rules of the manual what every asking must answer.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.engine.minutes import utc
from xene.engine import slots
from xene.engine.slots import HORIZON, Book, Schedule, Verdict, due, next_due, raised, stepped_back
from xene.manifest.zones import zone_of
from xene.model.trigger import Cron

BEGIN = utc(2026, 3, 27, 12)  # the night of a leap in Europe is near
MOST = 40
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
SCHEDULES = ("0 */8 * * *", "30 2 * * *", "0,30 2 * * *", "15 12 * * 1-5", "0 0 1 * *", "0 0 1 6 *")

crons = st.builds(
    Cron,
    st.lists(st.sampled_from(SCHEDULES), min_size=1, max_size=2).map(tuple),
    time_zone=st.sampled_from(ZONES),
    catch_up=st.sampled_from(["none", "latest", "all"]),
    starting_deadline=st.sampled_from([None, None, 30.0, 3600.0, 86400.0]),
    gap=st.sampled_from(["shift", "skip"]),
    fold=st.sampled_from(["first", "both"]),
)
offsets = st.sampled_from([0.0, 0.001, 12.345, 599.999])
spans = st.sampled_from([0.5, 59.0, 61.0, 1800.0, 7200.0, 86400.0, 10 * 86400.0, 60 * 86400.0])
leaps = spans | st.sampled_from([120 * 86400.0, 1000 * 86400.0])


class Life(RuleBasedStateMachine):
    """One trigger; `fired` and `passed` are instants of all its schedules together."""

    def __init__(self) -> None:
        super().__init__()
        self.holes, slots._HOLES = slots._HOLES, 10**6  # what is forgotten beyond a few is tested elsewhere

    def teardown(self) -> None:
        slots._HOLES = self.holes

    @initialize(cron=crons, offset=offsets)
    def begin(self, cron: Cron, offset: float) -> None:
        self.now = float(BEGIN)
        self.cron, self.offset, self.suspended = cron, offset, False
        self.since = self.now
        self.book = Book(self.now)
        self.fired: set[int] = set()
        self.done: set[int] = set()  # judged or too old, and its time has not come again
        self.reached = self.now  # the greatest instant that was ever looked at
        self.changed = False

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.cron, zone_of(self.cron.time_zone))

    def until(self) -> float:
        return self.now - self.offset

    # -- what happens

    @rule(span=spans, wakes=st.integers(1, 30))
    def it_runs(self, span: float, wakes: int) -> None:
        """The agent wakes up whenever it has said that it wants to."""
        end = self.now + span
        for _ in range(wakes):
            at = next_due(self.schedule, self.book, offset=self.offset)
            if at is None or at > end:
                break
            self.now = max(self.now, at)
            self.ask()
        self.now = max(self.now, end)

    @rule(span=leaps)
    def it_is_off_or_its_clock_is_fast(self, span: float) -> None:
        self.now += span
        self.ask()

    @rule(count=st.integers(1, 4), after=st.sampled_from([0, 30, 59.5, 60, 60.5]))
    def it_sleeps_until_a_slot_is_due(self, count: int, after: float) -> None:
        """So that some are late and one is on time."""
        for instant in islice(self.schedule.after(max(self.until(), self.book.watermark)), count):
            self.now = instant.at + self.offset + after
        self.ask()

    @rule(span=leaps)
    def the_clock_is_set_back(self, span: float) -> None:
        self.now = max(self.now - span, float(BEGIN))
        self.book = stepped_back(self.book, self.now)
        assert stepped_back(self.book, self.now) == self.book
        self.come_again(self.now)

    @rule()
    def it_is_asked_out_of_turn(self) -> None:
        self.ask()

    @rule()
    def it_is_suspended(self) -> None:
        self.suspended = True

    @precondition(lambda self: self.suspended)
    @rule()
    def it_is_resumed(self) -> None:
        self.suspended = False
        self.raise_to_now()

    @rule(cron=crons, offset=offsets)
    def it_is_changed(self, cron: Cron, offset: float) -> None:
        self.cron, self.offset = cron, offset
        self.raise_to_now()
        # Where the clock is behind, what the new one has up to the watermark never fires; and of ranges that the
        # old one passed over it is not known instant by instant what was in them.
        self.changed = bool(self.book.holes or self.book.again) or self.book.watermark > self.now

    @rule()
    def its_daemon_is_started_anew(self) -> None:
        self.book = Book.from_json(self.book.to_json())

    # -- what must be so

    def raise_to_now(self) -> None:
        self.since = max(self.since, self.now)
        self.book = raised(self.book, self.now)

    def come_again(self, clock: float) -> None:
        self.done -= {at for at in self.done if at > clock and at not in self.fired}

    def pending(self) -> list[int]:
        recent = max(self.since, self.until() - HORIZON)
        found = [instant.at for instant in self.schedule.between(recent, self.until())]
        return [at for at in found if at not in self.done and at not in self.fired]

    def ask(self) -> None:
        """Ask until nothing is left, and compare."""
        self.come_again(self.until())
        wanted = expected(self.cron, self.pending(), self.now, self.until(), self.suspended)
        found = self.drain()
        assert [verdict.at for verdict in found] == sorted({verdict.at for verdict in found})
        assert all(self.since < verdict.at <= self.until() for verdict in found)
        fired = {verdict.at for verdict in found if verdict.outcome == "fired"}
        assert not fired & self.fired
        if not self.changed:
            assert [(verdict.at, verdict.outcome, verdict.reason) for verdict in found] == wanted
        self.fired |= fired
        self.done |= set(self.pending()) | {verdict.at for verdict in found}
        self.let_the_old_go()

    def let_the_old_go(self) -> None:
        """What is too old is done with, too."""
        recent = self.until() - HORIZON
        if not self.changed and recent > self.since:
            self.done |= {instant.at for instant in self.schedule.between(self.since, recent)}

    def drain(self) -> list[Verdict]:
        found: list[Verdict] = []
        for _ in range(10_000):
            verdicts, self.book = due(
                self.schedule, self.cron, self.book, self.now,
                offset=self.offset, suspended=self.suspended, most=MOST,
            )  # fmt: skip
            found += verdicts
            at = next_due(self.schedule, self.book, offset=self.offset)
            if at is None or at > self.now:
                return found
            assert verdicts
        raise AssertionError("it never ends")

    @invariant()
    def the_book_is_in_order(self) -> None:
        if not hasattr(self, "book"):
            return
        ranges = sorted([*self.book.holes, *self.book.again])
        edges = [edge for span in ranges for edge in span]
        assert edges == sorted(edges) and all(low < high for low, high in ranges)
        assert not edges or edges[-1] <= self.book.watermark
        assert self.book.watermark >= self.since
        assert not any(low < at <= high for low, high in ranges for at in self.fired)


def expected(
    cron: Cron, pending: list[int], now: float, until: float, suspended: bool
) -> list[tuple[int, str, str | None]]:
    """The manual's rules, one slot after the other."""
    told: list[tuple[int, str, str | None]] = []
    deadline = cron.starting_deadline
    dead = [at for at in pending if deadline is not None and now - at > deadline]
    late = [at for at in pending if at not in set(dead) and until - at > 60]
    chosen = {"none": [], "latest": late[-1:] if late[-1:] == pending[-1:] else [], "all": late[-100:]}
    for at in pending:
        if suspended:
            told.append((at, "skipped", "Suspended"))
        elif at in set(dead):
            told.append((at, "expired", "DeadlinePassed"))
        elif at in set(late) - set(chosen[cron.catch_up]):
            told.append(
                (at, *(("expired", "CatchUpLimit") if cron.catch_up == "all" else ("missed", "Late")))
            )
        else:
            told.append((at, "fired", None))
    return told


Life.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestLife: Any = Life.TestCase


@pytest.mark.soak
def test_many_lives() -> None:
    run_state_machine_as_test(
        Life, settings=settings(max_examples=2000, stateful_step_count=50, deadline=None)
    )
