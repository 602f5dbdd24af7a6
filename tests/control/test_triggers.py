"""Cron triggers as control sees them: charges go out once, slots come back once, and what nobody tells is told."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import datetime
from typing import Any

import pytest

from tests.control.conftest import Host, agent, pipeline, workflow
from tests.control.test_faults_restored import copy_aside, restore
from xene.control import agents as removing
from xene.control import reconcile as reconciling
from xene.control.passes import Control
from xene.engine.slots import load_zone
from xene.errors import Unreachable
from xene.model.charge import revision_of
from xene.store import db, overrides, views

NO_ROUTE = Unreachable("no route to host", code="NoRoute")
TICK = {"tick": {"cron": {"schedule": "* * * * *", "params": {"level": "full"}}}}
LEVEL = {"level": {"type": "string", "default": "quick"}}
NOW = 0  # the last whole minute when a test begins


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "NOW", int(time.time()) // 60 * 60)


def minute(ago: int) -> int:
    return NOW - 60 * ago


def shop(triggers: dict[str, Any] | None = None, **pipelines: Any) -> dict[str, Any]:
    thing = workflow("shop", pipelines or {"build": pipeline("true", triggers=["tick"], params=LEVEL)})
    thing["spec"]["triggers"] = TICK if triggers is None else triggers
    return thing


def reconcile(host: Host) -> None:
    reconciling.reconcile(host.place, open=host.open)


def uuid(host: Host) -> str:
    with host.state() as state:
        return state.uuid


def write(host: Host, statement: str, *values: Any) -> None:
    with host.state() as state, state.transaction() as conn:
        conn.execute(statement, values)


def age(host: Host, seconds: float = 3600.0) -> None:
    """As if everything had been applied, and every agent heard, so long ago."""
    write(host, "UPDATE triggers SET since = since - ?", seconds)
    write(host, "UPDATE agents SET last_seen_at = last_seen_at - ?", seconds)


def seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp())


def slots(host: Host, **asked: Any) -> list[dict[str, Any]]:
    with db.open_for_reading(host.place.state) as state:
        rows = views.slots(state, limit=None, **asked)
        runs = {row["id"] for row in views.runs(state, limit=None)}
    assert all((row["run"] in runs) == (row["outcome"] == "fired") for row in rows)
    return rows


def outcomes(host: Host, **asked: Any) -> list[tuple[str, str | None]]:
    """Oldest first."""
    return [(row["outcome"], row["reason"]) for row in reversed(slots(host, **asked))]


def runs(host: Host) -> list[dict[str, Any]]:
    """Oldest first."""
    with db.open_for_reading(host.place.state) as state:
        return views.runs(state, limit=None)[::-1]


@pytest.fixture
def ticking(host: Host) -> Host:
    host.apply(shop(), agent("a"))
    age(host)
    reconcile(host)
    return host


# -- charges


def test_a_charge_goes_before_the_assignment_that_names_it(host: Host) -> None:
    host.apply(
        shop({"tick": {"cron": {"schedule": "0 2 * * *", "timeZone": "Europe/Berlin"}}}),
        agent("a", env={"A": "b"}),
    )
    assert host.fleet["a"].types() == ["entrust", "assign"]
    tag, charge, secrets = host.fleet["a"].charges["shop/build"]
    assert host.fleet["a"].has == {"shop/build": tag} and secrets == {}
    assert (charge["agentEnv"], charge["agent"], charge["suspended"]) == ({"A": "b"}, "a", False)
    duty = charge["duties"]["tick"]
    assert duty["cron"] == {"schedule": "0 2 * * *", "timeZone": "Europe/Berlin"} and duty["params"] == {
        "level": "quick"
    }
    assert load_zone(base64.b64decode(host.fleet["a"].zones[duty["zone"]]))
    row = host.pipelines()["shop/build"]
    assert (row["revision"], row["reason"]) == (revision_of(tag), None) and row["observedRevision"] == row[
        "revision"
    ]


def test_nothing_is_said_again_where_nothing_changed(ticking: Host) -> None:
    ticking.fleet["a"].heard.clear()
    reconcile(ticking)
    assert ticking.fleet["a"].types() == ["assign"]  # on a new connection; its charge is confirmed
    assert ticking.fleet["a"].heard[-1]["autostart"] == "cron"


def test_slots_that_fire_do_not_change_the_charge(ticking: Host) -> None:
    before = ticking.fleet["a"].has
    ticking.fleet["a"].fire(uuid(ticking), "shop/build", "tick", minute(2))
    reconcile(ticking)
    assert ticking.fleet["a"].has == before


CHANGES: dict[str, Any] = {
    "another schedule": lambda host: host.apply(
        shop({"tick": {"cron": {"schedule": "@hourly"}}}), agent("a")
    ),
    "other params": lambda host: host.apply(shop({"tick": {"cron": {"schedule": "* * * * *"}}}), agent("a")),
    "the agent's env": lambda host: host.apply(shop(), agent("a", env={"A": "b"})),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_is_entrusted_anew(ticking: Host, what: str) -> None:
    before = ticking.fleet["a"].has["shop/build"]
    ticking.fleet["a"].heard.clear()
    CHANGES[what](ticking)
    assert ticking.fleet["a"].types() == ["entrust", "assign"]
    assert ticking.fleet["a"].has["shop/build"] != before
    assert revision_of(before) == revision_of(ticking.fleet["a"].has["shop/build"])


def test_an_agent_that_is_away_is_behind_until_it_has_the_new_charge(ticking: Host) -> None:
    ticking.fleet["a"].trouble = NO_ROUTE
    ticking.apply(shop({"tick": {"cron": {"schedule": "@hourly"}}}), agent("a"))
    row = ticking.pipelines()["shop/build"]
    assert (row["reason"], row["observedRevision"]) == ("AgentBehind", row["revision"])
    assert "earlier triggers" in row["message"]
    ticking.fleet["a"].trouble = None
    reconcile(ticking)
    assert ticking.pipelines()["shop/build"]["reason"] is None


def test_many_charges_come_in_pieces(host: Host) -> None:
    big = "x" * 20_000
    many = {f"p{number}": pipeline(f"echo {big}", triggers=["tick"]) for number in range(120)}
    host.apply(shop(None, **many), agent("a"))
    pieces = [message for message in host.fleet["a"].heard if message["type"] == "entrust"]
    assert len(pieces) > 1 and all(len(json.dumps(piece)) < 1_000_000 for piece in pieces)
    assert len(host.fleet["a"].has) == 120 and all(piece["zones"] for piece in pieces)


def test_a_suspended_pipeline_says_so_in_its_charge(ticking: Host) -> None:
    with ticking.state() as state, state.transaction() as conn:
        overrides.say(conn, time.time(), "Workflow", "shop", "suspended", True)
    reconcile(ticking)
    assert ticking.fleet["a"].charges["shop/build"][1]["suspended"]
    row = ticking.pipelines()["shop/build"]
    assert row["suspended"] and row["nextFire"] is None
    assert ticking.ended(*ticking.fire("shop/build").runs)[0]["phase"] == "Success"  # `xene run` goes on


def test_secrets_go_with_the_charge_on_every_connection(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY", "s3cr3t-value")
    secret = {"apiVersion": "xene/v1", "kind": "Secret", "metadata": {"name": "d"}, "spec": {"env": "DEPLOY"}}
    body = pipeline("true", triggers=["tick"], secrets={"TOKEN": "d"})
    host.apply(secret, shop(None, build=body), agent("a"))
    assert host.fleet["a"].charges["shop/build"][2] == {"TOKEN": "s3cr3t-value"}
    host.fleet["a"].heard.clear()
    reconcile(host)
    assert host.fleet["a"].types() == ["entrust", "assign"]
    with open(host.place.state, "rb") as file:
        assert b"s3cr3t-value" not in file.read()
    monkeypatch.delenv("DEPLOY")
    reconcile(host)
    reconcile(host)
    tag, charge, values = host.fleet["a"].charges["shop/build"]
    assert values == {} and charge["secrets"] == ["TOKEN"] and host.fleet["a"].has["shop/build"] == tag
    assert host.reasons("Pipeline").count("SecretMissing") == 1


def test_a_zone_that_this_host_does_not_know_stops_nothing_else(host: Host) -> None:
    both = {"tick": TICK["tick"], "mars": {"cron": {"schedule": "@daily", "timeZone": "Mars/Olympus"}}}
    host.apply(shop(both, build=pipeline("true", triggers=["tick", "mars"])), agent("a"))
    assert list(host.fleet["a"].charges["shop/build"][1]["duties"]) == ["tick"]
    assert "TimeZoneUnknown" in host.reasons("Pipeline")


def test_a_pass_over_thousands_of_charges_reckons_none(
    ticking: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xene.control import charging

    def reckoned(*_: object) -> None:
        raise AssertionError("a charge was reckoned, though nothing had changed")

    monkeypatch.setattr(charging, "_charge", reckoned)
    reconcile(ticking)


# -- slots and their runs


def test_what_fired_with_control_off_is_handed_over(ticking: Host) -> None:
    agent_a, state = ticking.fleet["a"], uuid(ticking)
    fired = [agent_a.fire(state, "shop/build", "tick", minute(ago)) for ago in (5, 3)]
    agent_a.settle("shop/build", "tick", "missed", "Late", minute(4))
    assert slots(ticking) == []
    reconcile(ticking)
    assert outcomes(ticking) == [("fired", None), ("missed", "Late"), ("fired", None)]
    assert [row["id"] for row in runs(ticking)] == fired
    for row in ticking.ended(*fired):
        assert (row["phase"], row["trigger"], row["params"], row["log"]) == (
            "Success",
            "tick",
            {"level": "full"},
            "complete",
        )
    reconcile(ticking)
    assert agent_a.orders == {} and "start" not in agent_a.types()  # released, and never sent


def test_a_restored_copy_doubles_nothing(ticking: Host) -> None:
    agent_a, state = ticking.fleet["a"], uuid(ticking)
    agent_a.fire(state, "shop/build", "tick", minute(9))
    reconcile(ticking)
    copy = copy_aside(ticking)
    agent_a.fire(state, "shop/build", "tick", minute(8))
    agent_a.settle("shop/build", "tick", "skipped", "ConcurrencyForbid", minute(7))
    reconcile(ticking)
    before = (slots(ticking), [row["id"] for row in runs(ticking)])
    restore(ticking, copy)
    reconciling.reconcile(ticking.place, take_over=True, open=ticking.open)
    assert (slots(ticking), [row["id"] for row in runs(ticking)]) == before
    assert "start" not in agent_a.types()


def test_slots_that_an_agent_has_forgotten_are_unknown_to_a_restored_copy(ticking: Host) -> None:
    """Older than what the agent still remembers: nobody will say what became of them, and nobody may be silent."""
    agent_a, state = ticking.fleet["a"], uuid(ticking)
    agent_a.fire(state, "shop/build", "tick", minute(30))
    reconcile(ticking)
    copy = copy_aside(ticking)
    for ago in range(29, 9, -1):
        agent_a.settle("shop/build", "tick", "skipped", "ConcurrencyForbid", minute(ago))
    reconcile(ticking)
    told = len(agent_a.events)
    restore(ticking, copy)
    forgotten, agent_a.events[told - 15] = agent_a.events[told - 15], agent_a.events[0]
    agent_a.events[told - 20 : told - 15] = [
        {**agent_a.events[0], "n": n} for n in range(told - 19, told - 14)
    ]
    agent_a.events[told - 15] = {**agent_a.events[0], "n": told - 14}
    agent_a.hello_lies = {"forgot": [forgotten["n"], float(minute(20))]}
    reconciling.reconcile(ticking.place, take_over=True, open=ticking.open)
    reconcile(ticking)
    found = {seconds(row["at"]): (row["outcome"], row["reason"]) for row in slots(ticking)}
    assert found[minute(29)] == ("unknown", "StateRestored") and found[minute(10)][0] == "skipped"
    assert all(minute(ago) in found for ago in range(30, 9, -1))
    agent_a.fire(state, "shop/build", "tick", minute(28))  # it may still tell, and is heard
    ticking.apply(
        shop({"tick": {"cron": {"schedule": "7 * * * *"}}}, build=pipeline("true", triggers=["tick"]))
    )
    reconcile(ticking)
    found = {seconds(row["at"]): (row["outcome"], row["reason"]) for row in slots(ticking)}
    assert found[minute(28)] == ("fired", None) and found[minute(29)] == ("unknown", "StateRestored")


@pytest.mark.parametrize(
    "forgot", [None, [], [1], ["x", 1.0], [10**9, "x"], [10**9, -1], {"n": 1}, [10**9, 1e300]]
)
def test_what_an_agent_says_to_have_forgotten_may_be_nonsense(ticking: Host, forgot: Any) -> None:
    ticking.fleet["a"].hello_lies = {"forgot": forgot}
    assert reconciling.reconcile(ticking.place, open=ticking.open).trouble == {}
    assert slots(ticking, outcome="unknown") == []


def test_a_home_that_was_wiped_fires_nothing_that_it_may_have_fired(ticking: Host) -> None:
    agent_a = ticking.fleet["a"]
    agent_a.fire(uuid(ticking), "shop/build", "tick", minute(50))
    reconcile(ticking)
    agent_a.wipe("another journal")
    reconcile(ticking)
    reconcile(ticking)
    found = outcomes(ticking)
    assert found.count(("fired", None)) == 1 and found[-1] == ("missed", "AgentLost") and len(found) >= 50
    since = agent_a.charges["shop/build"][1]["duties"]["tick"]["since"]
    assert since >= NOW and agent_a.has  # it was entrusted anew, from now on


# -- what follows


def flow(on: str = "success", **more: Any) -> dict[str, Any]:
    return shop(
        None,
        build=pipeline("true", triggers=["tick"]),
        lint=pipeline("true", **more),
        scan=pipeline("true", needs=[{"pipeline": "build", "on": ["success"]}], params=LEVEL),
        ship=pipeline(
            "true", needs=[{"pipeline": "scan", "on": ["success"]}, {"pipeline": "lint", "on": [on]}]
        ),
    )


def names(host: Host) -> list[str]:
    return [row["pipeline"] for row in runs(host)]


@pytest.fixture
def flowing(host: Host) -> Host:
    host.apply(flow(), agent("a"))
    age(host)
    reconcile(host)
    return host


def settle_down(host: Host) -> None:
    for _ in range(4):
        reconcile(host)


def test_pipelines_that_need_others_follow_a_slot(flowing: Host) -> None:
    flowing.fleet["a"].fire(uuid(flowing), "shop/build", "tick", minute(5))
    settle_down(flowing)
    assert names(flowing) == ["build", "scan"]  # lint takes no part, and ship wants its success
    build, scan = runs(flowing)
    assert scan["fire"] == build["fire"] and scan["slot"] == build["slot"]
    assert (scan["trigger"], scan["params"]) == ("pipeline", {"level": "full"})
    (order,) = [each["order"] for each in flowing.fleet["a"].heard if each["type"] == "start"]
    assert (order["trigger"], order["scheduledAt"]) == ("pipeline", build["slot"])


@pytest.mark.parametrize("first", ["build", "lint"])
def test_reports_of_one_slot_come_in_any_order(host: Host, first: str) -> None:
    host.apply(flow(triggers=["tick"]), agent("a"))
    age(host)
    reconcile(host)
    second = "lint" if first == "build" else "build"
    host.fleet["a"].fire(uuid(host), f"shop/{first}", "tick", minute(5))
    settle_down(host)
    assert "ship" not in names(host)
    host.fleet["a"].fire(uuid(host), f"shop/{second}", "tick", minute(5))
    settle_down(host)
    assert sorted(names(host)) == ["build", "lint", "scan", "ship"]
    assert len({row["fire"] for row in runs(host)}) == 1


@pytest.mark.parametrize(
    ("on", "follows"),
    [
        ("success", ["build", "scan"]),
        ("skipped", ["build", "scan", "ship"]),
        ("any", ["build", "scan", "ship"]),
    ],
)
def test_a_pipeline_whose_slot_did_not_fire_is_skipped_in_the_fire(
    host: Host, on: str, follows: list[str]
) -> None:
    host.apply(flow(on, triggers=["tick"]), agent("a"))
    age(host)
    reconcile(host)
    host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(5))
    settle_down(host)
    with host.state() as state:
        waiting = state.conn.execute("SELECT pipeline FROM followers WHERE outcome IS NULL").fetchall()
    assert waiting == [("ship",)]  # lint may still fire
    host.fleet["a"].settle("shop/lint", "tick", "missed", "Late", minute(5))
    settle_down(host)
    assert names(host) == follows
    with host.state() as state:
        assert state.conn.execute("SELECT pipeline FROM followers WHERE outcome IS NULL").fetchall() == []


def test_roots_on_different_agents_meet_in_one_fire(host: Host) -> None:
    thing = flow(triggers=["tick"], placement={"agent": "b"})
    for name in ("build", "scan", "ship"):
        thing["spec"]["pipelines"][name]["placement"] = {"agent": "a"}
    host.apply(thing, agent("a"), agent("b"))
    age(host)
    reconcile(host)
    host.fleet["b"].trouble = NO_ROUTE
    host.fleet["b"].fire(uuid(host), "shop/lint", "tick", minute(5))
    host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(5))
    settle_down(host)
    assert "ship" not in names(host)
    host.fleet["b"].trouble = None
    settle_down(host)
    assert sorted(names(host)) == ["build", "lint", "scan", "ship"]


def test_a_root_that_has_gone_from_the_workflow_holds_nothing_up(host: Host) -> None:
    host.apply(flow(triggers=["tick"]), agent("a"))
    age(host)
    reconcile(host)
    host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(5))
    settle_down(host)
    without = flow()
    del without["spec"]["pipelines"]["lint"]
    without["spec"]["pipelines"]["ship"]["needs"] = [{"pipeline": "scan", "on": ["success"]}]
    host.apply(without, agent("a"))
    settle_down(host)
    with host.state() as state:
        assert state.conn.execute("SELECT pipeline FROM followers WHERE outcome IS NULL").fetchall() == []


# -- what nobody tells


def test_slots_of_a_silent_agent_are_unknown_until_it_is_heard(ticking: Host) -> None:
    agent_a = ticking.fleet["a"]
    agent_a.settle("shop/build", "tick", "missed", "Late", minute(30))
    reconcile(ticking)
    age(ticking, 0.0)
    agent_a.trouble = NO_ROUTE
    write(ticking, "UPDATE agents SET last_seen_at = ?", minute(10))
    reconcile(ticking)
    found = outcomes(ticking)
    assert (
        found[0] == ("missed", "Late") and set(found[1:]) == {("unknown", "AgentSilent")} and len(found) >= 28
    )
    assert {row["agent"] for row in slots(ticking)} == {"a"}
    agent_a.trouble = None
    last, *others = [seconds(row["at"]) for row in slots(ticking, outcome="unknown")]
    agent_a.settle("shop/build", "tick", "missed", "Late", *others)
    agent_a.fire(uuid(ticking), "shop/build", "tick", last)
    reconcile(ticking)
    assert "unknown" not in [outcome for outcome, _ in outcomes(ticking)]
    assert outcomes(ticking)[-1] == ("fired", None)


def test_an_agent_that_was_heard_a_moment_ago_is_not_silent(ticking: Host) -> None:
    ticking.fleet["a"].trouble = NO_ROUTE
    reconcile(ticking)
    assert slots(ticking) == []


def test_a_silent_agent_that_is_removed_leaves_missed_slots(ticking: Host) -> None:
    ticking.fleet["a"].trouble = NO_ROUTE
    write(ticking, "UPDATE agents SET last_seen_at = ?", minute(10))
    reconcile(ticking)
    assert {outcome for outcome, _ in outcomes(ticking)} == {"unknown"}
    removing.remove(ticking.place, "a", lost=True, open=ticking.open)
    reconcile(ticking)
    assert set(outcomes(ticking)) == {("missed", "AgentRemoved")}
    assert slots(ticking)[0]["at"] >= "2026" and len(slots(ticking)) >= 59  # up to now, with no gap


def test_what_was_due_under_a_charge_that_an_agent_lost_is_missed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power went before the charge was durable; the next one, of a resumed pipeline, begins later."""
    monkeypatch.setattr("xene.control.told.TIME", 0.3)
    host.apply(agent("a"))
    host.fleet["a"].deaf = {"entrust", "assign"}
    host.apply(shop(), agent("a"))
    age(host)
    for said in (True, False):
        with host.state() as state, state.transaction() as conn:
            before = overrides.suspension(conn)
            overrides.say(conn, time.time(), "Workflow", "shop", "suspended", said)
            overrides.resumed(conn, time.time(), before, "shop")
    host.fleet["a"].deaf, host.fleet["a"].trouble = set(), NO_ROUTE
    reconcile(host)
    assert set(outcomes(host)) == {("unknown", "AgentSilent")} and len(slots(host)) >= 59
    host.fleet["a"].trouble = None
    reconcile(host)
    reconcile(host)
    assert set(outcomes(host)) == {("missed", "TriggerChanged")} and len(slots(host)) >= 59


def test_slots_of_a_pipeline_on_no_agent_are_missed_until_one_catches_up(host: Host) -> None:
    body = pipeline("true", triggers=["tick"], placement={"agentSelector": {"matchLabels": {"os": "plan9"}}})
    host.apply(shop(None, build=body), agent("a"))
    age(host, 1800)
    reconcile(host)
    reconcile(host)
    before = outcomes(host)
    assert set(before) == {("missed", "NotPlaced")} and 28 <= len(before) <= 31
    host.apply(shop(None, build=body), agent("a"), agent("b", {"os": "plan9"}))
    assert host.fleet["b"].charges["shop/build"][1]["duties"]["tick"]["since"] < minute(25)
    host.fleet["b"].fire(uuid(host), "shop/build", "tick", minute(2))
    reconcile(host)
    found = outcomes(host)  # another minute may have gone by
    assert ("fired", None) in found and len(before) <= len(found) <= len(before) + 2


def test_a_bounded_number_is_written_at_a_time_and_all_in_the_end(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xene.control import accounting

    monkeypatch.setattr(accounting, "MOST", 7)
    body = pipeline("true", triggers=["tick"], placement={"agent": "nobody"})
    host.apply(shop(None, build=body), agent("a"))
    age(host, 3600)
    for _ in range(5):
        reconcile(host)
    ats = [row["at"] for row in slots(host)]
    assert len(ats) >= 58 and len(set(ats)) == len(ats)


# -- moving


def test_a_pipeline_that_moves_begins_where_the_other_agent_left_off(host: Host) -> None:
    thing = shop(None, build=pipeline("true", triggers=["tick"], placement={"agent": "a"}))
    host.apply(thing, agent("a"), agent("b"))
    age(host)
    reconcile(host)
    host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(3))
    reconcile(host)
    host.apply(
        shop(None, build=pipeline("true", triggers=["tick"], placement={"agent": "b"})),
        agent("a"),
        agent("b"),
    )
    assert host.fleet["a"].has == {} and list(host.fleet["b"].has) == ["shop/build"]
    assert host.fleet["b"].charges["shop/build"][1]["duties"]["tick"]["since"] == minute(3)


