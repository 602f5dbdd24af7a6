"""Passes over agents that come and go: nothing twice, nothing lost, whatever breaks in between."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import fire as firing
from xene.control import reconcile as reconciling
from xene.control.reconcile import Made
from xene.errors import Unreachable
from xene.model import events as ev
from xene.store import db, runs

NO_ROUTE = Unreachable("no route to host", code="NoRoute")


def reconcile(host: Host, **flags: Any) -> Made:
    return reconciling.reconcile(host.place, open=host.open, **flags)


@pytest.fixture
def shop(host: Host) -> Host:
    host.apply(workflow("shop", {"build": pipeline("one", "two")}), agent("a"))
    host.fleet["a"].heard.clear()
    return host


def test_a_run_from_fire_to_release(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    (row,) = shop.ended(run)
    assert (row["phase"], row["log"], row["agent"]) == ("Success", "complete", "a")
    assert [step["phase"] for step in row["tasks"]["one"]["steps"]] == ["Success", "Success"]
    eventually(lambda: run not in shop.fleet["a"].orders, "the release")
    reconcile(shop)
    with shop.state() as state:
        assert runs.unsettled(state.conn) == []


def test_the_workspace_of_an_error_stays_until_a_newer_run_ended(shop: Host) -> None:
    shop.fleet["a"].play = "fail"
    (first,) = shop.fire("shop").runs
    shop.ended(first)
    assert first in shop.fleet["a"].orders
    shop.fleet["a"].play = "finish"
    (second,) = shop.fire("shop").runs
    shop.ended(second)
    reconcile(shop)
    assert shop.fleet["a"].orders == {}


def test_the_order_carries_what_the_agent_needs(shop: Host) -> None:
    shop.apply(
        workflow("shop", {"build": pipeline("one", params={"n": {"type": "integer", "default": 3}})}),
        agent("a", {"os": "linux"}, env={"A": "b"}),
    )
    (run,) = shop.fire("shop", n="7").runs
    (order,) = [message["order"] for message in shop.fleet["a"].heard if message["type"] == "start"]
    assert (order["id"], order["params"], order["trigger"]) == (run, {"n": 7}, "manual")
    assert (order["agentEnv"], order["agentLabels"]) == ({"A": "b"}, {"os": "linux"})
    assert order["revision"] == shop.run(run)["revision"]


def test_a_run_waits_for_an_agent_that_is_away(shop: Host) -> None:
    shop.fleet["a"].trouble = NO_ROUTE
    fired = shop.fire("shop")
    assert list(fired.away) == ["a"] and shop.run(fired.runs[0])["phase"] == "Queued"
    shop.fleet["a"].trouble = None
    reconcile(shop)
    assert shop.ended(*fired.runs)[0]["phase"] == "Success"
    assert shop.fleet["a"].types().count("start") == 1


def test_an_order_that_was_lost_on_the_way_is_sent_again(shop: Host) -> None:
    shop.fleet["a"].deaf.add("start")
    with shop.state() as state:
        fired, _ = firing.store(state, "shop", None, {})
    assert reconcile_briefly(shop)
    assert shop.run(fired.runs[0])["phase"] == "Queued"
    shop.fleet["a"].deaf.clear()
    assert shop.ended(*fired.runs)[0]["phase"] == "Success"
    assert shop.fleet["a"].types().count("start") == 2


def reconcile_briefly(host: Host) -> Made:
    """A pass that will not get its answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconciling, "TIME", 0.3)
        return reconcile(host)


@pytest.mark.parametrize("known", [True, False])
def test_a_home_that_was_wiped_loses_its_runs(shop: Host, known: bool) -> None:
    shop.fleet["a"].play = "wait"
    if not known:
        shop.fleet["a"].deaf.add("start")
    with shop.state() as state:
        fired, _ = firing.store(state, "shop", None, {})
    reconcile_briefly(shop)
    shop.fleet["a"].wipe("another journal")
    shop.fleet["a"].deaf.clear()
    (row,) = shop.ended(*fired.runs)
    assert (row["phase"], row["reason"], row["log"]) == ("Error", "AgentLost", "gone")
    assert "start" not in shop.fleet["a"].types()[-1:]
    reconcile(shop)
    assert list(shop.fleet["a"].has) == ["shop/build"]  # it was told anew what belongs to it
    assert shop.pipelines()["shop/build"]["observedRevision"] is not None


