"""Whatever the screen asks of a state, it finds through an index: each statement of a walk through all of it."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests import large
from tests.tui.conftest import Seat, play, stubbed
from xene.store import db
from xene.tui import questions

# Tables that are small or of which the screen shows every row.
SHOWN = {"pipelines", "triggers", "objects", "agents", "overrides", "holdings", "meta", "zones", "json_each"}
# Indexes of what is open alone: these do not grow with the history.
OPEN = {"runs_open", "runs_unsettled", "followers_waiting", "slots_unsettled"}
QUESTIONS = {
    name
    for name, each in vars(questions).items()
    if getattr(each, "__module__", "") == questions.__name__ and not name.startswith("_")
}


@pytest.fixture(params=["analyzed", "as it is"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A state with something of everything, with and without what ANALYZE notes, which only others ask for."""
    with db.open_state(str(tmp_path / "state.db")) as state:
        large.fill(state, 500, 20_000, now=time.time())
        large.fill_more(state, 5000, now=time.time())
        with state.transaction() as conn:
            conn.execute("ANALYZE" if request.param == "analyzed" else "DELETE FROM sqlite_stat1")
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every statement that the reading thread gives to SQLite."""
    found: set[str] = set()
    really = db.open_for_reading

    @contextmanager
    def traced(path: str) -> Iterator[db.State]:
        with really(path) as state:
            state.conn.set_trace_callback(found.add)
            yield state

    monkeypatch.setattr(db, "open_for_reading", traced)
    return found


async def walk(seat: Seat, home: Path) -> None:
    """Through all parts, lists, pages and forms."""
    await seat.sees("▾ w0000 10", "✓✓✓", "missed in 7 days")
    await seat.press("end", "slash")
    await seat.type("w0010")
    await seat.press("enter", "down", "S", "S", "S", "S", "escape", "home", "down")
    await seat.press("r")
    await seat.sees("xene run w0000/p0")
    await seat.press("escape", "3")
    await seat.sees("VERSION")
    await seat.press("5")
    await seat.sees("Late")
    await seat.press("4")
    await seat.sees("often", "20")
    await seat.press("enter")
    await seat.sees("OUTCOME", "fired")
    await seat.press("escape", "2")
    await seat.sees("20251123-019999")
    await seat.press("enter")
    for key, words in zip("2345", ("┌", "make", "all", "done: why"), strict=True):
        await seat.press(key)
        await seat.sees(words)
    await seat.press("left_square_bracket", "right_square_bracket", "escape")
    await seat.sees("TRIGGER")
    with sqlite3.connect(home / "state.db") as conn:
        conn.execute("UPDATE events SET message = 'another word' WHERE id = 20000")
    await seat.press("5")
    await seat.sees("another word")


def test_nothing_is_read_from_end_to_end(
    home: Path, asked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called: set[str] = set()
    for name in QUESTIONS:
        monkeypatch.setattr(questions, name, _noted(called, name, getattr(questions, name)))

    async def scene() -> None:
        async with stubbed(home, (140, 40)) as seat:
            await walk(seat, home)

    play(scene)
    assert called == QUESTIONS, "a question that the walk does not come by"
    assert not [plan for statement in asked for plan in long_ones(home, statement)]


def _noted(called: set[str], name: str, question: Any) -> Any:
    return lambda *words: (called.add(name), question(*words))[1]


def long_ones(home: Path, statement: str) -> list[str]:
    """Those steps of the plan of a statement that grow with the history, and the statement."""
    if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
        return []
    with sqlite3.connect(home / "state.db") as conn:
        steps = [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}")]
    sorts = any("TEMP B-TREE" in step for step in steps)
    stops = re.search(r"\bLIMIT \d+\s*$", statement) and "WHERE" not in statement and not sorts
    scans = [step for step in steps if step.startswith("SCAN") and not stops]
    return [f"{step}: {statement}" for step in scans if grows(step, statement)]


def grows(step: str, statement: str) -> bool:
    """Whether a scan passes over more rows the longer the history is."""
    words = step.split()
    index = words[words.index("INDEX") + 1] if "INDEX" in words else ""
    alias = re.search(rf"(?:FROM|JOIN|,) (\w+)(?: AS)? {re.escape(words[1])}\b", statement)
    return index not in OPEN and (alias.group(1) if alias else words[1]) not in SHOWN


@pytest.mark.parametrize(
    ("statement", "long"),
    [
        ("SELECT * FROM runs WHERE message = 'x'", True),
        ("SELECT count(*) FROM runs GROUP BY phase", True),
        ("SELECT * FROM runs r WHERE r.message = 'x' ORDER BY r.reason LIMIT 5", True),
        ("SELECT * FROM tasks WHERE phase = 'Error'", True),
        ("SELECT * FROM events WHERE reason = 'x' ORDER BY id DESC LIMIT 5", True),
        ("SELECT * FROM runs ORDER BY seq DESC LIMIT 500", False),
        ("SELECT id FROM runs INDEXED BY runs_open WHERE ended = 0", False),
        ("SELECT p.name FROM pipelines p", False),
    ],
)
def test_a_long_one_is_found(tmp_path: Path, statement: str, long: bool) -> None:
    db.open_state(str(tmp_path / "state.db")).close()
    assert bool(long_ones(tmp_path, statement)) == long
