"""Timers of the kernel on the clocks that count, and what stands in for them where there are none."""

from __future__ import annotations

import ctypes
import os
import select
import subprocess
import sys
import time
from typing import Any, Callable

import pytest

from tests.agent.entrusting import charge, hold
from tests.agent.probe import Probe
from tests.agent.test_runs import wait_until
from xene.agent import alarms
from xene.agent.alarms import BOOT, WALL, Alarm


class Loop:
    """One watched descriptor."""

    def __init__(self) -> None:
        self.rung = 0
        self.descriptor = -1
        self.call: Callable[[], None] = lambda: None

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        self.descriptor, self.call = descriptor, call

    def ring(self) -> None:
        self.rung += 1

    def turn(self, seconds: float) -> bool:
        """Wait for the alarm; whether it came."""
        ready = select.select([self.descriptor], [], [], seconds)[0]
        if ready:
            self.call()
        return bool(ready)


def now(clock: int) -> float:
    return time.clock_gettime(clock)


def raw(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library that knows no timerfd, but how to make system calls."""
    real = ctypes.CDLL(None, use_errno=True)

    class Poor:
        syscall = real.syscall

    monkeypatch.setattr(alarms.ctypes, "CDLL", lambda *a, **k: Poor())


@pytest.fixture(params=["libc", "system call"])
def loop(request: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "system call":
        raw(monkeypatch)
    loop = Loop()
    yield loop
    os.close(loop.descriptor)


@pytest.mark.parametrize("clock", [WALL, BOOT])
def test_it_rings_when_the_clock_has_come_there_and_once(loop: Loop, clock: int) -> None:
    alarm = Alarm(clock, loop.watch, loop.ring)
    assert alarm.works
    at = now(clock) + 0.2
    alarm.set(at)
    assert loop.turn(10.0) and loop.rung == 1
    assert now(clock) >= at
    assert not loop.turn(0.0)
    alarm.set(at)  # what has passed rings at once
    assert loop.turn(10.0) and loop.rung == 2


@pytest.mark.parametrize("clock", [WALL, BOOT])
def test_it_can_be_put_off_and_off(loop: Loop, clock: int) -> None:
    alarm = Alarm(clock, loop.watch, loop.ring)
    alarm.set(now(clock) + 1000)
    alarm.set(None)
    assert not loop.turn(0.05)
    alarm.set(now(clock) + 1e12)  # beyond what a timer takes
    assert not loop.turn(0.05)
    alarm.set(now(clock) + 0.05)
    assert loop.turn(10.0)


SETS_THE_CLOCK = """
import sys, time
from tests.agent.test_alarms import Loop
from xene.agent.alarms import Alarm, WALL
before = time.time()
loop = Loop()
alarm = Alarm(WALL, loop.watch, loop.ring)
alarm.set(before + 1000)
time.clock_settime(time.CLOCK_REALTIME, time.time())
print(loop.turn(10.0), loop.rung)
"""


def test_it_rings_when_the_wall_clock_is_set() -> None:
    """Set to what it shows, so that nobody else is harmed: to the kernel that is a clock that was set."""
    if os.geteuid() != 0:
        pytest.skip("only root may set the clock")
    done = subprocess.run(
        [sys.executable, "-c", SETS_THE_CLOCK], capture_output=True, text=True, cwd=os.getcwd()
    )
    if "PermissionError" in done.stderr:
        pytest.skip("this machine does not let its clock be set")
    assert done.stdout.split() == ["True", "1"], done.stderr


def test_a_machine_without_such_timers_is_looked_at_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "_call", lambda which: None)
    alarm = Alarm(WALL, lambda *_: pytest.fail("there is nothing to watch"), lambda: None)
    alarm.set(5.0)
    assert not alarm.works and alarms.LOOK == 60.0


def test_a_daemon_with_triggers_does_not_wake_up_between_them(probe: Probe) -> None:
    made = [charge(name=f"p{n}", since=time.time(), schedules=("0 0 29 2 *",)) for n in range(50)]
    hold(probe, *made)
    pid = probe.daemon_pid()

    def switches() -> int:
        with open(f"/proc/{pid}/status") as file:
            return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)

    def settled() -> bool:
        before = switches()
        time.sleep(0.2)
        return switches() == before

    wait_until(settled)
    before = switches()
    time.sleep(1.0)
    assert switches() == before


def test_an_agent_without_triggers_has_nothing_of_them_in_memory() -> None:
    code = (
        "import sys, xene.agent.birth; print(*sorted(m for m in sys.modules if m.split('.')[-1] in "
        "{'duties','triggers','alarms','leases','entrusted','slots','schedule','zones','zoneinfo','cronsim','hashlib'}))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=os.getcwd())
    assert (done.stdout.strip(), done.stderr) == ("", "")
