"""Runs of one revision share their spec; what only claims to be the same is not taken for it."""

from __future__ import annotations

from typing import Any

from xene.engine import progress
from xene.engine.progress import RunProgress, begin
from xene.model import events
from xene.model.run import RunOrder


def accepted(run: str, revision: str, script: str, pipeline: str = "main") -> RunProgress:
    spec: dict[str, Any] = {"pipeline": {"tasks": {"t": {"steps": [{"name": "s", "run": script}]}}}}
    order = RunOrder(run, "flow", pipeline, revision, spec, {"n": run}, "manual", 1.0, "a", {}, {})
    return begin(events.run_accepted(2.0, run, order.to_json()))


def test_runs_of_one_revision_share_what_does_not_differ() -> None:
    first, second = accepted("r1", "abc", "true"), accepted("r2", "abc", "true")
    assert first.pipeline is second.pipeline and first.order.spec is second.order.spec
    assert (first.order.id, second.order.id) == ("r1", "r2") and second.order.params == {"n": "r2"}
    assert first.tasks["t"] is not second.tasks["t"]


def test_another_spec_under_the_same_revision_is_its_own() -> None:
    accepted("r1", "abc", "true")
    assert accepted("r2", "abc", "false").pipeline.tasks["t"].steps[0].run == "false"
    assert accepted("r3", "abc", "false", "other").pipeline.name == "other"


def test_what_is_kept_is_bounded() -> None:
    for number in range(3 * progress.SHARED):
        accepted("r", f"revision-{number}", "true")
    assert len(progress._specs) == progress.SHARED
