"""A pause for other writers: made where there was none, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from xene.control.breath import BUSY, PAUSE, Breath
from xene.store import db


def pauses(busy: float, idle: float, seconds: float = 20.0) -> list[float]:
    """The pauses of a thread that works and waits by turns; the clock is simulated."""
    at, made = 0.0, list[float]()

    def sleep(pause: float) -> None:
        nonlocal at
        made.append(pause)
        at += pause

    breath = Breath(lambda: at, sleep)
    while at < seconds:
        at += busy + idle
        breath.waited(idle)
    return made


def test_one_that_never_rests_pauses_now_and_then() -> None:
    made = pauses(0.05, 0.0)
    assert set(made) == {PAUSE} and 8 <= len(made) <= 20 / BUSY


def test_a_long_pass_counts_too() -> None:
    assert pauses(3.0, 0.0)


def test_one_that_rests_by_itself_does_not() -> None:
    assert pauses(0.05, 0.01) == [] and pauses(0.0, 0.5) == []


BUSY_WRITER = """
import sys, time
from xene.control.breath import Breath
from xene.store import db
breath = Breath()
with db.open_state(sys.argv[1]) as state:
    while True:
        with state.transaction() as conn:
            conn.execute("UPDATE meta SET value = value WHERE key = 'epoch'")
            print("on", flush=True)
            time.sleep(0.02)
        breath.waited(0.0)
"""


def test_another_process_gets_its_turn(tmp_path: Path) -> None:
    """Without the pauses it is told, after ten seconds, that the state has been held for so long."""
    path = str(tmp_path / "state.db")
    argv = [sys.executable, "-c", BUSY_WRITER, path]
    with db.open_state(path) as state, subprocess.Popen(argv, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None and writer.stdout.readline() == b"on\n"
            with state.transaction() as conn:
                assert conn.in_transaction
        finally:
            writer.kill()
