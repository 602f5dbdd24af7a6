"""The daemon killed -9 at every point around a fire, and journals torn at every byte: each slot once, and its run."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.agent.entrusting import charge, key_of, tag_of, zones
from tests.agent.faulty import Stubborn, arm_duties, pending, set_clock
from tests.agent.probe import STATE, one_step, probing, stop_daemon
from tests.agent.test_faults_points import both
from tests.agent.test_recovery import again, kill_daemon
from xene.agent.journal import open_journal, recover
from xene.agent.ledger import Ledger
from xene.agent.triggers import Triggers
from xene.engine.clock import Clock
from xene.model import events
from xene.wire import messages

FIRING = [
    *both(
        "judge", "fire", "accept", "append run.accepted", "append slots.settled", "append book", "fdatasync"
    ),
    *both("append clock.stepped", "act", "spawn", "append step.started", "append run.ended", "begin duties"),
    *[f"{point}#{hit}" for point in both("fdatasync", "append run.accepted", "fire") for hit in (2, 3)],
    *[f"write:half#{hit}" for hit in (1, 2, 3)],
    *both("rename journal"),
]
ASSIGNING = both("entrust", "assign", "append assigned", "fdatasync") + ["write:half#1"]


class Around(Stubborn):
    """A control whose agent has one trigger; the runs leave a line each in `count`."""

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.count = os.path.join(home, "count")
        self.since = 0.0

    def begin(self, **more: Any) -> None:
        set_clock(self.home, 20 - time.time() % 60)
        self.since = self.now()
        made = charge(one_step(f'echo "$XENE_SCHEDULED_AT" >> {self.count}'), since=self.since, **more)
        self.made = made
        self.wish(
            messages.entrust(1, {key_of(made): [tag_of(made), made.to_json(), {}]}, zones(*_zones(made)))
        )
        self.wish(messages.assign(1, {key_of(made): tag_of(made)}, 4))

    def assigned(self) -> bool:
        return any(key_of(self.made) in e["set"] for e in self.events if e["type"] == "assigned")

    def now(self) -> float:
        with open(os.path.join(self.home, "agent", "clock")) as file:
            return time.time() + float(file.read())

    def leap(self, seconds: float) -> None:
        with open(os.path.join(self.home, "agent", "clock")) as file:
            set_clock(self.home, float(file.read()) + seconds)

    def accounted(self) -> Counter[int]:
        fired = [e["fired"]["slot"] for e in self.events if "fired" in e]
        told = [at for e in self.events if e["type"] == "slots.settled" for at in e["slots"]]
        return Counter([*fired, *told])

    def runs(self) -> list[str]:
        return [event["run"] for event in self.events if "fired" in event]

    def right(self, count: int) -> None:
        """Each of `count` slots once, each run ended well, and each step ran once."""
        first = int(self.since // 60 * 60) + 60
        expected = {first + 60 * number: 1 for number in range(count)}
        self.until(lambda: len(self.accounted()) >= count)
        assert dict(self.accounted()) == expected
        for run in self.runs():
            self.until(lambda run=run: self.has("run.ended", run))
        with open(self.count) as file:
            lines = file.read().split()
        assert len(lines) == len(set(lines)) == len(self.runs())
        numbers = [event["n"] for event in self.events]
        assert numbers == sorted(set(numbers))
        assert len(self.journals) == 1


def _zones(made: Any) -> set[str]:
    return {duty.zone for duty in made.duties.values()}


@pytest.fixture
def control(home: str):
    control = Around(home)
    yield control
    control.close()
    stop_daemon(home)


@pytest.mark.parametrize("point", FIRING)
def test_killed_around_a_fire(control: Around, point: str) -> None:
    """Of seven slots that were passed over three are caught up: three fires and a record of what was not."""
    arm_duties(control.home)
    control.begin(catch_up="all", starting_deadline=220.0)
    control.until(control.assigned)
    arm_duties(control.home, point)
    if point.startswith("begin duties"):
        kill_daemon(control.probe)
        control.probe = None
    control.leap(420)
    control.right(7)
    assert [e["reason"] for e in control.events if e["type"] == "slots.settled"] == ["DeadlinePassed"]
    assert len(control.runs()) == 4
    control.until(lambda: control.probe is not None and not pending(control.home))


@pytest.mark.parametrize("point", ASSIGNING)
def test_killed_while_it_is_entrusted(control: Around, point: str) -> None:
    arm_duties(control.home, point)
    control.begin()
    control.until(control.assigned)
    control.leap(60)
    control.right(1)
    assert not pending(control.home)


def test_a_journal_torn_at_every_byte_behind_a_group_of_records(tmp_path: Path) -> None:
    """Seven slots, of which four fire, in one group: wherever it is torn, the next daemon accounts for each once."""
    path = str(tmp_path / "journal")
    ledger = Ledger(*open_journal(path, events.journal_begun(1.0, "u")))
    made = charge(since=1020.0, catch_up="all", starting_deadline=220.0)
    wanted = {key_of(made): tag_of(made)}
    ledger.record(events.assigned(1001.0, wanted, [], 2, {key_of(made): made.to_json()}, zones()))
    ledger.journal.flush()
    head, clock = Path(path).read_bytes(), Clock(1000.0 + 440, "boot", 1.0)
    fire_all(ledger, clock)
    ledger.journal.flush()
    whole = slots_in(path)
    group = Path(path).read_bytes()[len(head) :]
    assert len(whole) == len(set(whole)) == 7
    for cut in range(len(group) + 1):
        Path(path).write_bytes(head + group[:cut])
        ledger = Ledger(*open_journal(path, events.journal_begun(1.0, "u")))
        before = slots_in(path)
        fire_all(ledger, clock)
        ledger.journal.flush()
        assert slots_in(path) == whole and before == whole[: len(before)], cut
        ledger.journal.close()


def slots_in(path: str) -> list[int]:
    records, _ = recover(path)
    return [
        at
        for each in records
        for at in ([each["fired"]["slot"]] if "fired" in each else each.get("slots", []))
    ]


def fire_all(ledger: Any, clock: Any) -> None:
    """What a daemon does with its ledger, without the processes."""

    class Bare:
        def accept(self, accepted: Any, secrets: Any) -> None:
            ledger.record(accepted)

    triggers = Triggers(ledger, Bare(), ledger.record, STATE, lambda _: True, lambda _: None)  # type: ignore[arg-type]
    for key in ledger.charges.packed:
        triggers.put(key, ledger.charges.get(key))
    while (at := triggers.next_at()) is not None and at <= clock.at:
        triggers.tick(clock)


def test_a_restart_after_each_of_many_fires_repeats_none(home: str) -> None:
    arm_duties(home)
    with probing(home) as probe:
        set_clock(home, 20 - time.time() % 60)
        control = Around(home)
        control.begin()
        control.until(control.assigned)
        for number in range(5):
            control.leap(60)
            control.until(lambda number=number: len(control.accounted()) == number + 1)
            kill_daemon(again(probe))
            control.close()
        control.right(5)
        control.close()
