"""Triggers as applied: since when they count; and whose change makes a charge stale."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import Filled, agent
from tests.store.test_slots import STEPS, hold, shop
from xene.store import charges, lapses, objects, overrides, pipelines, triggers

KEY = ("shop", "build")


def since(filled: Filled) -> float:
    (row,) = triggers.of_pipeline(filled.state.conn, *KEY)
    return row.since


def cron(schedule: str = "* * * * *", **more: Any) -> dict[str, Any]:
    return {"tick": {"cron": {"schedule": schedule, **more}}}


def test_a_trigger_counts_from_when_it_was_applied(filled: Filled) -> None:
    filled.put(shop(), now=100)
    assert since(filled) == 100
    filled.put(shop(), now=200)
    assert since(filled) == 100


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (cron(params={"x": "y"}), 100.0),
        (cron("@hourly"), 200.0),
        (cron(timeZone="Europe/Berlin"), 200.0),
        (cron(catchUp="all"), 200.0),
    ],
)
def test_it_counts_anew_when_it_changes_by_more_than_its_params(
    filled: Filled, new: dict[str, Any], expected: float
) -> None:
    filled.put(shop(cron()), now=100)
    filled.put(shop(new), now=200)
    assert since(filled) == expected


def test_one_that_comes_back_fires_nothing_twice(filled: Filled) -> None:
    filled.put(shop(), now=100)
    with filled.state.transaction() as conn:
        triggers.settled_to(conn, *KEY, "tick", 500.0)
        triggers.settled_to(conn, *KEY, "tick", 400.0)
    filled.put(shop({}, build=STEPS), now=200)
    row = triggers.read(filled.state.conn, *KEY, "tick")
    assert row is not None and (row.cron, row.watermark) == (None, 500.0)
    filled.put(shop(), now=300)
    assert since(filled) == 500.0


def test_a_workflow_that_goes_leaves_its_rows(filled: Filled) -> None:
    filled.put(shop())
    with filled.state.transaction() as conn:
        objects.remove(conn, 300.0, "Workflow", "shop")
    assert triggers.of_pipeline(filled.state.conn, *KEY) == []
    assert triggers.read(filled.state.conn, *KEY, "tick") is not None


def test_what_was_due_while_no_agent_had_it_is_accounted_for_when_it_changes(filled: Filled) -> None:
    filled.put(shop(), now=100)
    filled.put(shop(cron("@hourly")), now=200)
    (lapse,) = lapses.every(filled.state.conn)
    assert (lapse.since, lapse.until, lapse.reason) == (100.0, 200.0, "NotPlaced")
    hold(filled)
    filled.put(shop(cron("@daily", timeZone="Asia/Kolkata")), now=300)
    _, lapse = lapses.every(
        filled.state.conn
    )  # its agent says what became of those, or is found not to have it
    assert (lapse.since, lapse.until, lapse.outcome, lapse.agent) == (200.0, 300.0, "unknown", "local")


def test_the_zone_of_what_is_still_to_be_written_is_kept(filled: Filled) -> None:
    """It may be that no pass has seen the trigger: who is to say then when it was due?"""
    filled.put(shop(cron("@hourly", timeZone="Asia/Kolkata")), now=100)
    assert triggers.zones(filled.state.conn) == ["Asia/Kolkata"]
    filled.put(shop({}, build=STEPS), now=200)
    assert triggers.zones(filled.state.conn) == ["Asia/Kolkata"]


# -- what makes a charge stale


@pytest.fixture
def tagged(filled: Filled) -> Filled:
    filled.hear()
    filled.put(agent("b"), shop(), now=100)
    with filled.state.transaction() as conn:
        place(conn, "b")
        charges.put(conn, ("shop", "build", "b"), "Queue", {}, {}, "tag")
    assert charges.stale(filled.state.conn) == []
    return filled


def place(conn: Any, where: str) -> None:
    row = pipelines.read(conn, *KEY)
    assert row is not None
    pipelines.put(conn, 1.0, [row._replace(phase="Scheduled", reason=None, agent=where)])


CHANGES: dict[str, Any] = {
    "another agent": lambda filled, conn: place(conn, "local"),
    "its since": lambda filled, conn: triggers.raised(conn, triggers.of_pipeline(conn, *KEY), 900.0),
    "suspended by a word": lambda filled, conn: overrides.say(
        conn, 5.0, "Workflow", "shop", "suspended", True
    ),
    "a pipeline's word": lambda filled, conn: overrides.say(
        conn, 5.0, "Pipeline", "shop/build", "suspended", True
    ),
    "a holding that goes": lambda filled, conn: conn.execute("DELETE FROM holdings"),
    "the agent's labels": lambda filled, conn: conn.execute('UPDATE agents SET labels = \'{"a":"b"}\''),
    "the agent's env": lambda filled, conn: conn.execute("UPDATE agents SET spec = '{\"env\":{}}'"),
    "the rules of a zone": lambda filled, conn: charges.put_zone(conn, "UTC", "new", b"x"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_a_charge_is_made_from_makes_it_stale(tagged: Filled, what: str) -> None:
    with tagged.state.transaction() as conn:
        charges.put_zone(conn, "UTC", "old", b"x")
        agents_hold(conn)
        conn.execute("UPDATE pipelines SET tag = 'tag'")
        CHANGES[what](tagged, conn)
        assert charges.some_untagged(conn)


def agents_hold(conn: Any) -> None:
    conn.execute("INSERT INTO holdings (workflow, pipeline, agent) VALUES ('shop', 'build', 'b')")


def test_another_spec_or_suspend_in_the_manifest_makes_it_stale(tagged: Filled) -> None:
    thing = shop()
    thing["spec"]["suspend"] = True
    tagged.put(thing)
    assert [each.charged for each in charges.stale(tagged.state.conn)] == ["b"]


@pytest.mark.parametrize(
    "statement", ["UPDATE agents SET last_seen_at = 7", "UPDATE triggers SET watermark = 7"]
)
def test_what_it_is_not_made_from_does_not(tagged: Filled, statement: str) -> None:
    with tagged.state.transaction() as conn:
        conn.execute(statement)
        place(conn, "b")
        assert charges.stale(conn) == []


def test_a_pipeline_that_somebody_else_holds_is_not_charged_yet(tagged: Filled) -> None:
    with tagged.state.transaction() as conn:
        agents_hold(conn)
        place(conn, "local")
        assert charges.stale(conn) == []
        conn.execute("UPDATE holdings SET fenced_at = 5")
        assert [each.agent for each in charges.stale(conn)] == ["local"]


def test_pipelines_without_triggers_are_known_by_their_revision(filled: Filled) -> None:
    filled.put(shop({}, build=STEPS))
    with filled.state.transaction() as conn:
        charges.tag_plain(conn)
        assert not charges.some_untagged(conn)
