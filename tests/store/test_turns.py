"""Threads of one process write in the order in which they came."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.fleet import until
from xene.errors import Storage
from xene.store import db
from xene.store.turns import Turns


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def test_first_come_first_served() -> None:
    turns, order = Turns(), list[int]()
    assert turns.take(20)

    def write(number: int) -> None:
        assert turns.take(20)
        order.append(number)
        turns.give()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda number=number: waiting(turns) == number, "it to wait")
    turns.give()
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3, 4]


def test_who_gives_up_is_passed_over() -> None:
    turns = Turns()
    assert turns.take(20)
    assert not turns.take(0.01)
    turns.give()
    assert turns.take(0.01), "nobody waits any more"


def test_one_that_writes_without_pause_lets_others_write(tmp_path: Path) -> None:
    path, stop, began = str(tmp_path / "state.db"), threading.Event(), threading.Event()

    def write() -> None:
        with db.open_state(path) as state:
            while not stop.is_set():
                with state.transaction() as conn:
                    conn.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")
                    began.set()

    busy = threading.Thread(target=write)
    busy.start()
    try:
        assert began.wait(20)
        with db.open_state(path, patience=5.0) as state:
            for _ in range(20):
                with state.transaction() as conn:
                    conn.execute("UPDATE meta SET value = value + 1 WHERE key = 'changes'")
    finally:
        stop.set()
        busy.join(20)


def test_a_thread_that_holds_it_too_long_is_told_of(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    with db.open_state(path) as state, db.open_state(path, patience=0.05) as other:
        with state.transaction():
            with pytest.raises(Storage, match=r"more than 0\.05 s"), other.transaction():
                pass
        with other.transaction():
            pass