def test_unknown_while_away_and_known_again(shop: Host) -> None:
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    assert shop.run(run)["phase"] == "StartingUp"
    shop.fleet["a"].trouble = NO_ROUTE
    made = reconcile(shop)
    assert list(made.trouble) == ["a"]
    row = shop.run(run)
    assert (row["phase"], row["lastKnownPhase"]) == ("Unknown", "StartingUp")
    shop.fleet["a"].do(run)  # meanwhile, out of sight
    shop.fleet["a"].trouble = None
    assert shop.ended(run)[0]["phase"] == "Success"


def test_a_dropped_connection_is_taken_up_again(shop: Host) -> None:
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    phases: list[str] = []

    class Show:
        def moved(self, row: dict[str, Any]) -> None:
            phases.append(row["phase"])

        def said(self, source: Any, data: bytes) -> None: ...

    def hellos() -> int:
        return [message["type"] for message in shop.fleet["a"].heard].count("hello")

    def break_and_finish() -> None:
        eventually(lambda: phases and hellos() > greeted)
        shop.fleet["a"].cut()
        eventually(lambda: shop.fleet["a"].connections >= before + 2)
        shop.fleet["a"].do(run)
        shop.fleet["a"].say(ev.daemon_begun(1.0, "b", "v", 1))

    before, greeted = shop.fleet["a"].connections, hellos()
    thread = threading.Thread(target=break_and_finish)
    thread.start()
    (row,) = shop.ended(run, show=Show())
    thread.join()
    assert row["phase"] == "Success" and "Unknown" not in phases


def test_an_agent_of_a_newer_controller_is_not_used(shop: Host) -> None:
    shop.fleet["a"].epoch = 7
    made = reconcile(shop)
    assert "a" in made.trouble
    assert (shop.agents()["a"]["phase"], shop.agents()["a"]["reason"]) == ("NotReady", "StaleEpoch")
    reconcile(shop, take_over=True)
    assert shop.agents()["a"]["phase"] == "Ready"


def test_reports_about_foreign_runs_change_nothing(shop: Host) -> None:
    shop.apply(workflow("shop", {"build": pipeline("one", placement={"agent": "a"})}), agent("a"), agent("b"))
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    shop.fleet["b"].record(ev.run_ended(1.0, run, "Success"))
    reconcile(shop)
    assert shop.run(run)["phase"] == "StartingUp"
    assert "ForeignReport" in shop.reasons("Agent")


def test_an_ended_run_of_a_pipeline_that_moved_is_still_fetched(shop: Host) -> None:
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    shop.apply(workflow("shop", {"build": pipeline("one", placement={"agent": "b"})}), agent("a"), agent("b"))
    shop.fleet["a"].do(run)
    (row,) = shop.ended(run)
    assert (row["agent"], row["phase"], row["log"]) == ("a", "Success", "complete")


def test_queued_runs_go_with_their_pipeline(shop: Host) -> None:
    shop.apply(workflow("shop"), agent("a"), agent("b"))
    shop.fleet["a"].trouble = NO_ROUTE
    fired = shop.fire("shop")
    shop.fleet["a"].trouble = None
    shop.apply(workflow("shop", {"build": pipeline("one", placement={"agent": "b"})}), agent("a"), agent("b"))
    (row,) = shop.ended(*fired.runs)
    assert (row["agent"], row["phase"]) == ("b", "Success")


def test_an_agent_that_leaves_ends_its_runs_first(shop: Host) -> None:
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    shop.apply(workflow("shop", {"build": pipeline("one")}), agent("b"))
    assert "a" in shop.agents() and not shop.fleet["a"].stopped
    shop.fleet["a"].do(run)
    assert shop.ended(run)[0]["phase"] == "Success"
    reconcile(shop)
    reconcile(shop)
    assert list(shop.agents()) == ["b"] and shop.fleet["a"].stopped


