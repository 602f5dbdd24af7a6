"""Agents removed, given up, declared again and away meanwhile, and pipelines that move, while runs go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import agents as giving_up
from xene.control import reconcile
from xene.errors import Unreachable
from xene.store import runs

NO_ROUTE = Unreachable("no route", code="NoRoute")


def on(name: str, script: str = "true") -> dict[str, Any]:
    several = {"concurrencyPolicy": "Allow"}
    return workflow("shop", {"build": pipeline(script, placement={"agent": name}, **several)})


def a_pass(host: Host) -> None:
    reconcile.reconcile(host.place, open=host.open)


def starts(host: Host, name: str) -> list[str]:
    return [message["order"]["id"] for message in host.fleet[name].heard if message["type"] == "start"]


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(on("a"), agent("a"), agent("b"))
    for name in "ab":
        host.fleet[name].play = "wait"
    return host


def test_a_pipeline_that_moves_to_and_fro_while_its_runs_go_on(shop: Host) -> None:
    """Each run stays where it began, also when the pipeline is elsewhere and back again."""
    begun = {}
    for turn in range(4):
        where = "ab"[turn % 2]
        shop.apply(on(where, f"echo {turn}"), agent("a"), agent("b"))
        (run,) = shop.fire("shop").runs
        begun[run] = where
    for run, where in begun.items():
        assert shop.run(run)["agent"] == where and shop.run(run)["phase"] == "StartingUp"
        shop.fleet[where].do(run)
    rows = shop.ended(*begun)
    assert {(row["phase"], row["log"]) for row in rows} == {("Success", "complete")}
    assert len({row["revision"] for row in rows}) == 4
    assert sorted(starts(shop, "a") + starts(shop, "b")) == sorted(begun)


def test_a_run_waits_for_an_older_one_that_goes_on_where_its_pipeline_was(host: Host) -> None:
    """With the policy Queue, the default; whoever fires it is told, and does not wait for that."""
    moved = {name: workflow("shop", {"build": pipeline("true", placement={"agent": name})}) for name in "ab"}
    host.apply(moved["a"], agent("a"), agent("b"))
    host.fleet["a"].play = "wait"
    (older,) = host.fire("shop").runs
    host.apply(moved["b"], agent("a"), agent("b"))
    fired = host.fire("shop")
    assert f"until run {older} " in fired.away["b"] and starts(host, "b") == []
    host.fleet["a"].do(older)
    rows = host.ended(older, *fired.runs)
    assert [row["agent"] for row in rows] == ["a", "b"] and starts(host, "b") == list(fired.runs)


def test_an_agent_pruned_while_its_host_is_away(shop: Host) -> None:
    """It stays until it was heard: its run is Unknown, not lost, and its end is still taken."""
    (run,) = shop.fire("shop").runs
    shop.fleet["a"].trouble = NO_ROUTE
    shop.fleet["a"].cut()
    done = shop.apply(on("b"), agent("b"))
    assert "a" in done.untold and "a" in shop.agents()
    assert (shop.run(run)["phase"], shop.run(run)["lastKnownPhase"]) == ("Unknown", "StartingUp")
    assert shop.pipelines()["shop/build"]["reason"] == "Moving"
    shop.fleet["a"].do(run)
    shop.fleet["a"].trouble = None
    for _ in range(3):
        a_pass(shop)
    assert (shop.run(run)["phase"], shop.run(run)["log"]) == ("Success", "complete")
    assert list(shop.agents()) == ["b"] and list(shop.fleet["b"].has) == ["shop/build"]
    eventually(lambda: shop.fleet["a"].stopped)


def test_removed_and_declared_again_under_a_run(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    assert giving_up.remove(shop.place, "a", open=shop.open) == (False, (run,), ())
    assert shop.fleet["a"].has == {}
    shop.apply(on("a"), agent("a"), agent("b"))
    assert list(shop.fleet["a"].has) == ["shop/build"] and not shop.fleet["a"].stopped
    shop.fleet["a"].do(run)
    assert shop.ended(run)[0]["phase"] == "Success"
    a_pass(shop)
    assert not shop.fleet["a"].stopped and starts(shop, "a") == [run]


def test_given_up_declared_again_and_then_it_comes_back(shop: Host) -> None:
    """What was written off stays so, whatever its agent says later; nothing of it is started again."""
    (run,) = shop.fire("shop").runs
    shop.fleet["a"].trouble = NO_ROUTE
    shop.fleet["a"].cut()
    assert giving_up.remove(shop.place, "a", lost=True, open=shop.open).lost == (run,)
    shop.apply(on("a"), agent("a"), agent("b"))
    shop.fleet["a"].do(run)
    shop.fleet["a"].trouble = None
    a_pass(shop)
    row = shop.run(run)
    assert (row["phase"], row["reason"]) == ("Error", "AgentLost") and "removed as lost" in row["message"]
    shop.fleet["a"].play = "finish"
    (again,) = shop.ended(*shop.fire("shop").runs)
    assert again["phase"] == "Success" and starts(shop, "a") == [run, again["id"]]
    a_pass(shop)
    with shop.state() as state:
        assert [each.id for each in runs.unsettled(state.conn) if not each.ended] == []


def test_an_assignment_is_never_said_to_be_there_before_the_agent_said_so(shop: Host) -> None:
    """observedRevision is what the agent confirmed, through a lost answer and a lost connection."""
    old = shop.pipelines()["shop/build"]["revision"]
    shop.fleet["a"].deaf.add("assign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xene.control.told.TIME", 0.3)
        assert list(shop.apply(on("a", "echo new"), agent("a"), agent("b")).untold) == ["a"]
    row = shop.pipelines()["shop/build"]
    assert (row["observedRevision"], row["reason"]) == (old, "AgentBehind") and row["revision"] != old
    shop.fleet["a"].deaf.clear()
    shop.fleet["a"].cut()
    a_pass(shop)
    row = shop.pipelines()["shop/build"]
    assert row["observedRevision"] == row["revision"] == shop.fleet["a"].has["shop/build"]
