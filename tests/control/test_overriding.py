"""suspend, resume, cordon, uncordon and drain over agents that answer, are away, and cannot be replaced."""

from __future__ import annotations

from typing import Any

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import draining, overriding
from xene.control import reconcile as reconciling
from xene.control.draining import Drained
from xene.errors import NotFound, TimedOut, Unreachable
from xene.store import agents, overrides

NO_ROUTE = Unreachable("no route to host", code="NoRoute")


def suspend(host: Host, target: str, value: bool = True) -> bool:
    return overriding.suspend(host.place, target, value, open=host.open).changed


def cordon(host: Host, name: str, value: bool = True) -> bool:
    return overriding.cordon(host.place, name, value, open=host.open).changed


def drain(host: Host, name: str, timeout: float | None = None) -> Drained:
    return draining.drain(host.place, name, timeout=timeout, open=host.open)


def words(host: Host) -> dict[str, bool]:
    with host.state() as state:
        return {each.name: each.value for each in overrides.every(state.conn)}


def suspended(host: Host) -> dict[str, bool]:
    return {name: row["suspended"] for name, row in host.pipelines().items()}


def shop(suspend: bool | None = None, **pipelines: Any) -> dict[str, Any]:
    made = workflow("shop", pipelines or {"build": pipeline("a"), "scan": pipeline("b")})
    if suspend is not None:
        made["spec"]["suspend"] = suspend
    return made


def held(host: Host, name: str) -> list[str]:
    with host.state() as state:
        return sorted(f"{each.workflow}/{each.pipeline}" for each in agents.holdings(state.conn, name))


def test_a_word_is_taken_back_by_its_opposite(host: Host) -> None:
    host.apply(shop(), agent("a"))
    assert suspend(host, "shop") and not suspend(host, "shop")
    assert words(host) == {"shop": True}
    assert suspend(host, "shop/scan", False) and not suspend(host, "shop/scan", False)
    assert suspended(host) == {"shop/build": True, "shop/scan": False}
    host.apply(shop(False), agent("a"))
    assert suspended(host) == {"shop/build": True, "shop/scan": False}
    assert suspend(host, "shop", False) and not suspend(host, "shop", False)
    assert words(host) == {} and suspended(host) == {"shop/build": False, "shop/scan": False}
    assert [reason for reason in host.reasons("Workflow") if reason in ("Suspended", "Resumed")] == [
        "Resumed",
        "Suspended",
    ]


def test_against_the_manifest_a_word_is_kept(host: Host) -> None:
    host.apply(shop(True), agent("a"))
    assert suspend(host, "shop", False)
    assert words(host) == {"shop": False} and not any(suspended(host).values())
    assert suspend(host, "build", True)  # a bare name that is unique
    assert suspended(host) == {"shop/build": True, "shop/scan": False}
    assert suspend(host, "shop") and not suspend(host, "shop")  # it holds for all of it
    assert words(host) == {"shop": True}
    with pytest.raises(NotFound):
        suspend(host, "shop/gone")


def test_a_cordoned_agent_keeps_what_it_has_and_gets_nothing_new(host: Host) -> None:
    host.apply(shop(), agent("a"))
    assert cordon(host, "a") and not cordon(host, "a")
    host.apply(shop(build=pipeline("a"), scan=pipeline("b"), ship=pipeline("c")), agent("a"))
    assert {name: row["agent"] for name, row in host.pipelines().items()} == {
        "shop/build": "a",
        "shop/scan": "a",
        "shop/ship": None,
    }
    host.apply(agent("a", capacity=3), source="other", take_over=True)  # the manifest says nothing of it
    assert host.agents()["a"]["cordoned"]
    assert cordon(host, "a", False) and not cordon(host, "a", False)
    assert host.pipelines()["shop/ship"]["agent"] == "a" and held(host, "a") == [
        "shop/build",
        "shop/scan",
        "shop/ship",
    ]
    assert words(host) == {}
    with pytest.raises(NotFound):
        cordon(host, "nobody")


def test_a_drain_moves_everything_and_waits_for_runs(host: Host) -> None:
    host.apply(shop(), agent("a"))
    host.fleet["a"].play = "wait"
    (run, *_) = host.fire("shop/build").runs
    host.apply(agent("b"), source="other")
    with pytest.raises(TimedOut) as caught:
        drain(host, "a", timeout=2)
    assert f"run {run} has not ended" in caught.value.message
    eventually(lambda: held(host, "a") == [] and held(host, "b") == ["shop/build", "shop/scan"])
    host.fleet["a"].do(run)
    assert drain(host, "a") == Drained(False, ())
    assert host.run(run)["phase"] == "Success"
    row = host.agents()["a"]
    assert (row["cordoned"], row["drained"]) == (True, True)
    assert not cordon(host, "a")  # it is, and stays drained
    assert host.agents()["a"]["drained"]
    assert cordon(host, "a", False)
    row = host.agents()["a"]
    assert (row["cordoned"], row["drained"]) == (False, False)
    assert held(host, "a") == []  # nothing moves back by itself


def test_what_nobody_else_can_take_stays_and_goes_when_somebody_can(host: Host) -> None:
    pinned = pipeline("a", placement={"agent": "a"})
    large = pipeline("b", placement={"size": 4})
    host.apply(
        shop(pinned=pinned, large=large, small=pipeline("c")), agent("a", capacity=4), agent("b", capacity=1)
    )
    host.fleet["a"].play = "wait"
    (run,) = host.fire("shop/pinned").runs
    assert drain(host, "a").staying == ("shop/large", "shop/pinned")  # and does not wait for a run of theirs
    assert held(host, "a") == ["shop/large", "shop/pinned"] and held(host, "b") == ["shop/small"]
    host.apply(agent("c", capacity=4), source="other")
    reconciling.reconcile(host.place, open=host.open)
    assert held(host, "c") == ["shop/large"]
    host.fleet["a"].do(run)


def test_an_agent_that_is_away_cannot_be_drained_yet(host: Host) -> None:
    host.apply(shop(build=pipeline("a")), agent("a"))
    host.apply(agent("b"), source="other")
    host.fleet["a"].trouble = NO_ROUTE
    with pytest.raises(Unreachable) as caught:
        drain(host, "a")
    assert "agent a cannot be asked to let go" in caught.value.message
    assert held(host, "b") == []  # nobody gets it before it has let go
    host.fleet["a"].trouble = None
    reconciling.reconcile(host.place, open=host.open)
    assert held(host, "a") == [] and held(host, "b") == ["shop/build"]


def test_the_words_of_a_removed_agent_go_with_it(host: Host) -> None:
    from xene.control import agents as removing

    host.apply(shop(), agent("a"), agent("b"))
    drain(host, "a")
    assert removing.remove(host.place, "a", open=host.open).gone
    assert words(host) == {}
