"""A state that was copied aside, used, and restored: it does not know what its later self did. The agents do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.control.conftest import Host, agent, workflow
from xene.control import fire, reconcile
from xene.model import events as ev
from xene.store import agents, db, runs


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(workflow("shop"), agent("a"))
    return host


def stored_only(host: Host) -> str:
    """A run that stands in the state and was not sent."""
    (run,) = fire.fire(host.place, "shop", {}, hand_over=False, open=host.open).runs
    return run


def copy_aside(host: Host) -> str:
    copy = host.place.state + ".copy"
    with closing(sqlite3.connect(host.place.state)) as here, closing(sqlite3.connect(copy)) as there:
        here.backup(there)
    return copy


def restore(host: Host, copy: str) -> None:
    for end in ("-wal", "-shm"):
        if os.path.exists(host.place.state + end):
            os.unlink(host.place.state + end)
    os.replace(copy, host.place.state)


def finish(host: Host, run: str) -> None:
    """To its end, and until nothing of it is left on the agent."""
    (row,) = host.ended(run)
    assert (row["phase"], row["log"]) == ("Success", "complete")
    reconcile.reconcile(host.place, open=host.open)
    assert run not in host.fleet["a"].orders


def compact(host: Host) -> None:
    """What the agent's journal keeps of runs that were released."""
    kept = host.fleet["a"].events
    for event in kept:
        if "run" in event and event["type"] != "run.released":
            n = event["n"]
            event.clear()
            event.update(n=n, type="nothing")


def starts(host: Host) -> list[str]:
    heard = host.fleet["a"].heard
    return [message["order"]["id"] for message in heard if message["type"] == "start"]


def settled(host: Host) -> bool:
    with host.state() as state:
        return runs.unsettled(state.conn) == []


@pytest.mark.parametrize("when", ["before it was sent", "while it ran"])
@pytest.mark.parametrize("compacted", [False, True])
def test_what_ran_after_the_copy_is_not_run_again(shop: Host, when: str, compacted: bool) -> None:
    shop.fleet["a"].play = "wait"
    run = stored_only(shop)
    copy = copy_aside(shop)
    reconcile.reconcile(shop.place, open=shop.open)
    if when == "while it ran":
        copy = copy_aside(shop)
    shop.fleet["a"].do(run)
    finish(shop, run)
    if compacted:
        compact(shop)

    restore(shop, copy)
    before = shop.run(run)["phase"]
    assert before == ("Queued" if when == "before it was sent" else "StartingUp")
    reconcile.reconcile(shop.place, open=shop.open)

    row = shop.run(run)
    assert starts(shop) == [run], "it was started twice"
    assert (row["phase"], row["reason"]) == (("Error", "StateRestored") if compacted else ("Success", None))
    assert row["log"] == "complete"  # it had been archived, and the archive says so itself
    assert settled(shop)
    assert all(each["phase"] != "Running" for each in row["tasks"].values())


def test_a_restored_state_goes_on(shop: Host) -> None:
    copy = copy_aside(shop)
    gone = shop.ended(*shop.fire("shop").runs)[0]["id"]
    restore(shop, copy)
    (row,) = shop.ended(*shop.fire("shop").runs)
    assert row["phase"] == "Success" and starts(shop) == [gone, row["id"]]
    with shop.state() as state:
        found = agents.read(state.conn, "a")
        assert found is not None and found.cursor >= len(shop.fleet["a"].events) - 1


def test_an_older_epoch_is_told_and_taken_over_again(shop: Host) -> None:
    copy = copy_aside(shop)
    reconcile.reconcile(shop.place, take_over=True, open=shop.open)
    restore(shop, copy)
    made = reconcile.reconcile(shop.place, open=shop.open)
    assert "reconcile --take-over" in made.trouble["a"]
    row = shop.agents()["a"]
    assert (row["phase"], row["reason"]) == ("NotReady", "StaleEpoch")
    fired = shop.fire("shop")
    assert "take-over" in fired.away["a"] and starts(shop) == []
    assert shop.run(fired.runs[0])["phase"] == "Queued"
    assert reconcile.reconcile(shop.place, take_over=True, open=shop.open).trouble == {}
    assert shop.ended(*fired.runs)[0]["phase"] == "Success"
    with shop.state() as state:
        assert state.epoch > 1


def test_nothing_is_sent_before_the_journal_was_heard_out(shop: Host) -> None:
    """A slow link: the hello has come, what the agent did since the cursor has not."""
    from tests.control.test_drive import Command

    host = shop.fleet["a"]
    host.hello_lies = {"last": len(host.events) + 1}
    run = stored_only(shop)
    heard = len(host.heard)
    waiting = Command(lambda: shop.ended(run))
    assert not waiting.done.wait(1.5)
    assert [message["type"] for message in host.heard[heard:]] == ["hello"]
    host.say(ev.daemon_begun(1.0, "boot", "v1", 1))
    assert waiting.wait()[0]["phase"] == "Success"


def test_a_promise_that_is_not_kept_is_told(shop: Host, monkeypatch: Any) -> None:
    from xene.control import hearing

    monkeypatch.setattr(hearing, "QUIET", 0.1)
    shop.fleet["a"].hello_lies = {"last": 10**6}
    made = reconcile.reconcile(shop.place, open=shop.open)
    assert "1000000 records" in made.trouble["a"]
    assert shop.agents()["a"]["reason"] == "Garbled"


def test_the_epoch_outruns_a_copy_that_was_taken_over_in_between(shop: Host) -> None:
    with shop.state() as state, state.transaction() as conn:
        assert db.raise_epoch(conn, 2_000_000_000.0) == 2_000_000_000
        assert db.raise_epoch(conn, 1_000_000_000.0) == 2_000_000_001


def test_a_home_that_is_an_older_copy_of_itself(shop: Host) -> None:
    """The journal's uuid is the same: that it has become shorter tells."""
    host = shop.fleet["a"]
    shop.ended(*shop.fire("shop").runs)
    reconcile.reconcile(shop.place, open=shop.open)
    old = (list(host.events), dict(host.orders), dict(host.has))
    host.play = "wait"
    (run,) = shop.fire("shop").runs
    host.events, host.orders, host.has = old
    host.play = "finish"
    reconcile.reconcile(shop.place, open=shop.open)
    row = shop.run(run)
    assert (row["phase"], row["reason"]) == ("Error", "AgentLost")
    assert "restored from an older copy" in row["message"]
    assert "HomeRestored" in shop.reasons("Agent")
    (again,) = shop.ended(*shop.fire("shop").runs)
    assert again["phase"] == "Success" and starts(shop).count(run) == 1
    assert shop.pipelines()["shop/build"]["observedRevision"] == shop.pipelines()["shop/build"]["revision"]


def test_what_was_assigned_after_the_copy_is_heard_of_again(shop: Host) -> None:
    """The agent has it already, so nothing changes there: it is asked to say so."""
    copy = copy_aside(shop)
    shop.apply(workflow("shop"), workflow("shed"), agent("a"))
    restore(shop, copy)
    assert list(shop.pipelines()) == ["shop/build"]
    assert not shop.apply(workflow("shop"), workflow("shed"), agent("a")).untold
    row = shop.pipelines()["shed/build"]
    assert row["observedRevision"] == row["revision"]
