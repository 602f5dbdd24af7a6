"""History on the control host: rows, archived logs and artifacts go together, whatever dies in between."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import fire, pruning, reconcile
from xene.control.archive import zip_path
from xene.errors import NotFound
from xene.store import history
from xene.store.db import State

DATA = b"artifact" * 100


@pytest.fixture
def shop(host: Host) -> Host:
    """`flow/build` keeps two runs, each with a log and an artifact; `flow/use` follows it and keeps nine."""
    needs = [{"pipeline": "build", "artifacts": ["it"]}]
    pipelines = {
        "build": pipeline("make", history={"keep": 2}, placement={"agent": "a"}),
        "use": pipeline("use", needs=needs, history={"keep": 9}, placement={"agent": "a"}),
    }
    host.apply(workflow("flow", pipelines), agent("a"))
    host.fleet["a"].artifacts = {"one": {"it": DATA}}
    return host


def settled(host: Host, count: int, target: str = "flow/build") -> list[str]:
    """So many ended runs with which control is done, oldest first."""
    runs = []
    for _ in range(count):
        found = host.fire(target).runs
        host.ended(*found)
        runs += found
    eventually(lambda: is_settled(host), "all runs are settled")
    return runs


def is_settled(host: Host) -> bool:
    reconcile.reconcile(host.place, open=host.open)
    with host.state() as state:
        return not state.conn.execute("SELECT 1 FROM runs WHERE settled = 0").fetchone()


def files(host: Host) -> set[str]:
    """Names of runs of which there is any file."""
    with host.state() as state:
        folders = [host.place.logs(state.uuid), host.place.artifacts(state.uuid)]
    return {name.split(".")[0] for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)}


def rows(host: Host) -> dict[str, str]:
    """The log of each run, by its id."""
    with host.state() as state:
        return dict(state.conn.execute("SELECT id, log FROM runs"))


def prune(host: Host, most: int = pruning.LOT, now: float | None = None) -> pruning.Pruned:
    with host.state() as state:
        return pruning.prune(host.place, state, time.time() if now is None else now, most)


def test_the_oldest_go_with_all_that_is_theirs(shop: Host) -> None:
    runs = settled(shop, 5)
    assert files(shop) == set(runs)
    assert prune(shop) == (3, 0, False)
    assert set(rows(shop)) == files(shop) == set(runs[3:])
    with shop.state() as state:
        for table in ("tasks", "steps", "task_attempts", "artifacts"):
            assert {row[0] for row in state.conn.execute(f"SELECT DISTINCT run FROM {table}")} <= {
                row[0] for row in state.conn.execute("SELECT seq FROM runs")
            }
        assert state.conn.execute("SELECT count(*) FROM fires").fetchone() == (2,)
        assert not state.conn.execute("PRAGMA foreign_key_check").fetchall()
    with pytest.raises(NotFound):
        shop.run(runs[0])
    assert prune(shop) == (0, 0, False)


def test_a_lot_is_bounded_and_the_next_look_goes_on(shop: Host) -> None:
    runs = settled(shop, 5)
    with shop.state() as state, state.transaction() as conn:
        history.looked(conn, 0.0)
    assert prune(shop, most=2) == (2, 0, True)
    with shop.state() as state:
        assert pruning.is_due(state, time.time())
    assert prune(shop, most=2) == (1, 0, False)
    assert set(rows(shop)) == set(runs[3:])
    with shop.state() as state:
        assert not pruning.is_due(state, time.time())
        assert pruning.is_due(state, time.time() + pruning.PAUSE)
        assert pruning.is_due(state, time.time() - 5)  # the clock was set back


def test_whoever_is_at_work_prunes(shop: Host) -> None:
    runs = settled(shop, 4)
    with shop.state() as state, state.transaction() as conn:
        history.looked(conn, 0.0)
    reconcile.reconcile(shop.place, open=shop.open)
    assert set(rows(shop)) == set(runs[2:])


def test_age_counts_from_the_end_and_the_newest_stays(shop: Host) -> None:
    pipelines = {"build": pipeline("make", history={"maxAge": "30d"}, placement={"agent": "a"})}
    shop.apply(workflow("flow", pipelines), agent("a"))
    runs = settled(shop, 3)
    ended = 1007.0  # what scripted agents say
    assert prune(shop, now=ended + 30 * 86400 - 1).runs == 0
    assert prune(shop, now=ended + 30 * 86400 + 1).runs == 2
    assert set(rows(shop)) == {runs[-1]}


def test_a_pipeline_that_is_gone_keeps_what_the_default_says(
    shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = settled(shop, 3)
    shop.apply(workflow("other"), agent("a"), allow_empty=True)
    assert prune(shop).runs == 0
    monkeypatch.setattr("xene.plan.retention.DEFAULT", pruning.retention.History(keep=1))
    assert prune(shop).runs == 2
    assert set(rows(shop)) == {runs[-1]}


def test_runs_that_are_not_done_stay(shop: Host) -> None:
    shop.fleet["a"].deaf = {"release"}
    runs = [shop.fire("flow/build").runs[0] for _ in range(3)]
    shop.ended(*runs)
    assert prune(shop).runs == 0  # archived, but its agent has not let go of any
    assert set(rows(shop)) == set(runs)


def test_an_open_run_keeps_the_one_whose_artifacts_it_gets(shop: Host) -> None:
    source, *_ = settled(shop, 1)
    shop.fleet["a"].play = "wait"
    (user,) = fire.fire(shop.place, "flow/use", {}, artifacts_from=source, open=shop.open).runs
    shop.fleet["a"].play = "finish"
    later = settled_beside(shop, 4)
    assert prune(shop).runs == 2
    assert set(rows(shop)) == {source, user, *later[2:]}
    shop.fleet["a"].end(user, "Success")
    shop.ended(user)
    assert prune(shop).runs == 1
    assert source not in rows(shop)


def settled_beside(host: Host, count: int) -> list[str]:
    """As `settled`, while another run goes on."""
    runs = []
    for _ in range(count):
        found = host.fire("flow/build").runs
        host.ended(*found)
        runs += found

    def all_settled() -> bool:
        reconcile.reconcile(host.place, open=host.open)
        with host.state() as state:
            return not state.conn.execute("SELECT 1 FROM runs WHERE settled = 0 AND ended = 1").fetchone()

    eventually(all_settled, "what ended is settled")
    return runs


def test_a_fire_in_which_something_may_follow_keeps_its_runs(shop: Host) -> None:
    with shop.state() as state:
        runs = settled(shop, 3)
        with state.transaction() as conn:
            fired = conn.execute("SELECT fire FROM runs WHERE id = ?", (runs[0],)).fetchone()[0]
            (revision,) = conn.execute("SELECT revision FROM pipelines WHERE name = 'use'").fetchone()
            conn.execute(
                "INSERT INTO followers (fire, workflow, pipeline, position, revision, needs, params)"
                " VALUES (?, 'flow', 'use', 0, ?, '[]', '{}')",
                (fired, revision),
            )
    assert prune(shop).runs == 0
    with shop.state() as state, state.transaction() as conn:
        conn.execute("UPDATE followers SET outcome = 'started'")
    assert prune(shop).runs == 1
    with shop.state() as state:
        assert not state.conn.execute("SELECT 1 FROM followers").fetchone()


def test_what_was_skipped_beside_a_run_that_is_gone_is_not_looked_at_again(shop: Host) -> None:
    """A retry of another run of the fire must not make it wait for an end that nobody knows any more."""
    runs = settled(shop, 3)
    with shop.state() as state, state.transaction() as conn:
        first = conn.execute("SELECT fire FROM runs WHERE id = ?", (runs[0],)).fetchone()[0]
        conn.execute("UPDATE runs SET fire = ? WHERE id = ?", (first, runs[2]))
        conn.execute(
            "INSERT INTO followers (fire, workflow, pipeline, position, revision, needs, params, outcome)"
            " SELECT ?, 'flow', 'use', 0, revision, '[]', '{}', 'skipped' FROM pipelines WHERE name = 'use'",
            (first,),
        )
    assert prune(shop).runs == 1
    from xene.store import fires

    with shop.state() as state, state.transaction() as conn:
        fires.reopen(conn, first)
        assert not fires.is_open(conn, first)
        assert [each.outcome for each in fires.members(conn, first)] == [None, "skipped"]


class Died(Exception):
    pass


@pytest.mark.parametrize("point", ["remove_files", "half of remove_files", "remove"])
def test_wherever_it_dies_no_row_claims_a_log_that_is_gone(
    shop: Host, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = settled(shop, 4)

    def dies(*_: Any) -> None:
        raise Died

    def half(place: Any, uuid: str, ids: list[str]) -> None:
        real(place, uuid, ids[:1])
        raise Died

    real = pruning.remove_files
    if point == "half of remove_files":
        monkeypatch.setattr(pruning, "remove_files", half)
    elif point == "remove_files":
        monkeypatch.setattr(pruning, "remove_files", dies)
    else:
        monkeypatch.setattr(history, point, dies)
    with pytest.raises(Died):
        prune(shop)
    monkeypatch.undo()
    there = files(shop)
    found = rows(shop)
    assert set(found) == set(runs) >= there  # no file without a row
    assert all(log == "gone" or run in there for run, log in found.items())
    assert shop.run(runs[0])["log"] == "gone"
    assert prune(shop).runs == 2
    assert set(rows(shop)) == files(shop) == set(runs[2:])


def test_the_agent_is_told_to_let_go_only_of_what_is_archived(shop: Host) -> None:
    """Its log is whole on the control host, and said to be, before the word leaves."""
    seen: list[tuple[str, bool, str]] = []
    host = shop.fleet["a"]
    real = host._release

    def released(sock: Any, message: dict[str, Any]) -> None:
        with sqlite3.connect(shop.place.state) as conn:
            (uuid,) = conn.execute("SELECT value FROM meta WHERE key = 'uuid'").fetchone()
            for run in message["runs"]:
                (log,) = conn.execute("SELECT log FROM runs WHERE id = ? AND archived", (run,)).fetchone()
                seen.append((run, Path(zip_path(shop.place.logs(uuid), run)).exists(), log))
        real(sock, message)

    host._release = released  # type: ignore[method-assign]
    runs = settled(shop, 3)
    assert sorted(seen) == [(run, True, "complete") for run in sorted(runs)]


def slots(state: State) -> list[float]:
    return [row[0] for row in state.conn.execute("SELECT at FROM slots ORDER BY at")]


def test_slots_go_after_400_days_and_nothing_below_them_ever_fires(shop: Host) -> None:
    now, day = 2_000_000_000.0, 86400.0
    ages = [500, 401, 399, 1]
    with shop.state() as state:
        with state.transaction() as conn:
            conn.execute("INSERT INTO triggers (workflow, pipeline, name, since) VALUES ('w', 'p', 't', 0)")
            conn.executemany(
                "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, recorded_at)"
                " VALUES ('w', 'p', 't', ?, 'missed', 0)",
                [(now - age * day,) for age in ages],
            )
        assert pruning.prune(shop.place, state, now).slots == 2
        assert slots(state) == [now - 399 * day, now - day]
        (watermark,) = state.conn.execute("SELECT watermark FROM triggers").fetchone()
        assert watermark == now - 401 * day


def test_the_fire_of_a_slot_stays_as_long_as_the_slot(shop: Host) -> None:
    """An agent that was away may report another run of it: what follows must not be decided twice."""
    runs = settled(shop, 3)
    now = time.time()
    with shop.state() as state:
        with state.transaction() as conn:
            fire_id = conn.execute("SELECT fire FROM runs WHERE id = ?", (runs[0],)).fetchone()[0]
            conn.execute("UPDATE fires SET slot = ? WHERE id = ?", (now, fire_id))
            conn.execute(
                "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, recorded_at)"
                " VALUES ('flow', 'build', 't', ?, 'fired', 0)",
                (now,),
            )
        assert pruning.prune(shop.place, state, now).runs == 1
        assert state.conn.execute("SELECT 1 FROM fires WHERE id = ?", (fire_id,)).fetchone()
        assert pruning.prune(shop.place, state, now + pruning.retention.SLOT_AGE + 1).slots == 1
        assert not state.conn.execute("SELECT 1 FROM fires WHERE id = ?", (fire_id,)).fetchone()
        assert state.conn.execute("SELECT count(*) FROM fires").fetchone() == (2,)
