"""The ledger: one row for each instant, exactly once, and never a slot that fired without its run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instants import instant
from tests.store.conftest import Filled, workflow
from xene.errors import NotFound
from xene.model import events as ev
from xene.model import ids
from xene.store import agents, fires, lapses, slots, triggers, views
from xene.store.slots import Slot

STEPS = {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}}
MINUTELY = {"cron": {"schedule": "* * * * *", "params": {"level": "full"}}}
NOW = 200.0  # what `Filled.report` says that it is


def shop(crons: dict[str, Any] | None = None, **pipelines: Any) -> dict[str, Any]:
    body = pipelines or {"build": {**STEPS, "triggers": ["tick"]}}
    thing = workflow("shop", body)
    thing["spec"]["triggers"] = {"tick": MINUTELY} if crons is None else crons
    return thing


@pytest.fixture
def held(filled: Filled) -> Filled:
    """shop/build belongs to the agent `local`, and shop/scan follows."""
    filled.hear()
    scan = {**STEPS, "needs": [{"pipeline": "build"}]}
    filled.put(shop(build={**STEPS, "triggers": ["tick"]}, scan=scan))
    hold(filled)
    return filled


def hold(filled: Filled, pipeline: str = "build", agent: str = "local") -> None:
    with filled.state.transaction() as conn:
        agents.intend(conn, [("shop", pipeline, agent)])


def revision(filled: Filled) -> str:
    return str(views.pipelines(filled.state, workflow="shop", name="build")[0]["revision"])


def run_of(filled: Filled, at: int, pipeline: str = "build", trigger: str = "tick") -> str:
    return ids.slot_run_id(filled.state.uuid, "shop", pipeline, trigger, at)


def fired(filled: Filled, at: int, **more: Any) -> dict[str, Any]:
    told = {
        "workflow": "shop",
        "pipeline": "build",
        "trigger": "tick",
        "slot": at,
        "params": {"level": "full"},
    }
    run = more.pop("run", run_of(filled, at))
    return ev.public(ev.run_accepted(at + 1, run, {}, {**told, "revision": revision(filled), **more}))


def settled(*instants: int, outcome: str = "missed", reason: str = "Late", **more: Any) -> dict[str, Any]:
    given = {"pipeline": "shop/build", "trigger": "tick", **more}
    return ev.slots_settled(
        150.0, given["pipeline"], given["trigger"], outcome, reason, "why", list(instants)
    )


def ledger(filled: Filled) -> dict[str, tuple[str, str | None, bool]]:
    """By minute: outcome, reason, and whether there is a run."""
    rows = views.slots(filled.state, limit=None)
    runs = {row["id"] for row in views.runs(filled.state, limit=None)}
    assert all((row["run"] in runs) == (row["outcome"] == "fired") for row in rows)
    return {row["at"][14:16]: (row["outcome"], row["reason"], row["run"] is not None) for row in rows}


def reasons(filled: Filled) -> list[str]:
    return [row["reason"] for row in views.events(filled.state)]


# -- what fired


def test_a_slot_that_fired_comes_with_its_run(held: Filled) -> None:
    held.report(fired(held, 120))
    (slot,) = views.slots(held.state)
    (run,) = views.runs(held.state)
    assert slot == {
        "workflow": "shop", "pipeline": "build", "trigger": "tick", "at": "1970-01-01T00:02:00.000Z",
        "outcome": "fired", "reason": None, "message": None, "run": run_of(held, 120), "agent": "local",
    }  # fmt: skip
    assert (run["id"], run["trigger"], run["slot"], run["params"]) == (
        slot["run"], "tick", slot["at"], {"level": "full"},
    )  # fmt: skip
    assert (run["phase"], run["reason"], run["agent"]) == ("Queued", "WaitingForCapacity", "local")
    assert run["fire"] == ids.slot_fire_id(held.state.uuid, "shop", "tick", 120)
    assert run["createdAt"] == "1970-01-01T00:02:01.000Z" and list(run["tasks"]) == ["one"]


def test_what_follows_of_its_run_is_folded_in_the_same_batch(held: Filled) -> None:
    run = run_of(held, 120)
    held.report(
        fired(held, 120), ev.run_started(instant(122), run), ev.task_started(instant(122), run, "one", 1)
    )
    assert views.run(held.state, run)["tasks"]["one"]["phase"] == "Running"


def test_reports_that_come_again_change_nothing(held: Filled) -> None:
    told = [fired(held, 120), settled(60), fired(held, 180)]
    held.report(*told)
    before = (views.slots(held.state), views.runs(held.state))
    held.report(*told)
    held.report(*told, first=10)  # under other numbers: a home that was copied
    assert (views.slots(held.state), views.runs(held.state)) == before


def test_pipelines_that_one_slot_starts_share_a_fire(filled: Filled) -> None:
    filled.hear()
    filled.put(shop(build={**STEPS, "triggers": ["tick"]}, lint={**STEPS, "triggers": ["tick"]}))
    hold(filled)
    hold(filled, "lint")
    filled.report(
        fired(filled, 120), fired(filled, 120, pipeline="lint", run=run_of(filled, 120, pipeline="lint"))
    )
    assert len({run["fire"] for run in views.runs(filled.state)}) == 1
    assert [(fire.trigger, fire.slot, fire.params) for fire in fires.unspread(filled.state.conn)] == [
        ("tick", 120.0, {"level": "full"})
    ]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"run": "20261123-023000-k7q2m4xa"}, "ForeignReport"),
        ({"pipeline": "scan"}, "ForeignReport"),
        ({"trigger": "tock"}, "ForeignReport"),
        ({"slot": 61}, "MalformedReport"),
        ({"slot": True}, "MalformedReport"),
        ({"slot": 600}, "SlotOutOfRange"),  # more than five minutes ahead
        ({"params": ["x"]}, "MalformedReport"),
        ({"params": {"x": float("inf")}}, "MalformedReport"),
        ({"params": {"x": "y" * 70_000}}, "MalformedReport"),
        ({"revision": None}, "MalformedReport"),
    ],
)
def test_what_no_agent_may_say_is_dropped(held: Filled, more: dict[str, Any], note: str) -> None:
    held.report(fired(held, more.get("slot", 120) // 1, **more))
    assert views.slots(held.state) == [] and views.runs(held.state) == []
    assert note in reasons(held)


def test_only_an_agent_that_holds_the_pipeline_is_believed(held: Filled) -> None:
    held.put({"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": "b"}, "spec": {"local": {}}})
    held.hear("b", "K")
    held.report(fired(held, 120), settled(60), name="b", journal="K")
    assert views.slots(held.state) == [] and views.runs(held.state) == []


def test_an_agent_that_lost_the_pipeline_accounts_up_to_then(held: Filled) -> None:
    with held.state.transaction() as conn:
        conn.execute("UPDATE holdings SET fenced_at = 125")
    held.report(fired(held, 120), fired(held, 180), settled(60, 180))
    assert ledger(held) == {"02": ("fired", None, True), "01": ("missed", "Late", False)}


def test_two_agents_that_fired_one_slot_leave_one_run_and_a_word(held: Filled) -> None:
    held.put({"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": "b"}, "spec": {"local": {}}})
    held.hear("b", "K")
    hold(held, agent="b")
    held.report(fired(held, 120))
    held.report(fired(held, 120), name="b", journal="K")
    (run,) = views.runs(held.state)
    assert run["agent"] == "local" and "SlotFiredTwice" in reasons(held)


def test_a_revision_that_a_restored_state_does_not_have(held: Filled) -> None:
    run = run_of(held, 120)
    held.report(
        fired(held, 120, revision="feedfeedfeed"), ev.run_started(instant(121), run),
        ev.task_started(instant(122), run, "new", 1), ev.run_ended(123, run, "Success"),
    )  # fmt: skip
    found = views.run(held.state, run)
    assert (found["phase"], found["revision"], found["tasks"]) == ("Success", "feedfeedfeed", {})
    assert ledger(held) == {"02": ("fired", None, True)} and "StateRestored" in reasons(held)


def test_a_run_whose_history_is_over_does_not_come_back(held: Filled) -> None:
    held.report(fired(held, 120))
    with held.state.transaction() as conn:
        conn.execute("DELETE FROM runs")
    held.report(fired(held, 120), first=9)
    assert views.runs(held.state) == [] and len(views.slots(held.state)) == 1


def test_a_stand_in_gives_way_to_the_spec_itself(held: Filled) -> None:
    from xene.model import codec
    from xene.store import objects

    spec = {"pipeline": {"tasks": {"z": {"steps": [{"name": "s", "run": "x"}]}}}}
    with held.state.transaction() as conn:
        objects.stand_in(conn, 1.0, codec.digest(spec))
        assert not objects.is_known_revision(conn, codec.digest(spec))
        assert objects.put_revision(conn, 2.0, spec) == codec.digest(spec)
        assert objects.read_revision(conn, codec.digest(spec)) == spec


# -- what did not


def test_slots_that_did_not_fire(held: Filled) -> None:
    held.report(settled(60, 120), settled(180, outcome="skipped", reason="Suspended"))
    assert ledger(held) == {
        "01": ("missed", "Late", False), "02": ("missed", "Late", False), "03": ("skipped", "Suspended", False),
    }  # fmt: skip


@pytest.mark.parametrize(
    "event",
    [
        settled(60, outcome="fired"),
        settled(60, outcome="unknown"),
        settled(*range(0, 60 * 501, 60)),
        settled(61),
        {**settled(60), "slots": "60"},
        {**settled(60), "pipeline": 5},
    ],
)
def test_reports_that_are_none(held: Filled, event: dict[str, Any]) -> None:
    held.report(event)
    assert views.slots(held.state) == [] and "MalformedReport" in reasons(held)


def test_instants_out_of_range_are_dropped_one_by_one(held: Filled) -> None:
    held.report(settled(60, 120, 6000))
    assert set(ledger(held)) == {"01", "02"} and "SlotOutOfRange" in reasons(held)


def test_a_settled_slot_becomes_fired_and_nothing_else(held: Filled) -> None:
    held.report(settled(60), settled(60, outcome="skipped", reason="Suspended"))
    assert ledger(held) == {"01": ("missed", "Late", False)}
    held.report(fired(held, 60), first=5)  # its clock was set back, and the time came again
    assert ledger(held) == {"01": ("fired", None, True)}
    held.report(settled(60), first=9)
    assert ledger(held) == {"01": ("fired", None, True)}


def test_a_guess_gives_way_to_what_the_agent_says(held: Filled) -> None:
    with held.state.transaction() as conn:
        slots.guess(
            conn,
            190,
            [
                Slot("shop", "build", "tick", at, "unknown", "AgentSilent", "x", None, "local")
                for at in (60, 120, 180)
            ],
        )
    held.report(fired(held, 60), settled(120))
    assert ledger(held) == {
        "01": ("fired", None, True), "02": ("missed", "Late", False), "03": ("unknown", "AgentSilent", False),
    }  # fmt: skip
    held.report(ev.assigned(199, {}, ["shop/build"], 2), first=9)
    assert ledger(held)["03"] == ("missed", "AgentRemoved", False)  # it let go, and had said all that it had


def test_an_agent_given_up_leaves_what_it_had_as_missed(held: Filled) -> None:
    with held.state.transaction() as conn:
        slots.guess(
            conn, 190, [Slot("shop", "build", "tick", 120, "unknown", "AgentSilent", "x", None, "local")]
        )
        slots.give_up(conn, 300, "local", "AgentRemoved", "gone")
        (lapse,) = lapses.every(conn)
    assert ledger(held) == {"02": ("missed", "AgentRemoved", False)}
    assert (lapse.since, lapse.until, lapse.outcome, lapse.agent) == (100.0, 300.0, "missed", "local")
    (row,) = triggers.of_pipeline(held.state.conn, "shop", "build")
    assert row.since == 300.0  # nobody else fires what it may have fired


# -- reading


def test_lists_are_newest_first_and_filtered(held: Filled) -> None:
    held.report(fired(held, 60), settled(120), settled(180, outcome="skipped", reason="Suspended"))

    def minutes(**asked: Any) -> list[str]:
        return [row["at"][14:16] for row in views.slots(held.state, **asked)]

    assert (
        minutes()
        == ["03", "02", "01"]
        == minutes(workflow="shop")
        == minutes(pipeline="build", workflow="shop")
    )
    assert minutes(outcome="missed") == ["02"] == minutes(workflow="shop", outcome="missed")
    assert minutes(since=120.0) == ["03", "02"] and minutes(limit=1) == ["03"] == minutes(
        limit=1, workflow="shop"
    )
    assert minutes(workflow="nope") == [] and minutes(workflow="shop", trigger="nope") == []


def test_names_of_slots(held: Filled) -> None:
    where = {"workflow": "shop", "pipeline": "build", "trigger": "tick"}
    assert views.resolve_slots(held.state, "shop") == {"workflow": "shop"}
    assert views.resolve_slots(held.state, "shop/build/tick") == where
    assert views.resolve_slots(held.state, "shop/build/tick@1970-01-01T00:02:00Z") == {**where, "at": 120.0}
    assert views.resolve_slots(held.state, "build") == {"workflow": "shop", "pipeline": "build"}


@pytest.mark.parametrize(
    "name", ["nope", "shop/scan", "shop/build/tock", "a/b/c/d", "shop@noon", "shop@2026-01-01"]
)
def test_names_of_no_slots(held: Filled, name: str) -> None:
    with pytest.raises(NotFound):
        views.resolve_slots(held.state, name)
