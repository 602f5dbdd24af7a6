"""Words on top of the manifests: which of them holds, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import Filled, agent, workflow
from xene.store import agents, objects, overrides, views

ONE = {"tasks": {"one": {"steps": [{"name": "s", "run": "true"}]}}}


def suspending(name: str, suspend: bool, *pipelines: str) -> dict[str, Any]:
    made = workflow(name, dict.fromkeys(pipelines or ("build",), ONE))
    made["spec"]["suspend"] = suspend
    return made


def say(filled: Filled, kind: str, name: str, value: bool, field: str = overrides.SUSPENDED) -> None:
    with filled.state.transaction() as conn:
        overrides.say(conn, 100.0, kind, name, field, value)


def is_suspended(filled: Filled, pipeline: str = "build") -> bool:
    """What every way of asking says; they must agree."""
    conn = filled.state.conn
    told = overrides.suspended(conn, "shop", pipeline)
    (row,) = [row for row in views.pipelines(filled.state, workflow="shop") if row["name"] == pipeline]
    shown = conn.execute("SELECT suspended FROM xene_pipelines WHERE name = ?", (pipeline,)).fetchone()[0]
    assert (row["suspended"], bool(shown)) == (told, told)
    return told


@pytest.mark.parametrize("manifest", [None, False, True])
@pytest.mark.parametrize("of_workflow", [None, False, True])
@pytest.mark.parametrize("of_pipeline", [None, False, True])
def test_precedence(
    filled: Filled, manifest: bool | None, of_workflow: bool | None, of_pipeline: bool | None
) -> None:
    filled.put(workflow("shop") if manifest is None else suspending("shop", manifest))
    filled.put(suspending("shop2", not manifest))  # a name that begins alike has no part in it
    if of_workflow is not None:
        say(filled, "Workflow", "shop", of_workflow)
    if of_pipeline is not None:
        say(filled, "Pipeline", "shop/build", of_pipeline)
    words = [word for word in (of_pipeline, of_workflow, bool(manifest)) if word is not None]
    assert is_suspended(filled) == words[0]
    (row,) = views.workflows(filled.state, name="shop")
    assert row["suspended"] == (bool(manifest) if of_workflow is None else of_workflow)
    shown = filled.state.conn.execute("SELECT suspended FROM xene_workflows WHERE name = 'shop'").fetchone()
    assert bool(shown[0]) == row["suspended"]


def test_words_stay_over_applies_and_go_with_their_object(filled: Filled) -> None:
    filled.put(suspending("shop", False, "build", "scan"), suspending("shop2", False))
    say(filled, "Workflow", "shop", True)
    say(filled, "Pipeline", "shop/build", False)
    say(filled, "Pipeline", "shop/scan", False)
    say(filled, "Pipeline", "shop2/build", True)
    filled.put(suspending("shop", False, "build"), now=200)
    assert {word.name for word in overrides.every(filled.state.conn)} == {"shop", "shop/build", "shop2/build"}
    assert not is_suspended(filled)
    with filled.state.transaction() as conn:
        objects.remove(conn, 300.0, "Workflow", "shop")
    assert [word.name for word in overrides.every(filled.state.conn)] == ["shop2/build"]


def test_cordon_of_the_manifest_and_by_word(filled: Filled) -> None:
    def cordoned() -> bool:
        found = agents.read(filled.state.conn, "a")
        assert found is not None
        return found.cordoned

    filled.put(agent("a", local={}, cordon=True))
    assert cordoned()
    say(filled, "Agent", "a", False, overrides.CORDONED)
    filled.put(agent("a", local={}, cordon=True, capacity=3))
    assert not cordoned()
    say(filled, "Agent", "a", True, overrides.CORDONED)
    filled.put(agent("a", local={}))
    assert cordoned()
    with filled.state.transaction() as conn:
        agents.drop(conn, "a")
    assert overrides.every(filled.state.conn) == []


def test_what_is_resumed_catches_up_nothing(filled: Filled) -> None:
    filled.put(suspending("shop", True, "build", "scan", "ship"))
    say(filled, "Pipeline", "shop/scan", False)
    conn = filled.state.conn
    for name in ("build", "scan", "ship"):
        conn.execute(
            "INSERT INTO triggers (workflow, pipeline, name, since) VALUES ('shop', ?, 'nightly', ?)",
            (name, 900.0 if name == "ship" else 10.0),
        )
    filled.put(suspending("shop", False, "build", "scan", "ship"), now=500)
    since = dict(conn.execute("SELECT pipeline, since FROM triggers").fetchall())
    assert since == {"build": 500.0, "scan": 10.0, "ship": 900.0}
    before = overrides.suspension(conn)
    say(filled, "Workflow", "shop", True)
    say(filled, "Pipeline", "shop/ship", True)
    after = overrides.suspension(conn)
    assert overrides.resumed(conn, 600.0, before, "shop") == []
    say(filled, "Workflow", "shop", False)
    assert overrides.resumed(conn, 700.0, after, "shop") == ["build"]
    assert dict(conn.execute("SELECT pipeline, since FROM triggers"))["build"] == 700.0


def test_asking_what_is_suspended_reads_no_other_workflow(filled: Filled) -> None:
    plan = filled.state.conn.execute(f"EXPLAIN QUERY PLAN {overrides._BY_MANIFEST}").fetchall()
    assert "objects_suspended" in plan[0][3]
