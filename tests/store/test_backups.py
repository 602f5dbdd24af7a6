"""Copies of the state: whole, verified, private, and never in the place of something else."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.store.conftest import Filled, workflow
from xene.errors import Conflict, NotFound, Storage
from xene.store import backups, db, views


@pytest.fixture
def shop(filled: Filled) -> Filled:
    filled.put(workflow("shop"))
    filled.run()
    return filled


def test_a_copy_can_be_opened_and_holds_everything(shop: Filled, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    made = backups.back_up(shop.state, str(path))
    assert (made.uuid, made.runs, made.epoch) == (shop.state.uuid, 1, shop.state.epoch)
    assert path.stat().st_mode & 0o777 == 0o600 and made.bytes == path.stat().st_size
    assert os.listdir(tmp_path) and sorted(os.listdir(tmp_path)) == ["copy.db", "home"]
    with db.open_for_reading(str(path)) as copy:
        assert [row["workflow"] for row in views.runs(copy)] == ["shop"]


def test_it_is_made_while_others_write(shop: Filled, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with db.open_state(shop.state.path) as state:
            number = 0
            while not stop.is_set():
                number += 1
                with state.transaction() as conn:
                    conn.execute(
                        "INSERT INTO events (at, kind, name, reason) VALUES (?, 'A', 'a', 'x')", (number,)
                    )
                    conn.execute(
                        "INSERT INTO events (at, kind, name, reason) VALUES (?, 'A', 'a', 'y')", (number,)
                    )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            path = str(tmp_path / f"{number}.db")
            backups.back_up(shop.state, path)
            with sqlite3.connect(path) as copy:  # one moment: never the half of a transaction
                counts = [row[0] for row in copy.execute("SELECT count(*) FROM events GROUP BY reason")]
                assert len(set(counts)) <= 1
            copy.close()
    finally:
        stop.set()
        writer.join()


def test_it_replaces_nothing_unless_told(shop: Filled, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    path.write_text("something else")
    with pytest.raises(Conflict, match="exists already"):
        backups.back_up(shop.state, str(path))
    assert path.read_text() == "something else"
    backups.back_up(shop.state, str(path), force=True)
    assert path.read_bytes().startswith(b"SQLite format 3")
    link = tmp_path / "dangling"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Conflict):
        backups.back_up(shop.state, str(link))


@pytest.mark.parametrize("end", ["", "-wal", "-shm", ".lock"])
def test_never_the_state_itself(shop: Filled, end: str) -> None:
    with pytest.raises(Conflict, match="belongs to the state"):
        backups.back_up(shop.state, shop.state.path + end, force=True)
    assert views.runs(shop.state)


def test_a_file_that_comes_meanwhile_is_not_replaced(
    shop: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "copy.db"
    real = backups.verify

    def slow(part: str, uuid: str) -> Any:
        path.write_text("it came meanwhile")
        return real(part, uuid)

    monkeypatch.setattr(backups, "verify", slow)
    with pytest.raises(Conflict):
        backups.back_up(shop.state, str(path))
    assert path.read_text() == "it came meanwhile"
    assert sorted(os.listdir(tmp_path)) == ["copy.db", "home"]


def damage(part: str) -> None:
    with open(part, "r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 20))


def other(part: str) -> None:
    conn = sqlite3.connect(part)
    conn.execute("UPDATE meta SET value = 'x' WHERE key = 'uuid'")
    conn.commit()
    conn.close()


def no_state(part: str) -> None:
    conn = sqlite3.connect(part)
    conn.execute("PRAGMA application_id = 7")
    conn.close()


def orphan(part: str) -> None:
    conn = sqlite3.connect(part)
    conn.execute("UPDATE runs SET fire = 'nowhere'")
    conn.commit()
    conn.close()


@pytest.mark.parametrize("breaks", [damage, other, no_state, orphan])
def test_a_copy_that_is_not_good_is_dropped(
    shop: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: Any
) -> None:
    real = backups._copy

    def copy(state: db.State, part: str) -> None:
        real(state, part)
        breaks(part)

    monkeypatch.setattr(backups, "_copy", copy)
    with pytest.raises(Storage):
        backups.back_up(shop.state, str(tmp_path / "copy.db"))
    assert os.listdir(tmp_path) == ["home"]


def test_no_state_and_no_directory(tmp_path: Path, shop: Filled) -> None:
    with (
        db.open_for_reading(str(tmp_path / "none.db")) as empty,
        pytest.raises(NotFound, match="there is no state"),
    ):
        backups.back_up(empty, str(tmp_path / "copy.db"))
    with pytest.raises(Storage, match="cannot be opened"):
        backups.back_up(shop.state, str(tmp_path / "no" / "copy.db"))
    with pytest.raises(Conflict, match="is a directory"):
        backups.back_up(shop.state, str(tmp_path))
