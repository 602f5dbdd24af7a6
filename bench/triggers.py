"""Cron triggers on an agent: what thousands of them cost while none is due, and how soon many fire at once.

One real daemon, driven by a control host in a few lines; the charges are of one trivial step each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from tempfile import TemporaryDirectory

from tests.agent import probe as probes
from tests.agent.entrusting import charge, entrust, fired, key_of, tag_of
from tests.agent.probe import Probe, one_step, probing
from xene.model.charge import Charge
from xene.wire import messages

PIPELINES, AT_ONCE = 5_000, 500
IDLE_SECONDS = 10.0
PIECE = 500  # charges in a message: below 1 MB
TICKS = os.sysconf("SC_CLK_TCK")


def report() -> str:
    """All rows as Markdown."""
    probes.DEADLINE = 300.0
    lines = [
        "### Cron triggers on an agent",
        "",
        "Budget: 5,000 pipelines idle at no measurable CPU and under 60 MB; 500 due in one second fire within 5 s.",
        "",
        "| | |",
        "|---|---|",
    ]
    with TemporaryDirectory() as root:
        lines += [
            f"| {name} | {figure} |" for name, figure in [*_idle(root + "/idle"), *_burst(root + "/burst")]
        ]
    return "\n".join(lines) + "\n"


def _idle(home: str) -> Iterable[tuple[str, str]]:
    """All due at different minutes of some day that is not today."""
    with probing(home) as probe:
        yield "resident, no trigger", f"{_resident(probe):.1f} MB"
        day = (time.gmtime(time.time() + 15 * 86400)).tm_mday
        made = [
            charge(
                one_step("true"),
                f"p{number}",
                since=time.time(),
                schedules=(f"{number % 60} {number // 60 % 24} {day} * *",),
                time_zone=("UTC", "Europe/Berlin")[number % 2],
            )
            for number in range(PIPELINES)
        ]
        begun = time.perf_counter()
        _hold(probe, made)
        yield f"{PIPELINES:,} pipelines entrusted and assigned", f"{time.perf_counter() - begun:.1f} s"
        yield "resident with them", f"{_resident(probe):.1f} MB"
        probe.close()
        yield from _at_rest(probe, "after that")
        probes.stop_daemon(home)
        begun = time.perf_counter()
        again = Probe(home, "reader")
        yield "a daemon that finds them in its journal answers after", f"{time.perf_counter() - begun:.1f} s"
        yield "resident then", f"{_resident(again):.1f} MB"
        again.close()
        yield from _at_rest(again, "then")


def _at_rest(probe: Probe, when: str) -> Iterable[tuple[str, str]]:
    time.sleep(2.0)
    before = _used(probe)
    time.sleep(IDLE_SECONDS)
    yield f"processor time of {IDLE_SECONDS:g} s {when}", f"{(_used(probe) - before) * 1000:.0f} ms"


def _burst(home: str) -> Iterable[tuple[str, str]]:
    with probing(home) as probe:
        while time.time() % 60 > 50:
            time.sleep(0.5)
        due = int(time.time() // 60 * 60) + 60
        made = [charge(one_step("true"), f"p{number}", since=time.time()) for number in range(AT_ONCE)]
        _hold(probe, made)
        probe.wait(lambda: len(fired(probe)) >= AT_ONCE)
        probe.wait(lambda: sum(event["type"] == "run.ended" for event in probe.events) >= AT_ONCE)
        first = [event for event in fired(probe) if event["fired"]["slot"] == due]
        runs = {event["run"] for event in first}
        ends = [e["at"] for e in probe.events if e["type"] == "run.ended" and e["run"] in runs]
        yield f"{len(first)} due in one second: all fired after", f"{max(e['at'] for e in first) - due:.2f} s"
        yield "all ended after", f"{max(ends) - due:.2f} s"
        yield "resident then", f"{_resident(probe):.1f} MB"


def _hold(probe: Probe, made: list[Charge]) -> None:
    for start in range(0, len(made), PIECE):
        entrust(probe, *made[start : start + PIECE])
    probe.say(messages.assign(1, {key_of(each): tag_of(each) for each in made}, None))
    probe.wait(lambda: sum(len(e["set"]) for e in probe.events if e["type"] == "assigned") >= len(made))


def _resident(probe: Probe) -> float:
    """Megabytes of VmRSS."""
    with open(f"/proc/{probe.daemon_pid()}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def _used(probe: Probe) -> float:
    """Seconds of processor time."""
    with open(f"/proc/{probe.daemon_pid()}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICKS
