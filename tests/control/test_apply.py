"""Apply: what it writes, what it refuses, whom it tells, what it can be relied on not to do."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.control.conftest import Host, agent, pipeline, repository, workflow
from xene.control import apply, lock
from xene.control.apply import Options
from xene.errors import Conflict, InvalidManifest, Unreachable
from xene.manifest.problems import Problem
from xene.store import objects


def test_it_creates_places_and_tells(host: Host) -> None:
    done = host.apply(workflow("shop"))
    assert ([change.action for change in done.plan.changes], done.untold, done.unscheduled) == (
        ["created"],
        {},
        [],
    )
    row = host.pipelines()["shop/build"]
    assert (row["phase"], row["agent"], row["reason"]) == ("Scheduled", "local", None)
    assert row["observedRevision"] == row["revision"]
    assert host.fleet["local"].has == {"shop/build": row["revision"]}


def test_a_second_apply_does_nothing_and_contacts_nobody(host: Host) -> None:
    host.apply(workflow("shop"), agent("a"))
    heard, before = len(host.fleet["a"].heard), files(host)
    done = host.apply(workflow("shop"), agent("a"))
    assert {change.action for change in done.plan.changes} == {"unchanged"}
    assert len(host.fleet["a"].heard) == heard
    assert files(host) == before


def files(host: Host) -> dict[str, bytes]:
    """What is on disk beside the state's shared memory."""
    found = {}
    for folder, _, names in os.walk(host.place.home):
        for name in names:
            if not name.endswith("-shm"):
                with open(os.path.join(folder, name), "rb") as file:
                    found[name] = file.read()
    return found


def test_new_agents_are_contacted_before_anything_is_placed(host: Host) -> None:
    names = [f"a{number}" for number in range(4)]
    pipelines = {f"p{number}": pipeline("true") for number in range(8)}
    done = host.apply(workflow("shop", pipelines), *[agent(name) for name in names])
    assert not done.untold
    placed = [row["agent"] for row in host.pipelines().values()]
    assert sorted(placed) == sorted(names * 2)


def test_the_implicit_agent_lets_go_stops_and_goes(host: Host) -> None:
    host.apply(workflow("shop"))
    host.apply(workflow("shop"), agent("a"))
    assert host.pipelines()["shop/build"]["agent"] == "a"
    assert list(host.agents()) == ["a"]
    assert host.fleet["local"].stopped and host.fleet["local"].has == {}


def test_declaring_local_keeps_it(host: Host) -> None:
    host.apply(workflow("shop"))
    host.apply(workflow("shop"), agent("local", local={}))
    assert list(host.agents()) == ["local"]
    assert host.pipelines()["shop/build"]["agent"] == "local" and not host.fleet["local"].stopped


def test_an_agent_that_cannot_be_reached_is_named_and_gets_nothing(host: Host) -> None:
    host.fleet["b"].trouble = Unreachable("connection refused", code="ConnectionRefused")
    done = host.apply(workflow("shop"), agent("a"), agent("b"))
    assert list(done.untold) == ["b"] and "connection refused" in done.untold["b"]
    assert host.pipelines()["shop/build"]["agent"] == "a"
    assert (host.agents()["b"]["phase"], host.agents()["b"]["reason"]) == ("Unreachable", "ConnectionRefused")


def test_no_agent_ready_is_told_and_mended_later(host: Host) -> None:
    host.fleet["a"].trouble = Unreachable("connection refused", code="ConnectionRefused")
    done = host.apply(workflow("shop"), agent("a"))
    assert [row["reason"] for row in done.unscheduled] == ["NoAgentReady"]
    host.fleet["a"].trouble = None
    done = host.apply(workflow("shop"), agent("a"))
    assert (done.untold, done.unscheduled) == ({}, [])


def test_an_agent_that_hangs_holds_up_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xene.control.passes.FIRST_CONTACT", 0.3)
    monkeypatch.setattr("xene.control.told.TIME", 0.6)
    host.fleet["b"].hang.set()
    done = host.apply(workflow("shop"), agent("a"), agent("b"))
    assert list(done.untold) == ["b"]
    assert host.pipelines()["shop/build"]["agent"] == "a"


def test_an_agent_behind(host: Host) -> None:
    host.apply(workflow("shop"), agent("a"))
    old = host.pipelines()["shop/build"]["revision"]
    host.fleet["a"].trouble = Unreachable("no route", code="NoRoute")
    done = host.apply(workflow("shop", {"build": pipeline("false")}), agent("a"))
    row = host.pipelines()["shop/build"]
    assert list(done.untold) == ["a"]
    assert (row["phase"], row["reason"], row["observedRevision"]) == ("Scheduled", "AgentBehind", old)
    assert row["revision"] != old


def test_a_pipeline_moves_only_when_the_old_agent_let_go(host: Host) -> None:
    on_a = workflow("shop", {"build": pipeline("true", placement={"agent": "a"})})
    on_b = workflow("shop", {"build": pipeline("true", placement={"agent": "b"})})
    host.apply(on_a, agent("a"), agent("b"))
    host.fleet["a"].trouble = Unreachable("no route", code="NoRoute")
    done = host.apply(on_b, agent("a"), agent("b"))
    row = host.pipelines()["shop/build"]
    assert set(done.untold) == {"a", "b"} and row["reason"] == "Moving" and row["agent"] == "b"
    assert host.fleet["b"].has == {}
    host.fleet["a"].trouble = None
    assert not host.apply(on_b, agent("a"), agent("b")).untold
    assert (host.fleet["a"].has, list(host.fleet["b"].has)) == ({}, ["shop/build"])
    assert host.pipelines()["shop/build"]["reason"] is None


def test_what_was_assigned_but_never_arrived_moves_at_once(host: Host) -> None:
    on_a = workflow("shop", {"build": pipeline("true", placement={"agent": "a"})})
    on_b = workflow("shop", {"build": pipeline("true", placement={"agent": "b"})})
    host.apply(agent("a"), agent("b"))
    host.fleet["a"].deaf.add("assign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xene.control.told.TIME", 0.5)
        assert list(host.apply(on_a, agent("a"), agent("b")).untold) == ["a"]
    host.fleet["a"].deaf.clear()
    assert not host.apply(on_b, agent("a"), agent("b")).untold
    assert list(host.fleet["b"].has) == ["shop/build"]


def test_prune(host: Host) -> None:
    host.apply(workflow("shop"), workflow("shed"), workflow("mill"))
    host.apply(workflow("shop"), workflow("shed"))
    assert list(host.pipelines()) == ["shed/build", "shop/build"]
    assert set(host.fleet["local"].has) == {"shed/build", "shop/build"}
    host.apply(workflow("shop"), complete=False)
    host.apply(workflow("shop"), prune=False)
    assert list(host.pipelines()) == ["shed/build", "shop/build"]


@pytest.mark.parametrize(
    ("things", "flags", "words"),
    [
        ([], {}, "no manifests"),
        (["shop"], {}, "would remove 2 of the 3"),
        (["shop", "shed"], {"yes": False}, "this removes Workflow mill"),
        (["shop", "shed", "mill"], {"source": "other"}, "belongs to the source test"),
        (["shop", "shed", "mill"], {"if_unchanged": "abc"}, "not abc"),
    ],
)
def test_guards(host: Host, things: list[str], flags: dict[str, Any], words: str) -> None:
    host.apply(*[workflow(name) for name in ("shop", "shed", "mill")])
    with pytest.raises(Conflict, match=words):
        host.apply(*[workflow(name) for name in things], **flags)
    assert len(host.pipelines()) == 3


def test_guards_overruled(host: Host) -> None:
    host.apply(*[workflow(name) for name in ("shop", "shed", "mill")])
    host.apply(workflow("shop"), source="other", take_over=True)
    with host.state() as state:
        found = objects.index(state.conn)
    assert {key[1]: (each.source, each.generation) for key, each in found.items()} == {
        "mill": ("test", 1), "shed": ("test", 1), "shop": ("other", 1),
    }  # fmt: skip
    host.apply(allow_empty=True)
    assert list(host.pipelines()) == ["shop/build"]


def test_asking(host: Host) -> None:
    host.apply(workflow("shop"), workflow("shed"))
    questions: list[str] = []

    def no(question: str) -> bool:
        questions.append(question)
        return False

    flags = {"yes": False, "terminal": True}
    with pytest.raises(Conflict, match="nothing was changed"):
        host.apply(workflow("shop"), ask=no, **flags)
    assert questions == ["this removes Workflow shed"]
    host.apply(workflow("shop"), **flags)
    assert list(host.pipelines()) == ["shop/build"]


def test_a_state_that_moves_while_somebody_is_asked(host: Host) -> None:
    host.apply(workflow("shop"), workflow("shed"))

    def meanwhile(question: str) -> bool:
        host.apply(workflow("shop"), workflow("shed", {"build": pipeline("false")}))
        return True

    with pytest.raises(Conflict, match="moved"):
        host.apply(workflow("shop"), yes=False, terminal=True, ask=meanwhile)
    assert len(host.pipelines()) == 2


def test_manifests_with_problems_change_nothing(host: Host) -> None:
    bad = repository(workflow("shop"))._replace(
        problems=(Problem("x.yaml", 1, 1, "duplicate-object", "y", "", ""),)
    )
    with pytest.raises(InvalidManifest):
        apply.apply(host.place, bad, Options(), lambda question: True, open=host.open)
    assert not os.path.exists(host.place.state)


def test_the_lock_is_let_go(host: Host) -> None:
    host.apply(workflow("shop"))
    assert lock.holder(host.place.state) is None
    assert not os.path.exists(host.place.state + ".wake")


# -- previews


def preview(host: Host, *things: dict[str, Any], **flags: Any) -> apply.Preview:
    return apply.preview(host.place, repository(*things), Options(**flags))


def test_a_preview_needs_no_state_and_makes_none(host: Host) -> None:
    seen = preview(host, workflow("shop"))
    assert {key: decision.agent for key, decision in seen.decisions.items()} == {"shop/build": "local"}
    assert seen.was == {} and seen.keeping == []
    assert not os.path.exists(os.path.dirname(host.place.state))


def test_a_preview_is_what_then_happens(host: Host) -> None:
    host.apply(workflow("shop"), workflow("shed"))
    things = [
        agent("a", {"os": "linux"}),
        agent("b", {"os": "bsd"}),
        workflow(
            "shop", {"build": pipeline("true", placement={"agentSelector": {"matchLabels": {"os": "bsd"}}})}
        ),
        workflow("mill", {"grind": pipeline("true", placement={"size": 99})}),
    ]
    seen = preview(host, *things)
    assert [(change.action, change.name) for change in seen.plan.changes] == [
        ("created", "a"), ("created", "b"), ("created", "mill"), ("removed", "shed"), ("changed", "shop"),
    ]  # fmt: skip
    assert seen.was == {"shop/build": "local", "shed/build": "local"}
    assert seen.decisions["shop/build"].agent == "b"
    host.apply(*things)
    placed = {key: row["agent"] for key, row in host.pipelines().items()}
    assert placed["shop/build"] == "b" and placed["mill/grind"] is None
    assert host.pipelines()["mill/grind"]["reason"] == "NoCapacity"


def test_runs_under_way_keep_their_revision(host: Host) -> None:
    host.apply(workflow("shop"))
    host.fleet["local"].play = "wait"
    (run,) = host.fire("shop").runs
    before = host.run(run)["revision"]
    changed = workflow("shop", {"build": pipeline("false")})
    assert preview(host, changed).keeping == [run]
    assert preview(host, workflow("shop")).keeping == []
    host.apply(changed)
    assert host.run(run)["revision"] == before
