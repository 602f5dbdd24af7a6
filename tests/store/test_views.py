"""The JSON of SPEC 4, the ways to name things, and that every query has its index."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instants import instant
from tests.store.conftest import RUN, Filled, agent, workflow
from xene.errors import NotFound
from xene.model import events as ev
from xene.store import agents as agent_rows
from xene.store import run_views, views, wishes
from xene.store import runs as run_rows


def one() -> dict[str, Any]:
    return {"tasks": {"t": {"steps": [{"name": "s", "run": "true"}]}}}


@pytest.fixture
def shop(filled: Filled) -> Filled:
    filled.put(
        workflow("shop", {"build": one(), "scan": one()}, team="web"),
        workflow("shed", {"build": one(), "dig": one()}),
    )
    filled.hear(cpus=4)
    return filled


def ids(count: int) -> list[str]:
    return [f"20261123-02300{number}-k7q2m4xa" for number in range(count)]


def test_a_pipeline_in_full(shop: Filled) -> None:
    shop.run()
    with shop.state.transaction() as conn:
        conn.execute(
            "UPDATE pipelines SET agent = 'local', phase = 'Scheduled', reason = NULL, message = NULL"
        )
        agent_rows.intend(conn, [("shop", "build", "local")])
    (row,) = views.pipelines(shop.state, workflow="shop", name="build")
    revision = row.pop("revision")
    assert row == {
        "workflow": "shop", "name": "build", "phase": "Scheduled", "execution": "Queued", "reason": None,
        "message": None, "agent": "local", "observedRevision": None, "suspended": False, "nextFire": None,
        "lastRun": {"id": RUN, "phase": "Queued"},
    }  # fmt: skip
    shop.report(ev.assigned(1, {"shop/build": "older"}, [], None))
    (row,) = views.pipelines(shop.state, workflow="shop", name="build")
    assert (row["reason"], row["observedRevision"]) == ("AgentBehind", "older")
    shop.report(ev.assigned(1, {"shop/build": revision}, [], None), first=2)
    (row,) = views.pipelines(shop.state, workflow="shop", name="build")
    assert (row["reason"], row["observedRevision"]) == (None, revision)


def test_an_agent_in_full(shop: Filled) -> None:
    first, second = ids(2)
    shop.run(first)
    shop.run(second)
    shop.report(ev.run_started(instant(5), first))
    with shop.state.transaction() as conn:
        run_rows.lost_sight(conn, 6, "local")
    (row,) = views.agents(shop.state)
    assert row == {
        "name": "local", "phase": "Ready", "reason": None, "message": None, "cordoned": False, "drained": False,
        "capacity": 4, "capacityUsed": 1, "pipelines": 0, "labels": {}, "version": "v1", "facts": {"cpus": 4},
        "lastSeenAt": "1970-01-01T00:03:20.000Z",
    }  # fmt: skip


def test_a_run_has_every_field(shop: Filled) -> None:
    shop.run()
    assert set(views.run(shop.state, RUN)) == set(
        "id workflow pipeline phase lastKnownPhase phaseSince reason message agent trigger fire slot params"
        " revision attempt log createdAt startedAt finishedAt tasks".split()
    )


def test_filters_of_runs(shop: Filled) -> None:
    names = ids(6)
    for number, name in enumerate(names):
        shop.run(name, workflow="shop" if number % 2 else "shed", now=100.0 + number)
    shop.report(ev.run_started(instant(5), names[0]), ev.run_ended(6, names[0], "Error", "X"))

    def found(**filters: Any) -> list[str]:
        return [row["id"] for row in views.runs(shop.state, **filters)]

    assert found() == names[::-1]
    assert found(limit=2) == [names[5], names[4]]
    assert found(workflow="shop") == [names[5], names[3], names[1]]
    assert found(phase="Error") == found(outcome="error") == [names[0]]
    assert found(since=104.0) == [names[5], names[4]]
    assert found(labels=lambda labels: labels.get("team") == "web") == [names[5], names[3], names[1]]
    assert found(fire="f-" + names[2]) == [names[2]]


def test_filters_of_the_rest(shop: Filled) -> None:
    web = {"labels": lambda labels: labels.get("team") == "web"}
    assert [row["name"] for row in views.workflows(shop.state, **web)] == ["shop"]
    assert [row["name"] for row in views.workflows(shop.state, limit=1)] == ["shed"]
    assert {row["workflow"] for row in views.pipelines(shop.state, **web)} == {"shop"}
    assert views.agents(shop.state, name="nobody") == views.agents(shop.state, phase="Unreachable") == []
    assert [row["reason"] for row in views.events(shop.state, kind="Agent", name="local")] == ["Ready"]
    assert views.events(shop.state, since=1e9) == []


def test_every_way_to_name_a_run(shop: Filled) -> None:
    names = ids(3)
    for name in names:
        shop.run(name)
    shop.run("20270101-000000-aaaaaaaa", pipeline="scan")
    state = shop.state
    assert views.resolve_run(state, names[0]) == names[0]
    assert views.resolve_run(state, names[2][:15]) == names[2]
    assert views.resolve_run(state, "shop/build") == views.resolve_run(state, "shop/build~0") == names[2]
    assert views.resolve_run(state, "shop/build~2") == views.resolve_run(state, "build~2") == names[0]
    assert views.resolve_run(state, "scan") == "20270101-000000-aaaaaaaa"
    assert views.run(state, views.resolve_run(state, "2027"))["pipeline"] == "scan"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026", "several runs: " + ", ".join(ids(3))),
        ("20990101-000000-zzzzzzzz", "no run"),
        ("shop/build~7", "only 3 runs"),
        ("shop/scan", "not run yet"),
        ("shop/bild", "no pipeline shop/bild"),
        ("", "no run or pipeline"),
        ("nothing", "no run or pipeline nothing"),
    ],
)
def test_names_of_no_run(shop: Filled, text: str, message: str) -> None:
    for name in ids(3):
        shop.run(name)
    with pytest.raises(NotFound, match=message) as caught:
        views.resolve_run(shop.state, text)
    assert caught.value.hint


def test_of_a_beginning_of_many_runs_only_some_are_named(shop: Filled) -> None:
    for name in ids(9):
        shop.run(name)
    with pytest.raises(NotFound, match=", ".join(ids(5)) + " and more$"):
        views.resolve_run(shop.state, "2026")


def test_names_of_pipelines(shop: Filled) -> None:
    assert views.resolve_pipeline(shop.state, "shop/build") == ("shop", "build")
    assert views.resolve_pipeline(shop.state, "dig") == ("shed", "dig")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("build", "shed/build, shop/build", "one of them"),
        ("shop/biuld", "no pipeline shop/biuld", "shop/build, shop/scan"),
        ("digg", "no pipeline digg", "did you mean shed/dig?"),
        ("shop", "no pipeline shop", "shop/build, shop/scan"),
        ("zzz", "no pipeline zzz", "xene get pipelines"),
    ],
)
def test_names_of_no_pipeline(shop: Filled, text: str, message: str, hint: str) -> None:
    with pytest.raises(NotFound) as caught:
        views.resolve_pipeline(shop.state, text)
    assert message in caught.value.message and hint in caught.value.hint
    assert caught.value.exit_code == 4


def test_the_read_api_in_sql(shop: Filled) -> None:
    shop.put(agent("b", ssh={"host": "x"}))
    shop.run()
    for view in ("workflows", "pipelines", "agents", "runs", "tasks", "steps", "events"):
        cursor = shop.state.conn.execute(f"SELECT * FROM xene_{view}")
        assert cursor.fetchall(), view
    assert shop.state.conn.execute("SELECT created_at FROM xene_runs").fetchone() == (
        "1970-01-01T00:01:40.000Z",
    )


BUDGET = {"objects", "runs", "agents", "pipelines", "events"}


def scans(filled: Filled, act: Any) -> list[str]:
    """The tables that some statement of `act` reads from end to end without an index."""
    seen: list[str] = []
    filled.state.conn.set_trace_callback(seen.append)
    act()
    filled.state.conn.set_trace_callback(None)
    found = []
    for statement in seen:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            for row in filled.state.conn.execute("EXPLAIN QUERY PLAN " + statement):
                if row[3].startswith("SCAN") and "INDEX" not in row[3]:
                    found.append(f"{row[3]}: {statement}")
    return found


QUERIES = {
    "one workflow": lambda state: views.workflows(state, name="shop"),
    "pipelines of a workflow": lambda state: views.pipelines(state, workflow="shop"),
    "a pipeline by name": lambda state: views.pipelines(state, name="build"),
    "pipelines of an agent": lambda state: views.pipelines(state, agent="local"),
    "a run": lambda state: views.run(state, RUN),
    "runs of a pipeline": lambda state: views.runs(state, workflow="shop", pipeline="build"),
    "runs of a fire": lambda state: views.runs(state, fire="f-" + RUN),
    "runs in a phase": lambda state: views.runs(state, phase="Queued"),
    "runs since": lambda state: views.runs(state, since=1e9),
    "events of a run": lambda state: views.events(state, kind="Run", name=RUN),
    "one agent": lambda state: views.agents(state, name="local"),
    "a run by prefix": lambda state: views.resolve_run(state, RUN[:10]),
    "a run by pipeline": lambda state: views.resolve_run(state, "shop/build"),
    "a run by bare pipeline": lambda state: views.resolve_run(state, "build"),
    "a bare pipeline": lambda state: views.resolve_pipeline(state, "dig"),
    "slots": lambda state: views.slots(state),
    "slots of a workflow": lambda state: views.slots(state, workflow="shop"),
    "slots of an outcome": lambda state: views.slots(state, outcome="missed"),
    "slots since": lambda state: views.slots(state, workflow="shop", pipeline="build", since=5.0),
    "triggers of a workflow": lambda state: views.triggers(state, "shop"),
    "webhooks of a workflow": lambda state: views.webhooks(state, "shop"),
    "what is not settled": lambda state: run_rows.unsettled(state.conn),
    "what is not settled there": lambda state: run_rows.unsettled(state.conn, "local"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_use_an_index(shop: Filled, name: str) -> None:
    shop.run()
    assert not scans(shop, lambda: QUERIES[name](shop.state))


def test_writes_use_an_index(shop: Filled) -> None:
    shop.run()

    def write() -> None:
        shop.report(
            ev.run_started(instant(5), RUN), ev.task_started(instant(5), RUN, "one", 1),
            ev.step_started(instant(5), RUN, "one", "s", 1, 1),
            ev.step_ended(5, RUN, "one", "s", 1, "Success"), ev.task_ended(5, RUN, "one", 1, "Success"),
            ev.assigned(5, {"a/b": "c"}, ["d/e"], None),
        )  # fmt: skip
        with shop.state.transaction() as conn:
            run_rows.lost_sight(conn, 5, "local")
            run_rows.back_in_sight(conn, 5, "local")
            wishes.end(conn, 5, RUN, kill=True)
            run_rows.end(conn, 6, RUN, "X", "y", log="gone")
            run_rows.archived(conn, RUN, "gone")
            run_rows.released(conn, RUN)
            run_rows.move(conn, "shop", "build", "local")

    assert not scans(shop, write)


def test_lists_come_without_sorting_everything(shop: Filled) -> None:
    """The newest runs are read from the end, however many there are."""
    plan = shop.state.conn.execute("EXPLAIN QUERY PLAN " + run_views._RUNS + " ORDER BY seq DESC").fetchall()
    assert [row[3] for row in plan] == ["SCAN runs"]  # backwards by its key, and left after 50
