"""Leases: a table of what is over when, and a world with clocks and delays in which nothing ever runs twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.plan.leases import AHEAD, PATIENCE, Clock, Hold, Lease, Outlook, granted, look, rebased, taken_over

NOBODY: set[str] = set()
BOUND, GRACE = 16.0, 1.0
LEASE = BOUND - GRACE - 4.0  # what the charge says


def clock(up: float, boot: str = "b1") -> Clock:
    return Clock(boot, up, 5000.0 + up)


def seen(
    lease: Lease | None, at: Clock, *, away: bool = False, up: bool = False, bound: float | None = BOUND
) -> Outlook:
    leases = {} if lease is None else {"a": lease}
    names = {"a"}
    return look([Hold("w/p", "a", bound)], leases, names if away else NOBODY, names if up else NOBODY, at)


GRANTED = Lease("a", "b1", 100.0, 5000.0)
SILENT = GRANTED._replace(silent=101.0)


@pytest.mark.parametrize(
    ("lease", "now", "over"),
    [
        (GRANTED, 1000.0, False),  # nobody has tried to hear it: it may renew any moment
        (SILENT, 115.9, False),
        (SILENT, 116.0, True),
        (SILENT._replace(silent=114.0), 118.9, False),  # control has listened for less than its patience
        (SILENT._replace(silent=114.0), 119.0, True),
        (Lease("a", "b1", silent=101.0), 116.9, False),  # never granted: silent for as long
        (Lease("a", "b1", silent=101.0), 117.0, True),
        (SILENT._replace(boot="b0"), 1000.0, False),  # control has booted: one whole lostAfter from now
    ],
)
def test_when_a_lease_is_over(lease: Lease, now: float, over: bool) -> None:
    assert bool(seen(lease, clock(now)).over) is over


def test_what_may_be_held_without_a_lease_is_never_over() -> None:
    assert seen(SILENT, clock(1e9), bound=None) == Outlook((), {}, None)


def test_silence_begins_with_a_try_in_vain_or_an_ask_that_is_late_and_ends_with_a_grant() -> None:
    assert seen(GRANTED, clock(110)) == Outlook((), {}, None)
    assert seen(GRANTED, clock(110), away=True) == Outlook((GRANTED._replace(silent=110.0),), {}, 116.0)
    assert seen(GRANTED, clock(110), up=True) == Outlook((), {}, 116.0)
    assert seen(GRANTED, clock(116), up=True) == Outlook(
        (GRANTED._replace(silent=116.0),), {}, 116.0 + PATIENCE
    )
    assert seen(None, clock(10), up=True) == Outlook((Lease("a", "b1", silent=10.0),), {}, 10.0 + BOUND)
    assert seen(None, clock(10)) == Outlook((Lease("a", "b1"),), {}, None)
    assert seen(SILENT, clock(110), up=True).leases == ()  # a hello alone is no lease
    assert granted("a", clock(120), 4000.0) == Lease("a", "b1", 120.0, 4000.0)


def test_after_a_boot_of_control_a_whole_lost_after_is_waited() -> None:
    (lease,) = seen(SILENT, clock(3, "b2"), away=True).leases
    assert lease == Lease("a", "b2", 3.0, 5000.0, 3.0)
    assert not seen(lease, clock(18.9, "b2"), away=True).over
    assert seen(lease, clock(19, "b2"), away=True).over == {("w/p", "a"): 5016.0}
    assert rebased(Lease("a", "b1"), clock(3, "b2")) == Lease("a", "b2")


def test_what_the_agent_may_have_fired_is_told_by_its_own_clock() -> None:
    behind = granted("a", clock(100), 1000.0)._replace(silent=100.0)
    assert seen(behind, clock(200)).over == {("w/p", "a"): 1000.0 + BOUND}
    lying = granted("a", clock(100), 1e12)._replace(silent=100.0)
    assert seen(lying, clock(200)).over == {("w/p", "a"): 5100.0 + AHEAD + BOUND}
    assert granted("a", clock(100), None).at == 5100.0
    assert seen(Lease("a", "b1", silent=0.0), clock(200)).over == {("w/p", "a"): 0.0}  # it never had one


def test_a_restored_state_does_not_know_what_was_granted_since() -> None:
    lease = taken_over(SILENT, clock(1000))
    assert lease == Lease("a", "b1", 1000.0, 6000.0)
    assert seen(lease._replace(silent=1000.0), clock(1015.9)).over == {}


def test_each_pipeline_has_its_own_bound() -> None:
    holds = [
        Hold("w/short", "a", 16.0),
        Hold("w/long", "a", 60.0),
        Hold("w/none", "a", None),
        Hold("w/b", "b", 16.0),
    ]
    leases = {"a": SILENT, "b": GRANTED._replace(agent="b")}
    found = look(holds, leases, {"a"}, {"b"}, clock(116))
    assert set(found.over) == {("w/short", "a")}
    assert found.next == 116.0 + PATIENCE  # b asks late


class World:
    """True time and two boot clocks that drift; messages that come late; processes that are stopped and go on."""

    DRIFT = 200e-6  # of a second in a second: more than twice that of a poor crystal

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.now = chance, 0.0
        self.rates = [1 + chance.uniform(-self.DRIFT, self.DRIFT) for _ in range(2)]
        self.offsets = [chance.uniform(0, 1e6) for _ in range(2)]
        self.boot = 1
        self.lease: Lease | None = None  # the row on control's disk
        self.until = float("-inf")  # the agent's lease, by its own clock
        self.flying: list[tuple[float, str, float]] = []
        self.stopped_until = 0.0  # the agent is stopped
        self.wire_until = 0.0  # the wire is cut
        self.control_until = 0.0  # control is off
        self.busy_until = float(
            "-inf"
        )  # until when something of the pipeline may run at the agent: true time
        self.fenced = False

    def reading(self, who: int) -> float:
        return self.now * self.rates[who] + self.offsets[who]

    def control(self) -> Clock:
        return Clock(f"b{self.boot}", self.reading(0), self.now)

    def step(self) -> None:
        self.now += self.chance.choice([0.01, 0.1, 0.5, 1.0, 3.0])
        self._trouble()
        self._deliver()
        if self.now >= self.stopped_until:
            self._agent()
        if self.now >= self.control_until:
            self._pass()

    def _trouble(self) -> None:
        event = self.chance.random()
        if event < 0.02:
            self.stopped_until = self.now + self.chance.choice([1, 10, 60, 600])
        elif event < 0.05:
            self.wire_until = self.now + self.chance.choice([1, 10, 30, 90])
        elif event < 0.07:
            self.control_until = self.now + self.chance.choice([1, 20, 300])
        elif event < 0.08:
            self.boot, self.offsets[0] = self.boot + 1, -self.now + self.chance.uniform(0, 100)

    def _send(self, kind: str, value: float) -> None:
        """A message that arrives after whatever the network likes, and not while the wire is cut."""
        delay = self.chance.choice([0.0, 0.05, 1.0, 5.0, 30.0])
        self.flying.append((max(self.now, self.wire_until) + delay, kind, value))

    def _deliver(self) -> None:
        due = [each for each in self.flying if each[0] <= self.now]
        self.flying = [each for each in self.flying if each[0] > self.now]
        self.chance.shuffle(due)
        for each in due:
            if each[1] == "ask" and (self.now < self.control_until or self.fenced):
                continue  # nobody reads it; and what is fenced is let go of before anything is granted
            if each[1] == "granted" and self.now < self.stopped_until:
                self.flying.append((self.stopped_until, *each[1:]))
            elif each[1] == "granted":
                self.until = max(self.until, each[2] + LEASE)
            else:
                self.lease = granted("a", self.control(), self.now)
                self._send("granted", each[2])

    def _agent(self) -> None:
        """It looks at its lease before it does anything; what runs is gone when the grace is over."""
        up = self.reading(1)
        if self.chance.random() < 0.3:
            self._send("ask", up)
        if (
            up < self.until
        ):  # it fires, and what it started may run until the lease ends and the grace after it
            self.busy_until = self.now + (self.until - up + GRACE) / self.rates[1]

    def _pass(self) -> None:
        away = {"a"} if self.now < self.wire_until or self.chance.random() < 0.2 else NOBODY
        up = NOBODY if away else {"a"}
        leases = {} if self.lease is None else {"a": self.lease}
        found = look([] if self.fenced else [Hold("w/p", "a", BOUND)], leases, away, up, self.control())
        for lease in found.leases:
            self.lease = lease
        if found.over:
            self.fenced = True

    def check(self) -> None:
        if self.fenced:
            assert self.until < self.reading(1), "an agent that is fenced has a lease"
            assert self.busy_until < self.now


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_runs_at_an_agent_once_another_may_have_it(seed: int) -> None:
    world = World(random.Random(seed))
    for _ in range(400):
        world.step()
        world.check()


def test_the_world_of_that_test_does_fence() -> None:
    """A model in which nothing ever happens would prove nothing."""
    fenced = 0
    for seed in range(60):
        world = World(random.Random(seed))
        for _ in range(400):
            world.step()
        fenced += world.fenced
    assert fenced > 30
