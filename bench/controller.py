"""The controller at rest with many agents, and how soon another one is at work when it is killed.

Real daemons on this host, one for each agent, reached as `local` and over real sshd; the figures are those of the
controller's process alone, from /proc.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.timing import XENE
from tests.fleet import Fleet, fleet, until

AGENTS = 50
REST_SECONDS = 60.0
TAKE_OVERS = 5
TICKS = os.sysconf("SC_CLK_TCK")
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: w%d}
spec:
  pipelines: {p: {tasks: {t: {steps: [{name: s, exec: ["true"]}]}}}}
"""


def report() -> str:
    """All rows as Markdown."""
    lines = [
        f"### The controller, with {AGENTS} agents at rest",
        "",
        "Budget: under 120 MB and under 1 % of a core; at work within 5 s when the one before it is killed.",
        "",
        "| | |",
        "|---|---|",
    ]
    rows = [row for kind in ("local", "ssh") for row in _figures(kind)]
    return "\n".join([*lines, *(f"| {name} | {figure} |" for name, figure in rows)]) + "\n"


def _figures(kind: str) -> Iterable[tuple[str, str]]:
    with TemporaryDirectory() as root, fleet(Path(root), kind, count=AGENTS) as made:
        for number in range(AGENTS):
            made.write(f"w{number}.yaml", WORKFLOW % number)
        made.apply()
        yield from _at_rest(made, kind)
        yield from _at_rest(made, f"{kind}, with HTTP", "--listen", "127.0.0.1:0")
        yield from _take_over(made, kind)


def _at_rest(made: Fleet, kind: str, *words: str) -> Iterable[tuple[str, str]]:
    child = _started(made, *words)
    _wait_connected(made, 0.0)
    time.sleep(5.0)
    before, switches = _used(child.pid), _switches(child.pid)
    time.sleep(REST_SECONDS)
    used = _used(child.pid) - before
    yield f"resident, {kind}", f"{_resident(child.pid):.0f} MB"
    yield f"processor time of {REST_SECONDS:g} s, {kind}", f"{used:.2f} s ({100 * used / REST_SECONDS:.2f} %)"
    yield f"context switches a second, {kind}", f"{(_switches(child.pid) - switches) / REST_SECONDS:.0f}"
    child.terminate()
    child.wait()


def _take_over(made: Fleet, kind: str) -> Iterable[tuple[str, str]]:
    """From `kill -9` to the words of the next one that it is at work; and until it has all agents again."""
    works, has_all = [], []
    child = _started(made)
    for _ in range(TAKE_OVERS):
        _wait_connected(made, 0.0)
        other = _started(made, saying="standing by")
        begun, since = time.perf_counter(), time.time()
        child.kill()
        child.wait()
        _wait_says(made, "took over")
        works.append(time.perf_counter() - begun)
        _wait_connected(made, since)
        has_all.append(time.perf_counter() - begun)
        child = other
    child.terminate()
    child.wait()
    yield f"killed, until the next one is at work, {kind}", _spread(works)
    yield f"killed, until the next one has heard all agents, {kind}", _spread(has_all)


def _started(made: Fleet, *words: str, saying: str = "at work on") -> subprocess.Popen[bytes]:
    log = made.root / "controller.log"
    log.unlink(missing_ok=True)  # that of the one before: it goes on writing into its own
    with log.open("wb") as file:
        child = subprocess.Popen(  # not `made.start`, whose processes share what one before them has loaded
            [*XENE, "controller", *words], env=made.environment, stdout=file, stderr=file, cwd=made.root
        )
    _wait_says(made, saying)
    return child


def _wait_says(made: Fleet, words: str) -> None:
    until(lambda: words in (made.root / "controller.log").read_text(), words)


def _wait_connected(made: Fleet, since: float) -> None:
    until(lambda: _connected(made, since), "all agents are connected")


def _connected(made: Fleet, since: float) -> bool:
    """Whether all agents are Ready, and were heard after an instant."""
    from xene.store import db

    with db.open_for_reading(str(made.home / "state.db")) as state:
        rows = state.conn.execute("SELECT phase, last_seen_at FROM agents WHERE implicit = 0").fetchall()
    return len(rows) == AGENTS and all(phase == "Ready" and seen >= since for phase, seen in rows)


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


def _used(pid: int) -> float:
    """Seconds of processor time, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident(pid: int) -> float:
    return _status(pid, "VmRSS:") / 1024


def _switches(pid: int) -> int:
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        text = Path(f"/proc/{pid}/task/{task}/status").read_text()
        total += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
    return total


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


if __name__ == "__main__":
    sys.stdout.write(report())
