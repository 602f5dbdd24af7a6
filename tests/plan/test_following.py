"""The fires of slots: what follows in them, and what of pipelines that take no part."""

from __future__ import annotations

import pytest

from xene.model.workflow import PipelineConnector
from xene.plan.following import outcome_of_slot, reached

NEEDS = {
    "build": (),
    "lint": (),
    "scan": (PipelineConnector("build"),),
    "ship": (PipelineConnector("scan"), PipelineConnector("lint")),
    "polish": (PipelineConnector("lint"),),
}


@pytest.mark.parametrize(
    ("begun", "expected"),
    [({"build"}, ["scan", "ship"]), ({"lint"}, ["ship", "polish"]), (set(), []), ({"gone"}, [])],
)
def test_what_follows_is_what_a_trigger_leads_to(begun: set[str], expected: list[str]) -> None:
    assert reached(NEEDS, begun) == expected


@pytest.mark.parametrize(
    ("standing", "accountable", "expected"),
    [
        (None, True, None),
        (None, False, "skipped"),
        (("fired", True), True, None),
        (("skipped", True), True, "skipped"),
        (("missed", True), False, "skipped"),
        (("expired", True), True, "skipped"),
        (("missed", False), True, None),  # the next agent may catch it up
        (("unknown", False), True, None),
    ],
)
def test_a_pipeline_without_a_run_in_the_fire(
    standing: tuple[str, bool] | None, accountable: bool, expected: str | None
) -> None:
    assert outcome_of_slot(standing, accountable) == expected
