"""The ledger and its triggers without a process, under a clock of the test's own: whatever happens, each slot once.

Restarts, torn tails, compactions, new charges, suspends, leases that come and go, runs that end or do not, clocks
that leap and come back. The oracle is arithmetic: every whole minute since the trigger was applied. A charge that
was lost with the power before it was durable has been asked for nothing: what was due under it, up to where a later
one begins, control itself says (`store.slots.overtaken`; shown in tests/control/test_triggers.py).
"""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.agent.entrusting import charge, key_of, tag_of, zones
from tests.agent.probe import STATE
from xene.agent.journal import open_journal
from xene.agent.ledger import Ledger
from xene.agent.triggers import Triggers
from xene.engine.clock import Clock
from xene.model import events
from xene.model.agent import NO_AUTOSTART

BEGIN = 1_800_000_000.0  # a whole minute
KEY = "flow/main"


class World:
    """One agent. `heard` is what control has of its events, by number."""

    def __init__(self, path: str, policy: str, **cron: Any) -> None:
        self.path, self.policy, self.cron = path, policy, cron
        self.at, self.up = BEGIN, 1000.0
        self.leased = True
        self.heard: dict[int, dict[str, Any]] = {}
        self.since, self.suspended, self.version, self.wanted = BEGIN, False, 0, ""
        self.unasked = (
            BEGIN  # up to here no charge that is durable asked it anything: control says those missed
        )
        self.open()
        self.assign()

    @property
    def now(self) -> Clock:
        return Clock(self.at, "boot", self.up)

    def open(self) -> None:
        journal, history = open_journal(self.path, events.journal_begun(self.at, "uuid"))
        journal.outlives_host = False  # nobody takes the power away here
        self.ledger = Ledger(journal, history)
        self.triggers = Triggers(
            self.ledger,
            self,
            self.ledger.record,
            STATE,
            lambda _: self.leased,
            lambda _: None,  # type: ignore[arg-type]
        )
        for key in self.ledger.charges.packed:
            self.triggers.put(key, self.ledger.charges.get(key) or {})
        self.look_back()

    def accept(self, accepted: Any, secrets: Any) -> None:
        self.ledger.record(accepted)

    def look_back(self) -> None:
        books = self.triggers.set_back(self.at)
        if books:
            self.ledger.record(events.clock_stepped(self.now, -1.0, books))
            self.triggers.rearm()

    def tick(self) -> None:
        while (at := self.triggers.next_at()) is not None and at <= self.at:
            self.triggers.tick(self.now)

    def tell(self) -> None:
        self.ledger.journal.flush()
        for event in self.ledger.journal.read(self.ledger.heard):
            self.heard.setdefault(event["n"], event)
        self.ledger.heard = self.ledger.journal.last

    def assign(self) -> None:
        body = {"tasks": {"t": {"steps": [{"name": "s", "run": f"echo {self.version}"}]}}}
        made = charge(
            {**body, "concurrencyPolicy": self.policy},
            since=self.since,
            suspended=self.suspended,
            **self.cron,
        )
        self.tick()
        self.triggers.close(KEY, made.to_json(), self.now)
        wanted, self.wanted = {key_of(made): tag_of(made)}, tag_of(made)
        self.ledger.record(
            events.assigned(self.at, wanted, [], 2, {KEY: made.to_json()}, zones(), NO_AUTOSTART)
        )
        self.triggers.put(KEY, made.to_json())

    # -- what happens

    def passes(self, seconds: int) -> None:
        self.at, self.up = self.at + seconds, self.up + seconds
        self.tick()

    def leaps(self, seconds: int) -> None:
        self.at = max(self.at + seconds, BEGIN)
        self.triggers.rearm()
        self.look_back()
        self.tick()

    def restarts(self, torn: int) -> None:
        """A kill: what was not flushed is lost, and of what was written just now a part may be torn off."""
        size = self.ledger.journal.size
        if torn:
            pending = b"".join(self.ledger.journal._pending)
            with open(self.path, "ab") as file:
                file.write(pending[: len(pending) * torn // 10])
        else:
            self.ledger.journal.flush()
        self.ledger.journal.close()
        assert os.path.getsize(self.path) >= size
        self.open()
        if KEY not in self.ledger.assignments:
            self.unasked = self.since
        if self.ledger.assignments.get(KEY) != self.wanted:  # control says again what was not confirmed
            self.assign()
        self.tick()

    def ends(self) -> None:
        """All runs end, are told, and are released."""
        self.ledger.journal.flush()
        for name in list(self.ledger.runs):
            self.ledger.record(events.run_ended(self.at, name, "Success"))
        self.tell()
        for name in list(self.ledger.runs):
            self.ledger.record(events.run_released(self.at, name))

    def compacts(self) -> None:
        self.ledger._compact_at = 0
        self.ledger.compact_if_large()

    def changes(self, suspended: bool) -> None:
        resumed = self.suspended and not suspended
        self.suspended, self.version = suspended, self.version + 1
        self.since = max(self.since, self.at) if resumed else self.since
        self.assign()

    def lease(self, held: bool) -> None:
        self.leased = held
        if held:
            self.triggers.resume(KEY)
            self.tick()

    def accounted(self) -> Counter[int]:
        self.tell()
        fired = Counter(e["fired"]["slot"] for e in self.heard.values() if "fired" in e)
        assert not fired or max(fired.values()) == 1, "a slot fired twice"
        told = {at for e in self.heard.values() if e["type"] == "slots.settled" for at in e["slots"]}
        return Counter(dict.fromkeys((*fired, *told), 1))


ACTS = st.one_of(
    st.tuples(st.just("passes"), st.integers(1, 400)),
    st.tuples(st.just("passes"), st.integers(1, 400)),
    st.tuples(st.just("restarts"), st.integers(0, 9)),
    st.tuples(st.just("ends")),
    st.tuples(st.just("tell")),
    st.tuples(st.just("compacts")),
    st.tuples(st.just("changes"), st.booleans()),
    st.tuples(st.just("lease"), st.booleans()),
    st.tuples(st.just("leaps"), st.integers(-4000, 4000)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@example([("passes", 60), ("changes", True), ("changes", False), ("restarts", 1)], "Allow", "none", None)
@given(
    st.lists(ACTS, max_size=25),
    st.sampled_from(["Allow", "Forbid", "Queue"]),
    st.sampled_from(["none", "latest", "all"]),
    st.sampled_from([None, 100.0]),
)
def test_each_slot_is_accounted_for_once_whatever_happens(
    acts: list[Any], policy: str, catch_up: str, deadline: float | None
) -> None:
    with tempfile.TemporaryDirectory() as root:
        world = World(os.path.join(root, "journal"), policy, catch_up=catch_up, starting_deadline=deadline)
        highest = world.at
        for name, *more in acts:
            getattr(world, name)(*more)
            highest = max(highest, world.at)
        world.lease(True)
        world.passes(61)
        settled = world.accounted()
        expected = {at for at in range(int(BEGIN) + 60, int(world.at) + 1, 60) if at > world.unasked}
        assert expected <= set(settled), sorted(expected - set(settled))[:3]
        assert all(at % 60 == 0 and BEGIN < at <= max(highest, world.at) for at in settled)


@pytest.mark.parametrize("seed", [1])
def test_thousands_of_fires(tmp_path: Any, seed: int) -> None:
    """A day and a half of minutes, with a crash now and then: two thousand fires, one of each slot, in order."""
    chance = random.Random(seed)
    world = World(str(tmp_path / "journal"), "Allow")
    for _ in range(2000):
        world.ledger.journal.flush()
        world.passes(60)
        if chance.random() < 0.05:
            world.ends()
            world.compacts()
        if chance.random() < 0.05:
            world.restarts(chance.randrange(10))
    world.tell()
    slots = [event["fired"]["slot"] for _, event in sorted(world.heard.items()) if "fired" in event]
    assert slots == [int(BEGIN) + 60 * number for number in range(1, 2001)]
