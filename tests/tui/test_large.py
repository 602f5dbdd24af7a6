"""With 5,000 pipelines and 200,000 runs: what is read, drawn and kept in memory is what can be seen."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from tests import large
from tests.tui.conftest import Seat, play, seated
from tests.tui.tmux import terminal
from xene.store import db
from xene.tui import questions
from xene.tui.main import Main
from xene.tui.reader import LOOK
from xene.tui.sheet import Sheet

PIPELINES, RUNS = 5000, 200_000
MEGABYTE = 1024 * 1024
KEY = 0.05  # seconds of work that a key may cost


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large")
    with db.open_state(str(path / "state.db")) as state:
        large.fill(state, PIPELINES, RUNS, now=time.time())
    yield path


def test_only_what_can_be_seen_is_drawn_and_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    asked: list[int] = []
    line, strips = Sheet.render_line, questions.strips
    monkeypatch.setattr(Sheet, "render_line", lambda self, y: (drawn.append(y), line(self, y))[1])
    monkeypatch.setattr(
        questions, "strips", lambda state, keys: (asked.append(len(keys)), strips(state, keys))[1]
    )

    async def scene() -> None:
        async with seated(home, (200, 60)) as seat:
            await seat.sees("▾ w0000 10", "✓✓✓")
            assert max(drawn) < 60 and asked and max(asked) <= 4 * 60
            await seat.press("end")
            await seat.sees("▾ w0499 10", "●●●")

    play(scene)


def test_a_key_costs_little(home: Path) -> None:
    """The best of some: others may be at work on the machine, but it cannot be quicker than it is."""

    async def scene() -> None:
        async with seated(home, (200, 60)) as seat:
            await seat.sees("✓✓✓")
            assert min([await cost(seat, "down") for _ in range(10)]) < KEY
            await seat.press("slash")
            assert min([await cost(seat, key) for key in "w0342"]) < KEY
            main = seat.app.screen
            assert isinstance(main, Main) and len(main.pane.sheet.rows) == 10

    play(scene)


async def cost(seat: Seat, key: str) -> float:
    """Seconds of work of this process from a key until its screen is drawn."""
    before = time.process_time()
    await seat.press(key)
    await seat.pilot.pause()
    return time.process_time() - before


def test_memory(home: Path, tmp_path: Path) -> None:
    env = {"XENE_HOME": str(home), "HOME": str(tmp_path)}
    with terminal(tmp_path, ["status"], env, (200, 60)) as tmux:
        tmux.sees("▾ w0000 10", "✓✓✓")
        for key in "2345":
            tmux.press(key)
        tmux.sees("no events")
        tmux.press("1", "End")
        tmux.sees("▾ w0499 10")
        (pid,) = tmux.processes
        with open(f"/proc/{pid}/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        assert resident < 150 * MEGABYTE


ASKED: dict[str, Callable[[Any], Any]] = {
    "everything": questions.everything,
    "first": questions.first,
    "strips": lambda state: questions.strips(state, [("w0000", "p0")]),
    "params": lambda state: questions.params(state, [pipeline(state)]),
    "runs": questions.runs,
    "events": questions.events,
    "triggers": questions.triggers,
    "days": lambda state: questions.days(state, questions.triggers(state)[:2], DAYS, large.NOW),
    "slots": lambda state: questions.slots(state, questions.triggers(state)[0]),
    "run": lambda state: questions.run(state, questions.runs(state)[0]["id"]),
}
DAYS = [large.NOW - 86400, large.NOW, large.NOW + 86400]
# Small tables of which every row is shown.
WHOLE = {"p", "a", "triggers", "agents", "objects", "overrides"}


def pipeline(state: Any) -> Any:
    """A row as the overview has it."""
    row = state.conn.execute("SELECT workflow, name, revision FROM pipelines LIMIT 1").fetchone()
    return dict(zip(("workflow", "name", "revision"), row, strict=True))


@pytest.mark.parametrize("name", ASKED)
def test_no_question_reads_a_large_table_from_end_to_end(home: Path, name: str) -> None:
    seen: list[str] = []
    with db.open_for_reading(str(home / "state.db")) as state:
        state.conn.set_trace_callback(seen.append)
        ASKED[name](state)
        state.conn.set_trace_callback(None)
        plans = [
            (row[3], statement)
            for statement in set(seen)
            if statement.startswith("SELECT")
            for row in state.conn.execute("EXPLAIN QUERY PLAN " + statement)
        ]
    scans = [plan for plan in plans if plan[0].startswith("SCAN") and "INDEX" not in plan[0]]
    ends = [plan for plan in scans if "LIMIT" not in plan[1] and plan[0].split()[1] not in WHOLE]
    sorts = [plan for plan in plans if "TEMP B-TREE FOR ORDER BY" in plan[0]]
    assert not ends and not [plan for plan in sorts if "runs" in plan[1] and "pipelines" not in plan[1]]


def test_a_flood_of_events_is_looked_at_now_and_then(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """15,000 events, 5,000 a second: a few looks; keys are answered all the while; the last one is seen."""
    looks: list[str] = []
    drawn: list[int] = []
    for name in ("everything", "events"):
        monkeypatch.setattr(questions, name, _counted(looks, name, getattr(questions, name)))
    line = Sheet.render_line
    monkeypatch.setattr(Sheet, "render_line", lambda self, y: (drawn.append(y), line(self, y))[1])

    async def scene() -> None:
        async with seated(home, (120, 40)) as seat:
            await seat.sees("✓✓✓")
            await seat.press("5")
            await seat.sees("MESSAGE")
            looks.clear(), drawn.clear()
            begun = time.monotonic()
            flood = asyncio.create_task(asyncio.to_thread(_flood, home / "state.db"))
            parts = itertools.cycle((("1", "WAITS"), ("5", "MESSAGE")))
            while not flood.done():
                key, word = next(parts)
                await seat.press(key)
                await seat.sees(word)
            await flood
            await seat.press("5")
            await seat.sees("event 14999 of the flood")
            most = (time.monotonic() - begun) / LOOK + 2
            assert looks.count("everything") <= most
            assert len(drawn) / 40 < EVENTS / 10  # whole screens

    play(scene)


EVENTS, BATCH, RATE = 15_000, 50, 5000


def _counted(looks: list[str], name: str, question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda state: (looks.append(name), question(state))[1]


def _flood(path: Path) -> None:
    """Write the events, so many a second."""
    conn = sqlite3.connect(path, isolation_level=None)
    begun = time.monotonic()
    for first in range(0, EVENTS, BATCH):
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany(
            "INSERT INTO events (at, kind, name, reason, message) VALUES (?, 'Run', 'r', 'Flood', ?)",
            [(time.time(), f"event {number} of the flood") for number in range(first, first + BATCH)],
        )
        conn.execute("COMMIT")
        time.sleep(max(0.0, begun + (first + BATCH) / RATE - time.monotonic()))
    conn.close()
