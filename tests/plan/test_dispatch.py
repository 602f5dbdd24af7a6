"""What agents are told: tables for single decisions."""

from __future__ import annotations

from typing import Any

import pytest

from xene.plan.dispatch import (
    AGENT_REMOVED,
    AgentView,
    Assigned,
    Assignment,
    Held,
    Orders,
    RunView,
    decide,
    of_runs,
    open_work,
    untold,
)
from xene.plan.orders import Answer, Cancel, Collect, Retry

CANCEL, KILLING = Cancel("r", False, "Cancelled", 1), Cancel("r", True, "Cancelled", 1)
LOG = Collect("r", 1)


def agent(name: str = "a", **more: Any) -> AgentView:
    usual = {"up": True, "journal": f"j-{name}", "leaving": False, "capacity": 4, "caught_up": True}
    return AgentView(**{"name": name, **usual, **more})


def run(name: str = "r", **more: Any) -> RunView:
    return RunView(**{"id": name, "key": "w/p", "agent": "a", "phase": "Queued", **more})


SENT = {"sent_journal": "j-a"}
ENDED = {"sent_journal": "j-a", "known": True, "ended": True}
HERE = [Assigned("w/p", "a", "1")], [Held("w/p", "a", "1")]


def orders(one: RunView, **more: Any) -> Orders:
    """What agent `a`, which knows its assignment, is told about one run."""
    told = Orders(assign=Assignment({"w/p": "1"}, 4))
    return decide([agent(told=told, **more)], *HERE, [one]).orders.get("a", Orders())


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (run(), Orders(starts=("r",))),
        (run(**SENT), Orders(starts=("r",))),  # sent over a connection that broke
        (run(sent_journal="old"), Orders()),  # it may have started there: never again
        (run(**SENT, known=True), Orders()),
        (run(wish="cancel"), Orders()),
        (run(**SENT, wish="cancel"), Orders(starts=("r",), cancels=(CANCEL,))),
        (run(**SENT, known=True, wish="cancel"), Orders(cancels=(CANCEL,))),
        (run(**SENT, known=True, wish="cancel", wish_seen="cancel"), Orders()),
        (
            run(**SENT, known=True, wish="kill", wish_seen="cancel"),
            Orders(cancels=(KILLING,)),
        ),
        (run(**SENT, known=True, wish="cancel", wish_seen="kill"), Orders()),
        (run(**ENDED, phase="Success"), Orders(release_workspaces=("r",), collect=(LOG,))),
        (run(**ENDED, phase="Success", workspace_dropped=True), Orders(collect=(LOG,))),
        (run(**ENDED, phase="Success", archived=True), Orders(release_runs=("r",))),
        (run(**ENDED, phase="Success", archived=True, released=True), Orders()),
        (run(**ENDED, phase="Error"), Orders(collect=(LOG,))),
        (run(**ENDED, phase="Error", archived=True), Orders()),
        (run(**ENDED, phase="Error", archived=True, newer_ended=True), Orders(release_runs=("r",))),
        (
            run(**ENDED, phase="Error", newer_ended=True),
            Orders(release_workspaces=("r",), collect=(LOG,)),
        ),
        (run(**ENDED, phase="Error", wish="kill"), Orders(collect=(LOG,))),
    ],
)
def test_one_run(one: RunView, expected: Orders) -> None:
    assert orders(one) == expected


def test_an_agent_that_is_not_up_is_told_nothing() -> None:
    assert orders(run(), up=False) == Orders()


def test_what_was_said_on_this_connection_is_not_said_again() -> None:
    runs = [run("new"), run("old", **SENT, known=True, wish="kill"), run("done", **ENDED, phase="Success")]
    first = decide([agent()], [Assigned("w/p", "a", "1")], [], runs)
    assert first.orders["a"] == Orders(
        Assignment({"w/p": "1"}, 4),
        ("new",),
        cancels=(KILLING._replace(run="old"),),
        release_workspaces=("done",),
        collect=(LOG._replace(run="done"),),
    )
    assert first.new_holdings == (("a", "w/p"),)
    again = decide(
        [agent(told=first.orders["a"])], [Assigned("w/p", "a", "1")], [Held("w/p", "a", None)], runs
    )
    assert not again


def test_a_new_revision_and_a_new_capacity_are_told() -> None:
    told = Orders(assign=Assignment({"w/p": "0"}, 4))
    decisions = decide([agent(told=told)], *HERE, [])
    assert decisions.orders["a"].assign == Assignment({"w/p": "1"}, 4) and decisions.new_holdings == ()
    told = Orders(assign=Assignment({"w/p": "1"}, 8))
    assert decide([agent(told=told)], *HERE, []).orders["a"].assign == Assignment({"w/p": "1"}, 4)


def test_a_pipeline_moves_only_when_the_other_agent_let_go() -> None:
    agents = [agent("a"), agent("b")]
    wanted, queued = [Assigned("w/p", "b", "1")], [run(agent="b")]
    before = decide(agents, wanted, [Held("w/p", "a", "1")], queued)
    assert before.orders == {"a": Orders(Assignment({}, 4)), "b": Orders(Assignment({}, 4))}
    after = decide(agents, wanted, [], queued)
    assert after.orders["b"] == Orders(Assignment({"w/p": "1"}, 4), ("r",)) and after.new_holdings == (
        ("b", "w/p"),
    )


def test_nothing_is_assigned_or_started_before_it_is_known_what_an_agent_holds() -> None:
    decisions = decide(
        [agent(caught_up=False)], [Assigned("w/p", "a", "1")], [Held("w/q", "a", None)], [run()]
    )
    assert decisions.orders == {} and decisions.void_holdings == ()


