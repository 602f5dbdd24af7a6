"""The host's wall clock is set by an hour, forward or back, while steps run: nothing but the times told notices.

The daemon's own clock is moved, since the real one is everybody's: see `faulty.set_clock`.
"""

from __future__ import annotations

import os

import pytest

from tests.agent.faulty import arm, set_clock
from tests.agent.probe import Probe, one_step, probing
from tests.agent.test_recovery import again, go, kill_daemon, started
from tests.agent.test_runs import wait_until, workspace
from xene.model import phases

HOUR = 3600.0
WAITS = "touch on; while [ ! -e go ]; do sleep 0.02; done"


def in_order(probe: Probe) -> None:
    numbers = [event["n"] for event in probe.events]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_timeout_is_neither_early_nor_late(home: str, step: float) -> None:
    arm(home)
    with probing(home) as probe:
        patient = probe.start(one_step(WAITS, timeout="30m"))
        hasty = probe.start(one_step(WAITS, timeout="1s", gracePeriod="100ms"))
        for run in (patient, hasty):
            wait_until(lambda run=run: os.path.exists(os.path.join(workspace(probe, run), "on")))
        set_clock(home, step)
        assert probe.ended(hasty).reason == "Timeout"
        assert not any(event["type"] == "run.ended" and event["run"] == patient for event in probe.events)
        go(probe, patient)
        state = probe.ended(patient)
        assert state.phase == phases.SUCCESS
        assert abs(state.finished_at - state.started_at - step) < HOUR / 2  # the jump was really there
        in_order(probe)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_set_while_no_daemon_lives_changes_nothing_but_times(home: str, step: float) -> None:
    arm(home)
    with probing(home) as probe:
        run = probe.start(one_step(WAITS, timeout="30m"))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "on")))
        kill_daemon(probe)
        set_clock(home, step)
        second = again(probe)
        go(probe, run)
        assert second.ended(run).phase == phases.SUCCESS
        assert second.ended(second.start(one_step("true"))).phase == phases.SUCCESS
        in_order(second)
        second.close()
