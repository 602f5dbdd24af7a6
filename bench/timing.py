"""Whole processes timed in turn, A B C A B C ..., so that a machine whose speed drifts treats all alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

XENE = [sys.executable, "-m", "xene"]
RUNS = 7


@dataclass
class Contender:
    """One command. `prepare` is called before every run and is not timed."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = lambda: None
    stdin: str | None = None
    seconds: list[float] = field(default_factory=list)

    def renamed(self, name: str) -> Contender:
        """The same under another name."""
        return replace(self, name=name, seconds=[])


def race(contenders: Sequence[Contender], runs: int = RUNS, cwd: str | None = None) -> None:
    """Run them in turn, one warm-up first; each gets its `seconds`. Raises where a command fails."""
    for turn in range(runs + 1):
        for contender in contenders:
            contender.prepare()
            took = _once(contender, cwd)
            if turn:
                contender.seconds.append(took)


def _once(contender: Contender, cwd: str | None) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        contender.argv,
        env={**os.environ, **contender.env},
        cwd=cwd,
        input=contender.stdin,
        stdin=None if contender.stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    took = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{contender.name} failed with {done.returncode}:\n{done.stdout[-2000:]}")
    return took


def table(title: str, budget: str, contenders: Sequence[Contender]) -> str:
    """A Markdown table: median, fastest, slowest, and the ratio to the first row."""
    first = statistics.median(contenders[0].seconds)
    lines = [
        f"### {title}",
        "",
        f"Budget: {budget}.",
        "",
        "| | median s | min | max | ratio |",
        "|---|---|---|---|---|",
    ]
    for one in contenders:
        middle, low, high = statistics.median(one.seconds), min(one.seconds), max(one.seconds)
        lines.append(f"| {one.name} | {middle:.3f} | {low:.3f} | {high:.3f} | {middle / first:.2f} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures were measured on."""
    with open("/proc/cpuinfo") as file:
        model = next(
            (line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown"
        )
    return (
        f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} when it began"
    )