def test_a_pass_repeated_does_nothing(shop: Host) -> None:
    reconcile(shop)
    shop.fleet["a"].heard.clear()
    with shop.state() as state:
        before = state.conn.execute("SELECT count(*) FROM events").fetchone()
    reconcile(shop)
    assert set(shop.fleet["a"].types()) <= {"assign"}  # said on each new connection, and answered by nothing
    with shop.state() as state:
        assert state.conn.execute("SELECT count(*) FROM events").fetchone() == before


def test_no_state_needs_no_pass(host: Host) -> None:
    assert reconcile(host) == Made(True)
    assert not os.path.exists(host.place.home)


def test_control_that_dies_after_storing_its_intent(shop: Host) -> None:
    """The order may have gone out or not: the next control says it again, and the agent takes it once."""
    with shop.state() as state:
        fired, _ = firing.store(state, "shop", None, {})
        with state.transaction() as conn:
            runs.sent(conn, 1.0, shop.fleet["a"].journal, fired.runs)
    assert shop.ended(*fired.runs)[0]["phase"] == "Success"


def test_hostile_chatter_does_no_harm(shop: Host) -> None:
    shop.fleet["a"].play = "wait"
    (run,) = shop.fire("shop").runs
    for junk in ({"type": 7}, {"type": "run.ended", "run": run}, {"type": "assigned", "set": 3, "gone": 4}):
        with shop.fleet["a"]._lock:
            shop.fleet["a"].events.append({"n": len(shop.fleet["a"].events) + 1, "at": "x", **junk})
    reconcile(shop)
    assert "MalformedReport" in shop.reasons("Agent")
    assert shop.run(run)["phase"] == "StartingUp"
    with db.open_for_reading(shop.place.state) as state:
        assert state.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)


HOSTILE = [
    {"type": "log", "id": [], "run": {}},
    {"type": "log", "id": 1, "run": None, "seq": "x"},
    {"type": "followed", "id": {}, "files": 7},
    {"type": "failed", "id": None},
    {"type": "failed"},
    {"type": "events", "events": 5},
    {"type": "events", "events": [7, {"type": []}, {"type": "run.ended", "n": "1"}]},
    {"type": ["hello"]},
    {"type": "hello", "journal": 7},
    {},
]


@pytest.mark.parametrize("message", HOSTILE, ids=str)
def test_messages_that_make_no_sense(shop: Host, message: dict[str, Any]) -> None:
    shop.fleet["a"].first_words = [message]
    (run,) = shop.fire("shop").runs
    assert shop.ended(run)[0]["phase"] == "Success"


@pytest.mark.parametrize(
    "hello",
    [
        {"journal": 7},
        {"journal": "\u00e9"},
        {"facts": []},
        {"facts": {"x": "y" * 100_000}},
        {"version": None},
    ],
)
def test_a_hello_that_makes_no_sense(shop: Host, hello: dict[str, Any]) -> None:
    shop.fleet["a"].hello_lies = hello
    made = reconcile(shop)
    assert "a" in made.trouble
    assert (shop.agents()["a"]["phase"], shop.agents()["a"]["reason"]) == ("NotReady", "Garbled")


def test_a_run_of_a_pipeline_that_cannot_move_is_accepted(shop: Host) -> None:
    shop.apply(workflow("shop", {"build": pipeline("one", placement={"agent": "a"})}), agent("a"), agent("b"))
    shop.fleet["a"].trouble = NO_ROUTE
    shop.apply(workflow("shop", {"build": pipeline("one", placement={"agent": "b"})}), agent("a"), agent("b"))
    fired = shop.fire("shop")
    assert "waits until a lets go" in fired.away["b"]
    shop.fleet["a"].trouble = None
    (row,) = shop.ended(*fired.runs)
    assert (row["agent"], row["phase"]) == ("b", "Success")
