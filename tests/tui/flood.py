"""Somebody who writes 5,000 events a second to a state: `python -m tests.tui.flood HOME`, after `send`.

Half of them are what an agent says about runs, written by the code that always does; half are the state's own.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import Any, Iterator

from tests.instants import instant
from tests.store.conftest import Filled
from xene.model import events as ev
from xene.store import db, events

TASKS = {f"task-{number}": [f"s{each:02}" for each in range(29)] for number in range(5)}
RUNS = [f"20261123-0228{number:02}-otherrun" for number in range(24)] + ["20261123-022900-watching"]
TOLD = 302  # events about each: a transaction has one about each, and one as many lines of its own
EVENTS = TOLD * len(RUNS) * 2
RATE = 5000  # events a second
COMMAND = [sys.executable, "-m", "tests.tui.flood"]


def send(home: Path) -> None:
    """Lay the runs into the state, as they are when an agent has just got them."""
    with db.open_state(str(home / "state.db")) as state:
        for run in RUNS:
            Filled(state).run(
                run,
                workflow="shed",
                pipeline="dig",
                tasks=TASKS,
                agent="build-1",
                journal="J1",
                now=time.time(),
            )


def told(run: str) -> Iterator[dict[str, Any]]:
    """All that an agent says about one of them, in turn."""
    now, steps = instant(time.time()), itertools.count(1)
    yield ev.run_started(now, run)
    for task, names in TASKS.items():
        yield ev.task_started(now, run, task, 1)
        for name in names:
            yield ev.step_started(now, run, task, name, 1, next(steps))
            yield ev.step_ended(time.time(), run, task, name, 1, "Success", None, exit_code=0)
        yield ev.task_ended(time.time(), run, task, 1, "Success")
    yield ev.run_ended(time.time(), run, "Success")


def write(home: Path) -> None:
    """Write them by the store's own code, in small transactions, so many a second."""
    begun = time.monotonic()
    with db.open_state(str(home / "state.db")) as state:
        (first,) = state.conn.execute("SELECT cursor + 1 FROM agents WHERE name = 'build-1'").fetchone()
        for number, about in enumerate(zip(*map(told, RUNS), strict=True)):
            Filled(state).report(*about, first=first + number * len(RUNS), name="build-1", journal="J1")
            with state.transaction() as conn:
                line = f"event {number} of the flood"
                events.note_all(conn, [(time.time(), "Run", RUNS[-1], "Flood", line)] * len(RUNS))
            time.sleep(max(0.0, begun + number * 2 * len(RUNS) / RATE - time.monotonic()))
        assert number == TOLD - 1


if __name__ == "__main__":
    write(Path(sys.argv[1]))
