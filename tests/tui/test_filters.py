"""What is typed behind `/`, and the orders of pipelines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands import shapes
from xene.tui import filters


def row(name: str = "greet", **more: Any) -> dict[str, Any]:
    more = {"runs": [], "open": [], "followers": None, **more}
    return {**shapes.pipeline(name=name), "labels": {"team": "web"}, **more}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("hello", True),
        ("GREET hello", True),
        ("greet nothing", False),
        ("team=web", True),
        ("team=ops", False),
        ("!old team!=ops greet", True),
        ("local", True),
        ("scheduled", True),
    ],
)
def test_words_and_selectors(text: str, found: bool) -> None:
    rows = [row()]
    assert bool(filters.pipelines(rows, filters.texts(rows, {}), filters.parse(text))) is found


def test_what_is_no_selector_is_told_and_the_rest_holds() -> None:
    wanted = filters.parse("greet == team=web")
    assert wanted.words == ("greet",) and len(wanted.requirements) == 1
    assert "is not a requirement" in wanted.problem


def test_orders() -> None:
    rows = [
        row("a", nextFire="2026-11-23T04:00:00Z", lastRun={"id": "20261122-000000-a", "phase": "Success"}),
        row("b", execution="Error", lastRun={"id": "20261123-000000-a", "phase": "Error"}),
        row("c", nextFire="2026-11-23T03:00:00Z", execution=None, lastRun=None),
        row("d", execution="Unknown", lastRun={"id": "20261121-000000-a", "phase": "Unknown"}),
        row("e", phase="NotScheduled", execution=None, lastRun=None),
        row("f", reason="AgentBehind", lastRun=None),
    ]

    def order(sort: str) -> str:
        return "".join(each["name"] for each in filters.pipelines(rows, (), filters.Filter(), sort))

    assert order("name") == "abcdef"
    assert order("trouble") == "debfac"
    assert order("next") == "cabdef"
    assert order("newest") == "badcef"
