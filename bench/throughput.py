"""Runs a second that a controller stores over HTTP, and carries through, on four agents of this host.

Dagu's scheduler does the same work in the same run, a fifth as many.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import dagu
from tests.controlling import controlling
from tests.fleet import Fleet, fleet
from tests.forge import Delivery, Door, send_all
from xene.store import db

RUNS, CONNECTIONS, AGENTS = 1_000, 20, 4


def flow() -> str:
    """One pipeline of one trivial step on each agent."""
    lines = ["apiVersion: xene/v1", "kind: Workflow", "metadata: {name: flow}", "spec:", "  pipelines:"]
    for number in range(1, AGENTS + 1):
        lines += [
            f"    p{number}:",
            f"      placement: {{agent: host-{number}}}",
            "      concurrencyPolicy: Allow",
            '      tasks: {t: {steps: [{name: s, exec: ["true"]}]}}',
        ]
    return "\n".join(lines) + "\n"


def report() -> str:
    """All rows as Markdown."""
    head = [
        "### Throughput",
        "",
        f"{RUNS:,} trivial runs on {AGENTS} local agents, asked for over HTTP. Budget: 300 accepted a second, 100",
        "carried through.",
        "",
        "| | |",
        "|---|---|",
    ]
    return (
        "\n".join(
            [*head, *(f"| {name} | {figure} |" for name, figure in (*_rows(), *dagu.throughput(RUNS // 5)))]
        )
        + "\n"
    )


def _rows() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as root, fleet(Path(root), "local", count=AGENTS) as made:
        made.write("flow.yaml", flow())
        made.apply()
        with controlling(made) as controller:
            token = controller.token("bench", "trigger")
            began = time.perf_counter()
            for number in range(1, AGENTS + 1):
                sent = [Delivery(f"d{number}-{n}") for n in range(RUNS // AGENTS)]
                send_all(Door(f"{controller.url}/hooks/flow/pipelines/p{number}", token), sent, CONNECTIONS)
            accepted = time.perf_counter() - began
            while _ended(made) < RUNS:
                time.sleep(0.1)
            ended = time.perf_counter() - began
    yield "accepted", f"{RUNS / accepted:.0f} a second"
    yield "carried through, from the first request on", f"{RUNS / ended:.0f} a second"


def _ended(made: Fleet) -> int:
    with db.open_for_reading(str(made.home / "state.db")) as state:
        return int(state.conn.execute("SELECT count(*) FROM runs WHERE phase = 'Success'").fetchone()[0])
