"""What `store.overview` reads of one moment, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.instants import instant
from tests.store.conftest import Filled, workflow
from tests.store.test_views import ids, one, scans
from xene.model import events as ev
from xene.store import overview
from xene.store import runs as run_rows


@pytest.fixture
def shop(filled: Filled) -> Filled:
    filled.put(
        workflow("shop", {"build": one(), "scan": one()}, team="web"), workflow("shed", {"dig": one()})
    )
    filled.hear(cpus=4)
    return filled


def read(shop: Filled, **asked: Any) -> dict[str, Any]:
    return overview.overview(shop.state, **{"since": 0.0, **asked})


def by_name(found: dict[str, Any]) -> dict[str, Any]:
    return {f"{row['workflow']}/{row['name']}": row for row in found["pipelines"]}


def test_the_last_runs_oldest_first(shop: Filled) -> None:
    names = ids(4)
    for name in names:
        shop.run(name)
    shop.report(ev.run_started(instant(5), names[0]), ev.run_ended(7, names[0], "Error", "TaskFailed"))
    found = by_name(read(shop))
    assert [run["id"] for run in found["shop/build"]["runs"]] == names
    assert found["shop/build"]["runs"][0] == {
        "id": names[0], "phase": "Error", "reason": "TaskFailed", "startedAt": "1970-01-01T00:00:05.000Z",
        "finishedAt": "1970-01-01T00:00:07.000Z",
    }  # fmt: skip
    assert found["shop/scan"]["runs"] == found["shop/scan"]["open"] == []
    assert [run["id"] for run in by_name(read(shop, last=2))["shop/build"]["runs"]] == names[2:]


def test_what_is_open_is_counted_by_kind_with_its_oldest(shop: Filled) -> None:
    names = ids(3)
    for name in names:
        shop.run(name)
    shop.report(ev.run_started(instant(5), names[2]))
    kinds = by_name(read(shop))["shop/build"]["open"]
    assert {(kind["phase"], kind["count"], kind["oldest"]) for kind in kinds} == {
        ("Queued", 2, names[0]), ("StartingUp", 1, names[2]),
    }  # fmt: skip


def test_alarms(shop: Filled) -> None:
    assert read(shop)["alarms"]["unknownRuns"] == {"count": 0, "newest": None}
    names = ids(2)
    for name in names:
        shop.run(name)
    shop.report(ev.run_started(instant(5), names[0]), ev.run_started(instant(5), names[1]))
    with shop.state.transaction() as conn:
        run_rows.lost_sight(conn, 6, "local")
        conn.executemany(
            "INSERT INTO slots (workflow, pipeline, trigger, at, outcome, recorded_at)"
            " VALUES (?, 'build', 't', ?, ?, 0)",
            [("shop", 60, "missed"), ("shop", 120, "missed"), ("shed", 180, "expired"), ("shop", 1, "fired")],
        )  # fmt: skip
    alarms = read(shop, since=60.0)["alarms"]
    assert alarms["unknownRuns"] == {"count": 2, "newest": names[1]}
    assert alarms["slots"] == {
        "missed": {"count": 2, "newest": "shop/build/t", "at": "1970-01-01T00:02:00.000Z"},
        "expired": {"count": 1, "newest": "shed/build/t", "at": "1970-01-01T00:03:00.000Z"},
        "unknown": {"count": 0, "newest": None, "at": None},
    }
    assert read(shop, since=121.0)["alarms"]["slots"]["missed"]["count"] == 0


def test_followers_that_wait(shop: Filled) -> None:
    shop.run()
    with shop.state.transaction() as conn:
        conn.execute(
            "INSERT INTO followers (fire, workflow, pipeline, position, revision, needs, params)"
            " SELECT fire, 'shop', 'scan', 1, revision, ?, '{}' FROM runs",
            ('[{"pipeline": "build", "on": "any"}, "other"]',),
        )
    assert by_name(read(shop))["shop/scan"]["followers"] == {"count": 1, "needs": ["build", "other"]}


def test_labels_are_those_of_the_workflow(shop: Filled) -> None:
    found = read(shop, labels=lambda labels: labels.get("team") == "web")
    assert set(by_name(found)) == {"shop/build", "shop/scan"}


def test_the_overview_is_read_through_indexes(shop: Filled) -> None:
    """Only the pipelines themselves and the agents are read from end to end: every one of them is shown."""
    shop.run()
    found = scans(shop, lambda: read(shop))
    assert [text.split(":")[0] for text in found] == ["SCAN p", "SCAN a"]
