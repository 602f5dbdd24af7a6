"""Many agents, many pipelines, random partitions, a long simulated time: the ledger is whole at the end.

The quick form is a small fleet for a day; `make soak` runs 1,000 agents and 10,000 pipelines for a month
(XENE_MONTH_AGENTS, XENE_MONTH_PIPELINES and XENE_MONTH_DAYS make it smaller). Nothing of what decides is
simulated: see tests/ledger.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.ledger.world import World, install
from tests.plan.test_ledger_machine import agent, pipeline

HOUR = 3600.0
FLOW = 100  # pipelines of one workflow


def simulate(
    root: Path, agents: int, pipelines: int, days: float, seed: int, looks: float = 1200.0
) -> tuple[int, float]:
    """The rows of the ledger at the end, and how many seconds it took. Control looks each `looks` seconds."""
    began, draw = time.monotonic(), random.Random(seed)
    names = [f"a{number}" for number in range(agents)]
    world = World(root, names, draw)
    world.looks = looks
    world.declare(*map(agent, names))
    world.turn()
    for number in range(0, pipelines, FLOW):
        bodies = {
            f"p{n}": pipeline(placement=draw.choice([{}, {}, {"onLost": "replace", "lostAfter": "4h"}]))
            for n in range(number, min(number + FLOW, pipelines))
        }
        world.apply(
            f"flow{number}", bodies, {"t": {"schedule": f"{draw.randrange(60)} {draw.randrange(24)} * * *"}}
        )
    until = world.now + days * 24 * HOUR
    while world.now < until:
        for name in draw.sample(names, max(1, agents // 20)):
            world.cut.symmetric_difference_update({name})
        world.pass_time(2 * HOUR)
    world.settle()
    rows = world.check()
    world.stop_control()
    return rows, time.monotonic() - began


def test_a_day_of_a_small_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    rows, _ = simulate(tmp_path, agents=10, pipelines=100, days=1, seed=5)
    assert rows >= 100


@pytest.mark.soak
def test_a_month_of_a_large_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    agents = int(os.environ.get("XENE_MONTH_AGENTS", "1000"))
    pipelines = int(os.environ.get("XENE_MONTH_PIPELINES", "10000"))
    days = float(os.environ.get("XENE_MONTH_DAYS", "30"))
    rows, took = simulate(tmp_path, agents, pipelines, days, int(time.time()), looks=2 * HOUR)
    print(f"\n{agents} agents, {pipelines} pipelines, {days:g} days: {rows} slots in {took:.0f} s")
    assert rows >= pipelines * (int(days) - 1)
