"""Firing: params, what is refused, what a fire leaves behind; and ending runs before their time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import agents as giving_up
from xene.control import ending, follow, reconcile
from xene.errors import Conflict, NotFound, TimedOut, Unplaceable, Unreachable, Usage
from xene.store import views

NO_ROUTE = Unreachable("no route to host", code="NoRoute")


@pytest.fixture
def shop(host: Host) -> Host:
    level = {"level": {"type": "string", "enum": ["quick", "full"], "default": "quick"}}
    host.apply(
        workflow("shop", {"build": pipeline("one", params=level), "scan": pipeline("one")}),
        workflow("shed", {"build": pipeline("one"), "dig": pipeline("one")}),
    )
    return host


def end(host: Host, run: str, kill: bool = False) -> dict[str, Any]:
    return ending.end(host.place, run, kill=kill, open=host.open)


def test_a_workflow_fires_all_its_pipelines(shop: Host) -> None:
    fired = shop.fire("shop", level="full")
    rows = shop.ended(*fired.runs)
    assert [(row["pipeline"], row["params"], row["fire"], row["trigger"]) for row in rows] == [
        ("build", {"level": "full"}, fired.fire, "manual"),
        ("scan", {}, fired.fire, "manual"),
    ]


def test_a_pipeline_by_its_bare_name(shop: Host) -> None:
    (run,) = shop.fire("dig").runs
    assert (shop.run(run)["workflow"], shop.run(run)["pipeline"]) == ("shed", "dig")


@pytest.mark.parametrize(
    ("target", "params", "error", "words"),
    [
        ("shop/build", {"level": "fast"}, Usage, "quick, full"),
        ("shop/build", {"levle": "full"}, Usage, "did you mean level"),
        ("shop/bild", {}, NotFound, "shop/bild"),
        ("build", {}, NotFound, "shed/build, shop/build"),
        ("nothing", {}, NotFound, "no workflow nothing"),
    ],
)
def test_what_is_wrong_makes_no_run(
    shop: Host, target: str, params: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        shop.fire(target, **params)
    with shop.state() as state:
        assert views.runs(state) == []


def test_without_a_state_there_is_no_such_workflow(host: Host) -> None:
    with pytest.raises(NotFound, match="no workflow shop"):
        host.fire("shop")


def test_not_scheduled_means_no_run_until_it_can_be(host: Host) -> None:
    host.fleet["a"].trouble = NO_ROUTE
    host.apply(workflow("shop"), agent("a"))
    with pytest.raises(Unplaceable, match="a: Unreachable, NoRoute") as caught:
        host.fire("shop")
    assert caught.value.exit_code == 5 and "why" in caught.value.hint
    with host.state() as state:
        assert views.runs(state) == []
    host.fleet["a"].trouble = None
    assert host.ended(*host.fire("shop").runs)[0]["phase"] == "Success"


# -- waiting


def test_waiting_has_an_end(shop: Host) -> None:
    shop.fleet["local"].play = "wait"
    (run,) = shop.fire("dig").runs
    with pytest.raises(TimedOut):
        follow.until_ended(shop.place, [run], timeout=0.1, open=shop.open)
    assert shop.run(run)["phase"] == "StartingUp"


def test_waiting_for_a_phase(shop: Host) -> None:
    shop.fleet["local"].play = "wait"
    (run,) = shop.fire("dig").runs
    (row,) = shop.ended(run, phase="StartingUp")
    assert row["phase"] == "StartingUp"


def test_waiting_for_what_does_not_exist(shop: Host) -> None:
    with pytest.raises(NotFound):
        shop.ended("20261123-023000-k7q2m4xa")


# -- cancel and kill


@pytest.mark.parametrize(("kill", "reason"), [(False, "Cancelled"), (True, "Killed")])
def test_ending_a_run(shop: Host, kill: bool, reason: str) -> None:
    shop.fleet["local"].play = "wait"
    (run,) = shop.fire("dig").runs
    row = end(shop, run, kill)
    assert (row["phase"], row["reason"]) == ("Error", reason)
    with pytest.raises(Conflict, match="has ended already"):
        end(shop, run, kill)


def test_a_run_that_was_never_sent_ends_at_once(shop: Host) -> None:
    shop.fleet["local"].trouble = NO_ROUTE
    (run,) = shop.fire("dig").runs
    row = end(shop, run)
    assert (row["phase"], row["reason"], row["log"]) == ("Error", "Cancelled", "gone")
    assert row["tasks"]["one"]["phase"] == "NotExecuted" and row["tasks"]["one"]["reason"] == "Cancelled"
    shop.fleet["local"].trouble = None
    reconcile.reconcile(shop.place, open=shop.open)
    assert "start" not in shop.fleet["local"].types()


def test_a_wish_that_cannot_be_confirmed_stays(shop: Host) -> None:
    shop.fleet["local"].play = "wait"
    (run,) = shop.fire("dig").runs
    shop.fleet["local"].trouble = NO_ROUTE
    with pytest.raises(Unreachable, match="cannot be confirmed") as caught:
        end(shop, run)
    assert caught.value.exit_code == 5
    assert shop.run(run)["phase"] == "Unknown"
    shop.fleet["local"].trouble = None
    assert shop.ended(run)[0]["reason"] == "Cancelled"


def test_a_cancel_that_is_ignored_can_become_a_kill(shop: Host) -> None:
    shop.fleet["local"].play = "wait"
    (run,) = shop.fire("dig").runs
    with shop.state() as state, state.transaction() as conn:
        from xene.store import wishes

        wishes.end(conn, 1.0, run, kill=False)
    row = end(shop, run, kill=True)
    assert row["phase"] == "Error"
    kinds = [message.get("kill") for message in shop.fleet["local"].heard if message["type"] == "cancel"]
    assert kinds == [True]


def test_no_such_run(shop: Host, host: Host) -> None:
    with pytest.raises(NotFound):
        end(shop, "20261123-023000-k7q2m4xa")


# -- agents given up


def test_an_agent_is_removed(host: Host) -> None:
    host.apply(workflow("shop"), agent("a"), agent("b"))
    before = host.pipelines()["shop/build"]["agent"]
    other = {"a": "b", "b": "a"}[before]
    done = giving_up.remove(host.place, before, open=host.open)
    assert done == (True, (), ()) and list(host.agents()) == [other]
    assert host.pipelines()["shop/build"]["agent"] == other
    eventually(lambda: host.fleet[before].stopped)


def test_an_agent_with_runs_goes_later(host: Host) -> None:
    host.apply(workflow("shop"), agent("a"))
    host.fleet["a"].play = "wait"
    (run,) = host.fire("shop").runs
    done = giving_up.remove(host.place, "a", open=host.open)
    assert done == (False, (run,), ())
    host.fleet["a"].do(run)
    assert host.ended(run)[0]["phase"] == "Success"


def test_a_lost_agent_is_written_off(host: Host) -> None:
    host.apply(workflow("shop"), agent("a"), agent("b"))
    first = host.pipelines()["shop/build"]["agent"]
    other = {"a": "b", "b": "a"}[first]
    host.fleet[first].play = "wait"
    (run,) = host.fire("shop").runs
    host.fleet[first].trouble = NO_ROUTE
    with pytest.raises(Unreachable, match="cannot be asked") as caught:
        giving_up.remove(host.place, first, open=host.open)
    assert "--lost" in caught.value.hint
    done = giving_up.remove(host.place, first, lost=True, open=host.open)
    assert (done.gone, done.lost) == (True, (run,))
    assert host.pipelines()["shop/build"]["agent"] == other
    assert (host.run(run)["phase"], host.run(run)["reason"]) == ("Error", "AgentLost")


def test_no_such_agent(host: Host) -> None:
    with pytest.raises(NotFound):
        giving_up.remove(host.place, "nobody", open=host.open)
