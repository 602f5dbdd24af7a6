"""The slot ledger after any sequence of crashes, partitions, applies, suspends, moves and clock steps.

A state machine over the real control and the real triggers of agents (tests/ledger), in time that it makes pass.
XENE_MACHINE_EXAMPLES=N tries so many sequences; the quick form is a few.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.ledger.world import World, install

EXAMPLES = int(os.environ.get("XENE_MACHINE_EXAMPLES", "12"))
STEPS = 30
AGENTS = ("a", "b", "c")
SCHEDULES = ("*/5 * * * *", "7,37 * * * *", "@hourly", "*/2 * * * *", ["0 * * * *", "*/20 * * * *"])
agents = st.sampled_from(AGENTS)


def agent(name: str) -> dict[str, Any]:
    return {"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": name}, "spec": {"local": {}}}


def pipeline(**more: Any) -> dict[str, Any]:
    return {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}, "triggers": ["t"], **more}


CRONS = st.fixed_dictionaries(
    {"schedule": st.sampled_from(SCHEDULES), "catchUp": st.sampled_from(["none", "latest", "all"])},
    optional={
        "startingDeadline": st.sampled_from(["1m", "10m"]),
        "jitter": st.sampled_from(["30s", "3m"]),
        "timeZone": st.sampled_from(["Europe/Berlin", "Asia/Kolkata"]),
    },
)
POLICIES = st.sampled_from(["Allow", "Forbid", "Replace", "Queue"])
PLACEMENTS = st.sampled_from(
    [{}, {"agent": "a"}, {"agent": "b"}, {"onLost": "replace"}, {"onLost": "replace", "lostAfter": "2m"}]
)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="xene-ledger-"))

    @initialize(seed=st.integers(0, 2**32), cron=CRONS)
    def begin(self, seed: int, cron: dict[str, Any]) -> None:
        self.world = World(self.root, AGENTS, random.Random(seed))
        self.world.declare(*map(agent, AGENTS))
        self.world.turn()
        self.apply(cron, "Queue", {}, "Allow", {"onLost": "replace"})

    @rule(seconds=st.sampled_from([1, 30, 100, 301, 700, 2000]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(cron=CRONS, one=POLICIES, first=PLACEMENTS, two=POLICIES, second=PLACEMENTS)
    def apply(self, cron: Any, one: str, first: Any, two: str, second: Any) -> None:
        bodies = {
            "p": pipeline(concurrencyPolicy=one, placement=first),
            "q": pipeline(concurrencyPolicy=two, placement=second),
        }
        self.world.apply("shop", bodies, {"t": cron})

    @rule()
    def the_trigger_goes(self) -> None:
        bodies = {"p": pipeline(), "q": pipeline()}
        for body in bodies.values():
            del body["triggers"]
        self.world.apply("shop", bodies, {})

    @rule(name=st.sampled_from("pq"), value=st.booleans())
    def suspended(self, name: str, value: bool) -> None:
        self.world.suspend("shop", name, value)

    @rule(name=agents, value=st.booleans())
    def drained(self, name: str, value: bool) -> None:
        self.world.cordon(name, value)

    @rule(name=agents)
    def the_wire_is_cut(self, name: str) -> None:
        self.world.cut.add(name)

    @rule(name=agents)
    def the_wire_is_mended(self, name: str) -> None:
        self.world.cut.discard(name)

    @rule(name=agents, reboot=st.booleans(), at_work=st.booleans())
    def an_agent_dies(self, name: str, reboot: bool, at_work: bool) -> None:
        host = self.world.agents[name]
        if host.alive:
            if at_work:
                host.turn()  # and what it has recorded is not durable
            host.crash(reboot=reboot)

    @rule(name=agents)
    def an_agent_comes_back(self, name: str) -> None:
        if not self.world.agents[name].alive:
            self.world.agents[name].restart()

    @rule(name=agents, skew=st.sampled_from([-200.0, -3.0, 0.0, 3.0, 200.0]))
    def a_clock_is_set(self, name: str, skew: float) -> None:
        self.world.agents[name].skew = skew

    @rule()
    def control_dies(self) -> None:
        self.world.stop_control()

    @rule()
    def control_is_back(self) -> None:
        if self.world.control is None:
            self.world.start_control()

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.world.settle()
                self.world.check()
        finally:
            if hasattr(self, "world"):
                self.world.stop_control()
            shutil.rmtree(self.root)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(monkeypatch)
    yield


def test_each_due_instant_has_one_row_whatever_happens(patched: None) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
            derandomize=EXAMPLES == 12,
            suppress_health_check=list(HealthCheck),
        ),
    )
