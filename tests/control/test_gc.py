"""What `xene gc` frees on the control host and asks of agents; with --dry-run it changes nothing at all."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import Host, agent, pipeline, workflow
from tests.control.test_pruning import files, rows, settled
from xene.control import gc, logs, sweeping
from xene.control.archive import LOST, zip_path
from xene.errors import Unreachable
from xene.store import history

NOW = time.time()
OLD = "20260101-000000-abcdefgh"


@pytest.fixture
def shop(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pipelines = {"build": pipeline("make", history={"keep": 2}, placement={"agent": "a"})}
    host.apply(workflow("flow", pipelines), agent("a"), agent("b"))
    host.fleet["a"].artifacts = {"one": {"it": b"artifact" * 1000}}
    return host


def free(host: Host, *, dry: bool = False) -> dict[str, tuple[int, int]]:
    with host.state() as state:
        return {each.what: (each.things, each.bytes) for each in gc.free(host.place, state, NOW, dry=dry)}


def sweep(host: Host, *, dry: bool = False) -> dict[str, sweeping.Swept]:
    with host.state() as state:
        return {each.agent: each for each in sweeping.sweep(host.place, state, dry=dry, open=host.open)}


def snapshot(host: Host) -> dict[str, Any]:
    """Every file below the home, and every row."""
    root = Path(host.place.home)
    with host.state() as state:
        dump = "\n".join(state.conn.iterdump())
    return {
        "rows": dump,
        "files": sorted(str(path) for path in root.rglob("*") if path.name[:8] != "state.db"),
    }


def old_file(path: Path, seconds: float, size: int = 5000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - seconds, NOW - seconds))
    return path


def test_nothing_is_freed_where_there_is_nothing(shop: Host) -> None:
    assert free(shop, dry=True) == free(shop) == {}


def test_history_goes_whole(shop: Host) -> None:
    runs = settled(shop, 5)
    before = snapshot(shop)
    would = free(shop, dry=True)
    assert snapshot(shop) == before
    assert would["runs past their history"][0] == 3 and would["runs past their history"][1] > 8000
    assert free(shop) == would
    assert set(rows(shop)) == files(shop) == set(runs[3:])
    assert free(shop) == {}


def test_files_without_a_row_go_once_nobody_can_hear_of_their_run(shop: Host) -> None:
    (run,) = settled(shop, 1)
    with shop.state() as state:
        folder, artifacts = Path(shop.place.logs(state.uuid)), Path(shop.place.artifacts(state.uuid))
    gone = [
        old_file(folder / f"{OLD}.zip", gc.IDLE + 60),
        old_file(folder / f"{OLD}.zip.tmp", gc.IDLE + 60),
        old_file(artifacts / OLD / "x.tar", gc.IDLE + 60),
        old_file(folder / "what-is-this", gc.IDLE + 60),
    ]
    os.utime(artifacts / OLD, (NOW - gc.IDLE - 60,) * 2)
    stays = [
        old_file(folder / "20260101-000000-bbbbbbbb.zip", gc.IDLE - 60),
        old_file(folder.parent / "5f0c1f0e-0000-4000-8000-00000000000f" / f"{OLD}.zip", gc.IDLE + 60),
    ]
    os.utime(zip_path(str(folder), run), (0, 0))
    before = snapshot(shop)
    would = free(shop, dry=True)
    assert snapshot(shop) == before
    assert {what: count for what, (count, _) in would.items()} == {
        "logs of runs that are not in the state": 3,
        "artifacts of runs that are not in the state": 1,
    }
    assert free(shop) == would
    assert not any(path.exists() for path in gone) and all(path.exists() for path in stays)
    assert files(shop) == {run, "20260101-000000-bbbbbbbb"}


def test_a_log_that_somebody_removed_is_said_to_be_gone(shop: Host) -> None:
    runs = settled(shop, 2)
    with shop.state() as state:
        os.unlink(zip_path(shop.place.logs(state.uuid), runs[0]))
    assert rows(shop)[runs[0]] == "complete"
    found = logs.read(shop.place, runs[0], lambda *_: None, open=shop.open)
    assert (found.state, found.message) == ("gone", LOST)  # whoever asks is told the truth at once
    assert free(shop, dry=True) == {"logs found to be gone": (1, 0)}
    assert rows(shop)[runs[0]] == "complete"
    assert free(shop) == {"logs found to be gone": (1, 0)}
    assert rows(shop) == {runs[0]: "gone", runs[1]: "complete"}
    said: list[bytes] = []
    found = logs.read(shop.place, runs[0], lambda _, data: said.append(data), open=shop.open)
    assert (found.state, found.message, said) == ("gone", LOST, [])


def test_specs_that_nothing_refers_to(shop: Host) -> None:
    changed = {"build": pipeline("make more", history={"keep": 2}, placement={"agent": "a"})}
    shop.apply(workflow("flow", changed), agent("a"), agent("b"))
    assert free(shop, dry=True)["specs that nothing refers to"][0] == 1
    assert free(shop)["specs that nothing refers to"][0] == 1
    with shop.state() as state:
        assert state.conn.execute("SELECT count(*) FROM revisions").fetchone() == (1,)
        assert not state.conn.execute("PRAGMA foreign_key_check").fetchall()
    assert shop.ended(*shop.fire("flow").runs)[0]["phase"] == "Success"


@pytest.mark.parametrize("observed", [None, "0123456789ab", "0123456789ab.cdef"])
def test_specs_stay_while_an_agent_may_know_an_older_one(shop: Host, observed: str | None) -> None:
    changed = {"build": pipeline("make more", placement={"agent": "a"})}
    shop.apply(workflow("flow", changed), agent("a"), agent("b"))
    with shop.state() as state, state.transaction() as conn:
        conn.execute("UPDATE holdings SET observed_revision = ?", (observed,))
    assert free(shop) == {}


def test_crash_reports_and_bundles(shop: Host, tmp_path: Path) -> None:
    from xene.transport import bundle

    current = bundle.build()
    os.utime(current.path, (0, 0))
    gone = [
        old_file(Path(shop.place.home) / "crashes" / "crash-1.txt", gc.REPORTS + 60),
        old_file(tmp_path / "cache" / "xene" / f"{'a' * 64}.pyz", gc.IDLE + 60),
    ]
    stays = [
        old_file(Path(shop.place.home) / "crashes" / "crash-2.txt", gc.REPORTS - 60),
        old_file(tmp_path / "cache" / "xene" / f"{'b' * 64}.pyz", 60),
        Path(current.path),
    ]
    would = free(shop, dry=True)
    assert would["crash reports"][0] == would["agent code of other versions"][0] == 1
    assert all(path.exists() for path in gone)
    assert free(shop) == would
    assert not any(path.exists() for path in gone) and all(path.exists() for path in stays)


def test_old_slots_all_of_them(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xene.control.pruning.SLOTS", 3)
    with shop.state() as state, state.transaction() as conn:
        conn.executemany(
            "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, recorded_at)"
            " VALUES ('w', 'p', 't', ?, 'missed', 0)",
            [(float(number),) for number in range(10)] + [(NOW,)],
        )
    assert free(shop, dry=True) == {"slots of 400 days ago and earlier": (10, 0)}
    assert free(shop) == {"slots of 400 days ago and earlier": (10, 0)}
    with shop.state() as state:
        assert state.conn.execute("SELECT count(*) FROM slots").fetchone() == (1,)


def test_free_pages(shop: Host) -> None:
    with shop.state() as state:
        with state.transaction() as conn:
            conn.execute("CREATE TABLE ballast (text TEXT)")
            conn.executemany("INSERT INTO ballast VALUES (?)", [("x" * 1000,) for _ in range(6000)])
        with state.transaction() as conn:
            conn.execute("DROP TABLE ballast")
    size = os.path.getsize(shop.place.state)
    assert free(shop, dry=True)["free pages of the state"][1] > gc.PAGES
    assert free(shop)["free pages of the state"][1] > gc.PAGES
    assert os.path.getsize(shop.place.state) < size - gc.PAGES
    assert free(shop) == {}


def test_the_log_of_the_state_is_taken_into_it(shop: Host) -> None:
    with shop.state() as other:  # somebody has it open, so that the log is not removed at the end
        other.data_version()
        with shop.state() as state, state.transaction() as conn:
            conn.execute("INSERT INTO events (at, kind, name, reason) VALUES (1, 'Agent', 'a', 'X')")
        assert os.path.getsize(shop.place.state + "-wal") > 0
        free(shop, dry=True)
        assert os.path.getsize(shop.place.state + "-wal") > 0
        free(shop)
        assert os.path.getsize(shop.place.state + "-wal") == 0


def test_agents_are_asked_and_those_that_are_away_are_named(shop: Host) -> None:
    what = {"what": "agent code of other versions", "count": 2, "bytes": 4096}
    shop.fleet["a"].leftovers = [what]
    shop.fleet["b"].trouble = Unreachable("no route", code="HostUnreachable")
    found = sweep(shop)
    assert (found["a"].what, found["a"].bytes, found["a"].error) == ([what], 4096, None)
    assert found["b"].what == [] and "no route" in str(found["b"].error)
    asked = [message for message in shop.fleet["a"].heard if message["type"] == "sweep"]
    assert [message["dry"] for message in asked] == [True, False]
    assert asked[0]["agents"] == ["a", "b"]  # homes of others may go


def test_a_dry_run_asks_nothing_but_what_there_is(shop: Host) -> None:
    before = snapshot(shop)
    sweep(shop, dry=True)
    assert snapshot(shop) == before
    heard = [message for message in shop.fleet["a"].heard if message["type"] == "sweep"]
    assert heard and all(message["dry"] for message in heard)


def test_an_agent_that_was_never_in_touch_is_left_alone(shop: Host) -> None:
    with shop.state() as state, state.transaction() as conn:
        conn.execute("UPDATE agents SET journal = NULL WHERE name = 'b'")
    assert set(sweep(shop)) == {"a"}


def never_heard_of(shop: Host) -> str:
    """A run that its agent has, and that the state does not know."""
    shop.fleet["a"].deaf = {"release"}
    (run,) = shop.fire("flow").runs
    shop.ended(run)
    with shop.state() as state, state.transaction() as conn:
        conn.execute("UPDATE runs SET settled = 1, archived = 1, log = 'gone'")
        assert history.remove(conn, [run]) == 1
    return run


def test_runs_that_the_state_never_heard_of_are_freed(shop: Host) -> None:
    run = never_heard_of(shop)
    assert sweep(shop, dry=True)["a"].bytes == 1000
    assert run in shop.fleet["a"].orders
    assert sweep(shop)["a"].bytes == 1000
    assert run not in shop.fleet["a"].orders


@pytest.mark.parametrize(
    "lag", ["UPDATE agents SET cursor = cursor - 1", "UPDATE agents SET journal = 'older'"]
)
def test_but_not_before_all_that_the_agent_has_to_say_is_stored(shop: Host, lag: str) -> None:
    run = never_heard_of(shop)
    with shop.state() as state, state.transaction() as conn:
        conn.execute(lag)
    assert sweep(shop)["a"].bytes == 0
    assert run in shop.fleet["a"].orders


def test_runs_that_are_known_are_never_asked_to_be_forgotten(shop: Host) -> None:
    shop.fleet["a"].deaf = {"release"}
    (run,) = shop.fire("flow").runs
    shop.ended(run)
    sweep(shop)
    assert run in shop.fleet["a"].orders


@pytest.mark.parametrize(
    "what",
    [
        7,
        [7],
        [{"what": "x"}],
        [{"what": "x", "count": -1, "bytes": 1}],
        [{"what": 1, "count": 1, "bytes": 1e9}],
    ],
)
def test_what_makes_no_sense_is_not_believed(what: Any) -> None:
    assert sweeping._believed(what) == []
