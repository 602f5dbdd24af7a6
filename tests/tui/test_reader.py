"""The reading thread: questions coalesce, errors are told, a bug ends the app."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.hosts import until
from xene.errors import NotFound
from xene.store import db
from xene.tui.messages import Answer, Broken, Moved, Trouble
from xene.tui.reader import Reader

Posted = queue.SimpleQueue[Any]


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = str(tmp_path / "state.db")
    db.open_state(found).close()
    return found


@pytest.fixture
def posted() -> Posted:
    return queue.SimpleQueue()


@pytest.fixture
def reader(path: str, posted: Posted) -> Iterator[Reader]:
    made = Reader(path, posted.put)
    made.start()
    yield made
    made.stop()


def test_of_questions_asked_again_the_last_is_answered(reader: Reader, posted: Posted) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: db.State) -> str:
        begun.set()
        go_on.wait(10)
        return "slow"

    reader.ask("slow", slow, print)
    assert begun.wait(10)
    for number in range(1000):
        reader.ask("fast", lambda _, number=number: number, print)
    go_on.set()
    answers = [posted.get(timeout=10) for _ in range(2)]
    assert [answer.value for answer in answers if isinstance(answer, Answer)] == ["slow", 999]
    assert posted.empty()


def test_what_somebody_writes_is_told_once_a_look(reader: Reader, posted: Posted, path: str) -> None:
    reader.ask("ready", lambda state: state.uuid, print)
    assert isinstance(posted.get(timeout=10), Answer)
    with db.open_state(path) as state:
        for number in range(500):
            with state.transaction() as conn:
                conn.execute(
                    "INSERT INTO events (at, kind, name, reason) VALUES (?, 'Agent', 'a', 'x')", (number,)
                )
    assert isinstance(posted.get(timeout=10), Moved)
    reader.ask("done", lambda state: state.uuid, print)
    told = [posted.get(timeout=10)]
    while not isinstance(told[-1], Answer):
        told.append(posted.get(timeout=10))
    assert len(told) < 20


def test_nothing_is_written(reader: Reader, posted: Posted) -> None:
    reader.ask("write", lambda state: state.conn.execute("DELETE FROM agents"), print)
    found = posted.get(timeout=10)
    assert isinstance(found, (Trouble, Broken))


def test_an_error_of_one_question_is_told_and_others_are_answered(reader: Reader, posted: Posted) -> None:
    def none(_: db.State) -> None:
        raise NotFound("there is no run x", hint="look again")

    reader.ask("none", none, print)
    found = posted.get(timeout=10)
    assert (
        isinstance(found, Trouble) and found.text == "there is no run x; look again" and found.key == "none"
    )
    reader.ask("next", lambda _: 1, print)
    assert posted.get(timeout=10).value == 1


def test_a_bug_is_handed_over(reader: Reader, posted: Posted) -> None:
    reader.ask("bug", lambda _: 1 // 0, print)
    found = posted.get(timeout=10)
    assert isinstance(found, Broken) and isinstance(found.error, ZeroDivisionError)


def test_a_state_that_cannot_be_read_is_told_until_it_can(tmp_path: Path, posted: Posted) -> None:
    path = tmp_path / "state.db"
    path.write_text("nonsense" * 1000)
    made = Reader(str(path), posted.put)
    made.start()
    try:
        first = posted.get(timeout=10)
        assert isinstance(first, Trouble) and "state.db" in first.text
        path.unlink()
        db.open_state(str(path)).close()
        until(lambda: posted.get(timeout=10).text == "", "it can be read")
    finally:
        made.stop()


def test_a_state_that_another_one_takes_the_place_of(
    reader: Reader, posted: Posted, path: str, tmp_path: Path
) -> None:
    """As when a backup is put back: nobody goes on reading what has gone."""
    db.open_state(str(tmp_path / "backup.db")).close()
    with db.open_for_reading(str(tmp_path / "backup.db")) as backup:
        wanted = backup.uuid
    reader.ask("which", lambda state: state.uuid, print)
    assert posted.get(timeout=10).value != wanted
    os.replace(tmp_path / "backup.db", path)
    assert isinstance(posted.get(timeout=10), Moved)
    reader.ask("which", lambda state: state.uuid, print)
    assert posted.get(timeout=10).value == wanted


def test_a_state_that_goes_away_answers_nothing_until_it_is_back(
    reader: Reader, posted: Posted, path: str, tmp_path: Path
) -> None:
    """It is not taken for an empty one: what is asked meanwhile waits."""
    reader.ask("which", lambda state: state.uuid, print)
    uuid = posted.get(timeout=10).value
    os.rename(path, tmp_path / "aside.db")
    assert isinstance(posted.get(timeout=10), Moved)
    reader.ask("there", lambda state: state.exists, print)
    found = posted.get(timeout=10)
    assert isinstance(found, Trouble) and f"the state at {path} has gone: put it back" in found.text
    reader.ask("which", lambda state: state.uuid, print)
    os.rename(tmp_path / "aside.db", path)
    found = posted.get(timeout=10)
    assert isinstance(found, Trouble) and found.text == ""
    assert [posted.get(timeout=10).value for _ in range(2)] == [True, uuid]


def test_a_state_that_never_was_there_is_an_empty_one(tmp_path: Path, posted: Posted) -> None:
    made = Reader(str(tmp_path / "state.db"), posted.put)
    made.start()
    try:
        assert "there is no state at" in posted.get(timeout=10).text
        made.ask("there", lambda state: state.exists, print)
        assert posted.get(timeout=10).value is False
    finally:
        made.stop()


def test_who_leaves_waits_for_no_lock(path: str, posted: Posted) -> None:
    made = Reader(path, posted.put)
    made.start()
    made.ask("ready", lambda state: state.uuid, print)
    assert isinstance(posted.get(timeout=10), Answer)
    begun, go_on = threading.Event(), threading.Event()

    def held(_: db.State) -> None:
        begun.set()
        go_on.wait(60)

    made.ask("held", held, print)
    assert begun.wait(10)
    made.stop()
    assert made._thread.is_alive()  # it is let go, as it would be with the process
    go_on.set()
    made._thread.join(10)
    assert not made._thread.is_alive()