def test_a_pipeline_does_not_begin_elsewhere_while_a_run_of_it_goes_on(host: Host) -> None:
    def pinned(where: str, **more: Any) -> dict[str, Any]:
        return shop(None, build=pipeline("true", triggers=["tick"], placement={"agent": where}, **more))

    host.apply(pinned("a"), agent("a"), agent("b"))
    age(host)
    reconcile(host)
    host.fleet["a"].play = "wait"
    run = host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(3))
    reconcile(host)
    host.apply(pinned("b"), agent("a"), agent("b"))
    assert host.fleet["a"].has == {} and host.fleet["b"].has == {}
    host.fleet["a"].do(run)
    reconcile(host)
    assert list(host.fleet["b"].has) == ["shop/build"]


def test_one_that_may_run_in_parallel_moves_at_once(host: Host) -> None:
    def pinned(where: str) -> dict[str, Any]:
        body = pipeline("true", triggers=["tick"], placement={"agent": where}, concurrencyPolicy="Allow")
        return shop(None, build=body)

    host.apply(pinned("a"), agent("a"), agent("b"))
    age(host)
    reconcile(host)
    host.fleet["a"].play = "wait"
    host.fleet["a"].fire(uuid(host), "shop/build", "tick", minute(3))
    reconcile(host)
    host.apply(pinned("b"), agent("a"), agent("b"))
    assert list(host.fleet["b"].has) == ["shop/build"]


def test_rules_of_zones_that_changed_are_entrusted_anew(ticking: Host) -> None:
    before = ticking.fleet["a"].has["shop/build"]
    write(ticking, "UPDATE zones SET digest = 'of last year'")
    reconcile(ticking)
    with ticking.state() as state, Control(ticking.place, state, open=ticking.open):
        assert state.conn.execute("SELECT count(*) FROM zones WHERE digest = 'of last year'").fetchone() == (
            0,
        )
    assert ticking.fleet["a"].has["shop/build"] == before  # as it was before it was last year's


def test_a_manual_run_takes_no_slot(ticking: Host) -> None:
    ticking.ended(*ticking.fire("shop/build").runs)
    assert slots(ticking) == []
