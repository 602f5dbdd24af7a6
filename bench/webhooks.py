"""Webhooks: what a controller accepts a second, also when it is killed; how soon a step of a host speaks."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.controlling import Controlling, controlling
from tests.fleet import Fleet, fleet
from tests.forge import Delivery, Door, send_all
from tests.test_deliveries import FLOW, stored, storm

COUNT, CONNECTIONS, TRIES = 2_000, 50, 40

CLOCK = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: flow}
spec:
  pipelines:
    one:
      tasks: {t: {steps: [{name: s, exec: [date, "+%s.%N"]}]}}
"""


def report() -> str:
    """All rows as Markdown."""
    rows = [*_accepted(), *_killed(), *_latency()]
    head = [
        "### Webhooks",
        "",
        f"{COUNT:,} deliveries from {CONNECTIONS} connections, one local agent. Budget: 300 accepted a second;",
        "from the 202 to the first byte of the step's log over SSH: a median under 100 ms.",
        "",
        "| | |",
        "|---|---|",
    ]
    return "\n".join([*head, *(f"| {name} | {figure} |" for name, figure in rows)]) + "\n"


def _door(controller: Controlling) -> Door:
    return Door(f"{controller.url}/hooks/flow/pipelines/one", controller.token("bench", "trigger"))


def _accepted() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as root, _serving(root, "local", FLOW) as (_, controller):
        door = _door(controller)
        sent = [Delivery(f"d{n}", {"n": str(n)}) for n in range(COUNT)]
        begun = time.perf_counter()
        send_all(door, sent, CONNECTIONS)
        took = time.perf_counter() - begun
        middle = statistics.median(delivery.took for delivery in sent)
        yield "accepted", f"{COUNT / took:.0f} a second"
        yield "median answer", f"{middle * 1000:.0f} ms"


def _killed() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as root, _serving(root, "local", FLOW) as (made, controller):
        sent = storm(made, controller, COUNT, CONNECTIONS)
        accepted = sum(delivery.status == 202 for delivery in sent)
        runs = stored(made)
        doubled = sum(count > 1 for count in runs.values())
        lost = sum(str(n) not in runs for n in range(COUNT))
        yield "killed -9 twice: 202s", f"{accepted}"
        yield "runs lost, doubled", f"{lost}, {doubled}"
        yield "most tries of one delivery", f"{max(delivery.tries for delivery in sent)}"


def _latency() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as root, _serving(root, "ssh", CLOCK) as (made, controller):
        door = _door(controller)
        waits = [_wait(made, door, number) for number in range(TRIES)]
        yield "202 to the step's first byte over SSH, median", f"{statistics.median(waits) * 1000:.0f} ms"
        yield "the same, slowest", f"{max(waits) * 1000:.0f} ms"


def _wait(made: Fleet, door: Door, number: int) -> float:
    """Seconds from the answer until the step printed: both clocks are this machine's."""
    delivery = Delivery(f"d{number}")
    send_all(door, [delivery], 1)
    made.xene("wait", delivery.runs[0])
    return float(made.xene("logs", delivery.runs[0], "t/s").out) - delivery.answered_at


@contextlib.contextmanager
def _serving(root: str, kind: str, flow: str) -> Iterator[tuple[Fleet, Controlling]]:
    """One agent with one pipeline, and a controller."""
    with fleet(Path(root), kind, count=1) as made:
        made.write("flow.yaml", flow)
        made.apply()
        with controlling(made) as controller:
            yield made, controller
