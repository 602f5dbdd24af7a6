"""Pipelines under their workflows, and what a workflow's line says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.plan.test_overview import READY, kind, pipeline
from tests.tui.conftest import Seat, called, play, stubbed
from xene.plan.drawing.spans import text_of
from xene.tui import groups
from xene.tui.groups import Group

AGENTS = {"build-1": READY}


def row(workflow: str, name: str, **more: Any) -> dict[str, Any]:
    return {**pipeline(), "workflow": workflow, "name": name, "labels": {"team": "web"}, **more}


SHOP = [row("shop", "build"), row("shop", "ship")]
ALONE = row("docs", "publish")


def names(rows: list[groups.Row]) -> list[str]:
    return ["/".join(groups.key(each)) for each in rows]


@pytest.mark.parametrize(
    ("folded", "listed"),
    [
        (set(), ["docs/publish", "shop/", "shop/build", "shop/ship"]),
        ({"shop"}, ["docs/publish", "shop/"]),
        ({"docs"}, ["docs/publish", "shop/", "shop/build", "shop/ship"]),  # one alone cannot be hidden
    ],
)
def test_workflows_of_several_pipelines_have_a_line(folded: set[str], listed: list[str]) -> None:
    assert names(groups.grouped([ALONE, *SHOP], folded)) == listed


def test_what_the_line_says() -> None:
    group = Group(
        "shop",
        [row("shop", "build", lastRun={"id": "R", "phase": "Error"}), row("shop", "ship", lastRun=None)],
        folded=False,
    )
    assert text_of(groups.name(group)) == "▾ shop 2"
    assert text_of(groups.newest(group, 20)) == "✗-"
    assert text_of(groups.waits(group, AGENTS)) == ""
    assert text_of(groups.detail(group, AGENTS)[0]) == "shop 2 pipelines, none in trouble  team=web"


def test_a_folded_line_says_what_waits_below_it() -> None:
    waiting = row("shop", "build", open=[kind(reason="WaitingForCapacity")])
    group = Group("shop", [waiting, SHOP[1]], folded=True)
    assert text_of(groups.name(group)) == "▸ shop 2"
    assert text_of(groups.waits(group, AGENTS)) == "build waits"
    assert text_of(groups.detail(group, AGENTS)[1]) == "build: 1 run Queued, WaitingForCapacity"


@pytest.mark.parametrize(
    ("held", "words"),
    [([False, False], ""), ([True, False], "build suspended"), ([True, True], "suspended")],
)
@pytest.mark.parametrize("folded", [False, True])
def test_that_it_is_suspended_is_said(held: list[bool], words: str, folded: bool) -> None:
    rows = [row("shop", name, suspended=each) for name, each in zip(("build", "ship"), held, strict=True)]
    group = Group("shop", rows, folded)
    assert text_of(groups.waits(group, AGENTS)) == words
    assert text_of(groups.detail(group, AGENTS)[1]) == (words or "nothing waits")


@pytest.mark.parametrize(
    ("phases", "suspended", "words"),
    [
        (["Scheduled", "Scheduled"], [False, False], "Scheduled"),
        (["Scheduled", "Scheduled"], [True, True], "Scheduled,Suspended"),
        (["Scheduled", "Scheduled"], [True, False], "Scheduled"),
        (["Scheduled", "Scheduled", "NotScheduled"], [False] * 3, "1 of 3 NotScheduled"),
    ],
)
def test_its_phase(phases: list[str], suspended: list[bool], words: str) -> None:
    rows = [
        row("shop", f"p{at}", phase=phase, suspended=held)
        for at, (phase, held) in enumerate(zip(phases, suspended, strict=True))
    ]
    assert text_of(groups.phase(Group("shop", rows, folded=False))) == words


def test_its_agents_and_what_is_due_first() -> None:
    rows = [
        row("shop", "a", agent="build-1", nextFire="2026-11-23T04:00:00.000Z"),
        row("shop", "b", agent="build-2", nextFire="2026-11-23T03:00:00.000Z"),
        row("shop", "c", agent=None, nextFire=None),
    ]
    assert groups.agent(Group("shop", rows, folded=False)) == "2 agents"
    assert groups.agent(Group("shop", rows[:1], folded=False)) == "build-1"
    assert groups.agent(Group("shop", rows[2:], folded=False)) == ""
    assert groups.due(Group("shop", rows, folded=False)) == "2026-11-23T03:00:00.000Z"
    assert groups.due(Group("shop", rows[2:], folded=False)) is None


def listed(seat: Seat) -> list[str]:
    return names(list(seat.main.pane.sheet.rows))


def test_folding_by_keys(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            assert listed(seat)[1:4] == ["shed/", "shed/dig", "shed/rake"]
            await seat.go_to("shed/rake")
            await seat.press("left")
            await seat.sees("▸ shed 2", "shed 2 pipelines, none in trouble")
            assert listed(seat)[1:3] == ["shed/", "shop/"]
            await seat.press("right")
            assert listed(seat)[1:4] == ["shed/", "shed/dig", "shed/rake"]
            await seat.press("enter")
            await seat.sees("▸ shed 2")
            await seat.press("F")
            assert listed(seat) == ["docs/publish", "shed/", "shop/"]
            await seat.sees("build, scan, ship wait", "shed 2 pipelines")
            await seat.press("F")
            assert len(listed(seat)) == 8
            await seat.press("slash")
            await seat.type("shop")
            await seat.until(lambda: listed(seat) == ["shop/build", "shop/scan", "shop/ship"], "a plain list")

    play(scene)


def test_acts_on_a_workflow(home: Path, still: None) -> None:
    async def scene() -> None:
        async with stubbed(home) as seat:
            await seat.go_to("shop")
            await seat.press("r")
            await seat.sees("Run shop", "count *", "$ xene run shop")
            await seat.press("tab", "tab", "tab")
            await seat.type("3")
            await seat.press("enter")
            await seat.sees("done: run")
            await seat.press("s")
            await seat.sees("done: suspend")
            assert " Resume" not in seat.lines()[-1]
            await seat.press("w")
            await seat.sees("why workflow/shop")

    play(scene)
    assert called(home) == ["run shop -p count=3", "suspend shop", "why workflow/shop"]
