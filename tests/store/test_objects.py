"""Desired objects and the rows that follow from them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import RUN, Filled, agent, workflow
from xene.errors import NotFound
from xene.model import codec
from xene.store import agents, objects, runs, views, wishes


def one(name: str, *steps: str, **placement: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "tasks": {name: {"steps": [{"name": "s", "run": step} for step in steps or ["true"]]}}
    }
    return {**body, "placement": placement} if placement else body


def test_generation_and_revision(filled: Filled) -> None:
    first, second = workflow("shop"), workflow("shop", team="web")
    filled.put(first)
    filled.put(second, source="other", now=200)
    (row,) = views.workflows(filled.state)
    assert row == {
        "name": "shop",
        "source": "other",
        "generation": 2,
        "revision": codec.digest(second),
        "suspended": False,
        "labels": {"team": "web"},
        "spec": second["spec"],
    }
    assert objects.read(filled.state.conn, "Workflow", "shop") == second
    assert objects.index(filled.state.conn)["Workflow", "shop"].generation == 2


def test_pipelines_follow_and_keep_their_place(filled: Filled) -> None:
    filled.put(workflow("shop", {"build": one("a"), "scan": one("b", size=2)}))
    with filled.state.transaction() as conn:
        conn.execute(
            "UPDATE pipelines SET agent = 'local', phase = 'Scheduled', reason = NULL, message = NULL"
        )
    filled.put(workflow("shop", {"scan": one("b", "false", size=3), "ship": one("c")}))
    rows = {row["name"]: row for row in views.pipelines(filled.state)}
    assert list(rows) == ["scan", "ship"]
    assert (rows["scan"]["agent"], rows["scan"]["phase"]) == ("local", "Scheduled")
    assert (rows["ship"]["agent"], rows["ship"]["phase"], rows["ship"]["reason"]) == (
        None,
        "NotScheduled",
        "New",
    )
    assert filled.state.conn.execute("SELECT size FROM pipelines WHERE name = 'scan'").fetchone() == (3,)


def test_prose_and_placement_do_not_change_the_revision(filled: Filled) -> None:
    filled.put(workflow("shop", {"build": one("a")}))
    (before,) = views.pipelines(filled.state)
    filled.put(workflow("shop", {"build": {**one("a", agent="b"), "description": "words"}}))
    (after,) = views.pipelines(filled.state)
    assert after["revision"] == before["revision"]
    spec = objects.read_revision(filled.state.conn, after["revision"])
    assert codec.digest(spec) == after["revision"]
    filled.put(workflow("shop", {"build": one("a", "false")}))
    assert views.pipelines(filled.state)[0]["revision"] != before["revision"]


def test_revisions_keep_the_order_of_tasks(filled: Filled) -> None:
    filled.put(workflow("shop", {"build": {"tasks": {**one("z")["tasks"], **one("a")["tasks"]}}}))
    (row,) = views.pipelines(filled.state)
    assert list(objects.read_revision(filled.state.conn, row["revision"])["pipeline"]["tasks"]) == ["z", "a"]


def test_history_outlives_objects(filled: Filled) -> None:
    filled.put(workflow("shop"))
    filled.run()
    with filled.state.transaction() as conn:
        objects.remove(conn, 5.0, "Workflow", "shop")
    assert views.workflows(filled.state) == views.pipelines(filled.state) == []
    assert views.resolve_run(filled.state, "shop/build") == RUN
    assert views.run(filled.state, RUN)["tasks"]["one"]["phase"] == "NotExecuted"


def test_the_implicit_agent_goes_with_the_first_declared_one(filled: Filled) -> None:
    (row,) = agents.every(filled.state.conn)
    assert (row.name, row.implicit, row.leaving) == ("local", True, False)
    filled.put(agent("b"))
    rows = {row.name: row for row in agents.every(filled.state.conn)}
    assert rows["local"].leaving and not rows["b"].leaving


def test_declaring_local_keeps_it(filled: Filled) -> None:
    filled.hear()
    filled.put(agent("local", local={}, capacity=3))
    (row,) = agents.every(filled.state.conn)
    assert (row.implicit, row.leaving, row.capacity, row.journal) == (False, False, 3, "J")


def test_an_agent_that_is_reached_otherwise_is_a_new_contact(filled: Filled) -> None:
    filled.put(agent("b", ssh={"host": "x"}))
    filled.hear("b", cpus=4)
    filled.put(agent("b", ssh={"host": "x"}, cordon=True))
    row = agents.read(filled.state.conn, "b")
    assert row is not None and (row.phase, row.cordoned, row.capacity) == ("Ready", True, 4)
    filled.put(agent("b", ssh={"host": "y"}))
    row = agents.read(filled.state.conn, "b")
    assert row is not None and (row.phase, row.reason) == ("NotReady", "NeverContacted")


def test_a_removed_agent_leaves_and_may_come_back(filled: Filled) -> None:
    filled.put(agent("b"))
    with filled.state.transaction() as conn:
        objects.remove(conn, 5.0, "Agent", "b")
    row = agents.read(filled.state.conn, "b")
    assert row is not None and row.leaving
    filled.put(agent("b"))
    row = agents.read(filled.state.conn, "b")
    assert row is not None and not row.leaving


def test_trust(filled: Filled) -> None:
    with filled.state.transaction() as conn:
        agents.trust(conn, 1.0, "local", "ssh-ed25519 AAAA", "SHA256:x")
        with pytest.raises(NotFound):
            agents.trust(conn, 1.0, "nobody", "ssh-ed25519 AAAA", "SHA256:x")
    row = agents.read(filled.state.conn, "local")
    assert row is not None and row.trusted == ("ssh-ed25519 AAAA",)


def test_wishes(filled: Filled) -> None:
    filled.run()
    with filled.state.transaction() as conn:
        assert wishes.end(conn, 1, RUN, kill=False)
        assert wishes.end(conn, 1, RUN, kill=True)
        assert wishes.end(conn, 1, RUN, kill=False)
        assert runs.unsettled(conn)[0].wish == "kill"
        runs.end(conn, 2, RUN, "Cancelled", "it had not started", log="gone")
        assert not wishes.end(conn, 3, RUN, kill=True)


def test_an_ended_run_is_settled_when_archived_and_released(filled: Filled) -> None:
    filled.run()
    with filled.state.transaction() as conn:
        runs.end(conn, 2, RUN, "Cancelled", "it had not started", log="gone")
        assert runs.unsettled(conn, "local")
        runs.archived(conn, RUN, "gone", "it never started")
        runs.released(conn, RUN)
        assert not runs.unsettled(conn, "local")


def test_unsent_runs_move_with_their_pipeline(filled: Filled) -> None:
    filled.run(journal=None)
    with filled.state.transaction() as conn:
        runs.move(conn, "shop", "build", "b")
        assert runs.unsettled(conn)[0].agent == "b"
        runs.sent(conn, 1, "K", [RUN])
        runs.move(conn, "shop", "build", "c")
        assert runs.unsettled(conn)[0].agent == "b"


def test_events_are_bounded(filled: Filled) -> None:
    from xene.store import events

    with filled.state.transaction() as conn:
        for at in range(60):
            events.note_all(conn, [(at, "Run", "r", "X", None)] * 100, keep=1000)
    count, oldest = filled.state.conn.execute("SELECT count(*), min(at) FROM events").fetchone()
    assert 1000 <= count <= 3100 and oldest > 10


def test_a_pipeline_has_its_history(filled: Filled) -> None:
    body = {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}}
    filled.put(workflow("shop", {"a": {**body, "history": {"keep": 5, "maxAge": "30d"}}, "b": body}))
    rows = dict(filled.state.conn.execute("SELECT name, history FROM pipelines"))
    assert rows == {"a": '{"keep": 5, "maxAge": "30d"}', "b": "{}"}
    filled.put(workflow("shop", {"a": {**body, "history": {"keep": 6}}, "b": body}))
    assert filled.state.conn.execute("SELECT history FROM pipelines WHERE name = 'a'").fetchone() == (
        '{"keep": 6}',
    )