def test_an_assignment_that_never_arrived_is_void() -> None:
    agents, wanted = [agent("a"), agent("b")], [Assigned("w/p", "b", "1"), Assigned("w/r", "a", "1")]
    held = [Held("w/p", "a", None), Held("w/q", "a", "1"), Held("w/r", "a", None)]
    assert decide(agents, wanted, held, []).void_holdings == (("a", "w/p"),)
    said = [agent("a", told=Orders(assign=Assignment({}, 4))), agent("b")]
    assert decide(said, wanted, held, []).void_holdings == ()


def test_what_an_agent_was_told_to_let_go_of_comes_back_only_when_it_has_answered() -> None:
    emptied = agent(told=Orders(assign=Assignment({}, 4)))
    assert not decide([emptied], *HERE, []) and untold([emptied], *HERE) == {"a": "has not confirmed w/p"}
    back = decide([emptied], HERE[0], [], [])
    assert back.orders["a"].assign == Assignment({"w/p": "1"}, 4) and back.new_holdings == (("a", "w/p"),)


def test_a_leaving_agent_is_emptied_then_goes() -> None:
    leaving = agent(leaving=True)
    kept = run(**ENDED, phase="Error", archived=True)
    decisions = decide([leaving], [], [Held("w/p", "a", "1")], [run("new", key="w/q"), kept])
    assert decisions.orders["a"] == Orders(Assignment({}, 4), release_runs=("r",))
    assert [(lost.run, lost.reason) for lost in decisions.end] == [("new", AGENT_REMOVED)]
    assert decisions.gone == ()
    assert decide([leaving], [], [], []).gone == ("a",)
    assert decide([agent(leaving=True, up=False)], [], [], []).gone == ("a",)
    assert decide([agent()], [], [], []).gone == ()


def test_an_unsent_run_of_a_leaving_agent_waits_for_its_pipeline_to_move() -> None:
    decisions = decide([agent(leaving=True), agent("b")], [Assigned("w/p", "b", "1")], [], [run()])
    assert decisions.end == () and decisions.orders["a"].starts == ()


def test_a_run_that_was_never_sent_is_ended_by_control() -> None:
    runs = [run("c", wish="cancel"), run("k", wish="kill"), run("n")]
    ends = [(lost.run, lost.reason) for lost in decide([agent(up=False)], *HERE, runs).end]
    assert ends == [("c", "Cancelled"), ("k", "Killed")]


def test_what_is_nowhere_is_forgotten() -> None:
    runs = [
        run("unsent", ended=True),
        run("wiped", sent_journal="old", ended=True, archived=True),
        run("wiped-open", sent_journal="old", ended=True),
        run("removed", agent="z", sent_journal="j-z", ended=True, archived=True),
        run("here", **ENDED, archived=True),
        run("done", ended=True, released=True),
    ]
    assert decide([agent()], *HERE, runs).forget == ("unsent", "wiped", "removed")


@pytest.mark.parametrize(
    ("agents", "wanted", "held", "expected"),
    [
        ([agent()], *HERE, {}),
        ([agent(up=False)], *HERE, {}),
        ([agent(journal=None, up=False)], [], [], {"a": "has not been contacted yet"}),
        ([agent(journal=None, leaving=True)], [], [], {}),
        ([agent()], [Assigned("w/p", "a", "2")], [Held("w/p", "a", "1")], {"a": "has not confirmed w/p"}),
        ([agent()], [Assigned("w/p", "a", "1")], [Held("w/p", "a", None)], {"a": "has not confirmed w/p"}),
        (
            [agent()],
            [],
            [Held("w/p", "a", "1"), Held("w/q", "a", "1")],
            {"a": "has not let go of w/p and 1 more"},
        ),
        (
            [agent("a", up=False), agent("b")],
            [Assigned("w/p", "b", "1")],
            [Held("w/p", "a", "1")],
            {"a": "has not let go of w/p", "b": "waits until a lets go of w/p"},
        ),
    ],
)
def test_whom_an_apply_waits_for(
    agents: list[AgentView], wanted: list[Assigned], held: list[Held], expected: dict[str, str]
) -> None:
    assert untold(agents, wanted, held) == expected


def test_whom_runs_need() -> None:
    runs = [run("x"), run("y", agent="b"), run("z", agent="c", ended=True, archived=True)]
    assert of_runs(runs, ["y", "z"]) == {"b": "has run y"}
    assert open_work([agent("a"), agent("b"), agent("c")], [], [], runs) == {
        "a": "has run x",
        "b": "has run y",
    }


def test_a_run_waits_for_an_older_one_of_its_pipeline_that_goes_on_elsewhere() -> None:
    agents = [agent("a"), agent("b")]
    older = run("old", agent="a", sent_journal="J", known=True)
    for policy, starts in (("Allow", ("new",)), ("Queue", ()), ("Replace", ()), ("Forbid", ())):
        newer = run("new", agent="b", policy=policy)
        found = decide(agents, [Assigned("w/p", "b", "1")], [Held("w/p", "b", "1")], [older, newer])
        assert found.orders["b"].starts == starts


def test_answers_and_retries_are_told_once_on_a_connection() -> None:
    answer, again = Answer("r", "ship", True, "yes", 5.0), Retry("e", 2, None)
    runs = [run(**SENT, known=True), run("e", **ENDED, phase="Error", archived=True, retry=again)]
    first = decide([agent()], *HERE, runs, [answer]).orders["a"]
    assert first.answers == (answer,) and first.retries == (again,)
    assert not decide([agent(told=first)], *HERE, runs, [answer]).orders
    later = answer._replace(at=6.0)
    assert decide([agent(told=first)], *HERE, runs, [later]).orders["a"].answers == (later,)
