"""A state's file: where it may lie, its modes, its versions, what goes wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from typing import Any

import pytest

from xene.errors import Storage
from xene.store import db, files, migrations, views


@pytest.fixture
def path(tmp_path: Any) -> str:
    return str(tmp_path / "deep" / "home" / "state.db")


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_whatever_the_umask(path: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        state = db.open_state(path)
        with state.transaction() as conn:
            conn.execute("INSERT INTO meta VALUES ('a', 'b')")
        assert [mode(path + suffix) for suffix in ("", "-wal", "-shm")] == [0o600] * 3
        assert mode(os.path.dirname(path)) == 0o700
        assert mode(os.path.dirname(os.path.dirname(path))) == 0o700
        state.close()
    finally:
        os.umask(before)


def test_a_directory_that_exists_keeps_its_mode_and_a_wide_file_is_narrowed(tmp_path: Any) -> None:
    os.chmod(tmp_path, 0o755)
    path = str(tmp_path / "state.db")
    db.open_state(path).close()
    os.chmod(path, 0o644)
    db.open_state(path).close()
    assert (mode(str(tmp_path)), mode(path)) == (0o755, 0o600)


def test_a_missing_state_reads_as_empty_and_is_not_made(path: str) -> None:
    with db.open_for_reading(path) as state:
        assert not state.exists
        assert views.runs(state) == views.workflows(state) == views.pipelines(state) == []
        assert views.agents(state) == views.events(state) == []
        with pytest.raises(Storage), state.transaction():
            pass
    assert not os.path.exists(os.path.dirname(path))


def test_an_empty_file_is_a_state_whose_maker_died(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    open(path, "w").close()
    with db.open_for_reading(path) as state:
        assert not state.exists
    with db.open_state(path) as state:
        assert state.exists and state.uuid


def test_it_is_durable_and_keeps_its_uuid(path: str) -> None:
    with db.open_state(path) as state:
        uuid = state.uuid
        assert state.conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert state.conn.execute("PRAGMA synchronous").fetchone() == (2,)
        assert state.conn.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with db.open_state(path) as state:
        assert state.uuid == uuid
        assert state.epoch == 1
        with state.transaction() as conn:
            assert db.raise_epoch(conn, 5.0) == 5
            assert db.raise_epoch(conn, 5.0) == 6
        assert state.epoch == 6


def test_a_reader_cannot_write(path: str) -> None:
    db.open_state(path).close()
    with db.open_for_reading(path) as state, pytest.raises(Storage, match="cannot be written"):
        with state.transaction() as conn:
            conn.execute("DELETE FROM meta")


def test_many_make_it_at_once(path: str) -> None:
    uuids: list[str] = []

    def make() -> None:
        with db.open_state(path) as state:
            uuids.append(state.uuid)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(uuids) == 8 and len(set(uuids)) == 1


def test_what_a_process_writes_that_opened_it_twice_is_seen_by_others(path: str) -> None:
    """Closing a descriptor of the file would drop the locks of the connection that goes on."""
    with db.open_state(path) as state:
        with state.transaction() as conn:
            conn.execute("UPDATE meta SET value = '1' WHERE key = 'placed'")
        with db.open_for_reading(path), db.open_state(path):
            pass
        _look(path)  # another process comes and goes: it is not the last one that has it open
        with state.transaction() as conn:
            conn.execute("UPDATE meta SET value = '2' WHERE key = 'placed'")
        assert _look(path) == "2"
        assert os.path.exists(path + "-wal")


def _look(path: str) -> str:
    """What another process reads."""
    words = "import sys; from xene.store import db; print(db.open_state(sys.argv[1]).meta('placed'))"
    done = subprocess.run([sys.executable, "-c", words, path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_transaction_that_fails_leaves_nothing(path: str) -> None:
    with db.open_state(path) as state:
        with pytest.raises(RuntimeError), state.transaction() as conn:
            conn.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise RuntimeError
        assert state.conn.execute("SELECT 1 FROM meta WHERE key = 'a'").fetchone() is None


def test_a_snapshot_sees_one_moment(path: str) -> None:
    with db.open_state(path) as reader, db.open_state(path) as writer:
        before = reader.data_version()
        with reader.snapshot() as conn:
            assert conn.execute("SELECT count(*) FROM events").fetchone() == (0,)
            with writer.transaction() as other:
                other.execute("INSERT INTO events (at, kind, name, reason) VALUES (1, 'Run', 'r', 'x')")
            assert conn.execute("SELECT count(*) FROM events").fetchone() == (0,)
        assert reader.conn.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert reader.data_version() != before


def test_a_newer_schema_is_refused(path: str) -> None:
    with db.open_state(path) as state:
        state.conn.execute(f"PRAGMA user_version = {migrations.VERSION + 1}")
    with pytest.raises(Storage, match="newer Xene") as caught:
        db.open_state(path)
    assert caught.value.exit_code == 74 and caught.value.hint


@pytest.mark.parametrize("content", [b"hello" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_damage_is_told_with_a_remedy(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(content)
    for opened in (db.open_state, db.open_for_reading):
        with pytest.raises(Storage) as caught:
            opened(path)
        assert path in caught.value.message and caught.value.hint


def test_somebody_elses_database_is_refused(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    with sqlite3.connect(path) as conn:
        conn.execute("CREATE TABLE t (a)")
    conn.close()
    with pytest.raises(Storage, match="not a state of Xene"):
        db.open_state(path)
    with sqlite3.connect(path) as conn:
        assert [row[0] for row in conn.execute("SELECT name FROM sqlite_master")] == ["t"]
    conn.close()


def test_a_locked_state_is_told(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db.open_state(path).close()
    with db.open_state(path) as holder:
        holder.conn.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(db, "BUSY_SECONDS", 0.05)
        with db.open_state(path) as state, pytest.raises(Storage, match="held by") as caught:
            with state.transaction():
                pass
        assert f"process {os.getpid()} (" in caught.value.message and str(os.getpid()) in caught.value.hint
        holder.conn.execute("ROLLBACK")


def test_a_writer_that_cannot_be_named(path: str) -> None:
    db.open_state(path).close()
    assert files.writer(path) is None
    with db.open_state(path) as holder:
        holder.conn.execute("BEGIN IMMEDIATE")
        assert files.writer(path) == os.getpid()
        assert files.writer(path, "/nowhere") is None
        holder.conn.execute("ROLLBACK")
        assert files.writer(path) is None


def test_a_full_disk_is_told(path: str) -> None:
    with db.open_state(path) as state:
        pages = state.conn.execute("PRAGMA page_count").fetchone()[0]
        state.conn.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Storage, match="full"), state.transaction() as conn:
            for number in range(2000):
                conn.execute("INSERT INTO meta VALUES (?, ?)", (f"k{number}", "x" * 1000))


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw - nfs4 nas:/x rw
31 30 8:2 / /mnt/nas/local\\040disk rw - xfs /dev/sdb rw
32 22 0:41 / /home/me/far rw - fuse.sshfs me@far: rw
33 22 0:42 / /mnt/win rw - cifs //win/share rw
34 22 0:43 / /mnt/ntfs rw - fuseblk /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/x", "ext4", False),
        ("/mnt/nas/x/y", "nfs4", True),
        ("/mnt/nasty", "ext4", False),
        ("/mnt/nas/local disk/x", "xfs", False),
        ("/home/me/far/x", "fuse.sshfs", True),
        ("/mnt/win/x", "cifs", True),
        ("/mnt/ntfs/x", "fuseblk", False),
    ],
)
def test_network_file_systems(tmp_path: Any, path: str, kind: str, network: bool) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert files.file_system(path, str(mounts)) == kind
    assert files.is_network(kind) is network


def test_a_network_file_system_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = files.file_system(str(tmp_path))
    monkeypatch.setattr(files, "NETWORK", (kind,))
    with pytest.raises(Storage, match="network file system"):
        db.open_state(str(tmp_path / "new" / "state.db"))
    assert not os.path.exists(tmp_path / "new")


# -- migrations


def add_colour(database: Any) -> None:
    database.conn.execute("ALTER TABLE runs ADD COLUMN colour TEXT")


def test_an_older_state_is_migrated_with_a_copy_beside_it(path: str) -> None:
    db.open_state(path).close()
    conn = sqlite3.connect(path, isolation_level=None)
    migrations.upgrade(conn, path, 1, [("0002-colour", add_colour)])
    migrations.upgrade(conn, path, 1, [("0002-colour", add_colour)])  # a second process came to the same end
    assert "colour" in [row[1] for row in conn.execute("PRAGMA table_info(runs)")]
    assert conn.execute("PRAGMA user_version").fetchone() == (2,)
    conn.close()
    backup = path + ".backup-v1"
    assert mode(backup) == 0o600
    with pytest.raises(Storage, match="newer"):
        db.open_state(path)


def test_a_migration_that_fails_changes_nothing(path: str) -> None:
    db.open_state(path).close()

    def fail(database: Any) -> None:
        add_colour(database)
        database.conn.execute("SELECT * FROM nowhere")

    conn = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(Storage, match="could not") as caught:
        migrations.upgrade(conn, path, 1, [("0002-fail", fail)])
    assert "backup-v1" in caught.value.hint
    assert "colour" not in [row[1] for row in conn.execute("PRAGMA table_info(runs)")]
    assert conn.execute("PRAGMA user_version").fetchone() == (1,)
    conn.close()
    db.open_state(path).close()


def test_every_migration_is_in_the_schema() -> None:
    assert len(migrations.MIGRATIONS) + 1 == migrations.VERSION
