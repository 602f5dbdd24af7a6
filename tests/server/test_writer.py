"""The writer: many acts in one commit, each for itself; what was answered is on disk, what was refused is not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator

import pytest

from xene.errors import Conflict, Storage
from xene.server import jobs, writer
from xene.server.refusals import Busy
from xene.server.writer import Writer
from xene.store import db, events, views

Test = Callable[[Writer], Awaitable[Any]]


class Desk:
    """A writer on a real state."""

    def __init__(self, path: str) -> None:
        self.path, self.nudges = path, 0
        db.open_state(path).close()

    def nudge(self) -> None:
        self.nudges += 1

    def run(self, test: Test) -> Any:
        """Do `test` on a loop, with a writer at work."""

        async def whole() -> Any:
            at_work = Writer(self.path, self.nudge)
            at_work.start()
            try:
                return await test(at_work)
            finally:
                await asyncio.to_thread(at_work.stop)

        return asyncio.run(whole())

    def notes(self) -> list[str]:
        with db.open_for_reading(self.path) as state:
            return [row["name"] for row in reversed(views.events(state, limit=None))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield Desk(str(tmp_path / "home" / "state.db"))


def note(name: str) -> Callable[[sqlite3.Connection, float], str]:
    """An act that leaves an event of that name."""

    def act(conn: sqlite3.Connection, now: float) -> str:
        events.note(conn, now, "Run", name, "Tested")
        return name

    return act


def refused(name: str) -> Callable[[sqlite3.Connection, float], str]:
    """An act that writes, and then is refused."""

    def act(conn: sqlite3.Connection, now: float) -> str:
        events.note(conn, now, "Run", name, "Tested")
        raise Conflict(f"{name} is refused")

    return act


async def together(at_work: Writer, *acts: Callable[[sqlite3.Connection, float], str]) -> list[Any]:
    """Submit all of them while the writer is held up, so that they are one group."""
    held, free = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection, __: float) -> None:
        held.set()
        assert free.wait(20)

    first = asyncio.ensure_future(at_work.submit(hold))
    await asyncio.to_thread(held.wait)
    rest = [asyncio.ensure_future(at_work.submit(act)) for act in acts]
    await asyncio.sleep(0)
    free.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def test_one_commit_for_all_who_wait(desk: Desk) -> None:
    names = [f"n{number}" for number in range(50)]
    assert desk.run(lambda at_work: together(at_work, *map(note, names))) == names
    assert desk.notes() == names
    assert desk.nudges == 1, "one commit, one nudge; the act that wrote nothing has none"


def test_one_that_is_refused_harms_no_other(desk: Desk) -> None:
    found = desk.run(lambda at_work: together(at_work, note("a"), refused("b"), note("c")))
    assert found[0] == "a" and found[2] == "c"
    assert isinstance(found[1], Conflict)
    assert desk.notes() == ["a", "c"]


def test_a_bug_of_one_is_its_own(desk: Desk) -> None:
    found = desk.run(
        lambda at_work: together(at_work, note("a"), lambda conn, _: str(conn.execute("nonsense")))
    )
    assert found[0] == "a" and isinstance(found[1], Exception)
    assert desk.notes() == ["a"]


def test_a_state_that_is_held_by_another_is_503_and_nothing_is_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.05)

    async def test(at_work: Writer) -> None:
        other = sqlite3.connect(desk.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Storage, match=r"more than 0\.05 s"):
                await at_work.submit(note("a"))
            other.execute("ROLLBACK")
        finally:
            other.close()
        assert await at_work.submit(note("b")) == "b", "it goes on when the state is free"

    desk.run(test)
    assert desk.notes() == ["b"]


def test_a_full_disk_is_503_and_nothing_is_stored(desk: Desk) -> None:
    def large(conn: sqlite3.Connection, now: float) -> str:
        pages = conn.execute("PRAGMA page_count").fetchone()[0]
        conn.execute(f"PRAGMA max_page_count = {pages + 2}")
        for number in range(100):
            events.note(conn, now, "Run", f"large{number}", "Tested", "x" * 2000)
        return "stored"

    async def test(at_work: Writer) -> list[Any]:
        found = await together(at_work, note("a"), large, note("b"))
        assert await at_work.submit(note("c")) == "c", "it goes on when there is room again"
        return found

    found = desk.run(test)
    assert isinstance(found[1], Storage) and "full" in found[1].message
    told = [name for name in ("a", "b") if name in found]
    assert desk.notes() == [*told, "c"], "what was answered is there, and nothing else"


def test_what_was_replaced_under_it_is_not_written_to(desk: Desk) -> None:
    """A state that was restored: nobody is told that something is stored which is not there."""

    async def test(at_work: Writer) -> None:
        assert await at_work.submit(note("a")) == "a"
        home = os.path.dirname(desk.path)
        os.rename(home, home + ".old")
        with pytest.raises(Storage, match="removed or replaced"):
            await at_work.submit(note("b"))
        db.open_state(desk.path).close()
        assert await at_work.submit(note("c")) == "c"

    desk.run(test)
    assert desk.notes() == ["c"]


def test_who_hangs_up_has_it_stored_all_the_same(desk: Desk) -> None:
    async def test(at_work: Writer) -> None:
        asked = asyncio.ensure_future(at_work.submit(note("a")))
        await asyncio.sleep(0)
        asked.cancel()
        assert await at_work.submit(note("b")) == "b"

    desk.run(test)
    assert desk.notes() == ["a", "b"]


def test_what_waits_is_stored_before_it_ends(desk: Desk) -> None:
    async def test(at_work: Writer) -> list[str]:
        asked = [asyncio.ensure_future(at_work.submit(note(f"n{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(at_work.stop)
        return list(await asyncio.gather(*asked))

    async def whole() -> list[str]:
        at_work = Writer(desk.path, desk.nudge)
        at_work.start()
        return await test(at_work)

    assert asyncio.run(whole()) == desk.notes()


def test_more_than_can_wait_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING", 3)
    found = desk.run(lambda at_work: together(at_work, *(note(f"n{number}") for number in range(6))))
    assert found[:3] == ["n0", "n1", "n2"]
    assert all(isinstance(each, Busy) and each.status == 503 for each in found[3:])
    assert desk.notes() == ["n0", "n1", "n2"]


def test_an_end_in_the_middle_of_a_group_is_not_lost() -> None:
    async def test() -> None:
        waiting: jobs.Waiting[Any] = jobs.Waiting(10)
        waiting.put(print)
        waiting.end()
        assert len(waiting.take(5)) == 1
        assert waiting.take(5) == []

    asyncio.run(test())
